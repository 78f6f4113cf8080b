//! What a file is: whole, well formed, hashed, and what it carries to be judged by. Rows 1 to 3 of
//! the signature rule, and what rows 8 to 10 compare.
//!
//! | file | what it is for |
//! |---|---|
//! | [`limits`] | what an artifact may cost |
//! | [`rule`] | the rows of the rule |
//! | [`refusal`] | why one is refused, and why reading it ends early |
//! | [`buffers`], [`hasher`], [`feed`] | bytes, read once and hashed on the side, in constant memory |
//! | [`wasm`], [`imports`] | core modules and components, and what they import |
//! | [`description`] | what they say of themselves, for who asks |
//! | [`archive`], [`tar`], [`gzip`] | provider archives |
//! | [`facts`] | what was found of a file |
//! | [`replace`] | another token in the place of its own |
//! | [`cache`] | files that did not change since they were read |
//!
//! An artifact is judged by its content alone, from anything that is `io::Read`: no async here, no
//! network. Nothing in here may panic, whatever the bytes are. What is found is a fact, and says
//! nothing about trust: an unsigned or malformed file is [`Examined`] too. Whether a signature
//! holds is for [`signature`](crate::signature) to say, what may be done for
//! [`trust`](crate::trust).
//!
//! An [`Examined`] owns the file that was read, so that what is judged later is what moves. Nobody
//! else can make one:
//!
//! ```compile_fail
//! fn vouch_for(unsigned: vouchd::artifact::Examined<()>) -> vouchd::artifact::Examined<()> {
//!     vouchd::artifact::Examined { ..unsigned }
//! }
//! ```
//!
//! The walk is ours because what exists does not hold the rule: `wascap::wasm::extract_claims` and
//! `provider_archive` take a nested token for the artifact's own, and let formats' back doors pass.

mod archive;
mod buffers;
mod cache;
mod description;
mod facts;
mod feed;
mod gzip;
mod hasher;
mod imports;
mod limits;
mod refusal;
mod replace;
mod rule;
mod tar;
mod wasm;

pub use archive::Entries;
pub(crate) use buffers::{Buffers, CHUNK};
pub use cache::Cache;
pub use description::Description;
pub(crate) use facts::{Covered, Found, findings, findings_of};
pub use facts::{Facts, Unfit};
pub use imports::{Import, Imports};
pub use limits::Limits;
pub use refusal::Refusal;
pub(crate) use replace::replaced;
pub(crate) use rule::{Finding, Row};
pub use vouch_protocol::ArtifactKind;

use crate::{
    error::{Error, Result},
    file::{Source, Unnamed},
    name::Digest,
    progress::Progress,
};
use facts::{Token, artifact};
use feed::Feed;
use hasher::Hasher;
use refusal::Stop;
use std::{
    io::{self, BufRead, Read, Write},
    sync::Arc,
};
use vouch_protocol::ErrorKind;

/// The step in which [`Examined::into_parts`] has digests of a source, in bytes. It fits a buffer: an
/// upload holds a block until it was sent.
pub(crate) const BLOCK: usize = CHUNK;

/// A file that was read to its end, or as far as it may be, and what was found. `F` is the file:
/// a [`Source`], an [`Unnamed`], or nothing where the bytes are gone.
#[derive(Debug)]
pub struct Examined<F> {
    file: F,
    found: Found,
    blocks: Vec<Digest>,
}

/// A module or component of which only the heads of its sections and its token were read. Nothing
/// was hashed, so nothing can make an [`Examined`] of it.
#[derive(Debug)]
pub struct Skimmed {
    kind: ArtifactKind,
    found: std::result::Result<Arc<Facts>, Refusal>,
    description: Option<Description>,
}

impl Skimmed {
    /// What it is.
    pub fn kind(&self) -> ArtifactKind {
        self.kind
    }

    /// What it says of itself, where all of its sections were passed.
    pub fn description(&self) -> Option<&Description> {
        self.description.as_ref()
    }

