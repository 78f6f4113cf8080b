//! The built service as a process of its own, and plain conversations with it.

#![allow(dead_code, missing_docs, unreachable_pub)]

use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

pub struct Daemon {
    process: Child,
    folder: tempfile::TempDir,
}

impl Daemon {
    pub fn start() -> Self {
        Self::configured("", &[])
    }

    /// With a config and further variables of the environment.
    pub fn configured(config: &str, environment: &[(&str, &Path)]) -> Self {
        Self::run(config, environment, "error", |_| Stdio::inherit())
    }

    /// The same, with all that it can log in a log file of its own: see [`Self::log`].
    pub fn logging_all(config: &str, environment: &[(&str, &Path)]) -> Self {
        let config = format!("{config}\n[log]\nfile = 'LOG'\nlevel = 'trace'\nsize = 1073741824\n");
        Self::run(&config, environment, "", |folder| {
            fs::File::create(folder.join("stderr"))
                .expect("a file")
                .into()
        })
    }

    /// What it has logged, if it logs to a file, and what it has said beside that.
    pub fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.path().join(name)).expect("it is there");
        read("log") + &read("stderr")
    }

    /// With so many file handles, and no way to have more.
    pub fn limited(handles: u32) -> Self {
        let mut prlimit = Command::new("prlimit");
        prlimit
            .arg(format!("--nofile={handles}:{handles}"))
            .arg(env!("CARGO_BIN_EXE_vouchd"));
        Self::run_by(prlimit, "", &[], "error", |_| Stdio::inherit())
    }

    /// One that takes seconds to give a file its name. The tracer is no parent of the service, and
    /// ends with it.
    pub fn naming_slowly() -> Self {
        const NAMING: &str = "/^(linkat|renameat2?)$";
        let mut strace = Command::new("strace");
        strace
            .args(["-D", "-f", "-qq", "-o", "/dev/null", "-e"])
            .arg(format!("trace={NAMING}"))
            .arg("-e")
            .arg(format!("inject={NAMING}:delay_enter=3000000"))
            .arg(env!("CARGO_BIN_EXE_vouchd"));
        Self::run_by(strace, "", &[], "error", |_| Stdio::inherit())
    }

    fn run(
        config: &str,
        environment: &[(&str, &Path)],
        level: &str,
        log: impl Fn(&Path) -> Stdio,
    ) -> Self {
        let command = Command::new(env!("CARGO_BIN_EXE_vouchd"));
        Self::run_by(command, config, environment, level, log)
    }

    fn run_by(
        mut command: Command,
        config: &str,
        environment: &[(&str, &Path)],
        level: &str,
        log: impl Fn(&Path) -> Stdio,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("config.toml");
        let log_file = folder.path().join("log").display().to_string();
        fs::write(&file, config.replace("LOG", &log_file)).expect("a config file");
        if !level.is_empty() {
            command.args(["--log", level]);
        }
        command
            .args(["serve", "--socket"])
            .arg(folder.path().join("socket"))
            .env("VOUCHD_CONFIG", file)
            // Nobody's logins: what a test needs, it says.
            .env("DOCKER_CONFIG", folder.path())
            .env("HOME", folder.path())
            .env_remove("REGISTRY_AUTH_FILE")
            .env_remove("VOUCHD_LOG")
            .env_remove("VOUCHD_LOG_FILE")
            .env_remove("XDG_CONFIG_HOME")
            .env("XDG_RUNTIME_DIR", folder.path())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(log(folder.path()));
        let daemon = Self {
            process: command.spawn().expect("the service starts"),
            folder,
        };
        daemon.connect();
        daemon
    }

    /// Gives it another config, by SIGHUP, and answers what it logged about that. It has to log to
    /// a file.
    pub fn reconfigure(&self, config: &str) -> String {
        fs::write(self.config(), config).expect("a config file");
        self.hang_up()
    }

    /// Its config file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// Sends SIGHUP, and answers what it logged about its config.
    pub fn hang_up(&self) -> String {
        // From its first answer on it listens to signals.
        let answered = self.connect().call("server/status", &json!({}));
        answered.expect("it answers");
        let before = self.log().len();
        let process = i32::try_from(self.process_id()).expect("it is one");
        let process = rustix::process::Pid::from_raw(process).expect("it is one");
        rustix::process::kill_process(process, rustix::process::Signal::HUP).expect("it runs");
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let said = self.log().split_off(before);
            let done = ["the config was read again", "the config stays as it was"];
            if done.iter().any(|done| said.contains(done)) {
                return said;
            }
            assert!(Instant::now() < deadline, "it does not read its config");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it answers.
    pub fn connect(&self) -> Conversation {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match UnixStream::connect(self.socket()) {
                Ok(stream) => return Conversation::over(stream),
                Err(error) if Instant::now() > deadline => panic!("it does not listen: {error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Kills it, as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ended");
    }

    /// Asks it to stop, as a service manager does, and answers how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        let process = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("it runs");
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.process.try_wait().expect("it can be waited for") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not stop");
            std::thread::sleep(Duration::from_millis(5));
        }
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
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub struct Conversation {
    reader: BufReader<UnixStream>,
    last_id: u64,
}

impl Conversation {
    fn over(stream: UnixStream) -> Self {
        let limit = Some(Duration::from_secs(120));
        stream.set_read_timeout(limit).expect("it takes a limit");
        Self {
            reader: BufReader::new(stream),
            last_id: 0,
        }
    }

    /// Sends a request, and does not wait.
    pub fn send(&mut self, method: &str, params: &Value) {
        self.last_id += 1;
        let request =
            json!({"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params});
        let line = format!("{request}\n");
        self.reader
            .get_mut()
            .write_all(line.as_bytes())
            .expect("it listens");
    }

    /// The next answer, whole.
    pub fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("it answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    pub fn call(&mut self, method: &str, params: &Value) -> Result<Value, Value> {
        self.send(method, params);
        let mut answer = self.answer();
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(answer["error"].take()),
        }
    }
}

pub fn push(client: &mut Conversation, path: &Path, reference: &str) -> Result<Value, Value> {
    client.call("push", &json!({"path": path, "reference": reference}))
}

pub fn pull(client: &mut Conversation, to: &Path, reference: &str) -> Result<Value, Value> {
    let params = json!({"reference": reference, "destination": to, "overwrite": true});
    client.call("pull", &params)
}

pub fn kind(error: &Value) -> &str {
    error["data"]["kind"].as_str().expect("an error has a kind")
}
