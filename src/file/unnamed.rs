//! A file that is written: nameless until it is whole, then under its name in one step.

use super::{
    destination::Destination,
    kept::keep,
    source::{Positioned, Source},
    temporary::{self, NAMED, PRIVATE, random_name, set_mode, sweep},
};
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
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

/// A file that nobody finds under the destination's name, and whose content is gone when it is
/// dropped. A name is what makes bytes usable: `P` is what naming it takes, and whoever alone can
/// make a `P` alone can name the file.
#[derive(Debug)]
pub struct Unnamed<P> {
    file: File,
    /// The mode that it gets with its name.
    mode: Mode,
    /// Its name where the file system has no unnamed files. Its mode is 0600 as long as it has one.
    temporary: Option<OsString>,
    destination: Destination,
    permit: PhantomData<fn(P)>,
}

impl Destination {
    /// Starts a file without a name in the folder.
    pub fn create<P>(&self) -> Result<Unnamed<P>> {
        let failed = |error: Errno| Error::at(&self.path, "write in", error.into());
        sweep(&self.folder);
        let unnamed = unnamed(&self.folder).and_then(|file| Ok((temporary::mode(&file)?, file)));
        let (file, mode, temporary) = match unnamed {
            Ok((mode, file)) => (file, mode, None),
            // NFS, overlays on old kernels and FAT have no unnamed files.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL | Errno::NOSYS) => {
                let (file, name, mode) = temporary::create(&self.folder).map_err(failed)?;
                (file, mode, Some(name))
            }
            Err(error) => return Err(failed(error)),
        };
        Ok(Unnamed {
            file,
            mode,
            temporary,
            destination: self.try_clone()?,
            permit: PhantomData,
        })
    }
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

    /// The path that it gets: see [`Destination::target`].
    pub fn target(&self, or_name: &OsStr) -> PathBuf {
        self.destination.target(or_name)
    }

    /// Its own handle and its destination, once more.
    pub(super) fn copies(&self) -> Result<(File, Destination)> {
        let file = self.file.try_clone();
        let file = file.map_err(|error| Error::at(self.folder(), "write in", error))?;
        Ok((file, self.destination.try_clone()?))
    }

    /// Another file without a name, for the same destination.
    pub fn sibling(&self) -> Result<Self> {
        self.destination.create()
    }

    /// The file that has its name by now: see [`Destination::standing`].
    pub fn standing(&self, or_name: &OsStr) -> Result<Option<Source>> {
        self.destination.standing_as(self.destination.name(or_name))
    }

    /// Keeps a file that has its name in its place: see [`Destination::keep`].
    pub fn give_way(self, standing: &Source) -> Result<PathBuf> {
        self.destination.keep(standing)
    }

    /// The same file on its way to another place of the same file system.
    pub fn bound_for(mut self, destination: &Destination) -> Result<Self> {
        let destination = destination.try_clone()?;
        if let Some(name) = &self.temporary {
            let moved =
                rustix::fs::renameat(&self.destination.folder, name, &destination.folder, name);
            moved.map_err(|error| Error::at(&destination.path, "write in", error.into()))?;
        }
        self.destination = destination;
        Ok(self)
    }

    /// Syncs the file and gives it its name in one step; `or_name` is for a destination that is a
    /// folder. Without `overwrite` nothing is replaced, not even in a race. With it, a regular file
    /// is, or a symbolic link itself, and nothing else. Returns the path at which the file is.
    ///
    /// The permit is asked for last, when all but the naming is done.
    pub fn give_name(
        self,
        or_name: &OsStr,
        overwrite: bool,
        permit: impl FnOnce() -> Result<P>,
    ) -> Result<PathBuf> {
        self.give_name_then(or_name, overwrite, permit, || ())
    }

    /// The same. `named` is told once it has the name, whatever goes wrong after that.
    pub fn give_name_then(
        mut self,
        or_name: &OsStr,
        overwrite: bool,
        permit: impl FnOnce() -> Result<P>,
        named: impl FnOnce(),
    ) -> Result<PathBuf> {
        let name = self.destination.name(or_name).to_owned();
        let path = self.destination.path.join(&name);
        let failed = |error: Errno| Error::at(&path, "write", error.into());
        rustix::fs::fsync(&self.file).map_err(failed)?;
        if self.destination.is_taken(&name)? && !overwrite {
            return Err(self.destination.taken(&name));
        }
        let _: P = permit()?;
        match self.take_name(&name, overwrite) {
            Err(Errno::EXIST) if !overwrite => return Err(self.destination.taken(&name)),
            taken => taken.map_err(failed)?,
        }
        named();
        self.destination.settle(&self.file, &name)
    }

    /// Syncs the file and puts it in the place of the one that it was made of, which must be the
    /// very file that was opened, unchanged; mode, owner and attributes stay. The destination
    /// names that file, not a link to it.
    ///
    /// The permit is asked for last, when all but the naming is done.
    pub fn replace(mut self, old: &Source, permit: impl FnOnce() -> Result<P>) -> Result<PathBuf> {
        let name = self.destination.name(OsStr::new("")).to_owned();
        let path = self.destination.path.join(&name);
        let failed = |error: Errno| Error::at(&path, "write", error.into());
        self.mode = keep(old, &self.file)?;
        set_mode(&self.file, PRIVATE).map_err(failed)?;
        rustix::fs::fsync(&self.file).map_err(failed)?;
        let _: P = permit()?;
        self.take_name_beside().map_err(failed)?;
        self.destination.check_still(&name, old)?;
        self.take_name(&name, true).map_err(failed)?;
        self.destination.settle(&self.file, &name)
    }

    /// Gives it a temporary name, if it has none.
    fn take_name_beside(&mut self) -> Result<(), Errno> {
        if self.temporary.is_none() {
            let beside = random_name()?;
            set_mode(&self.file, PRIVATE)?;
            link(&self.file, self.destination.folder.as_fd(), &beside)?;
            self.temporary = Some(beside);
        }
        Ok(())
    }

    fn take_name(&mut self, name: &OsStr, overwrite: bool) -> Result<(), Errno> {
        if overwrite {
            // No call links over an existing file.
            self.take_name_beside()?;
        }
        let folder = self.destination.folder.as_fd();
        let Some(temporary) = &self.temporary else {
            return link(&self.file, folder, name);
        };
        set_mode(&self.file, self.mode)?;
        if overwrite {
            rustix::fs::renameat(folder, temporary, folder, name)?;
        } else {
            rename_new(folder, temporary, name)?;
        }
        self.temporary = None;
        Ok(())
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

fn unnamed(folder: &OwnedFd) -> Result<File, Errno> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(folder, ".", flags, NAMED)?);
    // Held, so that the sweep leaves it alone while it has a name beside its destination.
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// Gives an unnamed file a name that is free: open(2), O_TMPFILE.
fn link(file: &File, folder: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    let handle = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = AtFlags::SYMLINK_FOLLOW;
    rustix::fs::linkat(rustix::fs::CWD, handle, folder, name, flags)
}

