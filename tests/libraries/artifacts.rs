//! What a client does with artifacts.

use crate::driver::Library;
use serde_json::{Value, json};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use vouch_testing::{
    daemon::Daemon,
    folder::Folder,
    forge::{Signer, custom, module},
    process::{program, until},
    proxy::Proxy,
    registry::Registry,
    wire::under_way,
};

pub fn verify(library: &Library) {
    let (daemon, registry, folder) = (Daemon::start(), Registry::open(), Folder::new());
    let mut driver = library.connected(&daemon.socket());
    let signer = Signer::default();
    let signed = folder.write("signed.wasm", &signer.wasm(&module()));
    let unsigned = folder.write("größe ☃ unsigned.wasm", &module());
    let reference = format!("{}/acme/echo:1", registry.name());

    let verified = driver.call("verify", json!({"path": signed}));
    assert_eq!(verified["verdict"], "accepted", "{verified}");
    assert_eq!(verified["claims"]["issuer"], signer.account.public_key());
    assert_eq!(verified["trust"]["mode"], "any");
    assert!(verified.get("checks").is_none(), "{verified}");

    let refused = driver.call("verify", json!({"path": unsigned, "explain": true}));
    assert_eq!(refused["verdict"], "refused", "{refused}");
    assert_eq!(refused["refusal"]["kind"], "unsigned");
    let message = refused["refusal"]["message"].as_str().unwrap();
    assert!(message.contains("größe ☃ unsigned.wasm"), "{message}");
    assert!(refused["checks"].as_array().unwrap().len() > 3, "{refused}");

    driver.call("push", json!({"path": signed, "reference": reference}));
    let published = driver.call("verify", json!({"reference": reference}));
    assert_eq!(published["verdict"], "accepted", "{published}");
    assert_eq!(published["artifact"], verified["artifact"]);
    let pinned = published["reference"].as_str().unwrap();
    assert!(
        pinned.starts_with(&format!("{reference}@sha256:")),
        "{pinned}"
    );
    let again = driver.call("verify", json!({"reference": pinned}));
    assert_eq!(again["digest"], published["digest"]);
    driver.ok(json!({"do": "close"}));
}

/// Names and texts that a library must not change on the way.
fn annotations() -> Value {
    json!({
        "org.opencontainers.image.source": "https://example.org/acme/echo",
        "com.example.with-dash_and.Upper": "a",
        "class": "a keyword of Python",
        "constructor": "a member of every object of JavaScript",
        "toString": "another",
        "hasOwnProperty": "1",
        "7": "a number",
        "größe": "Umlaut ☃ \u{1f980}",
        "with space": "a\nb\t\"c\" \\ \u{7f}",
        "empty": "",
        "camelCase": "not snake_case",
        "snake_case": "not camelCase",
    })
}

pub fn push_and_pull(library: &Library) {
    let (daemon, registry, folder) = (Daemon::start(), Registry::open(), Folder::new());
    let mut driver = library.connected(&daemon.socket());
    let bytes = Signer::default().wasm(&module());
    let path = folder.write("echo.wasm", &bytes);
    let reference = format!("{}/acme/echo:0.3.4", registry.name());
    let pushed = driver.call(
        "push",
        json!({"path": path, "reference": reference, "annotations": annotations()}),
    );
    assert_eq!(pushed["verification"]["verdict"], "accepted");
    assert!(
        pushed["uploaded"].as_u64() >= Some(bytes.len() as u64),
        "{pushed}"
    );
    let inspected = driver.call("inspect", json!({"reference": reference}));
    let mut found = inspected["manifest"]["annotations"].clone();
    for (name, value) in annotations().as_object().unwrap() {
        assert_eq!(found[name].take(), *value, "{name}");
    }

    let to = folder.path("pulled.wasm");
    let pull = json!({"reference": pushed["reference"], "destination": to});
    let pulled = driver.call("pull", pull.clone());
    assert_eq!(pulled["digest"], pushed["digest"]);
    assert_eq!(pulled["path"], to.to_str().unwrap());
    assert_eq!(fs::read(&to).unwrap(), bytes);
    let tags = driver.call(
        "tags",
        json!({"repository": format!("{}/acme/echo", registry.name())}),
    );
    assert_eq!(tags["tags"], json!(["0.3.4"]));
    assert_eq!(tags["more"], false);
    driver.ok(json!({"do": "close"}));
}

/// A module of some megabytes.
fn large() -> Vec<u8> {
    let filler: Vec<u8> = (0..6 << 20_u32)
        .map(|index| (index ^ (index >> 8)) as u8)
        .collect();
    Signer::default().wasm(&[module(), custom("fill", &filler)].concat())
}

