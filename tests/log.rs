//! The log file from outside: the built service, several of them, hostile clients and registries.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/faulty.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic)]
mod faulty;
#[path = "support/service.rs"]
#[allow(dead_code)]
mod service;

use faulty::{Answer, Faulty};
use serde_json::{Value, json};
use service::{binary, ended, until};
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

const HOSTILE: &str = "x\n2026-01-01T00:00:00Z  INFO forged\r\u{1b}[2J\u{9b}\u{202e}y";

/// Asks for what is logged with a stranger's words in it.
fn provoke(daemon: &Daemon) {
    let registry = Faulty::start(|_, _| {
        let error = json!({"errors": [{"code": "DENIED\n", "message": HOSTILE}]});
        Answer::new(403).body(error.to_string())
    });
    let mut talk = daemon.talk();
    let info = json!({"clientInfo": {"name": HOSTILE}});
    talk.call("initialize", &info);
    let reference = format!("{}/acme/echo:1", registry.name());
    for (path, reference) in [
        (format!("/{HOSTILE}"), reference.as_str()),
        ("/a".to_owned(), HOSTILE),
    ] {
        talk.call("verify", &json!({ "path": path }));
        talk.call("push", &json!({"path": path, "reference": reference}));
        let pull = json!({"reference": reference, "destination": daemon.path("pulled")});
        talk.call("pull", &pull);
    }
    talk.call(HOSTILE, &json!({}));
}

#[test]
fn no_stranger_s_words_forge_a_line() {
    let check = |format: &str| {
        let arguments = [
            "--log-file",
            "log",
            "--log",
            "trace",
            "--log-format",
            format,
        ];
        let mut daemon = Daemon::start(&arguments, |_, _| {});
        provoke(&daemon);
        let mut talk = daemon.talk();
        let status = talk.status();
        assert_eq!(
            status["log"].as_str().map(Path::new),
            Some(&*daemon.path("log"))
        );
        for error in status["lastErrors"].as_array().unwrap() {
            let message = error["message"].as_str().unwrap();
            assert!(!message.contains(char::is_control), "{error}");
        }
        daemon.stop();
        let log = daemon.read("log");
        assert!(
            log.contains("acme/echo:1") && log.contains("denied"),
            "{log}"
        );
        assert!(
            !log.contains(|c: char| c != '\n' && c.is_control()),
            "{log:?}"
        );
        assert!(!log.contains('\u{202e}'), "{log:?}");
        for line in log.lines() {
            if format == "json" {
                let event: Value = serde_json::from_str(line).unwrap();
                assert!(event["level"].is_string(), "{line}");
            } else {
                assert!(line.starts_with("20") && !line.starts_with("2026-01-01T00"));
            }
        }
        assert_eq!(daemon.read("stderr"), "", "nothing is said elsewhere");
    };
    check("text");
    check("json");
}

#[test]
fn who_says_where_the_log_goes() {
    let config = "[log]\nfile = 'by-config'\n";
    let check = |arguments: &[&str], environment: Option<&str>, expected: &str| {
        let mut daemon = Daemon::start(arguments, |command, folder| {
            fs::write(folder.join("config.toml"), config).unwrap();
            command.env("VOUCHD_CONFIG", folder.join("config.toml"));
            if let Some(name) = environment {
                command.env("VOUCHD_LOG_FILE", name);
            }
        });
        daemon.stop();
        for name in ["stderr", "by-config", "by-environment", "deep/by-argument"] {
            let there = daemon.read(name).contains("vouchd is ready");
            assert_eq!(there, name == expected, "{name}");
        }
    };
    check(&[], None, "by-config");
    check(&[], Some("by-environment"), "by-environment");
    let argument = &["--log-file", "deep/by-argument"][..];
    check(argument, Some("by-environment"), "deep/by-argument");
    check(&["--log-file", "-"], Some("by-environment"), "stderr");
}

