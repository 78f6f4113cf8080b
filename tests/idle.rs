//! A service that nobody uses ends by itself; one that somebody uses does not.

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::net::UnixStream,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use vouch_testing::{
    daemon::Daemon,
    faulty::{Answer, Faulty},
    process::{Detached, PATIENCE, binary, ended, until},
    wire::{Framing, Wire},
};

/// How long services wait in these tests.
const SPAN: &str = "100ms";

/// A service that may end before somebody comes.
fn start(config: &str, arguments: &[&str]) -> Daemon {
    Daemon::launch(binary(), |folder, command| {
        fs::write(folder.join("config.toml"), config).unwrap();
        command.args(arguments);
    })
}

/// One that somebody is connected to. On a slow machine it may have ended before: then another.
fn met(config: &str, arguments: &[&str]) -> (Daemon, Wire) {
    loop {
        let mut daemon = start(config, arguments);
        let mut stream = None;
        until("it listens, or ends", || {
            stream = UnixStream::connect(daemon.socket()).ok();
            stream.is_some() || daemon.process.try_wait().unwrap().is_some()
        });
        if let Some(stream) = stream {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            return (daemon, Wire::over(stream, Framing::Lines));
        }
    }
}

/// Connects as soon as it listens, where nothing ends it.
fn connect(daemon: &Daemon) -> Wire {
    until("it listens", || {
        UnixStream::connect(daemon.socket()).is_ok()
    });
    daemon.connect()
}

/// Whether it goes on for as long as others need that nobody uses, and that end.
fn is_there(daemon: &mut Daemon) -> bool {
    for _ in 0..2 {
        log(start("", &["--idle-timeout", SPAN]));
    }
    daemon.process.try_wait().unwrap().is_none()
}

/// Waits for its end, and answers what it has logged.
fn log(mut daemon: Daemon) -> String {
    assert_eq!(ended(&mut daemon.process).code(), Some(0));
    assert!(!daemon.socket().exists());
    daemon.log()
}

fn idle(client: &mut Wire) -> Value {
    client.call("server/status", &json!({})).unwrap()["idle"].take()
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

#[test]
fn nobody_came() {
    let said = log(start("", &["--idle-timeout", SPAN]));
    assert!(said.contains("ends by itself"), "{said}");
    let config = format!("[idle]\ntimeout = '{SPAN}'\n");
    log(start(&config, &[]));
}

#[test]
fn a_connection_keeps_it() {
    let (mut daemon, client) = met("", &["--idle-timeout", SPAN]);
    assert!(is_there(&mut daemon));
    drop(client);
    log(daemon);
}

#[test]
fn one_that_need_not_end_stays() {
    let short = format!("[idle]\ntimeout = '{SPAN}'\n");
    let mut never = start(&short, &["--idle-timeout", "never"]);
    let mut usual = start("", &[]);
    assert!(is_there(&mut never) && is_there(&mut usual));
    assert_eq!(idle(&mut connect(&usual)), Value::Null);
    assert_eq!(idle(&mut connect(&never)), Value::Null);
}

#[test]
fn a_request_keeps_it_when_its_client_has_closed_its_side() {
    // The registry never answers.
    let registry = Faulty::start(|_, _| Answer::silence());
    let (mut daemon, mut client) = met("", &["--idle-timeout", SPAN]);
    let reference = format!("{}/acme/echo:1", registry.name());
    client.request("verify", &json!({"reference": reference}));
    client
        .stream
        .get_mut()
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    assert!(is_there(&mut daemon));
    drop(client);
    log(daemon);
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
    let (mut daemon, mut client) = met("", &["--idle-timeout", SPAN]);
    let said = idle(&mut client);
    assert_eq!(
        said,
        json!({"timeoutSeconds": 0, "loginsSeconds": 43200, "endsInSeconds": 0})
    );
    client.call("session/login", &login).unwrap();
    let said = idle(&mut client);
    assert_eq!(said["keptBy"], "logins");
    let ends = said["endsInSeconds"].as_u64().unwrap();
    assert!((43_000..=43_200).contains(&ends), "{said}");
    drop(client);
    assert!(is_there(&mut daemon));
    let mut client = connect(&daemon);
    let other = connect(&daemon);
    until("both are known", || {
        idle(&mut client)["keptBy"] == "connections"
    });
    client
        .call("session/logout", &json!({"registry": name}))
        .unwrap();
    drop((client, other));
    log(daemon);

    let config = format!("[idle]\ntimeout = '{SPAN}'\nlogins = '2s'\n");
    let (daemon, mut client) = met(&config, &[]);
    client.call("session/login", &login).unwrap();
    drop(client);
    let said = log(daemon);
    assert!(said.contains("WARN"), "{said}");
    assert!(said.contains(&name), "{said}");
    assert!(!said.contains("planted"), "{said}");
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
    check(&["--idle-timeout", "0s"], "", "write `never`");
    check(&["--idle-timeout", "soon"], "", "write `never`");
    check(&[], "[idle]\ntimeout = '0s'\n", "write `never`");
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
    let connect = || Wire::connect(&folder.path().join("socket"), Framing::Lines);
    let status = connect().call("server/status", &json!({})).unwrap();
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
    let new = connect().call("server/restart", &json!({})).unwrap();
    let new = Pid::from_raw(new["processId"].as_i64().unwrap().try_into().unwrap()).unwrap();
    let _guard = Detached(new);
    until("it is gone", || test_kill_process(process).is_err());
    let status = connect().call("server/status", &json!({})).unwrap();
    assert_eq!(status["processId"], new.as_raw_nonzero().get());
    assert_eq!(
        (&status["config"], &status["idle"]["timeoutSeconds"]),
        (&config.into(), &1800.into())
    );
    assert_eq!(rustix::process::getsid(Some(new)).unwrap(), process);
    let link = format!("/proc/{}/cwd", new.as_raw_nonzero());
    assert_eq!(fs::read_link(link).unwrap(), Path::new("/"));
    connect().call("server/stop", &json!({})).unwrap();
    until("it is gone", || test_kill_process(new).is_err());
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
    check("", "not a socket");
}

#[test]
fn clients_that_come_in_the_moment_of_the_end_are_answered_or_refused() {
    // Each comes a little later than one that was let in, and earlier than one that was not.
    let mut after = Duration::from_millis(10);
    let (mut let_in, mut refused) = (0, 0);
    for _ in 0..1000 {
        let (daemon, mut talk) = met("", &["--idle-timeout", "15ms"]);
        talk.call("server/status", &json!({})).unwrap();
        drop(talk);
        std::thread::sleep(after);
        if let Ok(stream) = UnixStream::connect(daemon.socket()) {
            // Whoever was let in is answered.
            let mut client = Wire::over(stream, Framing::Lines);
            client.call("server/status", &json!({})).unwrap();
            let_in += 1;
            after += Duration::from_micros(300);
        } else {
            refused += 1;
            after = after.saturating_sub(Duration::from_micros(200));
        }
        log(daemon);
        if let_in >= 25 && refused >= 25 {
            return;
        }
    }
    panic!("the moment was not met: {let_in} were let in, {refused} refused");
}
