//! Logins: checked, used, listed and forgotten; and what becomes of work under way.

use super::*;

#[test]
fn a_login_is_checked_used_listed_and_forgotten() {
    let tokens = TokenServer::start();
    let registry = Registry::with_tls_and_tokens(&tokens.auth());
    let name = registry.name();
    let config = format!("[registry.\"{name}\"]\nca = {:?}\n", registry.ca());
    let (daemon, modules) = (Daemon::logging_all(&config, &[]), Modules::new());
    let mut client = daemon.connect();
    let reference = format!("{name}/acme/echo:1");
    let path = modules.make(SMALL);
    let anonymous = push(&mut client, &path, &reference).unwrap_err();
    assert_eq!(kind(&anonymous), "unauthorized", "{anonymous}");
    let mut login = json!({"registry": name, "username": USERNAME, "password": "wrong"});
    let error = client.call("session/login", &login).unwrap_err();
    assert_eq!(kind(&error), "unauthorized", "{error}");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("UNAUTHORIZED: who?")
    );
    login["password"] = PASSWORD.into();
    let session = client.call("session/login", &login).unwrap();
    assert_eq!(session["state"], "accepted");
    let log = daemon.log();
    for said in ["logged in", "a login was not accepted"] {
        let line = log.lines().find(|line| line.contains(said));
        let line = line.unwrap_or_else(|| panic!("{said}: {log}"));
        assert!(line.contains(&name) && line.contains(USERNAME), "{line}");
    }
    push(&mut client, &path, &reference).unwrap();
    let line = "PUT /v2/acme/echo/manifests/1 HTTP/2.0";
    until("HTTP/2 is used where it is offered", || {
        registry.logged(&[line]) == 1
    });
    let denied = format!("{name}/denied/echo:1");
    let error = push(&mut client, &path, &denied).unwrap_err();
    assert_eq!(kind(&error), "denied", "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.starts_with("cannot push to denied/echo: "),
        "{error}"
    );
    let list = client.call("session/list", &json!({})).unwrap();
    let sessions = list["sessions"].as_array().unwrap();
    let ours = sessions
        .iter()
        .find(|session| session["source"] == "session/login");
    let ours = ours.unwrap();
    assert_eq!(ours["user"], USERNAME);
    let scopes = ours["scopes"].as_array().unwrap();
    assert!(
        scopes.contains(&"repository:acme/echo:pull,push".into()),
        "{ours}"
    );
    let logout = json!({"registry": name});
    let out = client.call("session/logout", &logout).unwrap();
    assert_eq!(out, json!({"registry": name, "loggedOut": true}));
    let out = client.call("session/logout", &logout).unwrap();
    assert_eq!(out["loggedOut"], false);
    let error = push(&mut client, &path, &reference).unwrap_err();
    assert_eq!(kind(&error), "unauthorized", "{error}");
}

#[test]
fn a_logout_ends_what_is_under_way() {
    let tokens = TokenServer::start();
    let registry = Registry::with_tokens(&tokens.auth());
    let proxy = Proxy::before(&registry.name(), |_, _| None);
    let (daemon, modules) = (Daemon::start(), Modules::new());
    let mut client = daemon.connect();
    let name = proxy.name();
    let login = json!({"registry": name, "username": USERNAME, "password": PASSWORD});
    client.call("session/login", &login).unwrap();
    // It would never end by itself.
    proxy.hold_after(1 << 20);
    let reference = format!("{name}/acme/echo:1");
    let params = json!({"path": modules.make(30 << 20), "reference": reference});
    client.request("push", &params);
    until("it sends", || proxy.held() > 0);
    let mut other = daemon.connect();
    other
        .call("session/logout", &json!({"registry": name}))
        .unwrap();
    let answer = client.hear();
    assert_eq!(kind(&answer["error"]), "unauthorized", "{answer}");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("has ended"), "{message}");
    proxy.hold_after(u64::MAX);
    let error = pull(&mut client, &modules.pulled(), &reference).unwrap_err();
    assert_eq!(kind(&error), "unauthorized", "nothing was kept: {error}");
}

