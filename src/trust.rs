//! Whose signatures the owner accepts, where and when. STUB: signatures only.

use crate::{
    artifact::{Examination, Refusal, Verified},
    error::Result,
    file::Unnamed,
    reference::Reference,
};
use std::{ffi::OsStr, path::PathBuf, sync::Arc, time::SystemTime};
use vouch_protocol::{Artifact, Trust, Verification};

/// The owner's trust policy. Until there is one, any issuer is accepted.
#[derive(Debug, Default)]
pub struct Policy {}

/// An artifact that may be published or placed: every row of the rule held, now and for this
/// reference. Only [`Policy::judge`] makes one.
#[derive(Debug, Clone)]
pub struct Vouched {
    verified: Arc<Verified>,
    trust: Trust,
}

impl Policy {
    /// Judges dates and trust of an artifact that was examined.
    pub fn judge(
        &self,
        examination: &Examination,
        _reference: Option<&Reference>,
        _now: SystemTime,
    ) -> Result<Vouched, Refusal> {
        Ok(Vouched {
            verified: examination.verdict.clone()?,
            trust: Trust {
                rule: "default".into(),
                issuer: "any".into(),
            },
        })
    }
}

impl Vouched {
    /// What was verified.
    pub fn verified(&self) -> &Verified {
        &self.verified
    }

    /// The verdict, as clients see it.
    pub fn verification(&self) -> Verification {
        Verification::Accepted {
            artifact: Artifact {
                kind: self.verified.kind(),
                digest: self.verified.digest().to_string(),
                size: self.verified.size(),
            },
            claims: self.verified.claims().clone(),
            trust: self.trust.clone(),
        }
    }

    /// Gives the file that was verified its name; the one caller of [`Unnamed::name`]. Blocks.
    pub fn place(&self, file: Unnamed, or_name: &OsStr, overwrite: bool) -> Result<PathBuf> {
        file.name(or_name, overwrite)
    }

    /// Places one target of a provider archive instead. Blocks.
    pub fn place_target(
        &self,
        _archive: Unnamed,
        _target: &str,
        _or_name: &OsStr,
        _overwrite: bool,
    ) -> Result<PathBuf> {
        Err(crate::error::Error::new(
            vouch_protocol::ErrorKind::Internal,
            "stub",
        ))
    }
}

/// The verdict on an artifact that is refused, as clients see it.
pub fn refused(_examination: &Examination, _refusal: &Refusal) -> Verification {
    todo!()
}
