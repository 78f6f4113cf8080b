//! The one table of errors: kind, code, whether the same request may succeed later, and what it
//! means. Clients switch on the kind. A row, once released, never changes its meaning.

use serde::{Deserialize, Serialize};

macro_rules! errors {
    ($($variant:ident $kind:literal $code:literal $retryable:literal $meaning:literal;)*) => {
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

            /// Whether the same request may succeed later without anybody changing anything.
            pub const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)* Self::Unknown => false }
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
    ParseError "parseError" -32700 false "The message is no JSON, or is not framed as the connection's first byte announced.";
    InvalidRequest "invalidRequest" -32600 false "The message is JSON, but no request: a wrong version, id or shape, or an id that is already in flight.";
    MethodNotFound "methodNotFound" -32601 false "There is no such method.";
    InvalidParams "invalidParams" -32602 false "The params do not fit the method.";
    Internal "internalError" -32603 false "The server failed in a way that is its own fault.";
    Cancelled "cancelled" -32800 false "The request was cancelled, by `$/cancelRequest` or because its client went away.";

    UnknownArtifact "unknownArtifact" 1001 false "The bytes are no WebAssembly module, component or provider archive.";
    MalformedArtifact "malformedArtifact" 1002 false "The artifact is not well formed, or carries something that its signature cannot cover.";
    TooLarge "tooLarge" 1003 false "The artifact, or something in it, is over the limits of the server's owner.";
    ContentModified "contentModified" 1004 false "The file changed between being verified and being sent; no manifest was written.";
    TargetNotFound "targetNotFound" 1005 false "The artifact has no such target.";

    Unsigned "unsigned" 1101 false "The artifact carries no signature token.";
    AmbiguousToken "ambiguousToken" 1102 false "The artifact carries more than one token, or one where it does not belong.";
    InvalidToken "invalidToken" 1103 false "The token is not of the form that the rule asks for.";
    SignatureInvalid "signatureInvalid" 1104 false "The token's signature does not verify with its issuer's key.";
    NotYetValid "notYetValid" 1105 false "The token is not valid yet.";
    Expired "expired" 1106 false "The token has expired.";
    HashMismatch "hashMismatch" 1107 false "The contents are not the ones that were signed.";
    UntrustedIssuer "untrustedIssuer" 1108 false "The issuer does not satisfy the trust policy of the server's owner.";

    InvalidReference "invalidReference" 1201 false "The reference does not parse, or names no registry.";
    LatestNotAllowed "latestNotAllowed" 1202 false "The reference names `latest`, or neither tag nor digest, and the request does not allow that.";
    NotFound "notFound" 1203 false "The registry or layout has no such repository, tag or digest.";
    UnsupportedManifest "unsupportedManifest" 1204 false "The manifest is an index, has several layers or is of no known shape.";
    InvalidManifest "invalidManifest" 1205 false "The manifest is not what the specification allows, or does not match its digest.";
    DigestMismatch "digestMismatch" 1206 true "The downloaded bytes are not the ones that the manifest names.";
    RegistryUnreachable "registryUnreachable" 1207 true "No connection to the registry could be made, or it kept breaking.";
    RegistryTimeout "registryTimeout" 1208 true "The registry sent or took nothing for too long.";
    RegistryError "registryError" 1209 true "The registry answered with a server error, or with something that its protocol does not allow.";
    RegistryRefused "registryRefused" 1210 false "The registry refused the request for a reason of its own; its words are in the message.";
    RateLimited "rateLimited" 1211 true "The registry asks to come back later.";
    InsecureRegistry "insecureRegistry" 1212 false "The registry, or where it redirects to, could only be reached without the protection that the owner's config asks for.";
    InvalidLayout "invalidLayout" 1213 false "The folder is no OCI image layout, or a broken one.";

    Unauthorized "unauthorized" 1301 false "The registry wants a login, or does not accept the one there is.";
    Denied "denied" 1302 false "The login is known, but may not do this.";
    CredentialUnusable "credentialUnusable" 1303 false "A credential is configured for the registry, but cannot be used.";

    FileNotFound "fileNotFound" 1401 false "There is no file or folder of that name.";
    NotAFile "notAFile" 1402 false "The path names a folder, device, pipe or socket where a file is needed.";
    PermissionDenied "permissionDenied" 1403 false "The system does not let the server read or write there.";
    DestinationExists "destinationExists" 1404 false "The destination exists and the request does not say `overwrite`.";
    DiskFull "diskFull" 1405 true "There is no space left where the file should go.";
    InvalidPath "invalidPath" 1406 false "The path is not absolute, or no path at all.";
    Io "io" 1407 true "The system failed to read or write.";

    Busy "busy" 1501 true "The connection or the server has all that it takes: requests under way, connections, long messages or file handles.";
    ShuttingDown "shuttingDown" 1502 true "The server is stopping and takes no new requests.";
    UnsupportedProtocol "unsupportedProtocol" 1503 false "The client asks for a protocol version that this server does not speak.";
    ResponseTooLarge "responseTooLarge" 1504 false "The answer is larger than a response may be.";
    RestartFailed "restartFailed" 1505 false "No new process took over; the server goes on as it was.";
}

impl std::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What `error.data` holds, for every error of this server, JSON-RPC's own included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorData {
    /// What programs switch on.
    pub kind: ErrorKind,
    /// What to do next, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The registry it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// The HTTP status that the registry answered, where it did.
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
    fn data_of_a_newer_server_is_read() {
        let data: ErrorData =
            serde_json::from_str(r#"{"kind": "cursed", "retryable": true, "phase": "full moon"}"#)
                .expect("unknown kinds and members are no reason to fail");
        assert_eq!(data.kind, ErrorKind::Unknown);
        assert!(data.retryable);
        assert!(!ErrorKind::ALL.contains(&ErrorKind::Unknown));
    }
}
