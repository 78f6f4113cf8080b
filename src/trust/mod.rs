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
//!
//! Files depend on those above them:
//!
//! | file | what it has |
//! |---|---|
//! | `key` | a signer's public key, as nkeys and ssh write it |
//! | `imports` | the patterns of a rule's `imports` |
//! | `section` | [`Section`]: what is written in the config |
//! | `place` | [`Place`]: where an artifact comes from or goes to, and the scopes that hold there |
//! | `policy` | [`Policy`]: a section that makes sense as a whole |
//! | `pins` | [`Pins`]: whose signatures a repository has had |
//! | `decision` | what a policy says about one signature |
//! | `mod` | [`judge`] and [`Vouched`]: a permission for one use |

mod decision;
pub mod edit;
mod explanation;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod imports;
mod key;
mod pins;
mod place;
mod policy;
mod section;

pub use pins::{Pin, Store as Pins};
pub use place::Place;
pub use policy::{Policy, Problem};
pub use section::{Accept, Mode, Rule, Section, Signer};

use crate::{
    artifact::{Examined, Facts, Found, Refusal, Row, Skimmed},
    error::{Error, Result},
    file::{self, Source},
    name::{Digest, Reference},
    progress::Progress,
    signature::{self, Dates, Evidence, Signed},
};
use decision::{By, Case, Denial, Trusted};
use pins::Lock;
use std::{
    ffi::OsStr,
    fmt,
    io::{self, Read},
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use vouch_protocol::{Check, ErrorKind, Trust, TrustMode, Verification};

/// What is judged by: the policy that the owner has in force at a moment, and that moment.
#[derive(Debug, Clone)]
pub struct Now {
    /// The owner's policy, or why it cannot be used: then nothing is accepted.
    pub policy: Result<Arc<Policy>>,
    /// Whose signatures were seen before.
    pub pins: Pins,
    /// The time.
    pub time: SystemTime,
}

impl Now {
    /// What holds where the owner says nothing, with no memory of any signer.
    pub fn built_in(time: SystemTime) -> Self {
        Self {
            policy: Ok(Arc::default()),
            pins: Pins::nowhere(),
            time,
        }
    }

    /// Fails unless somebody may ask for a signer of that name, id or key.
    pub fn check_signer(&self, signer: &str) -> Result<()> {
        self.policy.clone()?.check_signer(signer)
    }

    /// Seconds since 1970. A clock before that is at 0: nothing with a date is valid then.
    fn seconds(&self) -> u64 {
        let since = self.time.duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    }
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
    /// Saying whether it might be published there.
    Ask {
        /// The reference that was asked for.
        to: Reference,
    },
}

impl Use {
    /// Where the artifact comes from or goes to. Blocks.
    fn place(&self) -> Result<Place> {
        match self {
            Self::Push { to } | Self::Ask { to } => Place::of(to),
            // It was read there, wherever its reference leads by now.
            Self::Pull(published) | Self::Verify(Some(published)) => Ok(published.place.clone()),
            Self::Verify(None) => Ok(Place::File),
        }
    }
}

/// What a reference was found to name.
#[derive(Debug, Clone)]
pub struct Published {
    /// The reference that was asked for, never a mirror.
    pub from: Reference,
    /// Where it was read.
    pub place: Place,
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
    judged: Judged,
    usage: Use,
    accepted: Accepted,
}

/// What is decided about whenever it is judged.
#[derive(Debug)]
struct Judged {
    facts: Arc<Facts>,
    /// The signatures that hold.
    signatures: Vec<Arc<Signed>>,
    place: Place,
    /// The one signer that the caller wants.
    wanted: Option<String>,
    /// Whether the contents were compared with what was signed. Where they were not, nothing is
    /// vouched for.
    compared: bool,
}

/// The signature that is accepted, and why.
#[derive(Debug)]
struct Accepted {
    signed: Arc<Signed>,
    trust: Trust,
    basis: Basis,
}

/// What was in force when it was judged.
#[derive(Debug, Clone)]
struct Basis {
    policy: Arc<Policy>,
    /// The place's pins, where they count.
    pins: Vec<Pin>,
    /// Seconds since 1970.
    now: u64,
}

/// An artifact that is refused.
#[derive(Debug)]
pub struct Refused {
    /// The first condition of the rule that fails.
    pub refusal: Refusal,
    found: Found,
    /// Where a signature holds: what was judged, and by what.
    judged: Option<(Judged, Basis)>,
}

/// Accepted or refused.
pub type Verdict<F> = Result<Vouched<F>, Refused>;

/// Judges an artifact that was examined, with what was fetched beside it, for a use, now; `signer`
/// is the only one that the caller wants, by name, id or key. Fails with `digestMismatch` where the
/// bytes are not the published ones: then they say nothing about what was published. Blocks, but
/// for files that go nowhere.
pub fn judge<F>(
    examined: Examined<F>,
    evidence: &[Evidence],
    usage: Use,
    signer: Option<&str>,
    now: &Now,
) -> Result<Verdict<F>> {
    if let Use::Pull(published) | Use::Verify(Some(published)) = &usage {
        confirm(&examined, published.layer)?;
    }
    now.policy.clone()?;
    let (file, found, blocks) = examined.into_parts();
    let facts = match found {
        Ok(facts) => facts,
        Err(unfit) => {
            return Ok(Err(Refused {
                refusal: unfit.refusal.clone(),
                found: Err(unfit),
                judged: None,
            }));
        }
    };
    let signatures = match signature::signatures(&facts, evidence) {
        Ok(signatures) => signatures,
        Err(refusal) => {
            return Ok(Err(Refused {
                refusal,
                found: Ok(facts),
                judged: None,
            }));
        }
    };
    let judged = Judged {
        facts,
        signatures,
        place: usage.place()?,
        wanted: signer.map(ToOwned::to_owned),
        compared: true,
    };
    match judged.now(now)? {
        Ok(accepted) => Ok(Ok(Vouched {
            file,
            blocks,
            judged,
            usage,
            accepted,
        })),
        Err((refusal, basis)) => Ok(Err(Refused {
            refusal,
            found: Ok(Arc::clone(&judged.facts)),
            judged: Some((judged, basis)),
        })),
    }
}

/// Accepted; or why not, and by what that was judged.
type Judgement = Result<Accepted, (Refusal, Basis)>;

/// What the signature of an artifact would be worth whose contents were not read: why its signer
/// would be trusted, or why it would be refused already. It vouches for nothing. Blocks.
pub fn consider(skimmed: &Skimmed, from: Published, now: &Now) -> Result<Result<Trust, Refusal>> {
    now.policy.clone()?;
    let signed = skimmed.found().and_then(|facts| {
        let signatures = signature::signatures(&facts, &[])?;
        Ok((facts, signatures))
    });
    let (facts, signatures) = match signed {
        Ok(signed) => signed,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let considered = Judged {
        facts,
        signatures,
        place: Use::Verify(Some(from)).place()?,
        wanted: None,
        compared: false,
    };
    let considered = considered.now(now)?;
    Ok(considered
        .map(|accepted| accepted.trust)
        .map_err(|(refusal, _)| refusal))
}

impl Judged {
    /// Whether it is accepted now, by what is pinned now.
    fn now(&self, now: &Now) -> Result<Judgement> {
        let policy = now.policy.clone()?;
        let mut pins = Vec::new();
        if decision::asks_pins(&policy, &self.place) {
            pins.extend(now.pins.read()?.of(&self.place.to_string()).cloned());
        }
        Ok(self.accept(policy, pins, now))
    }

    /// The same, while nobody pins. With `pin`, whoever signed it is remembered from then on, if
    /// that is how they are accepted.
    fn now_alone(&self, now: &Now, pin: bool) -> Result<Judgement> {
        let policy = now.policy.clone()?;
        if !decision::asks_pins(&policy, &self.place) {
            return Ok(self.accept(policy, Vec::new(), now));
        }
        let place = self.place.to_string();
        let mut held = match now.pins.lock()? {
            Lock::Held(held) => held,
            Lock::Unwritable(why) => {
                let accepted = self.now(now)?;
                return Ok(accepted.map(|accepted| accepted.forgotten(&why)));
            }
        };
        let pins = held.pins.of(&place).cloned().collect();
        let accepted = match self.accept(policy, pins, now) {
            Ok(accepted) if pin => accepted,
            decided => return Ok(decided),
        };
        let signed = &accepted.signed;
        let revision = signed.claims().and_then(|claims| claims.revision);
        let id = &signed.signer().id;
        if held
            .pins
            .note(&place, id, now.seconds(), signed.subject(), revision)
            && let Err(error) = held.write()
        {
            return match (accepted.trust.mode, error.kind()) {
                // Folders can be closed to their owner, too.
                (TrustMode::FirstUse, ErrorKind::PermissionDenied) => {
                    Ok(Ok(accepted.forgotten(error.message())))
                }
                (TrustMode::FirstUse, _) => Err(error),
                // The pin is there, and holds. Only what was signed last is not noted.
                _ => Ok(Ok(accepted.warned(format!(
                    "later versions are not compared with this one: {error}"
                )))),
            };
        }
        Ok(Ok(accepted.remembered()))
    }

    /// The same, as a verdict; `name` is what an error calls the artifact.
    fn pin(&self, now: &Now, name: impl fmt::Display) -> Result<Verification> {
        let accepted = self.now_alone(now, true)?;
        let accepted = accepted.map_err(|(refusal, _)| refusal.error(name))?;
        Ok(self.verification(&accepted))
    }

    fn verification(&self, accepted: &Accepted) -> Verification {
        Verification::Accepted {
            artifact: self.facts.artifact(),
            signature: accepted.signed.on_the_wire(),
            claims: accepted.signed.claims().cloned(),
            trust: accepted.trust.clone(),
        }
    }

    /// The first of the signatures that is accepted; or why the first is not.
    fn accept(&self, policy: Arc<Policy>, pins: Vec<Pin>, now: &Now) -> Judgement {
        let basis = Basis {
            policy,
            pins,
            now: now.seconds(),
        };
        for signed in &self.signatures {
            let covers = || {
                if self.compared {
                    signed.covers()
                } else {
                    Ok(())
                }
            };
            let holds = check_dates(signed.dates(), basis.now).and_then(|()| covers());
            if let Err(refusal) = holds {
                return Err((refusal, basis));
            }
        }
        let mut refusal = None;
        for signed in &self.signatures {
            match decision::outcome(&basis.policy, &self.case(signed, &basis)) {
                Ok(trusted) => return Ok(Accepted::new(signed, trusted, basis)),
                Err(denial) => refusal.get_or_insert(denial),
            };
        }
        let refusal = refusal.map_or_else(
            || {
                let what = "is not signed: no signature was found".into();
                Refusal::new(Row::Token, ErrorKind::Unsigned, what, None)
            },
            |Denial { kind, what, help }| Refusal::new(Row::Policy, kind, what, None).advise(help),
        );
        Err((refusal, basis))
    }

    fn case<'a>(&'a self, signed: &'a Signed, basis: &'a Basis) -> Case<'a> {
        Case {
            place: &self.place,
            facts: &self.facts,
            signed,
            pins: &basis.pins,
            wanted: self.wanted.as_deref(),
            now: basis.now,
        }
    }
}

