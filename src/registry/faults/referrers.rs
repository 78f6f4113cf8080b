//! Registries that lie about what signs an artifact: each costs some requests, and some time.

mod signed;

use super::*;
use crate::session::RegistryConfig;
use std::collections::HashMap;

const TYPED: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const BUNDLE: &str = r#"{"verificationMaterial":{},"n":0}"#;

/// What a registry answers to whom, but for 404.
type Shelf = HashMap<String, Answer>;

fn path(rest: &str) -> String {
    format!("/v2/acme/echo/{rest}")
}

fn ok(body: impl Into<Vec<u8>>) -> Answer {
    Answer::new(200).body(body)
}

fn subject() -> Digest {
    Digest::of(manifest().to_string().as_bytes())
}

fn fallback() -> String {
    path(&format!("manifests/sha256-{}", subject().hex()))
}

fn list() -> String {
    path(&format!("referrers/{}", subject()))
}

/// One that refers to the artifact, and has something in it.
fn referrer(of: Digest, content: &str) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": TYPED,
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
            "digest": Digest::of(b"{}").to_string() },
        "layers": [{ "mediaType": TYPED, "size": content.len(),
            "digest": Digest::of(content.as_bytes()).to_string() }],
        "subject": { "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1,
            "digest": of.to_string() },
    })
}

fn entry(manifest: &Value) -> Value {
    let text = manifest.to_string();
    json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": text.len(),
        "artifactType": TYPED, "digest": Digest::of(text.as_bytes()).to_string() })
}

fn index(entries: &[Value]) -> String {
    json!({ "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": entries })
    .to_string()
}

/// Puts a manifest and what is in it there; answers its entry.
fn put(shelf: &mut Shelf, manifest: &Value, content: &str) -> Value {
    let text = manifest.to_string();
    let digest = Digest::of(text.as_bytes());
    shelf.insert(path(&format!("manifests/{digest}")), ok(text));
    let blob = Digest::of(content.as_bytes());
    shelf.insert(path(&format!("blobs/{blob}")), ok(content));
    entry(manifest)
}

