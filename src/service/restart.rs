//! `server/restart`: lets a new process take over. How that works is up to the transport; this file
//! asks for it, and answers how it went.

use super::{request::Request, restarts::Asked};
use crate::error::{Result, error};
use std::sync::Arc;
use tokio::sync::oneshot;
use vouch_protocol::{NoParams, ServerRestartResult};

pub(super) async fn restart(request: Arc<Request>, _: NoParams) -> Result<ServerRestartResult> {
    let restarts = &request.state().restarts;
    let Some(asked) = restarts.asked.get() else {
        return Err(error!(
            RestartFailed: "only a service on a socket can be restarted: this one ends with its client"
        )
        .help("End this process by closing its input, and start it again."));
    };
    let _turn = restarts.turn.try_lock().map_err(|_| {
        error!(Busy: "the service is already being restarted")
            .help("Wait for it to end; `vouch status` shows which version serves.")
    })?;
    let (answer, answered) = oneshot::channel();
    let progress = request.progress().clone();
    let gone = || error!(ShuttingDown: "the server is stopping").help("`vouch` starts a new one.");
    asked
        .send(Asked { progress, answer })
        .await
        .map_err(|_| gone())?;
    answered.await.unwrap_or_else(|_| Err(gone()))
}
