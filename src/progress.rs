//! How far a request is, and whether it should go on: a counter, a phase and a stop flag, shared
//! between the request, the threads that read for it and whoever asks.
//!
//! A blocking thread cannot be cancelled from outside; a reader that fails can end it. So every
//! reader of a request is wrapped by [`Progress::watch`]. No callbacks, ever.

use crate::error::{Error, Result, Stopped};
use std::{
    io::{self, Read},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};
use tokio_util::sync::CancellationToken;

const RUNNING: u8 = 0;
const STOPPED: u8 = 1;
const COMMITTED: u8 = 2;

/// What a request is doing; the last four are how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// For its turn, or for another writer.
    Waiting,
    /// A registry, what it has.
    Asking,
    /// Reading and hashing a file.
    Verifying,
    /// To a registry, or into a layout.
    Sending,
    /// From a registry or a layout; what arrives is verified as it does.
    Receiving,
    /// The one step that cannot be undone: see [`Progress::commit`].
    Finishing,
    /// It was answered with a result.
    Done,
    /// The artifact was refused.
    Refused,
    /// It was cancelled.
    Cancelled,
    /// It was answered with any other error.
    Failed,
}

impl Phase {
    const ALL: [Self; 10] = [
        Self::Waiting,
        Self::Asking,
        Self::Verifying,
        Self::Sending,
        Self::Receiving,
        Self::Finishing,
        Self::Done,
        Self::Refused,
        Self::Cancelled,
        Self::Failed,
    ];

    /// The word for it, as the protocol has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Asking => "asking",
            Self::Verifying => "verifying",
            Self::Sending => "sending",
            Self::Receiving => "receiving",
            Self::Finishing => "finishing",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// How far a request was at one moment: what is told together belongs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The bytes counted so far; never more than the total, as a file may grow while it is read.
    pub bytes: u64,
    /// The bytes that will be counted in all, once that is known.
    pub total: Option<u64>,
}

impl Count {
    /// How much of the total is counted, from 0 to 100; rounded down, so that 100 is all of it.
    pub fn percentage(self) -> Option<u8> {
        let total = u128::from(self.total?);
        let percentage = (u128::from(self.bytes) * 100).checked_div(total);
        Some(percentage.map_or(100, |percentage| u8::try_from(percentage).unwrap_or(100)))
    }
}

/// One request's progress; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    bytes: AtomicU64,
    /// Is set once, so that no fraction of it ever shrinks.
    total: OnceLock<u64>,
    phase: AtomicU8,
    state: AtomicU8,
    stop: CancellationToken,
}

impl Progress {
    /// Counts bytes that were read, sent or received.
    pub fn advance(&self, bytes: u64) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How far it is, looked at once.
    pub fn count(&self) -> Count {
        let bytes = self.0.bytes.load(Ordering::Relaxed);
        let total = self.0.total.get().copied();
        Count {
            bytes: total.map_or(bytes, |total| bytes.min(total)),
            total,
        }
    }

    /// The bytes of [`count`](Self::count).
    pub fn bytes(&self) -> u64 {
        self.count().bytes
    }

    /// Says how many bytes will be counted in all, before the first is. The first word counts.
    pub fn expect(&self, total: u64) {
        // Another total would let what was reported shrink.
        let _ = self.0.total.set(total);
    }

