//! Sigstore: bundles beside an artifact, as cosign 3 and GitHub's attestations make them.
//!
//! A bundle holds if it proves to a root, which is on the disk, who signed it and when, and if it
//! signs this very artifact, as a release. It is judged by its content alone: nobody signs the media
//! types and annotations around it.
//!
//! Files depend on those above them:
//!
//! | file | what it has |
//! |---|---|
//! | `few` | lists and texts of bounded length |
//! | `bundle` | a bundle, and the bounds that hold before anything is verified |
//! | `provenance` | what a statement says of how something was built |
//! | `statement` | what one says, and of what |
//! | `legacy` | what cosign 2 stored, as a bundle |
//! | `verifier` | the one way to `sigstore-verify`, and its cryptography |
//! | `root` | whose certificates and logs count |
//! | `anchors` | all roots and keys that bundles are verified by |
//! | `candidate` | whether one holds, whose it is, and what was found on the way |
//! | `mod` | of several, those that hold; or what is wrong with the nearest |
//!
//! What `sigstore-verify` leaves to its callers is done here: the bounds, predicates and subjects,
//! that there is one identity and what else a certificate says, that a log's promise is no proof,
//! and which root goes with which terms.

mod anchors;
mod bundle;
mod candidate;
mod few;
mod legacy;
mod provenance;
mod root;
mod statement;
mod verifier;

pub use anchors::Anchors;
pub use bundle::LARGEST as LARGEST_BUNDLE;
pub(super) use candidate::Subjects;
pub use root::{Member, Root};

use super::{Evidence, Signatures, Signed, evidence::What, step::Report};
use crate::artifact::{ArtifactKind, Covered, Refusal, Row};
use candidate::{Looked, Mend, Outcome, look};
use std::{collections::BTreeMap, sync::Arc};
use vouch_protocol::ErrorKind;

/// How many candidates of one place are looked at: anybody may attach one, and each costs some
/// milliseconds. One place's do not keep those of another from being looked at.
pub const MOST_EVIDENCE: usize = 64;

/// What an artifact without a bundle lacks.
pub(super) fn absent(_: ArtifactKind) -> (&'static str, &'static str) {
    (
        "no Sigstore bundle is known of it",
        "Sign it with cosign, or have GitHub attest it.",
    )
}

/// The bundles that hold and sign it as a release; or, of those that do not, what is wrong with the
/// nearest.
pub(super) fn signatures(
    covered: &Covered,
    subjects: Subjects,
    evidence: &[Evidence],
    anchors: &Anchors,
    reports: &mut Vec<Report>,
) -> Signatures {
    let mut held: Vec<Arc<Signed>> = Vec::new();
    let mut nearest: Option<Looked> = None;
    let bounded: Vec<_> = bounded(evidence).collect();
    let behind = evidence.len() - bounded.len();
    let candidates = bounded
        .iter()
        .filter(|one| !matches!(one.what, What::Left(..)));
    let looked_at = candidates.count();
    for one in bounded {
        let looked = look(covered, subjects, one, anchors);
        reports.push(looked.report.clone());
        match &looked.outcome {
            Outcome::Holds(signed) => {
                let news = signed.iter().filter(|one| !held.contains(one));
                let news: Vec<_> = news.cloned().collect();
                held.extend(news);
            }
            _ if nearest.as_ref().is_none_or(|it| it.rank() < looked.rank()) => {
                nearest = Some(looked);
            }
            _ => {}
        }
    }
    if behind > 0 {
        reports.push(Report::unread(
            &format!("{behind} more"),
            &format!("{MOST_EVIDENCE} are looked at in each place"),
        ));
    }
    match nearest {
        Some(nearest) if held.is_empty() => {
            refusal(&nearest, looked_at, left(evidence)).map_or(Ok(held), Err)
        }
        _ => Ok(held),
    }
}

/// As much of each place as is looked at. What was not read takes no time, and nobody's turn.
fn bounded(evidence: &[Evidence]) -> impl Iterator<Item = &Evidence> {
    let mut of_place = BTreeMap::<_, usize>::new();
    evidence.iter().filter(move |one| {
        if matches!(one.what, What::Unread(_) | What::Left(..)) {
            return true;
        }
        let count = of_place.entry(one.place.clone()).or_default();
        *count += 1;
        *count <= MOST_EVIDENCE
    })
}

/// How much more there is than is looked at.
pub(super) fn left(evidence: &[Evidence]) -> usize {
    let told = evidence.iter().map(|one| match one.what {
        What::Left(more, _) => more,
        _ => 0,
    });
    told.sum::<usize>() + evidence.len() - bounded(evidence).count()
}

/// Why the artifact is refused, if none is nearer; nothing where this says nothing of a
/// signature. It is one of so many, some of which were not looked at.
fn refusal(nearest: &Looked, looked_at: usize, left: usize) -> Option<Refusal> {
    let (step, why) = nearest.report.fault()?;
    let from = &nearest.report.from;
    let among = match (looked_at, left) {
        (1, 0) => String::new(),
        (_, 0) => format!("; of {looked_at} that were looked at, it is the nearest"),
        _ => {
            let all = looked_at + left;
            format!("; of {looked_at} of {all} that were looked at, it is the nearest")
        }
    };
    let (row, kind, what, help) = match nearest.outcome {
        Outcome::Holds(_) | Outcome::Unread => return None,
        Outcome::Unrelated => (
            Row::Hash,
            ErrorKind::SignatureUnrelated,
            format!("is not what its bundle signs ({from}): {why}{among}"),
            "Ask its publisher for the bundle that signs this very artifact. All that was \
             found: `vouch verify --explain`.",
        ),
        Outcome::Invalid(mend) => (
            Row::Signature,
            ErrorKind::SignatureInvalid,
            match mend {
                Mend::FirstKey => {
                    format!("has no bundle that can be verified: {from}: {why}{among}")
                }
                _ => format!(
                    "has no bundle that holds: the {} of {from} fails: {why}{among}",
                    step.name()
                ),
            },
            match mend {
                Mend::Again => {
                    "Get the bundle again from its publisher. All that was found: `vouch verify \
                     --explain`."
                }
                Mend::Logged => {
                    "Its publisher has to sign it again, so that it is logged: with cosign, \
                     without `--tlog-upload=false`."
                }
                Mend::FirstKey => {
                    "Get the signer's public key, find out whose it is, and name it: \
                     `vouch trust add NAME --key cosign.pub --scope {scope}`"
                }
                Mend::OtherKey => {
                    "If it is by another key than those in the config, get that one's public half, \
                     find out whose it is, and name it: \
                     `vouch trust add NAME --key cosign.pub --scope {scope}`. \
                     All that was found: `vouch verify --explain`."
                }
            },
        ),
    };
    Some(Refusal::new(row, kind, what, Some(help)))
}

#[cfg(test)]
mod tests;
