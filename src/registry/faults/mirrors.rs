//! Mirrors that misbehave: each is passed over, and costs one request.

use super::*;
use crate::session::RegistryConfig;

/// Sessions that know these mirrors of a registry.
fn mirrored(registry: &Faulty, mirrors: &[String], timeouts: Timeouts) -> Sessions {
    let section = RegistryConfig {
        mirrors: mirrors
            .iter()
            .map(|mirror| mirror.parse().unwrap())
            .collect(),
        ..RegistryConfig::default()
    };
    sessions(Config::from([(
        testing::registry(&registry.name()),
        section,
    )]))
    .timeouts(timeouts)
}

async fn found_in(sessions: &Sessions, registry: &Faulty) -> Result<Vec<u8>> {
    pull(sessions, &format!("{}/acme/echo:1", registry.name())).await
}

#[tokio::test]
async fn a_mirror_is_asked_first_and_alone() {
    let registry = serves(|_, _| Answer::new(200).body(BLOB));
    let mirror = serves(|_, _| Answer::new(200).body(BLOB));
    let namespace = format!("{}/hub", mirror.name());
    let sessions = mirrored(&registry, &[namespace], waits());
    assert_eq!(found_in(&sessions, &registry).await.unwrap(), BLOB);
    let blob = format!("GET /v2/hub/acme/echo/blobs/{}", Digest::of(BLOB));
    let expected = ["GET /v2/hub/acme/echo/manifests/1", &blob];
    assert_eq!(mirror.lines(), expected);
    assert!(registry.lines().is_empty());
}

#[tokio::test]
async fn a_mirror_without_the_manifest_costs_one_request() {
    let check = async |answer: Answer, rests: bool, reason: &str| {
        let registry = serves(|_, _| Answer::new(200).body(BLOB));
        let mirror = Faulty::start(move |_, _| answer.clone());
        let second = Faulty::start(|_, _| Answer::new(404));
        // Nothing but the stall takes long; beside it, another that answers might be late too.
        let (connect, mirrors) = match reason {
            "a stall" => (Duration::from_secs(2), vec![mirror.name()]),
            _ => (EVER, vec![mirror.name(), second.name()]),
        };
        let timeouts = Timeouts { connect, ..waits() };
        let sessions = mirrored(&registry, &mirrors, timeouts);
        let digest = Digest::of(manifest().to_string().as_bytes());
        for _ in 0..2 {
            let reference = format!("{}/acme/echo:1@{digest}", registry.name());
            let bytes = pull(&sessions, &reference).await.expect(reason);
            assert_eq!(bytes, BLOB, "{reason}");
        }
        let asked = if rests { 1 } else { 2 };
        // One that refuses is also asked how to log in.
        let asks = |server: &Faulty| {
            let lines = server.lines().into_iter();
            lines.filter(|line| line.contains("/manifests/")).count()
        };
        assert_eq!(asks(&mirror), asked, "{reason}");
        assert_eq!(asks(&second), 2 * (mirrors.len() - 1), "{reason}");
    };
    check(Answer::new(404), false, "not found").await;
    check(Answer::new(401), false, "unauthorized").await;
    check(Answer::new(403), false, "denied").await;
    check(Answer::new(500), false, "a server error").await;
    let later = Answer::new(429).header("retry-after", "1");
    check(later, false, "a limit").await;
    check(Answer::new(200).body("{}"), false, "another manifest").await;
    check(Answer::new(200).body("x").stall(0), true, "a stall").await;
    check(Answer::silence(), true, "no answer").await;
}

#[tokio::test]
async fn a_mirror_that_is_not_there_is_passed_over() {
    let registry = serves(|_, _| Answer::new(200).body(BLOB));
    let sessions = mirrored(&registry, &["127.0.0.1:1".to_owned()], waits());
    assert_eq!(found_in(&sessions, &registry).await.unwrap(), BLOB);
}

