//! What is signed here: nothing changes but the token, and everybody reads it.

use super::*;
use crate::{
    artifact::{Facts, describe, replaced},
    error::Result,
    signature::{Asked, Draft, Sealed},
};
use data_encoding::BASE64URL_NOPAD;
use flate2::read::GzDecoder;
use nkeys::KeyPair;
use std::path::Path;
use vouch_protocol::SignPrepareParams;

const NOW: u64 = 1_800_000_000;

fn facts(bytes: &[u8]) -> (Arc<Facts>, Option<crate::artifact::Description>) {
    let (examined, description) =
        describe(bytes, bytes.len() as u64, &Limits::default()).expect("memory can be read");
    (
        examined.into_parts().1.expect("it is well formed"),
        description,
    )
}

fn draft(bytes: &[u8], params: SignPrepareParams) -> Result<Draft> {
    let (facts, description) = facts(bytes);
    let asked = Asked::of(params, NOW)?;
    let path = Path::new("/a/kv.par.gz");
    Draft::of(&facts, description.as_ref(), path, &asked, 256 << 10)
}

fn by(account: &KeyPair) -> SignPrepareParams {
    SignPrepareParams {
        account: account.public_key(),
        vendor: None,
        ..SignPrepareParams::default()
    }
}

fn seal(signing_input: &str, account: &KeyPair) -> Result<Sealed> {
    let signature = account
        .sign(signing_input.as_bytes())
        .expect("an own key signs");
    Sealed::of(
        signing_input,
        &BASE64URL_NOPAD.encode(&signature),
        256 << 10,
    )
}

fn put(bytes: &[u8], token: &[u8]) -> Vec<u8> {
    let size = bytes.len() as u64;
    replaced(bytes, size, token, &Limits::default(), |stream| {
        let mut whole = Vec::new();
        stream.read_to_end(&mut whole).map(|_| whole)
    })
    .expect("memory can be read")
}

fn signed(bytes: &[u8], params: SignPrepareParams, account: &KeyPair) -> Vec<u8> {
    let draft = draft(bytes, params).expect("it can be signed");
    put(
        bytes,
        seal(&draft.signing_input, account)
            .expect("it is signed")
            .bytes(),
    )
}

/// What is in a gzip member; anything else as it is.
fn inflated(bytes: &[u8]) -> Vec<u8> {
    if !bytes.starts_with(b"\x1f\x8b") {
        return bytes.to_vec();
    }
    let mut inflated = Vec::new();
    GzDecoder::new(bytes)
        .read_to_end(&mut inflated)
        .expect("it is whole");
    inflated
}

fn vendor(account: &KeyPair) -> SignPrepareParams {
    SignPrepareParams {
        vendor: Some("acme".into()),
        ..by(account)
    }
}

#[test]
fn what_is_signed_here_is_accepted() {
    let account = KeyPair::new_account();
    let check = |bytes: &[u8], params: SignPrepareParams, kind| {
        let once = signed(bytes, params, &account);
        let claims = check_accepted(&once, kind).verdict.unwrap();
        assert_eq!(claims.issuer, account.public_key());
        // And again: the same but for the id.
        let twice = signed(&once, by(&account), &account);
        let again = check_accepted(&twice, kind).verdict.unwrap();
        assert_eq!(again, claims);
        assert_eq!(inflated(&twice).len(), inflated(&once).len());
    };
    check(&module(), by(&account), ArtifactKind::Module);
    check(&component(), by(&account), ArtifactKind::Component);
    check(&nested(5), by(&account), ArtifactKind::Component);
    check(&tar(ENTRIES), vendor(&account), ArtifactKind::Provider);
    check(
        &gzip(&tar(ENTRIES)),
        vendor(&account),
        ArtifactKind::Provider,
    );
}
