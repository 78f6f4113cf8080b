//! `vouch login`, `vouch logout` and `vouch sessions` against a service that answers what each test
//! says.

use crate::service::{Ran, Service, vouch};
use serde_json::{Value, json};
use std::{io::Write, process::Stdio};

fn session() -> Value {
    json!({
        "registry": "ghcr.io", "user": "ann", "source": "docker", "state": "accepted",
        "path": "/home/ann/.docker/config.json", "helper": "docker-credential-desktop",
        "scopes": ["repository:acme/echo:pull,push"],
        "expiresInSeconds": 240, "lastUsedSeconds": 3600,
    })
}

/// A run with something on standard input.
fn with_input(service: &Service, arguments: &[&str], input: &str) -> Ran {
    let mut child = vouch()
        .arg("--socket")
        .arg(service.socket())
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    // One that refuses its arguments may not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Ran::from(child.wait_with_output().unwrap())
}

#[test]
fn a_login_goes_from_standard_input_to_the_service_and_nowhere_else() {
    let service = Service::result(session());
    let arguments = ["login", "ghcr.io", "-u", "ann", "--password-stdin"];
    let ran = with_input(&service, &arguments, "hunter2\n");
    ran.printed(0, "logged in ann to ghcr.io\n", "");
    let params = json!({"registry": "ghcr.io", "username": "ann", "password": "hunter2"});
    assert_eq!(service.asked(), ("session/login".to_owned(), params));

    let service = Service::result(session());
    let arguments = ["login", "ghcr.io", "--identity-token", "--password-stdin"];
    assert_eq!(with_input(&service, &arguments, "token").code, 0);
    let params = json!({"registry": "ghcr.io", "identityToken": "token"});
    assert_eq!(service.asked().1, params);
}

#[test]
fn a_password_is_no_argument_and_is_not_taken_from_anywhere_else() {
    let service = Service::result(session());
    for arguments in [
        &["login", "ghcr.io", "-u", "ann", "--password", "hunter2"][..],
        &["login", "ghcr.io", "ann", "hunter2"],
        &["login", "ghcr.io", "--password-stdin"],
        &["login"],
    ] {
        let ran = with_input(&service, arguments, "hunter2");
        assert_eq!((ran.code, ran.out.as_str()), (64, ""), "{arguments:?}");
    }
    let ran = with_input(&service, &["login", "ghcr.io", "-u", "ann"], "hunter2\n");
    assert_eq!(ran.code, 64);
    assert!(ran.err.contains("--password-stdin"), "{}", ran.err);
    assert!(!ran.err.contains("hunter2"), "{}", ran.err);
    let ran = with_input(
        &service,
        &["login", "ghcr.io", "-u", "ann", "--password-stdin"],
        "",
    );
    assert_eq!(ran.code, 2, "{}", ran.err);
}

#[test]
fn sessions_and_logouts_are_shown() {
    let service = Service::result(json!({ "sessions": [session()] }));
    let shown = "accepted  ann to ghcr.io
  source        docker, /home/ann/.docker/config.json, docker-credential-desktop
  scope         repository:acme/echo:pull,push
  expires in    4 min 0 s
  last used     1 h 0 min ago
";
    service.vouch(["sessions"]).printed(0, shown, "");
    let nobody = Service::result(json!({ "sessions": [] }));
    let ran = nobody.vouch(["sessions"]);
    assert!(
        ran.code == 0 && ran.out.starts_with("no logins yet"),
        "{}",
        ran.out
    );
    let nobody = Service::result(json!({ "sessions": [] }));
    nobody
        .vouch(["sessions", "--json"])
        .printed(0, "{\"sessions\":[]}\n", "");
    for (logged_out, expected) in [
        (true, "logged out ghcr.io"),
        (false, "no login for ghcr.io"),
    ] {
        let result = json!({"registry": "ghcr.io", "loggedOut": logged_out});
        let ran = Service::result(result).vouch(["logout", "ghcr.io"]);
        assert!(
            ran.code == 0 && ran.out.starts_with(expected),
            "{}",
            ran.out
        );
    }
}
