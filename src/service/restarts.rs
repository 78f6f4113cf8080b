//! Who is asked for a new process.

use crate::{error::Result, progress::Progress};
use std::sync::OnceLock;
use tokio::sync::{Mutex, mpsc, oneshot};
use vouch_protocol::ServerRestartResult;

/// Somebody asks for a new process.
#[derive(Debug)]
pub struct Asked {
    /// The request's progress. It is stopped if the client goes, and committed once the new process
    /// has taken over.
    pub progress: Progress,
    /// Where to say how it went.
    pub answer: oneshot::Sender<Result<ServerRestartResult>>,
}

/// Whether this process can be replaced, and by whom.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    pub(super) asked: OnceLock<mpsc::Sender<Asked>>,
    /// Held while one is under way.
    pub(super) turn: Mutex<()>,
}

impl Restarts {
    /// From now on a restart can be asked for.
    pub(super) fn listen(&self) -> mpsc::Receiver<Asked> {
        let (asked, heard) = mpsc::channel(1);
        // The first one who listens is the one who replaces the process.
        let _ = self.asked.set(asked);
        heard
    }
}
