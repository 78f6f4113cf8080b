//! `vouch login` at a terminal: what is asked, and that the password is not shown.

use crate::service::{Ran, Service, vouch};
use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use serde_json::json;
use std::{
    fs::File,
    io::{BufReader, Read, Write},
    process::{Child, Command},
    sync::mpsc,
    thread,
};
use vouch_testing::process::PATIENCE;

/// A terminal at which somebody types.
pub(crate) struct Terminal {
    keyboard: File,
    shown: mpsc::Receiver<u8>,
    all: Vec<u8>,
    vouch: Child,
}

impl Terminal {
    fn run(service: &Service, arguments: &[&str]) -> Self {
        let mut command = vouch();
        command
            .arg("--socket")
            .arg(service.socket())
            .args(arguments);
        Self::of(command)
    }

    pub(crate) fn of(mut command: Command) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let terminal = File::from(rustix::fs::open(name, flags, Mode::empty()).unwrap());
        let vouch = command
            .stdin(terminal.try_clone().unwrap())
            .stderr(terminal)
            .spawn()
            .unwrap();
        let keyboard = File::from(keyboard);
        let screen = keyboard.try_clone().unwrap();
        let (show, shown) = mpsc::channel();
        thread::spawn(move || {
            // It ends with an error when nobody has the terminal any more.
            for byte in BufReader::new(screen).bytes().map_while(Result::ok) {
                if show.send(byte).is_err() {
                    return;
                }
            }
        });
        Self {
            keyboard,
            shown,
            all: Vec::new(),
            vouch,
        }
    }

    /// Waits for a question, and answers it.
    pub(crate) fn answer(&mut self, question: &str, typed: &str) {
        let seen = self.all.len();
        while !self.all[seen..].ends_with(question.as_bytes()) {
            let byte = self.shown.recv_timeout(PATIENCE);
            self.all.push(byte.expect("it asks"));
        }
        self.keyboard.write_all(typed.as_bytes()).unwrap();
    }

    /// The process that asks.
    pub(crate) fn process(&self) -> u32 {
        self.vouch.id()
    }

    /// What became of it, and all that was shown.
    pub(crate) fn end(mut self) -> (Ran, String) {
        let ran = Ran::from(self.vouch.wait_with_output().unwrap());
        self.all.extend(self.shown.iter());
        (ran, String::from_utf8(self.all).unwrap())
    }
}

fn service() -> Service {
    Service::result(json!({
        "registry": "ghcr.io", "user": "ann", "source": "memory", "state": "accepted", "scopes": [],
    }))
}

#[test]
fn a_login_is_asked_for_and_the_password_is_not_shown() {
    let service = service();
    let mut terminal = Terminal::run(&service, &["login", "ghcr.io"]);
    terminal.answer("Username: ", "ann\n");
    // A slip, taken back.
    terminal.answer("Password: ", "wrong\x15hunter3\x7f2\r");
    let (ran, shown) = terminal.end();
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "logged in ann to ghcr.io\n")
    );
    assert!(shown.contains("ann"), "{shown}");
    for secret in ["hunter", "wrong"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let params = json!({"registry": "ghcr.io", "username": "ann", "password": "hunter2"});
    assert_eq!(service.asked(), ("session/login".to_owned(), params));
}

#[test]
fn a_login_that_is_given_up_sends_nothing() {
    let service = service();
    let mut terminal = Terminal::run(&service, &["login", "ghcr.io", "-u", "ann"]);
    terminal.answer("Password: ", "hunter2\x03");
    let (ran, shown) = terminal.end();
    assert_ne!(ran.code, 0);
    assert!(shown.contains("given up"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_wrong_name_of_a_registry_is_told_before_anything_is_asked() {
    for registry in ["ann", "https://ghcr.io", "ghcr.io/acme"] {
        let service = service();
        let (ran, shown) = Terminal::run(&service, &["login", registry]).end();
        assert_eq!((ran.code, ran.out.as_str()), (64, ""));
        assert!(shown.contains("ghcr.io`"), "{shown}");
        assert!(!shown.contains("Username"), "{shown}");
    }
}
