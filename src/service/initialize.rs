//! `initialize`: introduces client and server to each other.

use super::{
    BUILD, VERSION,
    request::{Request, shortened},
};
use crate::error::{Error, Result};
use vouch_protocol::{
    ErrorKind, InitializeParams, InitializeResult, METHODS, PROTOCOL_VERSION, ServerCapabilities,
    ServerInfo,
};

pub(super) fn initialize(request: &Request, params: InitializeParams) -> Result<InitializeResult> {
    if let Some(version) = &params.protocol_version
        && major(version) != major(PROTOCOL_VERSION)
    {
        let version = shortened(version, 100);
        return Err(Error::new(
            ErrorKind::UnsupportedProtocol,
            format!("this server speaks protocol {PROTOCOL_VERSION}, not {version:?}"),
        )
        .help("Use a client and a server of the same age."));
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

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}
