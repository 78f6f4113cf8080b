//! Reads once and hashes on the side: bytes are read in chunks, looked at here, and hashed by
//! threads that share the chunks. Memory is the pool's chunks, whatever the size of the artifact.

use super::{
    Refusal, Stop,
    hasher::{Digests, Hasher},
    malformed,
};
use std::{
    fmt,
    io::{self, BufRead, Read},
    ops::{Deref, Range},
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
};

/// Large enough that handing a chunk over costs nothing beside hashing it; small in tests, so that
/// whatever can straddle two chunks does. A tar block has to fit.
pub(super) const CHUNK: usize = if cfg!(test) { 1 << 10 } else { 1 << 20 };
/// So many chunks of one feed are under way at once.
const CHUNKS: usize = 4;

/// A chunk's buffer; when its last user drops it, it goes back to the pool.
pub(super) struct Chunk {
    bytes: Box<[u8]>,
    filled: usize,
    home: Sender<Box<[u8]>>,
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // The pool may be gone: then the buffer is freed.
        let _ = self.home.send(std::mem::take(&mut self.bytes));
    }
}

struct Pool {
    made: usize,
    returned: Receiver<Box<[u8]>>,
    home: Sender<Box<[u8]>>,
}

impl Pool {
    fn new() -> Self {
        let (home, returned) = channel();
        Self {
            made: 0,
            returned,
            home,
        }
    }

    fn take(&mut self) -> io::Result<Box<[u8]>> {
        if let Ok(bytes) = self.returned.try_recv() {
            return Ok(bytes);
        }
        if self.made < CHUNKS {
            self.made += 1;
            return Ok(vec![0; CHUNK].into_boxed_slice());
        }
        // Every chunk that is under way comes back: a hasher drops it even where it panics.
        self.returned
            .recv()
            .map_err(|_| io::Error::other("the chunks are lost"))
    }
}

/// A failure of the reader itself, kept apart from what is wrong with the bytes.
#[derive(Debug)]
pub(super) struct Unreadable(pub(super) io::Error);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unreadable {}

/// Bytes that are read once, and hashed as they are consumed where a hasher is given.
pub(super) struct Feed<'scope, R> {
    reader: R,
    hasher: Option<Hasher<'scope>>,
    pool: Pool,
    chunk: Option<Arc<Chunk>>,
    position: usize,
    hashed: usize,
    read: u64,
    limit: u64,
    over: &'static str,
    ended: bool,
}

impl<'scope, R: Read> Feed<'scope, R> {
    /// Reads at most `limit` bytes; one more is a refusal that says `over` so many bytes.
    pub(super) fn new(
        reader: R,
        hasher: Option<Hasher<'scope>>,
        limit: u64,
        over: &'static str,
    ) -> Self {
        Self {
            reader,
            hasher,
            pool: Pool::new(),
            chunk: None,
            position: 0,
            hashed: 0,
            read: 0,
            limit,
            over,
            ended: false,
        }
    }

    /// How many bytes were consumed.
    pub(super) fn consumed(&self) -> u64 {
        let ahead = self.chunk.as_ref().map_or(0, |chunk| chunk.len()) - self.position;
        self.read - ahead as u64
    }

    pub(super) fn at_end(&mut self) -> io::Result<bool> {
        Ok(self.fill_buf()?.is_empty())
    }

    pub(super) fn byte(&mut self) -> Result<u8, Stop> {
        match self.fill_buf()?.first() {
            Some(&byte) => {
                self.consume(1);
                Ok(byte)
            }
            None => Err(ended_early()),
        }
    }

    /// Takes up to `most` bytes as a part of a chunk, without copying; `None` at the end.
    pub(super) fn piece(&mut self, most: u64) -> io::Result<Option<(Arc<Chunk>, Range<usize>)>> {
        let ahead = self.fill_buf()?.len();
        let Some(chunk) = self.chunk.clone().filter(|_| ahead > 0) else {
            return Ok(None);
        };
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(ahead);
        let start = self.position;
        self.consume(length);
        Ok(Some((chunk, start..start + length)))
    }

    /// Takes exactly `length` bytes, a part at a time.
    pub(super) fn pieces(
        &mut self,
        length: u64,
        mut each: impl FnMut((Arc<Chunk>, Range<usize>)) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut left = length;
        while left > 0 {
            let (chunk, range) = self.piece(left)?.ok_or_else(ended_early)?;
            left -= range.len() as u64;
            each((chunk, range))?;
        }
        Ok(())
    }

    pub(super) fn skip(&mut self, length: u64) -> Result<(), Stop> {
        let mut left = length;
        while left > 0 {
            let ahead = self.fill_buf()?.len();
            if ahead == 0 {
                return Err(ended_early());
            }
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(ahead);
            self.consume(step);
            left -= step as u64;
        }
        Ok(())
    }

