//! Where the service listens, and whose it is. Nothing may be sent to another user's service:
//! `/tmp` belongs to everybody.

use crate::CallError;
use std::{
    env,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};
use tokio::net::UnixStream;

/// The socket that a client uses which is told nothing else: `VOUCHD_SOCKET`, else
/// `$XDG_RUNTIME_DIR/vouchd/vouchd.sock`, else `/tmp/vouchd-$UID/vouchd.sock`.
pub fn default_socket() -> PathBuf {
    chosen(
        env::var_os("VOUCHD_SOCKET"),
        env::var_os("XDG_RUNTIME_DIR"),
        rustix::process::getuid().as_raw(),
    )
}

fn chosen(named: Option<OsString>, runtime: Option<OsString>, uid: u32) -> PathBuf {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        return named.into();
    }
    // XDG Base Directory specification: a relative path is invalid and is to be ignored.
    match runtime.map(PathBuf::from).filter(|path| path.is_absolute()) {
        Some(runtime) => runtime.join("vouchd/vouchd.sock"),
        None => PathBuf::from(format!("/tmp/vouchd-{uid}/vouchd.sock")),
    }
}

/// Connects, and looks whose service it is before a byte is sent.
pub(crate) async fn connect(path: &Path) -> Result<UnixStream, CallError> {
    let stream = UnixStream::connect(path)
        .await
        .map_err(CallError::Connection)?;
    let owner = stream.peer_cred().map_err(CallError::Connection)?.uid();
    if !trusted(owner, rustix::process::geteuid().as_raw()) {
        return Err(CallError::Connection(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "the service at {} runs as another user (uid {owner})",
                path.display()
            ),
        )));
    }
    Ok(stream)
}

fn trusted(owner: u32, own: u32) -> bool {
    owner == own || owner == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_where_the_specification_says() {
        let check = |named: Option<&str>, runtime: Option<&str>, expected: &str| {
            let path = chosen(named.map(OsString::from), runtime.map(OsString::from), 1000);
            assert_eq!(path, Path::new(expected));
        };
        check(Some("/a/b"), Some("/run/user/1000"), "/a/b");
        check(Some(""), Some("/run"), "/run/vouchd/vouchd.sock");
        check(None, Some("/run"), "/run/vouchd/vouchd.sock");
        check(None, Some("run"), "/tmp/vouchd-1000/vouchd.sock");
        check(None, Some(""), "/tmp/vouchd-1000/vouchd.sock");
        check(None, None, "/tmp/vouchd-1000/vouchd.sock");
    }

    #[test]
    fn only_our_own_service_or_root_s_is_trusted() {
        assert!(trusted(1000, 1000));
        assert!(trusted(0, 1000));
        assert!(!trusted(1001, 1000));
        assert!(!trusted(1000, 0));
    }
}
