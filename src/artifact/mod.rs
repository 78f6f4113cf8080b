//! Is this artifact signed? Rows 1 to 5, 7 and 8 of the signature rule.
//!
//! An artifact is judged by its content alone, read once, in constant memory, from anything that
//! is `io::Read`: no async here, no network, no path. Nothing in here may panic, whatever the
//! bytes are, and nothing but [`examine`] makes a [`Verified`].
//!
//! The rule is ours because what exists does not hold it: `wascap::wasm::extract_claims` and
//! `provider_archive` check no signature, skip the hash for old revisions, and take a nested
//! token for the artifact's own.

mod archive;
mod cache;
mod feed;
mod hasher;
mod tar;
mod token;
mod wasm;

#[cfg(test)]
mod tests;

pub use cache::Cache;
pub use vouch_protocol::{ArtifactKind, Claims};

use crate::{error::Error, name::Digest};
use feed::{Feed, Unreadable};
use hasher::Hasher;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt,
    io::{self, BufRead, Read, Write},
    ops::RangeInclusive,
    sync::Arc,
    thread::{self, Scope},
};
use token::Token;
use vouch_protocol::ErrorKind;

/// What the owner allows an artifact to cost; the config's section `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[serde(expecting = "the section [limits]")]
pub struct Limits {
    /// Bytes of an artifact, as it is stored and sent.
    #[cfg_attr(test, schemars(range(min = 1, max = LARGEST_ARTIFACT)))]
    pub artifact: u64,
    /// Bytes of an archive, inflated.
    #[cfg_attr(test, schemars(range(min = 1, max = LARGEST_ARTIFACT)))]
    pub expanded: u64,
    /// How many times larger than stored an archive may be, past the first 64 MiB.
    #[cfg_attr(test, schemars(range(min = 1, max = HIGHEST_RATIO)))]
    pub ratio: u64,
    /// Entries of an archive.
    #[cfg_attr(test, schemars(range(min = 1, max = MOST_ENTRIES)))]
    pub entries: usize,
    /// Bytes of a token.
    #[cfg_attr(test, schemars(range(min = 1, max = LARGEST_TOKEN)))]
    pub token: usize,
    /// Components within components.
    #[cfg_attr(test, schemars(range(max = DEEPEST_NESTING)))]
    pub nesting: usize,
    /// Bytes of a manifest.
    #[cfg_attr(test, schemars(range(min = 1, max = LARGEST_MANIFEST)))]
    pub manifest: usize,
}

/// More than this no limit can be: what is held in memory stays small, and the rest is a slip of
/// the pen.
const LARGEST_ARTIFACT: u64 = 1 << 50;
const HIGHEST_RATIO: u64 = 1_000_000;
const MOST_ENTRIES: usize = 1 << 20;
const LARGEST_TOKEN: usize = 16 << 20;
const DEEPEST_NESTING: usize = 10_000;
const LARGEST_MANIFEST: usize = 64 << 20;

impl Limits {
    /// Each limit's key, its value and what it may be.
    pub fn ranges(&self) -> [(&'static str, u64, RangeInclusive<u64>); 7] {
        let memory =
            |key, value: usize, least: u64, most: usize| (key, value as u64, least..=most as u64);
        [
            ("artifact", self.artifact, 1..=LARGEST_ARTIFACT),
            ("expanded", self.expanded, 1..=LARGEST_ARTIFACT),
            ("ratio", self.ratio, 1..=HIGHEST_RATIO),
            memory("entries", self.entries, 1, MOST_ENTRIES),
            memory("token", self.token, 1, LARGEST_TOKEN),
            memory("nesting", self.nesting, 0, DEEPEST_NESTING),
            memory("manifest", self.manifest, 1, LARGEST_MANIFEST),
        ]
    }
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
            manifest: 4 << 20,
        }
    }
}