/// So many bundles.
fn bundles(shelf: &mut Shelf, count: usize) -> Vec<Value> {
    let bundle = |n| {
        let content = format!(r#"{{"verificationMaterial":{{}},"n":{n}}}"#);
        put(shelf, &referrer(subject(), &content), &content)
    };
    (0..count).map(bundle).collect()
}

fn registry(mut shelf: Shelf) -> Faulty {
    let own = ok(manifest().to_string());
    shelf.insert(path("manifests/1"), own.clone());
    shelf.insert(path(&format!("manifests/{}", subject())), own);
    Faulty::start(move |seen, _| {
        let there = shelf.get(&seen.target).cloned();
        there.unwrap_or_else(|| Answer::new(404))
    })
}

/// What each round found, and the error that ended them.
type Rounds = (Vec<Vec<String>>, Option<ErrorKind>);

async fn searched(sessions: &Sessions, registry: &Faulty) -> Rounds {
    let reference = testing::reference(&format!("{}/acme/echo:1", registry.name()));
    let found = find(sessions, &reference, &Limits::default())
        .await
        .unwrap();
    let search = tokio::task::spawn_blocking(move || {
        let (mut rounds, mut error) = (Vec::new(), None);
        for round in found.beside(&Progress::default()) {
            match round {
                Ok(round) => {
                    rounds.push(round.iter().map(|one| format!("{one:?}")).collect());
                }
                Err(failed) => error = Some(failed.kind()),
            }
        }
        (rounds, error)
    });
    search.await.unwrap()
}

/// What follows the look at the manifest.
fn asked(registry: &Faulty) -> Vec<String> {
    let lines = registry.lines().into_iter();
    lines
        .filter(|line| !line.ends_with("/manifests/1"))
        .collect()
}

fn is_bundle(found: &str) -> bool {
    found.contains("Bundle(")
}

#[tokio::test]
async fn one_bundle_is_found_by_three_requests_and_by_four_without_a_list() {
    for (at, requests) in [(list(), 3), (fallback(), 4)] {
        let mut shelf = Shelf::new();
        let entries = bundles(&mut shelf, 1);
        shelf.insert(at.clone(), ok(index(&entries)));
        let registry = registry(shelf);
        let reference = testing::reference(&format!("{}/acme/echo:1", registry.name()));
        let found = find(&patient(), &reference, &Limits::default())
            .await
            .unwrap();
        let first = tokio::task::spawn_blocking(move || found.beside(&Progress::default()).next());
        let first = first.await.unwrap().unwrap().unwrap();
        assert_eq!(first.len(), 1);
        let digest = entries[0]["digest"].as_str().unwrap();
        let from = format!("{}/acme/echo@{digest}", registry.name());
        assert_eq!(first[0].from(), from);
        assert_eq!(asked(&registry).len(), requests, "{at}");
    }
}

#[tokio::test]
async fn lies_about_what_there_is_end_in_nothing() {
    let check = async |shelf: Shelf, requests: usize, reason: &str| {
        let registry = registry(shelf);
        let found = searched(&patient(), &registry).await;
        assert_eq!(found, (Vec::new(), None), "{reason}");
        assert_eq!(asked(&registry).len(), requests, "{reason}");
    };
    let answers = |at: String, answer: Answer| Shelf::from([(at, answer)]);
    // The list, the fallback tag, and cosign 2's.
    check(Shelf::new(), 3, "nothing there").await;
    check(answers(list(), ok(index(&[]))), 3, "an empty list").await;
    check(answers(list(), ok("<html>")), 3, "a web page").await;
    check(answers(list(), ok("[]")), 3, "another list").await;
    for status in [400, 403, 405, 406, 410, 501] {
        check(answers(list(), Answer::new(status)), 3, "no such list").await;
    }
    let own = ok(manifest().to_string());
    check(answers(fallback(), own.clone()), 3, "GitLab's own image").await;
    check(answers(list(), own), 3, "the image as its list").await;
    let itself = index(&[entry(&manifest())]);
    check(answers(list(), ok(itself)), 2, "the artifact itself").await;
    let elsewhere = ok(index(&[])).header("link", "<http://127.0.0.1:1/x>; rel=\"next\"");
    check(answers(list(), elsewhere), 3, "a link elsewhere").await;
    let endless = ok(index(&[])).header("link", format!("<{}>; rel=\"next\"", list()));
    check(answers(list(), endless), 3, "a link to itself").await;
}

#[tokio::test]
async fn a_candidate_that_is_not_what_it_should_be_is_told_and_hides_no_other() {
    let check = async |spoil: &dyn Fn(&mut Shelf) -> Value, told: &str| {
        let mut shelf = Shelf::new();
        let bad = spoil(&mut shelf);
        let good = bundles(&mut shelf, 1).remove(0);
        shelf.insert(list(), ok(index(&[bad, good])));
        let registry = registry(shelf);
        let (rounds, error) = searched(&patient(), &registry).await;
        assert_eq!(error, None, "{told}");
        let found = &rounds[0];
        assert_eq!((rounds.len(), found.len()), (1, 2), "{told}: {rounds:?}");
        assert!(found[0].contains(told), "{told}: {}", found[0]);
        assert!(is_bundle(&found[1]), "{told}");
    };
    let other = Digest::of(b"other");
    let at = |kind: &str, manifest: &Value| {
        let entry = entry(manifest);
        path(&format!("{kind}/{}", entry["digest"].as_str().unwrap()))
    };
    check(
        &|shelf| put(shelf, &referrer(other, "x"), "x"),
        "it refers to sha256:",
    )
    .await;
    let alone = || {
        let mut manifest = referrer(subject(), "x");
        manifest.as_object_mut().unwrap().remove("subject");
        manifest
    };
    check(&|shelf| put(shelf, &alone(), "x"), "refers to nothing").await;
    check(&|_| entry(&referrer(subject(), "y")), "404").await;
    check(
        &|shelf| {
            let manifest = referrer(subject(), "x");
            shelf.insert(at("manifests", &manifest), ok(alone().to_string()));
            entry(&manifest)
        },
        "other bytes came",
    )
    .await;
    check(
        &|shelf| {
            let manifest = referrer(subject(), "x");
            let entry = put(shelf, &manifest, "x");
            shelf.insert(path(&format!("blobs/{}", Digest::of(b"x"))), ok("y"));
            entry
        },
        "other bytes came",
    )
    .await;
    check(
        &|shelf| {
            let manifest = referrer(subject(), "x");
            let entry = put(shelf, &manifest, "x");
            shelf.insert(path(&format!("blobs/{}", Digest::of(b"x"))), ok("xy"));
            entry
        },
        "more than the 1 bytes",
    )
    .await;
    let large = "x".repeat((1 << 20) + 1);
    check(
        &|shelf| put(shelf, &referrer(subject(), &large), "x"),
        "larger than",
    )
    .await;
    check(
        &|shelf| {
            let manifest = referrer(subject(), "x");
            shelf.insert(at("manifests", &manifest), ok(large.clone()));
            entry(&manifest)
        },
        "more than the 1048576 bytes",
    )
    .await;
    let typed = |called: &str| {
        let mut manifest = referrer(subject(), "{}");
        manifest["layers"][0]["mediaType"] = called.into();
        manifest
    };
    check(
        &|shelf| put(shelf, &typed("application/spdx+json"), "{}"),
        "not a Sigstore bundle",
    )
    .await;
}

#[tokio::test]
async fn types_order_the_search_and_no_more() {
    let mut shelf = Shelf::new();
    let mut entries = bundles(&mut shelf, 2);
    entries[0]["artifactType"] = "application/vnd.oci.empty.v1+json".into();
    shelf.insert(list(), ok(index(&entries)));
    let registry = registry(shelf);
    let (rounds, _) = searched(&patient(), &registry).await;
    let found = &rounds[0];
    assert!(found.iter().all(|one| is_bundle(one)));
    let second = entries[1]["digest"].as_str().unwrap();
    assert!(found[0].contains(second), "{found:?}");
}

#[tokio::test]
async fn no_more_than_64_are_looked_at_and_that_is_said() {
    let mut shelf = Shelf::new();
    let entries = bundles(&mut shelf, 70);
    let (one, other) = entries.split_at(40);
    let page = |at: &[Value]| ok(index(at));
    let next = format!("{}?page=2", list());
    let link = format!("<{next}>; rel=\"next\"");
    shelf.insert(list(), page(one).header("link", link));
    shelf.insert(next, page(other));
    let registry = registry(shelf);
    let (rounds, error) = searched(&patient(), &registry).await;
    assert_eq!(error, None);
    let sizes: Vec<_> = rounds.iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 8, 56]);
    assert!(
        rounds[0][0].contains("64 of 70 were looked at"),
        "{rounds:?}"
    );
    // Two pages, two of each that was looked at, and cosign 2's tag.
    assert_eq!(asked(&registry).len(), 2 + 2 * 64 + 1);
}

