//! The binary's log, and its end on stdio.

use crate::over::summary;
use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    process::Stdio,
    thread,
};
use vouch_testing::process::{PATIENCE, Process, binary, ended, until, within};

/// A service on stdio, with what follows on its command line.
fn on_stdio(arguments: &[&str]) -> Process {
    let mut service = binary();
    let service = service
        .arg("--stdio")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Process(service.spawn().expect("it starts"))
}

#[test]
fn a_crash_leaves_no_file_of_the_memory() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Core);
    limit.current = limit.maximum;
    setrlimit(Resource::Core, limit).expect("it may be as high as that");
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("socket");
    let mut serving = binary();
    serving.args(["serve", "--socket"]).arg(&socket);
    let serving = Process(serving.stderr(Stdio::null()).spawn().expect("it starts"));
    until("it listens", || UnixStream::connect(&socket).is_ok());
    let mut stdio = on_stdio(&[]);
    let request = br#"{"jsonrpc":"2.0","id":1,"method":"server/status"}"#;
    let mut stdin = stdio.0.stdin.take().expect("it has one");
    stdin.write_all(request).expect("it reads");
    stdin.write_all(b"\n").expect("it reads");
    let mut answer = BufReader::new(stdio.0.stdout.take().expect("it has one"));
    answer.read_line(&mut String::new()).expect("it answers");
    for process in [&serving, &stdio] {
        let path = format!("/proc/{}/limits", process.0.id());
        let limits = std::fs::read_to_string(path).expect("it lives");
        let core = limits.lines().find(|line| line.contains("core file"));
        let soft = core.and_then(|line| line.split_whitespace().nth(4));
        assert_eq!(soft, Some("0"), "{limits}");
    }
}

/// glibc's allocator reads its settings before `main`, from the environment.
#[test]
fn the_allocator_is_told_to_give_memory_back() {
    let check = |set: &[(&str, &str)], expected: [&str; 2], why: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("socket");
        let mut serving = binary();
        serving.args(["serve", "--socket"]).arg(&socket);
        serving.envs(set.iter().copied()).stderr(Stdio::null());
        let serving = Process(serving.spawn().expect("it starts"));
        until("it listens", || UnixStream::connect(&socket).is_ok());
        let process = format!("/proc/{}", serving.0.id());
        let environment = std::fs::read(format!("{process}/environ")).expect("it lives");
        let environment = String::from_utf8_lossy(&environment);
        let settings = environment
            .split('\0')
            .filter(|it| it.starts_with("MALLOC_"));
        let mut settings: Vec<_> = settings.collect();
        settings.sort_unstable();
        assert_eq!(settings, expected, "{why}");
        let arguments = std::fs::read_to_string(format!("{process}/cmdline")).expect("it lives");
        assert!(arguments.ends_with("socket\0"), "{why}: {arguments:?}");
    };
    let (arenas, threshold) = ("MALLOC_ARENA_MAX=2", "MALLOC_MMAP_THRESHOLD_=65536");
    check(&[], [arenas, threshold], "nothing is set");
    let own = [("MALLOC_ARENA_MAX", "7")];
    check(&own, ["MALLOC_ARENA_MAX=7", threshold], "the owner's stays");
}

#[test]
fn exit_codes_on_stdio() {
    let shutdown = r#"{"jsonrpc":"2.0","id":1,"method":"shutdown"}"#;
    let exit = r#"{"jsonrpc":"2.0","method":"exit"}"#;
    let check = |input: &str, expected: i32, why: &str| {
        let mut process = binary()
            .arg("--stdio")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut stdin = process.stdin.take().expect("it has one");
        stdin.write_all(input.as_bytes()).expect("it reads");
        if !input.contains("exit") {
            drop(stdin);
        }
        let code = ended(&mut process).code();
        assert_eq!(code, Some(expected), "{why}");
    };
    check("", 0, "nothing is said");
    check(shutdown, 0, "the input ends");
    check(&format!("{exit}\n"), 1, "exit without shutdown");
    check(&format!("{shutdown}\n{exit}\n"), 0, "in order");
}

