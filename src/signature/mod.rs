//! Who signed an artifact, and whether that signature holds: rows 4 to 6 of the signature rule,
//! and 8 to 10.
//!
//! | file | what it has |
//! |---|---|
//! | [`token`] | a method: a wasmCloud token (JWT) inside the artifact, and how one is made |
//! | [`nkey`] | public keys as tokens write them |
//!
//! A method of signing is a file here and a row in [`METHODS`]. It gets what was found in an
//! artifact and what was fetched beside it, bytes both; there is no async here, and no network.
//! What it answers is a fact that follows from them: dates and trust are for
//! [`trust`](crate::trust) to judge.

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub(crate) mod nkey;
mod token;

#[cfg(test)]
mod tests;

pub use token::{Asked, Draft, Sealed};

use crate::artifact::{ArtifactKind, Covered, Facts, Finding, Refusal, Row};
use std::sync::Arc;
use vouch_protocol::{Claims, ErrorKind, Signer};

/// What may sign an artifact from beside it: bytes, as they were fetched. Each method looks for
/// its own among them.
#[derive(Debug)]
pub struct Evidence(pub Vec<u8>);

/// A signature that holds. Only the methods make one.
#[derive(Debug, PartialEq, Eq)]
pub struct Signed {
    method: &'static str,
    signer: Signer,
    subject: String,
    dates: Dates,
    claims: Option<Claims>,
    covers: Result<(), Refusal>,
}

/// When it was signed, and when that is valid; in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dates {
    /// When it was signed, where that is known.
    pub signed_at: Option<u64>,
    /// Not valid before.
    pub not_before: Option<u64>,
    /// Not valid from then on.
    pub expires: Option<u64>,
}

impl Signed {
    /// Whose signature it is.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The signer's key, as people write it: what its id says beside the method.
    pub fn key(&self) -> &str {
        let id = self.signer.id.split_once(':');
        id.map_or(&self.signer.id, |(_, key)| key)
    }

    /// How it was signed: the method's name on the wire.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// What was signed, as its signer names it.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// When it was made, and when it is valid.
    pub fn dates(&self) -> Dates {
        self.dates
    }

    /// A token's own words.
    pub fn claims(&self) -> Option<&Claims> {
        self.claims.as_ref()
    }

    /// Whether the contents are the ones that were signed: rows 8 to 10, which come after the
    /// dates.
    pub fn covers(&self) -> Result<(), Refusal> {
        self.covers.clone()
    }

    /// What rows 4 to 6 and 8 to 10 found.
    pub(crate) fn findings(&self, facts: &Facts) -> Vec<Finding> {
        let key = self.key();
        let mut findings = vec![
            Finding::held(Row::Claims, format!("the claims of {}", facts.described())),
            Finding::held(Row::Signature, format!("it verifies with {key}")),
            Finding::held(Row::Keys, format!("{key} signed {}", self.subject)),
        ];
        let failed = self.covers.as_ref().err();
        let held = |row| failed.is_none_or(|refusal| refusal.row != row);
        match &facts.covered {
            Covered::Rest(_) => {
                if held(Row::Hash) {
                    let found = "SHA-256 of all but the token is in the token";
                    findings.push(Finding::held(Row::Hash, found));
                }
            }
            Covered::Entries(entries) => {
                // What is wrong with an archive's form leaves nothing to compare.
                if entries.fault().is_none() {
                    if held(Row::Entries) {
                        let names: Vec<_> = entries.hashes().keys().map(String::as_str).collect();
                        findings.push(Finding::held(Row::Entries, names.join(", ")));
                    }
                    findings.push(Finding::held(Row::Packing, "nothing else"));
                }
            }
        }
        findings.extend(failed.map(Refusal::finding));
        findings
    }

    /// What clients see of it.
    pub fn on_the_wire(&self) -> vouch_protocol::Signature {
        vouch_protocol::Signature {
            method: self.method.into(),
            signer: self.signer.clone(),
            subject: self.subject.clone(),
            signed_at: self.dates.signed_at,
            not_before: self.dates.not_before,
            expires: self.dates.expires,
        }
    }
}

/// Those that hold, or why the artifact is refused.
pub type Signatures = Result<Vec<Arc<Signed>>, Refusal>;

struct Method {
    /// What an unsigned artifact of that kind lacks, and how to get it.
    absent: fn(ArtifactKind) -> (&'static str, &'static str),
    /// Its signatures that hold; or a refusal, where there is one that would have to hold,
    /// whatever others do.
    signatures: fn(&Facts, &[Evidence]) -> Signatures,
}

const METHODS: &[Method] = &[token::METHOD];

/// The signatures of an artifact that hold: at least one.
pub fn signatures(facts: &Facts, evidence: &[Evidence]) -> Signatures {
    let mut found = Vec::new();
    for method in METHODS {
        found.extend((method.signatures)(facts, evidence)?);
    }
    if !found.is_empty() {
        return Ok(found);
    }
    let (why, help): (Vec<_>, Vec<_>) = METHODS
        .iter()
        .map(|method| (method.absent)(facts.kind))
        .unzip();
    let what = format!("is not signed: {}", why.join("; "));
    Err(Refusal::new(
        Row::Token,
        ErrorKind::Unsigned,
        what,
        help.first().copied(),
    ))
}
