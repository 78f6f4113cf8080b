//! Bars: on a terminal, and nowhere else.

use crate::service::{Ran, introduced, vouch};
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use serde_json::{Value, json};
use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use tempfile::TempDir;
use vouch_testing::process::until;

/// A service that takes its time: it reports once, and answers when it is told to.
struct Slow {
    folder: TempDir,
    seen: Arc<Mutex<Vec<Value>>>,
    answer: Arc<AtomicBool>,
    gone: Arc<AtomicBool>,
}

impl Slow {
    fn start(result: Value) -> Self {
        let folder = TempDir::new().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let slow = Self {
            folder,
            seen: Arc::default(),
            answer: Arc::default(),
            gone: Arc::default(),
        };
        let (seen, answer) = (Arc::clone(&slow.seen), Arc::clone(&slow.answer));
        let gone = Arc::clone(&slow.gone);
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut writer = stream.try_clone().unwrap();
            for line in BufReader::new(stream).lines() {
                let request: Value = serde_json::from_str(&line.unwrap()).unwrap();
                let mut say = |message: Value| {
                    // The client may be gone.
                    let _ = writer.write_all(format!("{message}\n").as_bytes());
                };
                if request["method"] == "initialize" {
                    let mut reply = introduced(env!("CARGO_PKG_VERSION"));
                    reply["jsonrpc"] = json!("2.0");
                    reply["id"] = request["id"].clone();
                    say(reply);
                    continue;
                }
                let Some(id) = request.get("id") else {
                    continue;
                };
                seen.lock().unwrap().push(request.clone());
                let token = &request["params"]["workDoneToken"];
                if !token.is_null() {
                    // Half of the phase: of the second of two, where the service counts both.
                    let (message, bytes) = match request["method"].as_str() {
                        Some("push") => ("sending", 48 << 20),
                        _ => ("verifying", 32 << 20),
                    };
                    for value in [
                        json!({"kind": "begin", "title": "Verifying", "cancellable": true,
                            "message": "waiting", "percentage": 0, "bytes": 0}),
                        json!({"kind": "report", "message": message, "percentage": 50,
                            "bytes": bytes, "total": 64 << 20}),
                    ] {
                        let params = json!({"token": token, "value": value});
                        say(json!({"jsonrpc": "2.0", "method": "$/progress", "params": params}));
                    }
                }
                let (id, answer, result) = (id.clone(), Arc::clone(&answer), result.clone());
                let mut writer = writer.try_clone().unwrap();
                thread::spawn(move || {
                    until("it may answer", || answer.load(Ordering::Relaxed));
                    let reply = json!({"jsonrpc": "2.0", "id": id, "result": result});
                    // In one piece, as others write, too.
                    let _ = writer.write_all(format!("{reply}\n").as_bytes());
                });
            }
            gone.store(true, Ordering::Relaxed);
        });
        slow
    }

    fn vouch(&self, arguments: &[&str]) -> Command {
        let mut command = vouch();
        let socket = self.folder.path().join("socket");
        command.arg("--socket").arg(socket).args(arguments);
        command
    }
}

/// A terminal, and what is drawn on it.
struct Terminal {
    path: PathBuf,
    drawn: Arc<Mutex<String>>,
    /// Held open, so that reading does not end before somebody has drawn.
    _end: File,
}

impl Terminal {
    fn open() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let path = PathBuf::from(path.into_string().unwrap());
        let drawn = Arc::<Mutex<String>>::default();
        let kept = Arc::clone(&drawn);
        let mut reader = File::from(master);
        let end = Self::end(&path);
        thread::spawn(move || {
            let mut piece = [0; 4096];
            // An error is the end: nobody holds the other side any more.
            while let Ok(read @ 1..) = reader.read(&mut piece) {
                let text = String::from_utf8_lossy(&piece[..read]);
                kept.lock().unwrap().push_str(&text);
            }
        });
        Self {
            _end: end,
            path,
            drawn,
        }
    }

    fn end(path: &PathBuf) -> File {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        options.open(path).unwrap()
    }

    fn stdio(&self) -> Stdio {
        Self::end(&self.path).into()
    }

    fn drawn(&self) -> String {
        self.drawn.lock().unwrap().clone()
    }
}

fn accepted() -> Value {
    json!({
        "verdict": "accepted",
        "artifact": {"kind": "module", "digest": "sha256:0", "size": 1},
        "signature": {"method": "token", "signer": {"id": "token:A"}, "subject": "M"},
        "claims": {"issuer": "A", "subject": "M", "tags": [], "capabilities": [], "issuedAt": 1},
        "trust": {"rule": "default", "mode": "any"},
    })
}

fn ended(process: Child) -> Ran {
    Ran::from(process.wait_with_output().unwrap())
}

