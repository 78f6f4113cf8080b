//! `vouch log` on files that services write, as each test has them.

use crate::service::{Ran, Service, vouch};
use serde_json::json;
use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Lines, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout},
    sync::mpsc,
    thread,
};
use tempfile::TempDir;
use vouch_testing::process::PATIENCE;

/// A service that says that its log is there.
fn logging_to(path: &Path) -> Service {
    Service::result(json!({"version": "0.1.0", "log": path}))
}

/// A log of that many lines: `line 1`, `line 2`, …
fn log(folder: &TempDir, lines: usize) -> PathBuf {
    let path = folder.path().join("vouchd.log");
    let mut file = File::create(&path).unwrap();
    (1..=lines).for_each(|line| writeln!(file, "line {line}").unwrap());
    path
}

#[test]
fn the_last_lines_of_the_file_that_the_service_names_are_shown() {
    let folder = TempDir::new().unwrap();
    let service = logging_to(&log(&folder, 100));
    let all: Vec<_> = (1..=100).map(|line| format!("line {line}\n")).collect();
    service.vouch(["log"]).printed(0, &all[60..].concat(), "");
    service
        .vouch(["log", "-n", "1"])
        .printed(0, "line 100\n", "");
    service.vouch(["log", "--lines", "0"]).printed(0, "", "");
    service
        .vouch(["log", "-n", "500"])
        .printed(0, &all.concat(), "");
    assert_eq!(service.vouch(["log", "-n", "-1"]).code, 64);
}

#[test]
fn for_programs_each_line_is_an_object() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("vouchd.log");
    fs::write(&path, "a \x1b[1m\n{\"level\":\"INFO\"}\nb").unwrap();
    let ran = logging_to(&path).vouch(["--json", "log"]);
    let expected = [
        json!({"line": "a \x1b[1m"}),
        json!({"level": "INFO"}),
        json!({"line": "b"}),
    ];
    assert_eq!((ran.code, ran.lines()), (0, expected.to_vec()));
    assert!(!ran.out.contains('\x1b'), "{}", ran.out);
}

#[test]
fn without_a_service_the_usual_file_is_shown() {
    let folder = TempDir::new().unwrap();
    let nobody = folder.path().join("socket");
    let state = folder.path().join("state");
    let run = || {
        let mut command = vouch();
        command.env("XDG_STATE_HOME", &state);
        Ran::of(command.arg("--socket").arg(&nobody).arg("log"))
    };
    let path = state.join("vouchd/vouchd.log");
    let ran = run();
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    for part in [nobody.to_str().unwrap(), path.to_str().unwrap()] {
        assert!(ran.err.contains(part), "{}", ran.err);
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "one\n").unwrap();
    run().printed(0, "one\n", "");
}

#[test]
fn a_service_that_logs_elsewhere_or_to_what_cannot_be_read_is_told_of() {
    let ran = Service::result(json!({"version": "0.1.0"})).vouch(["log"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("standard error"), "{}", ran.err);
    assert!(ran.err.contains("journalctl"), "{}", ran.err);

    let folder = TempDir::new().unwrap();
    let ran = logging_to(&folder.path().join("absent")).vouch(["log"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("/absent: "), "{}", ran.err);
    let ran = logging_to(folder.path()).vouch(["log", "-f"]);
    assert_eq!(ran.code, 2, "a folder is not a file: {}", ran.err);
}

/// `vouch log -f`, and the lines that it shows.
struct Following {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    _service: Service,
}

impl Following {
    fn begin(path: &Path, lines: &str) -> Self {
        let service = logging_to(path);
        let mut command = vouch();
        command.arg("--socket").arg(service.socket());
        let mut child = command.args(["log", "-f", "-n", lines]).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            lines,
            _service: service,
        }
    }

    #[track_caller]
    fn shows(&mut self, expected: &str) {
        assert_eq!(self.lines.next().unwrap().unwrap(), expected);
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn append(path: &Path) -> File {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap()
}

#[test]
fn following_goes_on_when_the_file_is_put_aside_cut_or_removed() {
    let folder = TempDir::new().unwrap();
    let path = log(&folder, 3);
    let aside = |place: u32| folder.path().join(format!("vouchd.log.{place}"));
    let mut following = Following::begin(&path, "2");
    following.shows("line 2");
    following.shows("line 3");
    writeln!(append(&path), "later").unwrap();
    following.shows("later");

    // Put aside, with a line that came just before, and again before anybody looked.
    writeln!(append(&path), "the last of the first").unwrap();
    fs::rename(&path, aside(1)).unwrap();
    writeln!(append(&path), "the second").unwrap();
    fs::rename(aside(1), aside(2)).unwrap();
    fs::rename(&path, aside(1)).unwrap();
    writeln!(append(&path), "the third").unwrap();
    following.shows("the last of the first");
    following.shows("the second");
    following.shows("the third");

    fs::write(&path, "cut\n").unwrap();
    following.shows("cut");

    fs::remove_dir_all(folder.path()).unwrap();
    fs::create_dir(folder.path()).unwrap();
    writeln!(append(&path), "anew").unwrap();
    following.shows("anew");
}

#[test]
fn following_ends_when_nobody_reads_though_nothing_is_logged() {
    let folder = TempDir::new().unwrap();
    let path = log(&folder, 1);
    let mut following = Following::begin(&path, "1");
    following.shows("line 1");
    let Following { child, lines, .. } = &mut following;
    // Take what reads away, and leave nothing that would.
    let nothing = {
        let mut command = vouch();
        let mut child = command.arg("--version").spawn().unwrap();
        child.wait().unwrap();
        BufReader::new(child.stdout.take().unwrap()).lines()
    };
    drop(std::mem::replace(lines, nothing));
    let (ended, end) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || ended.send(child.wait().unwrap().code()));
        let code = end.recv_timeout(PATIENCE);
        assert_eq!(code, Ok(Some(0)));
    });
}

#[test]
fn nothing_in_a_log_acts_on_a_terminal() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("vouchd.log");
    fs::write(&path, b"a\x1b[2Jb\xff\n\xc2\x9bc\n").unwrap();
    let service = logging_to(&path);
    // As it is, where programs read it.
    let mut command = vouch();
    command.arg("--socket").arg(service.socket()).arg("log");
    assert_eq!(
        command.output().unwrap().stdout,
        b"a\x1b[2Jb\xff\n\xc2\x9bc\n"
    );
    // `script` of util-linux makes a terminal; where it is missing there is none to act on.
    let line = format!(
        "{} --socket {} log",
        env!("CARGO_BIN_EXE_vouch"),
        service.socket().display()
    );
    let mut command = std::process::Command::new("script");
    let command = command.args(["--quiet", "--command", &line, "/dev/null"]);
    let Ok(ran) = command.stdin(std::process::Stdio::null()).output() else {
        return;
    };
    let out = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(out, "a\\u{1b}[2Jb\u{fffd}\r\n\\u{9b}c\r\n");
}
