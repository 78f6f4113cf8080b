//! The log file from outside: the built service, several of them, hostile clients and registries.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/faulty.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic)]
mod faulty;
#[path = "log/lines.rs"]
mod lines;
#[path = "log/place.rs"]
mod place;
#[path = "log/room.rs"]
mod room;
#[path = "support/service.rs"]
#[allow(dead_code)]
mod service;
#[path = "log/status.rs"]
mod status;

use faulty::{Answer, Faulty};
use serde_json::{Value, json};
use service::{Detached, binary, ended, until};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// A service with a folder of its own.
struct Daemon {
    process: Child,
    folder: TempDir,
}

impl Daemon {
    /// Logs as the arguments say; more can be said to the command.
    fn start(arguments: &[&str], more: impl FnOnce(&mut Command, &Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = binary();
        command
            .args(["serve", "--socket"])
            .arg(folder.path().join("socket"))
            .args(arguments)
            .env("HOME", folder.path())
            .env("XDG_RUNTIME_DIR", folder.path())
            .env("DOCKER_CONFIG", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.path().join("stderr")).unwrap());
        more(&mut command, folder.path());
        let process = command.spawn().unwrap();
        let daemon = Self { process, folder };
        until(|| UnixStream::connect(daemon.path("socket")).is_ok());
        // Only when it answers, signals find it prepared.
        daemon.talk().status();
        daemon
    }

    /// The same with a config.
    fn configured(config: &str, arguments: &[&str]) -> Self {
        Self::start(arguments, |command, folder| {
            let path = folder.join("config.toml");
            fs::write(&path, config).unwrap();
            command.env("VOUCHD_CONFIG", path);
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn talk(&self) -> Talk {
        let stream = UnixStream::connect(self.path("socket")).unwrap();
        let limit = Some(Duration::from_secs(60));
        stream.set_read_timeout(limit).unwrap();
        Talk(BufReader::new(stream))
    }

    fn stop(&mut self) {
        let process = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        ended(&mut self.process);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Talk(BufReader<UnixStream>);

impl Talk {
    fn call(&mut self, method: &str, params: &Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        writeln!(self.0.get_mut(), "{request}").unwrap();
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn status(&mut self) -> Value {
        self.call("server/status", &json!({}))["result"].take()
    }
}
