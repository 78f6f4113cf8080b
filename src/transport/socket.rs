//! The Unix socket: where it is, who may connect, and that one service has it.

use crate::error::{Error, Result, error};
use rustix::{
    fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags},
    io::Errno,
    net::{AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType},
};
use std::{
    ffi::OsString,
    fmt,
    fs::File,
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{
            fs::FileExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use vouch_protocol::ErrorKind;

/// How long a service is waited for that has the lock and lets nobody connect, and how often it is
/// looked at.
const BETWEEN: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(5);

/// A listening socket's place in the file system. Dropping it removes the file, if this service
/// has made it and it is still the same.
#[derive(Debug)]
pub struct Socket {
    path: Option<PathBuf>,
    /// Held for as long as the socket is; absent where the socket was passed.
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    inode: (u64, u64),
    lock: File,
}

/// Another process serves the socket.
#[derive(Debug)]
pub struct Served {
    /// Its number.
    pub process: String,
    path: PathBuf,
}

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, path } = self;
        write!(f, "process {process} already serves {}", path.display())
    }
}

impl From<Served> for Error {
    fn from(served: Served) -> Self {
        Self::new(ErrorKind::Busy, served.to_string()).help(
            "Use that one, stop it with `vouch stop` (the method `server/stop`), or name another \
             `--socket`.",
        )
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Another service may have taken the name after somebody removed our file.
        if let (Some(path), Some(own)) = (&self.path, &self.own)
            && inode(path) == Some(own.inode)
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Socket {
    /// Listens at that path, or where [`usual_path`] says, unless somebody serves it already. A
    /// socket that was passed by a service manager (`sd_listen_fds(3)`) is taken instead: then path
    /// and lock are the manager's.
    ///
    /// Call it before there are other threads: it changes the environment.
    pub fn open(path: Option<&Path>) -> Result<Result<(UnixListener, Self), Served>> {
        let passed = listenfd::ListenFd::from_env().take_unix_listener(0);
        let passed = passed.map_err(|error| {
            error!(Io: "the file handle that was passed is not a listening Unix socket: {error}")
                .source(error)
        })?;
        if let Some(listener) = passed {
            let socket = Self::taken(&listener);
            return Ok(Ok((listener, socket)));
        }
        let usual = usual_path();
        let path = path.unwrap_or(&usual);
        // Also where it is named, as clients do that start a service.
        if path == usual
            && let Some(folder) = path.parent()
        {
            make_folder(folder)?;
        }
        Self::bind(path)
    }

    /// Listens at that path, in a folder that exists. What a dead service left is replaced.
    pub fn bind(path: &Path) -> Result<Result<(UnixListener, Self), Served>> {
        let path = std::path::absolute(path).map_err(|error| Error::at(path, "find", error))?;
        let address = SocketAddrUnix::new(&path).map_err(|_| {
            let length = path.as_os_str().len();
            error!(
                InvalidPath: "{} has {length} bytes, and a socket's path may have 107",
                path.display()
            )
            .help("Name a shorter path with `--socket` or `VOUCHD_SOCKET`.")
        })?;
        let lock = match lock(&path, &address)? {
            Ok(lock) => lock,
            Err(served) => return Ok(Err(served)),
        };
        let (listener, inode) = listen(&path, &address)?;
        let own = Some(Own { inode, lock });
        let path = Some(path);
        Ok(Ok((listener, Self { path, own })))
    }

    /// Listens at the same path again, in place of a socket that has been closed. One that was
    /// passed cannot be made again.
    pub(super) fn listen_again(&mut self) -> Result<UnixListener> {
        let (Some(path), Some(own)) = (&self.path, &mut self.own) else {
            return Err(error!(Io: "the socket belongs to a service manager"));
        };
        let address = SocketAddrUnix::new(path)
            .map_err(|error| Error::at(path, "make the socket", error.into()))?;
        let (listener, inode) = listen(path, &address)?;
        own.inode = inode;
        Ok(listener)
    }

    /// One whose file is somebody else's.
    pub(super) fn taken(listener: &UnixListener) -> Self {
        Self {
            path: bound_path(listener),
            own: None,
        }
    }

    /// Takes over from another process what tells its file from others and its lock, where it is
    /// that process's own.
    pub(super) fn take(&mut self, own: Option<((u64, u64), File)>) {
        self.own = own.map(|(inode, lock)| Own { inode, lock });
    }

    /// What [`taken`](Self::taken) needs of it, where it is our own.
    pub(super) fn own(&self) -> Option<((u64, u64), BorrowedFd<'_>)> {
        self.own.as_ref().map(|own| (own.inode, own.lock.as_fd()))
    }

    /// Leaves file and lock to another process.
    pub(super) fn leave(mut self) {
        self.own = None;
    }

    /// Writes into the lock whose it is.
    pub(super) fn sign(&self) -> io::Result<()> {
        self.own.as_ref().map_or(Ok(()), |own| sign(&own.lock))
    }

    /// Where it is, where that is known.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// Where the socket is when nobody names another: see [`vouch_protocol::paths`].
pub fn usual_path() -> PathBuf {
    vouch_protocol::paths::socket(rustix::process::getuid().as_raw())
}

/// Makes the socket's folder, or makes sure that nobody else has.
fn make_folder(folder: &Path) -> Result<()> {
    match rustix::fs::mkdir(folder, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(Error::at(folder, "make the folder", error.into())),
    }
    let found =
        rustix::fs::lstat(folder).map_err(|error| Error::at(folder, "look at", error.into()))?;
    let wrong = |why: &str| {
        error!(
            PermissionDenied: "{} {why}, so others could serve you, or read what is meant for the service",
            folder.display()
        )
        .help("Remove it, or name another place with `--socket` or `VOUCHD_SOCKET`.")
    };
    if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
        return Err(wrong("is not a folder"));
    }
    if found.st_uid != rustix::process::geteuid().as_raw() {
        return Err(wrong("belongs to another user"));
    }
    if found.st_mode & 0o077 != 0 {
        return Err(wrong("is open to others"));
    }
    Ok(())
}

/// Locks the socket's path for the life of the file that is answered. The file itself stays: who
/// removes a lock lets two have it.
fn lock(path: &Path, address: &SocketAddrUnix) -> Result<Result<File, Served>> {
    let mut name = OsString::from(path);
    name.push(".lock");
    let name = PathBuf::from(name);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(&name, flags, Mode::RUSR | Mode::WUSR).map_err(|error| {
        let failed = Error::at(&name, "open", error.into());
        match path.parent() {
            Some(folder) if error == Errno::NOENT => failed.help(format!(
                "Make the folder {} first, or name another `--socket`.",
                folder.display()
            )),
            _ => failed,
        }
    })?;
    // Its content is replaced: it must be a file for that, and no other name of something else.
    let found =
        rustix::fs::fstat(&file).map_err(|error| Error::at(&name, "look at", error.into()))?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile
        || found.st_uid != rustix::process::geteuid().as_raw()
        || found.st_nlink != 1
    {
        return Err(in_the_way(
            &name,
            "exists and is not a lock of this service",
        ));
    }
    let file = File::from(file);
    // One that holds the lock while nobody can connect is about to begin, or to end.
    let begun = Instant::now();
    while let Err(error) = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if error != Errno::WOULDBLOCK {
            return Err(Error::at(&name, "lock", error.into()));
        }
        let served = is_served(address);
        if served || begun.elapsed() > BETWEEN {
            let mut holder = [0; 20];
            let read = file.read_at(&mut holder, 0).unwrap_or_default();
            let digits = holder
                .iter()
                .take(read)
                .filter(|byte| byte.is_ascii_digit());
            let holder = Served {
                process: digits.copied().map(char::from).collect(),
                path: path.to_owned(),
            };
            if served {
                return Ok(Err(holder));
            }
            let Served { process, path } = holder;
            let path = path.display();
            return Err(
                error!(Busy: "process {process} holds {path}, and does not serve it")
                    .help("It is about to begin or to end: try again in a moment."),
            );
        }
        std::thread::sleep(LOOK);
    }
    sign(&file).map_err(|error| Error::at(&name, "write", error))?;
    Ok(Ok(file))
}

/// Writes this process into a lock, for those who find it taken.
fn sign(lock: &File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.write_all_at(std::process::id().to_string().as_bytes(), 0)
}

/// Makes a socket that listens at a path whose lock is held, and answers what tells its file from
/// others.
fn listen(path: &Path, address: &SocketAddrUnix) -> Result<(UnixListener, (u64, u64))> {
    clear(path, address)?;
    let failed = |action: &'static str| move |error: Errno| Error::at(path, action, error.into());
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(failed("make the socket"))?;
    rustix::net::bind(&socket, address).map_err(failed("make the socket"))?;
    let inode = inode(path).ok_or_else(|| error!(Io: "{} was removed", path.display()))?;
    // Nobody can connect before it listens, and then only its owner can.
    rustix::fs::chmodat(CWD, path, Mode::RUSR | Mode::WUSR, AtFlags::empty())
        .and_then(|()| rustix::net::listen(&socket, 1024))
        .map_err(|error| {
            // It is ours, and nobody listens there.
            let _ = std::fs::remove_file(path);
            failed("listen at")(error)
        })?;
    Ok((socket.into(), inode))
}

fn bound_path(listener: &UnixListener) -> Option<PathBuf> {
    let address = listener.local_addr().ok()?;
    address.as_pathname().map(Path::to_owned)
}

/// Closes a listening socket of our own, and answers who had connected: on Linux, whoever comes
/// after it is shut down is refused, and whoever was in its queue can be accepted still. So nobody
/// is let in and then dropped.
pub(super) fn close(listener: impl AsFd) -> Vec<UnixStream> {
    let mut late = Vec::new();
    if let Err(error) = rustix::net::shutdown(&listener, Shutdown::Read) {
        tracing::warn!(%error, "the socket was not closed");
        return late;
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    loop {
        match rustix::net::accept_with(&listener, flags) {
            Ok(stream) => late.push(stream.into()),
            Err(Errno::INTR | Errno::CONNABORTED) => {}
            // The queue is empty.
            Err(Errno::INVAL | Errno::AGAIN) => return late,
            Err(error) => {
                tracing::warn!(%error, "clients that had connected are refused");
                return late;
            }
        }
    }
}

/// Removes what a dead service left at the path. The lock is held, so only a stranger can be
/// alive there.
fn clear(path: &Path, address: &SocketAddrUnix) -> Result<()> {
    let found = match rustix::fs::lstat(path) {
        Ok(found) => found,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(Error::at(path, "look at", error.into())),
    };
    if FileType::from_raw_mode(found.st_mode) != FileType::Socket {
        return Err(in_the_way(path, "exists and is not a socket"));
    }
    match probe(address) {
        Err(Errno::CONNREFUSED) => rustix::fs::unlink(path)
            .map_err(|error| Error::at(path, "remove the old socket", error.into())),
        Ok(()) | Err(Errno::AGAIN) => Err(in_the_way(path, "is served by another program")),
        Err(error) => Err(Error::at(path, "connect to", error.into())),
    }
}

/// Connects, and closes again. Without blocking: one whose queue is full is alive.
fn probe(address: &SocketAddrUnix) -> rustix::io::Result<()> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&probe, address)
}

/// Whether somebody listens there, or cannot be told not to.
fn is_served(address: &SocketAddrUnix) -> bool {
    !matches!(probe(address), Err(Errno::CONNREFUSED | Errno::NOENT))
}

fn in_the_way(path: &Path, what: &str) -> Error {
    error!(DestinationExists: "{} {what}", path.display())
        .help("Remove it if you know what it is, or name another `--socket`.")
}

/// What tells a file from another one of the same name.
fn inode(path: &Path) -> Option<(u64, u64)> {
    let found = rustix::fs::lstat(path).ok()?;
    Some((found.st_dev, found.st_ino))
}
