//! A signer's public key: one Ed25519 key, written as an account nkey or as a line of SSH.

use crate::signature::nkey;
use data_encoding::BASE64;

/// Checks an account nkey: `A…`.
pub(super) fn account(text: &str) -> Result<String, String> {
    let not =
        || format!("{text:?} is not a public account nkey: `A`, and 55 more letters and digits");
    let key = nkey::read(nkey::Of::Account, text).ok_or_else(not)?;
    Ok(account_of(&key))
}

/// How ids of signers of bundles begin.
const OF_BUNDLES: [&str; 4] = [
    "sigstore:workflow=",
    "sigstore:email=",
    "sigstore:uri=",
    "sigstore:key=",
];

/// The id of a signer that is named by one, or by an account: `token:A…`, `A…` or
/// `sigstore:email=…`. Nothing else is one.
pub(super) fn id(text: &str) -> Option<String> {
    if let Ok(account) = account(text.strip_prefix("token:").unwrap_or(text)) {
        return Some(format!("token:{account}"));
    }
    let named = OF_BUNDLES
        .iter()
        .find_map(|start| text.strip_prefix(start))?;
    let odd = |c: char| c.is_whitespace() || c.is_control();
    let is_id = !named.is_empty() && !text.contains(odd);
    is_id.then(|| text.to_owned())
}

/// The key of a signer, as people write it: what an id says beside the method.
pub(super) fn of_id(id: &str) -> &str {
    id.split_once(':').map_or(id, |(_, key)| key)
}

/// Whether it is what a token may be about: the public nkey of a module or of a provider.
pub(super) fn is_subject(text: &str) -> bool {
    let is = |of| nkey::read(of, text).is_some();
    is(nkey::Of::Module) || is(nkey::Of::Service)
}

/// The account nkey of the Ed25519 key in a line as `ssh-add -L` and `id_ed25519.pub` have it:
/// RFC 4253, section 6.6, and RFC 8709, section 4.
pub(super) fn of_ssh(line: &str) -> Result<String, String> {
    let mut fields = line.split_ascii_whitespace();
    let kind = fields.next().unwrap_or_default();
    if kind != "ssh-ed25519" {
        let is_other = ["ssh-", "ecdsa-", "sk-"]
            .iter()
            .any(|start| kind.starts_with(start));
        return Err(if is_other && kind.len() < 64 {
            format!("keys of the type {kind} cannot sign tokens; those of `ssh-ed25519` can")
        } else {
            "it is not a public SSH key: write `ssh-ed25519 AAAA… comment`".into()
        });
    }
    let broken = || "the SSH key is cut off or changed: copy the whole line again".to_owned();
    let blob = fields.next().unwrap_or_default();
    let blob = BASE64.decode(blob.as_bytes()).map_err(|_| broken())?;
    let key = blob
        .strip_prefix(b"\0\0\0\x0bssh-ed25519\0\0\0\x20")
        .and_then(|key| <[u8; 32]>::try_from(key).ok())
        .ok_or_else(broken)?;
    Ok(account_of(&key))
}

/// The account nkey of an Ed25519 public key.
pub(super) fn account_of(key: &[u8; 32]) -> String {
    nkey::write(nkey::Of::Account, key)
}
