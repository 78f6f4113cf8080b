//! What lasts: connections that are used again, sessions that are kept longest, and renewals that
//! are tried again.

use super::{
    super::sessions::SESSIONS,
    tokens::{asked, identity, lasting, lock, until},
    *,
};
use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::atomic::{AtomicUsize, Ordering},
};

/// A registry that answers each request with nothing, and keeps its connections; how many there
/// were.
fn keeps_connections() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = listener.local_addr().unwrap().to_string();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || {
                for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                    if line.is_empty() {
                        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                        (&stream).write_all(answer).unwrap();
                    }
                }
            });
        }
    });
    (name, connections)
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let (registry, connections) = keeps_connections();
    let sessions = sessions(None);
    for _ in 0..5 {
        // As each push and pull does.
        let session = begin(&sessions, &registry).await;
        get(&session).await.unwrap();
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_failed_renewal_is_tried_again() {
    let (server, realm) = lasting(300).start();
    let session = session(&server.name(), None).await;
    get(&session).await.unwrap();
    realm.down.store(true, Ordering::Relaxed);
    session.clock.advance(271);
    until(|| realm.failed.load(Ordering::Relaxed) > 0).await;
    let failed = asked(&server).len();
    realm.down.store(false, Ordering::Relaxed);
    session.clock.advance(31);
    until(|| asked(&server).len() > failed).await;
    let fresh = |left: Duration| left.as_secs() > 290;
    until(|| {
        let (_, left) = session.tokens.scopes();
        left.is_some_and(fresh)
    })
    .await;
    let before = server.lines().len();
    get(&session).await.unwrap();
    assert_eq!(server.lines()[before..], ["GET /thing"]);
}

#[tokio::test]
async fn a_session_whose_refresh_token_was_replaced_is_kept_longest() {
    let realm = lasting(300);
    "r".clone_into(&mut lock(&realm.refresh));
    let (server, _realm) = realm.start();
    let docker = identity(&server.name(), "r");
    let sessions = sessions(Some(&docker));
    let kept = begin(&sessions, &server.name()).await;
    get(&kept).await.unwrap();
    assert!(kept.login.has_rotated());
    let plain = begin(&sessions, "localhost:1").await;
    for port in 2..SESSIONS.get() + 2 {
        let registry = format!("localhost:{port}");
        begin(&sessions, &registry).await;
    }
    let again = begin(&sessions, &server.name()).await;
    assert!(Arc::ptr_eq(&kept, &again));
    let again = begin(&sessions, "localhost:1").await;
    assert!(
        !Arc::ptr_eq(&plain, &again),
        "there is an end to what is kept"
    );
}
