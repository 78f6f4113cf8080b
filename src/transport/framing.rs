//! The two framings of a stream of messages: one JSON value a line, and `Content-Length` headers.
//! What is read is bounded before it is kept.

use super::room::Charge;
use crate::error::Error;
use std::io;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};
use vouch_protocol::ErrorKind;

/// The longest request, in bytes.
pub(super) const LONGEST_REQUEST: usize = 1 << 20;
/// The longest body that is read to be thrown away.
const LONGEST_SKIPPED: u64 = 64 << 20;
/// The longest header line, and the most of them.
const LONGEST_HEADER: usize = 1024;
const MOST_HEADERS: usize = 16;
/// What a buffer may keep between two messages.
const KEPT: usize = 4 << 10;

/// How messages follow each other on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// One JSON value a line.
    Lines,
    /// As language servers speak it.
    ContentLength,
}

/// What a connection's first byte announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    Stream(Framing),
    Http,
    Nothing,
}

impl Announced {
    pub(super) fn by(first: u8) -> Self {
        match first {
            b'C' | b'c' => Self::Stream(Framing::ContentLength),
            b'{' | b'[' | b' ' | b'\t' | b'\r' | b'\n' => Self::Stream(Framing::Lines),
            letter if letter.is_ascii_alphabetic() => Self::Http,
            _ => Self::Nothing,
        }
    }
}

/// What was read.
#[derive(Debug)]
pub(super) enum Read {
    /// The buffer holds a message.
    Message,
    /// Something that is answered with an error; the next message can be read.
    Wrong(Error),
    /// Something that is answered with an error, and after which nothing makes sense.
    Lost(Error),
    /// The end of input.
    End,
}

/// Empties a buffer, and keeps little of it.
pub(super) fn empty(message: &mut Vec<u8>) {
    message.clear();
    message.shrink_to(KEPT);
}

/// Reads one message into the buffer. Where there is no room for it, it is lost.
pub(super) async fn read<R: AsyncBufRead + Unpin>(
    framing: Framing,
    reader: &mut R,
    message: &mut Vec<u8>,
    charge: &mut Charge,
) -> io::Result<Read> {
    empty(message);
    drop(charge.take());
    match framing {
        Framing::Lines => read_line(reader, message, charge).await,
        Framing::ContentLength => read_body(reader, message, charge).await,
    }
}

/// Reads up to the next line that is not blank. A last line may lack its line break.
async fn read_line<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    line: &mut Vec<u8>,
    charge: &mut Charge,
) -> io::Result<Read> {
    loop {
        empty(line);
        let whole = take_line(reader, line, LONGEST_REQUEST, charge).await?;
        match whole {
            Line::End if line.is_empty() => return Ok(Read::End),
            Line::TooLong => {
                empty(line);
                drop(charge.take());
                skip_line(reader).await?;
                return Ok(Read::Wrong(too_long()));
            }
            Line::Refused(error) => return Ok(Read::Lost(error)),
            Line::Whole | Line::End => {
                if !line.trim_ascii().is_empty() {
                    return Ok(Read::Message);
                }
            }
        }
    }
}

enum Line {
    Whole,
    /// The input ended before a line break.
    End,
    /// The rest of it has not been read.
    TooLong,
    /// There is no room for it, or it does not arrive.
    Refused(Error),
}

/// Appends a line without its line break, if it has no more than `longest` bytes.
async fn take_line<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    line: &mut Vec<u8>,
    longest: usize,
    charge: &mut Charge,
) -> io::Result<Line> {
    loop {
        let bytes = match charge.wait(reader.fill_buf()).await {
            Ok(bytes) => bytes?,
            Err(error) => return Ok(Line::Refused(error)),
        };
        if bytes.is_empty() {
            return Ok(Line::End);
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes);
        if line.len() + part.len() > longest {
            return Ok(Line::TooLong);
        }
        if let Err(error) = charge.cover(line.len() + part.len()) {
            return Ok(Line::Refused(error));
        }
        line.extend_from_slice(part);
        let used = end.map_or(bytes.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(Line::Whole);
        }
    }
}

