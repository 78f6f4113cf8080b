//! Logins from outside: the built service, Debian's docker-registry, a token server, a proxy
//! between them, and credential helpers.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/faulty.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic)]
mod faulty;
#[path = "support/forge.rs"]
#[allow(clippy::pedantic)]
mod forge;
#[path = "sessions/helpers.rs"]
mod helpers;
#[path = "support/proxy.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic)]
mod proxy;
#[path = "support/registry.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic)]
mod registry;
#[path = "sessions/secrets.rs"]
mod secrets;
#[path = "support/token_server.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic)]
mod token_server;

use daemon::{Conversation, Daemon};
use forge::{Signer, custom, module};
use proxy::Proxy;
use registry::Registry;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use token_server::{PASSWORD, TokenServer, USERNAME, has_expired};

/// A folder with a docker config that holds these entries.
fn docker(auths: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({ "auths": auths });
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

/// A folder with a docker config that holds the right login.
fn logged_in(registry: &str) -> tempfile::TempDir {
    docker(&json!({registry: {"username": USERNAME, "password": PASSWORD}}))
}

fn with_docker(folder: &Path) -> Daemon {
    Daemon::configured("", &[("DOCKER_CONFIG", folder)])
}

/// Signed modules: each of its own content, and of about that size.
struct Modules {
    folder: tempfile::TempDir,
    made: AtomicUsize,
}

impl Modules {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            made: AtomicUsize::new(0),
        }
    }

    fn make(&self, size: usize) -> PathBuf {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let mut filler = vec![7; size];
        filler[..8].copy_from_slice(&(number as u64).to_le_bytes());
        let bytes = Signer::default().wasm(&[module(), custom("fill", &filler)].concat());
        let path = self.folder.path().join(format!("{number}.wasm"));
        fs::write(&path, bytes).unwrap();
        path
    }

    fn pulled(&self) -> PathBuf {
        self.folder.path().join("pulled.wasm")
    }
}

fn push(client: &mut Conversation, path: &Path, reference: &str) -> Result<Value, Value> {
    client.call("push", &json!({"path": path, "reference": reference}))
}

fn pull(client: &mut Conversation, to: &Path, reference: &str) -> Result<Value, Value> {
    let params = json!({"reference": reference, "destination": to, "overwrite": true});
    client.call("pull", &params)
}

fn kind(error: &Value) -> &str {
    error["data"]["kind"].as_str().unwrap()
}

const SMALL: usize = 10_000;

#[test]
fn a_warm_push_and_pull_ask_for_no_token() {
    let tokens = TokenServer::start();
    let registry = Registry::with_tokens(&tokens.auth());
    let docker = logged_in(&registry.name());
    let (daemon, modules) = (with_docker(docker.path()), Modules::new());
    let mut client = daemon.connect();
    let reference = |tag: &str| format!("{}/acme/echo:{tag}", registry.name());
    push(&mut client, &modules.make(SMALL), &reference("1")).unwrap();
    pull(&mut client, &modules.pulled(), &reference("1")).unwrap();
    let (pull_scope, push_scope) = (
        "repository:acme/echo:pull",
        "repository:acme/echo:pull,push",
    );
    let counts = [(pull_scope.to_owned(), 1), (push_scope.to_owned(), 1)].into();
    assert_eq!(tokens.counts(), counts);
    let completed = |method: &str| {
        let method = format!("http.request.method={method}");
        registry.logged(&["response completed", &method])
    };
    let (puts, refused) = (completed("PUT"), registry.logged(&["error authorizing"]));
    assert_eq!(refused, 1, "the challenge is found once");
    push(&mut client, &modules.make(SMALL), &reference("2")).unwrap();
    pull(&mut client, &modules.pulled(), &reference("2")).unwrap();
    assert_eq!(tokens.count(), 2, "{:?}", tokens.counts());
    // Another connection is the same session.
    push(&mut daemon.connect(), &modules.make(SMALL), &reference("3")).unwrap();
    assert_eq!(tokens.count(), 2);
    assert!(completed("PUT") > puts);
    assert_eq!(registry.logged(&["error authorizing"]), refused);
}

#[test]
fn ten_cold_pushes_ask_once_for_each_scope() {
    let tokens = TokenServer::start();
    let registry = Registry::with_tokens(&tokens.auth());
    let docker = logged_in(&registry.name());
    let (daemon, modules) = (with_docker(docker.path()), Modules::new());
    std::thread::scope(|scope| {
        for number in 0..10 {
            let path = modules.make(SMALL);
            let reference = format!("{}/acme/r{}:{number}", registry.name(), number % 2);
            let mut client = daemon.connect();
            scope.spawn(move || push(&mut client, &path, &reference).unwrap());
        }
    });
    let expected = ["r0", "r1"].map(|name| (format!("repository:acme/{name}:pull,push"), 1));
    assert_eq!(tokens.counts(), expected.into());
}

