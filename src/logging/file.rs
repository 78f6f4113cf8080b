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
use vouchd::config::{MOST_LOGS, SMALLEST_LOG};

/// The longest line, in bytes; no file can be too small for one.
pub(super) const LONGEST_LINE: usize = 16 << 10;
const _: () = assert!(LONGEST_LINE as u64 <= SMALLEST_LOG);
/// More files than that are not kept, whatever is asked for.
const MOST_KEPT: u32 = MOST_LOGS;
/// Another process holds the lock for as long as an append takes. One that was halted with it must
/// not halt us: after this many attempts we append without it.
const LOOKS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(2);
/// How often the file may be exchanged while we wait for its lock.
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
            size: size.max(SMALLEST_LOG),
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
        Err(Errno::NXIO) => return Err(wrong("it is not a plain file")),
        Err(error) => return Err(error.into()),
    };
    let found = fstat(&file)?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Err(wrong("it is not a plain file"));
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
mod tests;
