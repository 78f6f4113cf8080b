//! `server/restart`: has a new process take over. How it does is the transport's: this file only
//! asks, and answers what comes of it.

use super::request::Request;
use crate::{
    error::{Error, Result},
    progress::Progress,
};
use std::sync::{Arc, OnceLock};
use tokio::sync::{Mutex, mpsc, oneshot};
use vouch_protocol::{ErrorKind, NoParams, ServerRestartResult};

/// Somebody asks for a new process.
#[derive(Debug)]
pub struct Asked {
    /// Of the request. It is cancelled if the client goes; the new process has taken over when it
    /// is committed.
    pub progress: Progress,
    /// Takes what came of it.
    pub answer: oneshot::Sender<Result<ServerRestartResult>>,
}

/// Whether this process can be replaced, and by whom.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    asked: OnceLock<mpsc::Sender<Asked>>,
    /// Held while one is under way.
    turn: Mutex<()>,
}

impl Restarts {
    /// From now on, it can be asked for.
    pub(super) fn listen(&self) -> mpsc::Receiver<Asked> {
        let (asked, heard) = mpsc::channel(1);
        // The first one who listens is the one who replaces the process.
        let _ = self.asked.set(asked);
        heard
    }
}

pub(super) async fn restart(request: Arc<Request>, _: NoParams) -> Result<ServerRestartResult> {
    let restarts = &request.state().restarts;
    let Some(asked) = restarts.asked.get() else {
        return Err(Error::new(
            ErrorKind::RestartFailed,
            "only a service on a socket can be restarted: this one ends with its client",
        )
        .help("End this process, and start it again."));
    };
    let _turn = restarts.turn.try_lock().map_err(|_| {
        Error::new(ErrorKind::Busy, "the service is being restarted already")
            .help("Wait for that one, then look at `server/status`.")
    })?;
    let (answer, answered) = oneshot::channel();
    let progress = request.progress().clone();
    let gone = || Error::new(ErrorKind::ShuttingDown, "the server is stopping");
    asked
        .send(Asked { progress, answer })
        .await
        .map_err(|_| gone())?;
    answered.await.unwrap_or_else(|_| Err(gone()))
}