/// Why an artifact is refused: the first condition of the rule that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind, for programs.
    pub kind: ErrorKind,
    /// What is wrong, as what is said of the artifact: "is not signed". See [`Refusal::of`].
    what: String,
    /// What to do next.
    pub help: Option<&'static str>,
}

impl Refusal {
    /// A refusal of that kind; `what` is said of the artifact: "is not signed".
    pub(crate) fn new(kind: ErrorKind, what: String, help: Option<&'static str>) -> Self {
        Self { kind, what, help }
    }

    /// What happened, with the artifact's name in it.
    pub fn of(&self, name: impl fmt::Display) -> String {
        format!("{name} {}", self.what)
    }

    /// The refusal as an error of a request that would have moved the artifact of that name.
    pub fn error(self, name: impl fmt::Display) -> Error {
        let error = Error::new(self.kind, self.of(name));
        match self.help {
            Some(help) => error.help(help),
            None => error,
        }
    }

    fn malformed(why: &str) -> Self {
        Self::new(
            ErrorKind::MalformedArtifact,
            format!("is malformed: {why}"),
            Some("Build or fetch it again, and sign it anew."),
        )
    }

    fn unsigned(why: &str, help: &'static str) -> Self {
        Self::new(
            ErrorKind::Unsigned,
            format!("is not signed: {why}"),
            Some(help),
        )
    }

    /// `what` is over one of the [`Limits`].
    fn too_large(what: String) -> Self {
        Self::new(
            ErrorKind::TooLarge,
            what,
            Some("The server's owner can raise the limits in the config."),
        )
    }

    fn unknown() -> Self {
        Self::new(
            ErrorKind::UnknownArtifact,
            "is no WebAssembly module, component or provider archive".into(),
            Some("Files of other kinds can be moved with ORAS; they carry no signature to check."),
        )
    }

    fn hash_mismatch(why: &str) -> Self {
        Self::new(
            ErrorKind::HashMismatch,
            format!("is not what was signed: {why}"),
            Some(
                "The artifact was changed after it was signed. Sign it anew, or get it from its signer again.",
            ),
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.of("the artifact"))
    }
}

impl std::error::Error for Refusal {}

/// Why the reading of an artifact ends before its end.
#[derive(Debug)]
enum Stop {
    Refused(Refusal),
    Unreadable(io::Error),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What is wrong with the bytes themselves.
fn malformed(why: &str) -> Stop {
    Refusal::malformed(why).into()
}

/// A feed reports its limit and what is wrong below it through `io::Error`.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Refusal>() {
            Ok(refusal) => Self::Refused(refusal),
            Err(error) => match error.downcast::<Unreadable>() {
                Ok(Unreadable(error)) => Self::from(error),
                Err(error) => Self::Unreadable(error),
            },
        }
    }
}

/// What was found out by reading an artifact.
#[derive(Debug, Clone)]
pub struct Examination {
    /// What it is, where it was recognised.
    pub kind: Option<ArtifactKind>,
    /// SHA-256 of all bytes; absent where there are more than the limit.
    pub digest: Option<Digest>,
    /// The bytes that were read.
    pub size: u64,
    /// When the token is valid, where rows 1 to 5 hold: row 6 comes before 7 and 8.
    pub validity: Option<Validity>,
    /// Whether rows 1 to 5, 7 and 8 of the rule hold.
    pub verdict: Result<Arc<Verified>, Refusal>,
}

/// When a token is valid, in seconds since 1970; RFC 7519, sections 4.1.4 and 4.1.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// `nbf`: not before.
    pub not_before: Option<u64>,
    /// `exp`: not from then on.
    pub expires: Option<u64>,
}

/// An artifact whose signature holds. Only [`examine`] makes one. It is a fact about bytes: dates
/// and trust are for `trust` to judge.
#[derive(Debug)]
pub struct Verified {
    kind: ArtifactKind,
    digest: Digest,
    size: u64,
    claims: Claims,
    gzipped: bool,
    targets: BTreeMap<String, Digest>,
    blocks: Vec<Digest>,
    token_size: usize,
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

