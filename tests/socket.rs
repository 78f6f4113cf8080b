//! The binary as a daemon: its socket, its lock, its end.

use crate::over::summary;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};
use tempfile::TempDir;
use vouch_testing::process::{PATIENCE, Process, binary, ended, until, within};

/// Starts a service, and waits until it says that it is ready.
fn serve(socket: &Path) -> Process {
    let mut service = binary()
        .args(["serve", "--socket"])
        .arg(socket)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut log = BufReader::new(service.stderr.take().expect("it has one"));
    let service = Process(service);
    let (line, mut log) = within(move || {
        let mut line = String::new();
        log.read_line(&mut line).expect("it logs");
        (line, log)
    });
    assert!(line.contains("ready"), "{line}");
    assert!(line.contains(&socket.display().to_string()), "{line}");
    // What else it logs is taken, so that it never waits for a reader.
    thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    service
}

/// The code that a service ends with.
fn code(mut service: Process) -> Option<i32> {
    ended(&mut service.0).code()
}

/// A connection that does not wait for ever.
fn connect(socket: &Path) -> std::io::Result<UnixStream> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Whether a service answers there.
fn answers(socket: &Path) -> bool {
    let Ok(mut stream) = connect(socket) else {
        return false;
    };
    let request = br#"{"jsonrpc":"2.0","id":1,"method":"server/status"}"#;
    stream.write_all(request).expect("it reads");
    stream.write_all(b"\n").expect("it reads");
    let mut line = String::new();
    BufReader::new(stream)
        .read_line(&mut line)
        .expect("it answers");
    summary(&line) == "1 ok"
}

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("vouchd.sock");
    (folder, socket)
}

/// Starts a daemon that must fail, and answers what it says.
fn fails(arguments: &[&str], environment: &[(&str, &Path)]) -> String {
    fails_with(1, arguments, environment)
}

fn fails_with(code: i32, arguments: &[&str], environment: &[(&str, &Path)]) -> String {
    let mut daemon = binary();
    let daemon = daemon
        .arg("serve")
        .args(arguments)
        .envs(environment.iter().copied())
        .stderr(Stdio::piped());
    let mut daemon = Process(daemon.spawn().expect("it starts"));
    assert_eq!(ended(&mut daemon.0).code(), Some(code));
    let mut said = String::new();
    let mut stderr = daemon.0.stderr.take().expect("it has one");
    stderr.read_to_string(&mut said).expect("it is text");
    said
}

#[test]
fn the_socket_is_its_owner_s_and_goes_with_the_service() {
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let (_folder, socket) = place();
        let daemon = serve(&socket);
        let metadata = fs::symlink_metadata(&socket).expect("it is there");
        assert!(metadata.file_type().is_socket());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert!(answers(&socket));
        daemon.signal(signal);
        assert_eq!(code(daemon), Some(0));
        assert!(!socket.exists());
    }
}

#[test]
fn the_usual_folder_is_made_and_must_be_safe() {
    let (folder, _) = place();
    let runtime = folder.path();
    let usual = runtime.join("vouchd");
    let environment = [("XDG_RUNTIME_DIR", runtime)];

    fs::write(&usual, b"").expect("it can be written");
    assert!(fails(&[], &environment).contains("is not a folder"));
    fs::remove_file(&usual).expect("it is there");

    let elsewhere = tempfile::tempdir().expect("a folder");
    symlink(elsewhere.path(), &usual).expect("it can be made");
    assert!(fails(&[], &environment).contains("is not a folder"));
    fs::remove_file(&usual).expect("it is there");

    fs::create_dir(&usual).expect("it can be made");
    fs::set_permissions(&usual, fs::Permissions::from_mode(0o755)).expect("they can be set");
    assert!(fails(&[], &environment).contains("is open to others"));
    fs::remove_dir(&usual).expect("it is empty");

    let mut daemon = binary();
    let daemon = daemon.arg("serve").env("XDG_RUNTIME_DIR", runtime);
    let daemon = Process(daemon.spawn().expect("it starts"));
    let socket = usual.join("vouchd.sock");
    until("it answers", || answers(&socket));
    let mode = fs::metadata(&usual).expect("it is there").mode();
    assert_eq!(mode & 0o777, 0o700);
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(code(daemon), Some(0));
}

