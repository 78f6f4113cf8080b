//! A library's driver, as a process: see the top of `tests/libraries.rs`.

use serde_json::{Value, json};
use std::{
    collections::HashSet,
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, channel},
    },
};
use vouch_testing::{
    folder::Folder,
    process::{PATIENCE, Process, without_environment},
};

/// A library for programs.
#[derive(Clone, Copy)]
pub struct Library {
    pub name: &'static str,
    /// Installs and builds what the driver needs; it is called once.
    pub prepare: fn(),
    /// How its driver is run.
    pub command: fn() -> Command,
}

static PREPARED: Mutex<Option<HashSet<&str>>> = Mutex::new(None);

impl Library {
    /// Waits until its driver can be run.
    pub fn prepared(&self) {
        let mut prepared = PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
        let prepared = prepared.get_or_insert_default();
        if !prepared.contains(self.name) {
            (self.prepare)();
            prepared.insert(self.name);
        }
    }

    pub fn driver(&self) -> Driver {
        self.driver_with(|_, _| ())
    }

    /// A driver that is connected to this socket.
    pub fn connected(&self, socket: &Path) -> Driver {
        let mut driver = self.driver();
        driver.ok(json!({"do": "connect", "socket": socket}));
        driver
    }

    /// A driver with a folder that something was put into, and further variables.
    pub fn driver_with(&self, prepare: impl FnOnce(&Folder, &mut Command)) -> Driver {
        let folder = Folder::new();
        let mut command = (self.command)();
        without_environment(&mut command);
        for name in ["SSH_AUTH_SOCK", "VOUCH_KEY_FILE", "VOUCHD"] {
            command.env_remove(name);
        }
        let stderr = fs::File::create(folder.path("stderr")).unwrap();
        command
            .env("HOME", folder.root())
            .env("XDG_RUNTIME_DIR", folder.root())
            .env("DOCKER_CONFIG", folder.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr);
        prepare(&folder, &mut command);
        let mut process = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Driver {
            input: process.stdin.take().unwrap(),
            _process: Process(process),
            answers,
            folder,
        }
    }
}

/// A running driver, ended with its scenario.
pub struct Driver {
    input: ChildStdin,
    _process: Process,
    answers: Receiver<String>,
    pub folder: Folder,
}

impl Driver {
    /// What it answers to a step: an object with `ok` or `error`.
    #[track_caller]
    pub fn answer(&mut self, step: Value) -> Value {
        writeln!(self.input, "{step}").expect("the driver reads");
        let answer = self.answers.recv_timeout(PATIENCE);
        let answer = answer.unwrap_or_else(|error| panic!("no answer to {step}: {error}"));
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{step}: {answer}: {error}"))
    }

    /// The same for one that has to succeed.
    #[track_caller]
    pub fn ok(&mut self, step: Value) -> Value {
        let mut answer = self.answer(step.clone());
        match answer.get_mut("ok") {
            Some(ok) => ok.take(),
            None => panic!("{step}: {answer}"),
        }
    }

    /// The same for one that has to fail.
    #[track_caller]
    pub fn error(&mut self, step: Value) -> Value {
        let mut answer = self.answer(step.clone());
        match answer.get_mut("error") {
            Some(error) => error.take(),
            None => panic!("{step}: {answer}"),
        }
    }

    #[track_caller]
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.ok(json!({"do": "call", "method": method, "params": params}))
    }

    /// The error of a call, which the service answered.
    #[track_caller]
    pub fn refused(&mut self, method: &str, params: Value) -> Value {
        let error = self.error(json!({"do": "call", "method": method, "params": params}));
        assert_eq!(error["is"], "server", "{method} {params}: {error}");
        error
    }

    #[track_caller]
    pub fn begin(&mut self, name: &str, method: &str, params: Value) {
        self.ok(json!({"do": "begin", "as": name, "method": method, "params": params}));
    }

    #[track_caller]
    pub fn end(&mut self, name: &str) -> Value {
        self.answer(json!({"do": "end", "as": name}))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = fs::read_to_string(self.folder.path("stderr"));
            eprintln!("the driver said:\n{}", said.unwrap_or_default());
        }
    }
}
