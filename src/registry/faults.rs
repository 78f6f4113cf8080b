//! Transfers with a registry that misbehaves.

use super::{
    manifest::Layer,
    tests::{file, pull, push_file, sessions},
    *,
};
use crate::session::{
    Config, Timeouts,
    faulty::{Answer, Faulty, Seen},
};
use serde_json::{Value, json};
use std::time::Duration;

fn impatient() -> Sessions {
    sessions(Config::new()).timeouts(Timeouts {
        idle: Duration::from_millis(300),
        answer: Duration::from_millis(600),
        backoff: Duration::from_millis(1),
        ..Timeouts::default()
    })
}

/// Waits so long that only what is tested can end it.
fn patient() -> Sessions {
    sessions(Config::new()).timeouts(Timeouts {
        idle: Duration::from_secs(3600),
        ..Timeouts::default()
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
    let reference = format!("{}/acme/echo:1", server.name()).parse().unwrap();
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
    let reader = found.download(&progress).unwrap();
    wait(&|| server.seen().len() == 2).await;
    drop(reader);
    wait(&|| server.closed() == 2).await;

    let mut reader = found.download(&progress).unwrap();
    let read = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)
    });
    wait(&|| progress.bytes() == 3).await;
    progress.stop();
    let error = Error::from_io(read.await.unwrap().unwrap_err(), "/".as_ref(), "read");
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
    check(body(&index), ErrorKind::UnsupportedManifest, "an index").await;
}

#[tokio::test]
async fn a_manifest_must_match_the_digest_it_is_asked_for_by() {
    let server = serves(|seen, _| ranged(seen));
    let check = async |digest: Digest, expected: Option<ErrorKind>| {
        let reference = format!("{}/acme/echo@{digest}", server.name());
        let pulled = pull(&impatient(), &reference).await;
        assert_eq!(pulled.err().map(|error| error.kind()), expected);
    };
    check(Digest::of(b"other"), Some(ErrorKind::InvalidManifest)).await;
    // Only the first manifest of this server can be followed by a blob.
    let server = serves(|seen, _| ranged(seen));
    let digest = Digest::of(manifest().to_string().as_bytes());
    let reference = format!("{}/acme/echo@{digest}", server.name());
    assert_eq!(pull(&impatient(), &reference).await.unwrap(), BLOB);
}

