//! Services that begin, end, are replaced, and are not what they should be.

use crate::{
    driver::{Driver, Library},
    fake::{Fake, Reply, introduction},
};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use vouch_testing::{
    daemon::Daemon,
    folder::Folder,
    forge::{Signer, module},
    process::{Process, binary, lives, program, run, until},
    proxy::Proxy,
    registry::Registry,
};

fn process(driver: &mut Driver) -> i64 {
    let status = driver.call("server/status", json!({}));
    status["processId"].as_i64().unwrap()
}

/// What is under way is finished by the old process; what comes after goes to the new one.
pub fn restarts(library: &Library) {
    let (daemon, registry, folder) = (Daemon::start(), Registry::open(), Folder::new());
    let (open, waiting) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (door, waits) = (Arc::clone(&open), Arc::clone(&waiting));
    let proxy = Proxy::before(&registry.name(), move |head, _| {
        if head.method == "POST" {
            waits.fetch_add(1, Ordering::Relaxed);
            while !door.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        None
    });
    let path = folder.write("a.wasm", &Signer::default().wasm(&module()));
    let mut driver = library.connected(&daemon.socket());
    let old = process(&mut driver);
    let reference = format!("{}/acme/echo:1", proxy.name());
    driver.begin(
        "push",
        "push",
        json!({"path": path, "reference": reference}),
    );
    until("it waits", || waiting.load(Ordering::Relaxed) > 0);
    let new = i64::from(daemon.restart());
    assert_ne!(old, new);
    assert_eq!(process(&mut driver), new);
    let verified = driver.call("verify", json!({"path": path}));
    assert_eq!(verified["verdict"], "accepted");
    open.store(true, Ordering::Relaxed);
    let pushed = driver.end("push");
    assert!(pushed.get("ok").is_some(), "{pushed}");

    // Again and again, by the driver itself, with calls of which nobody knows who gets them.
    for round in 0..3 {
        driver.begin("restart", "server/restart", json!({}));
        for number in 0..20 {
            driver.begin(&number.to_string(), "verify", json!({"path": path}));
        }
        for number in 0..20 {
            let ended = driver.end(&number.to_string());
            assert_eq!(ended["ok"]["verdict"], "accepted", "{round}: {ended}");
        }
        let restarted = driver.end("restart");
        let new = restarted["ok"]["processId"]
            .as_i64()
            .expect("a new process");
        assert_eq!(process(&mut driver), new);
    }
}

pub fn dies(library: &Library) {
    let (mut daemon, registry, folder) = (Daemon::start(), Registry::open(), Folder::new());
    let proxy = Proxy::before(&registry.name(), |_, _| None);
    proxy.hold_after(1);
    let path = folder.write("a.wasm", &Signer::default().wasm(&module()));
    let mut driver = library.connected(&daemon.socket());
    let reference = format!("{}/acme/echo:1", proxy.name());
    driver.begin(
        "push",
        "push",
        json!({"path": path, "reference": reference}),
    );
    until("some of it has gone", || proxy.held() > 0);
    daemon.kill();
    let ended = driver.end("push");
    assert_eq!(ended["error"]["is"], "connection", "{ended}");
    assert_ne!(ended["error"]["message"], "", "{ended}");
    // Nobody took its place.
    for _ in 0..2 {
        let call = json!({"do": "call", "method": "server/status", "params": {}});
        assert_eq!(driver.error(call)["is"], "connection");
    }
    let socket = daemon.socket();
    assert_eq!(
        driver.error(json!({"do": "connect", "socket": socket}))["is"],
        "connection"
    );
}

/// The service of a socket: it is gone when the scenario ends, however that ends.
pub struct Service<'a>(pub &'a Path);

impl Drop for Service<'_> {
    fn drop(&mut self) {
        let lock = format!("{}.lock", self.0.display());
        let process = fs::read_to_string(lock).unwrap_or_default();
        let said = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        // The number may be another's by now.
        if String::from_utf8_lossy(&said).contains(self.0.to_str().unwrap()) {
            let _ = Command::new("kill").args(["-9", &process]).status();
        }
    }
}

fn gone(process: i64) {
    let process = process.try_into().unwrap();
    until("it has ended", || !lives(process));
}

/// A client that stays finds the next service, which somebody else has started meanwhile.
pub fn ends(library: &Library) {
    let folder = Folder::new();
    let socket = folder.path("socket");
    let _service = Service(&socket);
    let serve = || {
        let mut serve = binary();
        serve.args(["serve", "--detach", "--socket"]).arg(&socket);
        run(serve
            .env("HOME", folder.root())
            .env("XDG_RUNTIME_DIR", folder.root()));
    };
    serve();
    let mut driver = library.connected(&socket);
    let old = process(&mut driver);
    let stopped = driver.call("server/stop", json!({}));
    assert_eq!(stopped["processId"], old);
    gone(old);
    serve();
    let new = process(&mut driver);
    assert_ne!(new, old);
    driver.call("server/stop", json!({}));
    gone(new);
}

