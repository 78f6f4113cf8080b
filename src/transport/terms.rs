//! What all connections have in common: how long they are waited for, what they share, and how
//! one ends.

use super::room::Room;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::AsFd,
};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a client that has closed its sending side is checked for being there still.
const LOOK: Duration = Duration::from_millis(50);

/// How long clients and requests are waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// A client that takes none of what it is sent.
    pub(super) stalled: Duration,
    /// Requests under way when the service is asked to stop.
    pub(super) stopping: Duration,
    /// Requests under way when another process has taken over.
    pub(super) leaving: Duration,
    /// Answers left to write when a connection is closed.
    pub(super) closing: Duration,
    /// An HTTP client that does not say what it wants.
    pub(super) silent: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            stalled: Duration::from_secs(30),
            stopping: Duration::from_secs(10),
            leaving: Duration::from_secs(60 * 60),
            closing: Duration::from_secs(1),
            silent: Duration::from_secs(30),
        }
    }
}

/// What all connections have in common.
#[derive(Debug, Clone, Default)]
pub(super) struct Terms {
    pub(super) patience: Patience,
    /// Is cancelled when the service closes its connections.
    pub(super) closing: CancellationToken,
    /// Is cancelled when another process has taken over: connections end once they are answered.
    pub(super) leaving: CancellationToken,
    /// For long messages, and for long answers to batches.
    pub(super) room: Room,
    pub(super) answers: Room,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client has said all it wanted, and was answered.
    Input,
    /// The client sent `exit`, with or without `shutdown` before.
    Exit { after_shutdown: bool },
    /// The client is gone.
    Broken,
    /// The service closes its connections.
    Closed,
}

/// Whether nobody is at the other end of a socket or pipe any more. A peer that has only closed
/// its sending side is still there.
pub(super) fn hung_up(handle: impl AsFd) -> bool {
    let mut polled = [PollFd::new(&handle, PollFlags::empty())];
    let looked = poll(&mut polled, Some(&Timespec::default()));
    let [polled] = polled;
    looked.is_ok() && polled.revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

/// Checks a condition again and again until it holds.
pub(super) async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(LOOK).await;
    }
}