impl Accepted {
    fn new(signed: &Arc<Signed>, trusted: Trusted, basis: Basis) -> Self {
        let (mode, since) = match trusted.by {
            By::Name => (TrustMode::Named, None),
            By::Any => (TrustMode::Any, None),
            By::Pin { since } => (TrustMode::Pinned, Some(since)),
            By::FirstUse => (TrustMode::FirstUse, None),
        };
        let rule = trusted.scope.map(|scope| scope.to_string());
        let mut pins = basis.pins.iter();
        let pin = pins.find(|pin| pin.signer == signed.signer().id);
        Self {
            signed: Arc::clone(signed),
            trust: Trust {
                rule: rule.unwrap_or_else(|| "default".into()),
                mode,
                signer: trusted.name,
                since,
                remembered: (mode == TrustMode::FirstUse).then_some(false),
                warnings: pin.map(|pin| warnings(pin, signed)).unwrap_or_default(),
            },
            basis,
        }
    }

    fn remembered(mut self) -> Self {
        if let Some(remembered) = &mut self.trust.remembered {
            *remembered = true;
        }
        self
    }

    fn forgotten(self, why: &str) -> Self {
        if self.trust.remembered.is_none() {
            return self;
        }
        self.warned(format!(
            "first use, nothing compared, and nothing is remembered: {why}"
        ))
    }

