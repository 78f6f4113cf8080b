//! Whose signatures the owner accepts, where and when: rows 7 and 11 of the signature rule, and
//! the last word on all others.
//!
//! Here alone what was found out about a file becomes a permission to move it: [`judge`] alone
//! makes a [`Vouched`], which owns the very file that was examined, and what it may be used for.
//! Nothing else can be published or get a name, and nothing can be done twice with one:
//!
//! ```compile_fail
//! vouchd::trust::Permit(());
//! ```
//! ```compile_fail
//! fn name(judged: vouchd::trust::Vouched<()>, now: vouchd::trust::Now) {
//!     let _ = judged.place("a".as_ref(), false, || now);
//! }
//! ```
//! ```compile_fail
//! fn name_both(file: vouchd::trust::Vouched<vouchd::trust::Unnamed>, now: &vouchd::trust::Now) {
//!     let _ = file.place("a".as_ref(), false, || now.clone());
//!     let _ = file.place("b".as_ref(), false, || now.clone());
//! }
//! ```
//! ```compile_fail
//! fn lend(a: vouchd::trust::Vouched<()>, b: vouchd::file::Source) -> vouchd::trust::Vouched<vouchd::file::Source> {
//!     vouchd::trust::Vouched { file: b, ..a }
//! }
//! ```
//!
//! It is judged again right before what cannot be undone, by the settings and the time of then. A
//! request can never loosen what the owner set.

use crate::{
    artifact::{Examined, Facts, Refusal},
    error::{Error, Result},
    file::{self, Source},
    name::{Digest, Reference},
    progress::Progress,
    signature::{self, Dates, Evidence, Signed},
};
use std::{
    ffi::OsStr,
    fmt,
    io::{self, Read},
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use vouch_protocol::{Artifact, ErrorKind, Trust, Verification};

/// The owner's trust policy. Until there is one, any issuer is accepted.
#[derive(Debug, Default)]
pub struct Policy {}

impl Policy {
    /// The signature that is accepted for that use, and why.
    #[allow(clippy::unused_self)]
    fn accept(&self, signatures: &[Arc<Signed>], _: &Use) -> Result<(Arc<Signed>, Trust), Refusal> {
        let Some(signed) = signatures.first() else {
            let what = "is not signed".into();
            return Err(Refusal::new(ErrorKind::Unsigned, what, None));
        };
        let trust = Trust {
            rule: "default".into(),
            issuer: "any".into(),
        };
        Ok((Arc::clone(signed), trust))
    }
}

/// What is judged by: the policy that the owner has in force at a moment, and that moment.
#[derive(Debug, Clone)]
pub struct Now {
    /// The owner's policy.
    pub policy: Arc<Policy>,
    /// The time.
    pub time: SystemTime,
}

/// What an artifact is judged for.
#[derive(Debug, Clone)]
pub enum Use {
    /// Publishing it there.
    Push {
        /// The reference that was asked for.
        to: Reference,
    },
    /// Giving it a name on this machine.
    Pull(Published),
    /// Saying what it is: a file, or what is published.
    Verify(Option<Published>),
}

/// What a reference was found to name.
#[derive(Debug, Clone)]
pub struct Published {
    /// The reference that was asked for, never a mirror.
    pub from: Reference,
    /// The manifest's digest.
    pub manifest: Digest,
    /// The artifact, as the manifest names it.
    pub layer: Layer,
}

/// A blob that a manifest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// How many there are.
    pub size: u64,
}

/// What naming a file takes. Nothing outside of this module can make one.
#[derive(Debug)]
pub struct Permit(());

/// A file that gets its name only with a [`Vouched`].
pub type Unnamed = file::Unnamed<Permit>;

/// An artifact for which every row of the rule held when it was judged, and its file `F`.
#[derive(Debug)]
pub struct Vouched<F> {
    file: F,
    blocks: Vec<Digest>,
    facts: Arc<Facts>,
    signatures: Vec<Arc<Signed>>,
    /// The one that was accepted.
    signed: Arc<Signed>,
    trust: Trust,
    usage: Use,
}

/// An artifact that is refused.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The first condition of the rule that fails.
    pub refusal: Refusal,
    artifact: Option<Artifact>,
}

/// Accepted or refused.
pub type Verdict<F> = Result<Vouched<F>, Refused>;

/// Judges an artifact that was examined, with what was fetched beside it, for a use, now. Fails
/// with `digestMismatch` where the bytes are not the published ones: then they say nothing about
/// what was published.
pub fn judge<F>(
    examined: Examined<F>,
    evidence: &[Evidence],
    usage: Use,
    now: &Now,
) -> Result<Verdict<F>> {
    if let Use::Pull(published) | Use::Verify(Some(published)) = &usage {
        confirm(&examined, published.layer)?;
    }
    let (file, found, blocks) = examined.into_parts();
    let facts = match found {
        Ok(facts) => facts,
        Err(unfit) => {
            return Ok(Err(Refused {
                refusal: unfit.refusal.clone(),
                artifact: unfit.artifact.clone(),
            }));
        }
    };
    let accepted = signature::signatures(&facts, evidence).and_then(|signatures| {
        let (signed, trust) = accept(&signatures, &usage, now)?;
        Ok((signatures, signed, trust))
    });
    Ok(match accepted {
        Ok((signatures, signed, trust)) => Ok(Vouched {
            file,
            blocks,
            facts,
            signatures,
            signed,
            trust,
            usage,
        }),
        Err(refusal) => Err(Refused {
            refusal,
            artifact: Some(facts.artifact()),
        }),
    })
}

