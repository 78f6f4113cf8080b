//! The buffers that artifacts are read through: of one size, counted for the whole process, and
//! given back.
//!
//! Each [`Feed`](super::feed::Feed) may always have one. More, so that it can read while its bytes
//! are hashed, it gets only as long as there are [`AHEAD`] to spare. So nobody waits for another's
//! buffer: with none to spare, a feed waits for its own to come back from its own hasher, which
//! waits for nothing while it has one. How many feeds there are at once is bounded by the turns
//! that the service gives: a file, a download or an upload has one, a gzipped archive a second.
//!
//! A buffer is a mapping of its own. The kernel zeroes it once, however often it is used, and
//! takes it back at once; an allocator would keep what many threads freed.

use memmap2::MmapMut;
use parking_lot::Mutex;
use std::{
    io,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
};

/// Large enough that handing a chunk over costs little beside hashing it; small in tests, so that
/// whatever can straddle two chunks does. A tar block has to fit.
pub(crate) const CHUNK: usize = if cfg!(test) { 1 << 10 } else { 256 << 10 };
/// A smaller artifact gets a buffer of its own size.
const SMALL: u64 = CHUNK as u64 / 4;
/// Chunks of one feed that are under way at once.
const CHUNKS: usize = 4;
/// Buffers that are read ahead into, by all feeds together: 8 MiB.
const AHEAD: usize = 32;
/// Buffers that are kept for whoever comes next: 1 MiB.
const KEPT: usize = 4;

static SPARE: AtomicUsize = AtomicUsize::new(AHEAD);
static IDLE: Mutex<Vec<MmapMut>> = Mutex::new(Vec::new());

struct Buffer {
    bytes: Bytes,
    ahead: bool,
}

enum Bytes {
    Small(Box<[u8]>),
    /// Gone only while it is dropped.
    Mapped(Option<MmapMut>),
}

impl Buffer {
    fn small(size: usize) -> Self {
        Self {
            bytes: Bytes::Small(vec![0; size].into_boxed_slice()),
            ahead: false,
        }
    }

    fn mapped() -> io::Result<Self> {
        let kept = IDLE.lock().pop();
        let mapped = kept.map_or_else(|| MmapMut::map_anon(CHUNK), Ok)?;
        Ok(Self {
            bytes: Bytes::Mapped(Some(mapped)),
            ahead: false,
        })
    }

    /// One of those to spare.
    fn ahead() -> io::Result<Option<Self>> {
        let one_less = |spare: usize| spare.checked_sub(1);
        if SPARE
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_err()
        {
            return Ok(None);
        }
        // From here on it is counted, and given back when it is dropped.
        let mut buffer = Self {
            bytes: Bytes::Mapped(None),
            ahead: true,
        };
        buffer.bytes = Bytes::Mapped(Self::mapped()?.take());
        Ok(Some(buffer))
    }

