//! Once the step has begun that cannot be undone, a cancel changes nothing.

use super::*;
use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use vouch_testing::{proxy::Proxy, registry::Registry};

#[test]
fn a_push_whose_manifest_is_being_written_is_finished() {
    for way in WAYS {
        let registry = Registry::open();
        let [begun, go_on] = [(); 2].map(|()| Arc::<AtomicBool>::default());
        let (seen, held) = (Arc::clone(&begun), Arc::clone(&go_on));
        let proxy = Proxy::before(&registry.name(), move |head, _| {
            if head.method == "PUT" && head.target.contains("/manifests/") {
                seen.store(true, Ordering::Relaxed);
                until("it may go on", || held.load(Ordering::Relaxed));
            }
            None
        });
        let daemon = Daemon::start();
        let folder = Folder::new();
        let path = signed(&folder, 1000);
        let reference = |name: &str| format!("{name}/acme/echo:1");
        let params = json!({"path": path, "reference": reference(&proxy.name())});
        let (Way::Cancel(framing) | Way::Close(framing)) = way;
        let mut wire = Wire::connect(&daemon.socket(), framing);
        wire.ask(7, "push", &params);
        until("the manifest is sent", || begun.load(Ordering::Relaxed));
        let waiting = if let Way::Cancel(_) = way {
            wire.cancel(7);
            // It has been read once this is answered.
            wire.ask(8, "server/status", &json!({}));
            assert_eq!(wire.hear()["id"], 8);
            Some(wire)
        } else {
            drop(wire);
            None
        };
        go_on.store(true, Ordering::Relaxed);
        if let Some(mut wire) = waiting {
            let answer = wire.hear();
            assert_eq!(answer["id"], 7, "{way:?}: {answer}");
            let verdict = &answer["result"]["verification"]["verdict"];
            assert_eq!(verdict, "accepted", "{way:?}: {answer}");
        }
        until("it is finished", || under_way(&daemon.socket()).is_empty());
        let published = daemon
            .connect()
            .call("verify", &json!({"reference": reference(&registry.name())}));
        assert_eq!(published.unwrap()["verdict"], "accepted", "{way:?}");
    }
}

#[test]
fn a_pull_whose_file_is_being_named_is_finished() {
    let source = Folder::new();
    let artifact = signed(&source, 1000);
    let reference = &format!("oci:{}:1", source.path("layout").display());
    let push = json!({"path": artifact, "reference": reference});
    Daemon::start().connect().call("push", &push).unwrap();
    let expected = &fs::read(artifact).unwrap();
    let check = |way: Way, overwrite: bool| {
        let daemon = Daemon::naming_slowly(3);
        let folder = Folder::new();
        if overwrite {
            folder.write("pulled.wasm", b"old");
        }
        let destination = folder.path("pulled.wasm");
        let params = json!({
            "reference": reference, "destination": destination, "overwrite": overwrite,
        });
        let (Way::Cancel(framing) | Way::Close(framing)) = way;
        let mut wire = Wire::connect(&daemon.socket(), framing);
        wire.ask(7, "pull", &params);
        until("it is being named", || {
            let requests = under_way(&daemon.socket());
            requests.iter().any(|pull| pull["phase"] == "finishing")
        });
        if let Way::Cancel(_) = way {
            wire.cancel(7);
            let answer = wire.hear();
            assert_eq!(answer["id"], 7, "{way:?}: {answer}");
            let verdict = &answer["result"]["verification"]["verdict"];
            assert_eq!(verdict, "accepted", "{way:?}: {answer}");
        } else {
            drop(wire);
        }
        until("it is finished", || under_way(&daemon.socket()).is_empty());
        assert_eq!(&fs::read(destination).unwrap(), expected, "{way:?}");
        assert_eq!(folder.names(), ["pulled.wasm"], "{way:?}");
    };
    thread::scope(|scope| {
        for way in WAYS {
            for overwrite in [false, true] {
                scope.spawn(move || check(way, overwrite));
            }
        }
    });
}
