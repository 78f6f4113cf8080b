//! What a reference names, for who looks at it: who signed, when, under which rule, or why nothing can
//! be said.

use super::{
    hints::{how, signer},
    wire::{Hover, Markup},
    words::Form,
};
use std::time::{Duration, UNIX_EPOCH};
use vouch_protocol::{
    Artifact, ArtifactKind, Claims, DocumentReference, Judgement, Refusal, Signature, Trust,
    UnknownReason, Verification,
};

/// How many imports are named.
const IMPORTS: usize = 20;

pub(super) fn hover(
    reference: &DocumentReference,
    imports: Option<&[String]>,
    form: Form,
) -> Hover {
    let mut lines = Vec::new();
    match &reference.judgement {
        Judgement::Judged { verification } => judged(verification, form, &mut lines),
        Judgement::Unknown {
            why, message, help, ..
        } => {
            let what = match why {
                UnknownReason::Failed => "Could not be looked up",
                _ => "Not looked up",
            };
            lines.push(form.strong(what));
            lines.push(form.sentence(message));
            lines.extend(help.as_deref().map(|help| form.sentence(help)));
        }
        Judgement::Later => {}
    }
    if let Some(imports) = imports {
        let few: Vec<String> = imports
            .iter()
            .take(IMPORTS)
            .map(|it| form.word(it))
            .collect();
        let more = imports.len().saturating_sub(IMPORTS);
        let rest = (more > 0).then(|| format!("and {more} more"));
        let all: Vec<String> = few.into_iter().chain(rest).collect();
        let said = if all.is_empty() {
            "nothing".into()
        } else {
            all.join(", ")
        };
        lines.push(format!("imports {said}"));
    }
    if let Some(pinned) = &reference.pinned {
        lines.push(form.word(pinned));
    }
    Hover {
        contents: Markup {
            kind: form.name().into(),
            value: form.lines(&lines),
        },
        range: reference.range,
    }
}

fn judged(verification: &Verification, form: Form, lines: &mut Vec<String>) {
    match verification {
        Verification::Accepted {
            artifact,
            signature,
            claims,
            trust,
        } => {
            let name = form.word(&signer(signature, trust));
            lines.push(format!("{}, signed by {name}", form.strong("Accepted")));
            accepted(signature, trust, form, lines);
            lines.extend(claims.as_ref().and_then(|claims| named(claims, form)));
            lines.push(what(artifact));
            let warnings = trust.warnings.iter();
            lines.extend(warnings.map(|warning| form.sentence(warning)));
        }
        Verification::Refused { refusal, artifact } => {
            let Refusal {
                kind,
                message,
                help,
            } = refusal;
            lines.push(format!("{} ({})", form.strong("Refused"), kind.name()));
            lines.push(form.sentence(message));
            lines.extend(help.as_deref().map(|help| form.sentence(help)));
            lines.extend(artifact.as_ref().map(what));
        }
    }
}

fn accepted(signature: &Signature, trust: &Trust, form: Form, lines: &mut Vec<String>) {
    let id = form.word(&signature.signer.id);
    let signed = signature
        .signed_at
        .map_or(String::new(), |at| format!(", {}", day(at)));
    lines.push(format!("signer {id}{signed}"));
    let how = how(trust.mode);
    let rule = form.word(&trust.rule);
    let since = trust
        .since
        .map_or(String::new(), |since| format!(" since {}", day(since)));
    lines.push(format!("rule {rule}: {how}{since}"));
    lines.extend(
        signature
            .expires
            .map(|then| format!("expires {}", day(then))),
    );
}

/// What the signer calls it.
fn named(claims: &Claims, form: Form) -> Option<String> {
    let words = [&claims.name, &claims.version].into_iter().flatten();
    let words: Vec<String> = words.map(|word| form.word(word)).collect();
    (!words.is_empty()).then(|| format!("called {}", words.join(" ")))
}

fn what(artifact: &Artifact) -> String {
    let kind = match artifact.kind {
        ArtifactKind::Module => "module",
        ArtifactKind::Component => "component",
        ArtifactKind::Provider => "provider archive",
    };
    format!("{kind}, {} bytes", artifact.size)
}

fn day(seconds: u64) -> String {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    // Beyond the year 9999 it cannot be written.
    let shown = time.filter(|_| seconds < 253_402_300_800);
    shown.map_or_else(
        || "at an invalid time".into(),
        |time| humantime::format_rfc3339_seconds(time).to_string(),
    )
}
