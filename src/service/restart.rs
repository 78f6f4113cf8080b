//! `server/restart`: lets a new process take over. How that works is up to the transport; this file
//! asks for it, and answers how it went.

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
    /// The request's progress. It is stopped if the client goes, and committed once the new process
    /// has taken over.
    pub progress: Progress,
    /// Where to say how it went.
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
    /// From now on a restart can be asked for.
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
        .help("End this process by closing its input, and start it again."));
    };
    let _turn = restarts.turn.try_lock().map_err(|_| {
        Error::new(ErrorKind::Busy, "the service is being restarted already")
            .help("Wait for it to end; `vouch status` shows which version serves.")
    })?;
    let (answer, answered) = oneshot::channel();
    let progress = request.progress().clone();
    let gone = || {
        Error::new(ErrorKind::ShuttingDown, "the server is stopping")
            .help("`vouch` starts a new one.")
    };
    asked
        .send(Asked { progress, answer })
        .await
        .map_err(|_| gone())?;
    answered.await.unwrap_or_else(|_| Err(gone()))
}
