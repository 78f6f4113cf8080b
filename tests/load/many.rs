//! Many clients, and many requests.

use crate::scene::{Framing, LONG_ANSWERS, Peer, READING, Scene, TALK, is_busy, outcome, until};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    net::{Shutdown, TcpListener},
    thread,
};

#[test]
fn a_thousand_idle_connections() {
    let mut scene = Scene::start();
    let connect = |scene: &Scene| -> Vec<Peer> {
        let mut peers: Vec<Peer> = (0..1000).map(|_| scene.peer()).collect();
        for (number, peer) in peers.iter_mut().enumerate() {
            // A third has said nothing yet, and the others are between two requests.
            let framing = match number % 3 {
                0 => continue,
                1 => Framing::Lines,
                _ => Framing::ContentLength,
            };
            peer.say(framing.request(0, "server/status", &json!({})).as_bytes());
            assert_eq!(outcome(&peer.hear(framing)), "ok");
        }
        peers
    };
    let peers = connect(&scene);
    assert!(scene.status()["connections"].as_u64().unwrap() >= 1001);
    scene.serves_others();
    // 30 KB each.
    scene.took_at_most(30);
    drop(peers);
    scene.gives_handles_back();

    let peers = connect(&scene);
    scene.stop();
    for mut peer in peers {
        assert_eq!(peer.ends(), b"", "each is told by the end of input");
    }
}

#[test]
fn two_hundred_busy_clients() {
    let scene = Scene::start();
    let clients: Vec<_> = (0..200)
        .map(|_| {
            let mut client = scene.daemon.connect();
            let params = scene.verify();
            thread::spawn(move || {
                for _ in 0..25 {
                    let verified = client.call("verify", &params).unwrap();
                    assert_eq!(verified["verdict"], "accepted");
                    client.call("server/status", &json!({})).unwrap();
                }
            })
        })
        .collect();
    scene.serves_others();
    for client in clients {
        client.join().expect("each was served");
    }
    scene.took_at_most(TALK + READING);
    scene.end();
}

#[test]
fn clients_that_come_and_go() {
    let scene = Scene::start();
    let request = Framing::Lines.request(1, "verify", &scene.verify());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for number in 0..400 {
                    let mut peer = scene.peer();
                    match number % 8 {
                        0 => {}
                        1 => peer.say(&request.as_bytes()[..20]),
                        2 => peer.say(request.as_bytes()),
                        3 => peer.say(b"Content-Length: 4000\r\n\r\n{"),
                        4 => peer
                            .say(b"POST / HTTP/1.1\r\nHost: vouchd\r\nContent-Length: 9\r\n\r\n{"),
                        5 => peer.say(b"\x16\x03\x01"),
                        6 => peer.say(b"{\"jsonrpc\":\"2.0\",\"method\":\"exit\"}\n"),
                        _ => {
                            peer.say(request.as_bytes());
                            assert_eq!(outcome(&peer.hear(Framing::Lines)), "ok");
                        }
                    }
                }
            });
        }
        scene.serves_others();
    });
    scene.took_at_most(TALK + READING);
    scene.end();
}

/// Each id's outcome; every id is answered once.
fn outcomes(answers: &[Value]) -> BTreeMap<u64, &str> {
    let mut outcomes = BTreeMap::new();
    for answer in answers {
        let id = answer["id"].as_u64().expect("an id");
        let before = outcomes.insert(id, outcome(answer));
        assert_eq!(before, None, "{id} was answered twice");
        if outcomes[&id] != "ok" {
            is_busy(answer);
        }
    }
    outcomes
}

