//! Where pins are kept: a file in the user's folder for state, which one process at a time changes.
//!
//! It fails closed. A file that cannot be read, that others may write, or that holds a line without
//! a signer is no reason to forget what is pinned: then nothing is judged by pins until somebody
//! mends it. A signer of a method that this version does not know still counts as one.

use super::pins::{Pin, Pins};
use crate::error::{Error, Result, error, quoted};
use rustix::{
    fs::{Access, FlockOperation, Mode, OFlags, flock},
    io::Errno,
};
use std::{
    fs::{DirBuilder, File, Metadata},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};
use vouch_protocol::ErrorKind;

/// The file in the folder for state.
const SIGNERS: &str = "signers";
/// The longest file of pins, in bytes: some hundred thousand repositories.
const LONGEST: u64 = 32 << 20;
/// How long to wait for another process that holds the lock. It is held for a few milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the pins are kept.
#[derive(Debug, Clone)]
pub struct Store {
    /// Nothing, where the user has no home: then nothing is remembered.
    folder: Option<PathBuf>,
    /// What was read, where it is read only once.
    once: Option<Arc<OnceLock<Result<Pins>>>>,
}

/// What a [`Store`] answers where pins can be kept, or not.
#[derive(Debug)]
pub(super) enum Lock {
    /// Nobody else changes the pins while this lives.
    Held(Held),
    /// Why nothing is remembered: the folder cannot be made, or is read-only. Pins that are there
    /// hold all the same.
    Unwritable(String),
}

/// The pins, and the right to change them.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) pins: Pins,
    folder: PathBuf,
    _lock: File,
}

impl Store {
    /// The store in the user's folder for state.
    pub fn of_this_user() -> Self {
        Self {
            folder: vouch_protocol::paths::state_folder(),
            once: None,
        }
    }

    /// A store that remembers nothing.
    pub fn nowhere() -> Self {
        Self {
            folder: None,
            once: None,
        }
    }

