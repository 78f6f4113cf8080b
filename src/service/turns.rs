//! Turns: work that holds a thread, memory and file handles first waits for its turn.
//!
//! Each kind of work has a bounded number of turns. They are shared out so that nobody waits for
//! others' slow work: the last turns are for connections that hold none, those before them for
//! registries that hold none, one registry can hold half of all, and the next turn goes to whoever
//! holds the fewest. Local files never wait for registries, nor small files for large ones. Every
//! wait ends after two minutes.

mod queue;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use parking_lot::Mutex;
use queue::{Bounds, Key, Place, Queue, Ticket};
use std::{sync::Arc, thread::available_parallelism, time::Duration};
use vouch_protocol::ErrorKind;

/// The most uploads at once. One connection holds a quarter of them, and a quarter of the downloads.
const UPLOADS: usize = 64;

/// The most downloads at once: fewer, as the HTTP client may hold three buffers of 400 KiB for each.
const DOWNLOADS: usize = 32;

/// The most lookups at once. Those in layouts hold a thread each.
const LOOKUPS: usize = 128;

/// Handles of those kept for requests that the service itself uses: its log, socket, runtime.
const OWN_HANDLES: u64 = 16;

/// How long to wait for a turn.
const WAIT: Duration = Duration::from_secs(120);

/// The size of the largest small file, in bytes: it is read in about a millisecond.
pub(super) const SMALL: u64 = 1 << 20;

/// What takes turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Reading a small file of this machine.
    Small,
    /// Reading a larger one.
    Local,
    /// Asking a registry or layout what it has.
    Lookup,
    /// Reading what a registry or layout sends.
    Download,
    /// Sending to a registry, or writing a layout.
    Upload,
}

impl Work {
    fn name(self) -> &'static str {
        match self {
            Self::Small | Self::Local => "read files",
            Self::Lookup => "ask registries",
            Self::Download => "download",
            Self::Upload => "upload",
        }
    }
}

/// The turns of the service, by kind of work.
#[derive(Debug)]
pub(super) struct Turns {
    small: Line,
    local: Line,
    lookup: Line,
    download: Line,
    upload: Line,
}

impl Turns {
    /// As many turns as this machine's cores and the handles that are kept for requests allow: a
    /// request that waits for a turn gets one, but a request without a handle would fail.
    pub(super) fn new(handles: u64) -> Self {
        Self::on(available_parallelism().map_or(2, usize::from), handles)
    }

    fn on(cores: usize, handles: u64) -> Self {
        // A file takes one handle, and so does a lookup; a transfer takes a file and a connection.
        let quarter = usize::try_from(handles.saturating_sub(OWN_HANDLES) / 4);
        let quarter = quarter.unwrap_or(usize::MAX);
        let local = |all: usize| {
            let all = all.min(quarter).max(1);
            Bounds {
                all,
                place: all,
                one: all.div_ceil(2),
            }
        };
        let remote = |all: usize, one| Bounds {
            all: all.max(1),
            place: all.div_ceil(2).max(1),
            one,
        };
        let transfers = |most: usize| remote(most.min(quarter / 2), most / 4);
        let line = |bounds| Arc::new(Mutex::new(Queue::new(bounds)));
        Self {
            small: line(local((8 * cores).clamp(16, 64))),
            local: line(local((4 * cores).clamp(8, 32))),
            lookup: line(remote(LOOKUPS.min(quarter), LOOKUPS)),
            download: line(transfers(DOWNLOADS)),
            upload: line(transfers(UPLOADS)),
        }
    }

    fn line(&self, work: Work) -> &Line {
        match work {
            Work::Small => &self.small,
            Work::Local => &self.local,
            Work::Lookup => &self.lookup,
            Work::Download => &self.download,
            Work::Upload => &self.upload,
        }
    }

    /// Waits for a turn of a connection, at a registry or layout if it is about one.
    pub(super) async fn take(&self, work: Work, connection: u64, place: Place) -> Result<Turn> {
        let key = Key { connection, place };
        let line = Arc::clone(self.line(work));
        let (ticket, mut granted) = line.lock().enter(&key);
        let turn = Turn { line, key, ticket };
        if granted.try_recv().is_ok() {
            return Ok(turn);
        }
        if tokio::time::timeout(WAIT, granted).await.is_ok() {
            return Ok(turn);
        }
        let message = format!(
            "the request waited {} s for its turn: too many other requests {}",
            WAIT.as_secs(),
            work.name()
        );
        let error = Error::new(ErrorKind::Busy, message);
        Err(error.help("Try again later; `vouch status` shows what is under way."))
    }
}

/// The turns of one kind of work.
type Line = Arc<Mutex<Queue>>;

/// A request's turn, or its wait for one: dropping it ends either.
#[derive(Debug)]
pub(super) struct Turn {
    line: Line,
    key: Key,
    ticket: Ticket,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.line.lock().leave(&self.key, self.ticket);
    }
}
