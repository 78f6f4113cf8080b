//! The log file: appended to in whole lines, put aside when it gets too long, and opened again when
//! somebody took it away.
//!
//! Several services may write to one file, and an old one beside the new one that replaces it. So a
//! line is one append, and who moves or cuts the file holds a lock on it and has made sure that it
//! still has its name. What cannot be written is lost and counted; nothing here may end or hold up
//! more than the thread of the log.

use rustix::{
    fs::{
        AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, Stat, fchmod, flock, fstat,
        ftruncate, statat,
    },
    io::Errno,
};
use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// The longest line, in bytes; no file can be too small for one.
pub(super) const LONGEST_LINE: usize = 16 << 10;
/// More files than that are not kept, whatever is asked for.
const MOST_KEPT: u32 = 100;
/// Another process holds the lock for as long as an append takes. One that was halted with it must
/// not halt us: after so many looks we append without.
const LOOKS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(2);
/// So often the file may be exchanged while we wait for its lock.
const EXCHANGES: u32 = 100;

/// A log file. It is made where it does not exist, with its folders, for its owner alone.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    size: u64,
    keep: u32,
    file: Option<File>,
    /// Lines that could not be written since the last that could, and why not.
    lost: u64,
    why: String,
}

/// A lock on a file, as long as it lives; where it is not held, it could not be had.
struct Lock<'a> {
    file: &'a File,
    held: bool,
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        if self.held {
            // It fails for no handle that is open.
            let _ = flock(self.file, FlockOperation::Unlock);
        }
    }
}

