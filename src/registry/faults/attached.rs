//! Registries that say they list what refers to a manifest, and do so or not.

use super::{super::tests::file, *};
use crate::{artifact::ArtifactKind, signature::Bundle};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// An index of one manifest.
fn listing(digest: Digest) -> Answer {
    let entry = json!({"mediaType": "x", "digest": digest.to_string(), "size": 1});
    Answer::new(200).body(json!({"schemaVersion": 2, "manifests": [entry]}).to_string())
}

/// A registry that takes whatever comes. `list` answers what refers to a manifest: it gets the digest
/// of what does, and how often it was asked before.
fn lists(list: impl Fn(Digest, usize) -> Answer + Send + Sync + 'static) -> Faulty {
    let (kept, asked) = (
        Mutex::new(HashMap::<String, Vec<u8>>::new()),
        AtomicUsize::new(0),
    );
    let refers = Mutex::new(None);
    Faulty::start(move |seen, _| {
        let (_, name) = seen.target.rsplit_once('/').unwrap();
        let is_manifest = seen.target.contains("/manifests/");
        match seen.method.as_str() {
            "POST" => Answer::new(202).header("location", "/upload"),
            "PUT" if is_manifest => {
                let name = name.to_owned();
                kept.lock().unwrap().insert(name, seen.body.clone());
                let manifest: Value = serde_json::from_slice(&seen.body).unwrap();
                let answer = Answer::new(201);
                match manifest["subject"]["digest"].as_str() {
                    Some(subject) => {
                        *refers.lock().unwrap() = Some(Digest::of(&seen.body));
                        answer.header("oci-subject", subject)
                    }
                    None => answer,
                }
            }
            "PUT" => Answer::new(201),
            "GET" if is_manifest => match kept.lock().unwrap().get(name) {
                Some(bytes) => Answer::new(200).body(bytes.clone()),
                None => Answer::new(404),
            },
            "GET" => {
                let refers = refers.lock().unwrap().unwrap();
                list(refers, asked.fetch_add(1, Ordering::Relaxed))
            }
            _ => Answer::new(404),
        }
    })
}

/// How a push with a bundle ends there, what is asked of manifests, and what the fallback tag has.
async fn pushed(server: &Faulty) -> (Result<Pushed>, String) {
    let file = file(100);
    let bundle = Bundle::unverified(b"{\"a\":1}", Digest::of(b"x"));
    let content = Content::bundled(ArtifactKind::Module, file.path(), vec![bundle]);
    let reference = testing::reference(&format!("{}/acme/echo:1", server.name()));
    let (annotations, progress) = (BTreeMap::new(), Progress::default());
    let pushed = publish(&patient(), content, &reference, &annotations, &progress).await;
    let seen = server.seen().into_iter().filter_map(|seen| {
        let (_, rest) = seen.target.split_once("/acme/echo/")?;
        let what = match rest.split_once('/')? {
            ("referrers", _) => "list",
            ("manifests", name) if name.starts_with("sha256:") => "digest",
            ("manifests", name) if name.starts_with("sha256-") => "fallback",
            ("manifests", _) => "tag",
            _ => return None,
        };
        Some(format!("{} {what}", seen.method))
    });
    (pushed, seen.collect::<Vec<_>>().join(", "))
}

#[tokio::test]
async fn what_a_registry_says_to_list_is_looked_for() {
    const BOTH: &str = "PUT digest, PUT digest";
    const FALLBACK: &str = "GET fallback, PUT fallback, GET fallback";
    let looks = |times: usize| vec!["GET list"; times].join(", ");
    let check = async |server: Faulty, expected: &str, reason: &str| {
        let (pushed, seen) = pushed(&server).await;
        assert!(pushed.is_ok(), "{reason}: {pushed:?}");
        assert_eq!(seen, format!("{BOTH}, {expected}, PUT tag"), "{reason}");
    };
    check(lists(|refers, _| listing(refers)), "GET list", "it does").await;
    let late = lists(|refers, before| match before {
        0 => Answer::new(200).body(r#"{"schemaVersion":2,"manifests":[]}"#),
        1 => listing(Digest::of(b"other")),
        _ => listing(refers),
    });
    check(late, &looks(3), "after a while").await;
    for (answer, reason) in [
        (Answer::new(404), "it has no list"),
        (
            Answer::new(200).body(r#"{"schemaVersion":2,"manifests":[]}"#),
            "nothing is in it",
        ),
        (Answer::new(200).body("<html>"), "a web page"),
    ] {
        let server = lists(move |_, _| answer.clone());
        check(server, &format!("{}, {FALLBACK}", looks(5)), reason).await;
    }
    let check = async |answer: Answer, reason: &str| {
        let server = lists(move |_, _| answer.clone());
        let (pushed, seen) = pushed(&server).await;
        let error = pushed.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RegistryError, "{reason}: {error}");
        assert_eq!(seen, format!("{BOTH}, {}", looks(5)), "{reason}");
    };
    check(listing(Digest::of(b"other")), "it lists others alone").await;
    check(Answer::new(500), "it cannot say").await;
}
