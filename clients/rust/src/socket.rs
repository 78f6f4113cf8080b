//! Where the service listens, and who runs it. Nothing may be sent to another user's service:
//! anybody can put a socket into `/tmp`.

use crate::error::CallError;
use std::{
    env, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    net::UnixStream,
    time::{Instant, sleep},
};
use vouch_protocol::paths;

/// How long a service's queue of connections may stay full.
const FULL_QUEUE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// The socket that a client uses when it is told of no other: what `VOUCHD_SOCKET` names, else the
/// one that [`paths::socket`] says.
pub fn default_socket() -> PathBuf {
    env::var_os(paths::SOCKET_VARIABLE)
        .filter(|named| !named.is_empty())
        .map_or_else(
            || paths::socket(rustix::process::getuid().as_raw()),
            PathBuf::from,
        )
}

/// Connects, and checks who runs the service before a byte is sent.
pub(crate) async fn connect(path: &Path) -> Result<UnixStream, CallError> {
    checked(path, attempt(path).await.map_err(CallError::Connection)?)
}

/// The same; none if it is certain that nobody listens there.
pub(crate) async fn find(path: &Path) -> Result<Option<UnixStream>, CallError> {
    match attempt(path).await {
        Ok(stream) => checked(path, stream).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // A socket that was left behind refuses, and so does a file that is not a socket.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            may_be_replaced(path, error).map(|()| None)
        }
        Err(error) => Err(CallError::Connection(error)),
    }
}

/// Connects; retries for a while if the service's queue is full.
async fn attempt(path: &Path) -> io::Result<UnixStream> {
    let deadline = Instant::now() + FULL_QUEUE;
    loop {
        match UnixStream::connect(path).await {
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline =>
            {
                sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

fn checked(path: &Path, stream: UnixStream) -> Result<UnixStream, CallError> {
    let owner = stream.peer_cred().map_err(CallError::Connection)?.uid();
    if !trusted(owner, rustix::process::geteuid().as_raw()) {
        return Err(denied(format!(
            "the service at {} runs as another user (uid {owner})",
            path.display()
        )));
    }
    Ok(stream)
}

/// Whether what refuses connections is a socket that a dead service of ours left behind.
fn may_be_replaced(path: &Path, refused: io::Error) -> Result<(), CallError> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        // It is gone by now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(_) => return Err(CallError::Connection(refused)),
    };
    if !found.file_type().is_socket() {
        return Err(CallError::Connection(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("{} is not a socket", path.display()),
        )));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(denied(format!(
            "the socket {} was left by another user (uid {})",
            path.display(),
            found.uid()
        )));
    }
    Ok(())
}

fn denied(message: String) -> CallError {
    CallError::Connection(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

fn trusted(owner: u32, own: u32) -> bool {
    owner == own || owner == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_socket_that_was_left_behind_counts_as_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let check = async |path: &Path, expected: Result<bool, io::ErrorKind>| {
            let found = match find(path).await {
                Ok(found) => Ok(found.is_some()),
                Err(CallError::Connection(error)) => Err(error.kind()),
                Err(error) => panic!("{error}"),
            };
            assert_eq!(found, expected, "{}", path.display());
        };
        let path = folder.path().join("socket");
        check(&path, Ok(false)).await;
        check(&folder.path().join("absent/socket"), Ok(false)).await;
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        check(&path, Ok(true)).await;
        drop(listener);
        check(&path, Ok(false)).await;
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        check(&link, Err(io::ErrorKind::AlreadyExists)).await;
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        check(&file, Err(io::ErrorKind::AlreadyExists)).await;
        check(&file.join("socket"), Err(io::ErrorKind::NotADirectory)).await;
    }

    #[test]
    fn only_our_own_service_or_root_s_is_trusted() {
        assert!(trusted(1000, 1000));
        assert!(trusted(0, 1000));
        assert!(!trusted(1001, 1000));
        assert!(!trusted(1000, 0));
    }
}
