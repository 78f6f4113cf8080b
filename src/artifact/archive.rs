//! Provider archives, plain or gzipped (rows 2, 3 and 8 of the rule).
//!
//! Names, sizes, contents and the number of entries are what the token says; whatever else tar and
//! gzip can carry is refused, or neither used nor passed on.

use super::{
    Limits, Refusal, Stop, Verified,
    feed::{Feed, is_verdict},
    hasher::{Digests, Hasher},
    malformed,
    tar::{self, Entry},
};
use crate::{
    error::{Error, Result as OurResult},
    name::Digest,
};
use flate2::bufread::GzDecoder;
use std::{
    collections::BTreeMap,
    io::{self, BufRead, Read, Write},
    thread::Scope,
};
use vouch_protocol::{ArtifactKind, ErrorKind};

/// RFC 1952, section 2.3.1: what a gzip member starts with.
pub(super) const GZIP: &[u8] = &[0x1f, 0x8b];
/// Below this an archive may be of any ratio: zeros compress a thousandfold.
const RATIO_FROM: u64 = 64 << 20;
/// File name and comment of a gzip header: room for what `gzip` writes.
const GZIP_HEADER: usize = 1024;

/// What an archive holds: enough to compare it with a token.
pub(super) struct Contents {
    pub(super) token: Vec<u8>,
    pub(super) gzipped: bool,
    /// Hash of each entry by the name that the token gives it.
    entries: BTreeMap<String, Digest>,
    fault: Option<Refusal>,
}

/// Reads an archive to its end and returns what it holds; `kind` tells that it was recognised.
pub(super) fn read<'scope, R: Read>(
    feed: &mut Feed<'_, R>,
    scope: &'scope Scope<'scope, '_>,
    limits: &Limits,
    kind: &mut Option<ArtifactKind>,
) -> Result<Contents, Stop> {
    let gzipped = feed.fill_buf()?.starts_with(GZIP);
    if !gzipped {
        return walk(feed, scope, limits, kind, gzipped);
    }
    let inflate = Inflate::new(feed, limits.ratio);
    let mut inflated = Feed::new(inflate, None, limits.expanded, "inflates to more than");
    let contents = walk(&mut inflated, scope, limits, kind, gzipped)?;
    let expanded = inflated.consumed();
    if !feed.at_end()? {
        return Err(malformed("bytes follow its gzip member"));
    }
    // Stored blocks without content inflate to nothing: they could carry anything.
    if feed.consumed() > expanded + expanded / 16 + (64 << 10) {
        return Err(malformed("its gzip member holds more than its content"));
    }
    Ok(contents)
}

