//! What a statement says: of which artifacts, and what. Its signer wrote it, and nothing of it is
//! told before the signature held.

use super::{few::Few, provenance};
use crate::name::Digest;
use serde::Deserialize;
use vouch_protocol::PlainJson;

/// The most subjects of one.
const MOST_SUBJECTS: usize = 1024;

/// An in-toto statement.
#[derive(Debug)]
pub(super) struct Statement {
    /// What it says of its subjects.
    pub(super) predicate: String,
    /// SHA-256 of each, where it is given.
    pub(super) subjects: Vec<Digest>,
}

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(rename = "predicateType")]
    predicate: String,
    subject: Few<Subject, MOST_SUBJECTS>,
}

#[derive(Deserialize)]
struct Subject {
    digest: Digests,
}

#[derive(Deserialize)]
struct Digests {
    sha256: Option<String>,
}

impl Statement {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, String> {
        // The crate that verifies it reads the predicate, whatever that is, as a value.
        let written: Written = serde_json::from_slice::<PlainJson>(payload)
            .and_then(|_| serde_json::from_slice(payload))
            .map_err(|error| format!("its statement cannot be read: {error}"))?;
        match &*written.kind {
            "https://in-toto.io/Statement/v1" | "https://in-toto.io/Statement/v0.1" => {}
            other => return Err(format!("it states something of an unknown form, {other:?}")),
        }
        let subjects = written.subject.0.into_iter();
        let digests = subjects.filter_map(|subject| subject.digest.sha256);
        let digests = digests.map(|hex| {
            let digest = format!("sha256:{hex}").parse();
            digest.map_err(|_| format!("a subject of it has {hex:?} for SHA-256"))
        });
        Ok(Self {
            predicate: written.predicate,
            subjects: digests.collect::<Result<_, _>>()?,
        })
    }

    /// What it says, for people; an error where that is not that its subjects are a release.
    pub(super) fn check(&self) -> Result<&'static str, String> {
        match &*self.predicate {
            "https://sigstore.dev/cosign/sign/v1" => Ok("a signature, by cosign"),
            provenance::PREDICATE => Ok("its provenance, by SLSA"),
            other => Err(format!(
                "it attests something else: its predicate is {other:?}"
            )),
        }
    }
}
