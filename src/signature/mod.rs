//! Who signed an artifact, and whether that signature holds: rows 4 to 6 of the signature rule,
//! and 8 to 10.
//!
//! | file | what it has |
//! |---|---|
//! | `evidence` | what was fetched beside an artifact |
//! | `nkey` | public keys as tokens write them |
//! | `step`, `identity` | what is asked of a bundle and was found; whom a certificate is for |
//! | [`token`] | a method: a wasmCloud token (JWT) inside the artifact, and how one is made |
//! | [`sigstore`] | a method: Sigstore bundles beside the artifact |
//!
//! A method of signing gets what was found in an artifact and what was fetched beside it, bytes
//! both; there is no async here, and no network. What it answers is a fact that follows from them
//! and from the roots on the disk: dates and trust are for [`trust`](crate::trust) to judge. A token
//! that is there has to hold, whatever lies beside it. Of bundles, anybody may attach one: those
//! that do not hold are told, and count for nothing.

mod evidence;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub(crate) mod identity;
pub(crate) mod nkey;
mod sigstore;
pub(crate) mod step;
mod token;

#[cfg(test)]
mod tests;

pub use evidence::{Bundle, Evidence, Held, Layer};
pub use sigstore::{Anchors, LARGEST_BUNDLE, MOST_EVIDENCE, Member, Root};
pub use token::{Asked, Draft, Sealed};

use crate::artifact::{ArtifactKind, Covered, Facts, Finding, Refusal, Row};
use crate::name::Digest;
use identity::{Identity, Name};
use std::{collections::BTreeMap, sync::Arc};
use step::Report;
use vouch_protocol::{Claims, ErrorKind, Provenance, Signer};

/// What an artifact is judged with.
#[derive(Debug, Clone, Copy)]
pub struct Beside<'a> {
    /// The manifest that names the artifact as its one layer.
    pub manifest: Option<Digest>,
    /// What was fetched.
    pub evidence: &'a [Evidence],
    /// What that is verified by.
    pub anchors: &'a Anchors,
}

impl Beside<'_> {
    /// Nothing lies beside it.
    pub fn nothing() -> Self {
        static NONE: Anchors = Anchors::new();
        Self {
            manifest: None,
            evidence: &[],
            anchors: &NONE,
        }
    }
}

/// A signature that holds. Only the methods make one.
#[derive(Debug, PartialEq, Eq)]
pub struct Signed {
    method: &'static str,
    signer: Signer,
    subject: String,
    dates: Dates,
    claims: Option<Claims>,
    covers: Result<(), Refusal>,
    bundle: Option<Bundled>,
}

/// What a bundle proved.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bundled {
    pub(crate) of: Of,
    /// The root that says so.
    pub(crate) root: String,
    /// What that was read from.
    pub(crate) held: Held,
    /// How that was found.
    pub(crate) report: Report,
    /// What its signer says of how it was built.
    pub(crate) provenance: Option<Provenance>,
}

/// Whom a bundle is signed by.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// Whom a certificate is for.
    Identity(Identity),
    /// Whoever has the key with that fingerprint.
    Key(Digest),
}

impl Bundled {
    fn id(&self) -> String {
        let mut id = match &self.of {
            Of::Identity(identity) => identity.id(),
            Of::Key(fingerprint) => format!("key={fingerprint}"),
        };
        if self.is_under_own_root() {
            id.extend([",root=", &*identity::escaped(&self.root)]);
        }
        id
    }

    fn names(&self) -> BTreeMap<String, String> {
        let mut names = match &self.of {
            Of::Identity(identity) => identity.names(),
            Of::Key(fingerprint) => BTreeMap::from([("key".into(), fingerprint.to_string())]),
        };
        names.insert("root".into(), self.root.clone());
        names
    }

    /// Whether the root is one of the owner's own, which counts only for signers that name it.
    pub(crate) fn is_under_own_root(&self) -> bool {
        !identity::is_built_in(&self.root)
    }

    /// Who that is, for people.
    pub(crate) fn described(&self) -> String {
        match &self.of {
            Of::Key(fingerprint) => format!("the key {fingerprint}"),
            Of::Identity(identity) => {
                let (Name::Email(name) | Name::Uri(name)) = &identity.name;
                format!("{name}, says {}", identity.issuer)
            }
        }
    }
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