fn walk<'scope, R: Read>(
    feed: &mut Feed<'_, R>,
    scope: &'scope Scope<'scope, '_>,
    limits: &Limits,
    kind: &mut Option<ArtifactKind>,
    gzipped: bool,
) -> Result<Contents, Stop> {
    if !tar::is_header(feed.fill_buf()?) {
        return Err(Refusal::unknown().into());
    }
    let hasher = Hasher::start(scope, false)?;
    let mut hashed = Vec::new();
    let (mut token, mut tokens) = (None, 0);
    let mut entries = 0;
    let mut fault = None;
    while let Some(entry) = tar::next(feed)? {
        entries += 1;
        if entries > limits.entries {
            let what = format!("has more than {} entries", limits.entries);
            return Err(Refusal::too_large(what).into());
        }
        let role = Role::of(&entry);
        if role.is_ok() || looks_like_ours(&entry.name) {
            *kind = Some(ArtifactKind::Provider);
        }
        match role {
            Ok(Role::Token) => {
                if entry.size > limits.token as u64 {
                    let what = format!("has a token larger than {} bytes", limits.token);
                    return Err(Refusal::too_large(what).into());
                }
                tokens += 1;
                // Of several tokens none counts: only one is worth its memory.
                if token.is_none() {
                    let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
                    token = Some(feed.bytes(size)?);
                } else {
                    feed.skip(entry.size)?;
                }
            }
            Ok(Role::Hashed(name)) => {
                feed.pieces(entry.size, |piece| Ok(hasher.update(piece)?))?;
                hasher.finish_one()?;
                if hashed.contains(&name) {
                    fault.get_or_insert_with(|| Refusal::malformed("two entries have one name"));
                }
                hashed.push(name);
            }
            Err(why) => {
                fault.get_or_insert(why);
                feed.skip(entry.size)?;
            }
        }
        tar::padding(feed, entry.size)?;
    }
    if kind.is_none() {
        return Err(Refusal::unknown().into());
    }
    let Digests { finished, .. } = hasher.finish()?;
    let token = match token {
        Some(token) if tokens == 1 => token,
        None => {
            let why = "it carries no token: no entry named `claims.jwt`";
            let help = "Pack and sign it (`wash par create`), then try again.";
            return Err(Refusal::unsigned(why, help).into());
        }
        Some(_) => {
            return Err(Refusal::new(
                ErrorKind::AmbiguousToken,
                format!("carries {tokens} entries named `claims.jwt`"),
                Some("Pack the archive anew, with one `claims.jwt`."),
            )
            .into());
        }
    };
    if !hashed.iter().any(|name| name != WORLD) {
        fault.get_or_insert_with(|| Refusal::malformed("it has no target"));
    }
    Ok(Contents {
        token,
        gzipped,
        entries: hashed.into_iter().zip(finished).collect(),
        fault,
    })
}

/// The WIT world; the token lists it under its full name.
const WORLD: &str = "world.wasm";

enum Role {
    Token,
    /// Hashed under this name: a target's, or [`WORLD`].
    Hashed(String),
}

impl Role {
    fn of(entry: &Entry) -> Result<Self, Refusal> {
        let wrong = |what: &str| {
            let name: String = String::from_utf8_lossy(&entry.name)
                .chars()
                .take(100)
                .collect();
            Refusal::malformed(&format!("its entry {name:?} {what}"))
        };
        if let Some(fault) = entry.fault {
            return Err(wrong(fault));
        }
        match entry.name.as_slice() {
            b"claims.jwt" => Ok(Self::Token),
            b"world.wasm" => Ok(Self::Hashed(WORLD.into())),
            name => name
                .strip_suffix(b".bin")
                .and_then(|target| std::str::from_utf8(target).ok())
                .filter(|target| is_target(target))
                .map(|target| Self::Hashed(target.into()))
                .ok_or_else(|| wrong("is neither claims.jwt, world.wasm nor <target>.bin")),
        }
    }
}

/// wasmCloud's own reader takes any `claims.*` for the token and any `world.*` for the world, so a
/// target of that name would be two things at once; so would `world.wasm`.
fn is_target(target: &str) -> bool {
    !matches!(target, "" | "claims" | "world" | WORLD)
        && !target.starts_with('.')
        && target
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// Whether an entry belongs in a provider archive, though it may be named or packed wrongly.
fn looks_like_ours(name: &[u8]) -> bool {
    let last = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
    last == b"claims.jwt" || last == b"world.wasm" || last.ends_with(b".bin")
}

impl Contents {
    /// Compares what is there with what the token says: row 8. Answers the targets.
    pub(super) fn compare(
        self,
        signed: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, Digest>, Refusal> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        for (name, digest) in &self.entries {
            match signed.get(name) {
                Some(hash) if *hash == digest.upper_hex() => {}
                Some(_) => {
                    return Err(Refusal::hash_mismatch(&format!(
                        "its entry {name:?} is not what was signed"
                    )));
                }
                None => {
                    return Err(Refusal::hash_mismatch(&format!(
                        "its entry {name:?} was not signed"
                    )));
                }
            }
        }
        if signed.len() != self.entries.len() {
            return Err(Refusal::hash_mismatch(
                "an entry that was signed is missing",
            ));
        }
        let mut targets = self.entries;
        targets.remove(WORLD);
        Ok(targets)
    }
}

/// Inflates one gzip member, and refuses what grows out of proportion.
struct Inflate<'a, R: BufRead> {
    decoder: GzDecoder<Counted<'a, R>>,
    ratio: u64,
    expanded: u64,
    header_checked: bool,
}