    /// What was found, where it is well formed so far; the digest and the size are its manifest's.
    pub fn facts(&self) -> Option<&Facts> {
        self.found.as_deref().ok()
    }

    /// The same, or why it is refused whatever the rest of it is.
    pub(crate) fn found(&self) -> std::result::Result<Arc<Facts>, Refusal> {
        self.found.clone()
    }
}

impl<F> Examined<F> {
    /// SHA-256 of all bytes; absent where there are more than the limit.
    pub fn digest(&self) -> Option<Digest> {
        match &self.found {
            Ok(facts) => Some(facts.digest),
            Err(unfit) => unfit.digest,
        }
    }

    /// The bytes that were read.
    pub fn size(&self) -> u64 {
        match &self.found {
            Ok(facts) => facts.size,
            Err(unfit) => unfit.size,
        }
    }

    /// What was found, where it is well formed.
    pub fn facts(&self) -> Option<Arc<Facts>> {
        self.found.as_ref().ok().cloned()
    }

    /// The file, what was found, and of a source SHA-256 of its first [`BLOCK`], of the first two, and
    /// so on: the last one is that of the whole.
    pub(crate) fn into_parts(self) -> (F, Found, Vec<Digest>) {
        (self.file, self.found, self.blocks)
    }

    fn of(file: F, (found, blocks): (Found, Vec<Digest>)) -> Self {
        Self {
            file,
            found,
            blocks,
        }
    }
}

/// Reads an open file. It fails only where it cannot be read; what is wrong with it is a fact.
/// Blocks.
pub fn examine(source: Source, limits: &Limits, progress: &Progress) -> Result<Examined<Source>> {
    let found = read(
        progress.watch(source.reader()),
        source.size(),
        true,
        limits,
        None,
    )
    .map_err(|error| Error::from_io(error, source.path(), "read"))?;
    Ok(Examined::of(source, found))
}

/// The same of a stream of that many bytes, which are written into a new file as they are read.
pub fn receive<P>(
    stream: impl Read,
    size: u64,
    mut file: Unnamed<P>,
    limits: &Limits,
) -> io::Result<Examined<Unnamed<P>>> {
    if file.reader().read(&mut [0])? > 0 {
        return Err(Error::new(ErrorKind::Internal, "the file to write is not new").into());
    }
    let stream = Kept {
        stream,
        file: &mut file,
    };
    let found = read(stream, size, false, limits, None)?;
    Ok(Examined::of(file, found))
}

/// The same of a stream with another token in the place of its own. All else stays as it is.
pub fn receive_with<P>(
    stream: impl Read + Send,
    size: u64,
    token: &[u8],
    file: Unnamed<P>,
    limits: &Limits,
) -> io::Result<Examined<Unnamed<P>>> {
    replaced(stream, size, token, limits, |stream| {
        receive(stream, size, file, limits)
    })
}

/// The same of a stream that nothing is kept of.
pub fn inspect(stream: impl Read, size: u64, limits: &Limits) -> io::Result<Examined<()>> {
    let found = read(stream, size, false, limits, None)?;
    Ok(Examined::of((), found))
}

/// The same, and what a module or component says of itself, where all of its sections were passed.
pub fn describe(
    stream: impl Read,
    size: u64,
    limits: &Limits,
) -> io::Result<(Examined<()>, Option<Description>)> {
    let mut description = None;
    let found = read(stream, size, false, limits, Some(&mut description))?;
    Ok((Examined::of((), found), description))
}

