//! Files, opened without surprises and named atomically.
//!
//! A path is opened once, and everything is read from that handle. A file that is written has no
//! name until [`Unnamed::give_name`] gives it one, whole and synced.
//! Everything here blocks, but for [`Identity::at_hand`]: call it off the runtime's threads.

mod destination;

pub use destination::{Destination, Unnamed};

use crate::error::{Error, Result};
use rustix::fs::{FileType, Mode, OFlags};
use std::{
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use vouch_protocol::ErrorKind;

/// The longest path or URI that is looked at, in bytes. Linux stops at 4096; a URI may need three
/// characters for each.
const LONGEST: usize = 3 * 4096 + 16;

/// Parses an absolute path or a `file:` URI (RFC 8089).
pub fn parse_path(text: &str) -> Result<PathBuf> {
    let wrong = |why: &str| {
        let shown: String = text.chars().take(200).collect();
        Error::new(ErrorKind::InvalidPath, format!("{shown:?} {why}"))
            .help("Send an absolute path, or a `file:` URI. The server does not know the folder you are in.")
    };
    if text.len() > LONGEST {
        return Err(wrong("is too long for a path"));
    }
    let path = if text
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:"))
    {
        reqwest::Url::parse(text)
            .ok()
            .and_then(|uri| uri.to_file_path().ok())
            .ok_or_else(|| wrong("is no URI of a local file"))?
    } else {
        PathBuf::from(text)
    };
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(wrong("contains a NUL"));
    }
    if !path.is_absolute() {
        return Err(wrong("is no absolute path"));
    }
    Ok(path)
}

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
    #[cfg(target_os = "linux")]
    pub fn at_hand(path: &Path) -> Option<Self> {
        use rustix::fs::{AtFlags, CWD, ResolveFlags, StatxFlags, makedev, openat2, statx};
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

    /// Elsewhere nothing is known to be at hand.
    #[cfg(not(target_os = "linux"))]
    pub fn at_hand(_: &Path) -> Option<Self> {
        None
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
        let not_a_file = |kind: FileType| {
            let what = match kind {
                FileType::Directory => "a folder",
                FileType::Fifo => "a pipe",
                FileType::Socket => "a socket",
                FileType::CharacterDevice | FileType::BlockDevice => "a device",
                _ => "no regular file",
            };
            Error::new(ErrorKind::NotAFile, format!("{} is {what}", path.display()))
                .help("Name a regular file.")
        };
        let failed = |error: rustix::io::Errno| Error::at(path, "open", error.into());
        // Looking first keeps devices with side effects closed; looking again decides.
        let looked = rustix::fs::stat(path).map_err(failed)?;
        let kind = FileType::from_raw_mode(looked.st_mode);
        if kind != FileType::RegularFile {
            return Err(not_a_file(kind));
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?);
        let opened = file
            .metadata()
            .map_err(|error| Error::at(path, "look at", error))?;
        let kind = FileType::from_raw_mode(opened.mode());
        if kind != FileType::RegularFile {
            return Err(not_a_file(kind));
        }
        Ok(Self {
            file,
            path: path.to_owned(),
            identity: Identity::of(&opened),
        })
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

    /// Its size when it was opened, in bytes.
    pub fn size(&self) -> u64 {
        self.identity.size
    }

    /// Whether it lies on a file system that only this machine changes, so that what the kernel
    /// remembers of it is so. Those that lie on others may be anything.
    #[cfg(target_os = "linux")]
    // Its number is as wide as the machine's words.
    #[allow(clippy::useless_conversion)]
    pub fn is_local(&self) -> bool {
        // statfs(2): ext2 to ext4, XFS, Btrfs, F2FS, tmpfs.
        const LOCAL: [i64; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x0102_1994];
        rustix::fs::fstatfs(&self.file)
            .is_ok_and(|found| i64::try_from(found.f_type).is_ok_and(|kind| LOCAL.contains(&kind)))
    }

    /// Elsewhere that is not looked for.
    #[cfg(not(target_os = "linux"))]
    pub fn is_local(&self) -> bool {
        false
    }

    /// Whether nobody else can read it: as `PostgreSQL`'s clients hold it, one of root's may be
    /// readable for its group, whom root chose.
    pub fn is_private(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| {
            let others = if metadata.uid() == 0 { 0o037 } else { 0o077 };
            metadata.mode() & others == 0
        })
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
    fn new(file: &'a File) -> Self {
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

    #[test]
    fn paths_and_uris() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(parse_path(text).ok(), expected.map(PathBuf::from), "{text}");
        };
        check("/tmp/a b.wasm", Some("/tmp/a b.wasm"));
        check("file:///tmp/a%20b.wasm", Some("/tmp/a b.wasm"));
        check("FILE:///tmp/a", Some("/tmp/a"));
        check("file:/tmp/a", Some("/tmp/a"));
        check("file://localhost/tmp/a", Some("/tmp/a"));
        check("file://elsewhere/tmp/a", None);
        check("file:///tmp/a%00b", None);
        check("relative.wasm", None);
        check("~/echo.wasm", None);
        check("/tmp/a\0b", None);
        check("", None);
        check(&"/".repeat(LONGEST + 1), None);
    }

    #[test]
    fn only_regular_files_open() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::RUSR).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&fifo, &link).unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let check = |path: &Path, expected| {
            let error = Source::open(path).expect_err("it is no file");
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

    #[cfg(target_os = "linux")]
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
