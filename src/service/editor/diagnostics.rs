//! Diagnostics: what is refused is an error. What one reference names and could not be looked at is
//! not; that nobody looked at a document is said, or it would look as if nothing in it were refused.

use super::{wire::Diagnostic, words::Form};
use vouch_protocol::{DocumentReference, Judgement, Range, Verification};

/// 1: an error; 3: an information.
const ERROR: u8 = 1;
const INFORMATION: u8 = 3;

/// Says at its beginning that a document, or some of it, is not checked.
pub(super) fn not_checked(what: &str, why: &str) -> Diagnostic {
    Diagnostic {
        range: Range::default(),
        severity: INFORMATION,
        code: "notChecked".into(),
        source: "vouchd".into(),
        message: Form::Plain.sentence(&format!("vouchd does not check {what}: {why}")),
    }
}

/// A document is not well formed there.
pub(super) fn unclear(range: Range) -> Diagnostic {
    let message = "Not well formed: another program may read this in another way, and what it finds \
                   then was not checked.";
    Diagnostic {
        range,
        severity: INFORMATION,
        code: "unclear".into(),
        source: "vouchd".into(),
        message: message.into(),
    }
}

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
