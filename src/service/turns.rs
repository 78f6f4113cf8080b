//! Turns: what holds a thread for as long as it lasts waits for its turn first. One connection has
//! only so many, so that whoever asks for more waits for itself; and files of this machine never
//! wait for registries, which may take their time.

use crate::error::{Error, Result};
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vouch_protocol::ErrorKind;

/// So many turns of each kind one connection has at once.
pub(super) const FOR_ONE: usize = 16;

/// And so many are had at once in all. The runtime has 512 threads for what blocks: the rest stays
/// free for everything else.
const FOR_ALL: usize = 64;

/// So many of the handles kept for requests are the service's own: its log, socket, runtime.
const OWN_HANDLES: u64 = 16;

/// How long to wait for a turn.
const WAIT: Duration = Duration::from_secs(120);

/// What takes turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Reading a file of this machine.
    Local,
    /// Asking a registry what it has. It holds no thread, and takes turns only where there are few
    /// handles: a registry that does not answer shall not keep another from being asked.
    Lookup,
    /// Reading what a registry sends.
    Download,
    /// Sending to a registry, or writing a layout.
    Upload,
}

/// The turns that one connection has, or all together.
#[derive(Debug)]
pub(super) struct Turns {
    local: Arc<Semaphore>,
    lookup: Arc<Semaphore>,
    download: Arc<Semaphore>,
    upload: Arc<Semaphore>,
}

impl Turns {
    fn new(local: usize, lookups: usize, transfers: usize) -> Self {
        let turns = |count| Arc::new(Semaphore::new(count));
        Self {
            local: turns(local),
            lookup: turns(lookups),
            download: turns(transfers),
            upload: turns(transfers),
        }
    }

    pub(super) fn of_one() -> Self {
        Self::new(FOR_ONE, Semaphore::MAX_PERMITS, FOR_ONE)
    }

    /// No more than the handles that are kept for requests allow: whoever waits for a turn gets
    /// one, and whoever finds no handle fails.
    pub(super) fn of_all(handles: u64) -> Self {
        // A file takes one, a lookup too; a transfer takes a file and a connection.
        let quarter = handles.saturating_sub(OWN_HANDLES) / 4;
        let turns =
            |most: u64| usize::try_from(most).map_or(FOR_ALL, |most| most.clamp(1, FOR_ALL));
        let lookups = match turns(quarter) {
            FOR_ALL => Semaphore::MAX_PERMITS,
            few => few,
        };
        Self::new(turns(quarter), lookups, turns(quarter / 2))
    }

    fn of(&self, work: Work) -> Arc<Semaphore> {
        Arc::clone(match work {
            Work::Local => &self.local,
            Work::Lookup => &self.lookup,
            Work::Download => &self.download,
            Work::Upload => &self.upload,
        })
    }
}

/// Held while it is a request's turn.
#[derive(Debug)]
pub(super) struct Turn {
    _own: OwnedSemaphorePermit,
    _shared: OwnedSemaphorePermit,
}

/// Waits for a turn: of the connection's own first, so that only what can go on at once takes one
/// of those that all share.
pub(super) async fn take(own: &Turns, shared: &Turns, work: Work) -> Result<Turn> {
    let closed = |_| Error::cancelled();
    let turn = async {
        let own = own.of(work).acquire_owned().await.map_err(closed)?;
        let shared = shared.of(work).acquire_owned().await.map_err(closed)?;
        Ok(Turn {
            _own: own,
            _shared: shared,
        })
    };
    tokio::time::timeout(WAIT, turn).await.unwrap_or_else(|_| {
        let error = Error::new(
            ErrorKind::Busy,
            "too many requests of this kind are under way",
        );
        Err(error.help("Try again later; `server/status` shows what is under way."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn one_takes_no_more_than_its_turns_and_no_other_kind_waits() {
        let (one, other, all) = (Turns::of_one(), Turns::of_one(), Turns::of_all(u64::MAX));
        let at_once = |own, work| take(own, &all, work).now_or_never().map(Result::unwrap);
        let mut held: Vec<_> = (0..FOR_ONE)
            .map(|_| at_once(&one, Work::Download).expect("it is its turn"))
            .collect();
        assert!(at_once(&one, Work::Download).is_none());
        assert!(at_once(&one, Work::Local).is_some());
        assert!(at_once(&one, Work::Upload).is_some());
        assert!(at_once(&other, Work::Download).is_some());
        held.pop();
        assert!(at_once(&one, Work::Download).is_some());
    }

    #[test]
    fn there_are_no_more_turns_than_handles() {
        let all = Semaphore::MAX_PERMITS;
        let check = |handles, local, lookups, transfers| {
            let turns = Turns::of_all(handles);
            let free = |work| turns.of(work).available_permits();
            assert_eq!(free(Work::Local), local, "{handles}");
            assert_eq!(free(Work::Lookup), lookups, "{handles}");
            assert_eq!(free(Work::Download), transfers, "{handles}");
            assert_eq!(free(Work::Upload), transfers, "{handles}");
        };
        check(528, 64, all, 64);
        check(256, 60, 60, 30);
        check(128, 28, 28, 14);
        check(32, 4, 4, 2);
        check(0, 1, 1, 1);
    }
}