#[test]
fn one_service_has_a_socket() {
    let (_folder, socket) = place();
    let daemon = serve(&socket);
    // A code of its own: who starts services tells by it that one is there.
    let code = i32::from(vouch_protocol::EXIT_ALREADY_SERVED);
    let said = fails_with(code, &["--socket", socket.to_str().unwrap()], &[]);
    assert!(
        said.contains(&format!("process {} already serves", daemon.0.id())),
        "{said}"
    );
    assert!(said.contains("\nhelp: Use that one"), "{said}");
    assert!(said.contains("`vouch stop`"), "{said}");
    assert!(answers(&socket), "the first one goes on");
}

#[test]
fn a_dead_service_s_socket_is_replaced() {
    let (_folder, socket) = place();
    let mut daemon = serve(&socket);
    daemon.0.kill().expect("it lives");
    daemon.0.wait().expect("it ends");
    assert!(socket.exists() && !answers(&socket));
    let _daemon = serve(&socket);
    assert!(answers(&socket));
}

#[test]
fn what_is_alive_or_no_socket_is_never_replaced() {
    let (_folder, socket) = place();
    let arguments = ["--socket", socket.to_str().unwrap()];
    let stranger = UnixListener::bind(&socket).expect("it listens");
    assert!(fails(&arguments, &[]).contains("served by another program"));
    drop(stranger);
    fs::remove_file(&socket).expect("it is there");
    fs::write(&socket, b"precious").expect("it can be written");
    assert!(fails(&arguments, &[]).contains("not a socket"));
    let lock = socket.with_extension("sock.lock");
    fs::remove_file(&lock).expect("it is there");
    fs::hard_link(&socket, &lock).expect("it can be made");
    assert!(fails(&arguments, &[]).contains("not a lock of this service"));
    assert_eq!(fs::read(&socket).expect("it is there"), b"precious");
}

#[test]
fn a_successor_s_socket_is_left_alone() {
    let (_folder, socket) = place();
    let daemon = serve(&socket);
    fs::remove_file(&socket).expect("it is there");
    let successor = UnixListener::bind(&socket).expect("it listens");
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(code(daemon), Some(0));
    assert!(socket.exists());
    drop(successor);
}

#[test]
fn a_path_that_is_too_long_is_named() {
    let long = format!("/tmp/{}", "x".repeat(120));
    let said = fails(&["--socket", &long], &[]);
    assert!(said.contains("107"), "{said}");
}

#[test]
fn a_folder_that_is_missing_is_named() {
    let (folder, _) = place();
    let missing = folder.path().join("missing");
    let socket = missing.join("vouchd.sock");
    let said = fails(&["--socket", socket.to_str().unwrap()], &[]);
    let help = format!("\nhelp: Make the folder {} first", missing.display());
    assert!(said.contains(&help), "{said}");
}

#[test]
fn a_variable_that_is_empty_says_nothing() {
    let (folder, _) = place();
    let mut daemon = binary();
    let daemon = daemon
        .arg("serve")
        .env("XDG_RUNTIME_DIR", folder.path())
        .envs([
            ("VOUCHD_SOCKET", ""),
            ("VOUCHD_CONFIG", ""),
            ("VOUCHD_LOG", ""),
        ]);
    let daemon = Process(daemon.spawn().expect("it starts"));
    until("it answers", || {
        answers(&folder.path().join("vouchd/vouchd.sock"))
    });
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(code(daemon), Some(0));

    let said = fails_with(64, &["--socket", ""], &[]);
    assert!(
        said.contains("--socket"),
        "an empty argument is a mistake: {said}"
    );
}

#[test]
fn a_config_that_is_named_must_be_there_and_right() {
    let (folder, socket) = place();
    let arguments = ["--socket", socket.to_str().unwrap()];
    let config = folder.path().join("config.toml");
    let environment = [("VOUCHD_CONFIG", config.as_path())];
    assert!(fails(&arguments, &environment).contains("config.toml"));
    fs::write(&config, "[limits]\nnope = 1\n").expect("it can be written");
    let said = fails(&arguments, &environment);
    assert!(said.contains("config.toml:2:1: "), "{said}");
    assert!(said.contains("nope"), "{said}");
}

