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
//! | `written` | a signer as the config writes it |
//! | `signer` | [`Signer`]: who that is, and whether a signature is theirs |
//! | `section` | [`Section`]: what is written in the config |
//! | `place` | [`Place`]: where an artifact comes from or goes to, and the scopes that hold there |
//! | `material` | the files that a section names: keys and roots |
//! | `policy` | [`Policy`]: a section that makes sense as a whole |
//! | `roots` | the roots of a policy, as their owner sees them |
//! | `pins`, `store` | whose signatures a repository has had; [`Pins`]: where that is kept |
//! | `dates` | when a signature is valid |
//! | `case`, `questions` | what is decided about, and what a policy asks of it |
//! | `suggestion` | who signed a bundle, in the words of the command that would accept them |
//! | `decision` | what a policy says about one signature |
//! | `choice` | which of several signatures is accepted |
//! | `usage` | [`Use`] and [`Now`]: what is judged for, and by |
//! | `judged` | whether an artifact is accepted at a moment; remembering who signed it |
//! | `memo` | [`Memo`]: what was verified already |
//! | `explanation` | every check, for people |
//! | `conformance` | whether one bundle is by one signer: what the test suite of Sigstore's clients asks |
//! | `refused` | [`Refused`]: an artifact that is refused, and why |
//! | `asked` | what is asked about an artifact, round by round |
//! | `edit` | changes to the section and to the pins, by their owner |
//! | `mod` | [`judge`] and [`Vouched`]: a permission for one use |

mod asked;
mod case;
mod choice;
#[doc(hidden)]
pub mod conformance;
mod dates;
mod decision;
pub mod edit;
mod explanation;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod imports;
mod judged;
mod key;
mod material;
mod memo;
mod pins;
mod place;
mod policy;
mod questions;
mod refused;
pub mod roots;
mod section;
mod signer;
mod store;
mod suggestion;
mod usage;
mod written;

pub use material::root as read_root;
pub use memo::Memo;
pub use pins::Pin;
pub use place::Place;
pub use policy::{Policy, Problem};
pub use refused::Refused;
pub use section::{Accept, Mode, Root, Rule, Section};
pub use signer::Signer;
pub use store::Store as Pins;
pub use usage::{Layer, Now, Publication, Published, Use};
pub use written::WrittenSigner;

use crate::{
    artifact::{Examined, Facts, Refusal, Skimmed},
    error::{Error, Result},
    file::{self, Destination, Provisional, Source},
    name::{Digest, Reference},
    progress::Progress,
    signature::{Bundle, Evidence, Held, Signed},
};
use asked::Asked;
use judged::{Accepted, Judged, Rows};
use std::{
    ffi::OsStr,
    fmt,
    io::{self, Read},
    path::PathBuf,
    sync::Arc,
};
use vouch_protocol::{Check, ErrorKind, Trust, Verification};

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
    /// Whether the file is what was judged, and no part of it.
    whole: bool,
}

/// Accepted or refused.
pub type Verdict<F> = Result<Vouched<F>, Refused>;

/// Judges an artifact that was examined for a use, now. What lies beside it is asked for, round by
/// round, only as long as it may change the verdict; an error there is one of this only where
/// nothing else is known of a signature. `signer` is the only one that the caller wants, by name, id
/// or key. Fails with `digestMismatch` where the bytes are not the published ones: then they say
/// nothing about what was published. Blocks, but for files that go nowhere.
pub fn judge<F>(
    examined: Examined<F>,
    beside: impl IntoIterator<Item = Result<Vec<Evidence>>>,
    usage: Use,
    signer: Option<&str>,
    now: &Now,
) -> Result<Verdict<F>> {
    judge_with(examined, None, beside, usage, signer, now)
}

/// The same of what was examined before, by whatever signer: what was verified then is not verified
/// again, and everything else is judged anew. The memo is of this very artifact.
pub fn judge_known(
    examined: Examined<()>,
    memo: &Memo,
    beside: impl IntoIterator<Item = Result<Vec<Evidence>>>,
    usage: Use,
    now: &Now,
) -> Result<Verdict<()>> {
    judge_with(examined, Some(memo), beside, usage, None, now)
}

