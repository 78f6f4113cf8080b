//! `initialize`, `initialized`, `shutdown`, `exit` and `$/cancelRequest`: the life of a
//! connection, as language servers have it. Clients that ask one thing may skip all of them.

use crate::{Method, NoParams, Notification};
use serde::{Deserialize, Serialize};

/// Introduces client and server to each other. May be sent once, before or between requests.
pub enum Initialize {}

impl Method for Initialize {
    const NAME: &'static str = "initialize";
    type Params = InitializeParams;
    type Result = InitializeResult;
}

/// Params of [`Initialize`]. Members that it does not know are ignored, since editors send their
/// own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InitializeParams {
    /// Who connects; shown in `server/status` and in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_info: Option<ClientInfo>,
    /// The protocol that the client was written for, for example `1.0`. Another first number than
    /// the server's is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<String>,
    /// The client's process. On stdio the server ends when that process does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_id: Option<u32>,
}

/// A client's name and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ClientInfo {
    /// For example `neovim`.
    pub name: String,
    /// For example `0.11.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Result of [`Initialize`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InitializeResult {
    /// The server's name, version and build.
    pub server_info: ServerInfo,
    /// The protocol version that the server speaks.
    pub protocol_version: String,
    /// What the server can do.
    pub capabilities: ServerCapabilities,
}

/// The server's name, version and build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ServerInfo {
    /// `vouchd`.
    pub name: String,
    /// The server's version, for example `0.1.0`.
    pub version: String,
    /// What tells builds of a version apart: a commit and its day, for example
    /// `aa3e92e 2026-11-22`. Absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
}

/// What a server can do. Later versions add members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ServerCapabilities {
    /// The methods that it answers.
    pub methods: Vec<String>,
}

/// Tells the server that `initialize` was understood. Nothing depends on it.
pub enum Initialized {}

impl Notification for Initialized {
    const NAME: &'static str = "initialized";
    type Params = NoParams;
}

/// Asks the server to take no more requests from this connection.
pub enum Shutdown {}

impl Method for Shutdown {
    const NAME: &'static str = "shutdown";
    type Params = NoParams;
    type Result = ();
}

/// Ends the connection; on stdio the process: with 0 after `shutdown`, with 1 without.
pub enum Exit {}

impl Notification for Exit {
    const NAME: &'static str = "exit";
    type Params = NoParams;
}

/// Asks the server to give a request up.
pub enum Cancel {}

impl Notification for Cancel {
    const NAME: &'static str = "$/cancelRequest";
    type Params = CancelParams;
}

/// Params of [`Cancel`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct CancelParams {
    /// The request's id.
    pub id: RequestId,
}

/// A request's id: a string or a non-negative integer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum RequestId {
    /// A number, 0 included.
    Number(u64),
    /// A string.
    Text(String),
}