impl LogFile {
    /// Opens the file at that path. One that would get longer than `size` bytes is put aside;
    /// `keep` of those are kept, as `PATH.1` (the newest) to `PATH.keep`.
    pub(crate) fn open(path: &Path, size: u64, keep: u32) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let file = open(&path)?;
        Ok(Self {
            path,
            size: size.max(LONGEST_LINE as u64),
            keep: keep.min(MOST_KEPT),
            file: Some(file),
            lost: 0,
            why: String::new(),
        })
    }

    /// Appends whole lines. Answers what is left of them where it fails.
    fn append<'a>(&mut self, mut lines: &'a [u8]) -> Result<(), (&'a [u8], io::Error)> {
        while !lines.is_empty() {
            match self.append_some(lines) {
                Ok(written) => lines = lines.get(written..).unwrap_or_default(),
                Err(error) => {
                    // What is wrong with this handle may be right with the next.
                    self.file = None;
                    return Err((lines, error));
                }
            }
        }
        Ok(())
    }

    /// Appends as many lines as the file has room for, and answers their length.
    fn append_some(&mut self, lines: &[u8]) -> io::Result<usize> {
        for _ in 0..EXCHANGES {
            let file = match self.file.take() {
                Some(file) => file,
                None => open(&self.path)?,
            };
            let lock = lock(&file);
            // Somebody may have moved or removed it, another process of ours included.
            if !is_at(&file, &self.path) {
                continue;
            }
            let length = file.metadata()?.len();
            let mut fitting = fitting(lines, self.size.saturating_sub(length));
            if fitting == 0 && length > 0 && lock.held {
                if let Err(error) = self.put_aside(&file) {
                    // A folder may be in the way: what is to come is worth more than what was.
                    tracing::warn!(%error, "the log file cannot be put aside, and is begun anew");
                    ftruncate(&file, 0)?;
                }
                continue;
            }
            if fitting == 0 {
                // It is longer than a file, or the file cannot be put aside: bounded all the same.
                if length >= self.size.saturating_mul(2) {
                    let why = "another process keeps the log file locked";
                    return Err(io::Error::other(why));
                }
                fitting = line(lines);
            }
            let fit = lines.get(..fitting).unwrap_or(lines);
            if let Err(error) = (&file).write_all(fit) {
                // A part of a line would spoil the next one. Under the lock nobody else appends.
                if lock.held {
                    // Where that fails too, there is nothing left to do.
                    let _ = ftruncate(&file, length);
                }
                return Err(error);
            }
            drop(lock);
            self.file = Some(file);
            return Ok(fitting);
        }
        Err(io::Error::other("somebody keeps taking the log file away"))
    }

    /// Moves what was put aside before by one, and the file itself to the first place. The file is
    /// locked and has its name; it still has it where this fails.
    fn put_aside(&self, file: &File) -> io::Result<()> {
        if self.keep == 0 {
            return Ok(ftruncate(file, 0)?);
        }
        for place in (1..self.keep).rev() {
            absent_is_fine(fs::rename(self.aside(place), self.aside(place + 1)))?;
        }
        fs::rename(&self.path, self.aside(1))?;
        // More may be there from a time when more were kept.
        for place in self.keep + 1..=MOST_KEPT {
            // The first that is not there is the end of them; what cannot be removed, a folder
            // perhaps, is none of them.
            if fs::remove_file(self.aside(place)).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn aside(&self, place: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{place}"));
        name.into()
    }
}

impl Write for LogFile {
    /// Takes whole lines, and never fails: what cannot be written is counted, and told of as soon
    /// as something can.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        match self.append(lines) {
            Ok(()) if self.lost > 0 => {
                let lost = std::mem::take(&mut self.lost);
                let why = std::mem::take(&mut self.why);
                tracing::warn!(lost, why, "the log file is written again; lines were lost");
            }
            Ok(()) => {}
            Err((left, error)) => {
                self.lost += left.split_inclusive(|byte| *byte == b'\n').count() as u64;
                self.why = error.to_string();
            }
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn absent_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Opens the file, and makes it where it is not there. A symbolic link is not followed, since
/// others may have laid it; what is opened must be a plain file of ours with one name.
fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::CLOEXEC
        | OFlags::NOFOLLOW
        // A pipe without a reader would block.
        | OFlags::NONBLOCK
        | OFlags::NOCTTY;
    let wrong = |why: &str| io::Error::new(io::ErrorKind::PermissionDenied, why);
    let file = match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => File::from(file),
        Err(Errno::LOOP) => return Err(wrong("it is a symbolic link")),
        Err(Errno::NXIO) => return Err(wrong("it is no plain file")),
        Err(error) => return Err(error.into()),
    };
    let found = fstat(&file)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(wrong("it is no plain file"));
    }
    if found.st_uid != rustix::process::geteuid().as_raw() {
        return Err(wrong("it belongs to another user"));
    }
    if found.st_nlink > 1 {
        return Err(wrong("it is another name of a file"));
    }
    if found.st_mode & 0o077 != 0 {
        fchmod(&file, Mode::RUSR | Mode::WUSR)?;
    }
    Ok(file)
}

/// Locks the file against other processes, unless one of them keeps it for too long.
fn lock(file: &File) -> Lock<'_> {
    for look in 0..LOOKS {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Lock { file, held: true },
            Err(Errno::WOULDBLOCK | Errno::INTR) if look + 1 < LOOKS => thread::sleep(PAUSE),
            // There are file systems without locks.
            Err(_) => break,
        }
    }
    Lock { file, held: false }
}

/// Whether the file still has that name.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |found: Stat| (found.st_dev, found.st_ino);
    let named = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).map(identity);
    matches!((named, fstat(file).map(identity)), (Ok(named), Ok(own)) if named == own)
}

/// The length of as many whole lines as there is room for.
fn fitting(lines: &[u8], room: u64) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    if lines.len() <= room {
        return lines.len();
    }
    let inside = lines.get(..room).unwrap_or_default();
    let last = inside.iter().rposition(|byte| *byte == b'\n');
    last.map_or(0, |last| last + 1)
}

/// The length of the first line.
fn line(lines: &[u8]) -> usize {
    let first = lines.iter().position(|byte| *byte == b'\n');
    first.map_or(lines.len(), |last| last + 1)
}

#[cfg(test)]
mod tests {
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
        check(at("pipe"), "no plain file");
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
}
