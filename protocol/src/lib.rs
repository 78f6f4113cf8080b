//! The types of vouchd's JSON-RPC protocol.
//!
//! A method is a type that names its params and its result; `README.md` beside this crate is the
//! specification in words, `openrpc.json` the same for programs. Of behaviour this crate holds only
//! what service and clients must agree on: where they meet ([`paths`]), and what [`acts`] on a
//! terminal. By default it depends on serde alone: it must stay cheap to depend on.

#![cfg_attr(test, allow(clippy::expect_used))]

mod error;
mod lifecycle;
pub mod paths;
mod progress;
mod pull;
mod push;
mod server;
mod session;
mod text;
mod verification;
mod verify;

#[cfg(feature = "schemars")]
pub mod openrpc;

pub use error::{ErrorData, ErrorKind};
pub use lifecycle::{
    Cancel, CancelParams, ClientInfo, Exit, Initialize, InitializeParams, InitializeResult,
    Initialized, RequestId, ServerCapabilities, ServerInfo, Shutdown,
};
pub use progress::{Progress, ProgressParams, ProgressToken, WorkDone};
pub use pull::{Pull, PullParams, PullResult};
pub use push::{Push, PushParams, PushResult};
pub use server::{
    CacheStatus, Discover, DiscoverInfo, DiscoverMethod, DiscoverResult, IdleKeeper, IdleStatus,
    LastError, RequestStatus, ServerRestart, ServerRestartResult, ServerStatus, ServerStatusResult,
    ServerStop, ServerStopResult,
};
pub use session::{
    CredentialFile, LoginSource, Password, SessionList, SessionListResult, SessionLogin,
    SessionLoginParams, SessionLogout, SessionLogoutParams, SessionLogoutResult, SessionState,
    SessionStatus,
};
pub use text::acts;
pub use verification::{Artifact, ArtifactKind, Claims, Refusal, Trust, Verification};
pub use verify::{Verify, VerifyParams};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The protocol's version, as `initialize` tells it. The first number changes when a client
/// written for the older one would break.
pub const PROTOCOL_VERSION: &str = "1.0";

/// The exit code of `vouchd serve` where another process serves the socket already, or is about to
/// (`EX_TEMPFAIL` of sysexits(3)): who started it may connect to that one.
pub const EXIT_ALREADY_SERVED: u8 = 75;

/// A request: it is answered with `Result` or an error.
pub trait Method {
    /// The method's name on the wire.
    const NAME: &'static str;
    /// What the request carries, by name.
    type Params: Serialize + DeserializeOwned;
    /// What a success carries.
    type Result: Serialize + DeserializeOwned;
}

/// A notification: it is never answered.
pub trait Notification {
    /// The notification's name on the wire.
    const NAME: &'static str;
    /// What it carries, by name.
    type Params: Serialize + DeserializeOwned;
}

/// Params of a method that takes none. An absent `params`, `null` and `{}` all mean this.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

/// Every method that a server of this version answers, in the order of the specification.
pub const METHODS: &[&str] = &[
    Initialize::NAME,
    Shutdown::NAME,
    Verify::NAME,
    Push::NAME,
    Pull::NAME,
    SessionLogin::NAME,
    SessionLogout::NAME,
    SessionList::NAME,
    ServerStatus::NAME,
    ServerRestart::NAME,
    ServerStop::NAME,
    Discover::NAME,
];

/// Every notification that a client may send.
pub const NOTIFICATIONS: &[&str] = &[Initialized::NAME, Exit::NAME, Cancel::NAME];

/// Every notification that a server may send.
pub const SERVER_NOTIFICATIONS: &[&str] = &[Progress::NAME];

/// The `OpenRPC` document of this version, as `rpc.discover` answers it.
pub const OPENRPC: &str = include_str!("../openrpc.json");
