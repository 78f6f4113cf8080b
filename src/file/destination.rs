//! Where a pulled file goes: nameless until it is whole, then under its name in one step.

use super::Positioned;
use crate::error::{Error, Result};
use rustix::{
    fs::{AtFlags, FlockOperation, Mode, OFlags, RenameFlags},
    io::Errno,
};
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Write},
    marker::PhantomData,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};
use vouch_protocol::ErrorKind;

const PREFIX: &[u8] = b".vouchd-";
const SUFFIX: &[u8] = b".part";
/// So many entries of a folder are looked at for what a killed server left there.
const SWEEP: usize = 4096;

/// A folder, held open, and perhaps the name that the file shall have in it.
#[derive(Debug)]
pub struct Destination {
    folder: OwnedFd,
    path: PathBuf,
    name: Option<OsString>,
}

impl Destination {
    /// Finds out where `path` points: into a folder that exists, or at a file in one.
    pub fn at(path: &Path) -> Result<Self> {
        let folder = |path: &Path| {
            rustix::fs::open(
                path,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )
        };
        match folder(path) {
            Ok(handle) => {
                return Ok(Self {
                    folder: handle,
                    path: path.to_owned(),
                    name: None,
                });
            }
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => return Err(Error::at(path, "open the folder", error.into())),
        }
        let ends_as_folder = path.as_os_str().as_bytes().ends_with(b"/");
        let (Some(parent), Some(name), false) = (path.parent(), path.file_name(), ends_as_folder)
        else {
            return Err(Error::new(
                ErrorKind::FileNotFound,
                format!("there is no folder {}", path.display()),
            )
            .help("Make the folder first, or name a file."));
        };
        let handle = folder(parent).map_err(|error| {
            Error::at(parent, "open the folder", error.into())
                .help("The destination's folder must exist.")
        })?;
        Ok(Self {
            folder: handle,
            path: parent.to_owned(),
            name: Some(name.to_owned()),
        })
    }

    /// Fails where the name is known and taken. It saves a download; only naming decides.
    pub fn check_free(&self) -> Result<()> {
        let Some(name) = &self.name else {
            return Ok(());
        };
        match rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(taken(&self.path.join(name))),
            Err(_) => Ok(()),
        }
    }

    /// Starts a file without a name in the folder.
    pub fn create<P>(self) -> Result<Unnamed<P>> {
        let failed = |error: Errno| Error::at(&self.path, "write in", error.into());
        sweep(&self.folder);
        let (file, temporary) = match unnamed(&self.folder) {
            Ok(file) => (file, None),
            // NFS, overlays on old kernels, FAT: no unnamed files.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL | Errno::NOSYS) => {
                let (file, name) = temporary(&self.folder).map_err(failed)?;
                (file, Some(name))
            }
            Err(error) => return Err(failed(error)),
        };
        Ok(Unnamed {
            file,
            temporary,
            destination: self,
            permit: PhantomData,
        })
    }
}

/// A file that nobody finds under the destination's name, and whose content is gone when it is
/// dropped. A name is what makes bytes usable: `P` is what naming it takes, and whoever alone can
/// make a `P` alone can name the file.
#[derive(Debug)]
pub struct Unnamed<P> {
    file: File,
    /// Its name where the file system knows no unnamed files.
    temporary: Option<OsString>,
    destination: Destination,
    permit: PhantomData<fn(P)>,
}