#[test]
fn on_a_terminal_a_bar_is_drawn_and_gone_before_the_answer() {
    let check = |arguments: &[&str], result: Value, shown: [&str; 3], answer: &str| {
        let [name, phase, bytes] = shown;
        let service = Slow::start(result);
        let terminal = Terminal::open();
        let process = service
            .vouch(arguments)
            .env("TERM", "xterm")
            .stdout(terminal.stdio())
            .stderr(terminal.stdio())
            .spawn()
            .unwrap();
        until("it is drawn", || {
            let drawn = terminal.drawn();
            drawn.contains("50%") && drawn.contains(name)
        });
        let drawn = terminal.drawn();
        for part in [phase, "=>", bytes, "/s, ", " left"] {
            assert!(drawn.contains(part), "{part}: {drawn:?}");
        }
        assert!(!drawn.contains(answer), "{drawn:?}");
        service.answer.store(true, Ordering::Relaxed);
        assert_eq!(ended(process).code, 0);
        until("it is answered", || terminal.drawn().contains(answer));
        let all = terminal.drawn();
        let (before, after) = all.rsplit_once(answer).unwrap();
        // What clears a line, last of all that was drawn.
        let cleared = before.rfind("\x1b[2K").expect("it is cleared");
        assert!(cleared > before.rfind('%').unwrap(), "{all:?}");
        assert!(!after.contains('%'), "{all:?}");
    };
    check(
        &["verify", "/a/b.wasm"],
        accepted(),
        ["/a/b.wasm", "verifying", "32.00 MiB of 64.00 MiB"],
        "accepted",
    );
    let pushed = json!({"reference": "r@sha256:0", "digest": "sha256:0",
        "verification": accepted(), "uploaded": 1, "skipped": 0});
    let arguments = ["push", "/a/b.wasm", "ghcr.io/a/b:1"];
    let shown = ["ghcr.io/a/b:1", "sending", "16.00 MiB of 32.00 MiB"];
    check(&arguments, pushed, shown, "pushed");
    let pulled = json!({"path": "/c", "reference": "r@sha256:0", "digest": "sha256:0",
        "verification": accepted(), "downloaded": 1});
    let arguments = ["pull", "ghcr.io/a/b:1", "-o", "/c"];
    let shown = ["ghcr.io/a/b:1", "verifying", "32.00 MiB of 64.00 MiB"];
    check(&arguments, pulled, shown, "pulled");
}

#[test]
fn several_files_have_a_bar_each() {
    let service = Slow::start(accepted());
    let terminal = Terminal::open();
    let process = service
        .vouch(&["verify", "/a.wasm", "/b\x1b[31m.wasm"])
        .env("TERM", "xterm")
        .stderr(terminal.stdio())
        .spawn()
        .unwrap();
    until("both are drawn", || {
        let drawn = terminal.drawn();
        // What a name could do to a terminal, it does not.
        drawn.contains("/a.wasm") && drawn.contains(r"/b\u{1b}[31m.wasm")
    });
    service.answer.store(true, Ordering::Relaxed);
    let ran = ended(process);
    assert_eq!(ran.code, 0);
    assert_eq!(ran.out.matches("accepted  ").count(), 2);
    assert!(!terminal.drawn().contains("\x1b[31m"));
}

#[test]
fn elsewhere_nothing_is_drawn_and_nothing_asked_for() {
    let check = |arguments: &[&str], terminal: Option<&Terminal>| {
        let service = Slow::start(accepted());
        let mut command = service.vouch(arguments);
        command.env("TERM", "xterm");
        if let Some(terminal) = terminal {
            command.stderr(terminal.stdio());
        }
        let process = command.spawn().unwrap();
        until("it is asked", || !service.seen.lock().unwrap().is_empty());
        // Longer than a bar waits to appear.
        thread::sleep(Duration::from_millis(500));
        service.answer.store(true, Ordering::Relaxed);
        let ran = ended(process);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        let seen = service.seen.lock().unwrap();
        assert!(seen[0]["params"].get("workDoneToken").is_none(), "{seen:?}");
    };
    check(&["verify", "/a.wasm"], None);
    check(&["--json", "verify", "/a.wasm"], None);
    let terminal = Terminal::open();
    check(&["--json", "verify", "/a.wasm"], Some(&terminal));
    assert_eq!(terminal.drawn(), "");
}

/// Ctrl-C: the connection closes, which cancels.
#[test]
fn an_interrupt_closes_the_connection() {
    let service = Slow::start(accepted());
    let terminal = Terminal::open();
    let mut process = service
        .vouch(&["verify", "/a.wasm"])
        .env("TERM", "xterm")
        .stderr(terminal.stdio())
        .spawn()
        .unwrap();
    until("it is drawn", || terminal.drawn().contains("50%"));
    let id = rustix::process::Pid::from_child(&process);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert!(!process.wait().unwrap().success());
    until("it is gone", || service.gone.load(Ordering::Relaxed));
}