/// Gives a file another name, which must be free, by the first way that the file system knows.
fn rename_new(folder: BorrowedFd<'_>, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
    match rustix::fs::renameat_with(folder, from, folder, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
        renamed => return renamed,
    }
    match rustix::fs::linkat(folder, from, folder, to, AtFlags::empty()) {
        Ok(()) => {
            // It has its name; the other one is for the next sweep.
            let _ = rustix::fs::unlinkat(folder, from, AtFlags::empty());
            return Ok(());
        }
        // link(2): EPERM where there are no hard links.
        Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP | Errno::MLINK) => {}
        Err(error) => return Err(error),
    }
    // Whoever makes an empty file of that name has it, and may replace it.
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, to, flags, PRIVATE)?;
    rustix::fs::renameat(folder, from, folder, to).inspect_err(|_| {
        // It is empty, and would only be in the way of the next.
        let _ = rustix::fs::unlinkat(folder, to, AtFlags::empty());
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::FileType;
    use std::{fs, os::unix::fs::PermissionsExt};
    use vouch_protocol::ErrorKind;

    const UNUSED: &str = "unused";

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
        let (file, name, mode) = temporary::create(&destination.folder).unwrap();
        Unnamed {
            file,
            mode,
            temporary: Some(name),
            destination,
            permit: PhantomData,
        }
    }

    fn give_name(file: Unnamed<()>, overwrite: bool) -> Result<PathBuf> {
        file.give_name(OsStr::new(UNUSED), overwrite, || Ok(()))
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        for (named, overwrite) in [(false, false), (false, true), (true, false), (true, true)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("echo.wasm");
            let mut file = start(&path, named);
            file.write_all(b"contents").unwrap();
            assert!(!path.exists());
            assert_eq!(give_name(file, overwrite).unwrap(), path);
            assert_eq!(fs::read(&path).unwrap(), b"contents");
            assert_eq!(names(folder.path()), ["echo.wasm"]);
        }
    }

    #[test]
    fn nobody_else_reads_it_before_it_has_its_name() {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for (named, overwrite) in [(false, false), (false, true), (true, false), (true, true)] {
            let folder = tempfile::tempdir().unwrap();
            let plain = folder.path().join("plain");
            fs::write(&plain, b"").unwrap();
            let path = folder.path().join("echo.wasm");
            let file = start(&path, named);
            if let Some(name) = &file.temporary {
                assert_eq!(mode(&folder.path().join(name)), 0o600);
            }
            let path = give_name(file, overwrite).unwrap();
            assert_eq!(mode(&path), mode(&plain), "{named} {overwrite}");
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
            let error = give_name(late, false).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DestinationExists);
            // In a race: the name is taken after it was looked at.
            let taken_meanwhile = || {
                fs::write(&path, b"old").unwrap();
                Ok(())
            };
            fs::remove_file(&path).unwrap();
            let late = start(&path, named);
            let error = late.give_name(OsStr::new(UNUSED), false, taken_meanwhile);
            assert_eq!(error.unwrap_err().kind(), ErrorKind::DestinationExists);
            assert_eq!(fs::read(&path).unwrap(), b"old");

            let mut over = start(&path, named);
            over.write_all(b"new").unwrap();
            give_name(over, true).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert_eq!(names(folder.path()), ["echo.wasm"]);
        }
    }

    #[test]
    fn only_files_and_links_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("echo.wasm");
        let check = |kind: &str| {
            let before = fs::symlink_metadata(&path).unwrap().file_type();
            let there = Destination::at(&path);
            // A folder is one to put the file into.
            if !before.is_dir() {
                let there = there.unwrap();
                assert_eq!(there.check(true).unwrap_err().kind(), ErrorKind::NotAFile);
                assert_eq!(there.check(false).unwrap_err().kind(), ErrorKind::NotAFile);
                assert_eq!(there.standing().unwrap_err().kind(), ErrorKind::NotAFile);
            }
            for named in [false, true] {
                let file = start(folder.path(), named);
                let error = file.give_name(OsStr::new("echo.wasm"), true, || Ok(()));
                let error = error.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NotAFile);
                assert!(error.message().contains(kind), "{error}");
                let after = fs::symlink_metadata(&path).unwrap().file_type();
                assert_eq!(before, after);
                assert_eq!(names(folder.path()), ["echo.wasm"]);
            }
        };
        let at = rustix::fs::CWD;
        rustix::fs::mkfifoat(at, &path, PRIVATE).unwrap();
        check("a pipe");
        fs::remove_file(&path).unwrap();
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        check("a socket");
        drop(listener);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        check("a folder");
        fs::remove_dir(&path).unwrap();
        // Only root can make a device.
        if rustix::fs::mknodat(at, &path, FileType::CharacterDevice, PRIVATE, 0x103).is_ok() {
            check("a device");
            fs::remove_file(&path).unwrap();
        }
        // Of a link, the link itself.
        let target = folder.path().join("target");
        fs::write(&target, b"old").unwrap();
        for leads_to in [
            target.as_path(),
            Path::new("/dev/null"),
            Path::new("absent"),
        ] {
            std::os::unix::fs::symlink(leads_to, &path).unwrap();
            let error = give_name(start(&path, false), false).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DestinationExists);
            give_name(start(&path, false), true).unwrap();
            assert!(fs::symlink_metadata(&path).unwrap().is_file());
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(fs::read(&target).unwrap(), b"old");
    }

    #[test]
    fn what_stands_there_can_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("echo.wasm");
        let destination = Destination::at(&path).unwrap();
        assert!(destination.standing().unwrap().is_none());
        fs::write(&path, b"contents").unwrap();
        let standing = destination.standing().unwrap().unwrap();
        assert_eq!(destination.keep(&standing).unwrap(), path);
        let file = start(folder.path(), false);
        assert!(file.standing(OsStr::new("other")).unwrap().is_none());
        let standing = file.standing(OsStr::new("echo.wasm")).unwrap().unwrap();
        assert_eq!(file.give_way(&standing).unwrap(), path);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("absent", &path).unwrap();
        assert!(destination.standing().unwrap().is_none());
    }

    #[test]
    fn the_answer_is_where_the_file_is() {
        let outer = tempfile::tempdir().unwrap();
        let [folder, moved, other] =
            ["folder", "moved", "other"].map(|name| outer.path().join(name));
        fs::create_dir(&folder).unwrap();
        fs::create_dir(&other).unwrap();
        let file = start(&folder.join("echo.wasm"), false);
        fs::rename(&folder, &moved).unwrap();
        std::os::unix::fs::symlink(&other, &folder).unwrap();
        // Another file of that name is not ours.
        fs::write(other.join("echo.wasm"), b"other").unwrap();
        assert_eq!(give_name(file, false).unwrap(), moved.join("echo.wasm"));
        // Where there is no such path any more, nothing is claimed.
        let file = start(&moved.join("b"), false);
        fs::remove_file(moved.join("echo.wasm")).unwrap();
        fs::remove_dir(&moved).unwrap();
        give_name(file, false).unwrap_err();
    }

    #[test]
    fn a_folder_gets_the_other_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = start(folder.path(), false);
        assert_eq!(give_name(file, false).unwrap(), folder.path().join(UNUSED));
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
