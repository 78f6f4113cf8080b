//! What is stuck for some clients holds up no other.

use super::*;
use registries::stalling;
use vouch_testing::registry::Registry;

/// Four clients, each with sixteen requests that get stuck.
fn stuck(daemon: &Daemon, method: &str, params: impl Fn(u64) -> Value) -> Vec<Wire> {
    let mut clients = Vec::new();
    for client in 0..4 {
        let mut wire = Wire::connect(&daemon.socket(), Framing::Lines);
        for id in 0..16 {
            wire.ask(id, method, &params(client * 16 + id));
        }
        clients.push(wire);
    }
    clients
}

#[test]
fn a_fifth_client_pulls_while_all_pulls_of_four_are_stuck() {
    let daemon = Daemon::start();
    let folder = Folder::new();
    let slow = stalling(false);
    let reference = format!("{}/acme/echo:1", slow.name());
    let clients = stuck(&daemon, "pull", |number| {
        let destination = folder.path(&format!("{number}.wasm"));
        json!({"reference": reference, "destination": destination})
    });
    let other = Registry::open();
    let mut fifth = Wire::connect(&daemon.socket(), Framing::Lines);
    let published = format!("{}/acme/echo:1", other.name());
    let path = signed(&folder, 1000);
    // All that can be received is, and the rest waits.
    until("they are stuck", || {
        let requests = under_way(&daemon.socket());
        let is = |phase: &str| requests.iter().filter(|one| one["phase"] == phase).count();
        requests.len() == 64 && is("receiving") + is("waiting") == 64 && is("receiving") >= 12
    });
    fifth.ask(1, "push", &json!({"path": path, "reference": published}));
    assert!(fifth.hear()["result"].is_object());
    let destination = folder.path("pulled.wasm");
    let pull = json!({"reference": published, "destination": destination});
    fifth.ask(2, "pull", &pull);
    let answer = fifth.hear();
    assert_eq!(answer["result"]["path"], json!(destination), "{answer}");
    assert_eq!(
        under_way(&daemon.socket()).len(),
        64,
        "they are stuck still"
    );
    drop(clients);
    until("they are gone", || under_way(&daemon.socket()).is_empty());
}

#[test]
fn a_fifth_client_verifies_while_all_large_files_of_four_are_read() {
    // Nothing ends but what is cancelled: each of them is read for longer than the test takes.
    let daemon = Daemon::configured("[limits]\nartifact = 34359738368\n", &[]);
    let folder = Folder::new();
    let endless = local::endless(&folder);
    let clients = stuck(&daemon, "verify", |_| json!({"path": endless}));
    until("they are read, or wait", || {
        let requests = under_way(&daemon.socket());
        requests.len() == 64 && requests.iter().any(|one| one["bytes"].as_u64() > Some(0))
    });
    let small = signed(&folder, 1000);
    let large = folder.write("large.wasm", &vec![0; 2 << 20]);
    let mut fifth = Wire::connect(&daemon.socket(), Framing::Lines);
    for (path, expected) in [(small, "accepted"), (large, "refused")] {
        fifth.ask(1, "verify", &json!({"path": path}));
        let answer = fifth.hear();
        assert_eq!(answer["result"]["verdict"], expected, "{answer}");
    }
    assert_eq!(under_way(&daemon.socket()).len(), 64, "they are read still");
    drop(clients);
    until("they are gone", || under_way(&daemon.socket()).is_empty());
}
