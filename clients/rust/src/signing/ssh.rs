//! What SSH writes: strings in messages, Ed25519 keys in messages and lines (RFC 4251, section 5; RFC
//! 8709, section 4), and why keys of its other types cannot sign tokens.

use super::error::{Result, SigningError, SigningErrorKind};
use data_encoding::{BASE64, BASE64_NOPAD};
use sha2::{Digest as _, Sha256};
use std::{fs::File, io::Read as _, path::Path};

/// The longest file with a public key, in bytes.
const LONGEST: u64 = 16 << 10;

/// The one type of key whose signatures are those of tokens.
pub(super) const ED25519: &str = "ssh-ed25519";

/// What stands in front of the key in a public key.
const PREFIX: &[u8] = b"\0\0\0\x0bssh-ed25519\0\0\0\x20";

/// An Ed25519 public key as messages have it.
pub(super) fn blob(key: &[u8; 32]) -> Vec<u8> {
    [PREFIX, key].concat()
}

/// The Ed25519 public key in a message.
pub(super) fn key(blob: &[u8]) -> Option<[u8; 32]> {
    blob.strip_prefix(PREFIX)?.try_into().ok()
}

/// An Ed25519 public key as a line: `ssh-ed25519 AAAA… comment`.
pub(super) fn line(key: &[u8; 32], comment: &str) -> String {
    let line = format!("{ED25519} {} {comment}", BASE64.encode(&blob(key)));
    line.trim_end().to_owned()
}

/// Takes a string off the front: RFC 4251, section 5.
pub(super) fn take<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = from.split_first_chunk()?;
    let (string, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *from = rest;
    Some(string)
}

/// Puts a string behind: what is signed is bounded, and so are keys.
pub(super) fn put(to: &mut Vec<u8>, string: &[u8]) {
    let length = u32::try_from(string.len()).unwrap_or(u32::MAX);
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(string);
}

/// Why a key of that type cannot sign tokens.
pub(super) fn unusable(key: &str, kind: &str) -> SigningError {
    let why = if kind.contains("-cert-") {
        "a certificate; name the key that it certifies".to_owned()
    } else if kind.starts_with("sk-") {
        "a FIDO key, whose signatures cover a counter that tokens have no place for".to_owned()
    } else if kind.starts_with("ssh-rsa") || kind.starts_with("rsa-") {
        "an RSA key, and tokens are signed with Ed25519".to_owned()
    } else if kind.starts_with("ecdsa-") {
        "an ECDSA key, and tokens are signed with Ed25519".to_owned()
    } else {
        format!("of the type {kind:?}, and tokens are signed with Ed25519")
    };
    let message = format!("{key} cannot sign tokens: it is {why}");
    SigningError::new(SigningErrorKind::KeyUnusable, message)
        .help("`ssh-keygen -t ed25519` makes one that can; `vouch keys new NAME` does, too.")
}

/// The fingerprint of a public key, as OpenSSH shows it.
pub(super) fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", BASE64_NOPAD.encode(&Sha256::digest(blob)))
}

/// The fingerprint of the key in a file such as `id_ed25519.pub`.
pub(super) fn fingerprint_of_file(path: &Path) -> Result<String> {
    let shown = path.display();
    let failed = |error: std::io::Error| {
        SigningError::new(
            SigningErrorKind::File,
            format!("cannot read {shown}: {error}"),
        )
    };
    // A pipe would keep who opens it waiting.
    if !path.metadata().map_err(failed)?.is_file() {
        let message = format!("{shown} is not a regular file");
        return Err(SigningError::new(SigningErrorKind::File, message));
    }
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST).read_to_string(&mut text))
        .map_err(failed)?;
    let mut fields = text.split_ascii_whitespace();
    let kind = fields.next().unwrap_or_default();
    let blob = fields
        .next()
        .and_then(|blob| BASE64.decode(blob.as_bytes()).ok());
    match blob {
        Some(blob) if kind == ED25519 => Ok(fingerprint(&blob)),
        Some(_) if kind.len() <= 64 => Err(unusable(&shown.to_string(), kind)),
        _ => {
            let message = format!("{shown} does not hold a public key of SSH");
            Err(SigningError::new(SigningErrorKind::KeyUnusable, message))
        }
    }
}
