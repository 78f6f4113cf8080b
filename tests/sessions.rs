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
#[path = "sessions/tokens.rs"]
mod tokens;

use daemon::{Daemon, kind, pull, push};
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

const SMALL: usize = 10_000;

/// Waits for what happens elsewhere.
fn until(happened: impl Fn() -> bool, what: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !happened() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A value that the threads of a server share with its test.
fn shared<T>(value: T) -> (Arc<T>, Arc<T>) {
    let value = Arc::new(value);
    (Arc::clone(&value), value)
}
