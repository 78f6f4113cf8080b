//! The log file with real files: put aside, shared, taken away, in the way.

use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

const SIZE: u64 = 100;

fn small(path: &Path, keep: u32) -> LogFile {
    LogFile {
        size: SIZE,
        ..LogFile::open(path, 0, keep).unwrap()
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_that_would_get_too_long_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    // From a time when more were kept.
    fs::write(folder.path().join("log.3"), "").unwrap();
    fs::write(folder.path().join("log.4"), "").unwrap();
    let mut log = small(&path, 2);
    for number in 0..100 {
        let line = format!("{number:>9}\n");
        assert_eq!(log.write(line.as_bytes()).unwrap(), 10);
    }
    assert_eq!(names(folder.path()), ["log", "log.1", "log.2"]);
    for (name, first) in [("log", 90), ("log.1", 80), ("log.2", 70)] {
        let text = read(&folder.path().join(name));
        assert_eq!(text.len(), 100, "{name}");
        assert!(text.starts_with(&format!("{first:>9}\n")), "{name}: {text}");
    }
}

#[test]
fn a_file_that_cannot_be_put_aside_is_begun_anew() {
    let check = |keep: u32, in_the_way: &str, expected: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(in_the_way).join("full")).unwrap();
        let mut log = small(&folder.path().join("log"), keep);
        for number in 0..100 {
            log.write_all(format!("{number:>9}\n").as_bytes()).unwrap();
        }
        assert_eq!(log.lost, 0, "{in_the_way}");
        assert_eq!(names(folder.path()), expected, "{in_the_way}");
        let text = read(&folder.path().join("log"));
        assert!(text.ends_with("99\n") && text.len() <= 100, "{text}");
    };
    check(1, "log.1", &["log", "log.1"]);
    check(2, "log.2", &["log", "log.1", "log.2"]);
    check(1, "log.2", &["log", "log.1", "log.2"]);
}

#[test]
fn many_lines_at_once_are_split_between_files_and_a_huge_one_gets_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = small(&path, 9);
    let huge = "x".repeat(250);
    let lines = format!("{}{huge}\nlast\n", "123456789012345678\n".repeat(11));
    log.write_all(lines.as_bytes()).unwrap();
    assert_eq!(log.lost, 0);
    let lengths: Vec<_> = ["log.4", "log.3", "log.2", "log.1", "log"]
        .map(|name| read(&folder.path().join(name)).len())
        .into();
    assert_eq!(lengths, [95, 95, 19, 251, 5]);
}

#[test]
fn without_files_to_keep_it_starts_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = small(&path, 0);
    for _ in 0..25 {
        log.write_all(b"123456789\n").unwrap();
    }
    assert_eq!(names(folder.path()), ["log"]);
    assert_eq!(read(&path).len(), 50);
}

#[test]
fn several_writers_lose_and_break_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    thread::scope(|scope| {
        for writer in 0..4 {
            // A handle of its own each, as processes have.
            let mut log = LogFile {
                size: 10 * SIZE,
                ..small(&path, MOST_KEPT)
            };
            scope.spawn(move || {
                for number in 0..200 {
                    log.write_all(format!("{writer} {number:>7}\n").as_bytes())
                        .unwrap();
                    assert_eq!(log.lost, 0, "{}", log.why);
                }
            });
        }
    });
    let mut lines = Vec::new();
    for name in names(folder.path()) {
        let text = read(&folder.path().join(name));
        assert!(text.len() as u64 <= 10 * SIZE);
        lines.extend(text.lines().map(str::to_owned));
    }
    assert!(lines.iter().all(|line| line.len() == 9));
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 800);
}

#[test]
fn what_somebody_took_away_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/down/log");
    let mut log = small(&path, 2);
    log.write_all(b"one\n").unwrap();
    // As logrotate does it.
    fs::rename(&path, folder.path().join("moved")).unwrap();
    log.write_all(b"two\n").unwrap();
    assert_eq!(read(&folder.path().join("moved")), "one\n");
    assert_eq!(read(&path), "two\n");
    fs::remove_file(&path).unwrap();
    log.write_all(b"three\n").unwrap();
    assert_eq!(read(&path), "three\n");
    fs::remove_dir_all(folder.path().join("deep")).unwrap();
    log.write_all(b"four\n").unwrap();
    assert_eq!(read(&path), "four\n");
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}

#[test]
fn what_cannot_be_written_is_counted_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("folder/log");
    let mut log = small(&path, 2);
    fs::remove_dir_all(folder.path().join("folder")).unwrap();
    fs::write(folder.path().join("folder"), "").unwrap();
    log.write_all(b"one\ntwo\n").unwrap();
    log.write_all(b"three\n").unwrap();
    assert_eq!(log.lost, 3);
    fs::remove_file(folder.path().join("folder")).unwrap();
    log.write_all(b"four\n").unwrap();
    assert_eq!(log.lost, 0);
    assert_eq!(read(&path), "four\n");
}

#[test]
fn one_who_keeps_the_lock_halts_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = small(&path, 2);
    let other = File::options().append(true).open(&path).unwrap();
    flock(&other, FlockOperation::LockExclusive).unwrap();
    for _ in 0..3 {
        log.write_all("123456789\n".repeat(10).as_bytes()).unwrap();
    }
    assert_eq!(names(folder.path()), ["log"], "it is not moved");
    assert!(read(&path).len() as u64 <= 2 * SIZE + 20);
    assert!(log.lost > 0, "what is too much is counted");
    drop(other);
    log.write_all(b"123456789\n").unwrap();
    assert_eq!(names(folder.path()), ["log", "log.1"]);
}

#[test]
fn only_a_plain_file_of_ours_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "").unwrap();
    symlink(at("file"), at("link")).unwrap();
    symlink(at("nowhere"), at("dangling")).unwrap();
    fs::hard_link(at("file"), at("other")).unwrap();
    rustix::fs::mkfifoat(CWD, at("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
    let check = |path: PathBuf, expected: &str| {
        let error = open(&path).unwrap_err();
        assert!(error.to_string().contains(expected), "{path:?}: {error}");
    };
    check(at("link"), "symbolic link");
    check(at("dangling"), "symbolic link");
    check(at("other"), "another name");
    check(at("pipe"), "not a plain file");
    check(folder.path().into(), "directory");
    assert!(!at("nowhere").exists());

    fs::write(at("open"), "old\n").unwrap();
    fs::set_permissions(at("open"), fs::Permissions::from_mode(0o644)).unwrap();
    LogFile::open(&at("open"), 0, 0)
        .unwrap()
        .write_all(b"new\n")
        .unwrap();
    assert_eq!(read(&at("open")), "old\nnew\n");
    assert_eq!(fs::metadata(at("open")).unwrap().mode() & 0o777, 0o600);
}
