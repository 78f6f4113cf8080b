//! A permission for one use: what was judged, and the file that may be published or named by it.

use super::{
    explanation,
    judged::{Accepted, Judged},
    store::Written,
    usage::{Now, Published, Use},
};
use crate::{
    artifact::Facts,
    error::{Error, Result},
    file::{self, Destination, Provisional, Source},
    name::{Digest, Reference},
    progress::Progress,
    signature::{Bundle, Held, Signed},
};
use std::{
    ffi::OsStr,
    fmt,
    io::{self, Read},
    path::PathBuf,
};
use vouch_protocol::{Check, ErrorKind, Verification};

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

impl<F> Vouched<F> {
    /// Of a file that was judged, and accepted. The judgement alone makes one.
    pub(super) fn new(
        file: F,
        blocks: Vec<Digest>,
        usage: Use,
        (judged, accepted): (Judged, Accepted),
    ) -> Self {
        Self {
            file,
            blocks,
            judged,
            usage,
            accepted,
            whole: true,
        }
    }

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
        let accepted = self.judged.now_alone(now)?;
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
            Use::Pull(published) => {
                let (verification, pinned) = self.judged.pin(now, &published.from)?;
                keep(pinned);
                Ok(verification)
            }
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
        match self.judged.pin(now, name) {
            Ok((verification, pinned)) => {
                keep(pinned);
                verification
            }
            Err(error) => {
                let warning = format!("pushed, but its signer is not remembered: {error}");
                let accepted = self.accepted.clone().warned(warning);
                self.judged.verification(&accepted)
            }
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
            let (verification, pinned) = judged.pin(&now(), &from)?;
            let beside = before()?;
            let path = file.give_way(&standing)?;
            keep(pinned);
            return Ok((path, beside.map(Provisional::keep), verification));
        }
        let (mut judgement, mut beside, mut stays) = (None, None, false);
        let permit = || {
            judgement = Some(judged.pin(&now(), &from)?);
            beside = before()?;
            Ok(Permit(()))
        };
        let path = file.give_name_then(or_name, overwrite, permit, || stays = true);
        // Both are taken back where the file has no name.
        let beside = beside.filter(|_| stays).map(Provisional::keep);
        let Some((verification, pinned)) = judgement else {
            return path.and(Err(misused("named")));
        };
        keep(pinned.filter(|_| stays));
        Ok((path?, beside, verification))
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
        let (verification, pinned) = if let Some(standing) = standing {
            let judgement = judged.pin(&now(), &from)?;
            file.give_way(&standing)?;
            judgement
        } else {
            let mut judgement = None;
            file.give_name(unused, true, || {
                judgement = Some(judged.pin(&now(), &from)?);
                Ok(Permit(()))
            })?;
            judgement.ok_or_else(|| misused("stored"))?
        };
        enter()?;
        keep(pinned);
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

/// Whoever was pinned stays so: what that is for has happened.
fn keep(pinned: Option<Written>) {
    if let Some(pinned) = pinned {
        pinned.keep();
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
