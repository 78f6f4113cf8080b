//! Where the service listens, and who runs it: see [`peer`].

use crate::error::CallError;
use rustix::process::geteuid;
use std::{
    env, io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    net::UnixStream,
    time::{Instant, sleep},
};
use vouch_protocol::{paths, peer};

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
        Err(error) => peer::nobody_listens(path, error, geteuid().as_raw())
            .map(|()| None)
            .map_err(CallError::Connection),
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
    let owner = stream.peer_cred().map(|peer| peer.uid());
    owner
        .and_then(|owner| peer::check_owner(path, owner, geteuid().as_raw()))
        .map_err(CallError::Connection)?;
    Ok(stream)
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
}