#[tokio::test]
async fn the_registry_goes_on_where_a_mirror_stops() {
    let check = async |answer: Answer, range: Option<&str>, reason: &str| {
        // Its manifest is not asked for: the mirror had it.
        let registry = Faulty::start(|seen, _| ranged(seen));
        let mirror = serves(move |_, _| answer.clone());
        // Short for the one that stalls in the middle of the blob: see `impatient`.
        let timeouts = Timeouts {
            idle: Duration::from_secs(1),
            ..waits()
        };
        let sessions = mirrored(&registry, &[mirror.name()], timeouts);
        let bytes = found_in(&sessions, &registry).await.expect(reason);
        assert_eq!(bytes, BLOB, "{reason}");
        assert_eq!(mirror.lines().len(), 2, "{reason}");
        let seen = registry.seen();
        assert_eq!(seen.len(), 1, "{reason}");
        assert_eq!(seen[0].header("range"), range, "{reason}");
    };
    let body = || Answer::new(200).body(BLOB);
    check(body().cut(4), Some("bytes=4-"), "a cut").await;
    check(body().stall(4), Some("bytes=4-"), "a stall").await;
    check(Answer::new(404), None, "no blob").await;
    check(Answer::new(200).body("123"), None, "another length").await;
}

#[tokio::test]
async fn what_no_mirror_has_is_the_registry_s_error() {
    let registry = Faulty::start(|_, _| Answer::new(404));
    let mirror = Faulty::start(|_, _| Answer::new(401));
    let sessions = mirrored(&registry, &[mirror.name()], waits());
    let error = found_in(&sessions, &registry).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.data().registry, Some(registry.name()));
}

#[tokio::test]
async fn a_mirror_s_mirrors_are_not_asked() {
    let registry = Faulty::start(|_, _| Answer::new(404));
    let (one, other) = (
        Faulty::start(|_, _| Answer::new(404)),
        Faulty::start(|_, _| Answer::new(404)),
    );
    let section = |mirror: &Faulty| RegistryConfig {
        mirrors: vec![mirror.name().parse().unwrap()],
        ..RegistryConfig::default()
    };
    let config = Config::from([
        (testing::registry(&registry.name()), section(&one)),
        (testing::registry(&one.name()), section(&other)),
    ]);
    found_in(&sessions(config), &registry).await.unwrap_err();
    assert_eq!((one.lines().len(), other.lines().len()), (1, 0));
}

#[tokio::test]
async fn wrong_bytes_from_a_mirror_are_fetched_once_more_from_the_registry() {
    let check = async |there: &'static [u8], mirrors: usize, expected: Option<ErrorKind>| {
        let registry = Faulty::start(move |seen, _| {
            let answer = Answer::new(200);
            if seen.target.contains("/blobs/") {
                answer.body(there)
            } else {
                answer.body(manifest().to_string())
            }
        });
        let mirror = serves(|_, _| Answer::new(200).body("012345678X"));
        let sessions = mirrored(&registry, &vec![mirror.name(); mirrors], waits());
        let reference = testing::reference(&format!("{}/acme/echo:1", registry.name()));
        let found = find(&sessions, &reference, &Limits::default())
            .await
            .unwrap();
        let received = tokio::task::spawn_blocking(move || {
            found.receive(&Progress::default(), |mut download| {
                let mut bytes = Vec::new();
                let read = download.read_to_end(&mut bytes);
                read.map_err(|error| Error::from_io(error, "/".as_ref(), "read"))?;
                if Digest::of(&bytes) != found.published.layer.digest {
                    return Err(Error::new(ErrorKind::DigestMismatch, "other bytes"));
                }
                Ok(bytes)
            })
        });
        let received = received.await.unwrap();
        assert_eq!(
            received.map_err(|error| error.kind()),
            match expected {
                None => Ok(BLOB.to_vec()),
                Some(kind) => Err(kind),
            }
        );
        let blobs = registry
            .lines()
            .iter()
            .filter(|line| line.contains("/blobs/"))
            .count();
        assert_eq!(blobs, 1);
    };
    check(BLOB, 1, None).await;
    check(b"012345678X", 1, Some(ErrorKind::DigestMismatch)).await;
    check(b"012345678X", 0, Some(ErrorKind::DigestMismatch)).await;
}
