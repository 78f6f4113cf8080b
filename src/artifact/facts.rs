//! What was found of a file: a well-formed artifact, or what is wrong with it.

use super::{
    archive::{self, Entries},
    imports::Imports,
    refusal::Refusal,
    rule::{Finding, Row},
};
use crate::{
    error::{Error, Result},
    name::Digest,
};
use std::{
    any::Any,
    io::{Read, Write},
    sync::{Arc, OnceLock},
};
use vouch_protocol::{Artifact, ArtifactKind, ErrorKind};

/// A well-formed artifact, or why it is not one.
pub(crate) type Found = std::result::Result<Arc<Facts>, Arc<Unfit>>;

/// A well-formed artifact.
#[derive(Debug)]
pub struct Facts {
    /// What it is.
    pub kind: ArtifactKind,
    /// SHA-256 of the whole file.
    pub digest: Digest,
    /// Bytes of the whole file.
    pub size: u64,
    /// What it imports; of a provider archive, whose native code nobody can ask, nothing.
    pub imports: Imports,
    /// Its own token.
    pub(crate) token: Option<Token>,
    /// What a token has to cover.
    pub(crate) covered: Covered,
}

/// What a token covers.
#[derive(Debug)]
pub(crate) enum Covered {
    /// Of a module or component that has a token: SHA-256 of all but its section.
    Rest(Option<Digest>),
    /// The entries of a provider archive.
    Entries(Entries),
}

/// Bytes that cannot be judged any further.
#[derive(Debug)]
pub struct Unfit {
    /// What is wrong with them.
    pub refusal: Refusal,
    /// What they are, where that was recognised and they were read to the end.
    pub artifact: Option<Artifact>,
    /// SHA-256 of all of them, where they were read to the end.
    pub digest: Option<Digest>,
    /// How many there are, as far as they were read.
    pub size: u64,
}

impl Facts {
    /// What clients see of it.
    pub fn artifact(&self) -> Artifact {
        artifact(self.kind, self.digest, self.size)
    }

    /// What it is, for people.
    pub(crate) fn described(&self) -> &'static str {
        described(self.kind)
    }

    /// The extension that files of this kind have: `wasm`, `par` or `par.gz`.
    pub fn extension(&self) -> &'static str {
        match &self.covered {
            Covered::Entries(entries) if entries.gzipped => "par.gz",
            Covered::Entries(_) => "par",
            Covered::Rest(_) => "wasm",
        }
    }

    /// The names of a provider archive's targets.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        let entries = match &self.covered {
            Covered::Entries(entries) => Some(entries),
            Covered::Rest(_) => None,
        };
        entries.into_iter().flat_map(Entries::targets)
    }

    /// A provider archive's targets, with SHA-256 and size of each.
    pub fn contents(&self) -> impl Iterator<Item = (&str, Digest, u64)> {
        let entries = match &self.covered {
            Covered::Entries(entries) => Some(entries),
            Covered::Rest(_) => None,
        };
        let entries = entries.into_iter();
        entries.flat_map(|entries| {
            let targets = entries.targets();
            targets.filter_map(|name| Some((name, entries.target(name)?, entries.size(name)?)))
        })
    }

    /// Writes one target of the archive, which is read again from its start, and answers the
    /// target's digest. Blocks.
    pub(crate) fn extract(
        &self,
        reader: impl Read,
        target: &str,
        writer: &mut impl Write,
    ) -> Result<Digest> {
        let found = match &self.covered {
            Covered::Entries(entries) => entries.target(target).map(|digest| (entries, digest)),
            Covered::Rest(_) => None,
        };
        let Some((entries, digest)) = found else {
            let message = format!("the artifact has no target {target:?}");
            let there: Vec<_> = self.targets().collect();
            let help = if there.is_empty() {
                "It is not a provider archive: leave out `target`.".into()
            } else {
                format!("Its targets are {}.", there.join(", "))
            };
            return Err(Error::new(ErrorKind::TargetNotFound, message).help(help));
        };
        archive::extract(reader, self.size, entries, target, digest, writer).map(|()| digest)
    }
}

/// What rows 1 to 3 found of a well-formed artifact; without a token, what row 3 found is the
/// methods' to say.
pub(crate) fn findings_of(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![
        Finding::held(Row::Artifact, facts.described()),
        Finding::held(Row::Form, "well formed"),
    ];
    findings.extend(facts.token.as_ref().map(|token| {
        let size = token.bytes.len();
        Finding::held(Row::Token, format!("a token of {size} bytes"))
    }));
    findings
}

/// What rows 1 to 3 found.
pub(crate) fn findings(found: &Found) -> Vec<Finding> {
    let unfit = match found {
        Ok(facts) => return findings_of(facts),
        Err(unfit) => unfit,
    };
    let (failed, kind) = (&unfit.refusal, unfit.artifact.as_ref());
    let kind = kind.map_or("recognised as one", |artifact| described(artifact.kind));
    let held = [(Row::Artifact, kind), (Row::Form, "well formed")].into_iter();
    let held = held.filter(|(row, _)| *row < failed.row);
    let held = held.map(|(row, found)| Finding::held(row, found));
    held.chain([failed.finding()]).collect()
}

/// A kind, for people.
fn described(kind: ArtifactKind) -> &'static str {
    match kind {
        ArtifactKind::Module => "a WebAssembly module",
        ArtifactKind::Component => "a WebAssembly component",
        ArtifactKind::Provider => "a provider archive",
    }
}

pub(super) fn artifact(kind: ArtifactKind, digest: Digest, size: u64) -> Artifact {
    Artifact {
        kind,
        digest: digest.to_string(),
        size,
    }
}

/// The artifact's own token: bytes of which nothing is verified.
#[derive(Debug)]
pub(crate) struct Token {
    bytes: Vec<u8>,
    known: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Token {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            known: OnceLock::new(),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What was found out about it the first time, kept beside it, as it follows from the file's
    /// bytes alone and costs more than all else in a file that was remembered. Only who can make
    /// a `T` can have put one there.
    pub(crate) fn remembered<T: Any + Send + Sync>(&self, find: impl Fn() -> T) -> Arc<T> {
        let known = self.known.get_or_init(|| Arc::new(find()));
        let known = Arc::clone(known).downcast();
        known.unwrap_or_else(|_| Arc::new(find()))
    }
}
