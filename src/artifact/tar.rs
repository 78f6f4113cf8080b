//! Tar archives, block by block. The `tar` crate reads a header's fields; its iterator is not used,
//! since it lets missing end markers, padding and extension headers pass.
//!
//! Format: POSIX.1-1988 (ustar) and the GNU header of the same fields; IEEE Std 1003.1, pax,
//! "ustar Interchange Format".

use super::{
    feed::Feed,
    refusal::{Stop, malformed},
    rule::Row,
};
use std::{io::Read, ops::Range};
use tar::Header;

pub(super) const BLOCK: usize = 512;

/// An entry's header.
pub(super) struct Entry {
    /// Its name, up to the first NUL.
    pub(super) name: Vec<u8>,
    /// Bytes of its content.
    pub(super) size: u64,
    /// What makes it other than a plain file, and which row of the rule says so.
    pub(super) fault: Option<(Row, &'static str)>,
}

/// Whether a block is a header: its checksum is right.
pub(super) fn is_header(block: &[u8]) -> bool {
    block
        .first_chunk::<BLOCK>()
        .is_some_and(|block| checksum_holds(block) && block.iter().any(|byte| *byte != 0))
}

/// Reads the next header; at the end marker, everything up to the end of the bytes, which must be
/// zeros.
pub(super) fn next<R: Read>(feed: &mut Feed<R>) -> Result<Option<Entry>, Stop> {
    let block = block(feed)?;
    if block.iter().all(|byte| *byte == 0) {
        feed.at_end()?
            .then(|| malformed("the archive's end marker is cut off"))
            .map_or(Ok(()), Err)?;
        while !feed.at_end()? {
            let zeros = self::block(feed)?;
            if zeros.iter().any(|byte| *byte != 0) {
                return Err(malformed("bytes follow the archive's end marker"));
            }
        }
        return Ok(None);
    }
    entry(&block).map(Some)
}

/// What a header that is not of zeros says.
pub(super) fn entry(block: &[u8; BLOCK]) -> Result<Entry, Stop> {
    if !checksum_holds(block) {
        return Err(malformed("an entry's header has a wrong checksum"));
    }
    let header = Header::from_byte_slice(block);
    let size = header
        .entry_size()
        .ok()
        .filter(|_| is_octal(&block[124..136]))
        .ok_or_else(|| malformed("an entry's size is not an octal number"))?;
    let name = &block[..100];
    let length = name.iter().position(|byte| *byte == 0).unwrap_or(100);
    let fault = if !matches!(block[156], b'0' | 0) {
        // What follows a link or folder of some size is read differently by different readers;
        // extension headers have content like files.
        if size > 0 && !matches!(block[156], b'x' | b'g' | b'L' | b'K') {
            return Err(malformed("an entry that is not a file has a size"));
        }
        Some((Row::Entries, "is not a plain file"))
    } else if name[length..].iter().any(|byte| *byte != 0) {
        Some((Row::Packing, "has bytes behind its name"))
    } else if !NUMBERS
        .into_iter()
        .all(|field| is_octal(&block[field.clone()]) || block[field].iter().all(|byte| *byte == 0))
    {
        // Nothing of them is used here; but a reader that cannot parse one may end the archive
        // there, and see fewer entries than were signed.
        Some((Row::Packing, "has a number in its header that is not octal"))
    } else if block[157..257].iter().any(|byte| *byte != 0) {
        Some((Row::Packing, "has a link's target"))
    } else if block[345..].iter().any(|byte| *byte != 0) {
        Some((
            Row::Packing,
            "has a prefix or other extension in its header",
        ))
    } else if !matches!(
        &block[257..265],
        b"ustar\x0000" | b"ustar  \0" | &[0, 0, 0, 0, 0, 0, 0, 0]
    ) {
        Some((Row::Packing, "has a header of an unknown format"))
    } else {
        None
    };
    Ok(Entry {
        name: name[..length].to_vec(),
        size,
        fault,
    })
}

/// A plain file as an entry: its header, its content and the zeros up to the next.
pub(super) fn file(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_gnu();
    for (field, byte) in header.as_mut_bytes().iter_mut().zip(name.bytes()) {
        *field = byte;
    }
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut entry = [&header.as_bytes()[..], content].concat();
    entry.resize(entry.len().next_multiple_of(BLOCK), 0);
    entry
}

/// Consumes the zeros between an entry's content and the next header.
pub(super) fn padding<R: Read>(feed: &mut Feed<R>, size: u64) -> Result<(), Stop> {
    let over = size % BLOCK as u64;
    if over == 0 {
        return Ok(());
    }
    let mut zero = true;
    feed.pieces(BLOCK as u64 - over, |(chunk, range)| {
        zero &= chunk[range].iter().all(|byte| *byte == 0);
        Ok(())
    })?;
    if zero {
        Ok(())
    } else {
        Err(malformed("an entry's padding is not zero"))
    }
}

fn block<R: Read>(feed: &mut Feed<R>) -> Result<[u8; BLOCK], Stop> {
    let mut block = [0; BLOCK];
    let mut filled = 0;
    feed.pieces(BLOCK as u64, |(chunk, range)| {
        let bytes = &chunk[range];
        block[filled..filled + bytes.len()].copy_from_slice(bytes);
        filled += bytes.len();
        Ok(())
    })?;
    Ok(block)
}

/// Mode, owner, group, time, and a device's two numbers.
const NUMBERS: [Range<usize>; 6] = [100..108, 108..116, 116..124, 136..148, 329..337, 337..345];

/// The sum of all bytes, with the checksum's own field as spaces.
fn checksum_holds(block: &[u8; BLOCK]) -> bool {
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u32::from(*byte)
            }
        })
        .sum();
    // Other readers skip a header whose checksum has a sign or the like.
    is_octal(&block[148..156])
        && Header::from_byte_slice(block)
            .cksum()
            .is_ok_and(|stored| stored == sum)
}

/// Octal digits, closed by spaces or NULs: no sign, no base-256, which readers take differently.
fn is_octal(field: &[u8]) -> bool {
    let digits = field
        .iter()
        .take_while(|byte| matches!(byte, b'0'..=b'7'))
        .count();
    digits > 0 && field[digits..].iter().all(|byte| matches!(byte, b' ' | 0))
}