    /// SHA-256 of the first MiB, of the first two, and so on: `blocks[i]` is the digest of bytes
    /// `0..min((i + 1) * BLOCK, size)`. Empty where the facts come from a [`Cache`].
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
pub fn examine(reader: impl Read, limits: &Limits) -> io::Result<Examination> {
    thread::scope(|scope| {
        let hasher = Hasher::start(scope, true)?;
        let mut feed = Feed::new(reader, Some(hasher), limits.artifact, "is larger than");
        let mut kind = None;
        let looked = match look(&mut feed, scope, limits, &mut kind) {
            Ok(looked) => Ok(looked),
            Err(Stop::Refused(refusal)) => Err(refusal),
            Err(Stop::Unreadable(error)) => return Err(error),
        };
        // Refused or not, the digest is of everything; unless that is more than may be read.
        let whole = match feed.drain().map_err(Stop::from) {
            Ok(()) => true,
            Err(Stop::Refused(_)) => false,
            Err(Stop::Unreadable(error)) => return Err(error),
        };
        let size = feed.consumed();
        let digests = feed
            .finish()?
            .ok_or_else(|| io::Error::other("the hashing thread is missing"))?;
        let validity = looked.as_ref().ok().map(|looked| {
            let (Looked::Wasm(Token { claims, .. }) | Looked::Archive(Token { claims, .. }, _)) =
                looked;
            Validity {
                not_before: claims.not_before,
                expires: claims.expires,
            }
        });
        let verdict = looked.and_then(|looked| {
            let (mut claims, token_size, targets, gzipped) = match looked {
                Looked::Wasm(token) => {
                    if digests.cut.map(|cut| cut.upper_hex()) != Some(token.hashes) {
                        return Err(Refusal::hash_mismatch("its hash is another one"));
                    }
                    (token.claims, token.size, BTreeMap::new(), false)
                }
                Looked::Archive(token, contents) => {
                    let gzipped = contents.gzipped;
                    let targets = contents.compare(&token.hashes)?;
                    (token.claims, token.size, targets, gzipped)
                }
            };
            claims.targets = targets.keys().cloned().collect();
            Ok(Arc::new(Verified {
                kind: kind.ok_or_else(Refusal::unknown)?,
                digest: digests.whole,
                size,
                claims,
                gzipped,
                targets,
                blocks: digests.blocks,
                token_size,
            }))
        });
        Ok(Examination {
            kind,
            digest: whole.then_some(digests.whole),
            size,
            validity,
            verdict,
        })
    })
}

/// What remains to be compared once all hashes are known.
enum Looked {
    Wasm(Token<String>),
    Archive(Token<BTreeMap<String, String>>, archive::Contents),
}

fn look<'scope, R: Read>(
    feed: &mut Feed<'_, R>,
    scope: &'scope Scope<'scope, '_>,
    limits: &Limits,
    kind: &mut Option<ArtifactKind>,
) -> Result<Looked, Stop> {
    let start = feed.fill_buf()?;
    if start.starts_with(wasm::MAGIC) {
        let recognised = wasm::recognise(start).ok_or_else(Refusal::unknown)?;
        *kind = Some(recognised);
        let token = wasm::find_token(feed, recognised, limits)?;
        return Ok(Looked::Wasm(token::of_wasm(&token)?));
    }
    if !start.starts_with(archive::GZIP) && !tar::is_header(start) {
        return Err(Refusal::unknown().into());
    }
    let contents = archive::read(feed, scope, limits, kind)?;
    let token = token::of_archive(&contents.token)?;
    Ok(Looked::Archive(token, contents))
}

/// Writes one target of a verified archive, which is read again from its start, and fails with
/// `contentModified` unless that hashes to what the claims say. Blocks.
pub fn extract(
    reader: impl Read,
    verified: &Verified,
    target: &str,
    writer: &mut impl Write,
) -> Result<(), Error> {
    archive::extract(reader, verified, target, writer)
}