fn judge_with<F>(
    examined: Examined<F>,
    memo: Option<&Memo>,
    beside: impl IntoIterator<Item = Result<Vec<Evidence>>>,
    usage: Use,
    signer: Option<&str>,
    now: &Now,
) -> Result<Verdict<F>> {
    if let Use::Pull(published) | Use::Verify(Some(published)) = &usage {
        confirm(&examined, published.layer)?;
    }
    // Who signs puts a token in: what lies beside it, and who is trusted, says nothing of that.
    let (rows, policy) = match &usage {
        Use::Sign { .. } => (Rows::OfTheSigner, Arc::default()),
        _ => (Rows::All, now.policy.clone()?),
    };
    let (file, found, blocks) = examined.into_parts();
    let facts = match found {
        Ok(facts) => facts,
        Err(unfit) => {
            return Ok(Err(Refused {
                refusal: unfit.refusal.clone(),
                found: Err(unfit),
                judged: None,
                reports: Vec::new(),
            }));
        }
    };
    let mut rounds = beside.into_iter();
    let question = Asked {
        facts,
        memo,
        usage: &usage,
        signer,
        rows,
        policy,
    };
    let decided = question.decide(&mut rounds, now)?;
    Ok(decided.map(|(judged, accepted)| Vouched {
        file,
        blocks,
        judged,
        usage,
        accepted,
        whole: true,
    }))
}

/// Whether [`judge`] may ask for what lies beside an artifact: not where there is a token, and nobody
/// accepts bundles.
pub fn asks_for_evidence<F>(examined: &Examined<F>, now: &Now) -> bool {
    let has_token = examined.facts().is_some_and(|facts| facts.token.is_some());
    let asked = now
        .policy
        .as_ref()
        .is_ok_and(|policy| policy.asks_for_bundles());
    examined.facts().is_some() && (!has_token || asked)
}

