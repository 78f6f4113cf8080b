//! The one table of errors: kind, code, what a client may make of it, and what it means. Clients
//! switch on the kind. Once released, a row never changes its meaning.

use serde::{Deserialize, Serialize};

/// What a client may make of an error, whatever its kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// The same request will fail again until somebody changes something.
    Final,
    /// The same request may succeed later without anybody changing anything.
    Retryable,
    /// The artifact does not satisfy the signature rule. `verify` answers these as a result.
    Refusal,
}

macro_rules! errors {
    ($($variant:ident $kind:literal $code:literal $class:ident $meaning:literal;)*) => {
        /// Why a request failed, or why an artifact is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
        pub enum ErrorKind {
            $(#[doc = $meaning] #[serde(rename = $kind)] $variant,)*
            /// A kind that a newer server has and this crate does not know. It is only ever read:
            /// no server sends it, and it is not in [`ErrorKind::ALL`].
            #[serde(rename = "unknown", other)]
            #[cfg_attr(feature = "schemars", schemars(skip))]
            Unknown,
        }

        impl ErrorKind {
            /// Every kind, in the order of the specification.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name on the wire (`data.kind`).
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $kind,)* Self::Unknown => "unknown" }
            }

            /// The JSON-RPC error code; 0 for [`ErrorKind::Unknown`].
            pub const fn code(self) -> i32 {
                match self { $(Self::$variant => $code,)* Self::Unknown => 0 }
            }

            const fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class,)* Self::Unknown => Class::Final }
            }

            /// What the kind means, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)*
                    Self::Unknown => "A kind of a newer version.",
                }
            }
        }
    };
}

