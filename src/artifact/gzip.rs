//! Gzip: one member, inflated, that carries nothing but its content (row 10 of the rule).

use super::{
    refusal::{Refusal, is_verdict},
    rule::Row,
};
use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, Read};

/// RFC 1952, section 2.3.1: what a gzip member starts with.
pub(super) const MAGIC: &[u8] = &[0x1f, 0x8b];
/// Below this an archive may be of any ratio: zeros compress a thousandfold.
const RATIO_FROM: u64 = 64 << 20;
/// File name and comment of a gzip header: room for what `gzip` writes.
const LONGEST_HEADER: usize = 1024;

/// Inflates one gzip member, and refuses what grows out of proportion.
pub(super) struct Inflate<'a, R: BufRead> {
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
    pub(super) fn new(reader: &'a mut R, ratio: u64) -> Self {
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
            // The reader's own failures, and its limit, are not the member's fault.
            Err(error) if is_verdict(&error) => return Err(error),
            Err(_) => return refuse(Refusal::malformed(Row::Form, "its gzip member is broken")),
        };
        if !self.header_checked
            && let Some(header) = self.decoder.header()
        {
            self.header_checked = true;
            let length = |field: Option<&[u8]>| field.map_or(0, <[u8]>::len);
            if header.extra().is_some()
                || length(header.filename()) + length(header.comment()) > LONGEST_HEADER
            {
                return refuse(Refusal::malformed(
                    Row::Form,
                    "its gzip header carries extensions",
                ));
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