struct Counted<'a, R> {
    reader: &'a mut R,
    consumed: u64,
}

impl<R: BufRead> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.consumed += read as u64;
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.consumed += amount as u64;
        self.reader.consume(amount);
    }
}

impl<'a, R: BufRead> Inflate<'a, R> {
    fn new(reader: &'a mut R, ratio: u64) -> Self {
        Self {
            decoder: GzDecoder::new(Counted {
                reader,
                consumed: 0,
            }),
            ratio,
            expanded: 0,
            header_checked: false,
        }
    }
}

impl<R: BufRead> Read for Inflate<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let refuse = |refusal| Err(io::Error::other(refusal));
        let read = match self.decoder.read(buffer) {
            Ok(read) => read,
            // The reader's own failures, and its limit, are no fault of the member.
            Err(error) if is_verdict(&error) => return Err(error),
            Err(_) => return refuse(Refusal::malformed("its gzip member is broken")),
        };
        if !self.header_checked
            && let Some(header) = self.decoder.header()
        {
            self.header_checked = true;
            let length = |field: Option<&[u8]>| field.map_or(0, <[u8]>::len);
            if header.extra().is_some()
                || length(header.filename()) + length(header.comment()) > GZIP_HEADER
            {
                return refuse(Refusal::malformed("its gzip header carries extensions"));
            }
        }
        self.expanded += read as u64;
        let consumed = self.decoder.get_ref().consumed;
        if self.expanded > RATIO_FROM && self.expanded / self.ratio.max(1) > consumed {
            let what = format!("inflates to more than {} times its size", self.ratio);
            return refuse(Refusal::too_large(what));
        }
        Ok(read)
    }
}

/// See `artifact::extract`.
pub(super) fn extract(
    reader: impl Read,
    verified: &Verified,
    target: &str,
    writer: &mut impl Write,
) -> OurResult<()> {
    let Some(expected) = verified.targets.get(target) else {
        let there: Vec<&str> = verified.targets.keys().map(String::as_str).collect();
        return Err(Error::new(
            ErrorKind::TargetNotFound,
            format!("the archive has no target {target:?}"),
        )
        .help(format!("It has: {}.", there.join(", "))));
    };
    let mut feed = Feed::new(reader, None, verified.size, "is larger than");
    let written = if verified.gzipped {
        let inflate = Inflate::new(&mut feed, u64::MAX);
        write_target(
            &mut Feed::new(inflate, None, u64::MAX, "is larger than"),
            target,
            writer,
        )
    } else {
        write_target(&mut feed, target, writer)
    };
    match written {
        Ok(Some(digest)) if digest == *expected => Ok(()),
        Err(Stop::Unreadable(error)) => {
            Err(Error::from_io(error, "target".as_ref(), "extract the"))
        }
        // It was verified: what does not parse now was changed since.
        Ok(_) | Err(Stop::Refused(_)) => Err(Error::new(
            ErrorKind::ContentModified,
            "the archive changed while its target was extracted",
        )),
    }
}

fn write_target<R: Read>(
    feed: &mut Feed<'_, R>,
    target: &str,
    writer: &mut impl Write,
) -> Result<Option<Digest>, Stop> {
    while let Some(entry) = tar::next(feed)? {
        if matches!(Role::of(&entry), Ok(Role::Hashed(name)) if name == target) {
            let mut context = ring::digest::Context::new(&ring::digest::SHA256);
            feed.pieces(entry.size, |(chunk, range)| {
                context.update(&chunk[range.clone()]);
                writer.write_all(&chunk[range]).map_err(Stop::Unreadable)
            })?;
            return Ok(Some(Digest::finish(&context.finish())));
        }
        feed.skip(entry.size)?;
        tar::padding(feed, entry.size)?;
    }
    Ok(None)
}
