//! What is going to be signed, before people.

use crate::{
    show::{Screen, date},
    spelling::Spelling,
};
use std::io;
use vouch_client::{
    protocol::{ArtifactKind, ReplacedToken, SignPrepareResult},
    signing::{Signer, SigningInput},
};

/// What is going to be signed, as it was decoded here.
pub(super) fn show(
    screen: &mut Screen,
    answer: &SignPrepareResult,
    input: &SigningInput,
    signer: &Signer,
    spelling: &Spelling,
) -> io::Result<()> {
    let claims = input.claims();
    let kind = match answer.artifact.kind {
        ArtifactKind::Module => "module",
        ArtifactKind::Component => "component",
        ArtifactKind::Provider => "provider",
    };
    let name = [claims.name.as_deref(), claims.version.as_deref()];
    let name: Vec<_> = name.into_iter().flatten().collect();
    screen.line(kind, name.join(" "))?;
    if let Some(revision) = claims.revision {
        screen.line("revision", revision)?;
    }
    if let Some(vendor) = &claims.vendor {
        screen.line("vendor", vendor)?;
    }
    let account = &claims.issuer;
    screen.line("signed by", format!("{account}, {}", signer.label()))?;
    screen.line("subject", &claims.subject)?;
    for (what, list) in [
        ("tags", &claims.tags),
        ("capabilities", &claims.capabilities),
        ("targets", &claims.targets),
    ] {
        if !list.is_empty() {
            screen.line(what, list.join(", "))?;
        }
    }
    for (what, moment) in [
        ("valid from", claims.not_before),
        ("valid until", claims.expires),
    ] {
        if let Some(seconds) = moment {
            screen.line(what, date(seconds))?;
        }
    }
    if let Some(replaced) = &answer.replaces {
        screen.line("replaces", replaces(replaced, input, spelling))?;
        if !replaced.dropped.is_empty() {
            screen.line("not kept", replaced.dropped.join(", "))?;
        }
    }
    for warning in &answer.warnings {
        screen.line("warning", spelling.restore(warning))?;
    }
    Ok(())
}

/// Whose signature goes.
fn replaces(replaced: &ReplacedToken, input: &SigningInput, spelling: &Spelling) -> String {
    match (input.replaces(), &replaced.refusal) {
        (Some(_), _) if !input.replaces_another() => "its own signature".to_owned(),
        (Some(old), _) => format!("the signature of {}", old.issuer),
        (None, Some(refusal)) => {
            let why = spelling.restore(&refusal.message);
            format!("a token that does not hold: {why}")
        }
        (None, None) => "a token".to_owned(),
    }
}
