//! A service that has few file handles, all of which are used.

use crate::scene::{Framing, Peer, READING, Scene, TALK, is_busy, outcome, until};
use rustix::process::{Pid, Resource, getrlimit, prlimit};
use serde_json::{Value, json};
use std::{fs, net::TcpListener};
use vouch_testing::{
    daemon::Daemon,
    folder::Folder,
    forge::{Signer, module},
};

const HANDLES: u32 = 64;
/// Half of them.
const CONNECTIONS: usize = 32;

/// Connects; answers the connection, or what it was told instead.
fn knock(scene: &Scene) -> Result<Peer, Value> {
    let mut peer = scene.peer();
    let status = Framing::Lines.request(1, "server/status", &json!({}));
    // Where it is refused, it may be closed already.
    let _ = peer.write(status.as_bytes());
    let answer = peer.hear(Framing::Lines);
    if outcome(&answer) == "ok" {
        return Ok(peer);
    }
    assert!(answer["id"].is_null(), "{answer}");
    assert_eq!(peer.ends(), b"");
    Err(answer)
}

#[test]
fn more_connections_than_there_are_handles() {
    let scene = Scene::with(Daemon::limited(HANDLES));
    for _ in 0..3 {
        let mut peers = Vec::new();
        let refused = loop {
            match knock(&scene) {
                Ok(peer) => peers.push(peer),
                Err(refused) => break refused,
            }
        };
        is_busy(&refused);
        // One is the well-behaved client's, and the end of others may not have been noticed yet.
        assert!(peers.len() < CONNECTIONS, "{}", peers.len());
        for _ in 0..200 {
            is_busy(&knock(&scene).map(drop).expect_err("there are no more"));
        }
        let verify = Framing::Lines.request(2, "verify", &scene.verify());
        for peer in &mut peers {
            peer.say(verify.as_bytes());
        }
        for peer in &mut peers {
            assert_eq!(outcome(&peer.hear(Framing::Lines)), "ok");
        }
        drop(peers);
        until("there is room again", || knock(&scene).is_ok());
    }
    scene.took_at_most(TALK + READING);
    scene.end();
}

#[test]
fn more_registries_than_there_are_handles() {
    let scene = Scene::with(Daemon::limited(HANDLES));
    let lines = Framing::Lines;
    // Each takes a connection to a registry that never answers.
    let registries: Vec<TcpListener> = (0..60)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let ask = |peer: &mut Peer| {
        for (id, registry) in registries.iter().enumerate() {
            let reference = format!("{}/acme/echo:1", registry.local_addr().unwrap());
            let params = json!({"reference": reference});
            peer.say(lines.request(id as u64, "verify", &params).as_bytes());
        }
    };
    let mut greedy: Vec<Peer> = (0..4).map(|_| scene.peer()).collect();
    greedy.iter_mut().for_each(ask);
    until("all wait", || {
        let requests = scene.status()["requestsUnderWay"].as_u64();
        requests >= Some((greedy.len() * registries.len()) as u64)
    });
    // They wait for each other, and for nobody's files.
    scene.serves_others();
    scene.took_at_most(TALK + READING);
    drop(greedy);
    scene.end();
}

#[test]
fn handles_that_are_taken_away() {
    let mut daemon = Daemon::start();
    let folder = Folder::new();
    let path = folder.write("echo.wasm", &Signer::default().wasm(&module()));
    let verify = json!({"path": path});
    let mut known = daemon.connect();
    known.call("verify", &verify).unwrap();
    until("the connection of the start has ended", || {
        let status = known.call("server/status", &json!({})).unwrap();
        status["connections"] == 1
    });
    // A further handle would have this number.
    let free = (0..)
        .find(|number| {
            let path = format!("/proc/{}/fd/{number}", daemon.process_id());
            fs::symlink_metadata(path).is_err()
        })
        .unwrap();
    let limit = |most| {
        let process = Pid::from_raw(daemon.process_id() as i32);
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = most;
        prlimit(process, Resource::Nofile, limit)
            .expect("it is ours")
            .current
    };
    let before = limit(Some(free));
    let refused = known.call("verify", &verify).unwrap_err();
    is_busy(&json!({"error": refused}));
    for _ in 0..20 {
        let mut stranger = daemon.connect();
        is_busy(&stranger.hear());
    }
    known.call("server/status", &json!({})).unwrap();

    limit(before);
    known.call("verify", &verify).unwrap();
    daemon.connect().call("verify", &verify).unwrap();
    assert_eq!(daemon.stop().code(), Some(0));
}
