//! Which program comes after: the one that is installed now, if it comes up.

use super::*;
use std::os::unix::fs::PermissionsExt;

/// A service whose program is a copy of its own.
fn with_program() -> (tempfile::TempDir, PathBuf, Daemon) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("vouchd");
    fs::copy(env!("CARGO_BIN_EXE_vouchd"), &program).unwrap();
    let mut command = Command::new(&program);
    command.stderr(Stdio::null());
    let running = Daemon::of(command, |_, _| {});
    (folder, program, running)
}

/// Puts a script in the program's place, as an upgrade does.
fn install(program: &Path, script: &str) {
    let new = program.with_extension("new");
    fs::write(&new, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(new, program).unwrap();
}

const REAL: &str = env!("CARGO_BIN_EXE_vouchd");

#[test]
fn what_is_installed_now_is_what_runs() {
    let (_folder, program, running) = with_program();
    install(&program, &format!("VOUCH_MARK=new exec {REAL} \"$@\""));
    let new = running.restart();
    let environment = fs::read_to_string(format!("/proc/{new}/environ")).unwrap();
    assert!(environment.contains("VOUCH_MARK=new"), "{environment}");
    let arguments = fs::read_to_string(format!("/proc/{new}/cmdline")).unwrap();
    let socket = running.socket().display().to_string();
    assert!(arguments.contains(&socket), "{arguments}");
    // It begins as often as need be, and its arguments do not grow.
    let newer = running.restart();
    let same = fs::read_to_string(format!("/proc/{newer}/cmdline")).unwrap();
    assert_eq!(same, arguments);
}

#[test]
fn a_link_to_the_program_is_followed_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    fs::copy(REAL, &one).unwrap();
    install(&two, &format!("VOUCH_MARK=two exec {REAL} \"$@\""));
    let link = folder.path().join("vouchd");
    std::os::unix::fs::symlink(&one, &link).unwrap();
    let mut command = Command::new(&link);
    command.stderr(Stdio::null());
    let running = Daemon::of(command, |_, _| {});
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&two, &link).unwrap();
    let new = running.restart();
    let environment = fs::read_to_string(format!("/proc/{new}/environ")).unwrap();
    assert!(environment.contains("VOUCH_MARK=two"), "{environment}");
}

#[test]
fn the_folder_that_it_was_started_in_may_be_gone() {
    let place = tempfile::tempdir().unwrap();
    let working = place.path().join("working");
    fs::create_dir(&working).unwrap();
    let running = Daemon::with(|_, command| {
        command.current_dir(&working);
    });
    fs::remove_dir(&working).unwrap();
    let old = process(&running);
    let new = running.restart();
    assert_ne!(new, old);
    // And this one starts anew from where there is none.
    assert_ne!(running.restart(), new);
}

#[test]
fn one_that_fails_leaves_the_old_one_serving() {
    let (_folder, program, mut running) = with_program();
    let old = process(&running);
    let check = |script: &str, expected: &[&str]| {
        install(&program, script);
        let said = cannot_restart(&running);
        for expected in expected {
            assert!(said.contains(expected), "{script}: {said}");
        }
        assert!(!said.contains(char::is_control), "{said:?}");
        assert_eq!(process(&running), old);
        assert!(running.is_locked());
    };
    check(
        "echo the disk is on fire >&2; echo really >&2; exit 3",
        &["exit status: 3", "the disk is on fire / really"],
    );
    check("kill -9 $$", &["signal: 9"]);
    check("printf '\\033[31mred\\n' >&2; exit 1", &["[31mred"]);
    check("echo nonsense >&0; exec sleep 1000", &["not a message"]);
    check(
        "printf '\\377\\377\\377\\377' >&0; exec sleep 1000",
        &["not a message"],
    );
    // It says it is one, but takes nothing.
    let hello = r#"{"hello":{"processId":1,"version":"9"}}"#;
    check(
        &format!(
            "printf '\\000\\000\\000\\{:o}%s' '{hello}' >&0; exit 4",
            hello.len()
        ),
        &["exit status: 4"],
    );
    check("seq 100000 >&2; exit 1", &["99999 / 100000"]);
    fs::remove_file(&program).unwrap();
    assert!(cannot_restart(&running).contains("No such file"));
    fs::write(&program, "#!/bin/sh\n").unwrap();
    assert!(cannot_restart(&running).contains("ermission denied"));

    install(&program, &format!("exec {REAL} \"$@\""));
    let config = running.path("config.toml");
    fs::write(&config, "\n\nbogus = 1\n").unwrap();
    let said = cannot_restart(&running);
    assert!(
        said.contains("config.toml") && said.contains("bogus"),
        "{said}"
    );
    assert_eq!(process(&running), old);
    fs::write(&config, "").unwrap();
    assert_ne!(running.restart(), old);
    assert_eq!(ended(&mut running.process).code(), Some(0));
}

