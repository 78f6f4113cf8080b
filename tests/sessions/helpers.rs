//! Credential helpers as the service finds them: by name, in its own `PATH`.

use super::*;
use std::os::unix::fs::PermissionsExt;
use vouch_testing::faulty::{Answer, Faulty};

/// A folder with a helper `docker-credential-fake` that runs a shell's lines, and a docker config
/// that names it.
fn with_helper(script: &str) -> (Daemon, tempfile::TempDir) {
    with_environment(script, &[])
}

/// The same, of a service with further variables in its environment.
fn with_environment(script: &str, more: &[(&str, &Path)]) -> (Daemon, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let helper = folder.path().join("docker-credential-fake");
    fs::write(&helper, format!("#!/bin/sh\ncd \"${{0%/*}}\"\n{script}\n")).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o700)).unwrap();
    let config = json!({"credsStore": "fake"});
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let environment = [("DOCKER_CONFIG", folder.path()), ("PATH", Path::new(&path))];
    let environment = [&environment, more].concat();
    (Daemon::configured("", &environment), folder)
}

fn runs(folder: &Path) -> usize {
    fs::read_to_string(folder.join("runs")).map_or(0, |runs| runs.lines().count())
}

#[test]
fn a_helper_is_asked_once_for_all() {
    let tokens = TokenServer::start();
    let registry = Registry::with_tokens(&tokens.auth());
    let (daemon, folder) = with_helper(&format!(
        "echo run >> runs; env > environment; sleep 0.1; echo '{{\"Username\":\"{USERNAME}\",\"Secret\":\"{PASSWORD}\"}}'"
    ));
    let modules = Modules::new();
    std::thread::scope(|scope| {
        for number in 0..6 {
            let path = modules.make(SMALL);
            let reference = format!("{}/acme/echo:{number}", registry.name());
            let mut client = daemon.connect();
            scope.spawn(move || push(&mut client, &path, &reference).unwrap());
        }
    });
    assert_eq!((runs(folder.path()), tokens.count()), (1, 1));
    let list = daemon.connect().call("session/list", &json!({})).unwrap();
    let session = &list["sessions"][0];
    assert_eq!(session["helper"], "docker-credential-fake");
    assert_eq!(session["source"], "docker");
    // What the service tells its own allocator is not the helper's.
    let environment = fs::read_to_string(folder.path().join("environment")).unwrap();
    assert!(environment.contains("DOCKER_CONFIG="), "{environment}");
    assert!(!environment.contains("MALLOC_"), "{environment}");
    assert!(!environment.contains("OWN_VARIABLES"), "{environment}");
}

#[test]
fn a_helper_hears_of_no_key() {
    let server = Faulty::start(|_, _| Answer::new(404));
    let keys = [
        ("VOUCH_KEY_FILE", Path::new("/run/secrets/key")),
        ("SSH_AUTH_SOCK", Path::new("/run/agent")),
        ("DISPLAY", Path::new(":0")),
    ];
    let (daemon, folder) = with_environment(
        "env > environment; echo '{\"Username\":\"ann\",\"Secret\":\"planted\"}'",
        &keys,
    );
    let reference = format!("{}/acme/echo:1", server.name());
    let to = folder.path().join("pulled");
    pull(&mut daemon.connect(), &to, &reference).unwrap_err();
    let environment = fs::read_to_string(folder.path().join("environment")).unwrap();
    let has = |name: &str| environment.lines().any(|line| line.starts_with(name));
    assert!(has("DISPLAY=:0"), "{environment}");
    assert!(
        !has("VOUCH_KEY_FILE") && !has("SSH_AUTH_SOCK"),
        "{environment}"
    );
}

