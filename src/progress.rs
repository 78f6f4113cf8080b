//! How far a request is, and whether it should go on: a counter and a stop flag, shared between
//! the request, the threads that read for it and whoever asks.
//!
//! A blocking thread cannot be cancelled from outside; a reader that fails can end it. So every
//! reader of a request is wrapped by [`Progress::watch`]. No callbacks, ever.

use crate::error::{Error, Result, Stopped};
use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};
use tokio_util::sync::CancellationToken;

const RUNNING: u8 = 0;
const STOPPED: u8 = 1;
const COMMITTED: u8 = 2;

/// One request's progress; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    bytes: AtomicU64,
    state: AtomicU8,
    stop: CancellationToken,
}

impl Progress {
    /// Counts bytes that were read, sent or received.
    pub fn advance(&self, bytes: u64) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The bytes counted so far.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
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
        match change {
            Err(STOPPED) => Err(Error::cancelled()),
            _ => Ok(()),
        }
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

    #[tokio::test]
    async fn what_has_committed_cannot_be_stopped() {
        let progress = Progress::default();
        progress.commit().expect("nobody stopped it");
        progress.stop();
        progress.check().expect("it goes on");

        let progress = Progress::default();
        progress.stop();
        progress.stopped().await;
        assert!(progress.commit().is_err());
    }
}