#[test]
fn a_token_that_dies_in_the_middle_is_replaced_once() {
    let check = |chunked: bool, refused: usize, size: usize| {
        let tokens = TokenServer::start();
        let registry = Registry::with_tokens(&tokens.auth());
        let challenge = tokens.challenge();
        let method = if chunked { "PATCH" } else { "PUT" };
        let once = AtomicBool::new(true);
        let proxy = Proxy::before(&registry.name(), move |head, before| {
            let streamed = head.length > 1 << 20;
            if chunked && head.method == "PUT" && streamed {
                return Some((413, "Basic realm=x".into()));
            }
            let hit = head.method == method && before == refused && streamed;
            (hit && once.swap(false, Ordering::Relaxed)).then(|| (401, challenge.clone()))
        });
        let docker = logged_in(&proxy.name());
        let (daemon, modules) = (with_docker(docker.path()), Modules::new());
        let (path, reference) = (modules.make(size), format!("{}/acme/echo:1", proxy.name()));
        push(&mut daemon.connect(), &path, &reference).unwrap();
        let scope = "repository:acme/echo:pull,push".to_owned();
        assert_eq!(tokens.counts(), [(scope, 2)].into(), "{method}");
        let answered = proxy
            .seen()
            .iter()
            .filter(|(_, status)| *status == 401)
            .count();
        assert_eq!(answered, 1);
        let there = modules.pulled();
        pull(&mut daemon.connect(), &there, &reference).unwrap();
        assert!(fs::read(there).unwrap() == fs::read(path).unwrap());
    };
    check(true, 2, 20 << 20);
    check(false, 0, 20 << 20);
}

#[test]
fn an_upload_outlives_its_token() {
    let tokens = TokenServer::start();
    tokens.live_for(2);
    let registry = Registry::with_tokens(&tokens.auth());
    let challenge = tokens.challenge();
    // docker-registry itself takes tokens a minute longer.
    let proxy = Proxy::before(&registry.name(), move |head, _| {
        if head.method == "PUT" && head.length > 1 << 20 {
            return Some((413, "Basic realm=x".into()));
        }
        let expired = head.authorization.as_deref().is_some_and(has_expired);
        expired.then(|| (401, challenge.clone()))
    });
    proxy.throttle(6 << 20);
    let docker = logged_in(&proxy.name());
    let (daemon, modules) = (with_docker(docker.path()), Modules::new());
    let reference = format!("{}/acme/echo:1", proxy.name());
    let begun = Instant::now();
    push(&mut daemon.connect(), &modules.make(20 << 20), &reference).unwrap();
    assert!(begun.elapsed() > Duration::from_secs(3));
    assert!(tokens.count() >= 2, "{:?}", tokens.counts());
}

#[test]
fn a_token_in_use_is_renewed_in_the_background() {
    let tokens = TokenServer::start();
    tokens.live_for(2);
    let registry = Registry::with_tokens(&tokens.auth());
    let docker = logged_in(&registry.name());
    let (daemon, modules) = (with_docker(docker.path()), Modules::new());
    let reference = format!("{}/acme/echo:1", registry.name());
    push(&mut daemon.connect(), &modules.make(SMALL), &reference).unwrap();
    assert_eq!(tokens.count(), 1);
    let deadline = Instant::now() + Duration::from_secs(20);
    while tokens.count() < 3 {
        assert!(Instant::now() < deadline, "nobody renews it");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn refresh_tokens_are_replaced_and_never_used_twice() {
    let tokens = TokenServer::start();
    let registry = Registry::with_tokens(&tokens.auth());
    let token = tokens.refresh_token();
    let docker = docker(&json!({registry.name(): {"auth": "YW5uOg==", "identitytoken": token}}));
    let (daemon, modules) = (with_docker(docker.path()), Modules::new());
    std::thread::scope(|scope| {
        for number in 0..6 {
            let path = modules.make(SMALL);
            let reference = format!("{}/acme/r{}:{number}", registry.name(), number % 3);
            let mut client = daemon.connect();
            scope.spawn(move || push(&mut client, &path, &reference).unwrap());
        }
    });
    assert_eq!((tokens.count(), tokens.reused()), (3, 0));
    tokens.revoke_refresh_tokens();
    let reference = format!("{}/acme/other:1", registry.name());
    let error = push(&mut daemon.connect(), &modules.make(SMALL), &reference).unwrap_err();
    assert_eq!(kind(&error), "unauthorized", "{error}");
    let help = error["data"]["help"].as_str().unwrap();
    assert!(help.contains("config.json"), "{help}");
    assert_eq!(tokens.reused(), 0);
}

#[test]
fn a_login_is_checked_used_listed_and_forgotten() {
    let tokens = TokenServer::start();
    let registry = Registry::with_tls_and_tokens(&tokens.auth());
    let name = registry.name();
    let config = format!("[registry.\"{name}\"]\nca = {:?}\n", registry.ca());
    let (daemon, modules) = (Daemon::configured(&config, &[]), Modules::new());
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
    push(&mut client, &path, &reference).unwrap();
    let denied = format!("{name}/denied/echo:1");
    let error = push(&mut client, &path, &denied).unwrap_err();
    assert_eq!(kind(&error), "denied", "{error}");
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
    proxy.throttle(1 << 20);
    let reference = format!("{name}/acme/echo:1");
    let params = json!({"path": modules.make(30 << 20), "reference": reference});
    client.send("push", &params);
    let sending = |(head, _): &(proxy::Head, u16)| head.length > 1 << 20;
    while !proxy.seen().iter().any(sending) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let begun = Instant::now();
    let mut other = daemon.connect();
    other
        .call("session/logout", &json!({"registry": name}))
        .unwrap();
    let answer = client.answer();
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "it was not waited for"
    );
    assert_eq!(kind(&answer["error"]), "unauthorized", "{answer}");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("has ended"), "{message}");
    proxy.throttle(0);
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

/// The command line, built beside the service.
#[test]
fn vouch_logs_in_and_out() {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };
    let vouch = Path::new(env!("CARGO_BIN_EXE_vouchd")).with_file_name("vouch");
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

/// A value that the threads of a server share with its test.
fn shared<T>(value: T) -> (Arc<T>, Arc<T>) {
    let value = Arc::new(value);
    (Arc::clone(&value), value)
}
