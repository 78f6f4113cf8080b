//! What a token for a file has to cover, read from the file itself: a service could have read another.
//!
//! It does not judge the file; the service does, and refuses whatever fails here too. Formats:
//! WebAssembly core specification, section 5.5.2; provider archives as [`entries`] says.

use super::{
    error::{Result, SigningError, SigningErrorKind},
    token::{Hashes, MOST_ENTRIES},
};
use data_encoding::HEXUPPER;
use flate2::bufread::GzDecoder;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::{self, BufRead, BufReader, Read},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};
use tar::Archive;
use tokio::task::spawn_blocking;

/// How much is read at a time, in bytes.
const CHUNK: usize = 128 << 10;
/// The largest file, and the most that an archive holds: what a service takes of a gzipped one, unless
/// its owner says otherwise.
const LARGEST: u64 = 16 << 30;

/// The sections of a module or component that hold its token; wascap before 0.9 wrote `jwt`.
const TOKEN_SECTIONS: [&[u8]; 2] = [b"wasmcloud_jwt", b"jwt"];
const CUSTOM: u8 = 0;
const WASM: &[u8] = b"\0asm";
/// RFC 1952, section 2.3.1.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// What a token for a file has to cover: the hash of a module or component without its token, or those
/// of an archive's entries. Only reading a file makes one, and without one nothing is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered(Hashes);

impl Covered {
    /// Reads a module, component or provider archive once, on a thread for what blocks, in little
    /// memory. It takes about as long as the service does for `sign/prepare`: let both go on at a time.
    /// The thread stops when what this answers is dropped.
    pub async fn read(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let failed = {
            let shown = path.display().to_string();
            move |why: io::Error| {
                let message = format!("cannot hash {shown}: {why}");
                SigningError::new(SigningErrorKind::File, message)
            }
        };
        let waiting = Arc::new(());
        let waits = Arc::downgrade(&waiting);
        let read = spawn_blocking(move || Self::of_file(&path, waits)).await;
        drop(waiting);
        let read = read.unwrap_or_else(|ended| Err(io::Error::other(ended)));
        read.map_err(failed)
    }

    fn of_file(path: &Path, waits: Weak<()>) -> io::Result<Self> {
        // A pipe would keep who opens it waiting.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(odd("it is not a regular file"));
        }
        if about.len() > LARGEST {
            return Err(too_large());
        }
        let file = file.take(about.len());
        Self::of(BufReader::with_capacity(CHUNK, Watched { file, waits }))
    }

    pub(super) fn of(mut file: impl BufRead) -> io::Result<Self> {
        let start = file.fill_buf()?;
        if start.starts_with(WASM) {
            rest(file).map(Hashes::Rest).map(Self)
        } else if start.starts_with(GZIP) {
            entries(GzDecoder::new(file)).map(Hashes::Entries).map(Self)
        } else {
            entries(file).map(Hashes::Entries).map(Self)
        }
    }

    pub(super) fn hashes(&self) -> &Hashes {
        &self.0
    }
}

/// A file that is read as long as somebody waits for it.
struct Watched<R> {
    file: R,
    waits: Weak<()>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.waits.strong_count() == 0 {
            return Err(odd("nobody waits for it"));
        }
        self.file.read(into)
    }
}

/// The hash of a module or component without the section of its token.
fn rest(mut file: impl BufRead) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    let mut has_token = false;
    pass(&mut file, 8, &mut buffer, |bytes| hasher.update(bytes))?;
    while !file.fill_buf()?.is_empty() {
        // What stands before a section's content counts only where that is not the token.
        let mut start = Vec::new();
        let id = byte(&mut file, &mut start)?;
        let mut left = number(&mut file, &mut start)?;
        let mut is_token = false;
        if id == CUSTOM {
            let too_long = || odd("a custom section's name is larger than the section");
            let before = start.len();
            let length = number(&mut file, &mut start)?;
            left = left
                .checked_sub((start.len() - before) as u64)
                .ok_or_else(too_long)?;
            if length > left {
                return Err(too_long());
            }
            if TOKEN_SECTIONS.iter().any(|it| it.len() as u64 == length) {
                let name = start.len();
                file.by_ref().take(length).read_to_end(&mut start)?;
                left -= (start.len() - name) as u64;
                is_token = TOKEN_SECTIONS.contains(&&start[name..]);
            }
        }
        if is_token && has_token {
            return Err(odd("it carries two tokens"));
        }
        has_token |= is_token;
        if is_token {
            pass(&mut file, left, &mut buffer, |_| ())?;
        } else {
            hasher.update(&start);
            pass(&mut file, left, &mut buffer, |bytes| hasher.update(bytes))?;
        }
    }
    Ok(HEXUPPER.encode(&hasher.finalize()))
}