    /// Begins a phase. Nothing follows an end: a thread may outlive its request.
    pub fn enter(&self, phase: Phase) {
        let next = |now: u8| (now < Phase::Done as u8).then_some(phase as u8);
        // It fails where the request has ended.
        let _ = self
            .0
            .phase
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// What the request is doing.
    pub fn phase(&self) -> Phase {
        let phase = usize::from(self.0.phase.load(Ordering::Relaxed));
        Phase::ALL.get(phase).copied().unwrap_or(Phase::Waiting)
    }

    /// Asks the request to end. Without effect once it has [committed](Self::commit).
    pub fn stop(&self) {
        let change =
            self.0
                .state
                .compare_exchange(RUNNING, STOPPED, Ordering::AcqRel, Ordering::Acquire);
        if change.is_ok() {
            self.0.stop.cancel();
        }
    }

    /// Begins the one step that cannot be undone: the manifest's PUT, the rename. From here on
    /// the request answers its result; it fails where it was stopped before.
    pub fn commit(&self) -> Result<()> {
        let change =
            self.0
                .state
                .compare_exchange(RUNNING, COMMITTED, Ordering::AcqRel, Ordering::Acquire);
        if change == Err(STOPPED) {
            return Err(Error::cancelled());
        }
        self.enter(Phase::Finishing);
        Ok(())
    }

    /// The step was refused, and nothing was done: the request may be stopped again.
    pub fn withdraw(&self) {
        // Without effect where it never [committed](Self::commit).
        let _ =
            self.0
                .state
                .compare_exchange(COMMITTED, RUNNING, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Fails once the request was stopped.
    pub fn check(&self) -> Result<()> {
        if self.0.state.load(Ordering::Acquire) == STOPPED {
            return Err(Error::cancelled());
        }
        Ok(())
    }

    /// Waits until the request is stopped; for ever, if it never is.
    pub async fn stopped(&self) {
        self.0.stop.cancelled().await;
    }

    /// A reader that counts what it reads, and fails once the request was stopped.
    pub fn watch<R>(&self, reader: R) -> Watched<R> {
        Watched {
            reader,
            progress: self.clone(),
            counts: true,
        }
    }

    /// The same for what was counted before.
    pub fn watch_again<R>(&self, reader: R) -> Watched<R> {
        Watched {
            counts: false,
            ..self.watch(reader)
        }
    }
}

/// See [`Progress::watch`].
#[derive(Debug)]
pub struct Watched<R> {
    reader: R,
    progress: Progress,
    counts: bool,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.progress.check().is_err() {
            return Err(io::Error::other(Stopped));
        }
        let read = self.reader.read(buffer)?;
        if self.counts {
            self.progress.advance(read as u64);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watched_reader_counts_and_stops() {
        let progress = Progress::default();
        let mut reader = progress.watch(io::repeat(7));
        let mut buffer = [0; 10];
        assert_eq!(reader.read(&mut buffer).expect("it reads"), 10);
        assert_eq!(progress.bytes(), 10);
        progress
            .watch_again(io::repeat(7))
            .read_exact(&mut buffer)
            .expect("it reads");
        assert_eq!(progress.bytes(), 10);
        progress.stop();
        let error = reader.read(&mut buffer).expect_err("it was stopped");
        assert!(crate::error::stopped(&error));
    }

    #[test]
    fn a_percentage_is_whole_and_never_more_than_all() {
        let check = |total: Option<u64>, bytes: u64, counted: u64, percentage: Option<u8>| {
            let progress = Progress::default();
            if let Some(total) = total {
                progress.expect(total);
                progress.expect(1);
            }
            progress.advance(bytes);
            let found = progress.count();
            let bytes = counted;
            assert_eq!(found, Count { bytes, total });
            assert_eq!(found.percentage(), percentage);
        };
        check(None, 7, 7, None);
        check(Some(0), 0, 0, Some(100));
        check(Some(200), 0, 0, Some(0));
        check(Some(200), 199, 199, Some(99));
        check(Some(200), 200, 200, Some(100));
        check(Some(200), 300, 200, Some(100));
        check(Some(u64::MAX), u64::MAX - 1, u64::MAX - 1, Some(99));
    }

    #[test]
    fn every_phase_is_kept_as_itself() {
        for phase in Phase::ALL {
            let progress = Progress::default();
            assert_eq!(progress.phase(), Phase::Waiting);
            progress.enter(phase);
            assert_eq!(progress.phase(), phase);
            progress.enter(Phase::Sending);
            let ended = (phase as u8) >= (Phase::Done as u8);
            assert_eq!(progress.phase() == phase, ended || phase == Phase::Sending);
        }
        let progress = Progress::default();
        progress.commit().expect("nobody stopped it");
        assert_eq!(progress.phase(), Phase::Finishing);
    }

    #[tokio::test]
    async fn what_has_committed_cannot_be_stopped() {
        let progress = Progress::default();
        progress.commit().expect("nobody stopped it");
        progress.stop();
        progress.check().expect("it goes on");

        progress.withdraw();
        progress.stop();
        progress.stopped().await;
        assert!(progress.commit().is_err());
        progress.withdraw();
        assert!(progress.check().is_err());
    }
}