errors! {
    ParseError "parseError" -32700 Final "The message is not JSON, or is not framed as the first byte of the connection announced.";
    InvalidRequest "invalidRequest" -32600 Final "The message is JSON but not a request: a wrong version, id or shape, or an id that is still in use.";
    MethodNotFound "methodNotFound" -32601 Final "There is no such method.";
    InvalidParams "invalidParams" -32602 Final "The params do not fit the method.";
    Internal "internalError" -32603 Final "The server failed through a fault of its own.";
    Cancelled "cancelled" -32800 Final "The request was cancelled, by `$/cancelRequest` or because its client went away.";

    UnknownArtifact "unknownArtifact" 1001 Refusal "The bytes are not a WebAssembly module, a component or a provider archive.";
    MalformedArtifact "malformedArtifact" 1002 Refusal "The artifact is not well formed, or carries something that its signature cannot cover.";
    TooLarge "tooLarge" 1003 Refusal "The artifact, or something in it, exceeds the limits set by the server's owner.";
    ContentModified "contentModified" 1004 Final "The file changed while it was read, signed or sent; nothing was published or replaced.";
    TargetNotFound "targetNotFound" 1005 Final "The artifact has no such target.";
    NoBundle "noBundle" 1006 Final "No bundle that was found would have the bare file verified again.";

    Unsigned "unsigned" 1101 Refusal "The artifact carries no token, and no bundle that signs it was found.";
    AmbiguousToken "ambiguousToken" 1102 Refusal "The artifact carries more than one token, or one where it does not belong.";
    InvalidToken "invalidToken" 1103 Refusal "The token does not have the form that the rule requires.";
    SignatureInvalid "signatureInvalid" 1104 Refusal "The token's signature does not verify with its issuer's key, or no bundle beside the artifact holds.";
    NotYetValid "notYetValid" 1105 Refusal "The token is not valid yet.";
    Expired "expired" 1106 Refusal "The token has expired.";
    HashMismatch "hashMismatch" 1107 Refusal "The contents are not the ones that were signed.";
    UntrustedSigner "untrustedSigner" 1108 Refusal "The signature holds, and the trust policy of the server's owner does not accept its signer there.";
    SignerChanged "signerChanged" 1109 Refusal "The signature holds, and its signer is not one that the repository has had until now.";
    NotAllowed "notAllowed" 1110 Refusal "The signer is accepted, but another condition of a rule is not met.";
    SignatureUnrelated "signatureUnrelated" 1111 Refusal "The signature holds, and signs something else: another artifact, or another statement about this one.";

    InvalidReference "invalidReference" 1201 Final "The reference cannot be parsed, or does not name a registry.";
    LatestNotAllowed "latestNotAllowed" 1202 Final "The reference has the tag `latest`, or neither a tag nor a digest, and the request does not allow that.";
    NotFound "notFound" 1203 Final "The registry or layout has no such repository, tag or digest.";
    UnsupportedManifest "unsupportedManifest" 1204 Final "The manifest is an index of several manifests, has several layers, or is a container image.";
    InvalidManifest "invalidManifest" 1205 Final "The manifest breaks the specification, or does not match its digest.";
    DigestMismatch "digestMismatch" 1206 Retryable "The downloaded bytes are not the ones that the manifest names.";
    RegistryUnreachable "registryUnreachable" 1207 Retryable "No connection to the registry could be made, or it kept breaking.";
    RegistryTimeout "registryTimeout" 1208 Retryable "The registry sent or accepted nothing for too long.";
    RegistryError "registryError" 1209 Retryable "The registry answered with a server error, or with something that its protocol does not allow.";
    RegistryRefused "registryRefused" 1210 Final "The registry refused the request for a reason of its own; the message quotes it.";
    RateLimited "rateLimited" 1211 Retryable "The registry asks its clients to come back later.";
    InsecureRegistry "insecureRegistry" 1212 Final "The registry, or where it redirects to, could only be reached without the protection that the owner's config requires.";
    InvalidLayout "invalidLayout" 1213 Final "The folder is not an OCI image layout, or it is a broken one.";

    Unauthorized "unauthorized" 1301 Final "The registry requires a login, or does not accept the one it was given.";
    Denied "denied" 1302 Final "The registry knows the login, but does not let it do this.";
    CredentialUnusable "credentialUnusable" 1303 Final "A credential is configured for the registry but cannot be used.";

    FileNotFound "fileNotFound" 1401 Final "There is no file or folder with that name.";
    NotAFile "notAFile" 1402 Final "The path names a folder, device, pipe or socket where a file is needed.";
    PermissionDenied "permissionDenied" 1403 Final "The system does not let the server read or write there.";
    DestinationExists "destinationExists" 1404 Final "The destination exists and the request does not set `overwrite`.";
    DiskFull "diskFull" 1405 Retryable "There is no space left where the file should go.";
    InvalidPath "invalidPath" 1406 Final "The path is not absolute, or is not a path at all.";
    Io "io" 1407 Retryable "The system failed to read or write.";

    Busy "busy" 1501 Retryable "The connection or the server is at its limit of requests, connections, long messages or file handles.";
    ShuttingDown "shuttingDown" 1502 Retryable "The server is stopping: it takes no new requests, and gives up those that take too long.";
    UnsupportedProtocol "unsupportedProtocol" 1503 Final "The client requires a protocol version that this server does not speak.";
    ResponseTooLarge "responseTooLarge" 1504 Final "The answer is larger than a response may be.";
    RestartFailed "restartFailed" 1505 Final "No new process took over; the server continues as it was.";
    PolicyUnusable "policyUnusable" 1506 Final "The trust policy of the server's owner, or what is pinned by it, cannot be used. Until that is fixed, nothing is accepted.";
}

impl ErrorKind {
    /// Whether the same request may succeed later without anybody changing anything.
    pub const fn retryable(self) -> bool {
        matches!(self.class(), Class::Retryable)
    }

    /// Whether it says that the artifact does not satisfy the signature rule. `verify` answers such
    /// a kind as its result; elsewhere it is an error.
    pub const fn is_refusal(self) -> bool {
        matches!(self.class(), Class::Refusal)
    }

    /// The kind with that code; [`ErrorKind::Unknown`] if this crate does not know it.
    pub fn of_code(code: i32) -> Self {
        let known = Self::ALL.iter().find(|kind| kind.code() == code);
        known.copied().unwrap_or(Self::Unknown)
    }