/// Throws a line away, up to its line break or the end of input.
async fn skip_line<R: AsyncBufRead + Unpin>(reader: &mut R) -> io::Result<()> {
    loop {
        let bytes = reader.fill_buf().await?;
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(bytes.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() || used == 0 {
            return Ok(());
        }
    }
}

/// Reads headers and a body. Names are compared without case, other headers are ignored, and a
/// line may end without a carriage return.
async fn read_body<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    body: &mut Vec<u8>,
    charge: &mut Charge,
) -> io::Result<Read> {
    let lost = |why: &str| Ok(Read::Lost(Error::new(ErrorKind::ParseError, why)));
    let mut length: Option<u64> = None;
    let mut line = Vec::new();
    for count in 0.. {
        line.clear();
        match take_line(reader, &mut line, LONGEST_HEADER, charge).await? {
            Line::End if count == 0 && line.is_empty() => return Ok(Read::End),
            Line::End => return lost("the input ended within the headers"),
            Line::TooLong => return lost("a header is longer than 1 KiB"),
            Line::Refused(error) => return Ok(Read::Lost(error)),
            Line::Whole => {}
        }
        let header = line.strip_suffix(b"\r").unwrap_or(&line);
        if header.is_empty() {
            break;
        }
        if count == MOST_HEADERS {
            return lost("there are more than 16 headers");
        }
        let Some((name, value)) = std::str::from_utf8(header)
            .ok()
            .and_then(|header| header.split_once(':'))
        else {
            return lost("a line is no header");
        };
        if name.trim().eq_ignore_ascii_case("content-length") {
            let value = value.trim();
            let digits = value.bytes().all(|byte| byte.is_ascii_digit());
            let parsed = value.parse().ok().filter(|_| digits);
            if parsed.is_none() || length.is_some() {
                return lost("there must be one Content-Length, a number of bytes");
            }
            length = parsed;
        }
    }
    let Some(length) = length else {
        return lost("there is no Content-Length");
    };
    if length > LONGEST_REQUEST as u64 {
        if length > LONGEST_SKIPPED {
            return Ok(Read::Lost(too_long()));
        }
        skip(reader, length).await?;
        return Ok(Read::Wrong(too_long()));
    }
    let length = usize::try_from(length).unwrap_or(LONGEST_REQUEST);
    // Grows with what arrives, not with what was announced.
    while body.len() < length {
        let bytes = match charge.wait(reader.fill_buf()).await {
            Ok(bytes) => bytes?,
            Err(error) => return Ok(Read::Lost(error)),
        };
        if bytes.is_empty() {
            return lost("the input ended within a message");
        }
        let part = bytes.get(..length - body.len()).unwrap_or(bytes);
        if let Err(error) = charge.cover(body.len() + part.len()) {
            return Ok(Read::Lost(error));
        }
        body.extend_from_slice(part);
        let used = part.len();
        reader.consume(used);
    }
    Ok(Read::Message)
}

async fn skip<R: AsyncBufRead + Unpin>(reader: &mut R, mut length: u64) -> io::Result<()> {
    while length > 0 {
        let there = reader.fill_buf().await?.len();
        if there == 0 {
            break;
        }
        let used = usize::try_from(length).map_or(there, |length| length.min(there));
        reader.consume(used);
        length -= used as u64;
    }
    Ok(())
}

fn too_long() -> Error {
    Error::new(
        ErrorKind::InvalidRequest,
        "the request is longer than 1 MiB",
    )
}

impl Framing {
    /// Frames a message where it is, as it may be long; it is JSON without line breaks.
    pub(super) fn frame(self, mut message: String) -> String {
        match self {
            Self::Lines => {
                message.reserve_exact(1);
                message.push('\n');
            }
            Self::ContentLength => {
                let header = format!("Content-Length: {}\r\n\r\n", message.len());
                message.reserve_exact(header.len());
                message.insert_str(0, &header);
            }
        }
        message
    }
}

/// A reader with a buffer that is small while a connection is idle.
pub(super) fn buffered<R: tokio::io::AsyncRead>(reader: R) -> BufReader<R> {
    BufReader::with_capacity(4 << 10, reader)
}

#[cfg(test)]
mod tests;
