//! The token: a JWT as wascap writes it, checked to the letter (rows 4 to 6 of the rule), and the
//! hashes in it, compared (rows 8 to 10); and how one is made. Where it stands in an artifact is for
//! [`artifact`](crate::artifact) to say.
//!
//! | file | what it has |
//! |---|---|
//! | `jwt` | the form, and the signature |
//! | `check` | what one says, and whether it covers what is there |
//! | `payload` | the claims as they are written here |
//! | `subject` | the subject of what has none yet |
//! | `asked` | what a client wants to be signed |
//! | `old` | the token that is there, and what is carried over from it |
//! | `draft` | what an account signs |
//! | `sealed` | a token that a client signed |
//!
//! wascap's types say what claims are; its checks are not used, since it decodes without looking
//! at the signature. Nothing of a token may be shown to anybody before its signature was verified.

mod asked;
mod check;
mod draft;
mod jwt;
mod old;
mod payload;
mod sealed;
mod subject;

pub use asked::Asked;
pub use draft::Draft;
pub use sealed::Sealed;

use super::{Signatures, Signed};
use crate::artifact::{ArtifactKind, Facts, Refusal};
use std::sync::Arc;

pub(super) fn absent(kind: ArtifactKind) -> (&'static str, &'static str) {
    let why = match kind {
        ArtifactKind::Provider => "it carries no token: no entry named `claims.jwt`",
        _ => "it carries no token: no custom section named `wasmcloud_jwt` or `jwt`",
    };
    (why, "Sign it, then try again: `vouch sign {file}`.")
}

pub(super) fn signatures(facts: &Facts) -> Signatures {
    Ok(signed(facts).transpose()?.into_iter().collect())
}

/// The signature of the artifact's token, if it has one.
fn signed(facts: &Facts) -> Option<Result<Arc<Signed>, Refusal>> {
    let token = facts.token.as_ref()?;
    let signed = token.remembered(|| check::check(facts, token.bytes()).map(Arc::new));
    Some(match &*signed {
        Ok(signed) => Ok(Arc::clone(signed)),
        Err(refusal) => Err(refusal.clone()),
    })
}