/// Whether the signatures hold now, and which one is accepted for that use.
fn accept(
    signatures: &[Arc<Signed>],
    usage: &Use,
    now: &Now,
) -> Result<(Arc<Signed>, Trust), Refusal> {
    for signed in signatures {
        check_dates(signed.dates(), now.time)?;
        signed.covers()?;
    }
    now.policy.accept(signatures, usage)
}

/// Fails unless what was examined is what the manifest names.
fn confirm<F>(examined: &Examined<F>, layer: Layer) -> Result<()> {
    // What is over a limit was not read: it is refused for that, whatever it is.
    if examined.size() == layer.size
        && examined
            .digest()
            .is_none_or(|digest| digest == layer.digest)
    {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::DigestMismatch,
        format!(
            "the manifest names {} of {} bytes, but other bytes came",
            layer.digest, layer.size
        ),
    )
    .help("Try again. If it stays so, the registry's copy is broken: push the artifact again."))
}

fn check_dates(dates: Dates, now: SystemTime) -> Result<(), Refusal> {
    // A clock before 1970 is at 0: nothing with a date is valid then.
    let now = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    if let Some(from) = dates.not_before.filter(|from| now < *from) {
        return Err(Refusal::new(
            ErrorKind::NotYetValid,
            format!("carries a token that is not valid before {}", date(from)),
            Some("Wait, set the clock, or sign the artifact with another date."),
        ));
    }
    if let Some(until) = dates.expires.filter(|until| now >= *until) {
        return Err(Refusal::new(
            ErrorKind::Expired,
            format!("carries a token that expired on {}", date(until)),
            Some("Sign the artifact again."),
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

impl<F> Vouched<F> {
    /// What it is.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The signature that was accepted.
    pub fn signed(&self) -> &Signed {
        &self.signed
    }

    /// Judges it again, as of now; `name` is what an error calls it.
    pub fn confirm(&self, now: &Now, name: impl fmt::Display) -> Result<()> {
        accept(&self.signatures, &self.usage, now)
            .map(drop)
            .map_err(|refusal| refusal.error(name))
    }

    /// The verdict, as clients see it.
    pub fn verification(&self) -> Verification {
        Verification::Accepted {
            artifact: self.facts.artifact(),
            signature: self.signed.on_the_wire(),
            claims: self.signed.claims().cloned(),
            trust: self.trust.clone(),
        }
    }
}

impl Vouched<Source> {
    /// Where it may be published.
    pub fn to(&self) -> Result<&Reference> {
        match &self.usage {
            Use::Push { to } => Ok(to),
            _ => Err(misused("published")),
        }
    }

    /// The file, whose bytes may have changed since.
    pub fn source(&self) -> &Source {
        &self.file
    }

    /// SHA-256 of the first block, of the first two, and so on: `blocks[i]` is the digest of bytes
    /// `0..min((i + 1) * BLOCK, size)`, and the last one that of the whole.
    pub fn blocks(&self) -> &[Digest] {
        &self.blocks
    }
}

impl Vouched<Unnamed> {
    /// One target of the provider archive alone, by what the archive was judged. Blocks.
    pub fn extract(self, target: &str, progress: &Progress) -> Result<Self> {
        let mut file = self.file.sibling()?;
        let reader = progress.watch_again(self.file.reader());
        self.facts.extract(reader, target, &mut file)?;
        Ok(Self { file, ..self })
    }

    /// Gives the file its name, for good, if it may have one by what holds then; `or_name` is for
    /// a destination that is a folder. A file of the same bytes that is there already stays.
    /// Blocks.
    pub fn place(
        self,
        or_name: &OsStr,
        overwrite: bool,
        now: impl FnOnce() -> Now,
    ) -> Result<PathBuf> {
        let Use::Pull(published) = &self.usage else {
            return Err(misused("named"));
        };
        let permit = || {
            accept(&self.signatures, &self.usage, &now())
                .map_err(|refusal| refusal.error(&published.from))?;
            Ok(Permit(()))
        };
        let standing = if overwrite {
            None
        } else {
            self.file.standing(or_name)?
        };
        if let Some(standing) = standing
            && same(self.file.reader(), standing.reader()).unwrap_or(false)
        {
            let Permit(()) = permit()?;
            return self.file.give_way(&standing);
        }
        self.file.give_name(or_name, overwrite, permit)
    }
}

/// Whether two files have the same bytes.
fn same(mut a: impl Read, mut b: impl Read) -> io::Result<bool> {
    let (mut of_a, mut of_b) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let read = a.read(&mut of_a)?;
        let (of_a, of_b) = (&of_a[..read], &mut of_b[..read]);
        if read == 0 {
            return Ok(b.read(&mut [0])? == 0);
        }
        b.read_exact(of_b)?;
        if of_a != of_b {
            return Ok(false);
        }
    }
}

fn misused(how: &str) -> Error {
    let message = format!("what was judged for another use cannot be {how}");
    Error::new(ErrorKind::Internal, message)
}

impl Refused {
    /// The refusal as an error of a request that would have moved the artifact of that name.
    pub fn error(self, name: impl fmt::Display) -> Error {
        self.refusal.error(name)
    }

    /// The verdict, as clients see it; `name` is the artifact's path or reference.
    pub fn verification(self, name: &str) -> Verification {
        Verification::Refused {
            refusal: vouch_protocol::Refusal {
                kind: self.refusal.kind,
                message: self.refusal.of(name),
                help: self.refusal.help.map(Into::into),
            },
            artifact: self.artifact,
        }
    }
}

#[cfg(test)]
mod tests;