/// Reads no more of a module or component than its facts need; `hop` passes over bytes of the
/// reader, which is of that size and is said to have that digest. Answers nothing for what has to
/// be read whole.
pub fn skim<R: Read>(
    reader: R,
    hop: fn(&mut R, u64),
    digest: Digest,
    size: u64,
    limits: &Limits,
) -> io::Result<Option<Skimmed>> {
    let mut feed = Feed::sparse(reader, hop, size);
    let start = match feed.fill_buf().map_err(Stop::from) {
        Ok(start) => start,
        Err(Stop::Unreadable(error)) => return Err(error),
        Err(Stop::Refused(_)) => return Ok(None),
    };
    let Some(kind) = wasm::recognise(start) else {
        return Ok(None);
    };
    let mut description = None;
    let found = match wasm::read(&mut feed, kind, limits, Some(&mut description)) {
        Ok((token, imports)) => Ok(Arc::new(Facts {
            kind,
            digest,
            size,
            imports,
            token: token.map(Token::new),
            covered: Covered::Rest(None),
        })),
        Err(Stop::Refused(refusal)) => Err(refusal),
        Err(Stop::Unreadable(error)) => return Err(error),
    };
    Ok(Some(Skimmed {
        kind,
        found,
        description,
    }))
}

/// Reads a stream, and writes what it reads into a file.
struct Kept<'a, R, P> {
    stream: R,
    file: &'a mut Unnamed<P>,
}

impl<R: Read, P> Read for Kept<'_, R, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        self.file
            .write_all(bytes)
            .map_err(|error| Error::at(self.file.folder(), "write in", error))?;
        Ok(read)
    }
}

/// Reads to the end, once, in constant memory; of more bytes than the limit, not one.
fn read(
    reader: impl Read,
    size: u64,
    blocks: bool,
    limits: &Limits,
    description: Option<&mut Option<Description>>,
) -> io::Result<(Found, Vec<Digest>)> {
    const OVER: &str = "is larger than";
    if size > limits.artifact {
        let unfit = Unfit {
            refusal: Refusal::too_large(format!("{OVER} {} bytes", limits.artifact)),
            artifact: None,
            digest: None,
            size,
        };
        return Ok((Err(Arc::new(unfit)), Vec::new()));
    }
    let hasher = Hasher::new(blocks);
    let mut feed = Feed::new(reader, Some(hasher), Some(size), limits.artifact, OVER);
    let mut kind = None;
    let looked = match look(&mut feed, limits, &mut kind, description) {
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
        .ok_or_else(|| io::Error::other("the hasher is missing"))?;
    let digest = whole.then_some(digests.whole);
    let found = match (looked, kind) {
        (Ok((token, imports, covered)), Some(kind)) => Ok(Arc::new(Facts {
            kind,
            digest: digests.whole,
            size,
            imports,
            token: token.map(Token::new),
            covered: match covered {
                Covered::Rest(_) => Covered::Rest(digests.cut.get(&wasm::TOKEN).copied()),
                entries @ Covered::Entries(_) => entries,
            },
        })),
        (looked, kind) => Err(Arc::new(Unfit {
            refusal: looked.err().unwrap_or_else(Refusal::unknown),
            artifact: kind
                .zip(digest)
                .map(|(kind, digest)| artifact(kind, digest, size)),
            digest,
            size,
        })),
    };
    Ok((found, digests.blocks))
}

/// Finds out what the bytes are, reads all of them, and answers the token and what it covers; of
/// wasm, that is known once everything is hashed.
fn look<R: Read>(
    feed: &mut Feed<R>,
    limits: &Limits,
    kind: &mut Option<ArtifactKind>,
    description: Option<&mut Option<Description>>,
) -> std::result::Result<(Option<Vec<u8>>, Imports, Covered), Stop> {
    let start = feed.fill_buf()?;
    if start.starts_with(wasm::MAGIC) {
        let recognised = wasm::recognise(start).ok_or_else(Refusal::unknown)?;
        *kind = Some(recognised);
        let (token, imports) = wasm::read(feed, recognised, limits, description)?;
        return Ok((token, imports, Covered::Rest(None)));
    }
    if !start.starts_with(gzip::MAGIC) && !tar::is_header(start) {
        return Err(Refusal::unknown().into());
    }
    let (token, entries) = archive::read(feed, limits, kind)?;
    Ok((token, Imports::default(), Covered::Entries(entries)))
}
