//! `sign/prepare` and `sign/complete`: put a token into an artifact. Between the two the client signs:
//! the server holds no key and opens no agent.

use crate::{
    Artifact, Claims, ErrorKind, LogLevel, Method, ProgressToken, Refusal, Reporting, Signature,
};
use serde::{Deserialize, Serialize};

/// Reads an artifact and answers what is to be signed for it. Nothing is written or kept.
pub enum SignPrepare {}

impl Method for SignPrepare {
    const NAME: &'static str = "sign/prepare";
    const SUMMARY: &'static str =
        "Answers what an account has to sign for a file; the client signs it.";
    const ERRORS: &'static [&'static [ErrorKind]] = &[
        ErrorKind::UNSIGNABLE,
        ErrorKind::FILES,
        &[ErrorKind::ContentModified],
    ];
    const PROGRESS: Option<Reporting<SignPrepareParams>> = Some(Reporting {
        title: "Reading",
        token: |params| params.work_done_token.as_ref(),
    });
    type Params = SignPrepareParams;
    type Result = SignPrepareResult;
}

/// Params of [`SignPrepare`]. What is absent is carried over from the file's own token, where that
/// holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignPrepareParams {
    /// An absolute path or `file:` URI.
    pub path: String,
    /// The account that is going to sign: an nkey that starts with `A`.
    pub account: String,
    /// The artifact's name. Without one: its token's, its own metadata's, or the file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its version. Without one: its token's or its own metadata's, if they have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i32>,
    /// A provider archive's vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// The tags of a module or component. An empty list means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// The capabilities granted to it. An empty list means none. Without a list they are carried over
    /// only where the same account signed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<String>>,
    /// What is signed: an nkey that starts with `M` for wasm, with `V` for a provider archive.
    /// Without one: its token's, or one that follows from account and name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Not valid before; in seconds since 1970-01-01T00:00:00Z. Dates are never carried over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<u64>,
    /// Not valid from then on; in seconds since 1970-01-01T00:00:00Z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// Names the request in `$/progress`. Without one, nothing is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_done_token: Option<ProgressToken>,
}

/// Result of [`SignPrepare`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SignPrepareResult {
    /// The file as it is.
    pub artifact: Artifact,
    /// What the account signs, as it is: the first two parts of a token. Clients decode it, and sign
    /// only what they meant to.
    pub signing_input: String,
    /// What it says.
    pub claims: Claims,
    /// The token that is going to be replaced, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<ReplacedToken>,
    /// What else should be known, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A token that a new one replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReplacedToken {
    /// The token as it stands in the file; where it holds, whatever its dates say. Claims were
    /// carried over from it, which a client can check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Whose it is; where it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// Why it does not hold. Nothing was carried over from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// The capabilities in it that are not carried over, because another account signs now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped: Vec<String>,
}

/// Puts a token that a client signed into a file, examines the result, and only then names it.
pub enum SignComplete {}

impl Method for SignComplete {
    const NAME: &'static str = "sign/complete";
    const SUMMARY: &'static str =
        "Puts a signed token into a file, examines the result, and only then names it.";
    const ERRORS: &'static [&'static [ErrorKind]] = &[
        ErrorKind::UNSIGNABLE,
        ErrorKind::FILES,
        &[ErrorKind::ContentModified, ErrorKind::DestinationExists],
    ];
    const LOG: LogLevel = LogLevel::Info;
    const PROGRESS: Option<Reporting<SignCompleteParams>> = Some(Reporting {
        title: "Signing",
        token: |params| params.work_done_token.as_ref(),
    });
    type Params = SignCompleteParams;
    type Result = SignCompleteResult;
}

/// Params of [`SignComplete`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignCompleteParams {
    /// The file that `sign/prepare` read: an absolute path or `file:` URI.
    pub path: String,
    /// What `sign/prepare` answered, unchanged.
    pub signing_input: String,
    /// The Ed25519 signature of its bytes, 64 bytes, in base64url without padding.
    pub signature: String,
    /// Where the signed artifact goes: an absolute path or `file:` URI; in a folder that exists, under
    /// the file's own name. Without one it replaces the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// Replace a regular file, or a symbolic link itself, at the destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overwrite: Option<bool>,
    /// Names the request in `$/progress`. Without one, nothing is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_done_token: Option<ProgressToken>,
}

/// Result of [`SignComplete`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct SignCompleteResult {
    /// The file that was written.
    pub path: String,
    /// What it is now.
    pub artifact: Artifact,
    /// Who signed it.
    pub signature: Signature,
    /// What its token says.
    pub claims: Claims,
}
