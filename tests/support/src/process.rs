//! The built programs, processes that end with their test, and waiting for what happens elsewhere.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// So long a test waits for what must come. Only a test that fails waits as long as that.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A built program of the workspace. Cargo tells tests where their own package's programs are, and
/// no others'; all lie in the same folder.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test is a program");
    // target/PROFILE/deps/TEST
    let profile = test.ancestors().nth(2).expect("it lies in `deps`");
    let program = profile.join(name);
    assert!(program.exists(), "run `cargo build --workspace` first");
    program
}

/// The service's binary, without what the environment says to it, and silent.
pub fn binary() -> Command {
    let mut command = Command::new(program("vouchd"));
    without_environment(&mut command);
    command.stderr(Stdio::null());
    command
}

/// Nobody's config and logins: what a test needs, it says.
pub fn without_environment(command: &mut Command) {
    for name in [
        "VOUCHD_CONFIG",
        "VOUCHD_LOG",
        "VOUCHD_LOG_FILE",
        "VOUCHD_SOCKET",
        "HOME",
        "REGISTRY_AUTH_FILE",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
    ] {
        command.env_remove(name);
    }
    // Tests look at its files in /proc, which it hides from other processes otherwise.
    command.env("VOUCHD_DUMPABLE", "1");
}

/// Runs a command that has to succeed, and answers its output.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A process, killed at the latest when the test ends.
pub struct Process(pub Child);

impl Process {
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("it lives");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that is nobody's child, killed at the latest when the test ends.
pub struct Detached(pub Pid);

impl Detached {
    /// The process that an answer names.
    pub fn named(answer: &Value) -> Self {
        let process = answer["processId"].as_i64().expect("it is named");
        let process = process.try_into().ok().and_then(Pid::from_raw);
        Self(process.expect("it is one"))
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        // It may have ended.
        let _ = kill_process(self.0, Signal::KILL);
    }
}

/// Whether a process is there; one that has ended and waits for its parent is not.
pub fn lives(process: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat"));
    status.is_ok_and(|status| !status.contains(") Z "))
}

/// How a process ended that is about to.
#[track_caller]
pub fn ended(process: &mut Child) -> ExitStatus {
    let mut status = None;
    until("the process ends", || {
        status = process.try_wait().expect("it can be waited for");
        status.is_some()
    });
    status.expect("it has ended")
}

/// What that comes to, or a failure where it takes too long.
#[track_caller]
pub fn within<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, came) = mpsc::channel();
    thread::spawn(move || done.send(work()));
    came.recv_timeout(PATIENCE)
        .expect("it takes too long, or panicked")
}

/// Waits until it is so.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it takes too long until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
