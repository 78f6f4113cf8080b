//! What goes to a registry that misbehaves.

use super::{
    super::tests::{file, push_file, sessions},
    *,
};
use crate::artifact::ArtifactKind;
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

/// Answers the first PUT of a file as it is told.
fn first(answer: Answer) -> impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static {
    let done = AtomicBool::new(false);
    move |seen, _| {
        if seen.body.len() > LARGE && !done.swap(true, Ordering::Relaxed) {
            answer.clone()
        } else {
            Answer::new(201)
        }
    }
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
    push_file(&patient(), &file(size), &reference).await
}

/// Larger than a config, which comes at any time.
const LARGE: usize = 1000;

fn bodies(server: &Faulty, method: &str) -> Vec<usize> {
    server
        .seen()
        .iter()
        .filter(|seen| seen.method == method && seen.target.contains("/uploads/"))
        .filter(|seen| seen.body.len() > LARGE)
        .map(|seen| seen.body.len())
        .collect()
}

#[tokio::test]
async fn a_relative_location_is_followed_and_keeps_its_query() {
    let server = takes(|_, _| Answer::new(201));
    pushed(&server, 100).await.unwrap();
    let lines = server.lines();
    let digest = Digest::of(&std::fs::read(file(100).path()).unwrap());
    let put = format!("?state=a%2Fb&digest=sha256%3A{}", digest.hex());
    let is_put = |line: &String| line.starts_with("PUT ") && line.ends_with(&put);
    assert!(lines.iter().any(is_put), "{lines:?}");
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
        assert_eq!(chunks, [8 << 20, 8 << 20, (4 << 20) + 7], "{status}");
    }
}

#[tokio::test]
async fn a_broken_upload_begins_anew() {
    let check = async |broken: Answer, reason: &str| {
        let server = takes(first(broken));
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
async fn no_other_host_says_what_is_written_to_the_registry() {
    let back = Arc::new(OnceLock::new());
    let to = Arc::clone(&back);
    let elsewhere = Faulty::start(move |_, _| {
        let location = format!("http://{}/v2/acme/other/manifests/1", to.get().unwrap());
        Answer::new(202).header("location", location)
    });
    let away = format!("http://{}/begun", elsewhere.name());
    let server = Faulty::start(move |seen, _| match seen.method.as_str() {
        "HEAD" => Answer::new(404),
        "POST" => Answer::new(307).header("location", away.clone()),
        _ => Answer::new(201),
    });
    back.set(server.name()).unwrap();
    let error = pushed(&server, 100).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InsecureRegistry, "{error}");
    let lines = server.lines();
    assert!(
        !lines.iter().any(|line| line.starts_with("PUT ")),
        "{lines:?}"
    );
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
        ..waits()
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
    let content = || Content::unverified(ArtifactKind::Module, file.path());
    let reference = testing::reference(&format!("{}/acme/echo:1", server.name()));
    let none = BTreeMap::new();
    let progress = Progress::default();
    let sent = async |progress: &Progress| {
        while progress.bytes() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = publish(&sessions, content(), &reference, &none, &progress) => unreachable!(),
        () = sent(&progress) => {}
    }
    let progress = Progress::default();
    let (pushed, ()) = tokio::join!(
        publish(&sessions, content(), &reference, &none, &progress),
        async {
            sent(&progress).await;
            progress.stop();
        }
    );
    assert_eq!(pushed.unwrap_err().kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn what_is_sent_twice_counts_once() {
    let server = takes(first(Answer::new(500)));
    let size = 3 << 20;
    let file = file(size);
    let content = Content::unverified(ArtifactKind::Module, file.path());
    let reference = testing::reference(&format!("{}/acme/echo:1", server.name()));
    let progress = Progress::default();
    publish(&patient(), content, &reference, &BTreeMap::new(), &progress)
        .await
        .unwrap();
    assert_eq!(progress.bytes(), size as u64);
}

#[tokio::test]
async fn a_login_that_is_asked_for_in_the_middle_begins_the_request_anew() {
    use std::io::Write as _;
    for chunked in [false, true] {
        let server = Faulty::start(move |seen, before| {
            let known = seen.header("authorization").is_some();
            match seen.method.as_str() {
                "HEAD" => Answer::new(404),
                "PUT" if chunked && !seen.body.is_empty() && seen.target.contains("/uploads/") => {
                    Answer::new(405)
                }
                "PUT" | "PATCH" if !known => {
                    Answer::new(401).header("www-authenticate", "Basic realm=x")
                }
                "POST" | "PATCH" => Answer::new(202).header("location", format!("{before}")),
                _ => Answer::new(201),
            }
        });
        let mut docker = tempfile::NamedTempFile::new().unwrap();
        let login = json!({"username": "ann", "password": "hunter2"});
        write!(docker, "{}", json!({"auths": {server.name(): login}})).unwrap();
        let sessions = patient().docker_config(docker.path().to_owned());
        let size = (9 << 20) + 1;
        let reference = format!("{}/acme/echo:1", server.name());
        push_file(&sessions, &file(size), &reference).await.unwrap();
        if chunked {
            let (first, rest) = (8 << 20, (1 << 20) + 1);
            let chunks = bodies(&server, "PATCH");
            assert!(chunks.ends_with(&[first, rest]), "{chunks:?}");
        } else {
            assert_eq!(bodies(&server, "PUT")[..2], [size, size]);
        }
        let contents = std::fs::read(file(size).path()).unwrap();
        let seen = server.seen();
        let sent = seen.iter().filter(|seen| {
            seen.method == if chunked { "PATCH" } else { "PUT" }
                && seen.target.contains("/uploads/")
                && seen.header("authorization").is_some()
                && seen.body.len() > LARGE
        });
        let sent: Vec<u8> = sent.flat_map(|seen| seen.body.clone()).take(size).collect();
        assert!(sent == contents);
    }
}