    fn take(&mut self) -> Option<MmapMut> {
        match &mut self.bytes {
            Bytes::Small(_) => None,
            Bytes::Mapped(mapped) => mapped.take(),
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.ahead {
            SPARE.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(mapped) = self.take() {
            let mut idle = IDLE.lock();
            if idle.len() < KEPT {
                idle.push(mapped);
            }
        }
    }
}

/// A part of an artifact. When its last user drops it, its buffer goes back to the feed's
/// [`Buffers`], or to whoever needs one if these are gone.
pub(crate) struct Chunk {
    /// Gone only while it is dropped.
    buffer: Option<Buffer>,
    filled: usize,
    home: Sender<Buffer>,
}

impl Chunk {
    /// Reads into what is left of it; `Ok(None)` where nothing is left.
    pub(crate) fn read(&mut self, reader: &mut impl io::Read) -> io::Result<Option<usize>> {
        let bytes = match self.buffer.as_mut().map(|buffer| &mut buffer.bytes) {
            Some(Bytes::Small(bytes)) => &mut **bytes,
            Some(Bytes::Mapped(Some(mapped))) => &mut mapped[..],
            _ => &mut [],
        };
        let Some(rest) = bytes.get_mut(self.filled..).filter(|rest| !rest.is_empty()) else {
            return Ok(None);
        };
        let read = reader.read(rest)?;
        self.filled += read;
        Ok(Some(read))
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let bytes = match self.buffer.as_ref().map(|buffer| &buffer.bytes) {
            Some(Bytes::Small(bytes)) => bytes,
            Some(Bytes::Mapped(Some(mapped))) => &mapped[..],
            _ => &[],
        };
        &bytes[..self.filled]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take()
            && matches!(buffer.bytes, Bytes::Mapped(_))
        {
            // With the feed gone, the buffer is dropped right here.
            let _ = self.home.send(buffer);
        }
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// The buffers of one feed, or of one upload.
pub(crate) struct Buffers {
    /// The size of the first chunk, where the whole may fit.
    small: Option<usize>,
    made: usize,
    returned: Receiver<Buffer>,
    home: Sender<Buffer>,
}

impl Buffers {
    /// For an artifact of `size` bytes, where that is known.
    pub(crate) fn new(size: Option<u64>) -> Self {
        let (home, returned) = channel();
        // One byte more shows that it ends there. A tar block has to fit.
        let small = size
            .filter(|size| *size < SMALL)
            .map(|size| size.max(512) + 1);
        Self {
            small: small.and_then(|size| usize::try_from(size).ok()),
            made: 0,
            returned,
            home,
        }
    }

    /// A chunk to read into.
    pub(crate) fn chunk(&mut self) -> io::Result<Chunk> {
        let buffer = match self.small.take() {
            Some(size) => Buffer::small(size),
            None => self.next()?,
        };
        Ok(Chunk {
            buffer: Some(buffer),
            filled: 0,
            home: self.home.clone(),
        })
    }

    fn next(&mut self) -> io::Result<Buffer> {
        if let Ok(buffer) = self.returned.try_recv() {
            return Ok(buffer);
        }
        let more = match self.made {
            0 => Some(Buffer::mapped()?),
            1..CHUNKS => Buffer::ahead()?,
            _ => None,
        };
        if let Some(buffer) = more {
            self.made += 1;
            return Ok(buffer);
        }
        // All that are under way come back: a hasher drops them even where it panics.
        self.returned
            .recv()
            .map_err(|_| io::Error::other("the buffers are lost"))
    }
}

/// A part of a chunk.
pub(super) type Piece = (Arc<Chunk>, std::ops::Range<usize>);

#[cfg(test)]
mod tests {
    use super::*;

    /// In one test, as the tests share the process's buffers with each other and all others.
    #[test]
    fn a_feed_has_one_buffer_and_more_only_while_there_are_some_to_spare() {
        let mut all = Vec::new();
        while let Some(buffer) = Buffer::ahead().unwrap() {
            all.push(buffer);
        }
        assert!(all.len() <= AHEAD);
        let mut buffers = Buffers::new(None);
        let first = buffers.chunk().unwrap();
        assert_eq!(buffers.made, 1);
        // Another test may just have given one back: then this is one to spare.
        drop(first);
        let again = buffers.chunk().unwrap();
        assert_eq!(buffers.made, 1, "its own came back");
        drop(all);
        let more = buffers.chunk().unwrap();
        assert_eq!(buffers.made, 2);
        drop((again, more));
        assert!(IDLE.lock().len() <= KEPT);
    }

    #[test]
    fn a_small_artifact_takes_no_buffer() {
        let mut buffers = Buffers::new(Some(1));
        let mut chunk = buffers.chunk().unwrap();
        assert_eq!(buffers.made, 0);
        let mut reader = io::repeat(7);
        assert_eq!(chunk.read(&mut reader).unwrap(), Some(513));
        assert_eq!(chunk.read(&mut reader).unwrap(), None, "it is full");
        drop(chunk);
        let _large = buffers.chunk().unwrap();
        assert_eq!(buffers.made, 1, "it was larger than it was said to be");
    }
}
