//! The same blob, pushed by several at once; and registries that lose sight of blobs.

use super::{
    super::tests::{file, push_file},
    *,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

const SIZE: usize = 100;

/// A registry that keeps what it is sent. `put` may answer the PUT of a layer, or of a manifest, in
/// its place.
fn keeps(put: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static) -> Faulty {
    let kept = Mutex::new(BTreeMap::new());
    Faulty::start(move |seen, _| {
        let name = seen.target.rsplit('/').next().unwrap().to_owned();
        let digest = seen.target.split_once("digest=").map(|(_, digest)| digest);
        match (seen.method.as_str(), digest) {
            ("HEAD", _) => match kept.lock().unwrap().get(&name) {
                Some(length) => Answer::new(200).header("content-length", format!("{length}")),
                None => Answer::new(404),
            },
            ("POST", _) => Answer::new(202).header("location", "/upload"),
            ("PUT", Some(digest)) => {
                let instead = (seen.body.len() == SIZE).then(|| put(seen)).flatten();
                instead.unwrap_or_else(|| {
                    let digest = digest.replace("%3A", ":");
                    kept.lock().unwrap().insert(digest, seen.body.len());
                    Answer::new(201)
                })
            }
            ("PUT", None) => put(seen).unwrap_or_else(|| Answer::new(201)),
            _ => Answer::new(204),
        }
    })
}

fn is_manifest(seen: &Seen) -> bool {
    seen.target.contains("/manifests/")
}

/// Waits on a thread of the server: there, blocking is fine.
fn wait_for(condition: impl Fn() -> bool) {
    while !condition() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn count(server: &Faulty, is: impl Fn(&Seen) -> bool) -> usize {
    server.seen().iter().filter(|seen| is(seen)).count()
}

fn asks_for_layer(seen: &Seen) -> bool {
    let layer = Digest::of(&std::fs::read(file(SIZE).path()).unwrap()).to_string();
    seen.method == "HEAD" && seen.target.ends_with(&layer)
}

fn sends_layer(seen: &Seen) -> bool {
    seen.method == "PUT" && seen.body.len() == SIZE
}

/// The PUT of the layer is answered once that many have asked for it.
fn asked_by(server: &Arc<Mutex<Option<Arc<Faulty>>>>, many: usize) {
    wait_for(|| {
        let server = server.lock().unwrap().clone();
        server.is_some_and(|server| count(&server, asks_for_layer) >= many)
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_blob_by_ten_is_uploaded_once() {
    let own = Arc::new(Mutex::new(None));
    let known = Arc::clone(&own);
    let server = Arc::new(keeps(move |seen| {
        if !is_manifest(seen) {
            asked_by(&known, 10);
        }
        None
    }));
    *own.lock().unwrap() = Some(Arc::clone(&server));
    let (sessions, name) = (patient(), server.name());
    let pushes = (0..10).map(|number| {
        let (sessions, name) = (sessions.clone(), name.clone());
        tokio::spawn(async move {
            push_file(
                &sessions,
                &file(SIZE),
                &format!("{name}/acme/echo:{number}"),
            )
            .await
        })
    });
    let mut uploaded = 0;
    for push in pushes.collect::<Vec<_>>() {
        uploaded += push.await.unwrap().unwrap().uploaded;
    }
    assert_eq!(count(&server, sends_layer), 1);
    assert_eq!(count(&server, is_manifest), 10);
    let config = server.seen();
    let config = config
        .iter()
        .find(|seen| seen.method == "PUT" && !is_manifest(seen) && seen.body.len() != SIZE);
    assert_eq!(uploaded, (SIZE + config.unwrap().body.len()) as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fails_hands_over() {
    let own = Arc::new(Mutex::new(None));
    let (known, puts) = (Arc::clone(&own), AtomicUsize::new(0));
    let server = Arc::new(keeps(move |seen| {
        if is_manifest(seen) || puts.fetch_add(1, Ordering::Relaxed) > 0 {
            return None;
        }
        asked_by(&known, 2);
        Some(Answer::new(403))
    }));
    *own.lock().unwrap() = Some(Arc::clone(&server));
    let sessions = patient();
    let reference = format!("{}/acme/echo:1", server.name());
    let (one, other) = (file(SIZE), file(SIZE));
    let (one, other) = tokio::join!(
        push_file(&sessions, &one, &reference),
        push_file(&sessions, &other, &reference),
    );
    assert_eq!(one.is_ok(), other.is_err(), "{one:?} {other:?}");
    assert_eq!(count(&server, sends_layer), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_away_hands_over() {
    let puts = AtomicUsize::new(0);
    let server = keeps(move |seen| {
        let first = !is_manifest(seen) && puts.fetch_add(1, Ordering::Relaxed) == 0;
        // Until the client closes it.
        first.then(|| Answer::silence().stall(0))
    });
    let sessions = patient();
    let reference = format!("{}/acme/echo:1", server.name());
    let (one, other) = (file(SIZE), file(SIZE));
    let mut first = Box::pin(push_file(&sessions, &one, &reference));
    let until = async |is: fn(&Seen) -> bool, many: usize| {
        while count(&server, is) < many {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        pushed = &mut first => unreachable!("{pushed:?}"),
        () = until(sends_layer, 1) => {}
    }
    let mut second = Box::pin(push_file(&sessions, &other, &reference));
    tokio::select! {
        pushed = &mut second => unreachable!("{pushed:?}"),
        () = until(asks_for_layer, 2) => {}
    }
    drop(first);
    second.await.unwrap();
    assert_eq!(count(&server, sends_layer), 2);
}

#[tokio::test]
async fn a_registry_that_does_not_see_its_blobs_is_given_time() {
    let check = async |status: u16, code: &str, refused: usize, expected: Option<ErrorKind>| {
        let body = json!({"errors": [{"code": code, "message": "x"}]}).to_string();
        let puts = AtomicUsize::new(0);
        let server = keeps(move |seen| {
            let again = is_manifest(seen) && puts.fetch_add(1, Ordering::Relaxed) < refused;
            again.then(|| Answer::new(status).body(body.clone()))
        });
        let reference = format!("{}/acme/echo:1", server.name());
        let pushed = push_file(&patient(), &file(SIZE), &reference).await;
        assert_eq!(pushed.as_ref().err().map(Error::kind), expected, "{code}");
        let puts = count(&server, is_manifest);
        let again = expected.is_none_or(ErrorKind::retryable);
        assert_eq!(puts, if again { 5.min(refused + 1) } else { 1 }, "{code}");
        // It looked for the blobs each time, and sent none that was there.
        assert_eq!(count(&server, asks_for_layer), puts, "{code}");
        assert_eq!(count(&server, sends_layer), 1, "{code}");
    };
    check(400, "DIGEST_INVALID", 1, None).await;
    check(404, "MANIFEST_BLOB_UNKNOWN", 4, None).await;
    let passing = Some(ErrorKind::RegistryError);
    check(400, "MANIFEST_BLOB_UNKNOWN", 9, passing).await;
    let refused = Some(ErrorKind::RegistryRefused);
    check(400, "MANIFEST_INVALID", 1, refused).await;
    check(404, "NAME_UNKNOWN", 1, Some(ErrorKind::NotFound)).await;
}