/// What the signature of an artifact would be worth whose contents were not read: whose that is, and
/// why they would be trusted, or why it would be refused already. It vouches for nothing. Blocks.
pub fn consider(
    skimmed: &Skimmed,
    beside: impl IntoIterator<Item = Result<Vec<Evidence>>>,
    from: Published,
    now: &Now,
) -> Result<Result<(Arc<Signed>, Trust), Refusal>> {
    let facts = match skimmed.found() {
        Ok(facts) => facts,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let considered = Asked {
        facts,
        memo: None,
        usage: &Use::Verify(Some(from)),
        signer: None,
        rows: Rows::AllButContents,
        policy: now.policy.clone()?,
    };
    let considered = considered.decide(&mut beside.into_iter(), now)?;
    Ok(considered
        .map(|(_, accepted)| (accepted.signed, accepted.trust))
        .map_err(|refused| refused.refusal))
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

impl<F> Vouched<F> {
    /// What it is.
    pub fn facts(&self) -> &Facts {
        &self.judged.facts
    }

    /// The signature that was accepted.
    pub fn signed(&self) -> &Signed {
        &self.accepted.signed
    }

    /// What signs it from beside it, and is accepted.
    pub fn beside(&self) -> &[Held] {
        self.accepted.beside()
    }

    /// The bundle by which the bare file verifies again; nothing where it needs none, as its token
    /// is accepted. Fails where there is none that does so.
    pub fn bundle_of_file(&self) -> Result<Option<&Bundle>> {
        let beside = self.beside();
        if beside.is_empty() {
            return Ok(None);
        }
        let file = self.facts().digest;
        if let Some(bundle) = self.bundles().find(|bundle| bundle.subject() == file) {
            return Ok(Some(bundle));
        }
        if self.bundles().next().is_none() {
            return Err(stored_as_layers());
        }
        let manifest = self.manifest().map(|digest| digest.to_string());
        let message = format!(
            "what signs it signs its manifest, {}, of which the file alone shows nothing",
            manifest.unwrap_or_default()
        );
        let help = match &self.usage {
            Use::Pull(published) => format!(
                "Pull it into an image layout, which keeps its manifest too: \
                 `vouch pull {} -o oci:FOLDER:TAG --with-bundle`. Or pull it without its bundle.",
                published.from
            ),
            _ => "Verify it by its reference.".to_owned(),
        };
        Err(Error::new(ErrorKind::NoBundle, message).help(help))
    }

    /// The bundles by which it verifies again together with its manifest; none where it needs none, as
    /// its token is accepted. Fails where what signs it from beside it is not a bundle.
    pub fn bundles_of_manifest(&self) -> Result<Vec<Bundle>> {
        let bundles: Vec<_> = self.bundles().cloned().collect();
        if bundles.is_empty() && !self.beside().is_empty() {
            return Err(stored_as_layers());
        }
        Ok(bundles)
    }

    /// The bundles by which it is accepted.
    pub fn bundles(&self) -> impl Iterator<Item = &Bundle> {
        self.beside().iter().filter_map(|held| match held {
            Held::Bundle(bundle) => Some(bundle),
            Held::Layer(_) => None,
        })
    }

    /// The manifest that names it.
    pub fn manifest(&self) -> Option<Digest> {
        self.usage.manifest()
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
        explanation::of_signed(&self.judged, &self.accepted)
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
            Use::Push(publication) => Ok(self.judged.place.resolve(&publication.to)),
            _ => Err(misused("published")),
        }
    }

    /// Remembers who signed what the registry has now, and answers the verdict; it is published,
    /// whatever becomes of that. Blocks.
    pub fn published(&self, now: &Now) -> Verification {
        let name = self.source().path().display();
        self.judged.pin(now, name).unwrap_or_else(|error| {
            let warning = format!("pushed, but its signer is not remembered: {error}");
            let accepted = self.accepted.clone().warned(warning);
            self.judged.verification(&accepted)
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
        Ok(Self {
            file,
            whole: false,
            ..self
        })
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
        let (path, _, verification) = self.place_with(or_name, overwrite, now, || Ok(None))?;
        Ok((path, verification))
    }

    /// The same, with a file that has to be there before this one is: it is put there once all but
    /// the naming is done, and does not stay where the naming fails. Answers where both are.
    pub fn place_with(
        self,
        or_name: &OsStr,
        overwrite: bool,
        now: impl FnOnce() -> Now,
        before: impl FnOnce() -> Result<Option<Provisional>>,
    ) -> Result<(PathBuf, Option<PathBuf>, Verification)> {
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
            let beside = before()?.map(Provisional::keep);
            return Ok((file.give_way(&standing)?, beside, verification));
        }
        let (mut verification, mut beside, mut stays) = (None, None, false);
        let permit = || {
            verification = Some(judged.pin(&now(), &from)?);
            beside = before()?;
            Ok(Permit(()))
        };
        let path = file.give_name_then(or_name, overwrite, permit, || stays = true);
        // It is taken back where the file has no name.
        let beside = beside.filter(|_| stays).map(Provisional::keep);
        let verification = verification.ok_or_else(|| misused("named"));
        Ok((path?, beside, verification?))
    }

    /// Puts the file among a layout's blobs, under its digest, if it may be there by what holds
    /// then; remembers who signed it, and has it entered into the layout at once, for good. Blocks.
    pub fn store(
        self,
        blobs: &Destination,
        now: impl FnOnce() -> Now,
        enter: impl FnOnce() -> Result<()>,
    ) -> Result<Verification> {
        let Self {
            file,
            judged,
            usage: Use::Pull(Published { from, .. }),
            whole: true,
            ..
        } = self
        else {
            return Err(misused("stored"));
        };
        let name = judged.facts.digest.hex();
        let file = file.bound_for(&blobs.named(name.into())?)?;
        let unused = OsStr::new("");
        let standing = file.standing(unused)?;
        let standing =
            standing.filter(|standing| same(file.reader(), standing.reader()).unwrap_or(false));
        let verification = if let Some(standing) = standing {
            let verification = judged.pin(&now(), &from)?;
            file.give_way(&standing)?;
            verification
        } else {
            let mut verification = None;
            file.give_name(unused, true, || {
                verification = Some(judged.pin(&now(), &from)?);
                Ok(Permit(()))
            })?;
            verification.ok_or_else(|| misused("stored"))?
        };
        enter()?;
        Ok(verification)
    }
}

impl Vouched<Unnamed> {
    /// Puts what was signed in the place of the file that it was made of, if that is still what it
    /// was. Blocks.
    pub fn replace(self, old: &Source) -> Result<PathBuf> {
        self.sign(OsStr::new(""), |file| file.replace(old, || Ok(Permit(()))))
    }

    /// Gives what was signed its name; `or_name` is for a destination that is a folder. Blocks.
    pub fn put(self, or_name: &OsStr, overwrite: bool) -> Result<PathBuf> {
        self.sign(or_name, |file| {
            file.give_name(or_name, overwrite, || Ok(Permit(())))
        })
    }

    fn sign(
        self,
        or_name: &OsStr,
        name: impl FnOnce(Unnamed) -> Result<PathBuf>,
    ) -> Result<PathBuf> {
        match self.usage {
            Use::Sign { at } if at == self.file.target(or_name) => name(self.file),
            _ => Err(misused("signed")),
        }
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

fn stored_as_layers() -> Error {
    let message = "what signs it was stored by cosign 2, and is not a bundle".to_owned();
    Error::new(ErrorKind::NoBundle, message).help(
        "Pull it without its bundle; or ask its publisher to sign it with cosign 3, which makes \
         bundles.",
    )
}

fn misused(how: &str) -> Error {
    let message = format!("what was judged for another use cannot be {how}");
    Error::new(ErrorKind::Internal, message)
}

#[cfg(test)]
mod tests;
