//! Transfers with a registry that misbehaves; here, what comes from it.

mod answers;
mod attached;
mod mirrors;
mod referrers;
mod tags;
mod together;
mod uploads;

use super::{
    tests::{pull, sessions},
    *,
};
use crate::{
    name::testing,
    session::{Config, Timeouts},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use vouch_testing::faulty::{Answer, Faulty, Seen};

/// Longer than a test takes: only what is tested can end a wait.
const EVER: Duration = Duration::from_secs(3600);

/// Waits as long as it takes, and tries again at once.
fn waits() -> Timeouts {
    Timeouts {
        connect: EVER,
        idle: EVER,
        answer: EVER,
        beside: EVER,
        backoff: Duration::from_millis(1),
        ..Timeouts::default()
    }
}

fn patient() -> Sessions {
    sessions(Config::new()).timeouts(waits())
}

/// Does not wait long for the rest of a blob. A body comes together with its head (see `Faulty`), so
/// that only one that is held back is late.
fn impatient() -> Sessions {
    sessions(Config::new()).timeouts(Timeouts {
        idle: Duration::from_secs(1),
        ..waits()
    })
}

const BLOB: &[u8] = b"0123456789";

fn manifest() -> Value {
    json!({
        "schemaVersion": 2,
        "config": {
            "mediaType": "application/vnd.wasm.config.v0+json",
            "digest": Digest::of(b"{}").to_string(),
            "size": 2,
        },
        "layers": [{
            "mediaType": "application/wasm",
            "digest": Digest::of(BLOB).to_string(),
            "size": BLOB.len(),
        }],
    })
}

/// A registry with one artifact, whose blob comes as `blob` says.
fn serves(blob: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Faulty {
    Faulty::start(move |seen, before| {
        if seen.target.contains("/manifests/") {
            return Answer::new(200).body(manifest().to_string());
        }
        // The manifest came first.
        blob(seen, before - 1)
    })
}

async fn pulled(server: &Faulty) -> Result<Vec<u8>> {
    pull(&impatient(), &format!("{}/acme/echo:1", server.name())).await
}

/// What `Range` asks for, as a registry that knows it answers.
fn ranged(seen: &Seen) -> Answer {
    let Some(range) = seen.header("range") else {
        return Answer::new(200).body(BLOB);
    };
    let start: usize = range
        .trim_start_matches("bytes=")
        .trim_end_matches('-')
        .parse()
        .unwrap();
    Answer::new(206)
        .header("content-range", format!("bytes {start}-9/10"))
        .body(&BLOB[start..])
}

#[tokio::test]
async fn a_cut_download_goes_on_where_it_stopped() {
    let server = serves(|seen, before| match before {
        0..7 => ranged(seen).cut(1),
        _ => ranged(seen),
    });
    assert_eq!(pulled(&server).await.unwrap(), BLOB);
    let last = server.seen().pop().unwrap();
    assert_eq!(last.header("range"), Some("bytes=7-"));
    assert_eq!(last.header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn a_registry_without_ranges_sends_all_again() {
    let server = serves(|_, before| match before {
        0 => Answer::new(200).body(BLOB).cut(4),
        _ => Answer::new(200).body(BLOB),
    });
    assert_eq!(pulled(&server).await.unwrap(), BLOB);
}

#[tokio::test]
async fn a_stalled_download_goes_on_too() {
    let server = serves(|seen, before| match before {
        0 => ranged(seen).stall(3),
        _ => ranged(seen),
    });
    assert_eq!(pulled(&server).await.unwrap(), BLOB);
}

/// Each byte comes in time, and still it would take for ever.
#[tokio::test]
async fn a_trickle_is_a_stall() {
    let server = serves(|seen, _| ranged(seen).trickle(Duration::from_millis(200)));
    let sessions = sessions(Config::new()).timeouts(Timeouts {
        idle: Duration::from_millis(300),
        attempts: 2,
        ..waits()
    });
    let error = pull(&sessions, &format!("{}/acme/echo:1", server.name()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RegistryTimeout, "{error}");
    assert_eq!(server.lines().len(), 3, "a manifest and two attempts");
}

#[tokio::test]
async fn downloads_that_get_nowhere_end() {
    let check = async |answer: Answer, kind: ErrorKind, requests: usize, reason: &str| {
        let server = serves(move |_, _| answer.clone());
        let error = pulled(&server).await.expect_err(reason);
        assert_eq!(error.kind(), kind, "{reason}: {error}");
        assert_eq!(server.lines().len(), 1 + requests, "{reason}");
    };
    let ok = || Answer::new(200);
    check(
        ok().body(BLOB).cut(0),
        ErrorKind::RegistryUnreachable,
        5,
        "cut each time",
    )
    .await;
    check(
        ok().body(BLOB).stall(0),
        ErrorKind::RegistryTimeout,
        5,
        "stalled each time",
    )
    .await;
    check(
        ok().body(&BLOB[..9]),
        ErrorKind::DigestMismatch,
        1,
        "a length that is too small",
    )
    .await;
    let mut more = BLOB.to_vec();
    more.push(b'x');
    check(
        ok().body(more.clone()),
        ErrorKind::DigestMismatch,
        1,
        "a length that is too large",
    )
    .await;
    let chunked = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let body = format!("{:x}\r\n{text}\r\n0\r\n\r\n", bytes.len());
        ok().header("transfer-encoding", "chunked").body(body)
    };
    check(
        chunked(&more),
        ErrorKind::DigestMismatch,
        1,
        "more bytes than named",
    )
    .await;
    check(
        chunked(b"012"),
        ErrorKind::RegistryUnreachable,
        5,
        "an end that is too early",
    )
    .await;
    check(Answer::new(404), ErrorKind::NotFound, 1, "not there").await;
    let other = Answer::new(206)
        .header("content-range", "bytes 3-9/10")
        .body(&BLOB[3..]);
    check(
        other,
        ErrorKind::RegistryError,
        1,
        "a range that nobody asked for",
    )
    .await;
}

#[tokio::test]
async fn a_dropped_or_stopped_reader_ends_the_transfer() {
    let server = serves(|seen, _| ranged(seen).stall(3));
    let reference = testing::reference(&format!("{}/acme/echo:1", server.name()));
    let sessions = patient();
    let found = find(&sessions, &reference, &Limits::default())
        .await
        .unwrap();
    let progress = Progress::default();
    let wait = async |condition: &dyn Fn() -> bool| {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let found = Arc::new(found);
    let receive = |read: fn(Download) -> Result<()>| {
        let (found, progress) = (Arc::clone(&found), progress.clone());
        tokio::task::spawn_blocking(move || found.receive(&progress, read))
    };
    receive(|mut download| {
        let read = download.read_exact(&mut [0; 3]);
        read.map_err(|error| Error::from_io(error, "/".as_ref(), "read"))
    })
    .await
    .unwrap()
    .unwrap();
    wait(&|| server.closed() == 2).await;

    let read = receive(|mut download| {
        let read = download.read_to_end(&mut Vec::new());
        read.map_err(|error| Error::from_io(error, "/".as_ref(), "read"))?;
        Ok(())
    });
    wait(&|| progress.bytes() == 6).await;
    progress.stop();
    let error = read.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    wait(&|| server.closed() == 3).await;
}

#[tokio::test]
async fn manifests_that_are_not_what_they_should_be() {
    let check = async |answer: Answer, kind: ErrorKind, reason: &str| {
        let server = Faulty::start(move |_, _| answer.clone());
        let error = pulled(&server).await.expect_err(reason);
        assert_eq!(error.kind(), kind, "{reason}: {error}");
        assert_eq!(error.data().registry, Some(server.name()), "{reason}");
    };
    let body = |body: &str| Answer::new(200).body(body);
    let invalid = ErrorKind::InvalidManifest;
    check(body(&"x".repeat((4 << 20) + 1)), invalid, "huge").await;
    let endless = body("x").header("content-length", (1u64 << 40).to_string());
    check(
        endless,
        ErrorKind::RegistryUnreachable,
        "an announced terabyte",
    )
    .await;
    check(body(&"[".repeat(1 << 20)), invalid, "deep").await;
    check(body("<html>"), invalid, "a web page").await;
    check(body("\0\0\0"), invalid, "no text").await;
    let other = Digest::of(b"other").to_string();
    let wrong = body(&manifest().to_string()).header("docker-content-digest", other);
    check(wrong, invalid, "another digest").await;
    let index = json!({"schemaVersion": 2, "manifests": []}).to_string();
    check(
        body(&index),
        ErrorKind::UnsupportedManifest,
        "an empty index",
    )
    .await;
}

#[tokio::test]
async fn an_index_of_one_manifest_is_followed() {
    let image = manifest().to_string();
    let inner = Digest::of(image.as_bytes());
    let entry = json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": inner.to_string(), "size": image.len() });
    let index = json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();
    let check = async |there: &str, named: Option<Digest>, expected: Result<(), ErrorKind>| {
        let (index, there) = (index.clone(), there.to_owned());
        let server = Faulty::start(move |seen, _| {
            let answer = Answer::new(200);
            if seen.target.ends_with(&inner.to_string()) {
                answer.body(there.clone())
            } else {
                answer.body(index.clone())
            }
        });
        let name = named.map_or(":1".to_owned(), |digest| format!("@{digest}"));
        let reference = testing::reference(&format!("{}/acme/echo{name}", server.name()));
        let found = find(&patient(), &reference, &Limits::default()).await;
        let found = found.map(|found| assert_eq!(found.published.manifest, inner));
        assert_eq!(found.map_err(|error| error.kind()), expected);
        assert_eq!(server.lines().len(), 2);
    };
    check(&image, None, Ok(())).await;
    check(&image, Some(Digest::of(index.as_bytes())), Ok(())).await;
    let other = image.replace("wasm", "wasn");
    check(&other, None, Err(ErrorKind::InvalidManifest)).await;
}

#[tokio::test]
async fn a_manifest_must_match_the_digest_it_is_asked_for_by() {
    let server = serves(|seen, _| ranged(seen));
    let check = async |digest: Digest, expected: Option<ErrorKind>| {
        let reference = format!("{}/acme/echo@{digest}", server.name());
        let pulled = pull(&patient(), &reference).await;
        assert_eq!(pulled.err().map(|error| error.kind()), expected);
    };
    check(Digest::of(b"other"), Some(ErrorKind::InvalidManifest)).await;
    // Only the first manifest of this server can be followed by a blob.
    let server = serves(|seen, _| ranged(seen));
    let digest = Digest::of(manifest().to_string().as_bytes());
    let reference = format!("{}/acme/echo@{digest}", server.name());
    assert_eq!(pull(&patient(), &reference).await.unwrap(), BLOB);
}
