//! An artifact that is refused, and why.

use super::{
    explanation,
    judged::{Basis, Judged},
};
use crate::{
    artifact::{Found, Refusal},
    error::Error,
    signature::{Signed, step::Report},
};
use std::{fmt, sync::Arc};
use vouch_protocol::{Check, Verification};

/// An artifact that is refused.
#[derive(Debug)]
pub struct Refused {
    /// The first condition of the rule that fails.
    pub refusal: Refusal,
    pub(super) found: Found,
    /// Where a signature holds: what was judged, and by what.
    pub(super) judged: Option<(Judged, Basis)>,
    /// Where none does: what was found beside it.
    pub(super) reports: Vec<Report>,
}

impl Refused {
    /// The signature that holds and is refused; of several, the nearest.
    pub fn signed(&self) -> Option<Arc<Signed>> {
        let (judged, basis) = self.judged.as_ref()?;
        judged.nearest(basis)
    }

    /// The refusal as an error of a request that would have moved the artifact of that name.
    pub fn error(self, name: impl fmt::Display) -> Error {
        self.refusal.error(name)
    }

    /// Every row of the rule, and what the policy asks, as it was judged.
    pub fn checks(&self) -> Vec<Check> {
        match &self.judged {
            Some((judged, basis)) => explanation::of_refused(judged, basis),
            None => explanation::of_unsigned(&self.found, &self.refusal, &self.reports),
        }
    }

    /// The verdict, as clients see it; `name` is the artifact's path or reference.
    pub fn verification(self, name: &str) -> Verification {
        Verification::Refused {
            refusal: self.refusal.on_the_wire(name),
            artifact: match self.found {
                Ok(facts) => Some(facts.artifact()),
                Err(unfit) => unfit.artifact.clone(),
            },
        }
    }
}
