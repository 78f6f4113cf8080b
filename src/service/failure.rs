//! Responses as a JSON-RPC client sees them: a result, or an error with code, message, and `data`
//! with kind and help.

use crate::{
    error::{Error, error},
    name::shortened,
};
use jsonrpsee::{
    MethodResponse, ResponsePayload,
    types::{ErrorObject, Id, error::OVERSIZED_RESPONSE_CODE},
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::any::Any;
use vouch_protocol::RequestId;

/// The longest response, in bytes.
const LONGEST: usize = 8 << 20;

/// The response to a request that failed; without an id, to something whose id cannot be told.
pub fn failure(id: Option<RequestId>, error: &Error) -> Box<RawValue> {
    failed(response_id(id), error)
}

fn failed(id: Id<'_>, error: &Error) -> Box<RawValue> {
    let object = ErrorObject::owned(error.kind().code(), error.message(), Some(error.data()));
    MethodResponse::error(id, object).into_json()
}

/// The response to a request that succeeded, or an error in its place if it is too long.
pub(super) fn success<R: Serialize + Clone>(id: RequestId, result: R) -> Box<RawValue> {
    let id = response_id(Some(id));
    let response = MethodResponse::response(id.clone(), ResponsePayload::success(result), LONGEST);
    if response.as_error_code() != Some(OVERSIZED_RESPONSE_CODE) {
        return response.into_json();
    }
    let error = error!(ResponseTooLarge: "the answer is longer than 8 MiB");
    failed(id, &error)
}

fn response_id(id: Option<RequestId>) -> Id<'static> {
    match id {
        None => Id::Null,
        Some(RequestId::Number(number)) => Id::Number(number),
        Some(RequestId::Text(text)) => Id::Str(text.into()),
    }
}

pub(super) fn unknown(method: &str) -> Error {
    let method = shortened(method, 200);
    error!(MethodNotFound: "there is no method {method:?}")
        .help("`rpc.discover` lists the methods, and so does `vouch rpc rpc.discover`.")
}

/// The error of a request whose method panicked. What the panic said goes to the log only.
pub(super) fn panicked(method: &'static str, panic: &(dyn Any + Send)) -> Error {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(method, said, "a method panicked");
    error!(Internal: "the server failed in `{method}`, through a fault of its own")
        .help("`vouch log` says more. Please report it.")
}
