//! Errors as a JSON-RPC client sees them: code, message, and `data` with kind and help.

use super::request::shortened;
use crate::error::Error;
use jsonrpsee::{
    MethodResponse,
    types::{ErrorObject, ErrorObjectOwned, Id, error::OVERSIZED_RESPONSE_CODE},
};
use serde_json::value::RawValue;
use std::any::Any;
use vouch_protocol::ErrorKind;

impl From<Error> for ErrorObjectOwned {
    fn from(error: Error) -> Self {
        ErrorObject::owned(error.kind().code(), error.message(), Some(error.data()))
    }
}

/// The response to a request that failed.
pub fn failure(id: Id<'_>, error: Error) -> Box<RawValue> {
    MethodResponse::error(id, ErrorObjectOwned::from(error)).into_json()
}

/// The response, or an error in its place where it is too long.
pub(super) fn bounded(id: Id<'_>, response: MethodResponse) -> Box<RawValue> {
    if response.as_error_code() != Some(OVERSIZED_RESPONSE_CODE) {
        return response.into_json();
    }
    let error = Error::new(
        ErrorKind::ResponseTooLarge,
        "the answer is longer than 8 MiB",
    );
    failure(id, error)
}

pub(super) fn unknown(method: &str) -> Error {
    let method = shortened(method, 200);
    Error::new(
        ErrorKind::MethodNotFound,
        format!("there is no method {method:?}"),
    )
    .help("`rpc.discover` lists the methods.")
}

/// The error of a request whose method panicked. What the panic said goes to the log only.
pub(super) fn panicked(method: &'static str, panic: &(dyn Any + Send)) -> Error {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(method, said, "a method panicked");
    Error::new(
        ErrorKind::Internal,
        format!("the server failed in {method}, which is its own fault"),
    )
    .help("The server's log says more. Please report it.")
}