impl<P> Unnamed<P> {
    /// Reads what was written so far.
    pub fn reader(&self) -> Positioned<'_> {
        Positioned::new(&self.file)
    }

    /// The folder that it is in.
    pub fn folder(&self) -> &Path {
        &self.destination.path
    }

    /// Another file without a name, for the same destination.
    pub fn sibling(&self) -> Result<Self> {
        let folder = self
            .destination
            .folder
            .try_clone()
            .map_err(|error| Error::at(self.folder(), "open the folder", error))?;
        Destination {
            folder,
            path: self.destination.path.clone(),
            name: self.destination.name.clone(),
        }
        .create()
    }

    /// Syncs the file and gives it its name, in one step; `or_name` is for a destination that is a
    /// folder. Without `overwrite` nothing is replaced, in a race neither. Answers the path.
    ///
    /// The permit is asked for last, when all but the naming is done.
    pub fn give_name(
        mut self,
        or_name: &OsStr,
        overwrite: bool,
        permit: impl FnOnce() -> Result<P>,
    ) -> Result<PathBuf> {
        let name = self
            .destination
            .name
            .clone()
            .unwrap_or_else(|| or_name.to_owned());
        let path = self.destination.path.join(&name);
        let folder = self.destination.folder.as_fd();
        let failed = |error: Errno| match error {
            Errno::EXIST => taken(&path),
            error => Error::at(&path, "write", error.into()),
        };
        rustix::fs::fsync(&self.file).map_err(failed)?;
        let _: P = permit()?;
        match (&self.temporary, overwrite) {
            (None, false) => link(&self.file, folder, &name).map_err(failed)?,
            (None, true) => {
                // No call links over a file that is there: take a name beside it first.
                let beside = random_name().map_err(failed)?;
                link(&self.file, folder, &beside).map_err(failed)?;
                self.temporary = Some(beside.clone());
                rustix::fs::renameat(folder, &beside, folder, &name).map_err(failed)?;
                self.temporary = None;
            }
            (Some(temporary), true) => {
                rustix::fs::renameat(folder, temporary, folder, &name).map_err(failed)?;
                self.temporary = None;
            }
            (Some(temporary), false) => {
                match rename_new(folder, temporary, &name) {
                    Err(Errno::INVAL | Errno::NOSYS) => {
                        // The file system does not know how not to replace; a link never does.
                        rustix::fs::linkat(folder, temporary, folder, &name, AtFlags::empty())
                            .map_err(failed)?;
                        rustix::fs::unlinkat(folder, temporary, AtFlags::empty())
                            .map_err(failed)?;
                    }
                    renamed => renamed.map_err(failed)?,
                }
                self.temporary = None;
            }
        }
        // The name itself must survive a power cut too.
        rustix::fs::fsync(folder).map_err(failed)?;
        Ok(path)
    }
}

impl<P> Write for Unnamed<P> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl<P> Drop for Unnamed<P> {
    fn drop(&mut self) {
        if let Some(name) = &self.temporary {
            // A failure leaves a file that the next sweep takes.
            let _ = rustix::fs::unlinkat(&self.destination.folder, name, AtFlags::empty());
        }
    }
}

fn taken(path: &Path) -> Error {
    Error::new(
        ErrorKind::DestinationExists,
        format!("{} exists already", path.display()),
    )
    .help("Name another destination, or set `overwrite`.")
}

const FILE_MODE: Mode = Mode::from_raw_mode(0o666);

#[cfg(target_os = "linux")]
fn unnamed(folder: &OwnedFd) -> Result<File, Errno> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(folder, ".", flags, FILE_MODE)?);
    // Held, so that the sweep leaves it alone while it has a name beside its destination.
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

#[cfg(not(target_os = "linux"))]
fn unnamed(_: &OwnedFd) -> Result<File, Errno> {
    Err(Errno::OPNOTSUPP)
}

#[cfg(target_os = "linux")]
fn rename_new(folder: impl AsFd, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    rustix::fs::renameat_with(&folder, from, &folder, to, RenameFlags::NOREPLACE)
}

#[cfg(not(target_os = "linux"))]
fn rename_new(_: impl AsFd, _: &OsStr, _: &OsStr) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// Gives an unnamed file a name that is free: open(2), O_TMPFILE.
fn link(file: &File, folder: impl AsFd, name: &OsStr) -> Result<(), Errno> {
    let handle = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(
        rustix::fs::CWD,
        handle,
        folder,
        name,
        AtFlags::SYMLINK_FOLLOW,
    )
}

/// A locked file with a name that the sweep knows.
fn temporary(folder: &OwnedFd) -> Result<(File, OsString), Errno> {
    for _ in 0..16 {
        let name = random_name()?;
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(folder, &name, flags, FILE_MODE) {
            Err(Errno::EXIST) => continue,
            opened => File::from(opened?),
        };
        // A sweep may have locked and removed it in between: then it is nobody's, take another.
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
            && rustix::fs::fstat(&file)?.st_nlink > 0
        {
            return Ok((file, name));
        }
    }
    Err(Errno::EXIST)
}

fn random_name() -> Result<OsString, Errno> {
    use ring::rand::SecureRandom;
    let mut random = [0; 8];
    ring::rand::SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| Errno::IO)?;
    Ok(format!(".vouchd-{:016x}.part", u64::from_ne_bytes(random)).into())
}

