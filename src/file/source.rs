//! A regular file that is read: opened once, without surprises.

use crate::{
    error::{Error, Result, error},
    name::Digest,
    progress::Progress,
};
use rustix::{
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, RawMode, ResolveFlags, StatxFlags, makedev, openat2,
        statx,
    },
    io::Errno,
};
use std::{
    fs::{File, Metadata},
    io::{self, Read},
    os::{
        fd::AsFd,
        unix::fs::{FileExt, MetadataExt},
    },
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What tells one state of a file from another without reading it. A store through a dirty
/// mapping moves none of it: see [`Identity::settled`] for what that means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// A file's identity, as far as the kernel has all of that in memory: it waits for no disk, no
    /// network and nobody's file system. What is found says nothing of a file that others than
    /// this machine change: see [`Source::is_local`].
    ///
    /// `openat2(2)`, `RESOLVE_CACHED` (Linux 5.12), and `statx(2)`, `AT_STATX_DONT_SYNC`.
    pub fn at_hand(path: &Path) -> Option<Self> {
        // A handle for the name alone: the file system is not asked to open anything.
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let file = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED).ok()?;
        let looked = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let found = statx(&file, c"", looked, StatxFlags::BASIC_STATS).ok()?;
        Some(Self {
            device: makedev(found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            size: found.stx_size,
            modified: (found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec.into()),
            changed: (found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec.into()),
        })
    }

    /// Whether both times lie at least 2 s back, so that a further change would have moved them:
    /// some file systems keep times in steps of that size.
    pub fn settled(&self, now: SystemTime) -> bool {
        let Ok(now) = now.duration_since(UNIX_EPOCH) else {
            return false;
        };
        [self.modified, self.changed]
            .into_iter()
            .all(|(seconds, nanoseconds)| {
                let (Ok(seconds), Ok(nanoseconds)) =
                    (u64::try_from(seconds), u32::try_from(nanoseconds))
                else {
                    return false;
                };
                now.checked_sub(Duration::new(seconds, nanoseconds))
                    .is_some_and(|age| age >= Duration::from_secs(2))
            })
    }
}

/// Refuses what is not a regular file, by the name that people know it by.
fn check_kind(mode: RawMode, path: &Path) -> Result<()> {
    match kind_name(mode) {
        None => Ok(()),
        Some(kind) => {
            Err(error!(NotAFile: "{} is {kind}", path.display()).help("Name a regular file."))
        }
    }
}

/// What people call a thing in the file system; nothing, of a regular file.
pub(super) fn kind_name(mode: RawMode) -> Option<&'static str> {
    match FileType::from_raw_mode(mode) {
        FileType::RegularFile => None,
        FileType::Directory => Some("a folder"),
        FileType::Fifo => Some("a pipe"),
        FileType::Socket => Some("a socket"),
        FileType::CharacterDevice | FileType::BlockDevice => Some("a device"),
        FileType::Symlink => Some("a symbolic link"),
        FileType::Unknown => Some("not a regular file"),
    }
}

/// A regular file, opened for reading.
#[derive(Debug)]
pub struct Source {
    file: File,
    path: PathBuf,
    identity: Identity,
}

