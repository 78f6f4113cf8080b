//! A service that is replaced by a new process: what its clients notice of it, which is next to
//! nothing.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "restart/clients.rs"]
mod clients;
#[path = "support/faulty.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic)]
mod faulty;
#[path = "support/forge.rs"]
mod forge;
#[path = "restart/logins.rs"]
mod logins;
#[path = "restart/manager.rs"]
mod manager;
#[path = "restart/programs.rs"]
mod programs;
#[path = "support/proxy.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic)]
mod proxy;
#[path = "support/registry.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic)]
mod registry;
#[path = "support/service.rs"]
#[allow(dead_code)]
mod service;
#[path = "support/token_server.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic)]
mod token_server;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use service::{binary, ended, until};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A service at a socket, whichever process it is by now.
struct Running {
    folder: tempfile::TempDir,
    /// The process that began it.
    first: Child,
}

impl Running {
    fn start() -> Self {
        Self::with(|_, _| {})
    }

    /// With further arguments and variables.
    fn with(prepare: impl FnOnce(&Path, &mut Command)) -> Self {
        Self::of(binary(), prepare)
    }

    fn of(mut command: Command, prepare: impl FnOnce(&Path, &mut Command)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.toml"), "").unwrap();
        command
            .args(["--log", "warn", "serve", "--socket"])
            .arg(folder.path().join("socket"))
            .env("VOUCHD_CONFIG", folder.path().join("config.toml"))
            .env("HOME", folder.path())
            .env("DOCKER_CONFIG", folder.path())
            .env("XDG_RUNTIME_DIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        prepare(folder.path(), &mut command);
        let first = command.spawn().unwrap();
        let running = Self { folder, first };
        until(|| UnixStream::connect(running.socket()).is_ok());
        running
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    fn connect(&self) -> Talk {
        Talk::with(UnixStream::connect(self.socket()).expect("it is refused"))
    }

    /// The process that answers now.
    fn process(&self) -> i32 {
        let status = self.connect().call("server/status", &json!({})).unwrap();
        status["processId"].as_i64().unwrap().try_into().unwrap()
    }

    /// Replaces it, and answers the new process.
    fn restart(&self) -> i32 {
        let new = self.connect().call("server/restart", &json!({})).unwrap();
        assert_eq!(new["version"], env!("CARGO_PKG_VERSION"));
        new["processId"].as_i64().unwrap().try_into().unwrap()
    }

    /// Why it cannot be replaced.
    fn cannot_restart(&self) -> String {
        let error = self.connect().call("server/restart", &json!({}));
        let error = error.unwrap_err();
        assert_eq!(error["data"]["kind"], "restartFailed", "{error}");
        assert_ne!(error["data"]["help"], Value::Null, "{error}");
        error["message"].as_str().unwrap().to_owned()
    }

    /// Whether some process has the lock.
    fn is_locked(&self) -> bool {
        use rustix::fs::{FlockOperation, flock};
        let lock = File::open(self.path("socket.lock")).unwrap();
        flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err()
    }

    fn lock_names(&self) -> String {
        fs::read_to_string(self.path("socket.lock")).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.first.kill();
        let _ = self.first.wait();
        // The one that has the lock writes its number there, a moment after it has taken over.
        for _ in 0..2000 {
            if !self.is_locked() {
                break;
            }
            if let Some(process) = self.lock_names().parse().ok().and_then(Pid::from_raw) {
                let _ = kill_process(process, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A connection that does not wait for ever.
struct Talk {
    stream: BufReader<UnixStream>,
    last: u64,
}

impl Talk {
    fn with(stream: UnixStream) -> Self {
        let limit = Some(Duration::from_secs(60));
        stream.set_read_timeout(limit).unwrap();
        let stream = BufReader::new(stream);
        Self { stream, last: 0 }
    }

    fn send(&mut self, method: &str, params: &Value) -> u64 {
        self.last += 1;
        let id = self.last;
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        id
    }

    fn say(&mut self, message: &Value) {
        let line = format!("{message}\n");
        self.stream.get_mut().write_all(line.as_bytes()).unwrap();
    }

    fn cancel(&mut self, id: u64) {
        self.say(&json!({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": id}}));
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// `ok` or the kind of the next answer's error, which is to this request.
    fn outcome(&mut self, id: u64) -> String {
        let answer = self.answer();
        assert_eq!(answer["id"], id, "{answer}");
        let kind = answer["error"]["data"]["kind"].as_str();
        kind.unwrap_or("ok").to_owned()
    }

    fn call(&mut self, method: &str, params: &Value) -> Result<Value, Value> {
        self.send(method, params);
        let mut answer = self.answer();
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(answer["error"].take()),
        }
    }

    /// Whether the other side has closed it, and said nothing before.
    fn is_over(&mut self) -> bool {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
        rest.is_empty()
    }
}

/// Whether a process is there; one that has ended and waits for its parent is not.
fn lives(process: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat"));
    status.is_ok_and(|status| !status.contains(") Z "))
}

fn signed(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    let content = [forge::module(), forge::custom("name", name.as_bytes())].concat();
    fs::write(&path, forge::Signer::default().wasm(&content)).unwrap();
    path
}

/// A registry behind a proxy that answers nothing about manifests before it may.
fn slow_registry() -> (
    registry::Registry,
    proxy::Proxy,
    Arc<AtomicBool>,
    Arc<AtomicUsize>,
) {
    let registry = registry::Registry::open();
    let (open, waiting) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (door, waits) = (Arc::clone(&open), Arc::clone(&waiting));
    let proxy = proxy::Proxy::before(&registry.name(), move |head, _| {
        if head.method == "POST" {
            waits.fetch_add(1, Ordering::Relaxed);
            while !door.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        None
    });
    (registry, proxy, open, waiting)
}

#[test]
fn what_is_under_way_is_finished_by_the_old_process() {
    let (_registry, proxy, open, waiting) = slow_registry();
    let mut running = Running::start();
    let path = signed(running.folder.path(), "a.wasm");
    let push = |talk: &mut Talk, name: &str| {
        let reference = format!("{}/acme/{name}:1", proxy.name());
        talk.send("push", &json!({"path": path, "reference": reference}))
    };
    let old = running.process();
    let mut working = running.connect();
    let pushed = push(&mut working, "echo");
    until(|| waiting.load(Ordering::Relaxed) == 1);
    let mut regretting = running.connect();
    let regretted = push(&mut regretting, "other");
    let mut silent = running.connect();
    let mut half = running.connect();
    half.stream.get_mut().write_all(b"{\"jsonrpc\"").unwrap();
    // All of them are known to the old process.
    until(|| running.connect().call("server/status", &json!({})).unwrap()["connections"] == 5);

    let new = running.restart();
    assert_ne!(new, old);
    assert_eq!(running.process(), new);
    let verify = json!({"path": path});
    running.connect().call("verify", &verify).unwrap();
    assert!(silent.is_over());
    assert!(
        half.answer()["error"].is_object(),
        "what was said is answered"
    );
    assert!(half.is_over());
    // The old one takes no more requests, but still what ends one.
    let refused = working.call("verify", &verify).unwrap_err();
    assert_eq!(refused["data"]["kind"], "shuttingDown");
    assert!(
        refused["data"]["help"]
            .as_str()
            .unwrap()
            .contains("Connect again"),
        "{refused}"
    );
    regretting.cancel(regretted);
    assert_eq!(regretting.outcome(regretted), "cancelled");
    assert!(regretting.is_over());
    assert!(lives(old));
    open.store(true, Ordering::Relaxed);
    assert_eq!(working.outcome(pushed), "ok");
    assert!(working.is_over());
    assert_eq!(ended(&mut running.first).code(), Some(0));
    assert!(running.socket().exists() && running.is_locked());
    assert_eq!(running.lock_names(), new.to_string());
    let reference = format!("{}/acme/echo:1", proxy.name());
    let published = json!({"reference": reference});
    running.connect().call("verify", &published).unwrap();
}

#[test]
fn the_new_process_outlives_the_old_one() {
    let (_registry, proxy, _open, waiting) = slow_registry();
    let mut running = Running::start();
    let path = signed(running.folder.path(), "a.wasm");
    let reference = format!("{}/acme/echo:1", proxy.name());
    let mut working = running.connect();
    working.send("push", &json!({"path": path, "reference": reference}));
    until(|| waiting.load(Ordering::Relaxed) == 1);
    let new = running.restart();
    running.first.kill().unwrap();
    running.first.wait().unwrap();
    assert_eq!(running.process(), new);
    assert!(running.is_locked());
    // It can be replaced in its turn.
    assert_ne!(running.restart(), new);
}

#[test]
fn an_old_process_that_is_asked_to_stop_does() {
    let (_registry, proxy, _open, waiting) = slow_registry();
    let mut running = Running::start();
    let path = signed(running.folder.path(), "a.wasm");
    let reference = format!("{}/acme/echo:1", proxy.name());
    let mut working = running.connect();
    let pushed = working.send("push", &json!({"path": path, "reference": reference}));
    until(|| waiting.load(Ordering::Relaxed) == 1);
    let new = running.restart();
    let old = Pid::from_child(&running.first);
    kill_process(old, Signal::TERM).unwrap();
    assert_eq!(working.outcome(pushed), "cancelled");
    assert_eq!(ended(&mut running.first).code(), Some(0));
    assert_eq!(running.process(), new);
}

#[test]
fn a_service_on_stdio_is_not_replaced() {
    let request = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/restart\"}\n";
    let answer = service::Over::Stdio.exchange(request);
    assert_eq!(service::summary(&answer), "1 restartFailed");
}
