//! Clients of which half is left, or nothing.

use crate::scene::{Framing, READING, Scene, TALK, outcome, until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener},
    process::{Command, Stdio},
};
use vouch_testing::process::Process;

/// A process that is connected, and hands on what it is told.
struct Client(Process);

impl Client {
    fn connect(scene: &Scene) -> Self {
        let address = format!("UNIX-CONNECT:{}", scene.daemon.socket().display());
        let process = Command::new("socat")
            .args(["-", &address])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("socat is installed");
        Self(Process(process))
    }

    fn say(&mut self, bytes: &[u8]) {
        let stdin = self.0.0.stdin.as_mut().expect("it has one");
        stdin.write_all(bytes).expect("it is taken");
    }

    /// Waits for the first byte of an answer.
    fn hears(&mut self) {
        let stdout = self.0.0.stdout.as_mut().expect("it has one");
        stdout.read_exact(&mut [0]).expect("it answers");
    }
}

fn under_way(scene: &Scene, method: &str) -> usize {
    let status = scene.status();
    let requests = status["requests"].as_array().unwrap();
    requests
        .iter()
        .filter(|one| one["method"] == method)
        .count()
}

fn connections(scene: &Scene) -> u64 {
    scene.status()["connections"].as_u64().unwrap()
}

/// A registry that takes connections and never says a word, and the params of a pull from it.
fn silent_registry(scene: &Scene) -> (TcpListener, Value) {
    let registry = TcpListener::bind("127.0.0.1:0").unwrap();
    let reference = format!("{}/acme/echo:1", registry.local_addr().unwrap());
    let params = json!({"reference": reference, "destination": scene.folder.path("pulled.wasm")});
    (registry, params)
}

#[test]
fn peers_that_only_listen() {
    let scene = Scene::start();
    for framing in Framing::ALL {
        let mut peers: Vec<_> = (0..50).map(|_| scene.peer()).collect();
        for peer in &mut peers {
            peer.say(framing.request(1, "verify", &scene.verify()).as_bytes());
            peer.shut(Shutdown::Write);
        }
        scene.serves_others();
        for peer in &mut peers {
            assert_eq!(outcome(&peer.hear(framing)), "ok");
            assert_eq!(peer.ends(), b"");
        }
    }
    // Half a request is answered with an error, and the connection ends.
    for framing in Framing::ALL {
        let mut peer = scene.peer();
        let request = framing.request(1, "verify", &scene.verify());
        peer.say(&request.as_bytes()[..request.len() - 5]);
        peer.shut(Shutdown::Write);
        assert_eq!(outcome(&peer.hear(framing)), "parseError", "{framing:?}");
        assert_eq!(peer.ends(), b"");
    }
    scene.took_at_most(TALK + READING);
    scene.end();
}

#[test]
fn peers_that_only_talk() {
    let scene = Scene::start();
    let (_registry, pull) = silent_registry(&scene);
    let before = connections(&scene);
    let mut peers = Vec::new();
    for number in 0..60 {
        let framing = Framing::ALL[number % 3];
        let mut peer = scene.peer();
        peer.shut(Shutdown::Read);
        let pull = framing.request(1, "pull", &pull);
        let status = framing.request(2, "server/status", &json!({}));
        // The connection may be gone before all is said.
        let _ = peer.write(pull.as_bytes());
        let _ = peer.write(status.as_bytes());
        peers.push(peer);
    }
    scene.serves_others();
    // The lines and headers answer the second request, and find out. HTTP answers in order, and
    // the first never comes: such a peer is there until it goes.
    until("those that can be told are gone", || {
        connections(&scene) <= before + 20 && under_way(&scene, "pull") <= 20
    });
    drop(peers);
    until("all are gone", || {
        connections(&scene) <= before && under_way(&scene, "pull") == 0
    });
    scene.took_at_most(TALK + READING);
    scene.end();
}

#[test]
fn processes_that_are_killed() {
    let scene = Scene::start();
    let (_registry, pull) = silent_registry(&scene);
    let before = connections(&scene);
    let mut processes: Vec<_> = (0..12).map(|_| Client::connect(&scene)).collect();
    for (number, process) in processes.iter_mut().enumerate() {
        let framing = Framing::ALL[number % 3];
        process.say(framing.request(1, "pull", &pull).as_bytes());
        // And half of another.
        process.say(&framing.request(2, "pull", &pull).as_bytes()[..30]);
    }
    until("all are under way", || under_way(&scene, "pull") == 12);
    for process in &processes {
        process.0.signal(Signal::KILL);
    }
    until("what they asked for is cancelled", || {
        under_way(&scene, "pull") == 0 && connections(&scene) <= before
    });
    assert!(!scene.folder.path("pulled.wasm").exists());
    drop(processes);
    scene.took_at_most(TALK + READING);
    scene.end();
}

#[test]
fn processes_that_are_stopped() {
    let scene = Scene::start();
    let before = connections(&scene);
    let mut processes: Vec<_> = (0..6).map(|_| Client::connect(&scene)).collect();
    until("all are connected", || connections(&scene) == before + 6);
    for (number, process) in processes.iter_mut().enumerate() {
        // The answers fill the pipe that nobody reads, and then the socket.
        let discover: String = (1..40)
            .map(|id| Framing::ALL[number % 3].request(id, "rpc.discover", &json!({})))
            .collect();
        process.say(discover.as_bytes());
        // It has handed on all when the first answer comes.
        process.hears();
        process.0.signal(Signal::STOP);
    }
    scene.serves_others();
    until("they are given up", || connections(&scene) <= before);
    for process in &processes {
        process.0.signal(Signal::CONT);
    }
    drop(processes);
    scene.took_at_most(TALK + READING);
    scene.end();
}
