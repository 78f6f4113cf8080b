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

/// How long to wait for a turn.
const WAIT: Duration = Duration::from_secs(120);

/// What takes turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Reading a file of this machine.
    Local,
    /// Reading what a registry sends.
    Download,
    /// Sending to a registry, or writing a layout.
    Upload,
}

/// The turns that one connection has, or all together.
#[derive(Debug)]
pub(super) struct Turns {
    local: Arc<Semaphore>,
    download: Arc<Semaphore>,
    upload: Arc<Semaphore>,
}

impl Turns {
    fn new(each: usize) -> Self {
        let turns = || Arc::new(Semaphore::new(each));
        Self {
            local: turns(),
            download: turns(),
            upload: turns(),
        }
    }

    pub(super) fn of_one() -> Self {
        Self::new(FOR_ONE)
    }

    pub(super) fn of_all() -> Self {
        Self::new(FOR_ALL)
    }

    fn of(&self, work: Work) -> Arc<Semaphore> {
        Arc::clone(match work {
            Work::Local => &self.local,
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
        let (one, other, all) = (Turns::of_one(), Turns::of_one(), Turns::of_all());
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
}