#[test]
fn one_that_fails_with_the_socket_in_hand_leaves_it_where_it_is() {
    let (_folder, program, running) = with_program();
    let old = process(&running);
    // With fewer handles it fails earlier; with these it has the socket, and no runtime.
    let said = (4..64).find_map(|handles| {
        install(
            &program,
            &format!("ulimit -n {handles}; exec {REAL} \"$@\""),
        );
        let said = cannot_restart(&running);
        assert_eq!(process(&running), old, "{handles}: {said}");
        assert!(running.is_locked(), "{handles}: {said}");
        said.contains("start the runtime").then_some(said)
    });
    let said = said.expect("it never came to its runtime");
    assert!(said.contains("exit status: 1"), "{said}");
    assert!(said.contains("Too many open files"), "{said}");
}

#[test]
fn one_that_says_nothing_is_killed() {
    let (folder, program, running) = with_program();
    let (old, number) = (process(&running), folder.path().join("number"));
    let silent = format!("echo $$ > {}; exec sleep 1000", number.display());
    install(&program, &silent);
    let said = cannot_restart(&running);
    assert!(said.contains("not ready after 10 seconds"), "{said}");
    let new: i32 = fs::read_to_string(&number).unwrap().trim().parse().unwrap();
    assert!(!lives(new));
    assert_eq!(process(&running), old);
}

#[test]
fn one_that_is_given_up_is_killed_before_it_can_take_this_process_for_dead() {
    let (folder, program, running) = with_program();
    let (old, number) = (process(&running), folder.path().join("number"));
    let (heard, ended) = (folder.path().join("heard"), folder.path().join("ended"));
    let hello = r#"{"hello":{"processId":1,"version":"9"}}"#;
    // What it says in place of being ready makes the old one give it up.
    install(
        &program,
        &format!(
            "echo $$ > {}; printf '\\000\\000\\000\\{:o}%s\\000\\000\\000\\002{{}}' '{hello}' >&0
            cat <&0 > {}; echo > {}; exec sleep 1000",
            number.display(),
            hello.len(),
            heard.display(),
            ended.display()
        ),
    );
    let said = cannot_restart(&running);
    assert!(said.contains("not a message"), "{said}");
    let new: i32 = fs::read_to_string(&number).unwrap().trim().parse().unwrap();
    assert!(!lives(new));
    assert!(!ended.exists());
    assert_eq!(process(&running), old);
    assert!(running.is_locked());
}

#[test]
fn one_that_was_started_by_a_script_hears_that_it_was_given_up() {
    let (folder, program, running) = with_program();
    let (old, heard) = (process(&running), folder.path().join("heard"));
    let ended = folder.path().join("ended");
    let hello = r#"{"hello":{"processId":1,"version":"9"}}"#;
    install(
        &program,
        &format!(
            "printf '\\000\\000\\000\\{:o}%s\\000\\000\\000\\002{{}}' '{hello}' >&0
            exec 3<&0; (cat <&3 > {}; echo > {}) & exec 3<&-; exec sleep 1000",
            hello.len(),
            heard.display(),
            ended.display()
        ),
    );
    let said = cannot_restart(&running);
    assert!(said.contains("not a message"), "{said}");
    until("it has ended", || ended.exists());
    let heard = fs::read(&heard).unwrap();
    assert!(heard.ends_with(br#""stay""#), "{heard:?}");
    assert_eq!(process(&running), old);
    // So it ends, where it is one of ours.
    install(
        &program,
        &format!("{REAL} \"$@\"; echo $? > {}", ended.display()),
    );
    assert_ne!(running.restart(), old);
}

#[test]
fn one_restart_at_a_time_which_can_be_cancelled() {
    let (folder, program, running) = with_program();
    let (old, number) = (process(&running), folder.path().join("number"));
    let written = || fs::read_to_string(&number).ok()?.trim().parse::<i32>().ok();
    let silent = format!("echo $$ > {}; exec sleep 1000", number.display());
    install(&program, &silent);
    let mut first = running.connect();
    let id = first.request("server/restart", &json!({}));
    until("it runs", || written().is_some());
    let error = running.connect().call("server/restart", &json!({}));
    assert_eq!(error.unwrap_err()["data"]["kind"], "busy");
    first.cancel(id);
    assert_eq!(first.outcome(id), "cancelled");
    let new = written().unwrap();
    until("it is gone", || !lives(new));
    assert_eq!(process(&running), old);
    // A client that goes takes its request with it.
    fs::remove_file(&number).unwrap();
    let mut leaving = running.connect();
    leaving.request("server/restart", &json!({}));
    until("it runs", || written().is_some());
    drop(leaving);
    let new = written().unwrap();
    until("it is gone", || !lives(new));
    install(&program, &format!("exec {REAL} \"$@\""));
    assert_ne!(running.restart(), old);
}

#[test]
fn a_stop_ends_a_restart_that_is_under_way() {
    let (folder, program, mut running) = with_program();
    let number = folder.path().join("number");
    let written = || fs::read_to_string(&number).ok()?.trim().parse::<i32>().ok();
    let silent = format!("echo $$ > {}; exec sleep 1000", number.display());
    install(&program, &silent);
    let mut asking = running.connect();
    let id = asking.request("server/restart", &json!({}));
    until("it runs", || written().is_some());
    running.connect().call("server/stop", &json!({})).unwrap();
    assert_eq!(asking.outcome(id), "shuttingDown");
    assert_eq!(ended(&mut running.process).code(), Some(0));
    assert!(!lives(written().unwrap()));
    assert!(!running.socket().exists());
}
