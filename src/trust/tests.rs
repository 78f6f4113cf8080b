//! What becomes a permission, and what it permits.

mod bundles;
mod decisions;
mod properties;
mod store;

use super::*;
use crate::{
    artifact::{self, Limits, inspect},
    file::{self, Destination},
    name::{Digest, testing},
};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, UNIX_EPOCH},
};
use vouch_protocol::Verification;
use vouch_testing::forge::{Signer, module};

fn at(seconds: u64) -> Now {
    Now::built_in(UNIX_EPOCH + Duration::from_secs(seconds))
}

fn examined(signer: &Signer) -> Examined<()> {
    let bytes = signer.wasm(&module());
    inspect(&bytes[..], bytes.len() as u64, &Limits::default()).unwrap()
}

fn judged(signer: &Signer, usage: Use, seconds: u64) -> Result<Verdict<()>> {
    judge(examined(signer), None, usage, None, &at(seconds))
}

#[test]
fn dates_are_judged_by_the_second() {
    let check = |not_before, expires, now, expected| {
        let signer = Signer {
            not_before,
            expires,
            ..Signer::default()
        };
        let verdict = judged(&signer, Use::Verify(None), now).unwrap();
        let kind = verdict.err().map(|refused| refused.refusal.kind);
        assert_eq!(kind, expected, "{not_before:?} to {expires:?} at {now}");
    };
    check(None, None, 0, None);
    check(Some(100), None, 99, Some(ErrorKind::NotYetValid));
    check(Some(100), None, 100, None);
    check(None, Some(100), 99, None);
    check(None, Some(100), 100, Some(ErrorKind::Expired));
    let never = Some(ErrorKind::NotYetValid);
    check(Some(u64::MAX), Some(0), 50, never);
}

#[test]
fn a_date_counts_before_a_hash_does() {
    let signer = Signer {
        expires: Some(1),
        hash: Some("00".into()),
        ..Signer::default()
    };
    let check = |now, expected| {
        let refused = judged(&signer, Use::Verify(None), now)
            .unwrap()
            .unwrap_err();
        assert_eq!(refused.refusal.kind, expected);
    };
    check(0, ErrorKind::HashMismatch);
    check(1, ErrorKind::Expired);
}

#[test]
fn what_held_is_judged_by_the_time_of_then() {
    let signer = Signer {
        expires: Some(100),
        ..Signer::default()
    };
    let vouched = judged(&signer, Use::Verify(None), 99).unwrap().unwrap();
    vouched.confirm(&at(99), "it").unwrap();
    let error = vouched.confirm(&at(100), "it").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Expired);
}

#[test]
fn nothing_expired_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let signer = Signer {
        expires: Some(100),
        ..Signer::default()
    };
    let bytes = signer.wasm(&module());
    let receive = |usage, now| {
        let destination = Destination::at(&folder.path().join("a.wasm")).unwrap();
        let file: Unnamed = destination.create().unwrap();
        let size = bytes.len() as u64;
        let examined = artifact::receive(&bytes[..], size, file, &Limits::default()).unwrap();
        judge(examined, None, usage, None, &at(now))
    };
    let pull = || {
        let layer = Layer {
            digest: Digest::of(&bytes),
            size: bytes.len() as u64,
        };
        Use::Pull(published(layer))
    };
    let place = |vouched: Vouched<Unnamed>, now| {
        let kind = vouched.place("b".as_ref(), false, || at(now));
        kind.map_err(|error| error.kind())
    };
    assert_eq!(
        place(receive(pull(), 99).unwrap().unwrap(), 100),
        Err(ErrorKind::Expired)
    );
    let other = receive(Use::Verify(None), 99).unwrap().unwrap();
    assert_eq!(
        place(other, 99),
        Err(ErrorKind::Internal),
        "judged for another use"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let placed = place(receive(pull(), 99).unwrap().unwrap(), 99).unwrap();
    assert_eq!(std::fs::read(placed.0).unwrap(), bytes);
}

