//! What a service manager is told: `sd_notify(3)`. Where none listens, nothing is said. Everything
//! is said at most within a second, and never in vain: what cannot be told is logged.

use rustix::time::{ClockId, clock_gettime};
use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    path::Path,
    time::Duration,
};

/// The variable that names the manager's socket.
pub(super) const SOCKET: &str = "NOTIFY_SOCKET";

/// How long the manager may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// It serves.
pub fn ready(socket: Option<&Path>) {
    let place = socket.map_or_else(
        || "a socket that was passed".into(),
        |path| path.display().to_string(),
    );
    tell(&format!("READY=1\nSTATUS=Serving {}", one_line(&place)));
}

/// It reads its config again, for as long as the value lives.
pub fn reloading() -> Reloading {
    let now = clock_gettime(ClockId::Monotonic);
    let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    Reloading(())
}

/// See [`reloading`].
#[derive(Debug)]
pub struct Reloading(());

impl Drop for Reloading {
    fn drop(&mut self) {
        tell("READY=1");
    }
}

/// It finishes what is under way, and ends.
pub(super) fn stopping() {
    tell("STOPPING=1\nSTATUS=Finishing what is under way");
}

/// Another process is the service from now on.
pub(super) fn succeeded_by(process: u32) {
    tell(&format!("MAINPID={process}"));
}

fn tell(state: &str) {
    let Some(socket) = std::env::var_os(SOCKET).filter(|socket| !socket.is_empty()) else {
        return;
    };
    if let Err(error) = send(&socket, state) {
        tracing::warn!(%error, state, "the service manager could not be told");
    }
}

fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let datagram = UnixDatagram::unbound()?;
    datagram.set_write_timeout(Some(PATIENCE))?;
    datagram.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

/// A line break would begin another assignment.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, "?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managers_have_a_path_or_an_abstract_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("vouchd-{}-notify", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let check = |manager: UnixDatagram, socket: &OsStr| {
            send(socket, "READY=1\nSTATUS=x").unwrap();
            let mut text = [0; 100];
            let length = manager.recv(&mut text).unwrap();
            assert_eq!(&text[..length], b"READY=1\nSTATUS=x");
        };
        check(UnixDatagram::bind(&path).unwrap(), path.as_os_str());
        check(
            UnixDatagram::bind_addr(&address).unwrap(),
            OsStr::new(&format!("@{name}")),
        );
        assert!(send(OsStr::new("/absent/notify"), "READY=1").is_err());
        assert!(send(OsStr::new("vsock:2:1234"), "READY=1").is_err());
    }

    #[test]
    fn a_path_begins_no_line() {
        assert_eq!(one_line("/a\nMAINPID=1"), "/a?MAINPID=1");
    }
}