    fn warned(mut self, warning: String) -> Self {
        self.trust.warnings.push(warning);
        self
    }
}

/// What differs from what the signer last signed there. No signature binds a version: a registry
/// can serve an old artifact, or another of the same signer.
fn warnings(pin: &Pin, signed: &Signed) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(subject) = pin
        .subject
        .as_deref()
        .filter(|last| *last != signed.subject())
    {
        warnings.push(format!(
            "it is signed as {}, and what came from there last was signed as {subject}",
            signed.subject()
        ));
    } else if let Some(revision) = signed.claims().and_then(|claims| claims.revision)
        && let Some(last) = pin.revision.filter(|last| revision < *last)
    {
        warnings.push(format!(
            "its revision is {revision}, and what came from there last had {last}"
        ));
    }
    warnings
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

fn check_dates(dates: Dates, now: u64) -> Result<(), Refusal> {
    if let Some(from) = dates.not_before.filter(|from| now < *from) {
        return Err(Refusal::new(
            Row::Dates,
            ErrorKind::NotYetValid,
            format!("carries a token that is not valid before {}", date(from)),
            Some("Wait, set the clock, or sign the artifact with another date."),
        ));
    }
    if let Some(until) = dates.expires.filter(|until| now >= *until) {
        return Err(Refusal::new(
            Row::Dates,
            ErrorKind::Expired,
            format!("carries a token that expired on {}", date(until)),
            Some("Sign the artifact again."),
        ));
    }
    Ok(())
}

