//! `server/status`, `server/restart`, `server/stop` and `rpc.discover`: about the server itself.

use crate::{CredentialFile, ErrorKind, LogLevel, Method, NoParams, SessionStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the server is doing.
pub enum ServerStatus {}

impl Method for ServerStatus {
    const NAME: &'static str = "server/status";
    const SUMMARY: &'static str = "Tells what the server is doing.";
    type Params = NoParams;
    type Result = ServerStatusResult;
}

/// Result of [`ServerStatus`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServerStatusResult {
    /// The server's version.
    pub version: String,
    /// Tells builds of one version apart, as in `initialize`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// The protocol version that it speaks.
    pub protocol_version: String,
    /// Its process.
    pub process_id: u32,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// The socket it listens on; absent on stdio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// The config file that it read, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// What is wrong with the config file, if it could not be used when it was last read: the
    /// config before it still holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_error: Option<String>,
    /// Whose signatures it accepts, as far as it can be told in a few words.
    #[serde(default)]
    pub trust: TrustStatus,
    /// Which variables of the server's environment name a proxy that cannot be used. Requests that
    /// would need it fail; all others work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_error: Option<String>,
    /// The file that it logs to; absent if it logs to standard error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// When it ends by itself; absent if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<IdleStatus>,
    /// Open connections, including this one.
    pub connections: u64,
    /// Requests under way, including this one, oldest first; the first 256.
    pub requests: Vec<RequestStatus>,
    /// How many requests are under way in all.
    #[serde(default)]
    pub requests_under_way: u64,
    /// How many requests were answered since it started, by outcome: `ok`, `refused` (a `verify`
    /// that refused), or the kind of the error.
    #[serde(default)]
    pub outcomes: BTreeMap<String, u64>,
    /// The newest errors, newest first, at most 16.
    #[serde(default)]
    pub last_errors: Vec<LastError>,
    /// The logins that are kept or in use, as they were when they were last used. Unlike
    /// `session/list`, this does not ask credential helpers whether they are still there.
    #[serde(default)]
    pub sessions: Vec<SessionStatus>,
    /// The memory of verified files.
    pub cache: CacheStatus,
    /// The files in which logins are looked for, in this order, after those of `session/login`.
    #[serde(default)]
    pub credential_files: Vec<CredentialFile>,
    /// The variables of the server's environment that decide this, if they are set. A client's own
    /// environment means nothing to the server.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// The owner's trust policy, and the signers that were seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TrustStatus {
    /// The file whose section `[trust]` is the policy. It need not exist; absent where the server's
    /// user has no home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// SHA-256 of that file as it was when what is in force was read (`sha256:…`); absent if the
    /// file did not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How often the file was looked for, whether or not it could be used.
    #[serde(default)]
    pub reads: u64,
    /// Why the policy in force cannot be used: nothing is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many signers the policy in force has.
    #[serde(default)]
    pub signers: u64,
    /// How many rules it has.
    #[serde(default)]
    pub rules: u64,
    /// The file in which the signers of repositories are remembered; absent where the server's user
    /// has no home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins: Option<String>,
    /// Why signers cannot be remembered, or what is remembered cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins_error: Option<String>,
    /// The roots that bundles are verified by: those that come with the server, and the owner's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<RootStatus>,
}

/// A trusted root of Sigstore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RootStatus {
    /// What signers call it.
    pub name: String,
    /// The owner's file; absent where it comes with the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 of its text (`sha256:…`); absent where it cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Since when the newest of its authorities and logs has been valid, in seconds since 1970:
    /// about its age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// When the last log in it ends, or the last authority of a kind, in seconds since 1970; absent
    /// where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// The signers that name it, at most 16 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<String>,
    /// What its owner should know: that it has ended, or what in it is not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A request under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RequestStatus {
    /// Its method.
    pub method: String,
    /// The name that its client gave in `initialize`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The reference that it is about, if it names one. Of a long one, the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The file that it reads or writes, if it names one. Of a long path, the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Milliseconds since it arrived.
    pub age_milliseconds: u64,
    /// What the server is doing for it: `waiting`, `asking`, `verifying`, `sending`, `receiving` or
    /// `finishing`. If it is about to be answered, how it ended.
    pub phase: String,
    /// Bytes that were read, sent or received for it.
    pub bytes: u64,
    /// What `bytes` will be in the end, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// How much of `total` is done, from 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schemars", schemars(range(max = 100)))]
    pub percentage: Option<u8>,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LastError {
    /// Seconds since it last happened.
    pub seconds_ago: u64,
    /// The method that failed; absent if it was not a request that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The name that the client gave in `initialize`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The kind of the error.
    pub kind: ErrorKind,
    /// What happened, for people.
    pub message: String,
    /// How often it happened in the same way.
    pub times: u64,
}

