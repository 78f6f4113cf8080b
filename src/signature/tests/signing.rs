//! What is signed here, from the draft to the artifact.

mod asked;
mod inherited;
mod others;
mod refused;
mod unchanged;

use super::*;
use crate::{
    artifact::{Description, Facts, describe, replaced},
    error::Result,
    signature::{Asked, Draft, Sealed},
};
use data_encoding::BASE64URL_NOPAD;
use flate2::{Compression, GzBuilder, read::GzDecoder};
use nkeys::KeyPair;
use std::{io::Write, path::Path};
use vouch_protocol::SignPrepareParams;

const NOW: u64 = 1_800_000_000;

fn facts(bytes: &[u8]) -> (Arc<Facts>, Option<Description>) {
    let (examined, description) =
        describe(bytes, bytes.len() as u64, &Limits::default()).expect("memory can be read");
    (
        examined.into_parts().1.expect("it is well formed"),
        description,
    )
}

fn draft_at(path: &str, bytes: &[u8], params: SignPrepareParams) -> Result<Draft> {
    let (facts, description) = facts(bytes);
    let asked = Asked::of(params, NOW)?;
    Draft::of(
        &facts,
        description.as_ref(),
        Path::new(path),
        &asked,
        256 << 10,
    )
}

fn draft(bytes: &[u8], params: SignPrepareParams) -> Result<Draft> {
    draft_at("/a/kv.par.gz", bytes, params)
}

fn by(account: &KeyPair) -> SignPrepareParams {
    SignPrepareParams {
        account: account.public_key(),
        ..SignPrepareParams::default()
    }
}

/// The same for what may be a provider archive.
fn of_vendor(account: &KeyPair, bytes: &[u8]) -> SignPrepareParams {
    SignPrepareParams {
        vendor: (!bytes.starts_with(b"\0asm")).then(|| "acme".into()),
        ..by(account)
    }
}

fn seal(signing_input: &str, account: &KeyPair) -> Result<Sealed> {
    let signature = account
        .sign(signing_input.as_bytes())
        .expect("an own key signs");
    let signature = BASE64URL_NOPAD.encode(&signature);
    seed("signing_input", format!("{signing_input}.{signature}"));
    Sealed::of(signing_input, &signature, 256 << 10)
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
    let sealed = seal(&draft.signing_input, account).expect("it is signed");
    put(bytes, sealed.bytes())
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

fn gzip_at(level: u32, bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new()
        .filename("kv.par")
        .mtime(7)
        .write(Vec::new(), Compression::new(level));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An entry's parts: its header, its content, its padding.
fn entries_of(tar: &[u8]) -> Vec<(String, &[u8])> {
    let mut entries = Vec::new();
    let mut at = 0;
    while tar[at..at + 512].iter().any(|byte| *byte != 0) {
        let header = tar::Header::from_byte_slice(&tar[at..at + 512]);
        let size = header.entry_size().unwrap() as usize;
        let end = at + 512 + size.next_multiple_of(512);
        let name = header.path().unwrap().to_str().unwrap().to_owned();
        entries.push((name, &tar[at..end]));
        at = end;
    }
    entries.push((String::new(), &tar[at..]));
    entries
}
