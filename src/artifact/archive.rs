//! Provider archives, plain or gzipped (rows 1 to 3, 9 and 10 of the rule).
//!
//! Names, sizes, contents and the number of entries are what a token covers; whatever else tar and
//! gzip can carry is refused, or neither used nor passed on.

use super::{
    Limits,
    feed::Feed,
    gzip::{self, Inflate},
    hasher::Hasher,
    refusal::{Refusal, Stop, malformed},
    rule::Row,
    tar::{self, Entry},
};
use crate::{
    error::{Error, Result as OurResult},
    name::Digest,
};
use std::{
    collections::BTreeMap,
    io::{BufRead, Read, Write},
};
use vouch_protocol::{ArtifactKind, ErrorKind};

/// What an archive holds, beside its token.
#[derive(Debug)]
pub struct Entries {
    pub(super) gzipped: bool,
    /// SHA-256 of each by the name that a token gives it: a target's, or [`WORLD`].
    pub(super) hashes: BTreeMap<String, Digest>,
    /// The size of each, in bytes.
    pub(super) sizes: BTreeMap<String, u64>,
    /// What else is wrong with them: rows 9 and 10 come after the signature's.
    pub(super) fault: Option<Refusal>,
}

impl Entries {
    /// What is wrong with the archive, though its token can be read.
    pub(crate) fn fault(&self) -> Option<&Refusal> {
        self.fault.as_ref()
    }

    /// SHA-256 of each entry but the token: of a target by its name, of `world.wasm` by that.
    pub(crate) fn hashes(&self) -> &BTreeMap<String, Digest> {
        &self.hashes
    }

    /// The targets' names.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &str> {
        let names = self.hashes.keys().map(String::as_str);
        names.filter(|name| *name != WORLD)
    }

    pub(super) fn size(&self, name: &str) -> Option<u64> {
        self.sizes.get(name).copied()
    }

    pub(super) fn target(&self, name: &str) -> Option<Digest> {
        self.hashes.get(name).copied().filter(|_| name != WORLD)
    }
}

/// Reads an archive to its end, and answers its token and what else it holds; `kind` tells that it
/// was recognised.
pub(super) fn read<R: Read>(
    feed: &mut Feed<R>,
    limits: &Limits,
    kind: &mut Option<ArtifactKind>,
) -> Result<(Option<Vec<u8>>, Entries), Stop> {
    let gzipped = feed.fill_buf()?.starts_with(gzip::MAGIC);
    if !gzipped {
        return walk(feed, limits, kind, gzipped);
    }
    let inflate = Inflate::new(feed, limits.ratio);
    let mut inflated = Feed::new(
        inflate,
        None,
        None,
        limits.expanded,
        "inflates to more than",
    );
    let contents = walk(&mut inflated, limits, kind, gzipped)?;
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

fn walk<R: Read>(
    feed: &mut Feed<R>,
    limits: &Limits,
    kind: &mut Option<ArtifactKind>,
    gzipped: bool,
) -> Result<(Option<Vec<u8>>, Entries), Stop> {
    if !tar::is_header(feed.fill_buf()?) {
        return Err(Refusal::unknown().into());
    }
    let mut hasher = Hasher::new(false);
    let mut hashed = Vec::new();
    let mut sizes = BTreeMap::new();
    let (mut token, mut tokens) = (None, 0);
    let mut entries = 0;
    let (mut fault, mut hides) = (None, false);
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
                    fault.get_or_insert_with(|| {
                        Refusal::malformed(Row::Entries, "two entries have one name")
                    });
                }
                sizes.insert(name.clone(), entry.size);
                hashed.push(name);
            }
            Err(why) => {
                // A fault in a header counts before a name that is only unknown.
                if entry.fault.is_some() && !hides {
                    (fault, hides) = (Some(why), true);
                } else {
                    fault.get_or_insert(why);
                }
                feed.skip(entry.size)?;
            }
        }
        tar::padding(feed, entry.size)?;
    }
    if kind.is_none() {
        return Err(Refusal::unknown().into());
    }
    if tokens > 1 {
        let what = format!("carries {tokens} entries named `claims.jwt`");
        let help = "Pack the archive again, with one `claims.jwt`: `tar` unpacks it, `vouch par create` packs and signs.";
        return Err(Refusal::new(Row::Token, ErrorKind::AmbiguousToken, what, Some(help)).into());
    }
    // A header that is not used as it stands may be the token's own, or name the token for other
    // readers: nobody can say that there is none.
    if token.is_none()
        && let (true, Some(fault)) = (hides, &fault)
    {
        return Err(fault.clone().at(Row::Token).into());
    }
    if !hashed.iter().any(|name| name != WORLD) {
        fault.get_or_insert_with(|| Refusal::malformed(Row::Entries, "it has no target"));
    }
    let hashes = hashed.into_iter().zip(hasher.finish()?.finished).collect();
    let entries = Entries {
        gzipped,
        hashes,
        sizes,
        fault,
    };
    Ok((token, entries))
}

/// The WIT world; the token lists it under its full name.
const WORLD: &str = "world.wasm";

pub(super) enum Role {
    Token,
    /// Hashed under this name: a target's, or [`WORLD`].
    Hashed(String),
}

impl Role {
    pub(super) fn of(entry: &Entry) -> Result<Self, Refusal> {
        let wrong = |row, what: &str| {
            let name: String = String::from_utf8_lossy(&entry.name)
                .chars()
                .take(100)
                .collect();
            Refusal::malformed(row, &format!("its entry {name:?} {what}"))
        };
        if let Some((row, fault)) = entry.fault {
            return Err(wrong(row, fault));
        }
        match entry.name.as_slice() {
            b"claims.jwt" => Ok(Self::Token),
            b"world.wasm" => Ok(Self::Hashed(WORLD.into())),
            name => name
                .strip_suffix(b".bin")
                .and_then(|target| std::str::from_utf8(target).ok())
                .filter(|target| is_target(target))
                .map(|target| Self::Hashed(target.into()))
                .ok_or_else(|| {
                    wrong(
                        Row::Entries,
                        "is neither claims.jwt, world.wasm nor <target>.bin",
                    )
                }),
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

/// Writes one target of an archive of that size, which is read again from its start, and fails
/// with `contentModified` unless it hashes to what it was found to be.
pub(super) fn extract(
    reader: impl Read,
    size: u64,
    entries: &Entries,
    target: &str,
    expected: Digest,
    writer: &mut impl Write,
) -> OurResult<()> {
    let mut feed = Feed::new(reader, None, Some(size), size, "is larger than");
    let written = if entries.gzipped {
        let inflate = Inflate::new(&mut feed, u64::MAX);
        let mut inflated = Feed::new(inflate, None, None, u64::MAX, "is larger than");
        write_target(&mut inflated, target, writer)
    } else {
        write_target(&mut feed, target, writer)
    };
    match written {
        Ok(Some(digest)) if digest == expected => Ok(()),
        Err(Stop::Unreadable(error)) => {
            Err(Error::from_io(error, "target".as_ref(), "extract the"))
        }
        // It was examined: what does not parse now was changed since.
        Ok(_) | Err(Stop::Refused(_)) => Err(Error::new(
            ErrorKind::ContentModified,
            "the archive changed while its target was extracted",
        )),
    }
}

fn write_target<R: Read>(
    feed: &mut Feed<R>,
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
