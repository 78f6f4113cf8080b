//! Clients that say too much, or too slowly, or do not listen.

use crate::scene::{
    Framing, LONG_ANSWERS, LONG_MESSAGES, Peer, READING, Scene, TALK, is_busy, outcome, until,
};
use serde_json::json;
use std::{
    io::Read,
    thread,
    time::{Duration, Instant},
};

/// A request of that many bytes and more, which is not valid: it has no method.
fn begun(bytes: usize) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"fill\":\"{}",
        "x".repeat(bytes)
    )
}

#[test]
fn requests_that_arrive_byte_by_byte() {
    let scene = Scene::start();
    let mut peers: Vec<(Framing, Peer)> = (0..30)
        .map(|number| (Framing::ALL[number % 3], scene.peer()))
        .collect();
    // These never get there.
    let mut stalled: Vec<Peer> = Vec::new();
    for framing in Framing::ALL {
        let request = framing.request(1, "verify", &scene.verify());
        for bytes in (1..request.len()).step_by(7) {
            let mut peer = scene.peer();
            peer.say(&request.as_bytes()[..bytes]);
            stalled.push(peer);
        }
    }
    let requests = Framing::ALL.map(|framing| framing.request(1, "verify", &scene.verify()));
    let longest = requests.iter().map(String::len).max().unwrap();
    for at in 0..longest {
        for (framing, peer) in &mut peers {
            let request = &requests[*framing as usize];
            if let Some(byte) = request.as_bytes().get(at..=at) {
                peer.say(byte);
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
    scene.serves_others();
    for (framing, peer) in &mut peers {
        let answer = peer.hear(*framing);
        assert_eq!(
            answer["result"]["verdict"], "accepted",
            "{framing:?}: {answer}"
        );
    }
    scene.took_at_most(TALK + READING);
    drop((peers, stalled));
    scene.end();
}

/// Long requests of which the end is missing.
fn begin(scene: &Scene, begun: &str) -> Vec<(Framing, Peer)> {
    let begin = |number: usize| {
        let framing = Framing::ALL[number % 3];
        let mut peer = scene.peer();
        let whole = framing.frame(&format!("{begun}\"}}"));
        // Where it came too late, it was given up already.
        let _ = peer.write(&whole.as_bytes()[..whole.len() - 5]);
        (framing, peer)
    };
    (0..64).map(begin).collect()
}

#[test]
fn long_requests_that_never_get_there() {
    let scene = Scene::start();
    let begun = begun(600 << 10);
    let long = Framing::Lines.frame(&format!("{begun}\"}}"));
    let ask = || {
        let mut peer = scene.peer();
        // It may be refused before all was read.
        let _ = peer.write(long.as_bytes());
        peer.hear(Framing::Lines)
    };
    // 1 MiB of room each, and there are 64 in all: the moment in which all of it is taken. A
    // machine with much else to do may need longer than the first of them is waited for; then
    // there is none, and it is tried again.
    let take_all = || {
        let asked = Instant::now();
        let peers = begin(&scene, &begun);
        while asked.elapsed() < Duration::from_secs(30) {
            let answer = ask();
            if outcome(&answer) == "busy" {
                is_busy(&answer);
                return Some(peers);
            }
        }
        None
    };
    let mut peers = (0..10).find_map(|_| take_all()).expect("the room is taken");
    // Small ones never wait for room.
    scene.serves_others();

    for (framing, peer) in &mut peers {
        let answer = peer.hear(*framing);
        assert_eq!(outcome(&answer), "invalidRequest", "{answer}");
        assert!(answer["id"].is_null(), "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("30 s"), "{message}");
        assert_eq!(peer.ends(), b"");
    }
    until("there is room", || outcome(&ask()) == "invalidRequest");
    scene.took_at_most(TALK + LONG_MESSAGES);
    drop(peers);
    scene.end();
}

#[test]
fn clients_that_never_read() {
    let scene = Scene::start();
    let discover = |id: u64| json!({"jsonrpc": "2.0", "id": id, "method": "rpc.discover"});
    let batch: Vec<_> = (0..100).map(discover).collect();
    let said = |framing: Framing| {
        let batch = framing.frame(&json!(batch).to_string());
        let single = framing.frame(&discover(200).to_string());
        let verify = framing.request(201, "verify", &scene.verify());
        [batch, single, verify].concat()
    };
    thread::scope(|scope| {
        for number in 0..30 {
            let (scene, said) = (&scene, &said);
            scope.spawn(move || {
                let said = said(Framing::ALL[number % 3]);
                let mut peer = scene.peer();
                // First nothing more is taken of it, and after a while it is given up.
                let error = loop {
                    if let Err(error) = peer.write(said.as_bytes()) {
                        break error;
                    }
                };
                let expected = [
                    std::io::ErrorKind::BrokenPipe,
                    std::io::ErrorKind::ConnectionReset,
                ];
                assert!(expected.contains(&error.kind()), "{error}");
            });
        }
        scene.serves_others();
    });
    scene.took_at_most(TALK + LONG_ANSWERS);
    scene.end();
}

#[test]
fn a_gigabyte_without_an_end() {
    let scene = Scene::start();
    let pour = |mut peer: Peer, megabytes: usize| {
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..megabytes {
            // It may have been closed by now.
            if peer.write(&piece).is_err() {
                break;
            }
        }
        peer
    };
    let status = |framing: Framing| framing.request(7, "server/status", &json!({}));
    let too_long = |peer: &mut Peer, framing: Framing| {
        let answer = peer.hear(framing);
        assert_eq!(outcome(&answer), "invalidRequest", "{answer}");
        assert!(answer["id"].is_null(), "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("longer than 1 MiB"), "{message}");
    };
    thread::scope(|scope| {
        // A line is skipped to its end, if that comes soon, and the next is answered.
        scope.spawn(|| {
            let mut peer = scene.peer();
            peer.say(b"{");
            let mut peer = pour(peer, 16);
            peer.say(b"\n");
            peer.say(status(Framing::Lines).as_bytes());
            too_long(&mut peer, Framing::Lines);
            assert_eq!(outcome(&peer.hear(Framing::Lines)), "ok");
        });
        // It is answered before it ends, and does not go on for ever.
        scope.spawn(|| {
            let mut peer = scene.peer();
            peer.say(b"{\"fill\":\"");
            let twin = peer.twin();
            let pouring = scope.spawn(move || drop(pour(twin, 1 << 10)));
            too_long(&mut peer, Framing::Lines);
            peer.ends();
            pouring.join().unwrap();
        });
        // A body of which the length is known need not be waited for.
        for framing in [Framing::ContentLength, Framing::Http] {
            let scene = &scene;
            scope.spawn(move || {
                let mut peer = scene.peer();
                let whole = framing.frame("");
                peer.say(whole.replace("Length: 0", "Length: 1073741824").as_bytes());
                let twin = peer.twin();
                let pouring = scope.spawn(move || drop(pour(twin, 1 << 10)));
                too_long(&mut peer, framing);
                peer.ends();
                pouring.join().unwrap();
            });
        }
        // Headers that do not end.
        scope.spawn(|| {
            let mut peer = scene.peer();
            peer.say(b"Content-Type: ");
            let twin = peer.twin();
            let pouring = scope.spawn(move || drop(pour(twin, 64)));
            let answer = peer.hear(Framing::ContentLength);
            assert_eq!(outcome(&answer), "parseError", "{answer}");
            peer.ends();
            pouring.join().unwrap();
        });
        scope.spawn(|| {
            let mut peer = scene.peer();
            peer.say(b"POST / HTTP/1.1\r\nx: ");
            let mut peer = pour(peer, 64);
            let mut said = String::new();
            // What it did not read may reset the connection, with the answer.
            let _ = peer.0.read_to_string(&mut said);
            assert!(
                said.is_empty() || said.starts_with("HTTP/1.1 431 "),
                "{said}"
            );
        });
        scene.serves_others();
    });
    scene.took_at_most(TALK);
    scene.end();
}
