//! The rule, row by row: what is accepted, and what is refused for which reason.

#[rustfmt::skip] // a row of the table is a line
mod hostile;
mod interoperability;
mod mutants;
mod signing;

use super::{Beside, Signed, signatures};
use crate::{
    artifact::{CHUNK, Covered, Examined, Limits, Refusal, inspect},
    name::Digest,
};
use std::{
    collections::BTreeMap,
    io::{self, Read},
    sync::Arc,
};
use vouch_protocol::{ArtifactKind, Claims, ErrorKind};
use vouch_testing::{forge::*, seeds::seed};

/// What there is to be said of an artifact before anybody asks for the date.
struct Looked {
    kind: Option<ArtifactKind>,
    digest: Option<Digest>,
    size: u64,
    hashes: BTreeMap<String, Digest>,
    extension: &'static str,
    verdict: Result<Claims, Refusal>,
}

fn read(reader: impl Read, size: usize, limits: &Limits) -> io::Result<Looked> {
    let examined = inspect(reader, size as u64, limits)?;
    let (digest, size) = (examined.digest(), examined.size());
    let ((), found, _) = examined.into_parts();
    let (kind, hashes, extension) = match &found {
        Ok(facts) => (
            Some(facts.kind),
            match &facts.covered {
                Covered::Entries(entries) => entries.hashes().clone(),
                Covered::Rest(_) => BTreeMap::new(),
            },
            facts.extension(),
        ),
        Err(unfit) => {
            let kind = unfit.artifact.as_ref().map(|artifact| artifact.kind);
            (kind, BTreeMap::new(), "")
        }
    };
    let verdict = found
        .map_err(|unfit| unfit.refusal.clone())
        .and_then(|facts| {
            let signed = signatures(&facts, Beside::nothing()).signatures?.remove(0);
            signed.covers()?;
            Ok(signed.claims().expect("a token has them").clone())
        });
    Ok(Looked {
        kind,
        digest,
        size,
        hashes,
        extension,
        verdict,
    })
}

fn look(bytes: &[u8]) -> Looked {
    if bytes.len() < 64 << 10 {
        let wasm = bytes.starts_with(b"\0asm");
        seed(if wasm { "wasm" } else { "archive" }, bytes);
    }
    look_at_mutant(bytes)
}

/// The same of one of thousands, which fuzzing makes by itself.
fn look_at_mutant(bytes: &[u8]) -> Looked {
    read(bytes, bytes.len(), &Limits::default()).expect("memory can be read")
}

fn check_accepted(bytes: &[u8], kind: ArtifactKind) -> Looked {
    let looked = look(bytes);
    assert_eq!(looked.verdict.as_ref().err(), None);
    assert_eq!(looked.kind, Some(kind));
    assert_eq!(looked.digest, Some(Digest::of(bytes)));
    assert_eq!(looked.size, bytes.len() as u64);
    looked
}

#[test]
fn what_is_signed_is_accepted() {
    let signer = Signer::default();
    check_accepted(&signer.wasm(&module()), ArtifactKind::Module);
    check_accepted(&signer.wasm(&component()), ArtifactKind::Component);
    check_accepted(&signer.wasm(&nested(99)), ArtifactKind::Component);
    let archive = signer.archive(ENTRIES);
    check_accepted(&archive, ArtifactKind::Provider);
    check_accepted(&gzip(&archive), ArtifactKind::Provider);
}

#[test]
fn what_was_signed_in_the_field_is_accepted() {
    for revision in [None, Some(0), Some(2), Some(3), Some(u32::MAX)] {
        for section in ["jwt", "wasmcloud_jwt"] {
            let signer = Signer {
                revision,
                section,
                ..Signer::default()
            };
            check_accepted(&signer.wasm(&module()), ArtifactKind::Module);
        }
    }
}

#[test]
fn numbers_may_be_longer_than_they_need_to_be() {
    let long = |value: usize| {
        let bits = |shift: u32| (value >> shift) as u8 & 0x7f;
        [
            bits(0) | 0x80,
            bits(7) | 0x80,
            bits(14) | 0x80,
            bits(21) | 0x80,
            bits(28),
        ]
    };
    let signer = Signer::default();
    let token = signer.wasm_token(&module());
    let content = [&long(3)[..], b"jwt", token.as_bytes()].concat();
    let section = [&[0][..], &long(content.len()), &content].concat();
    check_accepted(&[module(), section].concat(), ArtifactKind::Module);
}

#[test]
fn the_token_may_stand_anywhere() {
    let signer = Signer::default();
    let unsigned = module();
    let token = custom("jwt", signer.wasm_token(&unsigned).as_bytes());
    // Behind the header, and in front of the last section.
    for at in [8, unsigned.len() - custom("producers", b"\0").len()] {
        let bytes = [&unsigned[..at], &token, &unsigned[at..]].concat();
        check_accepted(&bytes, ArtifactKind::Module);
    }

    let token = signer.archive_token(ENTRIES);
    let mut entries = ENTRIES.to_vec();
    entries.push(("claims.jwt", token.as_bytes()));
    check_accepted(&tar(&entries), ArtifactKind::Provider);
}

#[test]
fn claims_are_reported() {
    let signer = Signer::default();
    let claims = look(&signer.wasm(&module())).verdict.unwrap();
    assert_eq!(claims.issuer, signer.account.public_key());
    assert_eq!(claims.subject, signer.module.public_key());
    assert_eq!(claims.name.as_deref(), Some("echo"));
    assert_eq!(claims.version.as_deref(), Some("0.3.4"));
    assert_eq!(claims.revision, Some(4));
    assert_eq!(claims.tags, ["a"]);
    assert_eq!(claims.capabilities, ["wasmcloud:httpserver"]);
    assert_eq!(claims.issued_at, 1_700_000_000);

    let claims = look(&signer.archive(ENTRIES)).verdict.unwrap();
    assert_eq!(claims.vendor.as_deref(), Some("acme"));
    assert_eq!(claims.targets, ["aarch64-linux", "x86_64-linux"]);
}

