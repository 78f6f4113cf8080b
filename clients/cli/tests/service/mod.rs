//! A service that answers what each test says, and the built `vouch` that asks it.

use serde_json::{Value, json};
use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
};
use tempfile::TempDir;

/// A service: a socket, and what was asked there.
pub(crate) struct Service {
    folder: TempDir,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl Service {
    /// Answers each request with `{"result": …}` or `{"error": …}`; `at_a_time` requests are
    /// read before the first is answered, and answered last to first.
    pub(crate) fn new(at_a_time: usize, answer: impl Fn(&Value) -> Value + Send + 'static) -> Self {
        Self::introducing(at_a_time, |_| introduced(env!("CARGO_PKG_VERSION")), answer)
    }

    /// The same; `initialize`, which each command begins with, is answered by what comes first.
    pub(crate) fn introducing(
        at_a_time: usize,
        introduced: impl Fn(&Value) -> Value + Send + 'static,
        answer: impl Fn(&Value) -> Value + Send + 'static,
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                serve(&stream.unwrap(), at_a_time, &seen, &introduced, &answer);
            }
        });
        Self { folder, requests }
    }

    pub(crate) fn result(result: Value) -> Self {
        Self::new(1, move |_| json!({ "result": result }))
    }

    pub(crate) fn error(code: i32, kind: &str) -> Self {
        let error = json!({
            "code": code, "message": "it did not work",
            "data": {"kind": kind, "help": "Do better.", "retryable": false},
        });
        Self::new(1, move |_| json!({ "error": error }))
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    pub(crate) fn vouch<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        let mut command = vouch();
        command.arg("--socket").arg(self.socket()).args(arguments);
        Ran::of(&mut command)
    }

    /// The one request that was made: its method and params.
    pub(crate) fn asked(&self) -> (String, Value) {
        let requests = self.requests.lock().unwrap();
        assert_eq!(requests.len(), 1, "{requests:?}");
        let method = requests[0]["method"].as_str().unwrap().to_owned();
        (method, requests[0]["params"].clone())
    }
}

/// How a service of that version answers `initialize`.
pub(crate) fn introduced(version: &str) -> Value {
    json!({"result": {
        "serverInfo": {"name": "vouchd", "version": version},
        "protocolVersion": "1.0",
        "capabilities": {"methods": []},
    }})
}

fn serve(
    stream: &UnixStream,
    at_a_time: usize,
    seen: &Mutex<Vec<Value>>,
    introduced: &impl Fn(&Value) -> Value,
    answer: &impl Fn(&Value) -> Value,
) {
    let mut waiting = Vec::new();
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        let request: Value = serde_json::from_str(&line).unwrap();
        if request["method"] == "initialize" {
            let mut reply = introduced(&request);
            reply["jsonrpc"] = json!("2.0");
            reply["id"] = request["id"].clone();
            if writeln!(&mut &*stream, "{reply}").is_err() {
                return;
            }
            continue;
        }
        seen.lock().unwrap().push(request.clone());
        waiting.push(request);
        if waiting.len() < at_a_time {
            continue;
        }
        for request in waiting.drain(..).rev() {
            let mut reply = answer(&request);
            reply["jsonrpc"] = json!("2.0");
            reply["id"] = request["id"].clone();
            if writeln!(&mut &*stream, "{reply}").is_err() {
                return;
            }
        }
    }
}

/// `vouch`, in the root folder, without the environment of who tests. An interrupt means to it what
/// it means on a terminal: whatever a shell starts in the background ignores it, tests included.
pub(crate) fn vouch() -> Command {
    let mut command = Command::new("/usr/bin/env");
    command
        .args(["--default-signal=INT", env!("CARGO_BIN_EXE_vouch")])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What became of a run.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    #[track_caller]
    pub(crate) fn printed(&self, code: i32, out: &str, err: &str) {
        assert_eq!(
            (self.code, self.out.as_str(), self.err.as_str()),
            (code, out, err)
        );
    }

    /// Each line of output, as JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("no signal ends it"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

#[track_caller]
pub(crate) fn done(ran: &Ran, says: &[&str]) {
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    for says in says {
        assert!(ran.out.contains(says), "{says:?} is not in {}", ran.out);
    }
}

#[track_caller]
pub(crate) fn fails(ran: &Ran, code: i32, says: &[&str]) {
    assert_eq!(ran.code, code, "{}{}", ran.out, ran.err);
    for says in says {
        assert!(ran.err.contains(says), "{says:?} is not in {}", ran.err);
    }
}
