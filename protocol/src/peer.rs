//! Whose service it is, and what a client that starts one does not pass on. Nothing may be sent to
//! another user's service: anybody can put a socket into `/tmp`.

use std::{
    io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

/// Variables by which a service manager speaks to a process: to a client, or to whoever started it,
/// and not to the service. And those that name keys: it signs nothing, and what it starts is others'
/// programs.
pub const NOT_PASSED_ON: [&str; 8] = [
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "VOUCH_KEY_FILE",
    "SSH_AUTH_SOCK",
];

/// Makes sure that the service at the other end of a socket is the user's own, or root's. `owner` is
/// what the system says of the peer (`SO_PEERCRED`).
pub fn check_owner(path: &Path, owner: u32, own: u32) -> io::Result<()> {
    if owner == own || owner == 0 {
        return Ok(());
    }
    Err(denied(format!(
        "the service at {} runs as another user (uid {owner})",
        path.display()
    )))
}

/// What it means that a connection failed: nothing if nobody listens there for certain, so that a
/// service may be started; else the error. A socket that was left behind refuses connections, and so
/// does a file that is not a socket.
pub fn nobody_listens(path: &Path, failed: io::Error, own: u32) -> io::Result<()> {
    match failed.kind() {
        io::ErrorKind::NotFound => Ok(()),
        io::ErrorKind::ConnectionRefused => left_behind(path, failed, own),
        _ => Err(failed),
    }
}

/// Whether what refuses connections is a socket that a dead service of ours left behind.
fn left_behind(path: &Path, refused: io::Error, own: u32) -> io::Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        // It is gone by now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(_) => return Err(refused),
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("{} is not a socket", path.display()),
        ));
    }
    if found.uid() != own {
        return Err(denied(format!(
            "the socket {} was left by another user (uid {})",
            path.display(),
            found.uid()
        )));
    }
    Ok(())
}

fn denied(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_service_or_root_s_is_trusted() {
        let check = |owner, own, expected: bool| {
            let checked = check_owner(Path::new("/s"), owner, own);
            assert_eq!(checked.is_ok(), expected, "{owner} {own}");
        };
        check(1000, 1000, true);
        check(0, 1000, true);
        check(1001, 1000, false);
        check(1000, 0, false);
    }
}