#[test]
fn a_client_process_that_ends_takes_its_service_with_it() {
    let mut client = std::process::Command::new("sleep");
    let mut client = Process(client.arg("600").spawn().expect("it starts"));
    let mut service = on_stdio(&[]);
    let mut stdin = service.0.stdin.take().expect("it has one");
    let stdout = service.0.stdout.take().expect("it has one");
    let id = client.0.id();
    writeln!(
        stdin,
        r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"processId":{id}}}}}"#
    )
    .expect("it reads");
    let line = within(move || {
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it answers");
        line
    });
    assert_eq!(summary(&line), "1 ok");
    // At once: it was seen alive before the answer.
    client.0.kill().expect("it lives");
    client.0.wait().expect("it ends");
    assert_eq!(ended(&mut service.0).code(), Some(0));
    drop(stdin);
}

#[test]
fn a_client_process_that_cannot_be_seen_takes_nothing_with_it() {
    let mut gone = std::process::Command::new("true")
        .spawn()
        .expect("it starts");
    gone.wait().expect("it ends");
    let mut service = on_stdio(&[]);
    let mut stdin = service.0.stdin.take().expect("it has one");
    let id = gone.id();
    writeln!(
        stdin,
        r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"processId":{id}}}}}"#
    )
    .expect("it reads");
    // As long as others need that look for their clients' processes, and end.
    for _ in 0..2 {
        a_client_process_that_ends_takes_its_service_with_it();
    }
    assert!(service.0.try_wait().expect("it can be asked").is_none());
}

#[test]
fn a_log_that_nobody_reads_holds_up_nothing() {
    const REQUESTS: usize = 5000;
    let mut service = on_stdio(&["--log", "debug"]);
    let mut stdin = service.0.stdin.take().expect("it has one");
    let stdout = service.0.stdout.take().expect("it has one");
    let mut stderr = service.0.stderr.take().expect("it has one");
    thread::spawn(move || {
        for id in 0..REQUESTS {
            let request = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"server/status"}}"#);
            writeln!(stdin, "{request}").expect("it reads");
        }
    });
    let answers = within(move || BufReader::new(stdout).lines().take(REQUESTS).count());
    assert_eq!(answers, REQUESTS);
    let log = within(move || {
        let mut log = String::new();
        stderr.read_to_string(&mut log).expect("it is text");
        log
    });
    assert!(log.contains("dropped"), "what is missing is counted");
    assert_eq!(ended(&mut service.0).code(), Some(0));
}

#[test]
fn a_level_that_does_not_exist_is_an_error() {
    let check = |filter: &str| {
        let mut service = on_stdio(&["--log", filter]);
        assert_eq!(ended(&mut service.0).code(), Some(64), "{filter}");
        let mut said = String::new();
        let mut stderr = service.0.stderr.take().expect("it has one");
        stderr.read_to_string(&mut said).expect("it is text");
        assert!(said.contains(&format!("{filter:?}")), "{said}");
        assert!(
            said.contains("\nhelp: Use error, warn, info, debug"),
            "{said}"
        );
    };
    check("bogus");
    check("info,bogus");
    check("vouchd=bogus");
}

#[test]
fn a_log_shows_the_artifact_and_nothing_else_that_is_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("vouchd.sock");
    let daemon = binary()
        .args(["--log", "trace", "serve", "--socket"])
        .arg(&socket)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut daemon = Process(daemon);
    until("it listens", || UnixStream::connect(&socket).is_ok());
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"push","params":{"path":"/absent.wasm","reference":"127.0.0.1:9/acme/echo:1","annotations":{"open":"sesame"}}}"#;
    let length = body.len();
    let http = format!(
        "POST / HTTP/1.1\r\nHost: vouchd\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    for request in [format!("{body}\n"), http] {
        let mut stream = UnixStream::connect(&socket).expect("it listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("it can be set");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut line = String::new();
        BufReader::new(stream)
            .read_line(&mut line)
            .expect("it answers");
    }
    daemon.signal(rustix::process::Signal::TERM);
    ended(&mut daemon.0);
    let mut log = String::new();
    let mut stderr = daemon.0.stderr.take().expect("it has one");
    stderr.read_to_string(&mut log).expect("it is text");
    assert!(log.contains("fileNotFound"), "requests are logged: {log}");
    for named in ["/absent.wasm", "127.0.0.1:9/acme/echo:1"] {
        assert!(log.contains(named), "{named} is named: {log}");
    }
    assert!(!log.contains("sesame"), "what they ask for is not: {log}");
    for dependency in ["jsonrpsee", "hyper", "tokio", "mio", "tower"] {
        assert!(!log.contains(&format!(" {dependency}")), "{log}");
    }
}
