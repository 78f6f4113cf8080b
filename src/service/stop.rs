//! `server/stop`: stops the server, as SIGTERM does.

use super::request::Request;
use crate::error::Result;
use vouch_protocol::{NoParams, ServerStopResult};

#[allow(clippy::unnecessary_wraps)]
pub(super) fn stop(request: &Request, _: NoParams) -> Result<ServerStopResult> {
    // This request is under way and may finish, so it is answered.
    request.state().stopping.cancel();
    Ok(ServerStopResult {
        process_id: std::process::id(),
    })
}