    /// [`is_refusal`](Self::is_refusal) by code. One that this crate does not know counts by its
    /// hundred, as "Compatibility" in the specification says: 11xx is about signatures.
    pub fn refuses(code: i32) -> bool {
        match Self::of_code(code) {
            Self::Unknown => code / 100 == 11,
            kind => kind.is_refusal(),
        }
    }
}

/// Kinds that belong together, for the methods' declarations.
impl ErrorKind {
    /// What every method may answer.
    pub const COMMON: &[Self] = &[
        Self::ParseError,
        Self::InvalidRequest,
        Self::MethodNotFound,
        Self::InvalidParams,
        Self::Internal,
        Self::Cancelled,
        Self::Busy,
        Self::ShuttingDown,
        Self::ResponseTooLarge,
    ];

    /// What may go wrong with asking a registry.
    pub const REGISTRY: &[Self] = &[
        Self::InvalidReference,
        Self::RegistryUnreachable,
        Self::RegistryTimeout,
        Self::RegistryError,
        Self::RegistryRefused,
        Self::RateLimited,
        Self::InsecureRegistry,
        Self::Unauthorized,
        Self::Denied,
        Self::CredentialUnusable,
    ];

    /// What may go wrong with what is published there.
    pub const PUBLISHED: &[Self] = &[
        Self::NotFound,
        Self::UnsupportedManifest,
        Self::InvalidManifest,
        Self::DigestMismatch,
        Self::InvalidLayout,
    ];

    /// Why a file is not signed: every row of the rule but dates and policy is looked at.
    pub const UNSIGNABLE: &[Self] = &[
        Self::UnknownArtifact,
        Self::MalformedArtifact,
        Self::TooLarge,
        Self::Unsigned,
        Self::AmbiguousToken,
        Self::InvalidToken,
        Self::SignatureInvalid,
        Self::HashMismatch,
    ];

    /// What may go wrong with files and folders.
    pub const FILES: &[Self] = &[
        Self::FileNotFound,
        Self::NotAFile,
        Self::PermissionDenied,
        Self::DiskFull,
        Self::InvalidPath,
        Self::Io,
    ];
}

impl std::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The `error.data` of every error of this server, including JSON-RPC's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorData {
    /// What programs switch on.
    pub kind: ErrorKind,
    /// What to do next, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Whether the same request may succeed later without anybody changing anything.
    pub retryable: bool,
    /// The registry that the error is about, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// The HTTP status that the registry answered, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_kind_and_no_code_is_used_twice() {
        let kinds: HashSet<_> = ErrorKind::ALL.iter().map(|kind| kind.name()).collect();
        let codes: HashSet<_> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(kinds.len(), ErrorKind::ALL.len());
        assert_eq!(codes.len(), ErrorKind::ALL.len());
    }

    #[test]
    fn the_wire_name_is_the_table_s() {
        for kind in ErrorKind::ALL {
            let wire = serde_json::to_value(kind).expect("a kind is a string");
            assert_eq!(wire, kind.name());
        }
    }

    #[test]
    fn a_refusal_is_about_the_artifact_or_its_signature() {
        let check = |code, expected, why| assert_eq!(ErrorKind::refuses(code), expected, "{why}");
        check(1001, true, "the first");
        check(1003, true, "over a limit");
        check(1004, false, "nobody knows what the file is now");
        check(
            1005,
            false,
            "the artifact is signed; the request asks for something else",
        );
        check(1101, true, "unsigned");
        check(1108, true, "an untrusted issuer");
        check(1199, true, "a newer server's, about the signature");
        check(1099, false, "a newer server's, about the artifact");
        check(1203, false, "the registry");
        check(-32602, false, "JSON-RPC's own");
        check(0, false, "not a code");
    }

    #[test]
    fn data_of_a_newer_server_is_read() {
        let data: ErrorData =
            serde_json::from_str(r#"{"kind": "cursed", "retryable": true, "phase": "full moon"}"#)
                .expect("unknown kinds and members are not errors");
        assert_eq!(data.kind, ErrorKind::Unknown);
        assert!(data.retryable);
        assert!(!ErrorKind::ALL.contains(&ErrorKind::Unknown));
    }
}