    /// The store in a folder, which need not exist yet.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
            once: None,
        }
    }

    /// The same, read at most once: for many questions of one moment. What changes it reads it anew.
    #[must_use]
    pub fn once(&self) -> Self {
        Self {
            folder: self.folder.clone(),
            once: Some(Arc::default()),
        }
    }

    /// The pins of a repository. Blocks.
    pub(super) fn of(&self, repository: &str) -> Result<Vec<Pin>> {
        let of = |pins: &Pins| pins.of(repository).cloned().collect();
        match &self.once {
            None => self.read().map(|pins| of(&pins)),
            Some(once) => match once.get_or_init(|| self.read()) {
                Ok(pins) => Ok(of(pins)),
                Err(error) => Err(error.clone()),
            },
        }
    }

    /// The file that they are kept in.
    pub fn path(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(SIGNERS))
    }

    /// Why they cannot be kept or told, as far as a look at the folder says; nothing is read.
    pub fn trouble(&self) -> Option<Error> {
        let Some(folder) = &self.folder else {
            return Some(unkept("the user of the service has no home folder"));
        };
        let about = match std::fs::metadata(folder) {
            Ok(about) => about,
            // It is made when it is needed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return Some(unreadable(folder, error)),
        };
        let path = folder.join(SIGNERS);
        let file = std::fs::symlink_metadata(&path).ok();
        let file = file.map_or(Ok(()), |about| check_owner(&path, &about));
        let written = rustix::fs::access(folder, Access::WRITE_OK);
        let written = written
            .map_err(|error| unkept(&format!("cannot write in {}: {error}", folder.display())));
        check_owner(folder, &about).and(file).and(written).err()
    }

    /// Reads what is pinned. Blocks. A writer gives the whole file its name at once, so that no
    /// lock is needed to read it.
    pub(super) fn read(&self) -> Result<Pins> {
        let Some(folder) = &self.folder else {
            return Ok(Pins::default());
        };
        match std::fs::metadata(folder) {
            Ok(about) => check_owner(folder, &about)?,
            // There cannot be one, either, where a file is on the way to it.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(Pins::default());
            }
            Err(error) => return Err(unreadable(folder, error)),
        }
        let path = folder.join(SIGNERS);
        let open = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::fs::open(&path, open, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(Pins::default()),
            Err(Errno::LOOP) => {
                let target = "Put the file itself there, which nobody can swap";
                return Err(unusable(&path, "is a symbolic link").help(format!(
                    "{target}: `cp --remove-destination \"$(realpath {0})\" {0}`",
                    quoted(&path)
                )));
            }
            Err(Errno::NOTDIR) => {
                return Err(unusable(folder, "is not a folder").help(aside(folder)));
            }
            Err(error) => return Err(unreadable(&path, error.into())),
        };
        let about = file.metadata().map_err(|error| unreadable(&path, error))?;
        if !about.is_file() {
            return Err(unusable(&path, "is not a regular file").help(aside(&path)));
        }
        check_owner(&path, &about)?;
        let mut text = String::new();
        file.take(LONGEST + 1)
            .read_to_string(&mut text)
            .map_err(|error| unreadable(&path, error))?;
        if text.len() as u64 > LONGEST {
            return Err(too_long(&path));
        }
        Pins::parse(&text).map_err(|(line, why)| {
            let path_shown = quoted(&path);
            unusable(&path, &format!("has a line {line} that {why}")).help(format!(
                "Correct the line, or remove it: `sed -i {line}d {path_shown}`"
            ))
        })
    }

    /// All that is pinned. Blocks.
    pub fn all(&self) -> Result<Vec<Pin>> {
        Ok(self.read()?.all().cloned().collect())
    }

    /// Pins a signer of a repository, beside those that it has. Blocks.
    pub fn accept(&self, repository: &str, signer: &str, now: u64) -> Result<()> {
        let mut held = self.held()?;
        if held.pins.of(repository).any(|pin| pin.signer == signer) {
            return Ok(());
        }
        held.pins.add(repository, signer, now);
        held.write()
    }

    /// Forgets a signer of a repository, or all of them. Blocks.
    pub fn forget(&self, repository: &str, signer: Option<&str>) -> Result<()> {
        let mut held = self.held()?;
        held.pins.remove(repository, signer);
        held.write()
    }

    fn held(&self) -> Result<Held> {
        match self.lock()? {
            Lock::Held(held) => Ok(held),
            Lock::Unwritable(why) => Err(Error::new(ErrorKind::Io, why)),
        }
    }

    /// Reads what is pinned, to change it. Waits for whoever else does. Blocks.
    pub(super) fn lock(&self) -> Result<Lock> {
        let Some(folder) = &self.folder else {
            let why = "the user of the service has no home folder";
            return Ok(Lock::Unwritable(why.into()));
        };
        let path = folder.join("signers.lock");
        let open = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mut make = DirBuilder::new();
        let made = make.recursive(true).mode(0o700).create(folder);
        let lock = made.and_then(|()| {
            let mode = Mode::RUSR | Mode::WUSR;
            Ok(File::from(rustix::fs::open(&path, open, mode)?))
        });
        let lock = match lock {
            Ok(lock) => lock,
            Err(error) => {
                // What is there still holds, and has to be fit to be believed.
                self.read()?;
                let left = error.kind() == io::ErrorKind::PermissionDenied
                    && path.symlink_metadata().is_ok();
                if is_read_only(&error) && !left {
                    let folder = folder.display();
                    return Ok(Lock::Unwritable(format!(
                        "cannot write in {folder}: {error}"
                    )));
                }
                return Err(unlockable(&path, error));
            }
        };
        let begun = Instant::now();
        while let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if !matches!(error, Errno::WOULDBLOCK | Errno::INTR) {
                return Err(failed(&path, "lock the pins with", error.into()));
            }
            if begun.elapsed() > PATIENCE {
                return Err(
                    error!(Busy: "another process has held {} too long", path.display()).help(
                        format!("Try again; `fuser {}` names the process.", path.display()),
                    ),
                );
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(Lock::Held(Held {
            pins: self.read()?,
            folder: folder.clone(),
            _lock: lock,
        }))
    }
}

