//! `initialize`: introduces client and server to each other.

use super::{
    BUILD, VERSION,
    editor::{self, Provided},
    opened::Opened,
    request::Request,
};
use crate::{
    error::{Result, error},
    name::shortened,
};
use serde::Serialize;
use std::sync::Arc;
use vouch_protocol::{InitializeParams, METHODS, PROTOCOL_VERSION, ServerInfo};

/// The answer; an editor's says more.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Introduced {
    server_info: ServerInfo,
    protocol_version: &'static str,
    capabilities: Capabilities,
}

#[derive(Debug, Clone, Serialize)]
struct Capabilities {
    methods: Vec<&'static str>,
    #[serde(flatten)]
    editor: Option<Provided>,
}

pub(super) fn initialize(request: &Request, mut params: InitializeParams) -> Result<Introduced> {
    if let Some(version) = &params.protocol_version
        && let Some(major) = major(version)
        && Some(major) != self::major(PROTOCOL_VERSION)
    {
        let version = shortened(version, 100);
        return Err(error!(
            UnsupportedProtocol: "this server ({VERSION}) speaks protocol {PROTOCOL_VERSION}, but the client asks for {version:?}"
        )
            .help("Install matching versions of client and server."));
    }
    let caller = request.caller();
    let can = params.capabilities.take().filter(|_| caller.can_be_told());
    caller.introduce(params)?;
    let editor = can.map(|can| {
        caller.edits(Opened::new(can, Arc::clone(&request.state().texts)));
        editor::provided()
    });
    Ok(Introduced {
        server_info: ServerInfo {
            name: "vouchd".into(),
            version: VERSION.into(),
            build: BUILD.map(Into::into),
        },
        protocol_version: PROTOCOL_VERSION,
        capabilities: Capabilities {
            methods: METHODS.iter().map(|method| method.name).collect(),
            editor,
        },
    })
}

/// The first number of a version; of another text nothing, as it does not fit.
fn major(version: &str) -> Option<u64> {
    version.split('.').next()?.parse().ok()
}
