//! Logins from outside: the built service, Debian's docker-registry, a token server, a proxy
//! between them, and credential helpers.

mod helpers;
mod logins;
mod proxies;
mod secrets;
mod tokens;

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
use vouch_testing::{
    daemon::{Daemon, kind, pull, push},
    forge::{Signer, custom, module},
    process::{program, until},
    proxy::Proxy,
    registry::{self, Registry},
    token_server::{PASSWORD, TokenServer, USERNAME, has_expired},
};

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

/// A value that the threads of a server share with its test.
fn shared<T>(value: T) -> (Arc<T>, Arc<T>) {
    let value = Arc::new(value);
    (Arc::clone(&value), value)
}
