//! One call to the service, and how its answer is shown.

use crate::{
    failure::{Failure, Outcome},
    show::Screen,
};
use serde_json::Value;
use std::io;
use vouch_client::{Client, protocol::Method};

/// Calls a method. The result is as it came, so that `--json` shows members that this version does
/// not know, too.
pub(crate) async fn ask<M: Method>(client: &Client, params: M::Params) -> Result<Value, Failure> {
    Ok(client.request(M::NAME, written::<M>(params)?).await?)
}

/// The params as JSON.
pub(crate) fn written<M: Method>(params: M::Params) -> Result<Value, Failure> {
    serde_json::to_value(params)
        .map_err(|error| Failure::new(format!("the params cannot be written as JSON: {error}")))
}

/// Shows an answer: as it came, or for people.
pub(crate) fn answer<M: Method>(
    screen: &mut Screen,
    answered: Result<Value, Failure>,
    show: impl FnOnce(&mut Screen, M::Result) -> io::Result<()>,
) -> io::Result<Outcome> {
    let result = match answered {
        Ok(result) => result,
        Err(failure) => return screen.failure(&failure),
    };
    if screen.is_json() {
        screen.json(&result)?;
        return Ok(Outcome::Success);
    }
    match serde_json::from_value(result) {
        Ok(result) => show(screen, result).map(|()| Outcome::Success),
        Err(error) => screen.failure(&unreadable(&error)),
    }
}

/// The failure for an answer of another version.
pub(crate) fn unreadable(error: &serde_json::Error) -> Failure {
    Failure::new(format!(
        "the service did what it was asked, but its answer cannot be read: {error}"
    ))
    .help("vouch and vouchd may be different versions: run `vouch restart`.")
}
