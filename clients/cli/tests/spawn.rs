//! `vouch` starts the built service where none listens: with real processes, on sockets of their
//! own.

use crate::service::{Ran, vouch};
use std::{
    collections::BTreeSet,
    fs,
    io::Read as _,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
};
use tempfile::TempDir;
use vouch_testing::process::{PATIENCE, program, until};

/// What `vouch sessions` says of a service that was just started.
const NO_LOGINS: &str = "no logins yet: `vouch login REGISTRY` makes one, and those of docker and podman are listed once a registry was asked\n";

/// A user's folder. Services that were started for it are gone at its end.
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The usual socket.
    fn socket(&self) -> PathBuf {
        self.path("vouchd/vouchd.sock")
    }

    /// `vouch` of that user.
    pub(crate) fn vouch(&self, arguments: &[&str]) -> Command {
        let mut command = vouch();
        command
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("XDG_STATE_HOME", self.path("state"))
            .env("HOME", self.folder.path())
            .env("PATH", "/usr/bin:/bin")
            // Other tests may keep the machine busy.
            .env("VOUCH_START_TIMEOUT", "100")
            .args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.vouch(arguments))
    }

    #[track_caller]
    fn fails(&self, command: &mut Command, says: &[&str]) {
        let ran = Ran::of(command);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
        for says in says {
            assert!(ran.err.contains(says), "{says:?} is not in {}", ran.err);
        }
        until("no service is left", || self.services().is_empty());
    }

    /// A program in place of vouchd.
    fn program(&self, script: &str) -> PathBuf {
        let path = self.path("program");
        // Another process writes it: a handle of ours would be inherited by whatever other tests
        // start meanwhile, and what is open for writing cannot be run.
        let mut write = Command::new("sh");
        write.args([
            "-c",
            "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$2\" && chmod 755 \"$2\"",
            "sh",
            script,
        ]);
        assert!(write.arg(&path).status().unwrap().success());
        path
    }

    /// The process that answers.
    fn process(&self) -> u32 {
        let ran = self.run(&["--json", "status"]);
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        let process = ran.lines()[0]["processId"].as_u64().unwrap();
        process.try_into().unwrap()
    }

    /// All processes that serve a socket of this folder, or try to.
    fn services(&self) -> BTreeSet<u32> {
        let folder = self.folder.path().to_str().unwrap();
        let of = |process: &u32| {
            let said = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).into_owned();
            said.contains("\0--socket\0") && said.contains(folder)
        };
        fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
            .filter(of)
            .collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for process in self.services() {
            kill(process);
        }
        if !thread::panicking() {
            until("no service is left", || self.services().is_empty());
        }
    }
}

fn kill(process: u32) {
    let mut kill = Command::new("kill");
    // It may have ended by itself.
    let _ = kill.args(["-9", &process.to_string()]).output();
}

#[test]
fn a_service_hears_of_no_key() {
    let home = Home::new();
    let mut sessions = home.vouch(&["sessions"]);
    sessions
        .env("VOUCH_KEY_FILE", "/run/secrets/key")
        .env("SSH_AUTH_SOCK", "/run/agent")
        .env("DISPLAY", ":0");
    Ran::of(&mut sessions).printed(0, NO_LOGINS, "");
    let environment = fs::read(format!("/proc/{}/environ", home.process())).unwrap();
    let environment = String::from_utf8(environment).unwrap();
    let has = |name: &str| environment.split('\0').any(|line| line.starts_with(name));
    assert!(has("DISPLAY=:0"), "{environment}");
    assert!(
        !has("VOUCH_KEY_FILE") && !has("SSH_AUTH_SOCK"),
        "{environment}"
    );
}

