//! A service that is replaced by a new process: what its clients notice of it, which is next to
//! nothing.

mod clients;
mod logins;
mod manager;
mod programs;

use crate::over::{Over, summary};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use vouch_testing::{
    daemon::Daemon,
    forge,
    process::{PATIENCE, binary, ended, lives, until},
    proxy::Proxy,
    registry::{self, Registry},
    wire::{Framing, Wire},
};

/// The process that answers now.
fn process(daemon: &Daemon) -> i32 {
    let process = daemon.status()["processId"].as_i64().unwrap();
    process.try_into().unwrap()
}

/// Why it cannot be replaced.
fn cannot_restart(daemon: &Daemon) -> String {
    let error = daemon.connect().call("server/restart", &json!({}));
    let error = error.unwrap_err();
    assert_eq!(error["data"]["kind"], "restartFailed", "{error}");
    assert_ne!(error["data"]["help"], Value::Null, "{error}");
    error["message"].as_str().unwrap().to_owned()
}

fn signed(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let content = [forge::module(), forge::custom("name", name.as_bytes())].concat();
    fs::write(&path, forge::Signer::default().wasm(&content)).unwrap();
    path
}

/// A registry behind a proxy that answers nothing about manifests before it may.
fn slow_registry() -> (Registry, Proxy, Arc<AtomicBool>, Arc<AtomicUsize>) {
    let registry = Registry::open();
    let (open, waiting) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (door, waits) = (Arc::clone(&open), Arc::clone(&waiting));
    let proxy = Proxy::before(&registry.name(), move |head, _| {
        if head.method == "POST" {
            waits.fetch_add(1, Ordering::Relaxed);
            while !door.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        None
    });
    (registry, proxy, open, waiting)
}

#[test]
fn what_is_under_way_is_finished_by_the_old_process() {
    let (_registry, proxy, open, waiting) = slow_registry();
    let mut running = Daemon::start();
    let path = signed(running.folder.root(), "a.wasm");
    let push = |talk: &mut Wire, name: &str| {
        let reference = format!("{}/acme/{name}:1", proxy.name());
        talk.request("push", &json!({"path": path, "reference": reference}))
    };
    let old = process(&running);
    let mut working = running.connect();
    let pushed = push(&mut working, "echo");
    until("it waits", || waiting.load(Ordering::Relaxed) > 0);
    let mut regretting = running.connect();
    let regretted = push(&mut regretting, "other");
    let mut silent = running.connect();
    let mut half = running.connect();
    half.say(b"{\"jsonrpc\"");
    // All of them are known to the old process.
    until("they are connected", || {
        running.status()["connections"] == 5
    });

    let new = running.restart();
    assert_ne!(new, old);
    assert_eq!(process(&running), new);
    let verify = json!({"path": path});
    running.connect().call("verify", &verify).unwrap();
    assert!(silent.is_over());
    assert!(
        half.hear()["error"].is_object(),
        "what was said is answered"
    );
    assert!(half.is_over());
    // The old one takes no more requests, but still what ends one.
    let refused = working.call("verify", &verify).unwrap_err();
    assert_eq!(refused["data"]["kind"], "shuttingDown");
    assert!(
        refused["data"]["help"]
            .as_str()
            .unwrap()
            .contains("Connect again"),
        "{refused}"
    );
    regretting.cancel(regretted);
    assert_eq!(regretting.outcome(regretted), "cancelled");
    assert!(regretting.is_over());
    assert!(lives(old));
    open.store(true, Ordering::Relaxed);
    assert_eq!(working.outcome(pushed), "ok");
    assert!(working.is_over());
    assert_eq!(ended(&mut running.process).code(), Some(0));
    assert!(running.socket().exists() && running.is_locked());
    assert_eq!(running.lock_names(), new.to_string());
    let reference = format!("{}/acme/echo:1", proxy.name());
    let published = json!({"reference": reference});
    running.connect().call("verify", &published).unwrap();
}

#[test]
fn the_new_process_outlives_the_old_one() {
    let (_registry, proxy, _open, waiting) = slow_registry();
    let mut running = Daemon::start();
    let path = signed(running.folder.root(), "a.wasm");
    let reference = format!("{}/acme/echo:1", proxy.name());
    let mut working = running.connect();
    working.request("push", &json!({"path": path, "reference": reference}));
    until("it waits", || waiting.load(Ordering::Relaxed) > 0);
    let new = running.restart();
    running.process.kill().unwrap();
    running.process.wait().unwrap();
    assert_eq!(process(&running), new);
    assert!(running.is_locked());
    // It can be replaced in its turn.
    assert_ne!(running.restart(), new);
}

#[test]
fn an_old_process_that_is_asked_to_stop_does() {
    let (_registry, proxy, _open, waiting) = slow_registry();
    let mut running = Daemon::start();
    let path = signed(running.folder.root(), "a.wasm");
    let reference = format!("{}/acme/echo:1", proxy.name());
    let mut working = running.connect();
    let pushed = working.request("push", &json!({"path": path, "reference": reference}));
    until("it waits", || waiting.load(Ordering::Relaxed) > 0);
    let new = running.restart();
    let old = Pid::from_child(&running.process);
    kill_process(old, Signal::TERM).unwrap();
    assert_eq!(working.outcome(pushed), "shuttingDown");
    assert_eq!(ended(&mut running.process).code(), Some(0));
    assert_eq!(process(&running), new);
}

#[test]
fn a_service_on_stdio_is_not_replaced() {
    let request = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/restart\"}\n";
    let answer = Over::Stdio.exchange(request);
    assert_eq!(summary(&answer), "1 restartFailed");
}