/// One that speaks another protocol, and one that lacks a method.
pub fn too_old(library: &Library) {
    let fake = Fake::start(|request, _| {
        (request["method"] == "initialize").then(|| {
            let help = "Install a newer one.";
            Reply::Error(json!({
                "code": 1503, "message": "this server speaks 0.9",
                "data": {"kind": "unsupportedProtocol", "retryable": false, "help": help},
            }))
        })
    });
    let mut driver = library.driver();
    for start in [Value::Null, json!("/bin/false")] {
        let mut step = json!({"do": "connect", "socket": fake.socket()});
        if !start.is_null() {
            step["start"] = start;
        }
        let error = driver.error(step);
        assert_eq!(error["is"], "server", "{error}");
        assert_eq!(error["kind"], "unsupportedProtocol");
        assert_eq!(error["help"], "Install a newer one.");
    }
    let asked = &fake.asked("initialize")[0]["params"];
    assert_eq!(asked["protocolVersion"], "1.0");
    assert_eq!(asked["clientInfo"]["name"], "driver");

    let fake = Fake::start(|_, _| None);
    let mut driver = library.connected(&fake.socket());
    let error = driver.refused("tags", json!({"repository": "ghcr.io/acme/echo"}));
    assert_eq!(error["kind"], "methodNotFound");
}

/// Members, words, states and notifications that nobody knows yet.
pub fn later(library: &Library) {
    let fake = Fake::start(|request, _| match request["method"].as_str() {
        Some("initialize") => {
            let mut told = introduction();
            told["moreInfo"] = json!({"moon": "full"});
            told["capabilities"]["dreams"] = true.into();
            told["protocolVersion"] = "1.7".into();
            Some(Reply::Result(told))
        }
        Some("verify") => {
            let token = &request["params"]["workDoneToken"];
            let report = |value: Value| {
                json!({"jsonrpc": "2.0", "method": "$/progress",
                       "params": {"token": token, "value": value}})
            };
            Some(Reply::Messages(vec![
                json!({"jsonrpc": "2.0", "method": "$/dreams", "params": {"of": [1]}}),
                report(
                    json!({"kind": "begin", "title": "Verifying", "cancellable": true, "bytes": 0}),
                ),
                report(json!({"kind": "daydream", "of": "sheep"})),
                report(json!({"kind": "report", "message": "dreaming", "bytes": 7, "more": 1})),
                json!({"jsonrpc": "2.0", "method": "$/progress",
                       "params": {"token": "nobody's", "value": {"kind": "end"}}}),
                report(json!({"kind": "end", "message": "done"})),
                json!({"jsonrpc": "2.0", "id": "ID", "more": 1,
                       "result": {"verdict": "perhaps", "of": {"artifact": 7}}}),
            ]))
        }
        _ => None,
    });
    let mut driver = library.driver();
    let told = driver.ok(json!({"do": "connect", "socket": fake.socket()}));
    assert_eq!(told["protocolVersion"], "1.7");
    let params = json!({"path": "/a"});
    driver.ok(
        json!({"do": "begin", "as": "a", "method": "verify", "params": params, "progress": true}),
    );
    let ended = driver.end("a");
    assert_eq!(
        ended["ok"],
        json!({"verdict": "perhaps", "of": {"artifact": 7}}),
        "{ended}"
    );
    let reports = ended["progress"].as_array().unwrap();
    let words: Vec<_> = reports.iter().map(|report| &report["kind"]).collect();
    assert_eq!(words, ["begin", "report", "end"], "{ended}");
    assert_eq!(reports[1]["message"], "dreaming");
}

pub fn busy(library: &Library) {
    let fake = Fake::start(|request, nth| {
        let busy = Some(Reply::kind(1501, "busy", true));
        match request["method"].as_str() {
            Some("verify") if nth > 0 => Some(Reply::Result(json!({"verdict": "accepted"}))),
            Some("verify" | "push") => busy,
            _ => None,
        }
    });
    let mut driver = library.connected(&fake.socket());
    let verified = driver.call("verify", json!({"path": "/a"}));
    assert_eq!(verified["verdict"], "accepted");
    assert_eq!(fake.asked("verify").len(), 2);
    // Not for ever.
    let error = driver.refused("push", json!({"path": "/a", "reference": "a.b/c:1"}));
    assert_eq!(error["kind"], "busy");
    assert_eq!(error["retryable"], true);
    assert_eq!(fake.asked("push").len(), 2);
    assert_eq!(fake.connections(), 1);
}