/// A second since 1970, as people write dates.
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
        &self.judged.facts
    }

    /// The signature that was accepted.
    pub fn signed(&self) -> &Signed {
        &self.accepted.signed
    }

    /// Judges it again, as of now and while nobody pins; `name` is what an error calls it. Blocks.
    pub fn confirm(&self, now: &Now, name: impl fmt::Display) -> Result<()> {
        let place = self.usage.place()?;
        if place != self.judged.place {
            let message = format!(
                "{} leads to {place} by now: another place than the one that was judged",
                self.judged.place
            );
            return Err(Error::new(ErrorKind::InvalidLayout, message)
                .help("Try again once nobody moves folders or links on the way to it."));
        }
        let accepted = self.judged.now_alone(now, false)?;
        accepted
            .map(drop)
            .map_err(|(refusal, _)| refusal.error(name))
    }

    /// Every row of the rule, and what the policy asks, as it was judged.
    pub fn checks(&self) -> Vec<Check> {
        let Accepted {
            signed,
            trust,
            basis,
        } = &self.accepted;
        let case = self.judged.case(signed, basis);
        explanation::of_signed(&basis.policy, &case, &trust.warnings)
    }

    /// The verdict, as clients see it.
    pub fn verification(&self) -> Verification {
        self.judged.verification(&self.accepted)
    }
}

impl Vouched<()> {
    /// Takes over what lies there already, the very bytes that are published, for good. Blocks.
    pub fn stands(self, now: &Now) -> Result<Verification> {
        match &self.usage {
            Use::Pull(published) => self.judged.pin(now, &published.from),
            _ => Err(misused("taken over")),
        }
    }
}

impl Vouched<Source> {
    /// Where it may be published: a layout's folder is the one that was judged.
    pub fn to(&self) -> Result<Reference> {
        match &self.usage {
            Use::Push { to } => Ok(self.judged.place.resolve(to)),
            _ => Err(misused("published")),
        }
    }

    /// Remembers who signed what the registry has now, and answers the verdict; it is published,
    /// whatever becomes of that. Blocks.
    pub fn published(&self, now: &Now) -> Verification {
        let name = self.source().path().display();
        self.judged.pin(now, name).unwrap_or_else(|error| {
            let mut trust = self.accepted.trust.clone();
            trust
                .warnings
                .push(format!("pushed, but its signer is not remembered: {error}"));
            self.judged.verification(&Accepted {
                signed: Arc::clone(&self.accepted.signed),
                trust,
                basis: self.accepted.basis.clone(),
            })
        })
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
        self.judged.facts.extract(reader, target, &mut file)?;
        Ok(Self { file, ..self })
    }

    /// Gives the file its name, for good, if it may have one by what holds then, and remembers who
    /// signed it; `or_name` is for a destination that is a folder. A file of the same bytes that is
    /// there already stays. Blocks.
    pub fn place(
        self,
        or_name: &OsStr,
        overwrite: bool,
        now: impl FnOnce() -> Now,
    ) -> Result<(PathBuf, Verification)> {
        let Self {
            file,
            judged,
            usage,
            ..
        } = self;
        let Use::Pull(Published { from, .. }) = usage else {
            return Err(misused("named"));
        };
        let standing = if overwrite {
            None
        } else {
            file.standing(or_name)?
        };
        let standing =
            standing.filter(|standing| same(file.reader(), standing.reader()).unwrap_or(false));
        if let Some(standing) = standing {
            let verification = judged.pin(&now(), &from)?;
            return Ok((file.give_way(&standing)?, verification));
        }
        let mut verification = None;
        let path = file.give_name(or_name, overwrite, || {
            verification = Some(judged.pin(&now(), &from)?);
            Ok(Permit(()))
        })?;
        let verification = verification.ok_or_else(|| misused("named"))?;
        Ok((path, verification))
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

    /// Every row of the rule, and what the policy asks, as it was judged.
    pub fn checks(&self) -> Vec<Check> {
        let signed = self.judged.as_ref().and_then(|(judged, basis)| {
            let case = judged.case(judged.signatures.first()?, basis);
            Some(explanation::of_signed(&basis.policy, &case, &[]))
        });
        signed.unwrap_or_else(|| explanation::of_unsigned(&self.found, &self.refusal))
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

#[cfg(test)]
mod tests;