#[test]
fn a_service_is_started_and_goes_on_by_itself() {
    let home = Home::new();
    home.run(&["sessions"]).printed(0, NO_LOGINS, "");
    let process = home.process();
    // The process that put it into the background is about to end.
    until("only the service is left", || {
        home.services() == BTreeSet::from([process])
    });
    home.run(&["sessions"]).printed(0, NO_LOGINS, "");
    assert_eq!(home.process(), process, "the second command finds it");

    let proc = PathBuf::from(format!("/proc/{process}"));
    let stat = fs::read_to_string(proc.join("stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let session: u32 = fields.split(' ').nth(3).unwrap().parse().unwrap();
    assert_eq!(session, process, "its session is its own");
    assert_eq!(fs::read_link(proc.join("cwd")).unwrap(), Path::new("/"));
    // Whoever reads our output is not to wait for the service's end.
    let streams_closed = || {
        (0..3).all(|stream| {
            fs::read_link(proc.join(format!("fd/{stream}"))).unwrap() == Path::new("/dev/null")
        })
    };
    until("its streams are closed", streams_closed);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&home.path("vouchd")), 0o700);
    assert_eq!(mode(&home.socket()), 0o600);

    let ran = home.run(&["stop"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    // At once, while the old one may still be on its way out.
    let ran = home.run(&["sessions"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_ne!(home.process(), process);
}

#[test]
fn many_who_come_at_once_end_up_with_one() {
    for round in 0..5 {
        let home = Home::new();
        let clients: Vec<Child> = (0..10)
            .map(|_| {
                let mut vouch = home.vouch(&["--json", "rpc", "server/status"]);
                vouch.spawn().unwrap()
            })
            .collect();
        let mut served_by = BTreeSet::new();
        for client in clients {
            let ran = Ran::from(client.wait_with_output().unwrap());
            assert_eq!(ran.code, 0, "round {round}: {}", ran.err);
            served_by.insert(ran.lines()[0]["processId"].as_u64().unwrap());
        }
        assert_eq!(served_by.len(), 1, "round {round}: {served_by:?}");
        let lock = fs::read_to_string(home.path("vouchd/vouchd.sock.lock")).unwrap();
        assert_eq!(served_by, BTreeSet::from([lock.parse().unwrap()]));
        // Those that lost the race may still be on their way out.
        let one = || {
            home.services()
                .into_iter()
                .map(u64::from)
                .eq(served_by.iter().copied())
        };
        until(&format!("one is left in round {round}"), one);
    }
}

#[test]
fn a_restart_replaces_the_process_and_nobody_notices() {
    let home = Home::new();
    home.run(&["sessions"]).printed(0, NO_LOGINS, "");
    let mut process = home.process();
    let clients = |count: usize| -> Vec<Child> {
        let vouch = |_| home.vouch(&["--no-spawn", "sessions"]).spawn().unwrap();
        (0..count).map(vouch).collect()
    };
    for round in 0..5 {
        let mut asking = clients(5);
        let ran = home.run(&["restart"]);
        assert_eq!(ran.code, 0, "round {round}: {}", ran.err);
        assert!(ran.out.contains("was replaced by vouchd"), "{}", ran.out);
        asking.extend(clients(5));
        let old = std::mem::replace(&mut process, home.process());
        assert_ne!(old, process, "round {round}");
        for client in asking {
            let ran = Ran::from(client.wait_with_output().unwrap());
            assert_eq!((ran.code, ran.err.as_str()), (0, ""), "round {round}");
        }
        until("only the service is left", || {
            home.services() == BTreeSet::from([process])
        });
    }
}

#[test]
fn nobody_starts_one_who_must_not() {
    let home = Home::new();
    let nobody = format!("no service listens on {}", home.socket().display());
    for command in ["status", "stop", "restart"] {
        home.fails(
            &mut home.vouch(&[command]),
            &[&nobody, "help: There is nothing to"],
        );
    }
    let says = [nobody.as_str(), "VOUCH_NO_SPAWN"];
    home.fails(&mut home.vouch(&["--no-spawn", "sessions"]), &says);
    home.fails(home.vouch(&["sessions"]).env("VOUCH_NO_SPAWN", "1"), &says);
    assert!(!home.path("vouchd").exists(), "nothing was made");
    let ran = Ran::of(home.vouch(&["sessions"]).env("VOUCH_NO_SPAWN", "0"));
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn none_is_started_where_somebody_or_something_is() {
    let home = Home::new();
    let check = |socket: &Path, says: &str| {
        let mut command = home.vouch(&["--socket", socket.to_str().unwrap(), "sessions"]);
        home.fails(&mut command, &["cannot connect to", says]);
    };
    let file = home.path("file");
    fs::write(&file, "mine").unwrap();
    check(&file, "is not a socket");
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    check(&file.join("socket"), "Not a directory");
    let link = home.path("link");
    std::os::unix::fs::symlink("link", &link).unwrap();
    check(&link, "symbolic links");
    // Somebody who listens and hangs up.
    let strange = home.path("strange");
    let listener = UnixListener::bind(&strange).unwrap();
    thread::spawn(move || listener.incoming().for_each(drop));
    check(&strange, "");
    // Only root can leave what another user could.
    let left = home.path("left");
    drop(UnixListener::bind(&left).unwrap());
    if chown(&left, Some(12345), None).is_ok() {
        check(&left, "left by another user (uid 12345)");
    }
}

#[test]
fn a_folder_of_somebody_else_is_not_entered() {
    let home = Home::new();
    let folder = home.path("vouchd");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let says = ["starting one failed", "is open to others"];
    home.fails(&mut home.vouch(&["sessions"]), &says);
}

#[test]
fn a_service_that_was_killed_is_followed_by_another() {
    let home = Home::new();
    home.run(&["sessions"]).printed(0, NO_LOGINS, "");
    let first = home.process();
    kill(first);
    until("no service is left", || home.services().is_empty());
    assert!(home.socket().exists());
    home.run(&["sessions"]).printed(0, NO_LOGINS, "");
    assert_ne!(home.process(), first);
}

#[test]
fn what_a_failing_program_says_is_shown() {
    let home = Home::new();
    let program =
        home.program("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo word $i >&2; done; exit 3");
    let mut command = home.vouch(&["sessions"]);
    command.env("VOUCHD", &program);
    let ran = Ran::of(&mut command);
    let nobody = format!(
        "vouch: no service listens on {}, and starting one failed: {} ended: exit status: 3\n",
        home.socket().display(),
        program.display()
    );
    let words: String = (3..=12).fold(String::new(), |all, i| format!("{all}  word {i}\n"));
    let help = "help: `vouchd serve` in another terminal shows more.\n";
    ran.printed(2, "", &format!("{nobody}{words}{help}"));
    let ran = Ran::of(command.arg("--json"));
    assert_eq!(ran.code, 2);
    assert_eq!(ran.lines()[0]["error"]["data"]["said"][9], "word 12");

    // It ends well, and serves nobody. What it says is in its log, behind what others said before.
    let log = home.path("state/vouchd/vouchd.log");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(&log, "of another start\n").unwrap();
    let program = home.program(
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; done \
         >> \"$XDG_STATE_HOME\"/vouchd/vouchd.log",
    );
    let mut command = home.vouch(&["sessions"]);
    let says = ["ended: exit status: 0\n  line 3\n", "  line 12\nhelp: "];
    home.fails(command.env("VOUCHD", &program), &says);
    let program = home.program("echo alone >> \"$XDG_STATE_HOME\"/vouchd/vouchd.log");
    let mut command = home.vouch(&["sessions"]);
    let says = ["ended: exit status: 0\n  alone\nhelp: "];
    home.fails(command.env("VOUCHD", &program), &says);
    let program = home.program("exit 0");
    let mut command = home.vouch(&["sessions"]);
    let says = ["ended: exit status: 0\nhelp: "];
    home.fails(command.env("VOUCHD", &program), &says);

    let mut command = home.vouch(&["sessions"]);
    let absent = home.path("absent");
    let says = format!("cannot start {}", absent.display());
    home.fails(
        command.env("VOUCHD", &absent),
        &[&says, "No such file", "help: Install"],
    );
    let mut command = home.vouch(&["sessions"]);
    home.fails(
        command.env("VOUCHD", "absent"),
        &["VOUCHD names absent", "help: Install"],
    );

    // The service itself.
    let config = home.path("config.toml");
    fs::write(&config, "socket = 7").unwrap();
    let mut command = home.vouch(&["sessions"]);
    home.fails(
        command.env("VOUCHD_CONFIG", &config),
        &["config.toml", "  vouchd: "],
    );

    // What it advises is advice enough.
    fs::write(&config, "sockets = 7").unwrap();
    let mut command = home.vouch(&["sessions"]);
    let ran = Ran::of(command.env("VOUCHD_CONFIG", &config));
    assert!(
        ran.err.ends_with("  help: Did you mean `socket`?\n"),
        "{}",
        ran.err
    );
}

#[test]
fn one_that_loses_the_race_to_one_that_goes_is_started_again() {
    let home = Home::new();
    let real = program("vouchd");
    let script = format!(
        "if mkdir {}; then exit 75; fi; exec {} \"$@\"",
        home.path("first").display(),
        real.display()
    );
    let program = home.program(&script);
    let ran = Ran::of(home.vouch(&["sessions"]).env("VOUCHD", &program));
    ran.printed(0, NO_LOGINS, "");
    assert!(home.path("first").exists());
    until("one is left", || home.services().len() == 1);
}

#[test]
fn the_service_gets_the_environment_but_not_what_is_ours() {
    let home = Home::new();
    let mut command = home.vouch(&["sessions"]);
    command
        .env("DOCKER_CONFIG", home.path("docker"))
        .env("LISTEN_FDS", "1")
        .env("NOTIFY_SOCKET", "/nowhere")
        .env("WATCHDOG_USEC", "1000");
    Ran::of(&mut command).printed(0, NO_LOGINS, "");
    let environment = fs::read(format!("/proc/{}/environ", home.process())).unwrap();
    let environment = String::from_utf8(environment).unwrap();
    assert!(environment.contains("DOCKER_CONFIG="), "{environment}");
    for name in ["LISTEN_FDS", "NOTIFY_SOCKET", "WATCHDOG_USEC"] {
        assert!(!environment.contains(name), "{name}: {environment}");
    }
}

/// A script that holds a lock, or reads our output through a pipe, must not wait for the service.
#[test]
fn the_service_keeps_no_handle_of_ours() {
    let home = Home::new();
    let lock = home.path("lock");
    let mut shell = Command::new("bash");
    shell
        .args(["--norc", "-c", "exec 9>\"$LOCK\"; \"$VOUCH\" sessions"])
        .env_clear()
        .env("LOCK", &lock)
        .env("VOUCH", env!("CARGO_BIN_EXE_vouch"))
        .env("HOME", home.folder.path())
        .env("VOUCH_START_TIMEOUT", "100")
        .env("XDG_RUNTIME_DIR", home.folder.path());
    // It reads standard output and error to their end.
    Ran::from(shell.output().unwrap()).printed(0, NO_LOGINS, "");
    let handles = fs::read_dir(format!("/proc/{}/fd", home.process())).unwrap();
    for handle in handles {
        // One may be closed between the list and the look.
        if let Ok(target) = fs::read_link(handle.unwrap().path()) {
            assert_ne!(target, lock);
        }
    }
}

/// Ctrl-C closes the connection, and the service lets go of all that was under way for it.
#[test]
fn an_interrupt_cancels_and_leaves_nothing() {
    let home = Home::new();
    // It never answers.
    let registry = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = home.path("to");
    fs::create_dir(&to).unwrap();
    let reference = format!("{}/acme/echo:1", registry.local_addr().unwrap());
    let arguments = ["pull", &reference, "-o", to.to_str().unwrap()];
    let mut pull = home.vouch(&arguments).spawn().unwrap();
    let (mut asked, _) = registry.accept().unwrap();
    assert!(asked.read(&mut [0; 1024]).unwrap() > 0);
    let interrupted = Command::new("kill")
        .args(["-INT", &pull.id().to_string()])
        .status();
    assert!(interrupted.unwrap().success());
    assert!(!pull.wait().unwrap().success());
    asked.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(asked.read(&mut [0; 1024]).unwrap(), 0, "it is let go");
    until("nothing is under way", || {
        let status = home.run(&["--json", "status"]).lines();
        let requests = status[0]["requests"].as_array().unwrap();
        requests.iter().all(|request| request["method"] != "pull")
    });
    assert_eq!(fs::read_dir(&to).unwrap().count(), 0);
}