#[test]
fn a_client_can_stop_the_service() {
    let (_folder, socket) = place();
    let daemon = serve(&socket);
    let mut stream = connect(&socket).expect("it listens");
    let request = br#"{"jsonrpc":"2.0","id":1,"method":"server/stop"}"#;
    stream.write_all(request).expect("it reads");
    stream.write_all(b"\n").expect("it reads");
    let mut output = String::new();
    stream.read_to_string(&mut output).expect("it answers");
    assert_eq!(summary(&output), "1 ok");
    assert_eq!(code(daemon), Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_socket_that_is_passed_is_served() {
    let (_folder, socket) = place();
    let mut manager = Command::new("systemd-socket-activate");
    let manager = manager
        .arg("-l")
        .arg(&socket)
        .arg(env!("CARGO_BIN_EXE_vouchd"))
        .arg("serve")
        .stderr(Stdio::null());
    let daemon = Process(
        manager
            .spawn()
            .expect("systemd-socket-activate is installed"),
    );
    until("it answers", || answers(&socket));
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(code(daemon), Some(0));
    assert!(socket.exists(), "it is the manager's");
}

#[test]
fn curl_is_understood() {
    let (_folder, socket) = place();
    let _daemon = serve(&socket);
    let http = |request: &str| {
        let mut stream = connect(&socket).expect("it listens");
        // A refusal may come before all is read.
        let _ = stream.write_all(request.as_bytes());
        let mut output = String::new();
        BufReader::new(stream)
            .read_line(&mut output)
            .expect("it answers");
        output.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let post = |headers: &str, body: &str| {
        let length = body.len();
        http(&format!(
            "POST / HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        ))
    };
    let host = "Host: vouchd\r\n";
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"server/status"}"#;
    let note = r#"{"jsonrpc":"2.0","method":"initialized"}"#;
    assert_eq!(post(host, body), "200");
    assert_eq!(post("Host: localhost\r\n", body), "200");
    assert_eq!(post(host, &format!("[{body}]")), "200");
    assert_eq!(post(host, note), "204");
    assert_eq!(post(host, "nope"), "400");
    assert_eq!(post("Host: example.com\r\n", body), "403");
    let origin = format!("{host}Origin: http://vouchd\r\n");
    assert_eq!(post(&origin, body), "403");
    assert_eq!(http("GET / HTTP/1.1\r\nHost: vouchd\r\n\r\n"), "405");
    assert_eq!(post(host, &format!("{{{}}}", " ".repeat(1 << 20))), "413");
}

#[test]
fn a_service_in_the_background_is_the_one_that_serves() {
    let (_folder, socket) = place();
    let service = serve(&socket);
    let output = binary()
        .args(["serve", "--detach", "--socket"])
        .arg(&socket)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.trim(), service.0.id().to_string());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("already"), "{said}");
}

/// Files of `/proc` that show a process's memory belong to root where it is not to be dumped. A
/// process of root's shows no difference, so this one is nobody's.
#[test]
fn no_process_of_the_same_user_may_read_its_memory() {
    const NOBODY: u32 = 65534;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("vouchd");
    fs::copy(env!("CARGO_BIN_EXE_vouchd"), &program).expect("it is copied");
    for path in [folder.path(), &program] {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
    }
    let check = |dumpable: bool| {
        let socket = folder.path().join(format!("socket-{dumpable}"));
        let mut service = Command::new("setpriv");
        service
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&program)
            .args(["--log", "off", "serve", "--socket"])
            .arg(&socket)
            .env("HOME", folder.path())
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("VOUCHD_DUMPABLE");
        if dumpable {
            service.env("VOUCHD_DUMPABLE", "1");
        }
        let service = Process(service.spawn().expect("util-linux is installed"));
        until("it listens", || UnixStream::connect(&socket).is_ok());
        let memory = fs::metadata(format!("/proc/{}/mem", service.0.id())).expect("it runs");
        assert_eq!(memory.uid(), if dumpable { NOBODY } else { 0 });
    };
    check(true);
    check(false);
}
