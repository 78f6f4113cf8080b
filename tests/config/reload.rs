//! SIGHUP: what is under way goes on, what begins afterwards meets another config.

use super::*;
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::{Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};
use vouch_testing::{
    daemon::Daemon,
    proxy::Proxy,
    registry::{self, Registry},
};

const STRICT: &str = "[limits]\nartifact = 10\n";

#[test]
fn limits_count_at_once_and_an_error_changes_nothing() {
    let daemon = Daemon::logging_all("", &[]);
    let mut client = daemon.connect();
    let folder = Folder::new();
    let path = signed(&folder);
    let mut verdict = || {
        let verified = client.call("verify", &json!({"path": path})).unwrap();
        let refused = verified["refusal"]["kind"].as_str();
        refused.unwrap_or("accepted").to_owned()
    };
    assert_eq!(verdict(), "accepted");
    let said = daemon.reconfigure(STRICT);
    assert!(said.contains("the config was read again"), "{said}");
    assert_eq!(verdict(), "tooLarge");
    for (wrong, expected) in [
        ("[limits]\nartefact = 1\n", "config.toml:2:1: "),
        ("[registry.h]\nca = '/absent'\n", "/absent"),
        ("[", "config.toml:1:"),
        ("[log]\nlevel = 'loud'\n", "is not a level"),
    ] {
        let said = daemon.reconfigure(wrong);
        assert!(said.contains("the config stays as it was"), "{said}");
        assert!(said.contains(expected), "{said}");
        assert_eq!(verdict(), "tooLarge");
        let status = daemon.status();
        let error = status["configError"].as_str().unwrap();
        assert!(error.contains(expected), "{error}");
    }
    daemon.reconfigure("");
    assert_eq!(verdict(), "accepted");
    assert_eq!(daemon.status()["configError"], Value::Null);
    assert_eq!(daemon.status()["idle"], Value::Null);
    daemon.reconfigure("[idle]\ntimeout = '90m'\n");
    assert_eq!(daemon.status()["idle"]["timeoutSeconds"], 5400);
    let said = daemon.reconfigure("socket = '/elsewhere'\n[log]\nkeep = 1\n");
    // The command line names the socket.
    assert!(!said.contains("`socket`"), "{said}");
    assert!(
        said.contains("`log.keep` in the config takes effect after a restart"),
        "{said}"
    );
}

/// What was within the limits before is looked at anew, though nothing of the file has changed.
#[test]
fn what_is_remembered_of_files_goes_with_the_limits() {
    let daemon = Daemon::logging_all("", &[]);
    let folder = Folder::new();
    let path = signed(&folder);
    let mut client = daemon.connect();
    let mut verify = || client.call("verify", &json!({"path": path})).unwrap();
    let remembered = || daemon.status()["cache"]["entries"] == 1;
    // Once its times lie two seconds back.
    let deadline = Instant::now() + Duration::from_secs(60);
    while !remembered() {
        assert_eq!(verify()["verdict"], "accepted");
        assert!(Instant::now() < deadline, "it is not remembered");
        thread::sleep(Duration::from_millis(5));
    }
    daemon.reconfigure("[log]\nlevel = 'debug'\n");
    assert!(remembered(), "the limits are the same");
    daemon.reconfigure(STRICT);
    assert!(!remembered());
    assert_eq!(verify()["refusal"]["kind"], "tooLarge");
    daemon.reconfigure("");
    assert_eq!(verify()["verdict"], "accepted");
}

