//! Killed at each step, on a disk that is full or fails, changed meanwhile: the old file or the new
//! one, never less.

use super::*;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
};
use vouch_testing::process::{binary, ended, program, until, without_environment};

/// A service under strace, which does that to its system calls.
fn traced(inject: &str) -> Daemon {
    let mut strace = Command::new("strace");
    let calls = inject.split(':').next().unwrap();
    strace
        .args(["-D", "-f", "-qq", "-o", "/dev/null", "-e"])
        .arg(format!("trace={calls}"))
        .arg("-e")
        .arg(format!("inject={inject}"))
        .arg(program("vouchd"));
    without_environment(&mut strace);
    Daemon::of(strace, |_, command| {
        command.args(["--log", "error"]);
    })
}

/// A module that is not read at once.
fn large() -> Vec<u8> {
    [module(), custom("fill", &vec![7; 2 << 20])].concat()
}

/// What `sign/complete` takes, prepared by a service that lives.
fn prepared(path: &Path, account: &KeyPair) -> Value {
    let daemon = Daemon::start();
    prepare(&mut daemon.connect(), path, account).1
}

fn files(folder: &Folder) -> Vec<String> {
    let names = folder.names().into_iter();
    names.filter(|name| !name.starts_with(".vouchd-")).collect()
}

#[test]
fn a_kill_at_any_step_leaves_the_old_file_or_the_new_one() {
    let account = KeyPair::new_account();
    // In the middle of the file; what it keeps; synced; with a name beside; with its own.
    for (step, is_new) in [
        ("/^pread64:signal=KILL:when=5", false),
        ("fchmod:signal=KILL:when=1", false),
        ("fsync:signal=KILL:when=1", false),
        ("/^linkat:signal=KILL:when=1", false),
        ("/^rename:signal=KILL:when=1", false),
        ("fsync:signal=KILL:when=2", true),
    ] {
        let folder = Folder::new();
        let path = folder.write("echo.wasm", &large());
        let complete = prepared(&path, &account);
        let mut daemon = traced(step);
        let mut client = daemon.connect();
        // Nobody answers.
        let asked = thread::spawn(move || {
            catch_unwind(AssertUnwindSafe(|| client.call("sign/complete", &complete)))
        });
        let status = ended(&mut daemon.process);
        assert!(!status.success(), "{step}: it met its moment");
        drop(asked.join());
        assert_eq!(files(&folder), ["echo.wasm"], "{step}");
        assert_eq!(fs::read(&path).unwrap() != large(), is_new, "{step}");
        let next = Daemon::start();
        let mut client = next.connect();
        let verified = client.call("verify", &json!({ "path": path })).unwrap();
        let verdict = if is_new { "accepted" } else { "refused" };
        assert_eq!(verified["verdict"], verdict, "{step}: {verified}");
        // The next one clears away what is left, and goes on.
        sign(&mut client, &path, &account).unwrap();
        assert_eq!(folder.names(), ["echo.wasm"], "{step}");
    }
}

#[test]
fn what_fails_leaves_the_old_file() {
    let account = KeyPair::new_account();
    for (inject, expected, message) in [
        ("fsync:error=EIO", "io", "cannot write"),
        ("/^linkat:error=ENOSPC", "diskFull", "cannot write"),
        ("/^rename:error=EIO", "io", "cannot write"),
        ("/^rename:error=EPERM", "permissionDenied", "cannot write"),
        (
            "fchmod:error=EPERM",
            "permissionDenied",
            "cannot keep the mode of",
        ),
        ("flistxattr:error=EIO", "io", "cannot keep the attribute"),
    ] {
        let folder = Folder::new();
        let path = folder.write("echo.wasm", &large());
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let daemon = traced(inject);
        let error = sign(&mut daemon.connect(), &path, &account).unwrap_err();
        assert_eq!(kind(&error), expected, "{inject}: {error}");
        let said = error["message"].as_str().unwrap();
        assert!(said.starts_with(message), "{inject}: {said}");
        assert!(fs::read(&path).unwrap() == large(), "{inject}");
        assert_eq!(folder.names(), ["echo.wasm"], "{inject}");
    }
}

#[test]
fn an_owner_that_cannot_be_kept_is_not_lost() {
    // Only root can make another's file.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let account = KeyPair::new_account();
    for allowed in [true, false] {
        let folder = Folder::new();
        let path = folder.write("echo.wasm", &module());
        std::os::unix::fs::chown(&path, Some(1234), Some(5678)).unwrap();
        let daemon = match allowed {
            true => Daemon::start(),
            false => traced("fchown:error=EPERM"),
        };
        let signed = sign(&mut daemon.connect(), &path, &account);
        let owner = fs::metadata(&path).unwrap();
        assert_eq!((owner.uid(), owner.gid()), (1234, 5678));
        if allowed {
            signed.unwrap();
            continue;
        }
        let error = signed.unwrap_err();
        assert_eq!(kind(&error), "permissionDenied", "{error}");
        let help = error["data"]["help"].as_str().unwrap();
        assert!(help.contains("`vouch sign -o`"), "{help}");
        assert_eq!(fs::read(&path).unwrap(), module());
        assert_eq!(folder.names(), ["echo.wasm"]);
    }
}

/// The service's files on a disk of its own, which only the service sees.
#[test]
fn a_full_disk_leaves_the_old_file() {
    let folder = Folder::new();
    let account = KeyPair::new_account();
    let mut inside = Command::new("unshare");
    let mount = "mount -t tmpfs -o size=3m none \"$0\" && exec \"$@\"";
    inside
        .args(["--map-root-user", "--mount", "sh", "-c", mount])
        .arg(folder.root())
        .arg(binary().get_program())
        .stdin(Stdio::null());
    without_environment(&mut inside);
    let daemon = Daemon::of(inside, |_, command| {
        command.args(["--log", "error"]);
    });
    let root = PathBuf::from(format!("/proc/{}/root", daemon.process_id()));
    let seen = |name: &str| root.join(folder.path(name).strip_prefix("/").unwrap());
    fs::write(seen("echo.wasm"), large()).unwrap();
    assert_eq!(folder.names(), Vec::<String>::new());
    let mut client = daemon.connect();
    let path = folder.path("echo.wasm");
    let error = sign(&mut client, &path, &account).unwrap_err();
    assert_eq!(kind(&error), "diskFull", "{error}");
    assert_eq!(error["data"]["retryable"], true);
    assert!(fs::read(seen("echo.wasm")).unwrap() == large());
    assert_eq!(fs::read_dir(seen("")).unwrap().count(), 1);
    // With more room.
    fs::write(seen("echo.wasm"), module()).unwrap();
    sign(&mut client, &path, &account).unwrap();
}

#[test]
fn a_file_that_changes_while_it_is_signed_stays_changed() {
    let account = KeyPair::new_account();
    let folder = Folder::new();
    let path = folder.write("echo.wasm", &large());
    let daemon = Daemon::naming_slowly(1);
    let mut client = daemon.connect();
    let (_, complete) = prepare(&mut client, &path, &account);
    let id = client.request("sign/complete", &complete);
    let socket = daemon.socket();
    until("it is about to be named", || {
        let requests = vouch_testing::wire::under_way(&socket);
        requests
            .iter()
            .any(|request| request["phase"] == "finishing")
    });
    let changed = [module(), custom("changed", b"")].concat();
    fs::write(&path, &changed).unwrap();
    assert_eq!(client.outcome(id), "contentModified");
    assert_eq!(fs::read(&path).unwrap(), changed);
    assert_eq!(folder.names(), ["echo.wasm"]);
}
