//! Inlay hints: what a tag names now, and whose signature was accepted.

use super::{wire::Hint, words::Form};
use vouch_protocol::{
    DocumentReference, Judgement, Range, Signature, Trust, TrustMode, Verification,
};

/// How much of a digest tells it from others, for people.
const DIGITS: usize = 12;
/// The longest name of a signer, in characters.
const NAME: usize = 40;

pub(super) fn hints(references: &[DocumentReference], within: Option<Range>) -> Vec<Hint> {
    let within = references
        .iter()
        .filter(|reference| within.is_none_or(|part| overlap(reference.range, part)));
    within.filter_map(hint).collect()
}

/// Whether two ranges touch.
pub(super) fn overlap(one: Range, other: Range) -> bool {
    one.start <= other.end && other.start <= one.end
}

fn hint(reference: &DocumentReference) -> Option<Hint> {
    let digest = reference.digest.as_deref();
    let unpinned = digest.filter(|digest| !reference.written.contains(*digest));
    let signer = match &reference.judgement {
        Judgement::Judged {
            verification:
                Verification::Accepted {
                    signature, trust, ..
                },
        } => Some((signer(signature, trust), trust.mode)),
        _ => None,
    };
    let short = unpinned.map(|digest| {
        let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
        Form::Plain.word(&hex.chars().take(DIGITS).collect::<String>())
    });
    let name = signer.as_ref().map(|(name, mode)| {
        let short: String = name.chars().take(NAME).collect();
        match mode {
            TrustMode::Named | TrustMode::Pinned => format!("✓ {short}"),
            TrustMode::FirstUse => format!("signed by {short}, first use"),
            TrustMode::Any | TrustMode::Unknown => format!("signed by {short}, unchecked"),
        }
    });
    let label: Vec<String> = short.into_iter().chain(name).collect();
    if label.is_empty() {
        return None;
    }
    let told = unpinned.map(|digest| format!("names {} now", Form::Plain.word(digest)));
    let signed = signer.map(|(name, mode)| format!("signed by {name}: {}", how(mode)));
    let tooltip: Vec<String> = told.into_iter().chain(signed).collect();
    Some(Hint {
        position: reference.range.end,
        label: label.join(" "),
        tooltip: tooltip.join(", "),
        padding_left: true,
    })
}

/// How a signer came to be accepted.
pub(super) fn how(mode: TrustMode) -> &'static str {
    match mode {
        TrustMode::Named => "a rule names them",
        TrustMode::Pinned => "the repository has had them before",
        TrustMode::FirstUse => "first use, nothing to compare them with",
        TrustMode::Any => "nobody checked whose signature it is",
        TrustMode::Unknown => "accepted",
    }
}

/// What people call a signer: as the owner's config does, or as the method does.
pub(super) fn signer(signature: &Signature, trust: &Trust) -> String {
    let names = &signature.signer.names;
    let own = ["email", "uri", "account", "key"]
        .iter()
        .find_map(|name| names.get(*name));
    let name = trust.signer.as_ref().or(own);
    Form::Plain.word(name.unwrap_or(&signature.signer.id))
}
