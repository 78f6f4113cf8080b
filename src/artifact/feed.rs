//! Bytes that are read once, a chunk at a time, and hashed as they are consumed. Memory is the
//! chunks that are under way, whatever the size of the artifact.

use super::{
    buffers::{Buffers, CHUNK, Chunk, Piece},
    hasher::{Digests, Hasher, Mark},
    refusal::{Refusal, Stop, Unreadable, is_verdict, malformed},
};
use std::{
    io::{self, BufRead, Read},
    sync::Arc,
};

/// What is read into a buffer of that size does not pass through a chunk, where nothing is hashed.
const DIRECT: usize = CHUNK / 4;

/// Passes over so many bytes of a reader.
pub(super) type Hop<R> = fn(&mut R, u64);

/// See the module's documentation.
pub(super) struct Feed<R> {
    reader: R,
    hasher: Option<Hasher>,
    buffers: Buffers,
    chunk: Option<Arc<Chunk>>,
    position: usize,
    hashed: usize,
    read: u64,
    limit: u64,
    over: &'static str,
    ended: bool,
    /// How bytes are passed over without reading them, and how many there are in all.
    hop: Option<(Hop<R>, u64)>,
}

impl<R: Read> Feed<R> {
    /// Reads at most `limit` bytes; one more is a refusal that says what is `over` it. `size` is
    /// how many there are, as far as that is known.
    pub(super) fn new(
        reader: R,
        hasher: Option<Hasher>,
        size: Option<u64>,
        limit: u64,
        over: &'static str,
    ) -> Self {
        Self {
            reader,
            hasher,
            buffers: Buffers::new(size),
            chunk: None,
            position: 0,
            hashed: 0,
            read: 0,
            limit,
            over,
            ended: false,
            hop: None,
        }
    }

    /// Reads no more than what is looked at of a reader of that size: `hop` passes over the rest.
    /// Nothing is hashed.
    pub(super) fn sparse(reader: R, hop: Hop<R>, size: u64) -> Self {
        Self {
            hop: Some((hop, size)),
            ..Self::new(reader, None, Some(size), size, "is larger than")
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
    pub(super) fn piece(&mut self, most: u64) -> io::Result<Option<Piece>> {
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
        mut each: impl FnMut(Piece) -> Result<(), Stop>,
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
        let held = self.chunk.as_ref().map_or(0, |chunk| chunk.len()) - self.position;
        if let Some((hop, size)) = self.hop
            && left > held as u64
        {
            let beyond = left - held as u64;
            if beyond > size.saturating_sub(self.read) {
                return Err(ended_early());
            }
            hop(&mut self.reader, beyond);
            self.read += beyond;
            self.chunk = None;
            (self.position, self.hashed) = (0, 0);
            return Ok(());
        }
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

    /// Marks this place for [`cut`](Self::cut).
    pub(super) fn mark(&mut self, mark: Mark) -> io::Result<()> {
        self.flush()?;
        self.hasher
            .as_mut()
            .map_or(Ok(()), |hasher| hasher.mark(mark))
    }

    /// Has a digest made that leaves out what was consumed since the mark.
    pub(super) fn cut(&mut self, mark: Mark) -> io::Result<()> {
        self.flush()?;
        self.hasher
            .as_mut()
            .map_or(Ok(()), |hasher| hasher.cut(mark))
    }

    /// What the hasher found.
    pub(super) fn finish(mut self) -> io::Result<Option<Digests>> {
        self.flush()?;
        self.hasher.take().map(Hasher::finish).transpose()
    }

    fn flush(&mut self) -> io::Result<()> {
        if let (Some(hasher), Some(chunk)) = (&mut self.hasher, &self.chunk)
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
        let mut chunk = self.buffers.chunk()?;
        loop {
            match chunk.read(&mut self.reader) {
                Ok(None) => break,
                Ok(Some(0)) => {
                    self.ended = true;
                    break;
                }
                // What is not needed shall not be asked for.
                Ok(Some(_)) if self.hop.is_some() => break,
                Ok(Some(_)) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
        self.read += chunk.len() as u64;
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

/// What is wrong with the bytes of a feed below passes as it is, and so does what is to be tried
/// again.
fn unreadable(error: io::Error) -> io::Error {
    if is_verdict(&error) || error.kind() == io::ErrorKind::Interrupted {
        return error;
    }
    io::Error::other(Unreadable(error))
}

fn ended_early() -> Stop {
    malformed("it ends in the middle")
}

impl<R: Read> BufRead for Feed<R> {
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

impl<R: Read> Read for Feed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let is_empty = self.consumed() == self.read && !self.ended;
        let is_looked_at = self.hasher.is_some() || self.hop.is_some();
        if is_empty && !is_looked_at && buffer.len() >= DIRECT {
            let read = self.reader.read(buffer).map_err(unreadable)?;
            self.ended = read == 0;
            self.read += read as u64;
            self.check_limit()?;
            return Ok(read);
        }
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        artifact::{BLOCK, buffers::CHUNK},
        name::Digest,
    };
    use vouch_protocol::ErrorKind;

    fn feed(bytes: &[u8], hasher: Hasher) -> Feed<&[u8]> {
        Feed::new(bytes, Some(hasher), None, u64::MAX, "is larger than")
    }

    fn digests(bytes: &[u8]) -> Digests {
        let mut feed = feed(bytes, Hasher::new(true));
        feed.drain().unwrap();
        feed.finish().unwrap().unwrap()
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
            let mut feed = feed(&bytes, Hasher::new(false));
            feed.skip(from as u64).unwrap();
            feed.mark(0).unwrap();
            feed.skip((to - from) as u64).unwrap();
            feed.cut(0).unwrap();
            feed.drain().unwrap();
            let digests = feed.finish().unwrap().unwrap();
            let expected = Digest::of(&[&bytes[..from], &bytes[to..]].concat());
            assert_eq!(digests.cut.get(&0), Some(&expected), "{from}..{to}");
        }
    }

    #[test]
    fn several_parts_may_be_left_out_each_of_its_own_digest() {
        let bytes: Vec<u8> = (0..CHUNK * 2).map(|index| (index % 251) as u8).collect();
        let mut feed = feed(&bytes, Hasher::new(false));
        for (mark, at) in [(1, 10), (2, 20)] {
            feed.skip(10).unwrap();
            assert_eq!(feed.consumed(), at);
            feed.mark(mark).unwrap();
        }
        feed.cut(2).unwrap();
        feed.skip(30).unwrap();
        feed.cut(1).unwrap();
        feed.cut(3).unwrap();
        feed.drain().unwrap();
        let digests = feed.finish().unwrap().unwrap();
        let without = Digest::of(&[&bytes[..10], &bytes[50..]].concat());
        assert_eq!(digests.cut, [(1, without), (2, digests.whole)].into());
    }

    #[test]
    fn the_limit_is_the_last_size_that_passes() {
        let read = |length: u64| {
            let ones = io::repeat(1).take(length);
            Feed::new(ones, None, None, 1000, "is larger than").drain()
        };
        read(1000).unwrap();
        let error = read(1001).unwrap_err();
        let refusal = error.downcast::<Refusal>().unwrap();
        assert_eq!(refusal.kind, ErrorKind::TooLarge);
    }
}