pub fn shutting_down(library: &Library) {
    let fake = Fake::start(|request, nth| {
        let ending = Some(Reply::kind(1502, "shuttingDown", true));
        match request["method"].as_str() {
            Some("verify") if nth > 0 => Some(Reply::Result(json!({"verdict": "accepted"}))),
            Some("verify" | "push") => ending,
            _ => None,
        }
    });
    let mut driver = library.connected(&fake.socket());
    let verified = driver.call("verify", json!({"path": "/a"}));
    assert_eq!(verified["verdict"], "accepted");
    assert_eq!(fake.asked("verify").len(), 2);
    assert_eq!(fake.connections(), 2, "on a connection of its own");
    // Not for ever.
    let error = driver.refused("push", json!({"path": "/a", "reference": "a.b/c:1"}));
    assert_eq!(error["kind"], "shuttingDown");
    let asked = fake.asked("push").len();
    assert!((2..=6).contains(&asked), "{asked}");
}

/// What the service may have carried out is not asked of the next one.
pub fn lost(library: &Library) {
    let fake = Fake::start(|request, _| match request["method"].as_str() {
        Some("push") => Some(Reply::HangUp),
        Some("verify") => Some(Reply::Result(json!({"verdict": "accepted"}))),
        _ => None,
    });
    let mut driver = library.connected(&fake.socket());
    for asked in 1..=2 {
        let params = json!({"path": "/a", "reference": "a.b/c:1"});
        let error = driver.error(json!({"do": "call", "method": "push", "params": params}));
        assert_eq!(error["is"], "connection", "{error}");
        assert_eq!(fake.asked("push").len(), asked);
        // Others are: the next connection is as good.
        let verified = driver.call("verify", json!({"path": "/a"}));
        assert_eq!(verified["verdict"], "accepted");
    }
}

/// What it has answered is read, though nothing can be written to it any more; and what it has not
/// answered has an end.
pub fn reads_no_more(library: &Library) {
    let meet = Arc::new(Barrier::new(2));
    let met = Arc::clone(&meet);
    let accepted = || json!({"verdict": "accepted"});
    let fake = Fake::start(move |request, _| match request["method"].as_str() {
        Some("pull") => Some(Reply::Messages(Vec::new())),
        Some("push") => Some(Reply::ReadNoMore(Arc::clone(&met), json!({"of": "old"}))),
        Some("verify") => Some(Reply::Result(accepted())),
        _ => None,
    });
    let mut driver = library.connected(&fake.socket());
    let params = json!({"path": "/a", "reference": "a.b/c:1"});
    driver.begin("pull", "pull", params.clone());
    until("it was asked", || !fake.asked("pull").is_empty());
    driver.begin("push", "push", params);
    meet.wait();
    // Many, side by side: each is made of another, and by no means twice.
    for number in 0..10 {
        driver.begin(&number.to_string(), "verify", json!({"path": "/a"}));
    }
    for number in 0..10 {
        let ended = driver.end(&number.to_string());
        assert_eq!(ended["ok"], accepted(), "{number}: {ended}");
    }
    assert_eq!(fake.asked("verify").len(), 10);
    assert_eq!(fake.connections(), 2);
    meet.wait();
    assert_eq!(driver.end("push")["ok"], json!({"of": "old"}));
    let ended = driver.end("pull");
    assert_eq!(ended["error"]["is"], "connection", "{ended}");
}

/// Neither the longest answer nor one without an end takes all of a client's memory.
pub fn endless(library: &Library) {
    let long = "x".repeat(8 << 20);
    let said = long.clone();
    let fake = Fake::start(move |request, nth| match request["method"].as_str() {
        Some("verify") if nth == 0 => Some(Reply::Result(json!({"verdict": said}))),
        Some("verify") => Some(Reply::Endless(256 << 20)),
        _ => None,
    });
    let mut driver = library.connected(&fake.socket());
    let verified = driver.call("verify", json!({"path": "/a"}));
    assert_eq!(verified["verdict"].as_str().map(str::len), Some(long.len()));
    let call = json!({"do": "call", "method": "verify", "params": {"path": "/a"}});
    let error = driver.error(call);
    assert_eq!(error["is"], "protocol", "{error}");
}

