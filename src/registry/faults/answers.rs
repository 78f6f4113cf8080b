//! What a registry answers is worth no more than it says: "pushed" is said of what it confirmed.

use super::{super::tests::file, super::tests::push_file, *};

const SIZE: usize = 100;

fn layer() -> Digest {
    Digest::of(&std::fs::read(file(SIZE).path()).unwrap())
}

async fn pushed(server: &Faulty) -> Result<Pushed> {
    let reference = format!("{}/acme/echo:1", server.name());
    push_file(&patient(), &file(SIZE), &reference).await
}

/// A registry that does all as it should.
fn good(seen: &Seen) -> Answer {
    match seen.method.as_str() {
        "HEAD" | "GET" => Answer::new(404),
        "POST" => Answer::new(202).header("location", "/upload"),
        "DELETE" => Answer::new(204),
        _ => Answer::new(201),
    }
}

#[tokio::test]
async fn a_web_server_is_not_a_registry() {
    for status in [200, 201, 202, 204] {
        let page = Answer::new(status).body("<html>Welcome</html>");
        let server = Faulty::start(move |_, _| page.clone());
        let error = pushed(&server).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RegistryError, "{status}: {error}");
    }
}

#[tokio::test]
async fn a_blob_is_there_only_if_its_head_fits() {
    let check = async |head: Answer, uploads: bool, reason: &str| {
        let server = Faulty::start(move |seen, _| {
            if seen.method == "HEAD" && seen.target.ends_with(&layer().to_string()) {
                return head.clone();
            }
            good(seen)
        });
        let pushed = pushed(&server).await.expect(reason);
        assert_eq!(pushed.skipped == 0, uploads, "{reason}");
    };
    let ok = || Answer::new(200);
    let length = |length: &str| ok().header("content-length", length);
    let digest =
        |answer: Answer, digest: Digest| answer.header("docker-content-digest", digest.to_string());
    check(length("100"), false, "its length").await;
    check(digest(length("100"), layer()), false, "both").await;
    check(length("0"), true, "another length").await;
    check(length("99"), true, "a shorter one").await;
    let other = Digest::of(b"other");
    check(digest(length("100"), other), true, "another digest").await;
    let chunked = || ok().header("transfer-encoding", "chunked");
    check(chunked(), true, "neither").await;
    check(digest(chunked(), layer()), false, "its digest").await;
    check(Answer::new(204), true, "no content").await;
    check(Answer::new(403), true, "forbidden").await;
    check(Answer::new(405), true, "not allowed").await;
}

/// Signed addresses of storage are often good for a GET alone.
#[tokio::test]
async fn a_head_that_storage_refuses_says_nothing() {
    let storage = Faulty::start(|_, _| Answer::new(403));
    let location = format!("http://{}/signed?x=y", storage.name());
    let server = Faulty::start(move |seen, _| match seen.method.as_str() {
        "HEAD" => Answer::new(307).header("location", location.clone()),
        _ => good(seen),
    });
    let pushed = pushed(&server).await.unwrap();
    assert!(pushed.uploaded > SIZE as u64);
    assert_eq!(storage.lines().len(), 2);
}

#[tokio::test]
async fn a_manifest_is_written_only_if_that_is_confirmed() {
    let check = async |put: Answer, head: fn(&Seen) -> Answer, fine: bool, reason: &str| {
        let server = Faulty::start(move |seen, _| {
            match (seen.method.as_str(), seen.target.contains("/manifests/")) {
                ("PUT", true) => put.clone(),
                ("HEAD", true) => head(seen),
                _ => good(seen),
            }
        });
        let error = pushed(&server).await.err().map(|error| error.kind());
        let expected = (!fine).then_some(ErrorKind::RegistryError);
        assert_eq!(error, expected, "{reason}");
    };
    let missing = |_: &Seen| Answer::new(404);
    let other = || Digest::of(b"other").to_string();
    check(Answer::new(201), missing, true, "as specified").await;
    let wrong = Answer::new(201).header("docker-content-digest", other());
    check(wrong, missing, false, "another digest").await;
    for status in [200, 202, 204] {
        check(Answer::new(status), missing, false, "not confirmed").await;
        let page = |_: &Seen| Answer::new(200).body("<html>");
        check(Answer::new(status), page, false, "a page").await;
        let other = |_: &Seen| {
            let digest = Digest::of(b"other").to_string();
            Answer::new(200).header("docker-content-digest", digest)
        };
        check(Answer::new(status), other, false, "another confirmed").await;
    }
}

