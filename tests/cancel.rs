//! Cancelling from outside: wherever a request is, though the other side stalls for ever, and
//! however it is said. Nothing may be left of it: no file, no thread, no connection, no process.

mod committed;
mod local;
mod logins;
mod registries;
mod stdio;
mod turns;

use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc};
use vouch_testing::{
    daemon::Daemon,
    faulty::Faulty,
    folder::Folder,
    forge::{Signer, custom, module},
    process::until,
    wire::{Framing, Wire, under_way},
};

/// How a client says that it does not want the answer any more.
#[derive(Debug, Clone, Copy)]
enum Way {
    Cancel(Framing),
    Close(Framing),
}

const WAYS: [Way; 5] = [
    Way::Cancel(Framing::Lines),
    Way::Cancel(Framing::ContentLength),
    Way::Close(Framing::Lines),
    Way::Close(Framing::ContentLength),
    Way::Close(Framing::Http),
];

type Stuck = dyn Fn(&[Value]) -> bool;

/// A request that gets stuck.
struct Scene {
    daemon: Daemon,
    /// What is in here must be the same afterwards.
    folder: Folder,
    method: &'static str,
    params: Value,
    /// Whether it is stuck, given what the service has under way.
    stuck: Box<Stuck>,
    /// Whether the other side was let go.
    released: Box<dyn Fn() -> bool>,
}

/// Plays a scene in all ways.
fn check(scene: impl Fn() -> Scene) {
    for way in WAYS {
        let scene = scene();
        let what = format!("{way:?} {} {}", scene.method, scene.params);
        let socket = scene.daemon.socket();
        let names = scene.folder.names();
        let (Way::Cancel(framing) | Way::Close(framing)) = way;
        let mut wire = Wire::connect(&socket, framing);
        wire.ask(7, scene.method, &scene.params);
        until(&format!("{what} is stuck"), || {
            let requests = under_way(&socket);
            !requests.is_empty() && (scene.stuck)(&requests)
        });
        let wire = match way {
            Way::Cancel(_) => {
                wire.cancel(7);
                let answer = wire.hear();
                assert_eq!(answer["id"], 7, "{what}: {answer}");
                assert_eq!(answer["error"]["code"], -32800, "{what}: {answer}");
                Some(wire)
            }
            Way::Close(_) => {
                drop(wire);
                None
            }
        };
        // A thread that still works for it would still hold it.
        until(&format!("{what} is gone"), || under_way(&socket).is_empty());
        until(&format!("{what} was let go"), &*scene.released);
        assert_eq!(scene.folder.names(), names, "{what}");
        drop(wire);
    }
}

/// Whether every request that arrived there has ended. A client may make a connection more than it
/// then uses.
fn let_go(server: &Faulty) -> bool {
    server.closed() >= server.seen().len()
}

/// A signed module in the folder.
fn signed(folder: &Folder, size: usize) -> PathBuf {
    let bytes = Signer::default().wasm(&[module(), custom("fill", &vec![7; size])].concat());
    folder.write("signed.wasm", &bytes)
}

/// Each method that talks to registries, with params that lead it to one of that name.
fn methods(registry: &str, folder: &Folder) -> [(&'static str, Value); 3] {
    let reference = format!("{registry}/acme/echo:1");
    let path = signed(folder, 1000);
    let destination = folder.path("pulled.wasm");
    [
        ("push", json!({"path": path, "reference": reference})),
        (
            "pull",
            json!({"reference": reference, "destination": destination}),
        ),
        ("verify", json!({"reference": reference})),
    ]
}

/// Plays a scene in which each of these methods gets stuck at a server.
fn check_methods(
    start: impl Fn() -> Faulty,
    daemon: impl Fn() -> Daemon,
    stuck: impl Fn(&Faulty) -> bool + Copy + 'static,
) {
    for number in 0..3 {
        check(|| {
            let server = Arc::new(start());
            let folder = Folder::new();
            let [method, ..] = {
                let mut methods = methods(&server.name(), &folder);
                methods.rotate_left(number);
                methods
            };
            let (method, params) = method;
            let seen = Arc::clone(&server);
            Scene {
                daemon: daemon(),
                folder,
                method,
                params,
                stuck: Box::new(move |_| stuck(&seen)),
                released: Box::new(move || let_go(&server)),
            }
        });
    }
}
