//! A log file that is full, in the way, or on a disk that is full.

use super::*;

/// So many requests that are logged.
fn be_busy(daemon: &Daemon, requests: usize) {
    let mut talk = daemon.connect();
    for number in 0..requests {
        let push = json!({"path": format!("/absent/{number}"), "reference": "r.example/a:1"});
        ask(&mut talk, "push", &push);
    }
}

#[test]
fn a_busy_log_is_bounded_and_two_services_share_one() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("state/log");
    let config = format!(
        "[log]\nfile = '{}'\nsize = 20000\nkeep = 3\n",
        log.display()
    );
    let start = || configured(&config, &["--log-format", "json"]);
    let mut daemons = [start(), start()];
    std::thread::scope(|scope| {
        for daemon in &daemons {
            scope.spawn(|| be_busy(daemon, 400));
        }
    });
    for daemon in &mut daemons {
        daemon.stop();
    }
    let mut names: Vec<_> = fs::read_dir(log.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let aside = |place: u32| log.with_file_name(format!("log.{place}"));
    assert_eq!(names, [log.clone(), aside(1), aside(2), aside(3)]);
    for path in names {
        let found = fs::metadata(&path).unwrap();
        assert!(found.len() <= 20_000, "{path:?}: {found:?}");
        assert_eq!(found.mode() & 0o777, 0o600);
        for line in fs::read_to_string(&path).unwrap().lines() {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        }
    }
    let newest = fs::read_to_string(&log).unwrap();
    assert!(newest.contains("has stopped"), "{newest}");
}

#[test]
fn a_log_that_cannot_be_written_holds_up_nothing_and_is_told_of() {
    let mut daemon = start(&["--log-file", "state/log"], |_, _| {});
    until("it logs", || daemon.read("state/log").contains("is ready"));
    // Again, where the thread that writes has not come to it meanwhile.
    until("lines are lost", || {
        until("the way is blocked", || {
            // It may be made again while it is removed.
            let _ = fs::remove_dir_all(daemon.path("state"));
            fs::write(daemon.path("state"), "in the way").is_ok()
        });
        be_busy(&daemon, 20);
        fs::remove_file(daemon.path("state")).unwrap();
        be_busy(&daemon, 1);
        until("there is a log again", || daemon.path("state/log").exists());
        daemon.read("state/log").contains("lines were lost")
    });
    let log = daemon.read("state/log");
    let lost = log.split("lost=").nth(1).unwrap();
    let lost: u32 = lost.split(' ').next().unwrap().parse().unwrap();
    assert!((1..=20).contains(&lost), "{log}");
    daemon.stop();
    assert!(daemon.read("state/log").contains("has stopped"));
}

/// The same command with this folder on a disk of its own, of 64 KiB. Only the process sees it.
fn on_a_small_disk(command: &Command, folder: &Path) -> Command {
    let mount = "mount -t tmpfs -o size=64k none \"$0\" && exec \"$@\"";
    let mut inside = Command::new("unshare");
    inside
        .args(["--map-root-user", "--mount", "sh", "-c", mount])
        .arg(folder)
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    inside
}

#[test]
fn a_full_disk_holds_up_nothing_and_breaks_no_line() {
    let arguments = ["--log-file", "state/log", "--log-format", "json"];
    let mut daemon = start(&arguments, |command, folder| {
        let state = folder.join("state");
        fs::create_dir(&state).unwrap();
        let mut inside = on_a_small_disk(command, &state);
        inside
            .current_dir(folder)
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.join("stderr")).unwrap());
        *command = inside;
    });
    // What the process sees there.
    let root = PathBuf::from(format!("/proc/{}/root", daemon.process.id()));
    let seen = |path: PathBuf| root.join(path.strip_prefix("/").unwrap());
    let log = seen(daemon.path("state/log"));
    let ballast = seen(daemon.path("state/ballast"));
    assert!(log.exists() && !daemon.path("state/log").exists());
    // Again, where the thread that writes has not come to it meanwhile.
    until("lines are lost", || {
        assert!(fs::write(&ballast, vec![0; 1 << 20]).is_err(), "it is full");
        // More than its last page may have room for.
        be_busy(&daemon, 40);
        fs::remove_file(&ballast).unwrap();
        be_busy(&daemon, 1);
        let log = fs::read_to_string(&log).unwrap();
        log.contains("lines were lost")
    });
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("No space left"), "{text}");
    assert!(text.ends_with('\n'), "{text}");
    for line in text.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    daemon.stop();
}
