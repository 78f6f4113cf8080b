//! A file handle that is kept to be given up: where there are no others, a client can still be
//! taken from the queue and told so.

use futures_util::FutureExt;
use rustix::fs::{Mode, OFlags};
use std::os::fd::OwnedFd;
use tokio::net::{UnixListener, UnixStream};

/// See the module.
pub(super) struct Spare(Option<OwnedFd>);

impl Spare {
    pub(super) fn new() -> Self {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        // Where there is none, clients wait for one.
        Self(rustix::fs::open("/dev/null", flags, Mode::empty()).ok())
    }

    /// Takes the client that waits, if it is still there and no other thread was faster with the
    /// handle.
    pub(super) fn accept(&mut self, listener: &UnixListener) -> Option<UnixStream> {
        drop(self.0.take());
        let accepted = listener.accept().now_or_never()?;
        accepted.ok().map(|(stream, _)| stream)
    }

    /// Has a handle again, if there is one.
    pub(super) fn renew(&mut self) {
        if self.0.is_none() {
            *self = Self::new();
        }
    }
}
