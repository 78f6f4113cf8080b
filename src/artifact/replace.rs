//! Another token in the place of an artifact's own, as its bytes are read: of a module or component
//! the last section, of an archive the first entry. All else stays as it is, byte for byte; what is
//! gzipped is inflated and deflated again.
//!
//! Whether the bytes are an artifact, and what their token covers, is for whoever reads the result
//! to say: here only one token is left out, where it stands.

use super::{
    Limits,
    archive::Role,
    feed::Feed,
    gzip::{self, Inflate},
    refusal::Refusal,
    rule::Row,
    tar, wasm,
};
use flate2::{Compression, GzBuilder};
use std::{
    io::{self, BufRead, Cursor, Read},
    sync::mpsc::{Receiver, sync_channel},
    thread::{self, Builder},
};

/// Hands the bytes of a stream of that size, with another token, to whoever reads them.
pub(crate) fn replaced<R: Read + Send, T>(
    stream: R,
    size: u64,
    token: &[u8],
    limits: &Limits,
    read: impl FnOnce(&mut dyn Read) -> io::Result<T>,
) -> io::Result<T> {
    let mut feed = Feed::new(stream, None, Some(size), limits.artifact, "is larger than");
    let start = feed.fill_buf()?;
    if start.starts_with(wasm::MAGIC) {
        let section = Cursor::new(wasm::token_section(token));
        return read(&mut Rest::of(feed, Format::Wasm).chain(section));
    }
    let entry = Cursor::new(tar::file("claims.jwt", token));
    if !start.starts_with(gzip::MAGIC) {
        return read(&mut entry.chain(Rest::of(feed, Format::Tar)));
    }
    let level = level(start);
    let inflate = Inflate::new(&mut feed, limits.ratio);
    let over = "inflates to more than";
    let inflated = Feed::new(inflate, None, None, limits.expanded, over);
    let archive = entry.chain(Rest::of(inflated, Format::Tar));
    let done = aside(GzBuilder::new().read(archive, level), read)?;
    if !feed.at_end()? {
        let why = "bytes follow its gzip member";
        return Err(io::Error::other(Refusal::malformed(Row::Form, why)));
    }
    Ok(done)
}

/// Reads a stream on a thread of its own, so that deflating and inflating again take their time
/// together.
fn aside<T>(
    mut stream: impl Read + Send,
    read: impl FnOnce(&mut dyn Read) -> io::Result<T>,
) -> io::Result<T> {
    let (sender, pieces) = sync_channel(PIECES);
    let pieces = Pieces {
        pieces,
        piece: Cursor::default(),
    };
    thread::scope(|scope| {
        let work = move || {
            loop {
                let mut piece = Vec::with_capacity(PIECE);
                let read = stream.by_ref().take(PIECE as u64).read_to_end(&mut piece);
                let ended = !matches!(read, Ok(1..));
                // Whoever has failed takes no more.
                if sender.send(read.map(|_| piece)).is_err() || ended {
                    return;
                }
            }
        };
        let thread = Builder::new().name("vouchd-deflate".into());
        thread.spawn_scoped(scope, work)?;
        // Gone when it ends: the thread does not wait to be heard then.
        let mut pieces = pieces;
        read(&mut pieces)
    })
}

/// Bytes that are deflated at once, and how many such pieces wait.
const PIECE: usize = 64 << 10;
const PIECES: usize = 2;

/// What a thread sends: nothing more once a piece is empty.
struct Pieces {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: Cursor<Vec<u8>>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.piece.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        match self.pieces.recv() {
            Ok(piece) => self.piece = Cursor::new(piece?),
            // It has ended, or failed and said so.
            Err(_) => return Ok(0),
        }
        self.piece.read(buffer)
    }
}

/// How hard a gzip member was deflated, as far as its header tells: RFC 1952, section 2.3.1, XFL.
fn level(start: &[u8]) -> Compression {
    match start.get(8) {
        Some(2) => Compression::best(),
        Some(4) => Compression::fast(),
        _ => Compression::default(),
    }
}