#[test]
fn the_status_waits_for_no_helper() {
    let server = Faulty::start(|_, _| Answer::new(404));
    let (daemon, folder) = with_helper(
        "echo run >> runs; test $(wc -l < runs) -gt 1 && exec sleep 600; \
         echo '{\"Username\":\"ann\",\"Secret\":\"planted\"}'",
    );
    let reference = format!("{}/acme/echo:1", server.name());
    let to = folder.path().join("pulled");
    let error = pull(&mut daemon.connect(), &to, &reference).unwrap_err();
    assert_eq!(kind(&error), "notFound", "{error}");
    // As after a `docker login`: the helper is asked again, and says nothing.
    let config = json!({"credsStore": "fake", "changed": true});
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let mut list = daemon.connect();
    list.request("session/list", &json!({}));
    until("the helper is asked again", || runs(folder.path()) == 2);
    let status = daemon.connect().call("server/status", &json!({})).unwrap();
    let session = &status["sessions"][0];
    assert_eq!(session["user"], "ann", "{status}");
    assert_eq!(session["helper"], "docker-credential-fake");
    let under_way = status["requests"][0]["method"].as_str();
    assert_eq!(under_way, Some("session/list"), "it still waits");
}

#[test]
fn helpers_that_fail_are_errors_and_no_anonymous_requests() {
    let server = Faulty::start(|_, _| Answer::new(200));
    let check = |script: &str, expected: &str| {
        let (daemon, folder) = with_helper(script);
        let reference = format!("{}/acme/echo:1", server.name());
        let to = folder.path().join("pulled");
        let error = pull(&mut daemon.connect(), &to, &reference).unwrap_err();
        assert_eq!(kind(&error), "credentialUnusable", "{error}");
        let message = error["message"].as_str().unwrap();
        for part in ["docker-credential-fake", "config.json", expected] {
            assert!(message.contains(part), "{script}: {message}");
        }
        assert!(!error.to_string().contains("planted"), "{error}");
    };
    check("echo no luck >&2; exit 1", "no luck");
    check("yes planted", "killed");
    check("echo '{\"Secret\":\"planted\"}'", "user name");
    check("echo planted", "not JSON");
    check(
        "rm docker-credential-fake; exec ./no-such-program",
        "failed",
    );
    assert!(server.lines().is_empty());
}

#[test]
fn a_password_that_expired_is_asked_for_again_as_ecr_needs_it() {
    let expired =
        r#"{"errors":[{"code":"DENIED","message":"Your authorization token has expired."}]}"#;
    let (seen, good) = shared(std::sync::Mutex::new("1".to_owned()));
    let server = Faulty::start(move |request, _| {
        let password = |number: &str| {
            let pair = format!("AWS:planted-{number}");
            format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()))
        };
        match request.header("authorization") {
            None => Answer::new(401).header("www-authenticate", "Basic realm=x"),
            Some(known) if known == password(&seen.lock().unwrap()) => Answer::new(404),
            Some(_) => Answer::new(403).body(expired),
        }
    });
    let (daemon, folder) = with_helper(
        "echo run >> runs; echo \"{\\\"Username\\\":\\\"AWS\\\",\\\"Secret\\\":\\\"planted-$(wc -l < runs)\\\"}\"",
    );
    let reference = format!("{}/acme/echo:1", server.name());
    let to = folder.path().join("pulled");
    // Several at once: one of them asks for all.
    let check = |expected: &str, asked: usize| {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let mut client = daemon.connect();
                let (to, reference) = (&to, &reference);
                scope.spawn(move || {
                    let error = pull(&mut client, to, reference).unwrap_err();
                    assert_eq!(kind(&error), expected, "{error}");
                });
            }
        });
        assert_eq!(runs(folder.path()), asked);
    };
    check("notFound", 1);
    check("notFound", 1);
    // Twelve hours later.
    "2".clone_into(&mut good.lock().unwrap());
    check("notFound", 2);
    check("notFound", 2);
    // The helper still has the same login.
    "99".clone_into(&mut good.lock().unwrap());
    let error = pull(&mut daemon.connect(), &to, &reference).unwrap_err();
    assert_eq!(kind(&error), "denied", "{error}");
    assert_eq!(runs(folder.path()), 3);
}
