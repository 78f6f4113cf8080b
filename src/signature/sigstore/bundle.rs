//! A bundle: what of its JSON is looked at, and how much of it there may be.
//!
//! The bounds hold while it is read, before anything is verified: to verify costs a millisecond for
//! each log entry and each timestamp. What is verified is written anew from what was read here, so
//! that nobody reads anything else in it: members that are not known are left out, and one that is
//! there twice is refused.

use super::few::Few;
use crate::name::Digest;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most bytes of a bundle.
pub const LARGEST: usize = 1 << 20;
/// The most bytes of the statement in one. A release's provenance has some ten thousand.
const LARGEST_STATEMENT: usize = 256 << 10;
const MOST_ENTRIES: usize = 8;
const MOST_TIMESTAMPS: usize = 8;
const MOST_CERTIFICATES: usize = 8;
const MOST_LINES: usize = 16;
/// One for each level of the log's tree.
const MOST_HASHES: usize = 64;

/// A bundle within bounds, of which nothing is verified.
#[derive(Debug)]
pub(super) struct Bundle {
    text: String,
    /// What registries call it.
    pub(super) media_type: &'static str,
    pub(super) material: Material,
    pub(super) content: Content,
    /// The indexes of its log entries.
    pub(super) logged: Vec<String>,
}

/// What the signature is verified with.
#[derive(Debug)]
pub(super) enum Material {
    /// In DER: the signer's own, then those above it.
    Certificates(Vec<Vec<u8>>),
    /// A key that only its owner can name.
    Key,
}

/// What is signed.
#[derive(Debug)]
pub(super) enum Content {
    /// The bytes themselves, and what the bundle says their digest is.
    Message(Option<Digest>),
    /// A statement about them.
    Statement(Vec<u8>),
}

/// What proves that an entry stands in its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logged {
    /// A proof, which the log's signed head completes.
    Proof,
    /// The log's promise alone: all that cosign 2 stored.
    Promise,
}

impl Bundle {
    /// Reads a bundle.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > LARGEST {
            return Err(format!("it is larger than {LARGEST} bytes"));
        }
        let written: Written = serde_json::from_slice(bytes)
            .map_err(|error| format!("it is not a bundle: {error}"))?;
        Self::of(written, Logged::Proof)
    }

    /// Makes one of what was read.
    pub(super) fn of(mut written: Written, logged: Logged) -> Result<Self, String> {
        let of_old = "application/vnd.dev.sigstore.bundle+json;version=0.1";
        let kind = written.media_type.get_or_insert_default();
        // The first bundles did not say.
        if kind.is_empty() {
            of_old.clone_into(kind);
        }
        let media_type = match &**kind {
            "application/vnd.dev.sigstore.bundle+json;version=0.1" => {
                "application/vnd.dev.sigstore.bundle.v0.1+json"
            }
            "application/vnd.dev.sigstore.bundle+json;version=0.2" => {
                "application/vnd.dev.sigstore.bundle.v0.2+json"
            }
            "application/vnd.dev.sigstore.bundle+json;version=0.3"
            | "application/vnd.dev.sigstore.bundle.v0.3+json" => {
                "application/vnd.dev.sigstore.bundle.v0.3+json"
            }
            other => return Err(format!("it is a bundle of an unknown version, {other:?}")),
        };
        let content = match (&written.message_signature, &written.dsse_envelope) {
            (Some(message), None) => Content::Message(message.digest()?),
            (None, Some(envelope)) => Content::Statement(envelope.statement()?),
            _ => return Err("it does not have one signature".into()),
        };
        let from = &written.verification_material;
        let certificates = match (
            &from.certificate,
            &from.x509_certificate_chain,
            &from.public_key,
        ) {
            (Some(one), None, None) => std::slice::from_ref(one),
            (None, Some(chain), None) => &chain.certificates.0,
            (None, None, Some(_)) => &[],
            _ => return Err("it does not have one certificate or key".into()),
        };
        let certificates = certificates.iter().map(|one| decoded(&one.raw_bytes));
        let certificates = certificates.collect::<Result<Vec<_>, _>>()?;
        let material = match (from.public_key.is_some(), certificates.is_empty()) {
            (false, false) => Material::Certificates(certificates),
            (true, _) => Material::Key,
            (false, true) => return Err("it has a chain without certificates".into()),
        };
        for entry in &from.tlog_entries.0 {
            entry.check(logged)?;
        }
        let indexes = from.tlog_entries.0.iter();
        Ok(Self {
            logged: indexes.map(|entry| entry.log_index.0.clone()).collect(),
            text: serde_json::to_string(&written).map_err(|error| error.to_string())?,
            media_type,
            material,
            content,
        })
    }

    /// In JSON, with nothing but what is known.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

