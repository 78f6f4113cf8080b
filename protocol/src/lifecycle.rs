//! `initialize`, `initialized`, `shutdown`, `exit` and `$/cancelRequest`: the life of a
//! connection, as language servers have it. A client that asks one thing may skip them all.

use crate::{EditorCapabilities, ErrorKind, Method, NoParams, Notification, fits::if_it_fits};
use serde::{Deserialize, Serialize};

/// Introduces client and server to each other. May be sent once, before or between requests.
pub enum Initialize {}

impl Method for Initialize {
    const NAME: &'static str = "initialize";
    const SUMMARY: &'static str = "Introduces client and server to each other.";
    const ERRORS: &'static [&'static [ErrorKind]] = &[&[ErrorKind::UnsupportedProtocol]];
    type Params = InitializeParams;
    type Result = InitializeResult;
}

/// Params of [`Initialize`]. Editors send members of their own, and values that mean nothing here:
/// what is unknown or does not fit is ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InitializeParams {
    /// Who connects; shown in `server/status` and in the log.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "if_it_fits"
    )]
    pub client_info: Option<ClientInfo>,
    /// The protocol version that the client was written for, for example `1.0`. It is refused if its
    /// first number differs from the server's.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "if_it_fits"
    )]
    pub protocol_version: Option<String>,
    /// The client's process. On stdio the server ends when that process does.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "if_it_fits"
    )]
    pub process_id: Option<u32>,
    /// An editor's, as the Language Server Protocol has them. If they are an object, the server is a
    /// language server on this connection.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "if_it_fits"
    )]
    // The Language Server Protocol describes them, in many more words.
    #[cfg_attr(feature = "schemars", schemars(skip))]
    pub capabilities: Option<EditorCapabilities>,
}

/// A client's name and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ClientInfo {
    /// For example `neovim`.
    pub name: String,
    /// For example `0.11.0`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "if_it_fits"
    )]
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
    /// Tells builds of one version apart: a commit and its day, for example
    /// `aa3e92e 2026-11-22`. Absent if that is not known.
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

/// Tells the server that the answer to `initialize` was understood. Nothing depends on it.
pub enum Initialized {}

impl Notification for Initialized {
    const NAME: &'static str = "initialized";
    const SUMMARY: &'static str =
        "Tells the server that the answer to `initialize` was understood.";
    type Params = NoParams;
}

/// Asks the server to take no more requests from this connection.
pub enum Shutdown {}

impl Method for Shutdown {
    const NAME: &'static str = "shutdown";
    const SUMMARY: &'static str = "Takes no more requests from this connection.";
    type Params = NoParams;
    type Result = ();
}

/// Ends the connection; on stdio the process: with 0 after `shutdown`, with 1 without.
pub enum Exit {}

impl Notification for Exit {
    const NAME: &'static str = "exit";
    const SUMMARY: &'static str = "Ends the connection; on stdio, the process.";
    type Params = NoParams;
}

/// Asks the server to give up a request.
pub enum Cancel {}

impl Notification for Cancel {
    const NAME: &'static str = "$/cancelRequest";
    const SUMMARY: &'static str = "Asks the server to give up a request of this connection.";
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_ignored() {
        let check = |wire: &str, name: Option<&str>, version: Option<&str>, process| {
            let read: InitializeParams = serde_json::from_str(wire).expect(wire);
            let client = read.client_info.map(|client| client.name);
            assert_eq!(client.as_deref(), name, "{wire}");
            assert_eq!(read.protocol_version.as_deref(), version, "{wire}");
            assert_eq!(read.process_id, process, "{wire}");
        };
        check("{}", None, None, None);
        check(r#"{"processId":7}"#, None, None, Some(7));
        check(r#"{"processId":-1}"#, None, None, None);
        check(r#"{"processId":"7"}"#, None, None, None);
        check(r#"{"clientInfo":{"version":"1"}}"#, None, None, None);
        check(
            r#"{"clientInfo":{"name":"x","version":1,"more":[]}}"#,
            Some("x"),
            None,
            None,
        );
        check(r#"{"clientInfo":"x","capabilities":[]}"#, None, None, None);
        check(r#"{"protocolVersion":"1.0"}"#, None, Some("1.0"), None);
        check(r#"{"protocolVersion":1.0}"#, None, None, None);
    }
}
