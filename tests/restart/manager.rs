//! Service managers: what they are told, what they pass, and what they must not lose sight of. And
//! the conversation between the two processes, with this test as the old one.

use super::*;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::{
    io::IoSlice,
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::{UnixDatagram, UnixListener},
    },
};

#[test]
fn a_manager_hears_who_serves() {
    let manager = tempfile::tempdir().unwrap();
    let place = manager.path().join("notify");
    let socket = UnixDatagram::bind(&place).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = || {
        let mut text = [0; 1000];
        let length = socket.recv(&mut text).expect("it says so");
        String::from_utf8_lossy(&text[..length]).into_owned()
    };
    let mut running = Daemon::with(|_, command| {
        command.env("NOTIFY_SOCKET", &place);
    });
    let ready = format!("READY=1\nSTATUS=Serving {}", running.socket().display());
    assert_eq!(hear(), ready);
    let new = running.restart();
    assert_eq!(hear(), format!("MAINPID={new}"));
    assert_eq!(hear(), ready);
    assert_eq!(ended(&mut running.process).code(), Some(0));
    let new = Pid::from_raw(new).unwrap();
    for config in ["", "bogus = 1"] {
        fs::write(running.path("config.toml"), config).unwrap();
        kill_process(new, Signal::HUP).unwrap();
        let reloading = hear();
        let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        assert!(
            since.is_some_and(|since| since.parse::<u64>().is_ok()),
            "{reloading}"
        );
        assert_eq!(hear(), "READY=1");
    }
    running.connect().call("server/stop", &json!({})).unwrap();
    assert!(hear().starts_with("STOPPING=1\n"));
}

#[test]
fn a_manager_that_waits_for_this_process_keeps_it() {
    let mut command = Command::new("sh");
    let run = "SYSTEMD_EXEC_PID=$$ exec \"$0\" \"$@\"";
    command.args(["-c", run, env!("CARGO_BIN_EXE_vouchd")]);
    let running = Daemon::of(command, |_, _| {});
    let old = process(&running);
    let said = cannot_restart(&running);
    assert!(said.contains("Type=notify"), "{said}");
    assert_eq!(process(&running), old);
}

#[test]
fn a_socket_that_was_passed_is_handed_on() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("passed");
    let listener = UnixListener::bind(&socket).unwrap();
    let run = "exec 3<&0; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" serve --idle-timeout 1h";
    let mut first = Command::new("sh")
        .args(["-c", run, env!("CARGO_BIN_EXE_vouchd")])
        .env("XDG_CONFIG_HOME", folder.path())
        .stdin(OwnedFd::from(listener.try_clone().unwrap()))
        .spawn()
        .unwrap();
    let connect = || Wire::connect(&socket, Framing::Lines);
    let new = connect().call("server/restart", &json!({})).unwrap();
    assert_eq!(ended(&mut first).code(), Some(0));
    let status = connect().call("server/status", &json!({})).unwrap();
    assert_eq!(status["processId"], new["processId"]);
    assert_eq!(status["socket"], socket.display().to_string());
    connect().call("server/stop", &json!({})).unwrap();
    let new: i32 = new["processId"].as_i64().unwrap().try_into().unwrap();
    until("it is gone", || !lives(new));
    // It is the manager's, who can start another.
    assert!(socket.exists());
    drop(UnixStream::connect(&socket).expect("it waits for another service"));
}

/// A process that takes over from this test.
struct New {
    process: Child,
    stream: UnixStream,
    folder: tempfile::TempDir,
}

impl Drop for New {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl New {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (stream, theirs) = UnixStream::pair().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let process = binary()
            .args(["--log", "off", "serve", "--take-over"])
            .env("XDG_CONFIG_HOME", folder.path())
            .stdin(OwnedFd::from(theirs))
            .spawn()
            .unwrap();
        let mut new = Self {
            process,
            stream,
            folder,
        };
        let hello = new.read();
        assert_eq!(hello["hello"]["processId"], new.process.id());
        new
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn read(&mut self) -> Value {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).unwrap();
        let mut text = vec![0; u32::from_be_bytes(head) as usize];
        self.stream.read_exact(&mut text).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn say(&mut self, message: &Value) {
        let text = message.to_string();
        let head = u32::try_from(text.len()).unwrap().to_be_bytes();
        let message = [&head[..], text.as_bytes()].concat();
        self.stream.write_all(&message).unwrap();
    }

    /// Hands a listening socket over. There is more in it than this version knows.
    fn hand_over(&mut self) {
        let listener = UnixListener::bind(self.socket()).unwrap();
        let stderr = std::io::stderr();
        let handles = [listener.as_fd(), stderr.as_fd()];
        let text = json!({"take": {"logins": [], "weather": "fine"}}).to_string();
        let head = u32::try_from(text.len()).unwrap().to_be_bytes();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&handles)));
        let slices = [IoSlice::new(&head)];
        sendmsg(&self.stream, &slices, &mut control, SendFlags::empty()).unwrap();
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    fn serves(&self) -> bool {
        let mut client = Wire::connect(&self.socket(), Framing::Lines);
        let status = client.call("server/status", &json!({}));
        status.unwrap()["processId"] == self.process.id()
    }

    fn code(&mut self) -> Option<i32> {
        ended(&mut self.process).code()
    }
}

#[test]
fn an_old_process_that_dies_in_the_middle() {
    // Before it has handed anything over: there is nothing to serve.
    let mut new = New::start();
    new.stream.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(new.code(), Some(1));
    // In the middle of a message.
    let mut new = New::start();
    new.stream.write_all(&[0, 0]).unwrap();
    new.stream.shutdown(std::net::Shutdown::Both).unwrap();
    assert_eq!(new.code(), Some(1));
    // When all that it had is handed over: somebody has to serve.
    let mut new = New::start();
    new.hand_over();
    assert_eq!(new.read(), "ready");
    new.stream.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(new.serves());
}

#[test]
fn an_old_process_that_says_something_else() {
    let check = |message: &Value| {
        let mut new = New::start();
        new.say(message);
        assert_eq!(new.code(), Some(1), "{message}");
    };
    check(&json!("go"));
    check(&json!({"take": {"logins": []}}));
    check(&json!({"weather": "fine"}));
    check(&json!(7));
    let mut new = New::start();
    new.stream.write_all(&[0xff; 4]).unwrap();
    assert_eq!(new.code(), Some(1));
    let mut new = New::start();
    new.hand_over();
    assert_eq!(new.read(), "ready");
    new.say(&json!({"logins": []}));
    assert_eq!(new.code(), Some(1));
}

#[test]
fn standard_input_that_is_no_old_process() {
    let mut process = binary()
        .args(["serve", "--take-over"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(ended(&mut process).code(), Some(1));
    let mut said = String::new();
    let mut stderr = process.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert!(said.contains("vouch restart"), "{said}");
}