#[test]
fn logins_in_files_count_at_once() {
    let tokens = TokenServer::start();
    let registry = Registry::with_tokens(&tokens.auth());
    let (docker, modules) = (docker(&json!({})), Modules::new());
    let auth = docker.path().join("auth.json");
    let environment = [
        ("DOCKER_CONFIG", docker.path()),
        ("REGISTRY_AUTH_FILE", &auth),
    ];
    let daemon = Daemon::configured("", &environment);
    let mut client = daemon.connect();
    let reference = format!("{}/acme/echo:1", registry.name());
    let path = modules.make(SMALL);
    let write = |file: &Path, key: &str, password: &str| {
        let entry = json!({"username": USERNAME, "password": password});
        fs::write(file, json!({"auths": {key: entry}}).to_string()).unwrap();
    };
    let config = docker.path().join("config.json");
    let mut check = |expected: Option<&str>| {
        let outcome = push(&mut client, &path, &reference);
        assert_eq!(outcome.as_ref().err().map(kind), expected, "{outcome:?}");
    };
    check(Some("unauthorized"));
    write(&config, &registry.name(), PASSWORD);
    check(None);
    fs::write(&config, "{}").unwrap();
    check(Some("unauthorized"));
    write(&config, &registry.name(), PASSWORD);
    check(None);
    // podman's file goes first, and in it the longest namespace.
    write(&auth, &format!("{}/acme", registry.name()), "wrong");
    check(Some("unauthorized"));
    write(&auth, &format!("{}/other", registry.name()), "wrong");
    check(None);
    fs::write(&auth, "no JSON").unwrap();
    check(Some("credentialUnusable"));
    let status = daemon.connect().call("server/status", &json!({})).unwrap();
    assert_eq!(status["credentialFiles"][0]["path"], auth.to_str().unwrap());
    assert_eq!(
        status["credentialFiles"][1]["path"],
        config.to_str().unwrap()
    );
    assert_eq!(
        status["environment"]["REGISTRY_AUTH_FILE"],
        auth.to_str().unwrap()
    );
}

/// docker's variable goes before its file; it holds a login, and nobody gets to see that.
#[test]
fn a_login_may_stand_in_the_environment() {
    let registry = Registry::with_login();
    let pair = format!("{}:{}", registry::USERNAME, registry::PASSWORD);
    let auth = data_encoding::BASE64.encode(pair.as_bytes());
    let variable = json!({"auths": {registry.name(): {"auth": auth}}}).to_string();
    let docker = docker(&json!({registry.name(): {"username": "bob", "password": "wrong"}}));
    let environment = [
        ("DOCKER_CONFIG", docker.path()),
        ("DOCKER_AUTH_CONFIG", Path::new(&variable)),
    ];
    let daemon = Daemon::logging_all("", &environment);
    let modules = Modules::new();
    let reference = format!("{}/acme/echo:1", registry.name());
    let mut client = daemon.connect();
    push(&mut client, &modules.make(SMALL), &reference).unwrap();
    let status = client.call("server/status", &json!({})).unwrap();
    assert_eq!(status["credentialFiles"][0]["path"], "$DOCKER_AUTH_CONFIG");
    assert_eq!(status["sessions"][0]["path"], "$DOCKER_AUTH_CONFIG");
    assert_eq!(status["environment"]["DOCKER_AUTH_CONFIG"], "…");
    let shown = format!("{status} {}", daemon.log());
    assert!(!shown.contains(&auth) && !shown.contains(registry::PASSWORD));
}

/// The command line, built beside the service.
#[test]
fn vouch_logs_in_and_out() {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };
    let vouch = program("vouch");
    assert!(vouch.exists(), "run `cargo build --workspace` first");
    let registry = Registry::with_login();
    let name = registry.name();
    let daemon = Daemon::start();
    let check = |arguments: &[&str], input: &str, code: i32, says: &str| {
        let mut child = Command::new(&vouch)
            .args(arguments)
            .env("VOUCHD_SOCKET", daemon.socket())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
        assert!(!said.contains(registry::PASSWORD), "{said}");
    };
    let login = ["login", &name, "-u", registry::USERNAME, "--password-stdin"];
    check(&login, "wrong", 2, "401");
    check(&["sessions"], "", 0, "");
    check(&login, registry::PASSWORD, 0, "logged in ann");
    check(&["sessions"], "", 0, "vouch login");
    check(&["logout", &name], "", 0, "logged out");
    check(&["logout", &name], "", 0, "no login");
}
