//! What the server found out about an artifact: the answer of `verify`, and part of the answers
//! of `push` and `pull`. Nothing that no signature covers is presented as fact.

use crate::ErrorKind;
use serde::{Deserialize, Serialize};

/// The verdict on an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(tag = "verdict", rename_all = "camelCase")]
#[expect(
    clippy::large_enum_variant,
    reason = "an answer is made once and written out"
)]
pub enum Verification {
    /// Every condition of the rule holds.
    Accepted {
        /// The artifact itself.
        artifact: Artifact,
        /// What its signature says.
        claims: Claims,
        /// Why its issuer is trusted.
        trust: Trust,
    },
    /// A condition does not hold.
    Refused {
        /// The first condition that failed.
        refusal: Refusal,
        /// The artifact, as far as it was recognised.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        artifact: Option<Artifact>,
    },
}

/// An artifact's kind, digest and size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Artifact {
    /// What it is, told by its content.
    pub kind: ArtifactKind,
    /// SHA-256 of the whole file, as OCI writes it: `sha256:` and 64 lower-case hex digits.
    pub digest: String,
    /// Bytes.
    pub size: u64,
}

/// What an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ArtifactKind {
    /// A WebAssembly core module.
    Module,
    /// A WebAssembly component.
    Component,
    /// A wasmCloud provider archive, plain or gzipped.
    Provider,
}

/// What the signature says. Times are seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    /// The account that signed: an nkey that starts with `A`.
    pub issuer: String,
    /// What was signed: an nkey that starts with `M` for wasm, with `V` for a provider archive.
    pub subject: String,
    /// The name that the signer gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version that the signer gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The revision that the signer gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i32>,
    /// A provider archive's vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// A short name for calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_alias: Option<String>,
    /// The tags that the signer gave.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The capabilities that the signer grants, for example `wasmcloud:httpserver`.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// The targets of a provider archive, sorted, for example `x86_64-linux`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// When it was signed.
    pub issued_at: u64,
    /// Not valid before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<u64>,
    /// Not valid from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

/// Which rule of the owner's policy let the issuer pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Trust {
    /// The rule's name.
    pub rule: String,
    /// What it asks of the issuer: `any`, or the issuer's name in the policy.
    pub issuer: String,
}

/// Why an artifact is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Refusal {
    /// What programs switch on; the same kinds as errors have.
    pub kind: ErrorKind,
    /// What happened.
    pub message: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}