pub fn started(library: &Library) {
    let folder = Folder::new();
    let socket = folder.path("socket");
    let _service = Service(&socket);
    let secrets = [
        "SSH_AUTH_SOCK",
        "VOUCH_KEY_FILE",
        "NOTIFY_SOCKET",
        "LISTEN_FDS",
        "LISTEN_PID",
        "WATCHDOG_USEC",
    ];
    let driver = || {
        library.driver_with(|_, command| {
            command.env("VOUCH_MARK", "passed on");
            for name in secrets {
                command.env(name, "1");
            }
        })
    };
    // At a time, as the parts of an editor do.
    let connect = json!({"do": "connect", "socket": socket, "start": program("vouchd")});
    let (mut one, mut other) = (driver(), driver());
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| one.ok(connect.clone()));
        let second = scope.spawn(|| other.ok(connect.clone()));
        (first.join().unwrap(), second.join().unwrap())
    });
    assert_eq!(first["serverInfo"]["name"], "vouchd");
    assert_eq!(first, second);
    let process = process(&mut one);
    let status = other.call("server/status", json!({}));
    assert_eq!(status["processId"], process);
    assert_eq!(status["requests"][0]["client"], "driver");
    assert!(status["idle"].is_object(), "{status}");
    let environment = fs::read_to_string(format!("/proc/{process}/environ"));
    // It hides it, where it does not say otherwise.
    let environment = environment.unwrap();
    assert!(
        environment.contains("VOUCH_MARK=passed on"),
        "{environment}"
    );
    for name in secrets {
        assert!(
            !environment.contains(&format!("{name}=")),
            "{name}: {environment}"
        );
    }
    // It outlives who started it.
    drop(one);
    assert_eq!(other.call("server/status", json!({}))["processId"], process);
    other.call("server/stop", json!({}));
    gone(process);
}

/// A program in place of the service's.
fn script(folder: &Folder, name: &str, text: &str) -> PathBuf {
    let path = folder.path(name);
    // Another process writes it: what is open for writing cannot be run.
    let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$2\" && chmod 755 \"$2\"";
    run(Command::new("sh")
        .args(["-c", write, "sh", text])
        .arg(&path));
    path
}

pub fn cannot_start(library: &Library) {
    let folder = Folder::new();
    let socket = folder.path("socket");
    let mut driver = library.driver();
    let mut fails = |program: &Path, says: &str, last: &[&str]| {
        let error = driver.error(json!({"do": "connect", "socket": socket, "start": program}));
        assert_eq!(error["is"], "notStarted", "{error}");
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
        assert_eq!(error["lastWords"], json!(last), "{error}");
    };
    let speaks = script(
        &folder,
        "speaks",
        "echo 'the disk is on fire' >&2; echo 'really ☃' >&2; exit 3",
    );
    fails(&speaks, "speaks", &["the disk is on fire", "really ☃"]);
    fails(&script(&folder, "killed", "kill -9 $$"), "killed", &[]);
    fails(&folder.path("absent"), "absent", &[]);
    // More than a pipe holds, and more than is kept.
    let much = "seq 1 40000 >&2; exit 1";
    let last: Vec<String> = (39991..=40000).map(|number| number.to_string()).collect();
    let last: Vec<_> = last.iter().map(String::as_str).collect();
    fails(&script(&folder, "much", much), "much", &last);
    assert!(!socket.exists());
}

/// Nothing is started unless it is certain that nobody listens.
pub fn something_else(library: &Library) {
    let folder = Folder::new();
    let mark = folder.path("started");
    let program = script(&folder, "program", &format!("touch {}", mark.display()));
    let mut driver = library.driver();
    let mut fails = |socket: &Path| {
        let error = driver.error(json!({"do": "connect", "socket": socket, "start": program}));
        assert_eq!(error["is"], "connection", "{error}");
        assert!(!mark.exists(), "{error}");
    };
    fails(&folder.write("file", b""));
    fails(&folder.path("file/socket"));
    let listener = UnixListener::bind(folder.path("hangs-up")).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    fails(&folder.path("hangs-up"));
}

pub fn another_user(library: &Library) {
    let folder = Folder::new();
    let anybody = fs::Permissions::from_mode(0o777);
    fs::set_permissions(folder.root(), anybody.clone()).unwrap();
    let (socket, heard) = (folder.path("socket"), folder.path("heard"));
    let mut socat = Command::new("setpriv");
    socat
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "socat",
            "-u",
        ])
        .arg(format!("UNIX-LISTEN:{},fork,mode=666", socket.display()))
        .arg(format!("OPEN:{},creat,append", heard.display()));
    let listener = Process(socat.spawn().expect("setpriv and socat are installed"));
    until("it listens", || socket.exists());
    let mut driver = library.driver();
    for start in [Value::Null, json!(program("vouchd"))] {
        let mut step = json!({"do": "connect", "socket": socket});
        if !start.is_null() {
            step["start"] = start;
        }
        let error = driver.error(step);
        assert_eq!(error["is"], "connection", "{error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("65534"), "{error}");
    }
    assert_eq!(
        fs::read_to_string(&heard).unwrap_or_default(),
        "",
        "nothing was said to it"
    );
    // Nor is what it left behind taken over.
    drop(listener);
    until("nobody listens", || {
        std::os::unix::net::UnixStream::connect(&socket).is_err()
    });
    if socket.exists() {
        let step = json!({"do": "connect", "socket": socket, "start": program("vouchd")});
        let error = driver.error(step);
        assert_eq!(error["is"], "connection", "{error}");
    }
}
