//! Services that want something else signed than what they were asked for.

use super::{file, key, run};
use crate::{
    service::{Ran, Service, vouch},
    spawn::Home,
};
use serde_json::{Value, json};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};
use vouch_testing::forge::{HEADER, base64, module, sha256};

/// Any module's key.
const SUBJECT: &str = "MB2ZDBY7MU2UY7QUBAKQQFJ4J7DQP46OOWS6BLZYPDWDIWE2HAMFVPGA";

/// What an honest service wants signed.
fn honest(account: &Value) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    json!({
        "jti": "x", "iat": now.as_secs(), "iss": account, "sub": SUBJECT,
        "wascap": {"name": "echo", "hash": sha256(&module())},
        "wascap_revision": 3,
    })
}

/// Has a file signed by a service that changes what it is asked for; answers what came of it, and
/// which methods were called.
fn signed(home: &Home, change: impl Fn(&mut Value) + Send + 'static) -> (Ran, Vec<String>) {
    let called = Arc::new(Mutex::new(Vec::new()));
    let calls = called.clone();
    let service = Service::new(1, move |request| {
        let method = request["method"].as_str().unwrap().to_owned();
        calls.lock().unwrap().push(method.clone());
        if method == "sign/complete" {
            return json!({"error": {"code": -32603, "message": "enough", "data": {"kind": "internal"}}});
        }
        let account = &request["params"]["account"];
        let mut payload = honest(account);
        change(&mut payload);
        let input = format!(
            "{}.{}",
            base64(HEADER.as_bytes()),
            base64(payload.to_string().as_bytes())
        );
        json!({"result": {
            "artifact": {"kind": "module", "digest": "sha256:00", "size": 8},
            "signingInput": input,
            // What it says of it is not believed.
            "claims": {"issuer": account, "subject": SUBJECT, "name": "echo", "tags": [],
                       "capabilities": [], "issuedAt": 1},
        }})
    });
    let mut command = vouch();
    command
        .arg("--socket")
        .arg(service.socket())
        .args(["sign", "--name", "echo", "--subject", SUBJECT, "--key"])
        .arg(home.path("k"))
        .arg(file(home, "a.wasm", &module()));
    let ran = Ran::of(&mut command);
    let called = called.lock().unwrap().clone();
    (ran, called)
}

#[test]
fn nothing_is_signed_that_was_not_asked_for() {
    let home = Home::new();
    key(&home, "k", "");
    let (ran, called) = signed(&home, |_| {});
    assert!(ran.err.contains("enough"), "{}{}", ran.out, ran.err);
    assert_eq!(called, ["sign/prepare", "sign/complete"], "honest");
    let other = "ACOJJN6WUP4ODD75XEBKKTCCUJJCY5ZKQ56XVKYK4BEJWGVAOOQHZMCW";
    let subject = "MA32YKAF75VYYKQRZONGGEL72XOTR75P3QERY4FJSXTYFCPPUMQLMSAE";
    let check = |what: &'static str, path: &'static str, value: Value| {
        let (ran, called) = signed(&home, move |payload| {
            *payload.pointer_mut(path).unwrap_or(&mut Value::Null) = value.clone();
            let (parent, name) = path.rsplit_once('/').unwrap();
            payload.pointer_mut(parent).unwrap()[name] = value.clone();
        });
        assert_eq!(ran.code, 2, "{what}: {}{}", ran.out, ran.err);
        assert_eq!(called, ["sign/prepare"], "{what}");
        assert!(!ran.out.contains("signing"), "{what}: {}", ran.out);
    };
    check("another account", "/iss", other.into());
    check("another subject", "/sub", subject.into());
    check("another name", "/wascap/name", "bank".into());
    check("a version", "/wascap/ver", json!(7));
    check("a revision", "/wascap/rev", json!(7));
    check(
        "capabilities",
        "/wascap/caps",
        json!(["wasmcloud:keyvalue"]),
    );
    check("tags", "/wascap/tags", json!(["official"]));
    check("an end", "/exp", json!(4_000_000_000_u64));
    check("a begin", "/nbf", json!(1));
    check("another date", "/iat", json!(1));
    check("other bytes", "/wascap/hash", "0".repeat(64).into());
    check("a member more", "/aud", json!("bank"));
}

#[test]
fn what_acts_on_a_terminal_is_not_signed() {
    let home = Home::new();
    key(&home, "k", "");
    // Its own metadata may name the artifact: only a version that was not asked for.
    let (ran, called) = signed(&home, |payload| {
        payload["wascap"]["ver"] = "1\u{1b}[2J\u{202e}".into();
    });
    assert_eq!(called, ["sign/prepare"]);
    assert!(ran.err.contains("invisible characters"), "{}", ran.err);
    let seen = [ran.out, ran.err].concat();
    assert!(!seen.contains(['\u{1b}', '\u{202e}']), "{seen:?}");
}

#[test]
fn a_file_that_is_elsewhere_is_not_signed() {
    let home = Home::new();
    key(&home, "k", "");
    let ran = run(&home, &["sign", "--key", "./k", "ghcr.io/acme/echo:1"]);
    assert_eq!(ran.code, 64);
    assert!(
        ran.err.contains("`vouch pull ghcr.io/acme/echo:1`"),
        "{}",
        ran.err
    );
    let ran = run(&home, &["sign", "--key", "./k", "-"]);
    assert_eq!(ran.code, 64);
    assert!(
        ran.err.contains("standard input cannot be signed"),
        "{}",
        ran.err
    );
    assert!(
        !Path::new(&home.path("vouchd/vouchd.sock")).exists(),
        "nobody was asked"
    );
}