#[test]
fn what_lies_beside_a_file_that_gets_no_name_does_not_stay() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = Signer::default().wasm(&module());
    let (path, beside) = (folder.path().join("a"), folder.path().join("beside"));
    let place = |meanwhile: &dyn Fn()| {
        let file: Unnamed = Destination::at(&path).unwrap().create().unwrap();
        let size = bytes.len() as u64;
        let examined = artifact::receive(&bytes[..], size, file, &Limits::default()).unwrap();
        let layer = Layer {
            digest: Digest::of(&bytes),
            size,
        };
        let vouched = judge(examined, None, Use::Pull(published(layer)), None, &at(99));
        let before = || {
            let there: file::Unnamed<()> = Destination::at(&beside)?.create()?;
            let named = there.give_name_for_now("".as_ref(), true, || Ok(()))?;
            meanwhile();
            Ok(Some(named))
        };
        let vouched = vouched.unwrap().unwrap();
        vouched.place_with("".as_ref(), false, || at(99), before)
    };
    std::fs::write(&beside, b"old").unwrap();
    let error = place(&|| std::fs::write(&path, b"theirs").unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DestinationExists);
    assert_eq!(std::fs::read(&beside).unwrap(), b"old");
    std::fs::remove_file(&path).unwrap();
    let placed = place(&|| ()).unwrap();
    assert_eq!((placed.0, placed.1), (path.clone(), Some(beside.clone())));
    assert_eq!(std::fs::read(&beside).unwrap(), b"");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn what_is_signed_is_put_where_it_was_judged_for_whatever_its_dates_and_whoever_signed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wasm");
    let receive = |signer: &Signer, usage| {
        let bytes = signer.wasm(&module());
        let file: Unnamed = Destination::at(&path).unwrap().create().unwrap();
        let size = bytes.len() as u64;
        let examined = artifact::receive(&bytes[..], size, file, &Limits::default()).unwrap();
        let now = Now {
            policy: Err(Error::new(ErrorKind::PolicyUnusable, "unusable")),
            ..at(50)
        };
        judge(examined, None, usage, None, &now)
    };
    let sign = |at: &std::path::Path| Use::Sign { at: at.to_owned() };
    let expired = Signer {
        expires: Some(1),
        ..Signer::default()
    };
    let grafted = Signer {
        hash: Some("00".into()),
        ..Signer::default()
    };
    let refused = receive(&grafted, sign(&path)).unwrap().unwrap_err();
    assert_eq!(refused.refusal.kind, ErrorKind::HashMismatch);
    let error = receive(&expired, Use::Verify(None)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyUnusable);

    let vouched = |usage| receive(&expired, usage).unwrap().unwrap();
    let misused = |done: Result<PathBuf>| assert_eq!(done.unwrap_err().kind(), ErrorKind::Internal);
    misused(vouched(sign("/elsewhere".as_ref())).put("".as_ref(), true));
    let placed = vouched(sign(&path)).place("".as_ref(), true, || at(0));
    misused(placed.map(|(path, _)| path));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(vouched(sign(&path)).put("".as_ref(), false).unwrap(), path);
}

fn published(layer: Layer) -> Published {
    Published {
        from: testing::reference("ghcr.io/acme/echo:1"),
        place: Place::of(&testing::reference("ghcr.io/acme/echo:1")).unwrap(),
        manifest: Digest::of(b"manifest"),
        layer,
    }
}

#[test]
fn other_bytes_than_the_manifest_s_are_not_judged() {
    let signer = Signer::default();
    let right = examined(&signer);
    let (digest, size) = (right.digest().unwrap(), right.size());
    for (layer, expected) in [
        (Layer { digest, size }, None),
        (
            Layer {
                digest,
                size: size + 1,
            },
            Some(ErrorKind::DigestMismatch),
        ),
        (
            Layer {
                digest: Digest::of(b"x"),
                size,
            },
            Some(ErrorKind::DigestMismatch),
        ),
    ] {
        for usage in [
            Use::Pull(published(layer)),
            Use::Verify(Some(published(layer))),
        ] {
            let kind = judge(right.share(), None, usage, None, &at(0)).err();
            assert_eq!(kind.map(|error| error.kind()), expected);
        }
    }
}