#[test]
fn a_service_in_the_background_logs_to_the_usual_file() {
    let check = |state: Option<&str>, expected: &str| {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let mut command = binary();
        command
            .args(["serve", "--detach", "--socket"])
            .arg(&socket)
            .env("HOME", folder.path())
            .env("DOCKER_CONFIG", folder.path())
            .env_remove("XDG_STATE_HOME");
        if let Some(state) = state {
            command.env("XDG_STATE_HOME", folder.path().join(state));
        }
        // It says its process and goes on without this one.
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let mut talk = Talk(BufReader::new(UnixStream::connect(&socket).unwrap()));
        let log = folder.path().join(expected);
        assert_eq!(talk.status()["log"].as_str().map(Path::new), Some(&*log));
        talk.call("server/stop", &json!({}));
        until(|| fs::read_to_string(&log).unwrap().contains("has stopped"));
        assert_eq!(fs::metadata(&log).unwrap().mode() & 0o777, 0o600);
        let folder = fs::metadata(log.parent().unwrap()).unwrap();
        assert_eq!(folder.mode() & 0o777, 0o700);
    };
    check(None, ".local/state/vouchd/vouchd.log");
    check(Some("state"), "state/vouchd/vouchd.log");
}

#[test]
fn a_log_file_that_cannot_be_is_an_error_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
    for (name, expected) in [("link", "symbolic link"), ("", "irectory")] {
        let mut command = binary();
        let path = folder.path().join(name);
        command.arg("--stdio").arg("--log-file").arg(&path);
        let output = command.stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(path.to_str().unwrap()), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

/// So many requests that are logged.
fn be_busy(daemon: &Daemon, requests: usize) {
    let mut talk = daemon.talk();
    for number in 0..requests {
        let push = json!({"path": format!("/absent/{number}"), "reference": "r.example/a:1"});
        talk.call("push", &push);
    }
}

#[test]
fn a_busy_log_is_bounded_and_two_services_share_one() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("state/log");
    let config = format!(
        "[log]\nfile = '{}'\nsize = 20000\nkeep = 3\n",
        log.display()
    );
    let start = || Daemon::configured(&config, &["--log-format", "json"]);
    let mut daemons = [start(), start()];
    std::thread::scope(|scope| {
        for daemon in &daemons {
            scope.spawn(|| be_busy(daemon, 400));
        }
    });
    daemons.iter_mut().for_each(Daemon::stop);
    let mut names: Vec<_> = fs::read_dir(log.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let aside = |place: u32| log.with_file_name(format!("log.{place}"));
    assert_eq!(names, [log.clone(), aside(1), aside(2), aside(3)]);
    for path in names {
        let found = fs::metadata(&path).unwrap();
        assert!(found.len() <= 20_000, "{path:?}: {found:?}");
        assert_eq!(found.mode() & 0o777, 0o600);
        for line in fs::read_to_string(&path).unwrap().lines() {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        }
    }
    let newest = fs::read_to_string(&log).unwrap();
    assert!(newest.contains("has stopped"), "{newest}");
}

#[test]
fn a_log_that_cannot_be_written_holds_up_nothing_and_is_told_of() {
    let mut daemon = Daemon::start(&["--log-file", "state/log"], |_, _| {});
    until(|| daemon.read("state/log").contains("is ready"));
    fs::remove_dir_all(daemon.path("state")).unwrap();
    fs::write(daemon.path("state"), "in the way").unwrap();
    be_busy(&daemon, 20);
    // All of them have come to the thread that writes, or never will.
    std::thread::sleep(Duration::from_millis(100));
    fs::remove_file(daemon.path("state")).unwrap();
    be_busy(&daemon, 1);
    until(|| daemon.read("state/log").contains("lines were lost"));
    let log = daemon.read("state/log");
    let lost = log.split("lost=").nth(1).unwrap();
    let lost: u32 = lost.split(' ').next().unwrap().parse().unwrap();
    assert!((1..=20).contains(&lost), "{log}");
    daemon.stop();
    assert!(daemon.read("state/log").contains("has stopped"));
}

#[test]
fn a_service_that_takes_over_goes_on_with_the_log() {
    let mut daemon = Daemon::start(&["--log-file", "log"], |_, _| {});
    let restarted = daemon.talk().call("server/restart", &json!({}));
    assert!(restarted["result"].is_object(), "{restarted}");
    ended(&mut daemon.process);
    let mut talk = daemon.talk();
    let status = talk.status();
    assert_eq!(status["processId"], restarted["result"]["processId"]);
    assert_eq!(
        status["log"].as_str().map(Path::new),
        Some(&*daemon.path("log"))
    );
    talk.call("server/stop", &json!({}));
    until(|| daemon.read("log").matches("has stopped").count() == 2);
    assert_eq!(daemon.read("log").matches("is ready").count(), 2);
}

#[test]
fn what_happened_is_in_the_status() {
    let daemon = Daemon::start(&[], |_, _| {});
    let mut talk = daemon.talk();
    let wasm = daemon.path("unsigned.wasm");
    fs::write(&wasm, b"\0asm\x01\0\0\0").unwrap();
    talk.call("initialize", &json!({"clientInfo": {"name": "neovim"}}));
    talk.call("verify", &json!({ "path": wasm }));
    let push = json!({"path": wasm, "reference": "r.example/acme/echo:1"});
    for _ in 0..3 {
        talk.call("push", &push);
    }
    talk.call("later/method", &json!({}));
    let status = talk.status();
    assert!(status.get("log").is_none(), "it logs to standard error");
    assert_eq!(
        status["outcomes"],
        json!({"methodNotFound": 1, "ok": 2, "refused": 1, "unsigned": 3})
    );
    let errors = status["lastErrors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{status}");
    assert_eq!(errors[0]["method"], "later/method");
    assert_eq!(errors[1]["kind"], "unsigned");
    assert_eq!(errors[1]["client"], "neovim");
    assert_eq!(errors[1]["times"], 3);
    let message = errors[1]["message"].as_str().unwrap();
    assert!(message.starts_with(wasm.to_str().unwrap()), "{message}");
    assert_eq!(status["requestsUnderWay"], 1);
    assert_eq!(status["sessions"], json!([]));
}

#[test]
fn requests_under_way_say_what_they_are_about() {
    let registry = Faulty::start(|_, _| Answer::new(200).body("{}").stall(0));
    let daemon = Daemon::start(&[], |_, _| {});
    let reference = format!("{}/acme/echo:1", registry.name());
    let mut stream = daemon.talk();
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "pull",
        "params": {"reference": reference, "destination": daemon.path("pulled")}});
    writeln!(stream.0.get_mut(), "{request}").unwrap();
    let mut talk = daemon.talk();
    let mut pull = Value::Null;
    until(|| {
        let status = talk.status();
        pull = status["requests"][0].clone();
        // The session is known though its registry has not answered.
        pull["phase"] == "asking" && status["sessions"][0]["registry"] == registry.name()
    });
    assert_eq!(pull["method"], "pull");
    assert_eq!(pull["reference"], reference);
    assert_eq!(
        pull["path"].as_str().map(Path::new),
        Some(&*daemon.path("pulled"))
    );
}

#[test]
fn vouch_shows_the_log_of_the_service() {
    let vouch = Path::new(env!("CARGO_BIN_EXE_vouchd")).with_file_name("vouch");
    let mut daemon = Daemon::start(&["--log-file", "log"], |_, _| {});
    until(|| daemon.read("log").contains("is ready"));
    let run = || {
        let mut command = Command::new(&vouch);
        let command = command.arg("--socket").arg(daemon.path("socket"));
        let output = command.arg("log").output();
        String::from_utf8(output.expect("`cargo build --workspace` made it").stdout).unwrap()
    };
    assert_eq!(run(), daemon.read("log"));
    daemon.stop();
}