impl Source {
    /// Opens a regular file. Folders, devices, pipes and sockets are refused, without blocking on
    /// them and, but for a race, without opening them.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_in(CWD, path, path)
    }

    /// The same of a name in a folder that is held open; the path is for messages.
    pub(super) fn open_in(folder: impl AsFd, name: &Path, path: &Path) -> Result<Self> {
        let failed = |error: Errno| Error::at(path, "open", error.into());
        // Looking first keeps devices with side effects closed; looking again decides.
        let looked = rustix::fs::statat(&folder, name, AtFlags::empty()).map_err(failed)?;
        check_kind(looked.st_mode, path)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, name, flags, Mode::empty()).map_err(failed)?;
        let file = File::from(file);
        let opened = file
            .metadata()
            .map_err(|error| Error::at(path, "look at", error))?;
        check_kind(opened.mode(), path)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            identity: Identity::of(&opened),
        })
    }

    /// Whether it has these bytes. A file of another size is not read.
    pub fn holds(&self, digest: Digest, size: u64, progress: &Progress) -> Result<bool> {
        if self.size() != size {
            return Ok(false);
        }
        let mut reader = self.reader();
        let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
        let mut buffer = vec![0; 256 << 10];
        loop {
            progress.check()?;
            let read = reader
                .read(&mut buffer)
                .map_err(|error| Error::at(&self.path, "read", error))?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                return Ok(Digest::finish(&hash.finish()) == digest);
            };
            hash.update(bytes);
        }
    }

    /// Its handle.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// The path that it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its identity when it was opened.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether its identity is still the one it was opened with.
    pub fn unchanged(&self) -> bool {
        let now = self.file.metadata();
        now.is_ok_and(|now| Identity::of(&now) == self.identity)
    }

    /// Whose it is, and who may do what with it.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Its size when it was opened, in bytes.
    pub fn size(&self) -> u64 {
        self.identity.size
    }

    /// Whether it lies on a file system that only this machine changes, so that what the kernel
    /// remembers of it is so. Those that lie on others may be anything.
    // Its number is as wide as the machine's words.
    #[allow(clippy::useless_conversion)]
    pub fn is_local(&self) -> bool {
        // statfs(2): ext2 to ext4, XFS, Btrfs, F2FS, tmpfs.
        const LOCAL: [i64; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x0102_1994];
        rustix::fs::fstatfs(&self.file)
            .is_ok_and(|found| i64::try_from(found.f_type).is_ok_and(|kind| LOCAL.contains(&kind)))
    }

    /// Whether nobody else can read it: as `PostgreSQL`'s clients hold it, one of root's may be
    /// readable for its group, whom root chose.
    pub fn is_private(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| {
            let others = if metadata.uid() == 0 { 0o037 } else { 0o077 };
            metadata.mode() & others == 0
        })
    }

    /// All of it, as it was when it was opened; nothing where that is more than so many bytes. The
    /// memory is never grown, as what it held before would stay: it may be secret.
    pub fn whole(&self, most: u64) -> Result<Option<Vec<u8>>> {
        let size = self.size();
        if size > most {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
        let read = self.reader().take(size).read_to_end(&mut bytes);
        read.map_err(|error| Error::at(&self.path, "read", error))?;
        Ok(Some(bytes))
    }

    /// Reads it from the start. Readers do not disturb each other.
    pub fn reader(&self) -> Positioned<'_> {
        Positioned::new(&self.file)
    }

    /// Reads it from that byte on.
    pub fn reader_at(&self, offset: u64) -> Positioned<'_> {
        Positioned {
            file: &self.file,
            offset,
        }
    }
}

/// Reads a file from the start, without moving the position that its handle has.
#[derive(Debug)]
pub struct Positioned<'a> {
    file: &'a File,
    offset: u64,
}

impl<'a> Positioned<'a> {
    pub(super) fn new(file: &'a File) -> Self {
        Self { file, offset: 0 }
    }
}

impl Read for Positioned<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use vouch_protocol::ErrorKind;

    #[test]
    fn only_regular_files_open() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(CWD, &fifo, Mode::RUSR).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&fifo, &link).unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let check = |path: &Path, expected| {
            let error = Source::open(path).expect_err("it is not a file");
            assert_eq!(error.kind(), expected, "{}", path.display());
        };
        check(&fifo, ErrorKind::NotAFile);
        check(&link, ErrorKind::NotAFile);
        check(&socket, ErrorKind::NotAFile);
        check(folder.path(), ErrorKind::NotAFile);
        check(Path::new("/dev/zero"), ErrorKind::NotAFile);
        check(&folder.path().join("absent"), ErrorKind::FileNotFound);
        check(&fifo.join("below"), ErrorKind::FileNotFound);
    }

    #[test]
    fn readers_do_not_disturb_each_other() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"contents").unwrap();
        let source = Source::open(file.path()).unwrap();
        for _ in 0..2 {
            let mut read = String::new();
            source.reader().read_to_string(&mut read).unwrap();
            assert_eq!(read, "contents");
        }
    }

    #[test]
    fn a_file_holds_what_hashes_so() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"contents").unwrap();
        let source = Source::open(file.path()).unwrap();
        let check = |bytes: &[u8], size: u64, expected: bool| {
            let held = source.holds(Digest::of(bytes), size, &Progress::default());
            assert_eq!(held.unwrap(), expected);
        };
        check(b"contents", 8, true);
        check(b"Contents", 8, false);
        check(b"contents", 9, false);
        let stopped = Progress::default();
        stopped.stop();
        let error = source.holds(Digest::of(b""), 8, &stopped).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }

    #[test]
    fn what_is_at_hand_is_what_opening_finds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"abc").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("a", &link).unwrap();
        for path in [&path, &link] {
            let opened = Source::open(path).unwrap();
            // Whoever renames something in this moment makes the kernel look twice.
            match (0..1000).find_map(|_| Identity::at_hand(path)) {
                Some(found) => assert_eq!(found, opened.identity()),
                // A kernel or file system that does not keep it.
                None => assert!(!opened.is_local(), "{}", path.display()),
            }
        }
        assert_eq!(Identity::at_hand(&folder.path().join("absent")), None);
    }

    #[test]
    fn a_fresh_file_is_not_settled_and_a_change_shows() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let source = Source::open(file.path()).unwrap();
        assert!(!source.identity().settled(SystemTime::now()));
        assert!(
            source
                .identity()
                .settled(SystemTime::now() + Duration::from_secs(3))
        );
        assert!(source.unchanged());
        file.write_all(b"more").unwrap();
        assert!(!source.unchanged());
    }
}