/// Some registries answer 202 or 204, and have it.
#[tokio::test]
async fn another_success_is_confirmed_by_asking() {
    for status in [200, 202, 204] {
        let stored = std::sync::Mutex::new(Vec::new());
        let server = Faulty::start(move |seen, _| {
            let mut stored = stored.lock().unwrap();
            match (seen.method.as_str(), seen.target.contains("/manifests/")) {
                ("PUT", true) => {
                    stored.clone_from(&seen.body);
                    Answer::new(status)
                }
                ("HEAD", true) => Answer::new(200)
                    .header("docker-content-digest", Digest::of(&stored).to_string())
                    .header("content-length", stored.len().to_string()),
                _ => good(seen),
            }
        });
        pushed(&server).await.unwrap();
    }
}

#[tokio::test]
async fn a_location_may_hold_spaces_and_more() {
    let check = async |location: &'static str, target: &str| {
        let server = Faulty::start(move |seen, _| match seen.method.as_str() {
            "POST" => Answer::new(202).header("location", location),
            _ => good(seen),
        });
        pushed(&server).await.unwrap();
        let lines = server.lines();
        let put = format!("PUT {target}");
        let fits = |line: &&String| line.starts_with(&put);
        assert_eq!(lines.iter().filter(fits).count(), 2, "{lines:?}");
    };
    check("/a b?c d", "/a%20b?c%20d&digest=").await;
    check("/\u{e9}\u{1f512}", "/%C3%A9%F0%9F%94%92?digest=").await;
}

#[tokio::test]
async fn a_doubtful_range_is_judged_by_the_upload_s_status() {
    const CHUNKED: usize = (8 << 20) + 5000;
    let check =
        async |ranges: [Option<&'static str>; 2], status: Answer, fine: bool, asked: usize| {
            let reason = format!("{ranges:?}");
            let server = Faulty::start(move |seen, _| {
                let upload = seen.target.starts_with("/upload");
                let range = match seen.header("content-range") {
                    Some(range) if range.starts_with("0-") => ranges[0],
                    _ => ranges[1],
                };
                match seen.method.as_str() {
                    "GET" if upload => status.clone(),
                    "PUT" if upload && !seen.body.is_empty() => Answer::new(405),
                    "PATCH" => {
                        let answer = Answer::new(202).header("location", "/upload");
                        match range {
                            // The config's is right in any case.
                            _ if seen.body.len() < 1000 => {
                                answer.header("range", format!("0-{}", seen.body.len() - 1))
                            }
                            Some(range) => answer.header("range", range),
                            None => answer,
                        }
                    }
                    _ => good(seen),
                }
            });
            let sessions = sessions(Config::new()).timeouts(Timeouts {
                attempts: 1,
                ..waits()
            });
            let reference = format!("{}/acme/echo:1", server.name());
            let pushed = push_file(&sessions, &file(CHUNKED), &reference).await;
            let error = pushed.err().map(|error| error.kind());
            let expected = (!fine).then_some(ErrorKind::RegistryError);
            assert_eq!(error, expected, "{reason}");
            let lines = server.lines();
            let gets = lines.iter().filter(|line| line.starts_with("GET /upload"));
            assert_eq!(gets.count(), asked, "{reason}");
        };
    let (first, last) = ("0-8388607", "0-8393607");
    let status = |range: &str| Answer::new(204).header("range", range);
    let right = [Some(first), Some(last)];
    check(right, Answer::new(404), true, 0).await;
    let bytes = [Some("bytes=0-8388607"), Some(last)];
    check(bytes, Answer::new(404), true, 0).await;
    // Stale: that of the chunk before.
    check([Some(first), Some(first)], status(last), true, 1).await;
    check([Some(first), Some(first)], status(first), false, 1).await;
    // Of the chunk alone, or nothing at all; the end of the upload decides.
    check([Some(first), Some("0-4999")], Answer::new(204), true, 1).await;
    check([Some(first), Some("0-4999")], Answer::new(404), true, 1).await;
    check([None, None], Answer::new(405), true, 2).await;
    check([None, Some(last)], status(first), true, 1).await;
    check([Some("0-5"), Some(last)], status("0-5"), false, 1).await;
}