    /// Reads `length` bytes into memory; the caller has checked that it may be so much.
    pub(super) fn bytes(&mut self, length: usize) -> Result<Vec<u8>, Stop> {
        let mut bytes = Vec::new();
        self.pieces(length as u64, |(chunk, range)| {
            bytes.extend_from_slice(&chunk[range]);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// Reads what is left, so that the digest is of everything.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        loop {
            let ahead = self.fill_buf()?.len();
            if ahead == 0 {
                return Ok(());
            }
            self.consume(ahead);
        }
    }

    /// Remembers the hash state at this place.
    pub(super) fn mark(&mut self) -> io::Result<()> {
        self.flush()?;
        self.hasher.as_ref().map_or(Ok(()), Hasher::mark)
    }

    /// Leaves out what was consumed since the mark.
    pub(super) fn cut(&mut self) -> io::Result<()> {
        self.flush()?;
        self.hasher.as_ref().map_or(Ok(()), Hasher::cut)
    }

    /// What the hasher found.
    pub(super) fn finish(mut self) -> io::Result<Option<Digests>> {
        self.flush()?;
        self.hasher.take().map(Hasher::finish).transpose()
    }

    fn flush(&mut self) -> io::Result<()> {
        if let (Some(hasher), Some(chunk)) = (&self.hasher, &self.chunk)
            && self.hashed < self.position
        {
            hasher.update((chunk.clone(), self.hashed..self.position))?;
        }
        self.hashed = self.position;
        Ok(())
    }

    fn refill(&mut self) -> io::Result<()> {
        self.flush()?;
        self.chunk = None;
        self.position = 0;
        self.hashed = 0;
        let mut chunk = Chunk {
            bytes: self.pool.take()?,
            filled: 0,
            home: self.pool.home.clone(),
        };
        while chunk.filled < chunk.bytes.len() {
            match self.reader.read(&mut chunk.bytes[chunk.filled..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => chunk.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What is wrong with the bytes of a feed below passes as it is.
                Err(error) if is_verdict(&error) => return Err(error),
                Err(error) => return Err(io::Error::other(Unreadable(error))),
            }
        }
        self.read += chunk.filled as u64;
        self.chunk = Some(Arc::new(chunk));
        self.check_limit()
    }

    fn check_limit(&self) -> io::Result<()> {
        if self.read <= self.limit {
            return Ok(());
        }
        let what = format!("{} {} bytes", self.over, self.limit);
        Err(io::Error::other(Refusal::too_large(what)))
    }
}

/// Whether a feed says this: a refusal, or that its reader failed.
pub(super) fn is_verdict(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|inner| inner.is::<Refusal>() || inner.is::<Unreadable>())
}

fn ended_early() -> Stop {
    malformed("it ends in the middle")
}

impl<R: Read> BufRead for Feed<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // Once over the limit, always: what was read is not the whole.
        self.check_limit()?;
        let exhausted = self
            .chunk
            .as_ref()
            .is_none_or(|chunk| self.position == chunk.len());
        if exhausted && !self.ended {
            self.refill()?;
        }
        Ok(self
            .chunk
            .as_ref()
            .map_or(&[], |chunk| &chunk[self.position..]))
    }

    fn consume(&mut self, amount: usize) {
        self.position += amount;
    }
}

impl<R: Read> Read for Feed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{artifact::BLOCK, name::Digest};
    use std::thread;
    use vouch_protocol::ErrorKind;

    fn digests(bytes: &[u8]) -> Digests {
        thread::scope(|scope| {
            let hasher = Hasher::start(scope, true).unwrap();
            let mut feed = Feed::new(bytes, Some(hasher), u64::MAX, "is larger than");
            feed.drain().unwrap();
            feed.finish().unwrap().unwrap()
        })
    }

    #[test]
    fn blocks_are_prefixes() {
        let check = |length: usize| {
            let bytes: Vec<u8> = (0..length).map(|index| (index / 7) as u8).collect();
            let digests = digests(&bytes);
            assert_eq!(digests.whole, Digest::of(&bytes));
            let expected: Vec<Digest> = (0..length)
                .step_by(BLOCK)
                .map(|start| Digest::of(&bytes[..(start + BLOCK).min(length)]))
                .collect();
            assert_eq!(digests.blocks, expected, "{length}");
        };
        check(0);
        check(1);
        check(BLOCK - 1);
        check(BLOCK);
        check(BLOCK + 1);
        check(3 * BLOCK + 5);
    }

    #[test]
    fn what_is_cut_is_left_out() {
        let bytes: Vec<u8> = (0..CHUNK * 3).map(|index| (index % 251) as u8).collect();
        for (from, to) in [
            (0, 1),
            (10, 20),
            (CHUNK - 1, CHUNK + 1),
            (5, CHUNK * 2 + 5),
            (CHUNK, CHUNK * 3),
        ] {
            let cut = thread::scope(|scope| {
                let hasher = Hasher::start(scope, false).unwrap();
                let mut feed = Feed::new(&bytes[..], Some(hasher), u64::MAX, "is larger than");
                feed.skip(from as u64).unwrap();
                feed.mark().unwrap();
                feed.skip((to - from) as u64).unwrap();
                feed.cut().unwrap();
                feed.drain().unwrap();
                feed.finish().unwrap().unwrap().cut
            });
            let expected = [&bytes[..from], &bytes[to..]].concat();
            assert_eq!(cut, Some(Digest::of(&expected)), "{from}..{to}");
        }
    }

    #[test]
    fn the_limit_is_the_last_size_that_passes() {
        let read = |length: u64| {
            Feed::new(io::repeat(1).take(length), None, 1000, "is larger than").drain()
        };
        read(1000).unwrap();
        let error = read(1001).unwrap_err();
        let refusal = error.downcast::<Refusal>().unwrap();
        assert_eq!(refusal.kind, ErrorKind::TooLarge);
    }
}
