//! `vouchd connect`: bytes between a client's standard streams and the service, which is started
//! where none runs.

use serde_json::{Value, json};
use std::{
    fs,
    io::{BufReader, Write},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout, Command, Stdio},
};
use vouch_testing::{
    daemon::Daemon,
    folder::Folder,
    process::{Process, binary, ended, until},
    wire::{Framing, hear, hear_or_end},
};

/// A joined client.
struct Joined {
    process: Process,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    stderr: PathBuf,
}

fn join(folder: &Folder, socket: &Path, name: &str) -> Joined {
    let stderr = folder.path(name);
    let mut command = binary();
    command
        .args(["connect", "--log", "error", "--log-file"])
        .arg(folder.path("log"))
        .env("VOUCHD_SOCKET", socket)
        .env("VOUCHD_CONFIG", folder.path("absent.toml"))
        .env("HOME", folder.root())
        .env("XDG_RUNTIME_DIR", folder.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(&stderr).expect("a file"));
    fs::write(folder.path("absent.toml"), "").expect("a config");
    let mut process = Process(command.spawn().expect("it starts"));
    let input = process.0.stdin.take();
    let output = BufReader::new(process.0.stdout.take().expect("it has one"));
    Joined {
        process,
        input,
        output,
        stderr,
    }
}

impl Joined {
    fn say(&mut self, text: &str) {
        let input = self.input.as_mut().expect("it is open");
        input.write_all(text.as_bytes()).expect("it is taken");
    }

    fn call(&mut self, framing: Framing, method: &str) -> Value {
        self.say(&framing.request(1, method, &json!({})));
        hear(&mut self.output, framing)
    }

    /// Its exit code, and what it said.
    fn ends(mut self) -> (Option<i32>, String) {
        let status = ended(&mut self.process.0);
        (
            status.code(),
            fs::read_to_string(&self.stderr).expect("a file"),
        )
    }
}

/// The service of a socket: it is gone when the test ends, however that ends.
struct Service(PathBuf);

impl Drop for Service {
    fn drop(&mut self) {
        let lock = format!("{}.lock", self.0.display());
        let process = fs::read_to_string(lock).unwrap_or_default();
        let said = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        // The number may be another's by now.
        if String::from_utf8_lossy(&said).contains(self.0.to_str().expect("it is text")) {
            let _ = Command::new("kill").args(["-9", &process]).status();
        }
    }
}

#[test]
fn a_service_is_started_once_and_shared() {
    let folder = Folder::new();
    let socket = folder.path("socket");
    let _service = Service(socket.clone());
    let mut both = ["one", "other"].map(|name| join(&folder, &socket, name));
    // Neither waits for the other, and each has the framing that it likes.
    let framings = [Framing::Lines, Framing::ContentLength];
    let processes: Vec<Value> = both
        .iter_mut()
        .zip(framings)
        .map(|(joined, framing)| {
            joined.call(framing, "server/status")["result"]["processId"].take()
        })
        .collect();
    assert!(processes[0].is_u64(), "{processes:?}");
    assert_eq!(processes[0], processes[1]);
    let [mut one, mut other] = both;
    // One ends its input, and has the answer to what it asked last all the same.
    one.say(&Framing::Lines.request(7, "server/status", &json!({})));
    one.input = None;
    assert_eq!(hear(&mut one.output, Framing::Lines)["id"], 7);
    assert_eq!(one.ends(), (Some(0), String::new()));
    // The other says goodbye as editors do, and keeps its input open.
    other.call(Framing::ContentLength, "shutdown");
    other.say(&Framing::ContentLength.frame(r#"{"jsonrpc":"2.0","method":"exit"}"#));
    assert_eq!(other.ends(), (Some(0), String::new()));
}

#[test]
fn a_service_that_goes_is_told_of() {
    let daemon = Daemon::start();
    let socket = daemon.socket();
    let mut joined = join(&daemon.folder, &socket, "one");
    let first = joined.call(Framing::Lines, "server/status");
    assert_eq!(first["result"]["processId"], daemon.process.id());
    let restarted = daemon.connect().call("server/restart", &json!({}));
    restarted.expect("it restarts");
    let (code, said) = joined.ends();
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("the service ended the connection"), "{said}");
    // Joining again leads to the one that serves now.
    let mut again = join(&daemon.folder, &socket, "again");
    let now = again.call(Framing::Lines, "server/status");
    assert_ne!(now["result"]["processId"], first["result"]["processId"]);
    again.input = None;
    assert_eq!(again.ends().0, Some(0));
}

#[test]
fn nothing_is_sent_where_no_service_can_be() {
    let folder = Folder::new();
    let check = |socket: &Path, expected: &str| {
        let joined = join(&folder, socket, "one");
        let (code, said) = joined.ends();
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(expected), "{said}");
    };
    let file = folder.write("file", b"");
    check(&file, "is not a socket");
    check(&file.join("socket"), "Not a directory");
    let long = folder.path(&"x".repeat(200));
    check(&long, "Name a shorter path");
}

/// Much passes in both directions while nobody reads, and all of it arrives.
#[test]
fn bytes_pass_as_they_are() {
    let folder = Folder::new();
    let socket = folder.path("socket");
    let listener = UnixListener::bind(&socket).expect("it listens");
    let mut joined = join(&folder, &socket, "one");
    let (mut service, _) = listener.accept().expect("it connects");
    let sent: Vec<u8> = (0..3 << 20)
        .map(|at: u32| at.to_le_bytes()[1] ^ 0xa5)
        .collect();
    let (there, back) = (sent.clone(), sent.clone());
    let mut input = joined.input.take().expect("it is open");
    let writing = std::thread::spawn(move || input.write_all(&there));
    let answering = std::thread::spawn(move || {
        service.write_all(&back).expect("it is taken");
        let mut got = Vec::new();
        std::io::Read::read_to_end(&mut service, &mut got).expect("it ends");
        got
    });
    let mut got = vec![0; sent.len()];
    std::io::Read::read_exact(&mut joined.output, &mut got).expect("it comes");
    writing.join().expect("it ends").expect("it is taken");
    assert!(answering.join().expect("it ends") == sent);
    assert!(got == sent);
    let nothing = hear_or_end(&mut joined.output, Framing::Lines).expect("it ends");
    assert_eq!(nothing, None);
    assert_eq!(joined.ends().0, Some(0));
}

/// It waits for the client and for the service with one thread each, and little memory.
#[test]
fn it_is_light() {
    let daemon = Daemon::start();
    let mut joined = join(&daemon.folder, &daemon.socket(), "one");
    joined.call(Framing::Lines, "server/status");
    let process = joined.process.id();
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it lives");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|it| it.parse::<u64>().ok())
            .expect("a number")
    };
    assert_eq!(field("Threads:"), 2, "{status}");
    // Of its own, not of the program's file.
    assert!(field("RssAnon:") < 4 << 10, "{status}");
    joined.input = None;
    until("it ends", || {
        joined
            .process
            .0
            .try_wait()
            .expect("it can be waited for")
            .is_some()
    });
}
