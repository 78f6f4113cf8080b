//! Diagnostics: what is refused, and nothing else. What could not be looked at is not an error of the
//! document's.

use super::{wire::Diagnostic, words::Form};
use vouch_protocol::{DocumentReference, Judgement, Verification};

/// 1: an error.
const ERROR: u8 = 1;

pub(super) fn diagnostics(references: &[DocumentReference]) -> Vec<Diagnostic> {
    references.iter().filter_map(diagnostic).collect()
}

fn diagnostic(reference: &DocumentReference) -> Option<Diagnostic> {
    let Judgement::Judged {
        verification: Verification::Refused { refusal, .. },
    } = &reference.judgement
    else {
        return None;
    };
    // Editors show it as plain text, whatever they do with hovers.
    let message = Form::Plain.sentence(&refusal.message);
    let help = refusal
        .help
        .as_deref()
        .map(|help| Form::Plain.sentence(help));
    let lines: Vec<String> = std::iter::once(message).chain(help).collect();
    Some(Diagnostic {
        range: reference.range,
        severity: ERROR,
        code: refusal.kind.name().into(),
        source: "vouchd".into(),
        message: lines.join("\n"),
    })
}
