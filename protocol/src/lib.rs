//! The types of vouchd's JSON-RPC protocol.
//!
//! A method is a type that declares all that is said about it: see [`Method`]. `README.md` beside
//! this crate is the specification in words, and `openrpc.json` is the same for programs. Of
//! behaviour this crate holds only what service and clients must agree on: where they meet
//! ([`paths`]) and whose service that is ([`peer`]), which characters are [escaped] before
//! people see them, and which JSON [all read alike](PlainJson). By default it depends on serde alone:
//! it must stay cheap to depend on.

#![cfg_attr(test, allow(clippy::expect_used))]

mod document;
mod editor;
mod error;
mod escape;
mod fits;
mod inspect;
mod lifecycle;
mod method;
pub mod paths;
pub mod peer;
mod plain;
mod progress;
mod pull;
mod push;
mod server;
mod session;
mod sign;
mod tags;
mod token;
mod verification;
mod verify;

#[cfg(feature = "schemars")]
pub mod openrpc;

pub use document::{
    DocumentCheck, DocumentCheckParams, DocumentCheckResult, DocumentReference, Fix, FixBy,
    FixKind, Judgement, Lookup, Position, Range, TextEdit, UnknownReason,
};
pub use editor::{
    ActionCapabilities, DocumentCapabilities, EditCapabilities, EditorCapabilities,
    HoverCapabilities, Object, RefreshCapabilities, WorkspaceCapabilities,
};
pub use error::{ErrorData, ErrorKind};
pub use escape::{escaped, needs_escape, unescaped};
pub use inspect::{
    Content, Dependency, Descriptor, Inspect, InspectParams, InspectResult, InspectSubject,
    Manifest, Metadata, Names, Producer, Provenance, Target,
};
pub use lifecycle::{
    Cancel, CancelParams, ClientInfo, Exit, Initialize, InitializeParams, InitializeResult,
    Initialized, RequestId, ServerCapabilities, ServerInfo, Shutdown,
};
pub use method::{Declaration, LogLevel, Method, NoParams, Notification, Reporting};
pub use plain::PlainJson;
pub use progress::{Progress, ProgressParams, WorkDone};
pub use pull::{Pull, PullParams, PullResult};
pub use push::{PublishedBundle, Push, PushParams, PushResult};
pub use server::{
    CacheStatus, Discover, DiscoverResult, IdleKeeper, IdleStatus, LastError, OpenRpcInfo,
    OpenRpcMethod, RequestStatus, RootStatus, ServerRestart, ServerRestartResult, ServerStatus,
    ServerStatusResult, ServerStop, ServerStopResult, TrustStatus,
};
pub use session::{
    CredentialFile, Login, LoginSource, Password, SessionList, SessionListResult, SessionLogin,
    SessionLoginParams, SessionLogout, SessionLogoutParams, SessionLogoutResult, SessionState,
    SessionStatus,
};
pub use sign::{
    ReplacedToken, SignComplete, SignCompleteParams, SignCompleteResult, SignPrepare,
    SignPrepareParams, SignPrepareResult,
};
pub use tags::{Tags, TagsParams, TagsResult};
pub use token::ProgressToken;
pub use verification::{
    Artifact, ArtifactKind, Check, CheckOutcome, Claims, Refusal, Signature, Signer, Trust,
    TrustMode, Verification,
};
pub use verify::{Verify, VerifyParams, VerifyResult, VerifySubject};

/// The protocol's version, as `initialize` tells it. The first number changes when a client
/// written for the older one would break.
pub const PROTOCOL_VERSION: &str = "1.0";

/// The exit code of `vouchd serve` where another process serves the socket already, or is about to
/// (`EX_TEMPFAIL` of sysexits(3)): who started it may connect to that one.
pub const EXIT_ALREADY_SERVED: u8 = 75;

macro_rules! listed {
    (
        methods: $($method:ident)*;
        of_clients: $($notification:ident)*;
        of_servers: $($notice:ident)*;
    ) => {
        /// Every method that a server of this version answers, in the order of the specification.
        pub const METHODS: &[Declaration] = &[$(Declaration::of::<$method>(),)*];

        /// Every notification that a client may send.
        pub const NOTIFICATIONS: &[&str] = &[$($notification::NAME,)*];

        /// Every notification that a server may send.
        pub const SERVER_NOTIFICATIONS: &[&str] = &[$($notice::NAME,)*];

        #[cfg(feature = "schemars")]
        impl openrpc::Schemas<'_> {
            fn methods(&mut self) -> Vec<serde_json::Value> {
                vec![$(self.method::<$method>(),)*]
            }

            fn notifications(&mut self) -> Vec<serde_json::Value> {
                vec![
                    $(self.notification::<$notification>("client"),)*
                    $(self.notification::<$notice>("server"),)*
                ]
            }
        }
    };
}

// A method is a type of this crate, a name here, and a file of the service.
listed! {
    methods:
        Initialize Shutdown Verify Inspect Push Pull Tags DocumentCheck SignPrepare SignComplete SessionLogin SessionLogout SessionList
        ServerStatus ServerRestart ServerStop Discover;
    of_clients: Initialized Exit Cancel;
    of_servers: Progress;
}

/// The `OpenRPC` document of this version, as `rpc.discover` answers it.
pub const OPENRPC: &str = include_str!("../openrpc.json");