/// A registry that has nothing, and takes what comes; `put` answers the single PUT of a blob.
fn takes(put: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Faulty {
    Faulty::start(move |seen, before| {
        let upload = seen.target.contains("/blobs/uploads/");
        match seen.method.as_str() {
            "HEAD" => Answer::new(404),
            // Relative, and with a query to keep.
            "POST" => Answer::new(202).header("location", format!("{before}?state=a%2Fb")),
            "PUT" if upload && seen.header("content-type").is_some() => put(seen, before),
            "PATCH" => {
                let end = seen
                    .header("content-range")
                    .unwrap()
                    .split('-')
                    .nth(1)
                    .unwrap();
                Answer::new(202)
                    .header("location", format!("{before}"))
                    .header("range", format!("0-{end}"))
            }
            "DELETE" => Answer::new(204),
            _ => Answer::new(201),
        }
    })
}

async fn pushed(server: &Faulty, size: usize) -> Result<Pushed> {
    let reference = format!("{}/acme/echo:1", server.name());
    push_file(&impatient(), &file(size), &reference).await
}

fn bodies(server: &Faulty, method: &str) -> Vec<usize> {
    server
        .seen()
        .iter()
        .filter(|seen| seen.method == method && seen.target.contains("/uploads/"))
        .map(|seen| seen.body.len())
        .collect()
}

#[tokio::test]
async fn a_relative_location_is_followed_and_keeps_its_query() {
    let server = takes(|_, _| Answer::new(201));
    pushed(&server, 100).await.unwrap();
    let lines = server.lines();
    let digest = Digest::of(&std::fs::read(file(100).path()).unwrap());
    let put = format!(
        "PUT /v2/acme/echo/blobs/uploads/1?state=a%2Fb&digest=sha256%3A{}",
        digest.hex()
    );
    assert_eq!(lines[2], put);
    assert_eq!(lines.last().unwrap(), "PUT /v2/acme/echo/manifests/1");
    assert_eq!(lines.len(), 7);
}

#[tokio::test]
async fn a_registry_that_wants_chunks_gets_them() {
    for status in [404, 405, 411, 413, 416, 501] {
        let server = takes(move |_, _| Answer::new(status));
        let size = (20 << 20) + 7;
        pushed(&server, size).await.unwrap();
        let chunks = bodies(&server, "PATCH");
        // The last is the config's.
        assert_eq!(chunks[..3], [8 << 20, 8 << 20, (4 << 20) + 7], "{status}");
        assert_eq!(chunks.len(), 4);
    }
}

#[tokio::test]
async fn a_broken_upload_begins_anew() {
    let check = async |broken: Answer, reason: &str| {
        let server = takes(move |_, before| match before {
            2 => broken.clone(),
            _ => Answer::new(201),
        });
        let size = 3 << 20;
        let pushed = pushed(&server, size).await.expect(reason);
        assert!(pushed.uploaded > size as u64, "{reason}");
        assert_eq!(bodies(&server, "PUT")[..2], [size, size], "{reason}");
        while !server.lines().iter().any(|line| line.starts_with("DELETE")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    check(Answer::new(500), "a server error").await;
    check(Answer::silence(), "a connection that is closed").await;
}

#[tokio::test]
async fn no_manifest_is_written_when_a_blob_is_refused() {
    let check = async |answer: Answer, kind: ErrorKind| {
        let server = takes(move |_, _| answer.clone());
        let error = pushed(&server, 100).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let lines = server.lines();
        assert!(
            !lines.iter().any(|line| line.contains("manifests")),
            "{lines:?}"
        );
    };
    check(Answer::new(400), ErrorKind::RegistryRefused).await;
    check(Answer::new(403), ErrorKind::Denied).await;
    check(Answer::new(500), ErrorKind::RegistryError).await;
    let other = Digest::of(b"other").to_string();
    let wrong = Answer::new(201).header("docker-content-digest", other);
    check(wrong, ErrorKind::RegistryError).await;
}

#[tokio::test]
async fn an_upload_without_a_place_or_with_a_worse_one_is_refused() {
    let check = async |location: Option<&'static str>, kind: ErrorKind| {
        let server = Faulty::start(move |seen, _| match seen.method.as_str() {
            "HEAD" => Answer::new(404),
            _ => match location {
                Some(location) => Answer::new(202).header("location", location),
                None => Answer::new(202),
            },
        });
        let error = pushed(&server, 100).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{location:?} {error}");
    };
    check(None, ErrorKind::RegistryError).await;
    check(Some("http://"), ErrorKind::RegistryError).await;
    check(Some("http://192.0.2.1/x"), ErrorKind::InsecureRegistry).await;
    check(Some("file:///x"), ErrorKind::InsecureRegistry).await;
}

#[tokio::test]
async fn a_registry_that_stores_another_manifest_is_found_out() {
    let server = Faulty::start(|seen, _| match seen.method.as_str() {
        "HEAD" => Answer::new(200),
        _ => Answer::new(201).header("docker-content-digest", Digest::of(b"other").to_string()),
    });
    let error = pushed(&server, 100).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RegistryError, "{error}");
}

#[test]
fn what_was_examined_is_what_the_manifest_names() {
    let layer = Layer {
        digest: Digest::of(BLOB),
        size: BLOB.len() as u64,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let found = Found {
        manifest: Digest::of(b""),
        digest: layer.digest,
        size: layer.size,
        place: Place::File("/x".into()),
        runtime: runtime.handle().clone(),
    };
    let refusal = crate::artifact::Refusal::new(ErrorKind::Unsigned, "is not signed".into(), None);
    let check = |digest, size, expected: bool| {
        let examination = Examination {
            validity: None,
            kind: None,
            digest,
            size,
            verdict: Err(refusal.clone()),
        };
        assert_eq!(found.confirm(&examination).is_ok(), expected);
    };
    check(Some(layer.digest), 10, true);
    check(Some(layer.digest), 9, false);
    check(Some(Digest::of(b"other")), 10, false);
    // Given up.
    check(None, 5, true);
}

/// A registry whose uploads go to a port that takes nothing. The listener has to live.
fn stuck() -> (Faulty, std::net::TcpListener) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let location = format!("http://{}/upload", listener.local_addr().unwrap());
    let server = Faulty::start(move |seen, _| match seen.method.as_str() {
        "HEAD" => Answer::new(404),
        _ => Answer::new(202).header("location", location.clone()),
    });
    (server, listener)
}

/// More than the sockets' buffers hold.
const MUCH: usize = 24 << 20;

#[tokio::test]
async fn an_upload_that_nobody_takes_ends() {
    let (server, _listener) = stuck();
    let sessions = sessions(Config::new()).timeouts(Timeouts {
        idle: Duration::from_millis(200),
        attempts: 1,
        ..Timeouts::default()
    });
    let reference = format!("{}/acme/echo:1", server.name());
    let error = push_file(&sessions, &file(MUCH), &reference)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RegistryTimeout, "{error}");
}

#[tokio::test]
async fn a_stopped_or_dropped_push_ends_at_once() {
    let (server, _listener) = stuck();
    // A reader that went on would keep this test's runtime from ending.
    let sessions = patient();
    let file = file(MUCH);
    let content = Content::unverified(crate::artifact::ArtifactKind::Module, file.path());
    let reference = format!("{}/acme/echo:1", server.name()).parse().unwrap();
    let none = BTreeMap::new();
    let progress = Progress::default();
    let sent = async || {
        while progress.bytes() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = publish(&sessions, content.clone(), &reference, &none, &progress) => unreachable!(),
        () = sent() => {}
    }
    let (pushed, ()) = tokio::join!(
        publish(&sessions, content, &reference, &none, &progress),
        async {
            sent().await;
            progress.stop();
        }
    );
    assert_eq!(pushed.unwrap_err().kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn what_is_sent_twice_counts_once() {
    let server = takes(|_, before| match before {
        2 => Answer::new(500),
        _ => Answer::new(201),
    });
    let size = 3 << 20;
    let file = file(size);
    let content = Content::unverified(crate::artifact::ArtifactKind::Module, file.path());
    let reference = format!("{}/acme/echo:1", server.name()).parse().unwrap();
    let progress = Progress::default();
    publish(
        &impatient(),
        content,
        &reference,
        &BTreeMap::new(),
        &progress,
    )
    .await
    .unwrap();
    assert_eq!(progress.bytes(), size as u64);
}
