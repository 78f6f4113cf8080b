//! `initialize`: introduces client and server to each other.

use super::{BUILD, VERSION, request::Request};
use crate::{
    error::{Result, error},
    name::shortened,
};
use vouch_protocol::{
    InitializeParams, InitializeResult, METHODS, PROTOCOL_VERSION, ServerCapabilities, ServerInfo,
};

pub(super) fn initialize(request: &Request, params: InitializeParams) -> Result<InitializeResult> {
    if let Some(version) = &params.protocol_version
        && let Some(major) = major(version)
        && Some(major) != self::major(PROTOCOL_VERSION)
    {
        let version = shortened(version, 100);
        return Err(error!(
            UnsupportedProtocol: "this server ({VERSION}) speaks protocol {PROTOCOL_VERSION}, and the client asks for {version:?}"
        )
            .help("Install a client and a server of the same age."));
    }
    request.caller().introduce(params)?;
    Ok(InitializeResult {
        server_info: ServerInfo {
            name: "vouchd".into(),
            version: VERSION.into(),
            build: BUILD.map(Into::into),
        },
        protocol_version: PROTOCOL_VERSION.into(),
        capabilities: ServerCapabilities {
            methods: METHODS.iter().map(|method| method.name.into()).collect(),
        },
    })
}

/// The first number of a version; of another text nothing, as it does not fit.
fn major(version: &str) -> Option<u64> {
    version.split('.').next()?.parse().ok()
}