#[tokio::test]
async fn bytes_in_all_are_bounded() {
    let mut shelf = Shelf::new();
    let content = |n: usize| format!(r#"{{"verificationMaterial":{}}}{n}"#, " ".repeat(1_000_000));
    let entries = (0..12).map(|n| put(&mut shelf, &referrer(subject(), &content(n)), &content(n)));
    let entries: Vec<_> = entries.collect();
    shelf.insert(list(), ok(index(&entries)));
    let registry = registry(shelf);
    let (rounds, _) = searched(&patient(), &registry).await;
    let found: Vec<_> = rounds.into_iter().flatten().collect();
    assert_eq!(found.len(), 12);
    assert_eq!(found.iter().filter(|one| is_bundle(one)).count(), 8);
    assert!(found[11].contains("no more than 8388608 bytes"));
}

/// Each of 64 requests is offered 64 bundles of a megabyte at once: 512 MiB, if each took what it
/// may. It is counted, not measured.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_all_requests_are_bounded() {
    let mut shelf = Shelf::new();
    let content = |n: usize| format!(r#"{{"verificationMaterial":{}}}{n}"#, " ".repeat(1 << 19));
    let entries = (0..64).map(|n| put(&mut shelf, &referrer(subject(), &content(n)), &content(n)));
    let entries: Vec<_> = entries.collect();
    shelf.insert(list(), ok(index(&entries)));
    let registry = registry(shelf);
    let sessions = patient();
    let reference = testing::reference(&format!("{}/acme/echo:1", registry.name()));
    let search = || async {
        let found = find(&sessions, &reference, &Limits::default())
            .await
            .unwrap();
        let search = tokio::task::spawn_blocking(move || {
            let rounds: Result<Vec<_>> = found.beside(&Progress::default()).collect();
            rounds.map(|rounds| rounds.iter().map(Vec::len).sum::<usize>())
        });
        search.await.unwrap()
    };
    let all = futures_util::future::join_all((0..64).map(|_| search())).await;
    // Others of these tests may hold some as well.
    let bound = 4 * memory::ROOM + 2 * 64 * memory::FREE;
    assert!(memory::Share::most() <= bound, "{}", memory::Share::most());
    // Who had to wait too long is told so, and nobody else misses anything.
    assert!(all.iter().flatten().all(|found| *found == 64), "{all:?}");
}

#[tokio::test]
async fn what_cosign_2_stored_comes_last() {
    let mut shelf = Shelf::new();
    let entries = bundles(&mut shelf, 1);
    shelf.insert(list(), ok(index(&entries)));
    let mut stored = referrer(subject(), "payload");
    let layer = &mut stored["layers"][0];
    layer["mediaType"] = "application/vnd.dev.cosign.simplesigning.v1+json".into();
    layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": "AAAA" });
    put(&mut shelf, &stored, "payload");
    let tag = format!("{}.sig", fallback());
    shelf.insert(tag.clone(), ok(stored.to_string()));
    let registry = registry(shelf);
    let (rounds, error) = searched(&patient(), &registry).await;
    assert_eq!((rounds.len(), error), (2, None));
    assert!(is_bundle(&rounds[0][0]));
    assert!(rounds[1][0].contains("AAAA"), "{rounds:?}");
    assert!(rounds[1][0].contains(".sig (layer 1)"), "{rounds:?}");
}

/// "It is not signed" is only said where that is known.
#[tokio::test]
async fn where_it_is_not_known_whether_there_is_any_it_fails() {
    let check = async |spoil: &dyn Fn(&mut Shelf, &Value), kind: ErrorKind, reason: &str| {
        let mut shelf = Shelf::new();
        let entry = bundles(&mut shelf, 1).remove(0);
        shelf.insert(list(), ok(index(std::slice::from_ref(&entry))));
        spoil(&mut shelf, &entry);
        let registry = registry(shelf);
        let (rounds, error) = searched(&patient(), &registry).await;
        assert_eq!(error, Some(kind), "{reason}");
        assert!(
            !rounds.iter().flatten().any(|one| is_bundle(one)),
            "{reason}"
        );
    };
    let failed = ErrorKind::RegistryError;
    check(
        &|shelf, _| drop(shelf.insert(list(), Answer::new(503))),
        failed,
        "the list fails",
    )
    .await;
    check(
        &|shelf, _| drop(shelf.insert(list(), Answer::new(401))),
        ErrorKind::Unauthorized,
        "the list wants a login",
    )
    .await;
    check(
        &|shelf, _| {
            shelf.remove(&list());
            shelf.insert(fallback(), Answer::new(500));
        },
        failed,
        "the tag fails",
    )
    .await;
    check(
        &|shelf, entry| {
            let digest = entry["digest"].as_str().unwrap();
            shelf.insert(path(&format!("manifests/{digest}")), Answer::silence());
        },
        ErrorKind::RegistryUnreachable,
        "a manifest does not come",
    )
    .await;
    check(
        &|shelf, _| {
            let blob = Digest::of(BUNDLE.as_bytes());
            shelf.insert(path(&format!("blobs/{blob}")), Answer::new(429));
        },
        ErrorKind::RateLimited,
        "a bundle does not come",
    )
    .await;
    check(
        &|shelf, _| {
            shelf.remove(&list());
            shelf.insert(format!("{}.sig", fallback()), Answer::new(502));
        },
        failed,
        "cosign 2's tag fails",
    )
    .await;
}

/// However slow it is, and whichever part of it.
#[tokio::test]
async fn a_registry_has_so_long_for_all_of_it() {
    let slow = |wait| {
        let timeouts = Timeouts {
            beside: Duration::from_millis(wait),
            ..waits()
        };
        sessions(Config::new()).timeouts(timeouts)
    };
    let check = async |spoil: &dyn Fn(&mut Shelf, &Value), told: bool, reason: &str| {
        let mut shelf = Shelf::new();
        let entry = bundles(&mut shelf, 1).remove(0);
        shelf.insert(list(), ok(index(std::slice::from_ref(&entry))));
        spoil(&mut shelf, &entry);
        let registry = registry(shelf);
        let (rounds, error) = searched(&slow(400), &registry).await;
        assert_eq!(error, Some(ErrorKind::RegistryTimeout), "{reason}");
        let said = rounds
            .iter()
            .flatten()
            .any(|one| one.contains("takes too long"));
        assert_eq!(said, told, "{reason}: {rounds:?}");
    };
    let drips = |text: String| ok(text).trickle(Duration::from_millis(100));
    let at = |entry: &Value| path(&format!("manifests/{}", entry["digest"].as_str().unwrap()));
    check(
        &|shelf, _| drop(shelf.insert(list(), ok("{}").stall(1))),
        false,
        "the list hangs",
    )
    .await;
    check(
        &|shelf, entry| drop(shelf.insert(list(), drips(index(std::slice::from_ref(entry))))),
        false,
        "the list drips",
    )
    .await;
    check(
        &|shelf, _| {
            shelf.remove(&list());
            shelf.insert(fallback(), ok("{}").stall(1));
        },
        false,
        "the fallback tag hangs",
    )
    .await;
    check(
        &|shelf, entry| drop(shelf.insert(at(entry), ok("{}").stall(1))),
        true,
        "a manifest hangs",
    )
    .await;
    check(
        &|shelf, _| {
            let blob = path(&format!("blobs/{}", Digest::of(BUNDLE.as_bytes())));
            shelf.insert(blob, drips(BUNDLE.into()));
        },
        true,
        "a bundle drips",
    )
    .await;
    check(
        &|shelf, _| {
            shelf.remove(&list());
            shelf.insert(format!("{}.sig", fallback()), ok("{}").stall(1));
        },
        true,
        "cosign 2's tag hangs",
    )
    .await;
}

#[tokio::test]
async fn among_thousands_the_likeliest_are_looked_at() {
    let mut shelf = Shelf::new();
    let good = bundles(&mut shelf, 1).remove(0);
    let mut entries: Vec<_> = (0..10_000)
        .map(|n| {
            let mut other = entry(&referrer(subject(), &n.to_string()));
            other["artifactType"] = "application/spdx+json".into();
            other
        })
        .collect();
    entries.push(good);
    shelf.insert(list(), ok(index(&entries)));
    let registry = registry(shelf);
    let (rounds, error) = searched(&patient(), &registry).await;
    assert_eq!(error, None);
    assert!(rounds[0][0].contains("64 of 10001 were looked at"));
    assert!(is_bundle(&rounds[1][0]), "{:?}", rounds[1]);
    assert!(asked(&registry).len() <= 2 + 2 * 64 + 1);
}

#[tokio::test]
async fn a_mirror_that_has_none_is_not_the_last_word() {
    let check = async |spoil: &dyn Fn(&mut Shelf), reason: &str| {
        let (mut there, mut mirrored) = (Shelf::new(), Shelf::new());
        let entries = bundles(&mut there, 1);
        there.insert(list(), ok(index(&entries)));
        spoil(&mut mirrored);
        let (there, mirror) = (registry(there), registry(mirrored));
        let section = RegistryConfig {
            mirrors: vec![mirror.name().parse().unwrap()],
            ..RegistryConfig::default()
        };
        let config = Config::from([(testing::registry(&there.name()), section)]);
        let sessions = sessions(config).timeouts(waits());
        let (rounds, error) = searched(&sessions, &there).await;
        assert_eq!(error, None, "{reason}");
        let found: Vec<_> = rounds
            .into_iter()
            .flatten()
            .filter(|one| is_bundle(one))
            .collect();
        assert_eq!(found.len(), 1, "{reason}");
        assert!(found[0].contains(&there.name()), "{reason}");
    };
    check(&|_| (), "it knows nothing").await;
    check(
        &|shelf| drop(shelf.insert(list(), Answer::new(500))),
        "it fails",
    )
    .await;
    check(
        &|shelf| {
            let entries = [entry(&referrer(subject(), BUNDLE))];
            shelf.insert(list(), ok(index(&entries)));
        },
        "it lacks what it lists",
    )
    .await;
    check(
        &|shelf| {
            let entries = bundles(shelf, 1);
            shelf.insert(list(), ok(index(&entries)));
            let blob = Digest::of(BUNDLE.as_bytes());
            shelf.insert(path(&format!("blobs/{blob}")), Answer::new(500));
        },
        "a bundle of it does not come",
    )
    .await;
}

#[tokio::test]
async fn a_search_that_nobody_waits_for_ends() {
    let shelf = Shelf::from([(list(), ok("{}").stall(1))]);
    let registry = registry(shelf);
    let reference = testing::reference(&format!("{}/acme/echo:1", registry.name()));
    let found = find(&patient(), &reference, &Limits::default())
        .await
        .unwrap();
    let progress = Progress::default();
    let stop = progress.clone();
    let search = tokio::task::spawn_blocking(move || found.beside(&progress).next());
    while registry.lines().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.stop();
    let error = search.await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}
