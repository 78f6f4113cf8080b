//! `vouch status` and its `--watch`, against a service that answers what each test says.

use crate::service::{Service, vouch};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixListener,
    process::{Child, Stdio},
    thread,
};
use tempfile::TempDir;

fn status() -> Value {
    json!({
        "version": "0.1.0", "protocolVersion": "1.0", "processId": 4711, "uptimeSeconds": 61,
        "socket": "/run/vouchd.sock", "config": "/etc/vouchd.toml", "log": "/log/vouchd.log",
        "build": "9adf8e6", "connections": 3,
        "idle": {"timeoutSeconds": 1800, "loginsSeconds": 43200, "keptBy": "requests"},
        "requests": [
            {"method": "push", "client": "neovim", "reference": "ghcr.io/acme/echo:1",
             "path": "/home/ann/echo.wasm", "ageMilliseconds": 61_000, "phase": "sending",
             "bytes": 1024, "total": 4096, "percentage": 25},
            {"method": "verify", "path": "/home/ann/\u{1b}[2J.wasm", "ageMilliseconds": 10,
             "phase": "waiting", "bytes": 0},
            {"method": "server/status", "ageMilliseconds": 0, "phase": "waiting", "bytes": 0},
        ],
        "requestsUnderWay": 5,
        "outcomes": {"cancelled": 1, "ok": 311, "unsigned": 2},
        "lastErrors": [
            {"secondsAgo": 60, "method": "push", "client": "neovim", "kind": "unsigned",
             "message": "a\nvouch: forged", "times": 3},
            {"secondsAgo": 7200, "kind": "cursed", "message": "cannot accept", "times": 1},
        ],
        "sessions": [
            {"registry": "ghcr.io", "user": "ann", "source": "docker", "state": "accepted",
             "scopes": [], "lastUsedSeconds": 12},
            {"registry": "r.example", "source": "anonymous", "state": "untried", "scopes": []},
        ],
        "cache": {"entries": 1, "capacity": 4096},
    })
}

const SHOWN: &str = r"vouchd 0.1.0, 9adf8e6 (protocol 1.0), process 4711, up 1 min 1 s
  socket        /run/vouchd.sock
  config        /etc/vouchd.toml
  log           /log/vouchd.log
  trust         0 signers, 0 rules
  ends          30 min 0 s without a client; kept alive by requests
  connections   3
  cache         1 of 4096 files
  answered      314 requests: 311 ok, 2 unsigned, 1 cancelled
  login         ann to ghcr.io, accepted, used 12 s ago
  login         nobody to r.example, untried
  request       push ghcr.io/acme/echo:1 for neovim: sending, 25% of 4.0 KiB, for 1 min 1 s
  request       verify /home/ann/\u{1b}[2J.wasm: waiting, 0 B, for 0 s
                and 2 more
  error         1 min 0 s ago, 3 times: push, neovim, unsigned: a\nvouch: forged
  error         2 h 0 min ago: unknown: cannot accept
";

#[test]
fn all_of_it_is_shown_and_nothing_acts_on_the_terminal() {
    let service = Service::result(status());
    service.vouch(["status"]).printed(0, SHOWN, "");
    assert_eq!(service.vouch(["status", "--json"]).lines(), [status()]);
}

struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Watching {
    fn interrupted(mut self) -> std::process::ExitStatus {
        let process = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
        self.0.wait().unwrap()
    }
}

/// A service that answers each of its connections so often, then closes it.
fn serve(folder: &TempDir, process: u32, answers: usize) {
    let path = folder.path().join("socket");
    // A file that a service left behind is in nobody's way.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        drop(listener);
        let lines = BufReader::new(&stream).lines();
        for line in lines.take(answers) {
            let request: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let mut result = status();
            result["processId"] = json!(process);
            let reply = json!({"jsonrpc": "2.0", "id": request["id"], "result": result});
            writeln!(&stream, "{reply}").unwrap();
        }
    });
}

#[test]
fn watching_goes_on_without_a_service_and_with_the_next() {
    let folder = TempDir::new().unwrap();
    let mut command = vouch();
    command.arg("--socket").arg(folder.path().join("socket"));
    let mut child = Watching(
        command
            .args(["status", "--watch", "--json"])
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    // Each look is a line, and how many there are between is a matter of time.
    let mut until = |condition: &dyn Fn(&Value) -> bool| while !condition(&next()) {};
    let nobody = |line: &Value| {
        let message = line["error"]["message"].as_str();
        message.is_some_and(|message| message.starts_with("no service answers on "))
    };
    until(&nobody);
    serve(&folder, 1, 2);
    until(&|line| line["processId"] == 1);
    until(&nobody);
    serve(&folder, 2, usize::MAX);
    until(&|line| line["processId"] == 2);
    until(&|line| line["processId"] == 2);
    assert_eq!(child.interrupted().code(), Some(0));
}

#[test]
fn where_there_is_no_terminal_each_look_is_a_block() {
    let service = Service::result(status());
    let mut command = vouch();
    command.arg("--socket").arg(service.socket());
    let mut child = Watching(command.args(["status", "-w"]).spawn().unwrap());
    let mut out = child.0.stdout.take().unwrap();
    let mut read = vec![0; 2 * SHOWN.len() + 1];
    out.read_exact(&mut read).unwrap();
    assert_eq!(
        String::from_utf8(read).unwrap(),
        format!("{SHOWN}\n{SHOWN}")
    );
    // Who reads it has gone: it ends by itself.
    drop(out);
    assert_eq!(child.0.wait().unwrap().code(), Some(2));
}

#[test]
fn a_terminal_is_given_back() {
    let service = Service::result(status());
    let vouch = env!("CARGO_BIN_EXE_vouch");
    let socket = service.socket();
    // `script` of util-linux makes a terminal; where it is missing there is none to give back.
    let mut command = std::process::Command::new("script");
    let command = command
        .args(["--quiet", "--command"])
        .arg(format!(
            "stty rows 5 cols 40; {vouch} --socket {} status --watch",
            socket.display()
        ))
        .arg("/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let Ok(child) = command.spawn() else { return };
    let mut script = Watching(child);
    let mut reader = script.0.stdout.take().unwrap();
    let mut out = Vec::new();
    while !out.ends_with(b"\x1b[J") {
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        out.extend(byte);
    }
    let mut stdin = script.0.stdin.take().unwrap();
    // Ctrl-C, as the terminal knows it.
    stdin.write_all(b"\x03").unwrap();
    reader.read_to_end(&mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    let inside = out
        .split_once("\u{1b}[?1049h")
        .and_then(|(_, rest)| rest.rsplit_once("\u{1b}[?1049l"));
    let (drawn, after) = inside.unwrap_or_else(|| panic!("{out:?}"));
    assert_eq!(after.trim(), "", "{out:?}");
    let first = drawn.split("\u{1b}[H").nth(1).unwrap();
    let rows: Vec<_> = first.split("\r\n").collect();
    assert_eq!(rows.len(), 5, "{rows:?}");
    assert!(rows[0].starts_with("vouchd 0.1.0, 9adf8e6 (protocol 1.0), pr\u{1b}[K"));
    assert!(rows[4].contains("more lines"), "{rows:?}");
}