#[test]
fn ten_thousand_requests_in_one_write() {
    const COUNT: u64 = 10_000;
    let scene = Scene::start();
    thread::scope(|scope| {
        for framing in Framing::ALL {
            let scene = &scene;
            scope.spawn(move || {
                let all: String = (0..COUNT)
                    .map(|id| match id % 4 {
                        0 => framing.request(id, "verify", &scene.verify()),
                        _ => framing.request(
                            id,
                            "session/logout",
                            &json!({"registry": "localhost:5000"}),
                        ),
                    })
                    .collect();
                let mut peer = scene.peer();
                let mut twin = peer.twin();
                let writing = thread::spawn(move || {
                    twin.say(all.as_bytes());
                    twin.shut(Shutdown::Write);
                });
                let answers: Vec<Value> = (0..COUNT).map(|_| peer.hear(framing)).collect();
                writing.join().unwrap();
                assert_eq!(peer.ends(), b"", "nothing else is said");
                let outcomes = outcomes(&answers);
                assert_eq!(outcomes.len() as u64, COUNT);
                let done = outcomes
                    .values()
                    .filter(|outcome| **outcome == "ok")
                    .count();
                // 64 are under way at once, and the next is refused; HTTP answers one by one.
                let least = if framing == Framing::Http { COUNT } else { 64 };
                assert!(done as u64 >= least, "{framing:?}: {done}");
            });
        }
        scene.serves_others();
    });
    scene.took_at_most(TALK + READING);
    scene.end();
}

#[test]
fn batches_of_a_hundred_from_many() {
    let scene = Scene::start();
    let batch = |first: u64, method: &str, params: &Value| {
        let entries: Vec<Value> = (first..first + 100)
            .map(|id| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .collect();
        json!(entries).to_string()
    };
    thread::scope(|scope| {
        for number in 0..24 {
            let (scene, batch) = (&scene, &batch);
            scope.spawn(move || {
                let framing = Framing::ALL[number % 3];
                let mut peer = scene.peer();
                for round in 0..5 {
                    let first = round * 1000;
                    peer.say(
                        framing
                            .frame(&batch(first, "verify", &scene.verify()))
                            .as_bytes(),
                    );
                    let answer = peer.hear(framing);
                    let outcomes = outcomes(answer.as_array().expect("one array"));
                    let expected: Vec<u64> = (first..first + 100).collect();
                    assert_eq!(outcomes.keys().copied().collect::<Vec<_>>(), expected);
                    let done = outcomes
                        .values()
                        .filter(|outcome| **outcome == "ok")
                        .count();
                    assert_eq!(done, 64, "64 are under way at once");
                    peer.say(
                        framing
                            .frame(&batch(first, "server/status", &json!({})))
                            .as_bytes(),
                    );
                    let answer = peer.hear(framing);
                    for one in answer.as_array().unwrap() {
                        // The more is under way, the longer: there may be no room for all of them.
                        if outcome(one) != "ok" {
                            is_busy(one);
                        }
                    }
                }
            });
        }
        scene.serves_others();
    });
    scene.took_at_most(TALK + READING + LONG_ANSWERS);
    scene.end();
}

#[test]
fn a_swarm_of_cancels() {
    const CLIENTS: usize = 16;
    const EACH: u64 = 64;
    // Takes connections, and never says a word.
    let registry = TcpListener::bind("127.0.0.1:0").unwrap();
    let reference = format!("{}/acme/echo:1", registry.local_addr().unwrap());
    let scene = Scene::start();
    let lines = Framing::Lines;
    let cancel = |id: u64| {
        let cancel = json!({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": id}});
        lines.frame(&cancel.to_string())
    };
    let mut peers: Vec<Peer> = (0..CLIENTS).map(|_| scene.peer()).collect();
    // The same ids again: they are free once they were answered.
    for _ in 0..3 {
        let params = json!({"reference": reference});
        for peer in &mut peers {
            let all: String = (0..EACH)
                .map(|id| lines.request(id, "verify", &params))
                .collect();
            peer.say(all.as_bytes());
        }
        until("all are under way", || {
            scene.status()["requestsUnderWay"].as_u64() >= Some(CLIENTS as u64 * EACH)
        });
        scene.serves_others();
        thread::scope(|scope| {
            for peer in &mut peers {
                scope.spawn(|| {
                    // Most of them name nothing, or what was cancelled already.
                    let cancels: String = (0..EACH * 20).map(cancel).collect();
                    peer.say(cancels.as_bytes());
                    for _ in 0..EACH {
                        let answer = peer.hear(lines);
                        assert_eq!(outcome(&answer), "cancelled", "{answer}");
                        assert_eq!(answer["error"]["code"], -32800);
                    }
                });
            }
        });
    }
    drop(peers);
    scene.took_at_most(TALK + READING);
    scene.end();
}