#[test]
fn a_push_under_way_ends_as_it_began() {
    let registry = Registry::open();
    let (arrived, arrival) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let (arrived, gone) = (Mutex::new(arrived), Mutex::new(gone));
    let proxy = Proxy::before(&registry.name(), move |head, _| {
        // The manifest waits until the config has changed.
        if head.method == "PUT" && head.target.contains("/manifests/1") {
            arrived.lock().unwrap().send(()).unwrap();
            gone.lock().unwrap().recv().unwrap();
        }
        None
    });
    let daemon = Daemon::logging_all("", &[]);
    let folder = Folder::new();
    let path = signed(&folder);
    let reference = |tag: &str| format!("{}/acme/echo:{tag}", proxy.name());
    let mut client = daemon.connect();
    client.request("push", &json!({"path": path, "reference": reference("1")}));
    arrival.recv().unwrap();
    let tls = format!(
        "{STRICT}[registry.\"{}\"]\nplain-http = false\n",
        proxy.name()
    );
    daemon.reconfigure(&tls);
    let error = push(&mut daemon.connect(), &path, &reference("2")).unwrap_err();
    assert_eq!(kind(&error), "tooLarge");
    go.send(()).unwrap();
    let answer = client.hear();
    assert!(answer["result"]["digest"].is_string(), "{answer}");
    // What begins now meets the registry's other section, too.
    daemon.reconfigure(&tls.replace(STRICT, ""));
    let error = push(&mut client, &path, &reference("3")).unwrap_err();
    assert_eq!(kind(&error), "registryUnreachable", "it speaks no TLS");
}

#[test]
fn logins_outlive_a_reload() {
    let registry = Registry::with_login();
    let name = registry.name();
    let daemon = Daemon::logging_all("", &[]);
    let mut client = daemon.connect();
    let login = json!({
        "registry": name, "username": registry::USERNAME, "password": registry::PASSWORD,
    });
    client.call("session/login", &login).unwrap();
    let folder = Folder::new();
    let path = signed(&folder);
    // The section changes, and says what was so before.
    daemon.reconfigure(&format!("[registry.\"{name}\"]\nplain-http = true\n"));
    push(&mut client, &path, &format!("{name}/acme/echo:1")).unwrap();
    let sessions = client.call("session/list", &json!({})).unwrap();
    let sessions = sessions["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(sessions[0]["state"], "accepted");
    client
        .call("session/logout", &json!({"registry": name}))
        .unwrap();
    let error = push(&mut client, &path, &format!("{name}/acme/echo:2")).unwrap_err();
    assert_eq!(kind(&error), "unauthorized");
    assert!(!daemon.log().contains(registry::PASSWORD));
}

/// A service on stdio, which reads the file that its environment leads to.
#[test]
fn stdio_reloads_too_and_a_file_that_went_leaves_the_defaults() {
    let folder = Folder::new();
    let path = signed(&folder);
    let file = folder.path("vouchd/config.toml");
    fs::create_dir(folder.path("vouchd")).unwrap();
    fs::write(&file, STRICT).unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_vouchd"))
        .arg("--stdio")
        .env_clear()
        .env("XDG_CONFIG_HOME", folder.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    let mut answers = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut verdict = || {
        let params = json!({"path": path});
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": "verify", "params": params});
        writeln!(input, "{request}").unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        answer["result"]["verdict"].as_str().unwrap().to_owned()
    };
    let id = rustix::process::Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
    let mut hang_up = |expected: &str| {
        rustix::process::kill_process(id, rustix::process::Signal::HUP).unwrap();
        let said = log.find(|line| line.as_ref().unwrap().contains("the config"));
        let said = said.unwrap().unwrap();
        assert!(said.contains(expected), "{said}");
    };
    assert_eq!(verdict(), "refused");
    fs::remove_file(&file).unwrap();
    hang_up("was read again");
    assert_eq!(verdict(), "accepted");
    fs::write(&file, "limits = 1").unwrap();
    hang_up("stays as it was");
    assert_eq!(verdict(), "accepted");
    fs::write(&file, STRICT).unwrap();
    hang_up("was read again");
    assert_eq!(verdict(), "refused");
    fs::write(&file, "[log]\nlevel = 'debug'\n").unwrap();
    hang_up("was read again");
    assert_eq!(verdict(), "accepted");
    drop(input);
    process.wait().unwrap();
    let debugged = log.any(|line| line.unwrap().contains("DEBUG"));
    assert!(debugged, "the level counts at once");
}

#[test]
fn a_file_that_was_named_and_went_is_an_error() {
    let daemon = Daemon::logging_all(STRICT, &[]);
    daemon.reconfigure(STRICT);
    fs::remove_file(daemon.config()).unwrap();
    let said = daemon.hang_up();
    assert!(said.contains("the config stays as it was"), "{said}");
    assert!(said.contains("config.toml"), "{said}");
}
