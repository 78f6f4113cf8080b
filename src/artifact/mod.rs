//! Is this artifact signed? STUB: signatures only.

use crate::{error::Error, reference::Digest};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    sync::Arc,
};
use vouch_protocol::ErrorKind;
pub use vouch_protocol::{ArtifactKind, Claims};

/// What the owner allows an artifact to cost; the config's section `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Bytes of an artifact, as it is stored and sent.
    pub artifact: u64,
    /// Bytes of an archive, inflated.
    pub expanded: u64,
    /// How many times larger than stored an archive may be, past the first 64 MiB.
    pub ratio: u64,
    /// Entries of an archive.
    pub entries: usize,
    /// Bytes of a token.
    pub token: usize,
    /// Components within components.
    pub nesting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            artifact: 4 << 30,
            expanded: 16 << 30,
            ratio: 200,
            entries: 256,
            token: 256 << 10,
            nesting: 100,
        }
    }
}

/// Why an artifact is refused: the first condition of the rule that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind, for programs.
    pub kind: ErrorKind,
    /// What happened.
    pub message: String,
    /// What to do next.
    pub help: Option<&'static str>,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let error = Self::new(refusal.kind, refusal.message);
        match refusal.help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

/// What was found out by reading an artifact to its end.
#[derive(Debug, Clone)]
pub struct Examination {
    /// What it is, where it was recognised.
    pub kind: Option<ArtifactKind>,
    /// SHA-256 of all bytes; absent where the reading was given up, as it is over a limit.
    pub digest: Option<Digest>,
    /// The bytes that were read.
    pub size: u64,
    /// Whether rows 1 to 5, 7 and 8 of the rule hold.
    pub verdict: Result<Arc<Verified>, Refusal>,
}

/// An artifact whose signature holds. Only [`examine`] makes one. It is a fact about bytes: dates and
/// trust are for `trust` to judge.
#[derive(Debug)]
pub struct Verified {
    kind: ArtifactKind,
    digest: Digest,
    size: u64,
    claims: Claims,
    gzipped: bool,
    targets: BTreeMap<String, Digest>,
    blocks: Vec<Digest>,
}

/// The step in which [`Verified::blocks`] keeps states, in bytes.
pub const BLOCK: usize = 1 << 20;

impl Verified {
    /// What it is.
    pub fn kind(&self) -> ArtifactKind {
        self.kind
    }
    /// SHA-256 of the whole file.
    pub fn digest(&self) -> Digest {
        self.digest
    }
    /// Bytes of the whole file.
    pub fn size(&self) -> u64 {
        self.size
    }
    /// What the signature says.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }
    /// SHA-256 of the first MiB, of the first two, and so on; the last is of the whole file, whose
    /// last block may be shorter. `blocks[i]` is the digest of bytes `0..min((i + 1) * BLOCK, size)`.
    pub fn blocks(&self) -> &[Digest] {
        &self.blocks
    }
    /// The extension that files of this kind have: `wasm`, `par` or `par.gz`.
    pub fn extension(&self) -> &'static str {
        match (self.kind, self.gzipped) {
            (ArtifactKind::Provider, true) => "par.gz",
            (ArtifactKind::Provider, false) => "par",
            _ => "wasm",
        }
    }
    /// Targets of a provider archive and their SHA-256.
    pub fn targets(&self) -> &BTreeMap<String, Digest> {
        &self.targets
    }
}

/// Reads an artifact once, to its end, in constant memory, and judges it. It fails only where the
/// reader does; a refusal is a verdict. It blocks: call it off the runtime's threads.
pub fn examine(_reader: impl Read + Send, _limits: &Limits) -> io::Result<Examination> {
    Err(io::Error::other("stub"))
}

/// Writes one target of a verified archive, read again from its start, and fails with
/// `contentModified` unless it hashes to what the claims say.
pub fn extract(
    _reader: impl Read,
    _verified: &Verified,
    _target: &str,
    _writer: &mut impl Write,
) -> Result<(), Error> {
    Err(Error::new(ErrorKind::Internal, "stub"))
}

/// A bounded memory of what files were found to be: facts, never decisions. STUB.
#[derive(Debug, Default)]
pub struct Cache;

impl Cache {
    /// Examines a file, or remembers what it was found to be while its identity has not changed.
    /// Blocks.
    pub fn examine(
        &self,
        source: &crate::file::Source,
        limits: &Limits,
        progress: &crate::progress::Progress,
    ) -> Result<Arc<Examination>, Error> {
        examine(progress.watch(source.reader()), limits)
            .map(Arc::new)
            .map_err(|error| Error::from_io(error, source.path(), "read"))
    }
    /// Files that are remembered, and files that can be.
    pub fn fill(&self) -> (usize, usize) {
        (0, 0)
    }
}
