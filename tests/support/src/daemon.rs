//! The built service as a process of its own, with a folder and a config of its own.

use crate::{
    folder::Folder,
    process::{binary, ended, program, until, without_environment},
    wire::{Framing, Wire},
};
use rustix::{
    fs::{FlockOperation, flock},
    process::{Pid, Signal, kill_process},
};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

/// A service at a socket of its own, whichever process it is by now. It ends with the test.
pub struct Daemon {
    /// The process that began it.
    pub process: Child,
    pub folder: Folder,
    /// How often its log was read; nothing where it does not log everything.
    marks: Option<AtomicUsize>,
}

impl Daemon {
    /// With the defaults; it logs errors alone.
    pub fn start() -> Self {
        Self::configured("", &[])
    }

    /// With a config and further variables of the environment.
    pub fn configured(config: &str, environment: &[(&str, &Path)]) -> Self {
        Self::with(|folder, command| {
            fs::write(folder.join("config.toml"), config).expect("a config file");
            command
                .args(["--log", "error"])
                .envs(environment.iter().copied());
        })
    }

    /// The same, with all that it can log in a log file of its own: see [`Self::log`].
    pub fn logging_all(config: &str, environment: &[(&str, &Path)]) -> Self {
        let mut daemon = Self::with(|folder, command| {
            let log = folder.join("log").display().to_string();
            let log = format!("[log]\nfile = '{log}'\nlevel = 'trace'\nsize = 1073741824\n");
            fs::write(folder.join("config.toml"), format!("{config}\n{log}"))
                .expect("a config file");
            command.envs(environment.iter().copied());
        });
        daemon.marks = Some(AtomicUsize::new(0));
        daemon
    }

    /// With that many file handles, and no way to have more.
    pub fn limited(handles: u32) -> Self {
        let mut prlimit = Command::new("prlimit");
        prlimit.arg(format!("--nofile={handles}:{handles}"));
        Self::run_by(prlimit)
    }

    /// One that takes that many seconds to give a file its name. The tracer is not the service's parent, and
    /// ends with it.
    pub fn naming_slowly(seconds: u32) -> Self {
        const NAMING: &str = "/^(linkat|renameat2?)$";
        let mut strace = Command::new("strace");
        strace
            .args(["-D", "-f", "-qq", "-o", "/dev/null", "-e"])
            .arg(format!("trace={NAMING}"))
            .arg("-e")
            .arg(format!("inject={NAMING}:delay_enter={seconds}s"));
        Self::run_by(strace)
    }

    /// Run by another program, which takes its place.
    fn run_by(mut other: Command) -> Self {
        other.arg(program("vouchd"));
        without_environment(&mut other);
        Self::of(other, |_, command| {
            command.args(["--log", "error"]);
        })
    }

    /// With what is put into its folder, and further arguments and variables.
    pub fn with(prepare: impl FnOnce(&Path, &mut Command)) -> Self {
        Self::of(binary(), prepare)
    }

    /// The same, of a program in place of the built one.
    pub fn of(command: Command, prepare: impl FnOnce(&Path, &mut Command)) -> Self {
        let daemon = Self::launch(command, prepare);
        until("the service listens", || {
            UnixStream::connect(daemon.socket()).is_ok()
        });
        // Signals find it prepared only when it answers.
        let answered = daemon.connect().call("server/status", &json!({}));
        answered.expect("it answers");
        daemon
    }

