//! A bundle: what of its JSON is looked at, and how much of it there may be.
//!
//! The bounds hold while it is read, before anything is verified: to verify costs a millisecond for
//! each log entry and each timestamp. What is verified is written anew from what was read here, so
//! that nobody reads anything else in it; one member that is there twice is refused.
//!
//! What is published, kept or placed is the file as it is, so that its digest stays what others know
//! it by. So it must have no room for what nobody verifies: a member that is not known is refused, as
//! the versions that are read (v0.1 to v0.3) have no others, and a new one will be a new version.
//! Texts are bounded, each by what it may honestly be. White space and escapes differ between those
//! who write bundles (Go's protobuf puts spaces in at random), so there may be some, and no more.

use super::few::{Few, Text};
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
/// A certificate's most bytes in base64, and of one above the signer's own in DER: a key, two names
/// and a signature.
const LARGEST_CERTIFICATE: usize = 16 << 10;
const LARGEST_ABOVE: usize = 4 << 10;
/// A timestamp comes with its authority's certificates.
const LARGEST_TIMESTAMP: usize = 32 << 10;
/// It has a signature and a certificate, and of a statement the digest.
const LARGEST_BODY: usize = 64 << 10;
/// A log's head has a line for each witness.
const LARGEST_HEAD: usize = 8 << 10;
/// A signature's most bytes in base64.
const LARGEST_SIGNATURE: usize = 16 << 10;
/// White space that any may have.
const SPARE: usize = 2 << 10;
/// Names, numbers and digests.
const SHORT: usize = 256;

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
        let bundle = Self::of(written, Logged::Proof)?;
        let spare = bytes.len().saturating_sub(bundle.text.len());
        if spare > bundle.text.len() / 4 + SPARE {
            return Err(format!(
                "{spare} bytes of it are white space and the like, more than indentation takes"
            ));
        }
        Ok(bundle)
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
        if certificates
            .iter()
            .skip(1)
            .any(|one| one.len() > LARGEST_ABOVE)
        {
            return Err(format!(
                "a certificate above its signer's is larger than {LARGEST_ABOVE} bytes"
            ));
        }
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
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Written {
    pub(super) media_type: Option<String>,
    pub(super) verification_material: Proof,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_signature: Option<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dsse_envelope: Option<Envelope>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
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
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) raw_bytes: Text<LARGEST_CERTIFICATE>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chain {
    pub(super) certificates: Few<Raw, MOST_CERTIFICATES>,
}

/// It says which key that is, and nobody signs that: what it says is not looked at.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hint {
    #[serde(default, skip_serializing, rename = "hint")]
    pub(super) _hint: Option<Text<SHORT>>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Timestamps {
    #[serde(default)]
    rfc3161_timestamps: Few<Timestamp, MOST_TIMESTAMPS>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Timestamp {
    signed_timestamp: Text<LARGEST_TIMESTAMP>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
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
    pub(super) canonicalized_body: Text<LARGEST_BODY>,
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
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Log {
    pub(super) key_id: Text<SHORT>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kind {
    pub(super) kind: Text<SHORT>,
    pub(super) version: Text<SHORT>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Promise {
    pub(super) signed_entry_timestamp: Text<LARGEST_SIGNATURE>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Inclusion {
    #[serde(default)]
    log_index: Number,
    #[serde(default)]
    root_hash: Text<SHORT>,
    #[serde(default)]
    tree_size: Number,
    #[serde(default)]
    hashes: Few<Text<SHORT>, MOST_HASHES>,
    checkpoint: Option<Head>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Head {
    envelope: Text<LARGEST_HEAD>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Message {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message_digest: Option<MessageDigest>,
    pub(super) signature: Text<LARGEST_SIGNATURE>,
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
#[serde(deny_unknown_fields)]
pub(super) struct MessageDigest {
    algorithm: Text<SHORT>,
    digest: Text<SHORT>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Envelope {
    payload: Text<LARGEST>,
    payload_type: Text<SHORT>,
    signatures: Few<EnvelopeSignature, 1>,
}

impl Envelope {
    fn statement(&self) -> Result<Vec<u8>, String> {
        let shown = &self.payload_type;
        if **shown != *"application/vnd.in-toto+json" {
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
#[serde(deny_unknown_fields)]
struct EnvelopeSignature {
    sig: Text<LARGEST_SIGNATURE>,
    /// Nobody signs it, and it is not looked at.
    #[serde(default, skip_serializing, rename = "keyid")]
    _key_id: Option<Text<SHORT>>,
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