/// How full the cache of facts about files is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct CacheStatus {
    /// Files that are remembered.
    pub entries: u64,
    /// Files that can be.
    pub capacity: u64,
}

/// When a server that nobody uses ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct IdleStatus {
    /// How many seconds it stays after its last connection and request have ended.
    pub timeout_seconds: u64,
    /// For how many seconds after their last use logins that are only in its memory keep it alive.
    pub logins_seconds: u64,
    /// What keeps it alive, apart from this connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_by: Option<IdleKeeper>,
    /// How long it would stay if this connection ended now and no other came; absent while other
    /// connections or requests keep it alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_in_seconds: Option<u64>,
}

/// What keeps a server alive that would otherwise end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum IdleKeeper {
    /// Requests are under way.
    Requests,
    /// Clients are connected.
    Connections,
    /// Logins would be lost: those of `session/login`, and refresh tokens that a registry gave in
    /// place of a file's.
    Logins,
    /// Something that a newer server has and this crate does not know. It is only ever read.
    #[serde(rename = "unknown", other)]
    #[cfg_attr(feature = "schemars", schemars(skip))]
    Unknown,
}

/// Replaces the server with a new process of its program, as it is installed now. The new one takes
/// over the socket, so that no client is refused; the old one finishes what it has under way.
pub enum ServerRestart {}

impl Method for ServerRestart {
    const NAME: &'static str = "server/restart";
    const SUMMARY: &'static str =
        "Lets a new process of the installed program take over, without refusing anybody.";
    const ERRORS: &'static [&'static [ErrorKind]] = &[&[ErrorKind::RestartFailed]];
    const LOG: LogLevel = LogLevel::Info;
    type Params = NoParams;
    type Result = ServerRestartResult;
}

/// Result of [`ServerRestart`]: the new process serves the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServerRestartResult {
    /// The new process.
    pub process_id: u32,
    /// Its version.
    pub version: String,
    /// Its build, as in `initialize`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
}

/// Stops the server, as SIGTERM does: what is under way may finish for ten seconds.
pub enum ServerStop {}

impl Method for ServerStop {
    const NAME: &'static str = "server/stop";
    const SUMMARY: &'static str = "Stops the server.";
    const LOG: LogLevel = LogLevel::Info;
    type Params = NoParams;
    type Result = ServerStopResult;
}

/// Result of [`ServerStop`]: the server is stopping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServerStopResult {
    /// Its process, for those who wait for its end.
    pub process_id: u32,
}

/// The `OpenRPC` document of this protocol.
pub enum Discover {}

impl Method for Discover {
    const NAME: &'static str = "rpc.discover";
    const SUMMARY: &'static str = "Answers this document.";
    type Params = NoParams;
    type Result = DiscoverResult;
}

/// Result of [`Discover`]: an `OpenRPC` document. This type reads the members that tell one server
/// from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct DiscoverResult {
    /// The version of the `OpenRPC` specification.
    pub openrpc: String,
    /// Title and version of the protocol.
    pub info: OpenRpcInfo,
    /// The methods.
    pub methods: Vec<OpenRpcMethod>,
}

/// Title and version of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct OpenRpcInfo {
    /// `vouchd`.
    pub title: String,
    /// The protocol's version.
    pub version: String,
}

/// A method of the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct OpenRpcMethod {
    /// Its name.
    pub name: String,
    /// What it does, in one sentence.
    pub summary: String,
}
