//! Where the log goes.

use super::*;

#[test]
fn who_says_where_the_log_goes() {
    let config = "[log]\nfile = 'by-config'\n";
    let check = |arguments: &[&str], environment: Option<&str>, expected: &str| {
        let mut daemon = start(arguments, |command, folder| {
            fs::write(folder.join("config.toml"), config).unwrap();
            command.env("VOUCHD_CONFIG", folder.join("config.toml"));
            if let Some(name) = environment {
                command.env("VOUCHD_LOG_FILE", name);
            }
        });
        daemon.stop();
        for name in ["stderr", "by-config", "by-environment", "deep/by-argument"] {
            let there = daemon.read(name).contains("vouchd is ready");
            assert_eq!(there, name == expected, "{name}");
        }
    };
    check(&[], None, "by-config");
    check(&[], Some("by-environment"), "by-environment");
    let argument = &["--log-file", "deep/by-argument"][..];
    check(argument, Some("by-environment"), "deep/by-argument");
    check(&["--log-file", "-"], Some("by-environment"), "stderr");
}

#[test]
fn a_service_in_the_background_logs_to_the_usual_file() {
    let check = |state: Option<&str>, expected: &str| {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let mut command = binary();
        command
            .args(["serve", "--detach", "--socket"])
            .arg(&socket)
            .env("HOME", folder.path())
            .env("DOCKER_CONFIG", folder.path())
            .env_remove("XDG_STATE_HOME");
        if let Some(state) = state {
            command.env("XDG_STATE_HOME", folder.path().join(state));
        }
        // It says its process and goes on without this one.
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let mut talk = Wire::connect(&socket, Framing::Lines);
        let log = folder.path().join(expected);
        let status = talk.call("server/status", &json!({})).unwrap();
        let _guard = Detached::named(&status);
        assert_eq!(status["log"].as_str().map(Path::new), Some(&*log));
        ask(&mut talk, "server/stop", &json!({}));
        until("it has stopped", || {
            fs::read_to_string(&log).unwrap().contains("has stopped")
        });
        assert_eq!(fs::metadata(&log).unwrap().mode() & 0o777, 0o600);
        let folder = fs::metadata(log.parent().unwrap()).unwrap();
        assert_eq!(folder.mode() & 0o777, 0o700);
    };
    check(None, ".local/state/vouchd/vouchd.log");
    check(Some("state"), "state/vouchd/vouchd.log");
}

#[test]
fn a_log_file_that_cannot_be_is_an_error_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
    for (name, expected) in [("link", "symbolic link"), ("", "irectory")] {
        let mut command = binary();
        let path = folder.path().join(name);
        command.arg("--stdio").arg("--log-file").arg(&path);
        let output = command.stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(path.to_str().unwrap()), "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_service_that_takes_over_goes_on_with_the_log() {
    let mut daemon = start(&["--log-file", "log"], |_, _| {});
    let new = daemon.restart();
    ended(&mut daemon.process);
    let status = daemon.status();
    assert_eq!(status["processId"], new);
    assert_eq!(
        status["log"].as_str().map(Path::new),
        Some(&*daemon.path("log"))
    );
    ask(&mut daemon.connect(), "server/stop", &json!({}));
    until("both have stopped", || {
        daemon.read("log").matches("has stopped").count() == 2
    });
    assert_eq!(daemon.read("log").matches("is ready").count(), 2);
}

#[test]
fn vouch_shows_the_log_of_the_service() {
    let vouch = program("vouch");
    let mut daemon = start(&["--log-file", "log"], |_, _| {});
    until("it logs", || daemon.read("log").contains("is ready"));
    let run = || {
        let mut command = Command::new(&vouch);
        let command = command.arg("--socket").arg(daemon.path("socket"));
        let output = command.arg("log").output();
        String::from_utf8(output.expect("`cargo build --workspace` made it").stdout).unwrap()
    };
    assert_eq!(run(), daemon.read("log"));
    daemon.stop();
}
