//! Random changes to valid artifacts: a mutant is refused, or says the same as the original.

use super::{super::fuzzing, *};
use proptest::{collection::vec, prelude::*, sample::Index};
use std::sync::LazyLock;

#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Remove(Index, u8),
    Insert(Index, Vec<u8>),
    Truncate(Index),
    Repeat(Index, u16),
    Swap(Index, Index, u8),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, with)| Change::Flip(at, with)),
        1 => (at(), any::<u8>()).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (at(), vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => at().prop_map(Change::Truncate),
        1 => (at(), any::<u16>()).prop_map(|(at, count)| Change::Repeat(at, count)),
        1 => (at(), at(), any::<u8>()).prop_map(|(a, b, count)| Change::Swap(a, b, count)),
    ]
}

fn apply(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        let end = |from: usize, count: usize, bytes: &[u8]| (from + count).min(bytes.len());
        match change {
            Change::Flip(at, with) => {
                let at = at.index(bytes.len());
                bytes[at] ^= with;
            }
            Change::Remove(at, count) => {
                let at = at.index(bytes.len());
                bytes.drain(at..end(at, usize::from(*count), &bytes));
            }
            Change::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
            Change::Truncate(at) => bytes.truncate(at.index(bytes.len())),
            Change::Repeat(at, count) => {
                let at = at.index(bytes.len());
                let copy = bytes[at..end(at, usize::from(*count), &bytes)].to_vec();
                bytes.splice(at..at, copy);
            }
            Change::Swap(a, b, count) => {
                let (a, b) = (a.index(bytes.len()), b.index(bytes.len()));
                for offset in 0..usize::from(*count) {
                    if a.max(b) + offset < bytes.len() {
                        bytes.swap(a + offset, b + offset);
                    }
                }
            }
        }
    }
    bytes
}

/// What a reader of an artifact could act on. Of wasm the signed claims hold the hash of every byte
/// but the token's section.
fn meaning(bytes: &[u8]) -> (Claims, BTreeMap<String, Digest>) {
    let looked = look_at_mutant(bytes);
    (looked.verdict.expect("it is accepted"), looked.hashes)
}

static ORIGINALS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let signer = Signer::default();
    vec![
        signer.wasm(&module()),
        signer.wasm(&component()),
        signer.wasm(&nested(5)),
        signer.archive(ENTRIES),
        gzip(&signer.archive(ENTRIES)),
    ]
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn a_mutant_is_refused_or_means_the_same(which in 0..5_usize, changes in vec(change(), 1..4)) {
        let original = &ORIGINALS[which];
        let mutant = apply(original.clone(), &changes);
        let examination = look_at_mutant(&mutant);
        fuzzing::put_in(&mutant);
        prop_assert_eq!(examination.digest, Some(Digest::of(&mutant)));
        if examination.verdict.is_ok() {
            prop_assert_eq!(meaning(&mutant), meaning(original));
        }
    }

    /// Below the gzip member's CRC, which random changes would hardly ever get past.
    #[test]
    fn a_mutant_inside_gzip_is_refused_or_means_the_same(changes in vec(change(), 1..4)) {
        let mutant = gzip(&apply(ORIGINALS[3].clone(), &changes));
        fuzzing::put_in(&mutant);
        if look_at_mutant(&mutant).verdict.is_ok() {
            prop_assert_eq!(meaning(&mutant), meaning(&ORIGINALS[3]));
        }
    }

    #[test]
    fn bytes_of_any_kind_get_a_verdict(start in 0..5_usize, bytes in vec(any::<u8>(), 0..2000)) {
        let starts: [&[u8]; 5] = [b"", b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0", b"\x1f\x8b\x08\0", b"claims.jwt"];
        let bytes = [starts[start], &bytes].concat();
        prop_assert!(look_at_mutant(&bytes).verdict.is_err());
    }
}
