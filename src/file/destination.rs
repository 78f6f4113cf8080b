//! Where a file shall be: a folder that is held open, and a name in it.

use super::source::{Source, kind_name};
use crate::error::{Error, Result, error};
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags},
    io::Errno,
};
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::MetadataExt},
    },
    path::{Path, PathBuf},
};

/// A folder that is held open, and the name that the file gets in it, if that is known yet.
#[derive(Debug)]
pub struct Destination {
    pub(super) folder: OwnedFd,
    pub(super) path: PathBuf,
    name: Option<OsString>,
}

impl Destination {
    /// Finds out where `path` points: into a folder that exists, or at a file in one.
    pub fn at(path: &Path) -> Result<Self> {
        let folder = |path: &Path| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open(path, flags, Mode::empty())
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
        let written = path.as_os_str().as_bytes();
        let ends_as_folder = written.ends_with(b"/") || written.ends_with(b"/.");
        let (Some(parent), Some(name), false) = (path.parent(), path.file_name(), ends_as_folder)
        else {
            return Err(
                error!(FileNotFound: "there is no folder {}", path.display())
                    .help("Make the folder first, or name a file."),
            );
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

    /// The same folder, and that name in it.
    pub fn named(&self, name: OsString) -> Result<Self> {
        let same = self.try_clone()?;
        Ok(Self {
            name: Some(name),
            ..same
        })
    }

    /// The same place, with a handle of its own.
    pub(super) fn try_clone(&self) -> Result<Self> {
        let folder = self.folder.try_clone();
        Ok(Self {
            folder: folder.map_err(|error| Error::at(&self.path, "open the folder", error))?,
            path: self.path.clone(),
            name: self.name.clone(),
        })
    }

    /// The name in the folder; `or_name` where the destination is a folder.
    pub(super) fn name<'a>(&'a self, or_name: &'a OsStr) -> &'a OsStr {
        self.name.as_deref().unwrap_or(or_name)
    }

    /// The file that is there already, if its name is known and it can be read. Fails with
    /// `notAFile` where something is there that is never replaced: only regular files and symbolic
    /// links are.
    pub fn standing(&self) -> Result<Option<Source>> {
        match &self.name {
            Some(name) => self.standing_as(name),
            None => Ok(None),
        }
    }

    /// The same, for a destination that is a folder, and the file's name in it.
    pub(super) fn standing_as(&self, name: &OsStr) -> Result<Option<Source>> {
        let path = self.path.join(name);
        if !self.is_taken(name)? {
            return Ok(None);
        }
        // What cannot be read (a link that leads nowhere or to a device, a file of another user)
        // can still be replaced.
        Ok(Source::open_in(&self.folder, Path::new(name), &path).ok())
    }

    /// Whether something has the name already. Fails where that is never replaced.
    pub(super) fn is_taken(&self, name: &OsStr) -> Result<bool> {
        let path = || self.path.join(name);
        let stat = match rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(false),
            Err(error) => return Err(Error::at(&path(), "look at", error.into())),
        };
        match kind_name(stat.st_mode) {
            Some(kind) if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink => {
                Err(error!(NotAFile: "{} is {kind}", path().display()).help(
                    "Only regular files and symbolic links are replaced: name another destination.",
                ))
            }
            _ => Ok(true),
        }
    }

    /// Fails where something has the name already that the request may not replace. This saves a
    /// download; only the naming decides.
    pub fn check(&self, overwrite: bool) -> Result<()> {
        match &self.name {
            Some(name) if self.is_taken(name)? && !overwrite => Err(self.taken(name)),
            _ => Ok(()),
        }
    }

    /// The same as [`check`](Self::check), for a destination that is a folder, and the file's name
    /// in it.
    pub fn check_as(&self, or_name: &OsStr, overwrite: bool) -> Result<()> {
        let name = self.name(or_name);
        if self.is_taken(name)? && !overwrite {
            return Err(self.taken(name));
        }
        Ok(())
    }

    /// The path that the file gets; `or_name` is for a destination that is a folder.
    pub fn target(&self, or_name: &OsStr) -> PathBuf {
        self.path.join(self.name(or_name))
    }

    /// Fails with `contentModified` unless the name is that of the very file that was opened,
    /// unchanged since.
    pub(super) fn check_still(&self, name: &OsStr, opened: &Source) -> Result<()> {
        let there = Source::open_in(&self.folder, Path::new(name), &self.path.join(name));
        let is_link = || {
            let there = rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW);
            there.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
        };
        if !is_link() && there.is_ok_and(|there| there.identity() == opened.identity()) {
            return Ok(());
        }
        let path = opened.path().display();
        Err(
            error!(ContentModified: "{path} changed, or was replaced, while it was signed")
                .help("It is as whoever changed it left it. Sign it again once nobody writes it."),
        )
    }

    pub(super) fn taken(&self, name: &OsStr) -> Error {
        error!(DestinationExists: "{} already exists", self.path.join(name).display())
            .help("Name another destination, or set `overwrite`.")
    }

    /// Syncs a file that is at the destination already, as if it had been put there now. Returns its
    /// path.
    pub fn keep(&self, standing: &Source) -> Result<PathBuf> {
        let path = standing.path();
        let name = path.file_name().unwrap_or_default();
        rustix::fs::fsync(standing.file())
            .map_err(|error| Error::at(path, "sync", error.into()))?;
        self.settle(standing.file(), name)
    }

    /// Syncs the folder in which a file has just got its name, and returns the path of the file.
    pub(super) fn settle(&self, file: &File, name: &OsStr) -> Result<PathBuf> {
        let path = self.path.join(name);
        sync_name(&self.folder, &path)?;
        // The folder that is held open may have another path by now, and its path may lead to
        // another folder.
        let is_there = |path: &Path| {
            let (found, own) = (std::fs::metadata(path), file.metadata());
            found.is_ok_and(|found| {
                own.is_ok_and(|own| (found.dev(), found.ino()) == (own.dev(), own.ino()))
            })
        };
        if is_there(&path) {
            return Ok(path);
        }
        let handle = format!("/proc/self/fd/{}", self.folder.as_raw_fd());
        let moved = std::fs::read_link(handle).map(|folder| folder.join(name));
        moved.ok().filter(|path| is_there(path)).ok_or_else(|| {
            error!(
                Io: "{} is not there: its folder was moved or replaced in the meantime, and the file \
                 is in the one that was moved",
                path.display()
            )
            .help("Look for it there, or pull again.")
        })
    }
}

/// Syncs the folder in which a file has just got its name, so that the name survives a power cut.
/// Some file systems cannot do that, and say so in one of three ways: they are used as they are.
fn sync_name(folder: impl AsFd, path: &Path) -> Result<()> {
    match rustix::fs::fsync(folder) {
        Ok(()) | Err(Errno::INVAL | Errno::BADF | Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(error!(
            Io: "{} is written, but may not survive a power cut: its folder cannot be synced: {}",
            path.display(), std::io::Error::from(error)
        )
        .help("Look at the disk, then try again.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vouch_protocol::ErrorKind;

    #[test]
    fn a_destination_needs_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), b"").unwrap();
        let check = |path: &str, expected: ErrorKind| {
            let error = Destination::at(&folder.path().join(path)).unwrap_err();
            assert_eq!(error.kind(), expected, "{path}");
        };
        check("absent/echo.wasm", ErrorKind::FileNotFound);
        check("absent/", ErrorKind::FileNotFound);
        check("absent/.", ErrorKind::FileNotFound);
        check("file/echo.wasm", ErrorKind::FileNotFound);
    }
}