fn decoded(base64: &str) -> Result<Vec<u8>, String> {
    let decoded = BASE64.decode(base64.as_bytes());
    decoded.map_err(|_| "a part of it is not in base64".into())
}

/// A bundle as it is written.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written {
    pub(super) media_type: Option<String>,
    pub(super) verification_material: Proof,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_signature: Option<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dsse_envelope: Option<Envelope>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Proof {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) certificate: Option<Raw>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) x509_certificate_chain: Option<Chain>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) public_key: Option<Hint>,
    #[serde(default)]
    pub(super) tlog_entries: Few<Entry, MOST_ENTRIES>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timestamp_verification_data: Option<Timestamps>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Raw {
    pub(super) raw_bytes: String,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Chain {
    pub(super) certificates: Few<Raw, MOST_CERTIFICATES>,
}

/// It says which key that is, and nobody signs that: it is not looked at.
#[derive(Deserialize, Serialize)]
pub(super) struct Hint {}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Timestamps {
    #[serde(default)]
    rfc3161_timestamps: Few<Timestamp, MOST_TIMESTAMPS>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Timestamp {
    signed_timestamp: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    #[serde(default)]
    pub(super) log_index: Number,
    pub(super) log_id: Log,
    pub(super) kind_version: Kind,
    #[serde(default)]
    pub(super) integrated_time: Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inclusion_promise: Option<Promise>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inclusion_proof: Option<Inclusion>,
    pub(super) canonicalized_body: String,
}

impl Entry {
    fn check(&self, logged: Logged) -> Result<(), String> {
        let Some(proof) = &self.inclusion_proof else {
            return match (logged, &self.inclusion_promise) {
                (Logged::Promise, Some(_)) => Ok(()),
                _ => Err("a log entry of it comes without a proof".into()),
            };
        };
        let head = proof.checkpoint.as_ref();
        let head = head.ok_or("a proof in it comes without the log's signed head")?;
        if head.envelope.lines().count() > MOST_LINES {
            return Err(format!(
                "a log's signed head in it has more than {MOST_LINES} lines"
            ));
        }
        Ok(())
    }
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Log {
    pub(super) key_id: String,
}

#[derive(Deserialize, Serialize)]
pub(super) struct Kind {
    pub(super) kind: String,
    pub(super) version: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Promise {
    pub(super) signed_entry_timestamp: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Inclusion {
    #[serde(default)]
    log_index: Number,
    #[serde(default)]
    root_hash: String,
    #[serde(default)]
    tree_size: Number,
    #[serde(default)]
    hashes: Few<String, MOST_HASHES>,
    checkpoint: Option<Head>,
}

#[derive(Deserialize, Serialize)]
struct Head {
    envelope: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_digest: Option<MessageDigest>,
    pub(super) signature: String,
}

impl Message {
    fn digest(&self) -> Result<Option<Digest>, String> {
        let Some(MessageDigest { algorithm, digest }) = &self.message_digest else {
            return Ok(None);
        };
        let bytes = decoded(digest)?;
        match (&**algorithm, <[u8; 32]>::try_from(bytes)) {
            ("SHA2_256", Ok(bytes)) => Ok(Some(Digest::new(bytes))),
            _ => Err(format!(
                "it signs a digest of {algorithm:?}, and only SHA-256 is taken"
            )),
        }
    }
}

#[derive(Deserialize, Serialize)]
pub(super) struct MessageDigest {
    algorithm: String,
    digest: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Few<EnvelopeSignature, 1>,
}

impl Envelope {
    fn statement(&self) -> Result<Vec<u8>, String> {
        let shown = &self.payload_type;
        if shown != "application/vnd.in-toto+json" {
            return Err(format!("its envelope holds {shown:?}, not a statement"));
        }
        let statement = decoded(&self.payload)?;
        if statement.len() > LARGEST_STATEMENT {
            return Err(format!(
                "its statement is larger than {LARGEST_STATEMENT} bytes"
            ));
        }
        Ok(statement)
    }
}

#[derive(Deserialize, Serialize)]
struct EnvelopeSignature {
    sig: String,
}

/// A number as protobuf's JSON has it: in digits, quoted or not.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Number(pub(super) String);

impl Default for Number {
    fn default() -> Self {
        Self("0".into())
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Digits;
        impl serde::de::Visitor<'_> for Digits {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number.to_string()))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                match text.parse::<u64>() {
                    Ok(number) => self.visit_u64(number),
                    Err(_) => Err(E::custom(format!("{text:?} is not a number"))),
                }
            }
            fn visit_unit<E: serde::de::Error>(self) -> Result<Number, E> {
                Ok(Number::default())
            }
        }
        from.deserialize_any(Digits)
    }
}
