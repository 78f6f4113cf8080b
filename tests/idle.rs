//! A service that nobody uses ends by itself; one that somebody uses does not.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/faulty.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic)]
mod faulty;
#[path = "support/service.rs"]
#[allow(dead_code)]
mod service;

use faulty::{Answer, Faulty};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use service::{Detached, binary, ended, until};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// So long services wait in these tests, and so long they are looked at to see that they wait.
const SPAN: &str = "100ms";
const LONGER: Duration = Duration::from_millis(700);

struct Daemon {
    process: Child,
    folder: tempfile::TempDir,
}

impl Daemon {
    fn start(config: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(folder.path(), config);
        let process = command.args(arguments).stderr(Stdio::piped());
        let process = process.spawn().unwrap();
        Self { process, folder }
    }

    /// One that somebody is connected to. On a slow machine it may have ended before: then another.
    fn met(config: &str, arguments: &[&str]) -> (Self, Talk) {
        loop {
            let mut daemon = Self::start(config, arguments);
            let mut stream = None;
            until(|| {
                stream = UnixStream::connect(daemon.socket()).ok();
                stream.is_some() || daemon.process.try_wait().unwrap().is_some()
            });
            if let Some(stream) = stream {
                return (daemon, Talk::with(stream));
            }
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Connects as soon as it listens, where nothing ends it.
    fn connect(&self) -> Talk {
        let mut stream = None;
        until(|| {
            stream = UnixStream::connect(self.socket()).ok();
            stream.is_some()
        });
        Talk::with(stream.unwrap())
    }

    fn is_there(&mut self) -> bool {
        std::thread::sleep(LONGER);
        self.process.try_wait().unwrap().is_none()
    }

    /// Waits for its end, and answers what it has logged.
    fn log(mut self) -> String {
        assert_eq!(ended(&mut self.process).code(), Some(0));
        assert!(!self.socket().exists());
        let mut log = String::new();
        let mut stderr = self.process.stderr.take().unwrap();
        stderr.read_to_string(&mut log).unwrap();
        log
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `vouchd serve` in a folder of its own.
fn command(folder: &Path, config: &str) -> Command {
    fs::write(folder.join("config.toml"), config).unwrap();
    let mut command = binary();
    command
        .args(["serve", "--socket"])
        .arg(folder.join("socket"))
        .env("VOUCHD_CONFIG", folder.join("config.toml"))
        .env("HOME", folder)
        .env("XDG_STATE_HOME", folder)
        .env("DOCKER_CONFIG", folder)
        .env("XDG_RUNTIME_DIR", folder)
        .stdin(Stdio::null());
    command
}

struct Talk(BufReader<UnixStream>);

impl Talk {
    fn with(stream: UnixStream) -> Self {
        let limit = Some(Duration::from_secs(60));
        stream.set_read_timeout(limit).unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, method: &str, params: &Value) {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let line = format!("{request}\n");
        self.0.get_mut().write_all(line.as_bytes()).unwrap();
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.send(method, params);
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let mut answer: Value = serde_json::from_str(&line).unwrap();
        assert!(answer.get("result").is_some(), "{answer}");
        answer["result"].take()
    }

    fn idle(&mut self) -> Value {
        self.call("server/status", &json!({}))["idle"].take()
    }
}

#[test]
fn nobody_came() {
    let log = Daemon::start("", &["--idle-timeout", SPAN]).log();
    assert!(log.contains("ends by itself"), "{log}");
    let config = format!("[idle]\ntimeout = '{SPAN}'\n");
    Daemon::start(&config, &[]).log();
}

#[test]
fn a_connection_keeps_it() {
    let (mut daemon, client) = Daemon::met("", &["--idle-timeout", SPAN]);
    assert!(daemon.is_there());
    drop(client);
    daemon.log();
}

#[test]
fn one_that_need_not_end_stays() {
    let short = format!("[idle]\ntimeout = '{SPAN}'\n");
    let mut never = Daemon::start(&short, &["--idle-timeout", "never"]);
    let mut usual = Daemon::start("", &[]);
    assert!(never.is_there() && usual.is_there());
    assert_eq!(usual.connect().idle(), Value::Null);
    assert_eq!(never.connect().idle(), Value::Null);
}

#[test]
fn a_request_keeps_it_when_its_client_has_closed_its_side() {
    // The registry never answers.
    let registry = Faulty::start(|_, _| Answer::silence());
    let (mut daemon, mut client) = Daemon::met("", &["--idle-timeout", SPAN]);
    let reference = format!("{}/acme/echo:1", registry.name());
    client.send("verify", &json!({"reference": reference}));
    client
        .0
        .get_mut()
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    assert!(daemon.is_there());
    drop(client);
    daemon.log();
}

/// A registry that wants a login, whatever it is.
fn registry() -> Faulty {
    Faulty::start(|seen, _| match seen.header("authorization") {
        Some(_) => Answer::new(200),
        None => Answer::new(401).header("WWW-Authenticate", "Basic realm=\"here\""),
    })
}

#[test]
fn a_login_keeps_it_for_a_while() {
    let registry = registry();
    let name = registry.name();
    let login = json!({"registry": name, "username": "ann", "password": "planted-password"});
    let (mut daemon, mut client) = Daemon::met("", &["--idle-timeout", SPAN]);
    let idle = client.idle();
    assert_eq!(
        idle,
        json!({"timeoutSeconds": 0, "loginsSeconds": 43200, "endsInSeconds": 0})
    );
    client.call("session/login", &login);
    let idle = client.idle();
    assert_eq!(idle["keptBy"], "logins");
    let ends = idle["endsInSeconds"].as_u64().unwrap();
    assert!((43_000..=43_200).contains(&ends), "{idle}");
    drop(client);
    assert!(daemon.is_there());
    let mut client = daemon.connect();
    let other = daemon.connect();
    until(|| client.idle()["keptBy"] == "connections");
    client.call("session/logout", &json!({"registry": name}));
    drop((client, other));
    daemon.log();

    let config = format!("[idle]\ntimeout = '{SPAN}'\nlogins = '2s'\n");
    let (daemon, mut client) = Daemon::met(&config, &[]);
    client.call("session/login", &login);
    drop(client);
    let log = daemon.log();
    assert!(log.contains("WARN"), "{log}");
    assert!(log.contains(&name), "{log}");
    assert!(!log.contains("planted"), "{log}");
}

#[test]
fn spans_that_are_none() {
    let check = |arguments: &[&str], config: &str, expected: &str| {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(folder.path(), config);
        let output = command
            .args(arguments)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(expected), "{said}");
    };
    check(&["--idle-timeout", "0s"], "", "say `never`");
    check(&["--idle-timeout", "soon"], "", "say `never`");
    check(&[], "[idle]\ntimeout = '0s'\n", "say `never`");
}

#[test]
fn one_in_the_background_is_on_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut launch = command(folder.path(), "");
    let output = launch
        .arg("--detach")
        // Relative paths mean what they mean here.
        .env("VOUCHD_CONFIG", "config.toml")
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    // It ended, and let go of both pipes.
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let number: i32 = said.trim().parse().unwrap();
    let process = Pid::from_raw(number).unwrap();
    let _guard = Detached(process);
    let connect = || Talk::with(UnixStream::connect(folder.path().join("socket")).unwrap());
    let status = connect().call("server/status", &json!({}));
    assert_eq!(status["processId"], number);
    assert_eq!(status["idle"]["timeoutSeconds"], 1800);
    let config = folder.path().join("config.toml").display().to_string();
    assert_eq!(status["config"], config);
    assert_eq!(rustix::process::getsid(Some(process)).unwrap(), process);
    let place = |name: &str| fs::read_link(format!("/proc/{number}/{name}")).unwrap();
    assert_eq!(place("cwd"), Path::new("/"));
    for stream in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(place(stream), Path::new("/dev/null"));
    }
    kill_process(process, Signal::HUP).unwrap();
    // What takes its place is as much on its own, and finds the same config.
    let new = connect().call("server/restart", &json!({}));
    let new = Pid::from_raw(new["processId"].as_i64().unwrap().try_into().unwrap()).unwrap();
    let _guard = Detached(new);
    until(|| test_kill_process(process).is_err());
    let status = connect().call("server/status", &json!({}));
    assert_eq!(status["processId"], new.as_raw_nonzero().get());
    assert_eq!(
        (&status["config"], &status["idle"]["timeoutSeconds"]),
        (&config.into(), &1800.into())
    );
    assert_eq!(rustix::process::getsid(Some(new)).unwrap(), process);
    let link = format!("/proc/{}/cwd", new.as_raw_nonzero());
    assert_eq!(fs::read_link(link).unwrap(), Path::new("/"));
    connect().call("server/stop", &json!({}));
    until(|| test_kill_process(new).is_err());
}

#[test]
fn one_that_cannot_begin_says_so_where_it_was_started() {
    let folder = tempfile::tempdir().unwrap();
    let check = |config: &str, expected: &str| {
        let mut launch = command(folder.path(), config);
        let output = launch
            .arg("--detach")
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(expected), "{said}");
        assert!(output.stdout.is_empty());
    };
    check("bogus = 1\n", "bogus");
    fs::write(folder.path().join("socket"), "").unwrap();
    check("", "no socket");
}

#[test]
fn clients_that_come_in_the_moment_of_the_end_are_answered_or_refused() {
    for round in 0..60_u64 {
        let (daemon, mut talk) = Daemon::met("", &["--idle-timeout", "15ms"]);
        talk.call("server/status", &json!({}));
        drop(talk);
        // Around the moment in which it ends.
        std::thread::sleep(Duration::from_micros(14_000 + round * 100));
        if let Ok(stream) = UnixStream::connect(daemon.socket()) {
            // Whoever was let in is answered.
            Talk::with(stream).call("server/status", &json!({}));
        }
        daemon.log();
    }
}
