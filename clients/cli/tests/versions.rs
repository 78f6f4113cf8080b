//! What `vouch` says of a service of another version, and of replacing it: against services that only
//! answer.

use crate::service::{Ran, Service, introduced};
use serde_json::{Value, json};
use std::process::{Command, Stdio};

/// `vouch` on a terminal, and all that it shows there.
fn on_a_terminal(service: &Service, arguments: &str) -> String {
    let mut script = Command::new("script");
    let line = format!(
        "{} --socket {} {arguments}",
        env!("CARGO_BIN_EXE_vouch"),
        service.socket().display()
    );
    script
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::null());
    let ran = Ran::from(script.env_remove("VOUCHD_SOCKET").output().unwrap());
    ran.out
}

#[test]
fn a_service_that_is_older_is_told_of_on_a_terminal() {
    let of = |version: &'static str| {
        Service::introducing(
            1,
            move |_| introduced(version),
            |_| json!({"result": {"sessions": []}}),
        )
    };
    let note = format!(
        "vouchd 0.0.9 is running, this is {}: `vouch restart` upgrades it",
        env!("CARGO_PKG_VERSION")
    );
    let old = of("0.0.9");
    let shown = on_a_terminal(&old, "sessions");
    assert!(shown.contains(&note), "{shown}");
    assert!(!on_a_terminal(&old, "--json sessions").contains("vouchd 0.0.9"));
    let ran = old.vouch(["sessions"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(!on_a_terminal(&of("99.0.0"), "sessions").contains("is running"));
    let same = of(env!("CARGO_PKG_VERSION"));
    assert!(!on_a_terminal(&same, "sessions").contains("is running"));
}

#[test]
fn a_service_of_another_protocol_is_an_error_that_says_what_to_do() {
    let refused = |_: &Value| {
        json!({"error": {
            "code": 1503, "message": "this server speaks protocol 9.0",
            "data": {"kind": "unsupportedProtocol", "help": "Use another."},
        }})
    };
    let stopping = |_: &Value| json!({"result": {"processId": 7}});
    let service = Service::introducing(1, refused, stopping);
    let ran = service.vouch(["verify", "/a.wasm"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("protocol 9.0"), "{}", ran.err);
    assert!(ran.err.contains("`vouch restart`"), "{}", ran.err);
    // It can be stopped all the same.
    service
        .vouch(["stop"])
        .printed(0, "vouchd (process 7) is stopping\n", "");
}

#[test]
fn a_restart_says_what_it_replaced() {
    let replaced =
        json!({"result": {"processId": 7, "version": "0.2.0", "build": "abcdef0 2026-01-02"}});
    let service = Service::introducing(1, |_| introduced("0.0.9"), move |_| replaced.clone());
    let out = "vouchd 0.0.9 was replaced by vouchd 0.2.0 (abcdef0 2026-01-02) (process 7)\n";
    service.vouch(["restart"]).printed(0, out, "");
    assert_eq!(service.asked().0, "server/restart");

    let unknown = json!({"error": {"code": -32601, "message": "no such method"}});
    let service = Service::new(1, move |_| unknown.clone());
    let ran = service.vouch(["restart"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("help: This vouchd is too old"),
        "{}",
        ran.err
    );
}
