//! Logins from outside: the built service, Debian's docker-registry, a token server, a proxy
//! between them, and credential helpers.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/faulty.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic)]
mod faulty;
#[path = "support/forge.rs"]
mod forge;
#[path = "sessions/helpers.rs"]
mod helpers;
#[path = "sessions/logins.rs"]
mod logins;
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
    let check = |chunked: bool| {
        let tokens = TokenServer::start();
        tokens.live_for(2);
        let registry = Registry::with_tokens(&tokens.auth());
        let challenge = tokens.challenge();
        // docker-registry itself takes tokens a minute longer.
        let proxy = Proxy::before(&registry.name(), move |head, _| {
            if chunked && head.method == "PUT" && head.length > 1 << 20 {
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
    };
    std::thread::scope(|scope| {
        for chunked in [true, false] {
            scope.spawn(move || check(chunked));
        }
    });
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
fn a_blob_is_mounted_from_where_it_was_seen() {
    let tokens = TokenServer::start();
    let registry = Registry::with_tokens(&tokens.auth());
    let docker = logged_in(&registry.name());
    let (daemon, modules) = (with_docker(docker.path()), Modules::new());
    let mut client = daemon.connect();
    let size = 2 << 20;
    let path = modules.make(size);
    let reference = |name: &str| format!("{}/acme/{name}:1", registry.name());
    push(&mut client, &path, &reference("echo")).unwrap();
    let copied = push(&mut client, &path, &reference("copy")).unwrap();
    assert!(copied["skipped"].as_u64() > Some(size as u64), "{copied}");
    let both = "repository:acme/copy:pull,push repository:acme/echo:pull";
    assert_eq!(tokens.counts()[both], 1);
    let pulled = modules.pulled();
    pull(&mut client, &pulled, &reference("copy")).unwrap();
    assert!(fs::read(pulled).unwrap() == fs::read(path).unwrap());
}

/// A value that the threads of a server share with its test.
fn shared<T>(value: T) -> (Arc<T>, Arc<T>) {
    let value = Arc::new(value);
    (Arc::clone(&value), value)
}