pub fn progress(library: &Library) {
    let (daemon, registry, folder) = (Daemon::start(), Registry::open(), Folder::new());
    let proxy = Proxy::before(&registry.name(), |_, _| None);
    proxy.throttle(8 << 20);
    let mut driver = library.connected(&daemon.socket());
    let bytes = large();
    let path = folder.write("large.wasm", &bytes);
    let reference = format!("{}/acme/echo:1", proxy.name());
    // Side by side with one that reports nothing, and one whose reports are its own.
    driver.begin("silent", "verify", json!({"path": path}));
    for (name, method, params, title) in [
        (
            "push",
            "push",
            json!({"path": path, "reference": reference}),
            "Pushing",
        ),
        ("verify", "verify", json!({"path": path}), "Verifying"),
        (
            "pull",
            "pull",
            json!({"reference": reference, "destination": folder.path("pulled.wasm")}),
            "Pulling",
        ),
    ] {
        let step = json!({"do": "begin", "as": name, "method": method, "params": params, "progress": true});
        driver.ok(step);
        let ended = driver.end(name);
        assert!(ended.get("ok").is_some(), "{ended}");
        let reports = ended["progress"].as_array().expect("reports");
        assert_eq!(reports[0]["kind"], "begin", "{reports:?}");
        assert_eq!(reports[0]["title"], title);
        assert_eq!(reports[0]["cancellable"], true);
        let last = reports.last().unwrap();
        assert_eq!(last["kind"], "end", "{reports:?}");
        assert_eq!(last["message"], "done");
        let mut before = 0;
        for report in &reports[1..reports.len() - 1] {
            assert_eq!(report["kind"], "report", "{reports:?}");
            let bytes = report["bytes"].as_u64().unwrap();
            assert!(bytes >= before, "{reports:?}");
            before = bytes;
        }
        if name == "push" {
            assert!(before > 0, "{reports:?}");
        }
    }
    let silent = driver.end("silent");
    assert!(silent.get("progress").is_none(), "{silent}");
    assert_eq!(silent["ok"]["verdict"], "accepted");

    // One that fails says so.
    let params = json!({"path": folder.path("absent"), "reference": reference});
    driver.ok(
        json!({"do": "begin", "as": "a", "method": "push", "params": params, "progress": true}),
    );
    let ended = driver.end("a");
    assert_eq!(ended["error"]["kind"], "fileNotFound");
    let last = ended["progress"].as_array().unwrap().last().unwrap();
    assert_eq!(last, &json!({"kind": "end", "message": "failed"}));
}

pub fn cancel(library: &Library) {
    let (daemon, registry, folder) = (Daemon::start(), Registry::open(), Folder::new());
    let proxy = Proxy::before(&registry.name(), |_, _| None);
    let mut driver = library.connected(&daemon.socket());
    let path = folder.write("large.wasm", &large());
    let reference = format!("{}/acme/echo:1", proxy.name());
    proxy.hold_after(1 << 20);
    let push = json!({"path": path, "reference": reference});
    driver.ok(
        json!({"do": "begin", "as": "push", "method": "push", "params": push, "progress": true}),
    );
    until("some of it has gone", || proxy.held() > 0);
    driver.ok(json!({"do": "cancel", "as": "push"}));
    let ended = driver.end("push");
    assert_eq!(ended["error"]["is"], "cancelled", "{ended}");
    until("nothing is left", || under_way(&daemon.socket()).is_empty());
    proxy.hold_after(u64::MAX);
    // Nothing was published, and the connection goes on.
    let error = driver.refused("verify", json!({"reference": reference}));
    assert_eq!(error["kind"], "notFound");
    driver.call("push", push);

    proxy.hold_after(1 << 20);
    let to = folder.path("pulled.wasm");
    driver.begin(
        "pull",
        "pull",
        json!({"reference": reference, "destination": to}),
    );
    until("some of it has come", || proxy.held() > 0);
    driver.ok(json!({"do": "cancel", "as": "pull"}));
    assert_eq!(driver.end("pull")["error"]["is"], "cancelled");
    until("nothing is left", || under_way(&daemon.socket()).is_empty());
    assert_eq!(folder.names(), ["large.wasm"]);

    // One that is over stays what it is.
    driver.begin("done", "verify", json!({"path": path}));
    until("it is done", || under_way(&daemon.socket()).is_empty());
    let ended = driver.end("done");
    assert_eq!(ended["ok"]["verdict"], "accepted", "{ended}");
}

/// More calls at a time than a connection may have, the first of which is the last to end.
pub fn side_by_side(library: &Library) {
    let (daemon, registry, folder) = (Daemon::start(), Registry::open(), Folder::new());
    let (open, waiting) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (door, waits) = (Arc::clone(&open), Arc::clone(&waiting));
    let proxy = Proxy::before(&registry.name(), move |_, _| {
        waits.fetch_add(1, Ordering::Relaxed);
        while !door.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    });
    let mut driver = library.connected(&daemon.socket());
    let path = folder.write("a.wasm", &Signer::default().wasm(&module()));
    let reference = format!("{}/acme/echo:1", proxy.name());
    driver.begin(
        "first",
        "push",
        json!({"path": path, "reference": reference}),
    );
    until("it waits", || waiting.load(Ordering::Relaxed) > 0);
    for number in 0..100 {
        driver.begin(&number.to_string(), "verify", json!({"path": path}));
    }
    for number in (0..100).rev() {
        let ended = driver.end(&number.to_string());
        assert_eq!(ended["ok"]["verdict"], "accepted", "{ended}");
    }
    open.store(true, Ordering::Relaxed);
    assert!(driver.end("first").get("ok").is_some());
}

pub fn stdio(library: &Library) {
    let folder = Folder::new();
    let path = folder.write("a.wasm", &Signer::default().wasm(&module()));
    let mut driver = library.driver();
    driver.ok(json!({"do": "spawn", "command": [program("vouchd"), "--stdio"]}));
    let verified = driver.call("verify", json!({"path": path}));
    assert_eq!(verified["verdict"], "accepted");
    let status = driver.call("server/status", json!({}));
    assert!(status.get("socket").is_none(), "{status}");
    driver.ok(json!({"do": "close"}));
    let process = status["processId"].as_i64().unwrap().try_into().unwrap();
    until("it has ended", || !vouch_testing::process::lives(process));
}