    /// What a bundle proved, where it is signed by one.
    pub(crate) fn bundled(&self) -> Option<&Bundled> {
        self.bundle.as_ref()
    }

    /// What its signer says of how it was built, where they do.
    pub fn provenance(&self) -> Option<&Provenance> {
        self.bundle.as_ref()?.provenance.as_ref()
    }

    /// What was signed, where that is the same from one version to the next.
    pub(crate) fn lasting_subject(&self) -> Option<&str> {
        self.bundle.is_none().then_some(&self.subject)
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

/// What was found of an artifact's signatures.
#[derive(Debug, Clone)]
pub struct Looked {
    /// Those that hold: at least one.
    pub signatures: Signatures,
    /// What was found about each thing that was fetched.
    pub(crate) reports: Vec<Report>,
    /// Why nothing that was fetched holds, where that is so.
    pub(crate) unheld: Option<Refusal>,
    /// Whether there is more than was looked at.
    pub(crate) left: bool,
}

/// Of how many things that were fetched a message tells.
const TOLD: usize = 3;

struct Method {
    /// What an unsigned artifact of that kind lacks, and how to get it.
    absent: fn(ArtifactKind) -> (&'static str, &'static str),
    /// Whether what is there has to hold, whatever others do.
    binds: bool,
    /// Its signatures that hold; or why the artifact is refused, if no other method has one.
    signatures: fn(&Facts, Beside<'_>, &mut Vec<Report>) -> Signatures,
}

const METHODS: &[Method] = &[
    Method {
        absent: token::absent,
        binds: true,
        signatures: |facts, _, _| token::signatures(facts),
    },
    Method {
        absent: sigstore::absent,
        binds: false,
        signatures: |facts, beside, reports| {
            let subjects = sigstore::Subjects {
                file: facts.digest,
                manifest: beside.manifest,
            };
            let (covered, evidence) = (&facts.covered, beside.evidence);
            sigstore::signatures(covered, subjects, evidence, beside.anchors, reports)
        },
    },
];

/// The bundle's signatures of bytes that have that digest, whatever they are: what is asked of an
/// artifact's bundle, apart from the artifact.
pub(crate) fn bundled(digest: Digest, bundle: Evidence, anchors: &Anchors) -> Signatures {
    let subjects = sigstore::Subjects {
        file: digest,
        manifest: None,
    };
    let covered = Covered::Rest(None);
    sigstore::signatures(&covered, subjects, &[bundle], anchors, &mut Vec::new())
}

/// The signatures of an artifact that hold: at least one.
pub fn signatures(facts: &Facts, beside: Beside<'_>) -> Looked {
    let (mut reports, mut unheld) = (Vec::new(), None);
    let signatures = look(facts, beside, &mut reports, &mut unheld);
    Looked {
        signatures,
        reports,
        unheld,
        left: sigstore::left(beside.evidence) > 0,
    }
}

fn look(
    facts: &Facts,
    beside: Beside<'_>,
    reports: &mut Vec<Report>,
    refusal: &mut Option<Refusal>,
) -> Signatures {
    let mut held = Vec::new();
    for method in METHODS {
        match (method.signatures)(facts, beside, reports) {
            Ok(found) => held.extend(found),
            Err(wrong) if method.binds => return Err(wrong),
            Err(wrong) => *refusal = refusal.take().or(Some(wrong)),
        }
    }
    if !held.is_empty() {
        return Ok(held);
    }
    Err(refusal.clone().unwrap_or_else(|| {
        let absent = METHODS.iter().map(|method| (method.absent)(facts.kind));
        let (why, help): (Vec<_>, Vec<_>) = absent.unzip();
        // What was looked for is told; what was not is not said to be missing.
        let looked = reports.iter().filter_map(|report| {
            let (_, why) = report.fault()?;
            Some(format!("{}: {why}", report.from))
        });
        let looked: Vec<_> = looked.take(TOLD).collect();
        let why: Vec<_> = if looked.is_empty() {
            why.into_iter().take(1).map(str::to_owned).collect()
        } else {
            let why = why.into_iter().map(str::to_owned);
            why.chain(looked).collect()
        };
        let what = format!("is not signed: {}", why.join("; "));
        Refusal::new(Row::Token, ErrorKind::Unsigned, what, help.first().copied())
    }))
}

/// A second since 1970, as people write dates.
pub(crate) fn date(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0))
        .map_or_else(
            || format!("second {seconds} since 1970"),
            |date| date.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        )
}
