//! `rpc.discover`: the `OpenRPC` document of the protocol.

use super::request::Request;
use crate::error::{Result, error};
use serde_json::value::RawValue;
use std::sync::LazyLock;
use vouch_protocol::{NoParams, OPENRPC};

/// The document on one line: a JSON string holds no raw line break, so every line break of the
/// file, and what indents the next line, is white space between tokens.
static DOCUMENT: LazyLock<Option<Box<RawValue>>> = LazyLock::new(|| {
    let line = OPENRPC.lines().map(str::trim_start).collect();
    RawValue::from_string(line).ok()
});

pub(super) fn discover(_: &Request, _: NoParams) -> Result<Box<RawValue>> {
    DOCUMENT
        .clone()
        .ok_or_else(|| error!(Internal: "the document that the service was built with is not JSON"))
}
