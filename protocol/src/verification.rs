//! What the server found out about an artifact: the answer of `verify`, and part of the answers
//! of `push` and `pull`. Nothing that no signature covers is presented as fact.

use crate::ErrorKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The verdict on an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(tag = "verdict", rename_all = "camelCase")]
// One per request: a box would cost more in use than it saves.
#[allow(clippy::large_enum_variant)]
pub enum Verification {
    /// Every condition of the rule holds.
    Accepted {
        /// The artifact itself.
        artifact: Artifact,
        /// Who signed it, by whatever method.
        signature: Signature,
        /// What its token says, in the token's own words; where it is signed by one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claims: Option<Claims>,
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

/// A signature that holds: one shape for all methods. Times are seconds since
/// 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Signature {
    /// How it is signed: `token`, a wasmCloud token inside the artifact; `sigstore`, a Sigstore
    /// bundle beside it. More may come.
    pub method: String,
    /// Who signed.
    pub signer: Signer,
    /// What was signed, as its signer names it: of a token, an nkey that starts with `M` or `V`; of a
    /// bundle, the digest of the file or of its manifest.
    pub subject: String,
    /// When it was signed, where that is known; of a token always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<u64>,
    /// Not valid before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<u64>,
    /// Not valid from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Signer {
    /// The one name for this signer among all methods': the method, a colon, and what tells the
    /// signer from the method's others.
    pub id: String,
    /// The names that the method itself has for the signer: of a token, its `account`, an nkey that
    /// starts with `A`; of a bundle, its `issuer`, `uri`, `email` or `key`, and what a workflow's
    /// certificate says besides.
    #[serde(flatten)]
    pub names: BTreeMap<String, String>,
}

/// What the token says. Times are seconds since 1970-01-01T00:00:00Z.
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

/// Why the signer is trusted: the policy of the server's owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Trust {
    /// The scope of the rule that accepts the signer, for example `ghcr.io/acme`; or `default`.
    pub rule: String,
    /// How it accepts them.
    pub mode: TrustMode,
    /// What the owner's config calls the signer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// Of a pinned signer: since when, in seconds since 1970-01-01T00:00:00Z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Of a first use: whether the signer is remembered from now on. `verify` never remembers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remembered: Option<bool>,
    /// What else should be known, for people: why a first use is not remembered, or what differs
    /// from what came before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// How a signer is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum TrustMode {
    /// A rule names them.
    Named,
    /// The repository has had them before.
    Pinned,
    /// The repository had no signer before: there was nothing to compare them with.
    FirstUse,
    /// The signature holds, and nobody checked whose it is.
    Any,
    /// A mode that a newer server has and this crate does not know. It is only ever read.
    #[serde(rename = "unknown", other)]
    #[cfg_attr(feature = "schemars", schemars(skip))]
    Unknown,
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

/// One thing that was asked of an artifact, and the answer: see `explain` of `verify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Check {
    /// The row of the signature rule, by its number in the specification.
    pub row: u8,
    /// What is asked: the row's name, or the key of the policy that asks. More may come.
    pub check: String,
    /// The answer.
    pub outcome: CheckOutcome,
    /// Of what the policy asks: the scope of the rule, or `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What was found, for people; nothing where it was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What has to be found, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
}

/// How a [`Check`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum CheckOutcome {
    /// It holds.
    Held,
    /// It does not hold.
    Failed,
    /// What it asks about is not there.
    Absent,
    /// It was not looked at: something before it does not hold.
    NotReached,
    /// It refuses nothing, and should be known.
    Warning,
    /// An outcome that a newer server has and this crate does not know. It is only ever read.
    #[serde(rename = "unknown", other)]
    #[cfg_attr(feature = "schemars", schemars(skip))]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(wire: &Value, expected: &Verification) {
        let read: Verification = serde_json::from_value(wire.clone()).expect("it is one");
        assert_eq!(&read, expected);
    }

    #[test]
    fn a_verdict_reads_as_it_is_written() {
        let accepted = Verification::Accepted {
            artifact: Artifact {
                kind: ArtifactKind::Provider,
                digest: "sha256:00".into(),
                size: 7,
            },
            signature: Signature {
                method: "token".into(),
                signer: Signer {
                    id: "token:A".into(),
                    names: [("account".into(), "A".into())].into(),
                },
                subject: "V".into(),
                signed_at: Some(1),
                not_before: Some(2),
                expires: None,
            },
            claims: Some(Claims {
                issuer: "A".into(),
                subject: "V".into(),
                targets: vec!["x86_64-linux".into()],
                issued_at: 1,
                not_before: Some(2),
                ..Claims::default()
            }),
            trust: Trust {
                rule: "default".into(),
                mode: TrustMode::Any,
                signer: None,
                since: None,
                remembered: None,
                warnings: Vec::new(),
            },
        };
        let wire = json!({
            "verdict": "accepted",
            "artifact": {"kind": "provider", "digest": "sha256:00", "size": 7},
            "signature": {
                "method": "token", "signer": {"id": "token:A", "account": "A"},
                "subject": "V", "signedAt": 1, "notBefore": 2,
            },
            "claims": {
                "issuer": "A", "subject": "V", "tags": [], "capabilities": [],
                "targets": ["x86_64-linux"], "issuedAt": 1, "notBefore": 2,
            },
            "trust": {"rule": "default", "mode": "any"},
        });
        assert_eq!(serde_json::to_value(&accepted).expect("it is JSON"), wire);
        check(&wire, &accepted);
    }

    #[test]
    fn a_newer_server_s_refusal_is_still_a_refusal() {
        let wire = json!({
            "verdict": "refused",
            "refusal": {"kind": "cursed", "message": "it is cursed", "since": 1},
            "mood": "bad",
        });
        let expected = Verification::Refused {
            refusal: Refusal {
                kind: ErrorKind::Unknown,
                message: "it is cursed".into(),
                help: None,
            },
            artifact: None,
        };
        check(&wire, &expected);
    }

    #[test]
    fn what_is_no_verdict_is_none() {
        for wire in [
            json!({}),
            json!({"verdict": "maybe"}),
            json!({"verdict": "accepted"}),
            json!({"verdict": "refused"}),
            json!({"refusal": {"kind": "unsigned", "message": ""}}),
            json!(["accepted"]),
        ] {
            assert!(serde_json::from_value::<Verification>(wire).is_err());
        }
    }
}