    /// The same, without waiting for it. What it says goes into its folder: see [`Self::log`].
    pub fn launch(mut command: Command, prepare: impl FnOnce(&Path, &mut Command)) -> Self {
        let folder = Folder::new();
        let config = folder.write("config.toml", b"");
        let stderr = fs::File::create(folder.path("stderr")).expect("a file");
        command
            .args(["serve", "--socket"])
            .arg(folder.path("socket"))
            .env("VOUCHD_CONFIG", config)
            .env("DOCKER_CONFIG", folder.root())
            .env("HOME", folder.root())
            .env("XDG_RUNTIME_DIR", folder.root())
            .current_dir(folder.root())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr);
        prepare(folder.root(), &mut command);
        Self {
            process: command.spawn().expect("the service starts"),
            folder,
            marks: None,
        }
    }

    /// Gives it another config, by SIGHUP, and answers what it logged about that.
    pub fn reconfigure(&self, config: &str) -> String {
        fs::write(self.config(), config).expect("a config file");
        self.hang_up()
    }

    /// Its config file.
    pub fn config(&self) -> PathBuf {
        self.path("config.toml")
    }

    /// Sends SIGHUP, and answers what it logged about its config.
    pub fn hang_up(&self) -> String {
        let before = self.logged().len();
        kill_process(Pid::from_child(&self.process), Signal::HUP).expect("it runs");
        let mut said = String::new();
        until("it has read its config", || {
            said = self.logged().split_off(before);
            let done = ["the config was read again", "the config stays as it was"];
            done.iter().any(|done| said.contains(done))
        });
        said
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    /// What is in a file of its folder; nothing where there is none.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// What it has logged, to a file or not, and what it has said beside that. It writes its log
    /// after it has answered: where it logs everything, a last request shows when all is there.
    pub fn log(&self) -> String {
        let serves = || UnixStream::connect(self.socket()).is_ok();
        if let Some(marks) = self.marks.as_ref().filter(|_| serves()) {
            let mark = format!("/absent/mark-{}", marks.fetch_add(1, Ordering::Relaxed));
            // A push is logged at every level.
            let absent = push(&mut self.connect(), Path::new(&mark), "r.example/mark:1");
            absent.expect_err("there is no such file");
            until("its log is written", || self.read("log").contains(&mark));
        }
        self.logged()
    }

    fn logged(&self) -> String {
        self.read("log") + &self.read("stderr")
    }

    pub fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    pub fn connect(&self) -> Wire {
        Wire::connect(&self.socket(), Framing::Lines)
    }

    pub fn status(&self) -> Value {
        let status = self.connect().call("server/status", &json!({}));
        status.expect("it answers")
    }

    /// Replaces it by a new process, whose number it answers.
    pub fn restart(&self) -> i32 {
        let new = self.connect().call("server/restart", &json!({})).unwrap();
        assert_eq!(new["version"], env!("CARGO_PKG_VERSION"));
        new["processId"].as_i64().unwrap().try_into().unwrap()
    }

    /// Whether some process has the lock.
    pub fn is_locked(&self) -> bool {
        let lock = fs::File::open(self.path("socket.lock"));
        lock.is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err())
    }

    /// The process whose number stands in the lock.
    pub fn lock_names(&self) -> String {
        self.read("socket.lock")
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ended");
    }

    /// Asks it to stop, as a service manager does, and answers how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.process), Signal::TERM).expect("it runs");
        ended(&mut self.process)
    }

    /// How many file handles it has.
    pub fn handles(&self) -> usize {
        let path = format!("/proc/{}/fd", self.process_id());
        fs::read_dir(path).expect("it runs").count()
    }

    /// A number from `/proc`: `Threads`, or kilobytes: `VmRSS`, `VmHWM`.
    pub fn memory(&self, name: &str) -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.process_id())).expect("it runs");
        status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .expect("the kernel tells")
    }

    /// Starts the measuring of the highest memory anew.
    pub fn forget_highest_memory(&self) {
        let path = format!("/proc/{}/clear_refs", self.process_id());
        fs::write(path, "5").expect("it is ours");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the service said:\n{}", self.read("stderr"));
        }
        // It may have ended, and another process may have taken over: that one writes its number
        // into the lock a moment after it has it.
        let _ = self.process.kill();
        let _ = self.process.wait();
        for _ in 0..2000 {
            if !self.is_locked() {
                break;
            }
            if let Some(process) = self.lock_names().parse().ok().and_then(Pid::from_raw) {
                let _ = kill_process(process, Signal::KILL);
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

pub fn push(client: &mut Wire, path: &Path, reference: &str) -> Result<Value, Value> {
    client.call("push", &json!({"path": path, "reference": reference}))
}

pub fn pull(client: &mut Wire, to: &Path, reference: &str) -> Result<Value, Value> {
    let params = json!({"reference": reference, "destination": to, "overwrite": true});
    client.call("pull", &params)
}

pub fn kind(error: &Value) -> &str {
    error["data"]["kind"].as_str().expect("an error has a kind")
}
