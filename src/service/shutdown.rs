//! `shutdown`: no more requests from this connection.

use super::request::Request;
use crate::error::Result;
use vouch_protocol::NoParams;

// A method answers a `Result`, though this one has nothing to fail on.
#[allow(clippy::unnecessary_wraps)]
pub(super) fn shutdown(request: &Request, _: NoParams) -> Result<()> {
    request.caller().shut_down();
    Ok(())
}