#[test]
fn a_refused_artifact_still_has_its_digest() {
    let bytes = module();
    let examination = look(&bytes);
    assert_eq!(examination.kind, Some(ArtifactKind::Module));
    assert_eq!(examination.digest, Some(Digest::of(&bytes)));
    assert_eq!(examination.size, bytes.len() as u64);
    assert_eq!(examination.verdict.unwrap_err().kind, ErrorKind::Unsigned);
}

#[test]
fn tar_fields_that_mean_nothing_are_let_be() {
    let signer = Signer::default();
    let token = signer.archive_token(ENTRIES);
    let mut bytes = entry_with("claims.jwt", token.as_bytes(), |header| {
        header[100..107].copy_from_slice(b"0000777");
        header[136..147].copy_from_slice(b"12345670123");
        header[265..269].copy_from_slice(b"root");
        header[156] = 0;
    });
    for (name, content) in ENTRIES {
        bytes.extend(entry_with(name, content, |header| {
            header[257..265].copy_from_slice(b"ustar\x0000");
        }));
    }
    bytes.extend([0; 1024 + 8192]);
    check_accepted(&bytes, ArtifactKind::Provider);
}

/// Gives a byte at a time.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(1);
        self.0.read(&mut buffer[..most])
    }
}

#[test]
fn how_the_bytes_arrive_does_not_matter() {
    let signer = Signer::default();
    for bytes in [
        signer.wasm(&component()),
        signer.archive(ENTRIES),
        gzip(&signer.archive(ENTRIES)),
    ] {
        // It may be said to be of any size; a larger one than a chunk is.
        for size in [0, bytes.len(), 1 << 30] {
            let looked = read(Trickle(&bytes), size, &Limits::default()).unwrap();
            assert_eq!(looked.verdict.err(), None);
            assert_eq!(looked.digest, Some(Digest::of(&bytes)));
        }
    }
}

#[test]
fn a_token_across_the_border_of_two_chunks_is_found() {
    let signer = Signer::default();
    for before in CHUNK - 40..CHUNK + 10 {
        let start = module();
        let filler = before - start.len() - 7;
        let unsigned = [start, custom("fill", &vec![7; filler])].concat();
        let signed = signer.wasm(&unsigned);
        check_accepted(&signed, ArtifactKind::Module);
    }
}

#[test]
fn a_reader_s_failure_is_no_verdict() {
    struct Failing<'a>(&'a [u8]);
    impl Read for Failing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
                read => Ok(read),
            }
        }
    }
    let signer = Signer::default();
    let archive = gzip(&signer.archive(ENTRIES));
    for bytes in [
        &archive[..archive.len() - 3],
        &archive[..],
        &signer.archive(ENTRIES),
        &module(),
        b"anything",
        b"",
    ] {
        let error = inspect(Failing(bytes), 1, &Limits::default()).expect_err("it cannot be read");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}

#[test]
fn a_target_is_extracted_as_it_was_signed() {
    let signer = Signer::default();
    let archive = signer.archive(ENTRIES);
    for bytes in [archive.clone(), gzip(&archive)] {
        let examined = inspect(&bytes[..], bytes.len() as u64, &Limits::default()).unwrap();
        let facts = examined.into_parts().1.unwrap();
        let extract = |bytes: &[u8], target: &str| {
            let mut written = Vec::new();
            facts
                .extract(bytes, target, &mut written)
                .map(|_| written)
                .map_err(|error| error.kind())
        };
        assert_eq!(extract(&bytes, "x86_64-linux").unwrap(), ENTRIES[1].1);
        let absent = extract(&bytes, "riscv64-linux");
        assert_eq!(absent, Err(ErrorKind::TargetNotFound));
        assert_eq!(
            extract(&bytes, "world.wasm"),
            Err(ErrorKind::TargetNotFound)
        );
        let other = signer.archive(&[("x86_64-linux.bin", b"another")]);
        assert_eq!(
            extract(&other, "x86_64-linux"),
            Err(ErrorKind::ContentModified)
        );
    }
}

#[test]
fn more_than_the_limit_is_refused_from_its_size() {
    struct Unread;
    impl Read for Unread {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("it was read")
        }
    }
    let limits = Limits {
        artifact: 1000,
        ..Limits::default()
    };
    let looked = read(Unread, 1001, &limits).unwrap();
    assert_eq!(looked.verdict.unwrap_err().kind, ErrorKind::TooLarge);
    assert_eq!((looked.digest, looked.size), (None, 1001));
}

#[test]
fn what_was_found_out_about_a_token_is_kept_with_it() {
    let bytes = Signer::default().wasm(&module());
    let examined: Examined<()> = inspect(&bytes[..], 1000, &Limits::default()).unwrap();
    let signed = |examined: Examined<()>| -> Arc<Signed> {
        signatures(&examined.into_parts().1.unwrap(), Beside::nothing())
            .signatures
            .unwrap()
            .remove(0)
    };
    let first = signed(examined.share());
    assert_eq!(
        first.signer().id,
        format!("token:{}", first.claims().unwrap().issuer)
    );
    assert!(Arc::ptr_eq(&first, &signed(examined)));
}