/// Fails where somebody else could have written it.
fn check_owner(path: &Path, about: &Metadata) -> Result<()> {
    let own = rustix::process::geteuid().as_raw();
    if about.uid() != own && about.uid() != 0 {
        let why = format!("belongs to user {}, who could have written it", about.uid());
        return Err(unusable(path, &why).help(format!(
            "Make it yours, if it is: `sudo chown {own} {}`",
            quoted(path)
        )));
    }
    if about.mode() & 0o022 != 0 {
        let why = "can be written by others than its owner";
        let help = format!("Remove others' write access: `chmod go-w {}`", quoted(path));
        return Err(unusable(path, why).help(help));
    }
    Ok(())
}

fn unusable(path: &Path, why: &str) -> Error {
    error!(PolicyUnusable: "the signers that were seen cannot be told: {} {why}", path.display())
}

/// What to do about what cannot be mended in its place.
fn aside(path: &Path) -> String {
    format!(
        "Move it away: `mv {0} {0}.old`. Then every repository has its first use again.",
        quoted(path)
    )
}

fn unkept(why: &str) -> Error {
    error!(PolicyUnusable: "the signers that are seen cannot be remembered: {why}")
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("Let the service read it: `chmod u+rX {}`", quoted(path))
        }
        _ => aside(path),
    };
    unusable(path, &format!("cannot be read: {error}"))
        .help(help)
        .source(error)
}

fn too_long(path: &Path) -> Error {
    unusable(path, "would be longer than 32 MiB").help(
        "Remove what you do not need: `vouch trust list` shows it, `vouch trust forget REPOSITORY` removes it.",
    )
}

/// A lock that is there and cannot be opened is no reason to forget: somebody left it.
fn unlockable(path: &Path, error: io::Error) -> Error {
    match Errno::from_io_error(&error) {
        Some(Errno::ACCESS | Errno::PERM | Errno::LOOP | Errno::ISDIR | Errno::EXIST) => {
            unusable(path, &format!("cannot be opened: {error}"))
                .help(format!("Remove it: `rm -r {}`", quoted(path)))
        }
        _ => failed(path, "lock the pins with", error),
    }
}

/// A failure of the system: of those that requests answer.
fn failed(path: &Path, action: &str, error: io::Error) -> Error {
    let error = Error::at(path, action, error);
    match error.kind() {
        ErrorKind::DiskFull | ErrorKind::Busy | ErrorKind::PermissionDenied => error,
        _ => Error::new(ErrorKind::Io, error.message()).source(error),
    }
}

/// Whether nothing can be kept there at all, as opposed to not now.
fn is_read_only(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory
    )
}

impl Held {
    /// Writes other pins in the place of these, for now.
    pub(super) fn replace(mut self, pins: Pins) -> Result<Written> {
        let before = std::mem::replace(&mut self.pins, pins);
        self.write()?;
        Ok(Written {
            held: self,
            before: Some(before),
        })
    }

    /// Writes the pins: the old file or the new one is there at any moment.
    pub(super) fn write(&self) -> Result<()> {
        let path = self.folder.join(SIGNERS);
        let failed = |error| failed(&path, "keep the pins in", error);
        // Who holds the lock is alone with this name; a crash may have left it.
        let new = self.folder.join("signers.new");
        match std::fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let text = self.pins.text();
        if text.len() as u64 > LONGEST {
            return Err(too_long(&path));
        }
        let open = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::open(&new, open, Mode::RUSR | Mode::WUSR);
        let mut file = File::from(file.map_err(|error| failed(error.into()))?);
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        std::fs::rename(&new, &path).map_err(failed)?;
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed)
    }
}

/// Pins that are written, and taken back unless they are kept. Nobody else changes any meanwhile.
#[derive(Debug)]
pub(super) struct Written {
    held: Held,
    before: Option<Pins>,
}

impl Written {
    /// What they are for has happened.
    pub(super) fn keep(mut self) {
        self.before = None;
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let Some(before) = self.before.take() else {
            return;
        };
        self.held.pins = before;
        if let Err(error) = self.held.write() {
            tracing::warn!(%error, "a signer stays pinned of whom nothing was pulled");
        }
    }
}
