//! Signals that end a process, for commands that have something to tidy up first.

use crate::failure::Outcome;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// From now on these signals end nothing by themselves.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    quit: Signal,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// Waits for one; the outcome has the exit code that shells give to a process that it ended.
    pub(crate) async fn next(&mut self) -> Outcome {
        tokio::select! {
            _ = self.interrupt.recv() => Outcome::Interrupted,
            _ = self.terminate.recv() => Outcome::Terminated,
            _ = self.hang_up.recv() => Outcome::HungUp,
            _ = self.quit.recv() => Outcome::Quit,
        }
    }
}
