//! Whose signatures the owner accepts, where and when: rows 6 and 9 of the signature rule.
//!
//! Here alone a fact about bytes becomes a permission. It is judged anew each time, since dates pass
//! and policies change. A request can never loosen what the owner set.

use crate::{
    artifact::{self, Examination, Refusal, Verified},
    error::Result,
    file,
    name::Reference,
    progress::Progress,
};
use std::{
    ffi::OsStr,
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use vouch_protocol::{Artifact, ErrorKind, Trust, Verification};

/// The owner's trust policy. Until there is one, any issuer is accepted.
#[derive(Debug, Default)]
pub struct Policy {}

/// What naming a file takes. Nothing outside of this module can make one.
#[derive(Debug)]
pub struct Permit(());

/// A file that gets its name only with a [`Vouched`].
pub type Unnamed = file::Unnamed<Permit>;

/// An artifact that may be published or placed: every row of the rule held when it was judged.
/// Only [`Policy::judge`] makes one.
#[derive(Debug, Clone)]
pub struct Vouched {
    verified: Arc<Verified>,
    trust: Trust,
}

impl Policy {
    /// Judges an artifact that was examined: its dates, what was found out, and its issuer, for
    /// the place that it comes from or goes to.
    pub fn judge(
        &self,
        examination: &Examination,
        _reference: Option<&Reference>,
        now: SystemTime,
    ) -> Result<Vouched, Refusal> {
        check_dates(examination, now)?;
        Ok(Vouched {
            verified: examination.verdict.clone()?,
            trust: Trust {
                rule: "default".into(),
                issuer: "any".into(),
            },
        })
    }
}

fn check_dates(examination: &Examination, now: SystemTime) -> Result<(), Refusal> {
    let Some(validity) = examination.validity else {
        return Ok(());
    };
    // A clock before 1970 is at 0: nothing with a date is valid then.
    let now = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    if let Some(from) = validity.not_before.filter(|from| now < *from) {
        return Err(Refusal::new(
            ErrorKind::NotYetValid,
            format!("carries a token that is not valid before {}", date(from)),
            Some("Wait, set the clock, or sign the artifact with another date."),
        ));
    }
    if let Some(until) = validity.expires.filter(|until| now >= *until) {
        return Err(Refusal::new(
            ErrorKind::Expired,
            format!("carries a token that expired on {}", date(until)),
            Some("Sign the artifact anew."),
        ));
    }
    Ok(())
}

fn date(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0))
        .map_or_else(
            || format!("second {seconds} since 1970"),
            |date| date.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        )
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

    /// Gives the file that was verified its name. Blocks.
    pub fn place(&self, file: Unnamed, or_name: &OsStr, overwrite: bool) -> Result<PathBuf> {
        file.give_name(or_name, overwrite, || Ok(Permit(())))
    }

    /// Takes one target out of the provider archive that was verified. Blocks.
    pub fn extract(
        &self,
        archive: &Unnamed,
        target: &str,
        progress: &Progress,
    ) -> Result<Extracted> {
        let mut file = archive.sibling()?;
        let reader = progress.watch_again(archive.reader());
        artifact::extract(reader, &self.verified, target, &mut file)?;
        Ok(Extracted(file))
    }
}

/// One target of a provider archive, which hashed to what the token says of it. Only
/// [`Vouched::extract`] makes one.
#[derive(Debug)]
pub struct Extracted(Unnamed);

impl Extracted {
    /// Gives the target its name, as [`Vouched::place`] does for a whole artifact. Blocks.
    pub fn place(self, or_name: &OsStr, overwrite: bool) -> Result<PathBuf> {
        self.0.give_name(or_name, overwrite, || Ok(Permit(())))
    }
}

/// The verdict on an artifact that is refused, as clients see it; `name` is its path or reference.
pub fn refused(examination: &Examination, refusal: &Refusal, name: &str) -> Verification {
    let artifact = examination.kind.zip(examination.digest);
    Verification::Refused {
        refusal: vouch_protocol::Refusal {
            kind: refusal.kind,
            message: refusal.of(name),
            help: refusal.help.map(Into::into),
        },
        artifact: artifact.map(|(kind, digest)| Artifact {
            kind,
            digest: digest.to_string(),
            size: examination.size,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use vouch_testing::forge::{Signer, module};

    fn at(not_before: Option<u64>, expires: Option<u64>, now: u64) -> Option<ErrorKind> {
        let signer = Signer {
            not_before,
            expires,
            ..Signer::default()
        };
        let examination =
            artifact::examine(&signer.wasm(&module())[..], &artifact::Limits::default()).unwrap();
        Policy::default()
            .judge(&examination, None, UNIX_EPOCH + Duration::from_secs(now))
            .err()
            .map(|refusal| refusal.kind)
    }

    #[test]
    fn dates_are_judged_by_the_second() {
        assert_eq!(at(None, None, 0), None);
        assert_eq!(at(Some(100), None, 99), Some(ErrorKind::NotYetValid));
        assert_eq!(at(Some(100), None, 100), None);
        assert_eq!(at(None, Some(100), 99), None);
        assert_eq!(at(None, Some(100), 100), Some(ErrorKind::Expired));
        assert_eq!(
            at(Some(u64::MAX), Some(0), 50),
            Some(ErrorKind::NotYetValid)
        );
    }

    #[test]
    fn a_date_counts_before_a_hash_does() {
        let signer = Signer {
            expires: Some(1),
            hash: Some("00".into()),
            ..Signer::default()
        };
        let examination =
            artifact::examine(&signer.wasm(&module())[..], &artifact::Limits::default()).unwrap();
        let judge = |seconds| {
            Policy::default()
                .judge(
                    &examination,
                    None,
                    UNIX_EPOCH + Duration::from_secs(seconds),
                )
                .unwrap_err()
                .kind
        };
        assert_eq!(judge(0), ErrorKind::HashMismatch);
        assert_eq!(judge(1), ErrorKind::Expired);
    }
}