#[derive(Clone, Copy)]
enum Format {
    Wasm,
    Tar,
}

/// An artifact without its first token at the outermost level. What it cannot make out passes.
struct Rest<R> {
    feed: Feed<R>,
    format: Format,
    /// What was read of a section or entry to tell what it is, and how much of that has passed.
    head: Vec<u8>,
    passed: usize,
    /// Bytes that pass before the next is looked at.
    passing: u64,
    /// The token was there, and what follows passes whatever it is.
    found: bool,
}

impl<R: Read> Rest<R> {
    fn of(feed: Feed<R>, format: Format) -> Self {
        Self {
            feed,
            format,
            head: Vec::new(),
            passed: 0,
            passing: match format {
                Format::Wasm => wasm::HEADER,
                Format::Tar => 0,
            },
            found: false,
        }
    }

    /// Looks at the next section or entry.
    fn look(&mut self) -> io::Result<()> {
        self.head.clear();
        self.passed = 0;
        let (is_token, length) = match self.format {
            Format::Wasm => self.section()?,
            Format::Tar => self.entry()?,
        };
        self.passing = length;
        if is_token {
            self.head.clear();
            self.found = true;
            io::copy(&mut self.feed.by_ref().take(length), &mut io::sink())?;
            self.passing = u64::MAX;
        }
        Ok(())
    }

    /// Whether a section is the token's, and how many bytes of it are not in the head.
    fn section(&mut self) -> io::Result<(bool, u64)> {
        const UNKNOWN: (bool, u64) = (false, u64::MAX);
        if !self.take(1)? {
            return Ok(UNKNOWN);
        }
        let is_custom = self.head == [wasm::CUSTOM];
        let Some(size) = self.number()? else {
            return Ok(UNKNOWN);
        };
        let start = self.head.len();
        let mut is_token = false;
        if is_custom && size > 0 {
            let Some(length) = self.number()? else {
                return Ok(UNKNOWN);
            };
            let named = self.head.len();
            let lengths = wasm::TOKEN_SECTIONS.map(|name| name.len() as u64);
            if lengths.contains(&length) && self.take(length)? {
                let name = self.head.get(named..).unwrap_or_default();
                is_token = wasm::TOKEN_SECTIONS.contains(&name);
            }
        }
        let in_head = (self.head.len() - start) as u64;
        // What is longer than its section is malformed.
        Ok(match size.checked_sub(in_head) {
            Some(left) => (is_token, left),
            None => UNKNOWN,
        })
    }

    /// The same of an entry, with the zeros up to the next.
    fn entry(&mut self) -> io::Result<(bool, u64)> {
        self.take(tar::BLOCK as u64)?;
        let Some(Ok(entry)) = self.head.first_chunk().map(tar::entry) else {
            return Ok((false, u64::MAX));
        };
        let is_token = matches!(Role::of(&entry), Ok(Role::Token));
        Ok((is_token, entry.size.next_multiple_of(tar::BLOCK as u64)))
    }

    /// Reads so many bytes more into the head; answers whether they are there.
    fn take(&mut self, length: u64) -> io::Result<bool> {
        let read = self
            .feed
            .by_ref()
            .take(length)
            .read_to_end(&mut self.head)?;
        Ok(read as u64 == length)
    }

    /// Reads a number of up to five bytes into the head.
    fn number(&mut self) -> io::Result<Option<u64>> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            if !self.take(1)? {
                return Ok(None);
            }
            let byte = self.head.last().copied().unwrap_or_default();
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

impl<R: Read> Read for Rest<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut head = self.head.get(self.passed..).unwrap_or_default();
            if !head.is_empty() {
                let read = head.read(buffer)?;
                self.passed += read;
                return Ok(read);
            }
            if self.passing > 0 {
                let read = self.feed.by_ref().take(self.passing).read(buffer)?;
                self.passing -= read as u64;
                return Ok(read);
            }
            if self.feed.at_end()? {
                return Ok(0);
            }
            self.look()?;
        }
    }
}