/// The hashes of an archive's entries, but for its token: of `<target>.bin` by its target, of
/// `world.wasm` by that.
fn entries(archive: impl Read) -> io::Result<BTreeMap<String, String>> {
    let mut hashes = BTreeMap::new();
    let mut buffer = vec![0; CHUNK];
    let (mut has_token, mut held) = (false, 0_u64);
    let mut archive = Archive::new(archive);
    // Raw: what extension headers say would be kept whole in memory. They are refused.
    for (number, entry) in archive.entries()?.raw(true).enumerate() {
        let mut entry = entry?;
        let size = entry.size();
        held = held.saturating_add(size);
        if held > LARGEST {
            return Err(too_large());
        }
        if number >= MOST_ENTRIES {
            return Err(odd(&format!("it has more than {MOST_ENTRIES} entries")));
        }
        let name = String::from_utf8_lossy(&entry.header().path_bytes()).into_owned();
        let twice = || odd(&format!("it has two entries {name:?}"));
        if !entry.header().entry_type().is_file() {
            return Err(odd(&format!("its entry {name:?} is not a plain file")));
        }
        if name == "claims.jwt" {
            if has_token {
                return Err(twice());
            }
            has_token = true;
            continue;
        }
        let Some(covered) = covered(&name) else {
            return Err(odd(&format!(
                "its entry {name:?} is neither claims.jwt, world.wasm nor <target>.bin"
            )));
        };
        let mut hasher = Sha256::new();
        pass(&mut entry, size, &mut buffer, |bytes| hasher.update(bytes))?;
        let hash = HEXUPPER.encode(&hasher.finalize());
        if hashes.insert(covered.to_owned(), hash).is_some() {
            return Err(twice());
        }
    }
    if hashes.is_empty() {
        return Err(odd("it has no entries"));
    }
    Ok(hashes)
}

/// The name under which a token covers an entry. No target may have the world's.
fn covered(name: &str) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let target = |name: &&str| {
        !matches!(*name, "" | "claims" | "world" | "world.wasm")
            && !name.starts_with('.')
            && name.bytes().all(is_plain)
    };
    match name {
        "world.wasm" => Some(name),
        _ => name.strip_suffix(".bin").filter(target),
    }
}

/// Passes so many bytes on.
fn pass(
    from: &mut impl Read,
    mut left: u64,
    buffer: &mut [u8],
    mut to: impl FnMut(&[u8]),
) -> io::Result<()> {
    while left > 0 {
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = from.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(odd("it is cut off"));
        }
        to(&buffer[..read]);
        left -= read as u64;
    }
    Ok(())
}

fn byte(from: &mut impl Read, seen: &mut Vec<u8>) -> io::Result<u8> {
    let mut byte = [0];
    pass(from, 1, &mut byte, |byte| seen.extend_from_slice(byte))?;
    Ok(byte[0])
}

/// An unsigned LEB128 of 32 bits.
fn number(from: &mut impl Read, seen: &mut Vec<u8>) -> io::Result<u64> {
    let mut value = 0;
    for shift in [0, 7, 14, 21, 28] {
        let byte = byte(from, seen)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 && u32::try_from(value).is_ok() {
            return Ok(value);
        }
    }
    Err(odd("a number is longer than 32 bits"))
}

fn odd(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn too_large() -> io::Error {
    odd(&format!("it has more than {} GiB", LARGEST >> 30))
}

#[cfg(test)]
mod tests;
