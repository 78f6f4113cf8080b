//! What fuzzing reaches of artifacts, tokens and bundles: see `tests/fuzz`.

use super::{Anchors, Beside, Evidence, Layer, Sealed, bundled, signatures};
use crate::{
    artifact::{Covered, Facts, Limits, inspect, replaced},
    name::Digest,
};
use std::{
    io::{self, Read},
    sync::Arc,
};

/// Bytes that arrive in pieces.
struct Pieces<'a> {
    left: &'a [u8],
    piece: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.piece);
        self.left.read(buffer.get_mut(..most).unwrap_or_default())
    }
}

/// All that is said of an artifact whose bytes arrive in pieces.
#[expect(clippy::expect_used, reason = "fuzzing ends where it cannot go on")]
pub fn judged(bytes: &[u8], piece: usize) -> String {
    let limits = Limits {
        expanded: 4 << 20,
        ..Limits::default()
    };
    let stream = Pieces { left: bytes, piece };
    let examined = inspect(stream, bytes.len() as u64, &limits).expect("memory can be read");
    let (digest, size) = (examined.digest(), examined.size());
    let ((), found, _) = examined.into_parts();
    let verdict = found
        .map_err(|unfit| unfit.refusal.clone())
        .and_then(|facts| {
            let signed = signatures(&facts, Beside::nothing()).signatures?;
            signed.iter().try_for_each(|signed| signed.covers())
        });
    format!("{digest:?} {size} {verdict:?}")
}

/// Whether a text, cut at its last dot, is a signing input of ours and its signature.
pub fn sealed(text: &str) -> bool {
    let (input, signature) = text.rsplit_once('.').unwrap_or_default();
    Sealed::of(input, signature, 256 << 10).is_ok()
}

fn facts(bytes: &[u8], limits: &Limits) -> Option<Arc<Facts>> {
    inspect(bytes, bytes.len() as u64, limits).ok()?.facts()
}

/// Puts a token into an artifact, where it is one: all else must stay as it is.
#[expect(clippy::expect_used, reason = "fuzzing ends where it cannot go on")]
pub fn put_in(bytes: &[u8]) {
    let limits = |expanded, entries| Limits {
        expanded,
        entries,
        ..Limits::default()
    };
    let Some(old) = facts(bytes, &limits(4 << 20, 256)) else {
        return;
    };
    let limits = limits(5 << 20, 257);
    let new = replaced(bytes, bytes.len() as u64, b"token", &limits, |stream| {
        let mut new = Vec::new();
        stream.read_to_end(&mut new).map(|_| new)
    });
    let new = facts(&new.expect("it was read before"), &limits).expect("it is one still");
    let token = new.token.as_ref().expect("it was put in");
    assert_eq!(token.bytes(), b"token");
    assert_eq!((old.kind, old.extension()), (new.kind, new.extension()));
    assert_eq!(old.imports, new.imports);
    match (&old.covered, &new.covered) {
        (Covered::Rest(old_rest), Covered::Rest(rest)) => {
            assert_eq!(old_rest.or(Some(old.digest)), *rest);
        }
        (Covered::Entries(old), Covered::Entries(new)) => {
            assert_eq!(old.hashes(), new.hashes());
            assert_eq!(old.fault(), new.fault());
        }
        _ => panic!("it is something else"),
    }
}

/// What a bundle says beside a root that somebody brings: a line of each, or a root and what cosign
/// 2 stored, in five lines. What holds, holds again, for one artifact alone.
pub fn bundle(text: &[u8]) {
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (root, bundle) = (line(), line());
    let mut anchors = Anchors::new();
    // A root that cannot be read leaves those that are brought along.
    let _ = anchors.add_root("public-good", root);
    let evidence = if let b"cosign 2" = bundle {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace('|', "\n");
        let some = |bytes: &[u8]| (!bytes.is_empty()).then(|| text(bytes));
        Evidence::layer(
            "it",
            Layer {
                payload: line().to_vec(),
                signature: text(line()),
                certificate: some(line()),
                chain: None,
                bundle: some(line()),
            },
        )
    } else {
        let _ = anchors.add_key(line(), None);
        Evidence::bundle("it", bundle)
    };
    let ours = Digest::of(b"an artifact");
    let held = |digest| bundled(digest, evidence.clone(), &anchors);
    let first = held(ours);
    assert_eq!(first, held(ours));
    if first.is_ok_and(|signed| !signed.is_empty()) {
        let other = held(Digest::of(b"another"));
        assert!(!other.is_ok_and(|signed| !signed.is_empty()));
    }
}
