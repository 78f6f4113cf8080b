//! A name that is taken back unless what it was given for has happened.

use super::{destination::Destination, temporary::random_name, unnamed::Unnamed};
use crate::error::Result;
use rustix::{
    fs::{AtFlags, FlockOperation, Mode, OFlags},
    io::Errno,
};
use std::{
    ffi::{OsStr, OsString},
    fs::File,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::PathBuf,
};

/// A file that has its name, until this is dropped: then what had the name before has it again.
#[derive(Debug)]
#[must_use = "the name is taken back at once"]
pub struct Provisional {
    file: File,
    destination: Destination,
    name: OsString,
    path: PathBuf,
    before: Option<Before>,
    stays: bool,
}

/// What had the name before, under another.
#[derive(Debug)]
struct Before {
    name: OsString,
    /// Held, so that no sweep takes it; nothing for what cannot be opened, which none takes.
    _held: Option<OwnedFd>,
}

impl<P> Unnamed<P> {
    /// As [`give_name`](Self::give_name), for now. What cannot have a second name meanwhile is not
    /// brought back.
    pub fn give_name_for_now(
        self,
        or_name: &OsStr,
        overwrite: bool,
        permit: impl FnOnce() -> Result<P>,
    ) -> Result<Provisional> {
        let (file, destination) = self.copies()?;
        let name = destination.name(or_name).to_owned();
        let before = if overwrite && destination.is_taken(&name)? {
            Before::of(&destination, &name).ok()
        } else {
            None
        };
        // Takes the second name back where it fails: nothing has ours then.
        let mut provisional = Provisional {
            file,
            destination,
            name,
            path: PathBuf::new(),
            before,
            stays: false,
        };
        provisional.path = self.give_name(or_name, overwrite, permit)?;
        Ok(provisional)
    }
}

impl Before {
    fn of(destination: &Destination, name: &OsStr) -> Result<Self, Errno> {
        let folder = &destination.folder;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let held = rustix::fs::openat(folder, name, flags, Mode::empty()).ok();
        if let Some(held) = &held {
            // Where others have locked it, no sweep can.
            let _ = rustix::fs::flock(held, FlockOperation::NonBlockingLockExclusive);
        }
        let second = random_name()?;
        // Of a link, the link itself.
        rustix::fs::linkat(folder, name, folder, &second, AtFlags::empty())?;
        Ok(Self {
            name: second,
            _held: held,
        })
    }
}

impl Provisional {
    /// Leaves the file its name, and answers the path at which it is.
    pub fn keep(mut self) -> PathBuf {
        self.stays = true;
        std::mem::take(&mut self.path)
    }

    /// Whether the name is still that of this file.
    fn has_name(&self) -> bool {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let there = rustix::fs::statat(&self.destination.folder, &self.name, flags);
        let own = self.file.metadata();
        there.is_ok_and(|there| {
            own.is_ok_and(|own| (there.st_dev, there.st_ino) == (own.dev(), own.ino()))
        })
    }
}

impl Drop for Provisional {
    fn drop(&mut self) {
        let folder = &self.destination.folder;
        // What others put there meanwhile is theirs.
        let back = !self.stays && self.has_name();
        // Nothing more can be done about a failure: what is left has a name that a sweep takes.
        let _ = match &self.before {
            Some(before) if back => rustix::fs::renameat(folder, &before.name, folder, &self.name),
            Some(before) => rustix::fs::unlinkat(folder, &before.name, AtFlags::empty()),
            None if back => rustix::fs::unlinkat(folder, &self.name, AtFlags::empty()),
            None => Ok(()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use std::{fs, io::Write, path::Path};

    fn names(folder: &Path) -> Vec<OsString> {
        let names = fs::read_dir(folder).unwrap();
        names.map(|entry| entry.unwrap().file_name()).collect()
    }

    fn given(path: &Path) -> Provisional {
        let mut file: Unnamed<()> = Destination::at(path).unwrap().create().unwrap();
        file.write_all(b"new").unwrap();
        file.give_name_for_now(OsStr::new(""), true, || Ok(()))
            .unwrap()
    }

    #[test]
    fn what_was_there_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        drop(given(&path));
        assert!(names(folder.path()).is_empty());

        fs::write(&path, b"old").unwrap();
        let inode = || fs::symlink_metadata(&path).unwrap().ino();
        let before = inode();
        let named = given(&path);
        assert_eq!(fs::read(&path).unwrap(), b"new");
        // Another file is written there at the same time, which sweeps.
        drop(given(&folder.path().join("b")));
        drop(named);
        assert_eq!(
            (fs::read(&path).unwrap(), inode()),
            (b"old".to_vec(), before)
        );
        assert_eq!(names(folder.path()), ["a"]);

        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("absent", &path).unwrap();
        drop(given(&path));
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("absent"));
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn what_is_kept_stays_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for _ in 0..2 {
            assert_eq!(given(&path).keep(), path);
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert_eq!(names(folder.path()), ["a"]);
        }
    }

    #[test]
    fn what_others_put_there_is_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, b"old").unwrap();
        let named = given(&path);
        fs::remove_file(&path).unwrap();
        fs::write(&path, b"theirs").unwrap();
        drop(named);
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn one_that_gets_no_name_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, b"old").unwrap();
        let file: Unnamed<()> = Destination::at(&path).unwrap().create().unwrap();
        let refused = || Err(Error::cancelled());
        let named = file.give_name_for_now(OsStr::new(""), true, refused);
        assert!(named.is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a"]);
    }
}