/// Whether [`random_name`] made it: others' files may begin and end like ours.
fn is_temporary(name: &[u8]) -> bool {
    name.strip_prefix(PREFIX)
        .and_then(|name| name.strip_suffix(SUFFIX))
        .is_some_and(|random| {
            random.len() == 16
                && random
                    .iter()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
}

/// Removes what a killed server left in the folder: our names, our user's, locked by nobody.
fn sweep(folder: &OwnedFd) {
    let Ok(entries) = rustix::fs::Dir::read_from(folder) else {
        return;
    };
    for entry in entries.take(SWEEP).flatten() {
        let name = entry.file_name().to_bytes();
        if !is_temporary(name) {
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(folder, entry.file_name(), flags, Mode::empty()) else {
            continue;
        };
        let ours = rustix::fs::fstat(&file)
            .is_ok_and(|stat| stat.st_uid == rustix::process::geteuid().as_raw());
        if ours && rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            tracing::debug!(name = %String::from_utf8_lossy(name), "removing what was left over");
            let _ = rustix::fs::unlinkat(folder, entry.file_name(), AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Both ways: unnamed, and with a temporary name as on file systems that know no better.
    fn start(path: &Path, named: bool) -> Unnamed<()> {
        let destination = Destination::at(path).unwrap();
        if !named {
            return destination.create().unwrap();
        }
        let (file, name) = temporary(&destination.folder).unwrap();
        Unnamed {
            file,
            temporary: Some(name),
            destination,
            permit: PhantomData,
        }
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        for named in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("echo.wasm");
            let mut file = start(&path, named);
            file.write_all(b"contents").unwrap();
            assert!(!path.exists());
            assert_eq!(
                file.give_name(OsStr::new("unused"), false, || Ok(()))
                    .unwrap(),
                path
            );
            assert_eq!(fs::read(&path).unwrap(), b"contents");
            assert_eq!(names(folder.path()), ["echo.wasm"]);
        }
    }

    #[test]
    fn a_dropped_file_leaves_nothing() {
        for named in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let mut file = start(&folder.path().join("echo.wasm"), named);
            file.write_all(b"contents").unwrap();
            drop(file);
            assert!(names(folder.path()).is_empty());
        }
    }

    #[test]
    fn nothing_is_replaced_unless_asked() {
        for named in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("echo.wasm");
            let late = start(&path, named);
            fs::write(&path, b"old").unwrap();
            let error = late
                .give_name(OsStr::new("unused"), false, || Ok(()))
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DestinationExists);
            assert!(Destination::at(&path).unwrap().check_free().is_err());
            assert_eq!(fs::read(&path).unwrap(), b"old");

            let mut over = start(&path, named);
            over.write_all(b"new").unwrap();
            over.give_name(OsStr::new("unused"), true, || Ok(()))
                .unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert_eq!(names(folder.path()), ["echo.wasm"]);
        }
    }

    #[test]
    fn a_folder_gets_the_other_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = start(folder.path(), false);
        let path = file
            .give_name(OsStr::new("echo.wasm"), false, || Ok(()))
            .unwrap();
        assert_eq!(path, folder.path().join("echo.wasm"));
    }

    #[test]
    fn a_destination_needs_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), b"").unwrap();
        let check = |path: &str, expected: ErrorKind| {
            let error = Destination::at(&folder.path().join(path)).unwrap_err();
            assert_eq!(error.kind(), expected, "{path}");
        };
        check("absent/echo.wasm", ErrorKind::FileNotFound);
        check("absent/", ErrorKind::FileNotFound);
        check("file/echo.wasm", ErrorKind::FileNotFound);
    }

    #[test]
    fn the_sweep_takes_what_nobody_holds() {
        let folder = tempfile::tempdir().unwrap();
        let abandoned = ".vouchd-0000000000000000.part";
        fs::write(folder.path().join(abandoned), b"").unwrap();
        fs::write(folder.path().join(".vouchd-my-notes.part"), b"").unwrap();
        let held = start(&folder.path().join("a"), true);
        let _other = start(&folder.path().join("b"), false);
        let left = names(folder.path());
        assert!(!left.contains(&abandoned.to_owned()));
        assert!(left.contains(&".vouchd-my-notes.part".to_owned()));
        let held = held.temporary.as_ref().unwrap().to_str().unwrap();
        assert!(left.contains(&held.to_owned()));
    }
}
