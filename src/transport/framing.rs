//! The two framings of a stream of messages: one JSON value a line, and `Content-Length` headers.
//! What is read is bounded before it is kept.

use super::room::{Charge, Room, Share};
use crate::error::{Error, error};
use hyper::header::{CONTENT_LENGTH, HOST, HeaderName, ORIGIN};
use std::{future::poll_fn, io, mem::MaybeUninit, pin::Pin, task::ready, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, Chain, ReadBuf},
    time::timeout,
};

/// The longest request, in bytes.
pub(super) const LONGEST_REQUEST: usize = 1 << 20;
/// The longest of an editor, which may carry documents.
const LONGEST_OF_EDITOR: usize = 16 << 20;
/// How much of a longer one is skipped, in bytes, and for how long; then the connection closes. Editors
/// open files of 50 MB, and would come back with the same one.
const MOST_SKIPPED: usize = 64 << 20;
const SKIPPING: Duration = Duration::from_secs(30);
/// The longest header line, and the most of them.
const LONGEST_HEADER: usize = 1024;
const MOST_HEADERS: usize = 16;
/// The most that is read at once.
const PIECE: usize = 8 << 10;

/// How messages follow each other on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// One JSON value a line.
    Lines,
    /// As language servers do it.
    ContentLength,
}

impl Framing {
    /// Frames a message in place, as it may be long; it is JSON without line breaks.
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

/// What a connection's first byte announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announced {
    Stream(Framing),
    Http,
    Nothing,
}

impl Announced {
    fn by(first: u8) -> Self {
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
    /// A message, and its share of the room for long ones.
    Message(Vec<u8>, Charge),
    /// A message that is too long. The next one can be read once this rest is skipped.
    TooLong(Rest),
    /// Something that is answered with an error, and after which nothing makes sense.
    Lost(Error),
    /// The end of input.
    End,
}

/// What is left of a message that is too long.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rest {
    Line,
    Bytes(u64),
}

/// The receiving side of a connection. It holds no more than what has arrived of a message, and
/// nothing between two of them.
pub(super) struct Input<R> {
    stream: R,
    bytes: Vec<u8>,
    room: Share,
    /// The longest message, in bytes.
    longest: usize,
}

impl<R: AsyncRead + Unpin> Input<R> {
    pub(super) fn new(stream: R, room: &Room) -> Self {
        Self {
            stream,
            bytes: Vec::new(),
            room: room.share(),
            longest: LONGEST_REQUEST,
        }
    }

    /// From now on, messages may carry documents.
    pub(super) fn allow_documents(&mut self) {
        self.longest = LONGEST_OF_EDITOR;
    }

    /// The longest message that may come, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// The stream, with what was read of it so far.
    pub(super) fn into_stream(self) -> Chain<io::Cursor<Vec<u8>>, R> {
        io::Cursor::new(self.bytes).chain(self.stream)
    }

    /// What the first byte announces; nothing where there is none.
    pub(super) async fn announced(&mut self) -> io::Result<Option<Announced>> {
        self.fill().await?;
        Ok(self.bytes.first().map(|first| Announced::by(*first)))
    }

    /// Reads one message.
    pub(super) async fn next(&mut self, framing: Framing) -> io::Result<Read> {
        match framing {
            Framing::Lines => self.next_line().await,
            Framing::ContentLength => self.next_body().await,
        }
    }

    /// Skips the rest of a message, at which somebody may look as it passes by. Answers whether it
    /// ended soon enough for another to be read.
    pub(super) async fn skip(
        &mut self,
        mut rest: Rest,
        mut look: impl FnMut(&[u8]),
    ) -> io::Result<bool> {
        let skipping = async {
            let mut skipped = 0;
            loop {
                let (used, ended) = match &mut rest {
                    Rest::Line => match self.bytes.iter().position(|byte| *byte == b'\n') {
                        Some(end) => (end + 1, true),
                        None => (self.bytes.len(), false),
                    },
                    Rest::Bytes(left) => {
                        let used = usize::try_from(*left).unwrap_or(usize::MAX);
                        let used = used.min(self.bytes.len());
                        *left -= used as u64;
                        (used, *left == 0)
                    }
                };
                look(self.bytes.get(..used).unwrap_or_default());
                self.bytes.drain(..used);
                skipped += used;
                if ended {
                    return Ok(true);
                }
                if skipped > MOST_SKIPPED || self.fill().await? == 0 {
                    return Ok(false);
                }
            }
        };
        timeout(SKIPPING, skipping).await.unwrap_or(Ok(false))
    }

    /// Waits for more; answers how much came. It is read by way of the stack: who waits for a
    /// client holds no buffer meanwhile.
    async fn fill(&mut self) -> io::Result<usize> {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
        poll_fn(|context| {
            let mut piece = [MaybeUninit::uninit(); PIECE];
            let mut piece = ReadBuf::uninit(&mut piece);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut piece))?;
            self.bytes.extend_from_slice(piece.filled());
            Ok(piece.filled().len()).into()
        })
        .await
    }

    /// Takes the first bytes of what has arrived.
    fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.bytes.split_off(length.min(self.bytes.len()));
        std::mem::replace(&mut self.bytes, rest)
    }

    /// Reads up to the next line that is not blank. A last line may lack its line break.
    async fn next_line(&mut self) -> io::Result<Read> {
        loop {
            let mut charge = self.room.charge();
            let line = self.line(self.longest, &mut charge).await?;
            let (line, ended) = match line {
                Line::Whole(line) => (line, false),
                Line::End => (self.take(usize::MAX), true),
                Line::TooLong => return Ok(Read::TooLong(Rest::Line)),
                Line::Refused(error) => return Ok(Read::Lost(error)),
            };
            if is_http(&line) {
                return Ok(Read::Lost(error!(
                    ParseError: "an HTTP request must come first on its connection, without white space"
                )));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Read::Message(line, charge));
            }
            if ended {
                return Ok(Read::End);
            }
        }
    }

    /// Reads a line of at most that length, without its line break.
    async fn line(&mut self, longest: usize, charge: &mut Charge) -> io::Result<Line> {
        let mut looked = 0;
        loop {
            let fresh = self.bytes.get(looked..).unwrap_or_default();
            let end = fresh.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(self.bytes.len(), |end| looked + end);
            if length > longest {
                return Ok(Line::TooLong);
            }
            if end.is_some() {
                let mut line = self.take(length + 1);
                line.pop();
                return Ok(Line::Whole(line));
            }
            looked = length;
            match self.more(length, charge).await? {
                Ok(0) => return Ok(Line::End),
                Ok(_) => {}
                Err(error) => return Ok(Line::Refused(error)),
            }
        }
    }

    /// Waits for more of a message, of which `arrived` bytes are there.
    async fn more(
        &mut self,
        arrived: usize,
        charge: &mut Charge,
    ) -> io::Result<Result<usize, Error>> {
        if let Err(error) = charge.cover(arrived) {
            return Ok(Err(error));
        }
        charge
            .wait(self.fill())
            .await
            .map_or_else(|late| Ok(Err(late)), |read| read.map(Ok))
    }

    /// Reads headers and a body. A header line may end without a carriage return.
    async fn next_body(&mut self) -> io::Result<Read> {
        let lost = |why: &str| Ok(Read::Lost(error!(ParseError: "{why}")));
        let mut charge = self.room.charge();
        let mut length = None;
        for count in 0.. {
            let line = match self.line(LONGEST_HEADER, &mut charge).await? {
                Line::Whole(line) => line,
                Line::End if count == 0 && self.bytes.is_empty() => return Ok(Read::End),
                Line::End => return lost("the input ended within the headers"),
                Line::TooLong => return lost("a header is longer than 1 KiB"),
                Line::Refused(error) => return Ok(Read::Lost(error)),
            };
            let header = line.strip_suffix(b"\r").unwrap_or(&line);
            if header.is_empty() {
                break;
            }
            if count == MOST_HEADERS {
                return lost("there are more than 16 headers");
            }
            match content_length(header) {
                Ok(None) => {}
                Ok(found) if length.is_none() => length = found,
                Ok(_) => return lost("there is more than one Content-Length"),
                Err(why) => return lost(why),
            }
        }
        let Some(length) = length else {
            return lost("there is no Content-Length");
        };
        let Some(wanted) = usize::try_from(length)
            .ok()
            .filter(|it| *it <= self.longest)
        else {
            return Ok(Read::TooLong(Rest::Bytes(length)));
        };
        while self.bytes.len() < wanted {
            match self.more(self.bytes.len(), &mut charge).await? {
                Ok(0) => return lost("the input ended within a message"),
                Ok(_) => {}
                Err(error) => return Ok(Read::Lost(error)),
            }
        }
        Ok(Read::Message(self.take(wanted), charge))
    }
}

/// A line, or why there is none.
enum Line {
    Whole(Vec<u8>),
    /// The input ended before a line break. What came last is still there.
    End,
    /// It is still there, as far as it has arrived.
    TooLong,
    /// There is no room for it, or it does not arrive.
    Refused(Error),
}

/// Whether a line is the first of an HTTP request, which JSON never looks like. Behind a line
/// break a browser's request would begin as lines do, and its body would be obeyed.
fn is_http(line: &[u8]) -> bool {
    let version = line.trim_ascii().rsplit(|byte| *byte == b' ').next();
    matches!(version, Some([b'H', b'T', b'T', b'P', b'/', _, b'.', _]))
}

/// What a header line says of the body's length. A line of another protocol is an error, and so
/// are the headers by which HTTP tells a browser's requests: no browser may pass as an editor, by
/// a method that begins with `C`.
fn content_length(header: &[u8]) -> Result<Option<u64>, &'static str> {
    let colon = header.iter().position(|byte| *byte == b':');
    let (name, value) = header.split_at(colon.unwrap_or(0));
    // A name is a token (RFC 9110, section 5.1): no white space, and nothing of a request line.
    let name = HeaderName::from_bytes(name).map_err(|_| "a line is not a header")?;
    if name == HOST || name == ORIGIN {
        return Err(
            "`Host` and `Origin` are headers of HTTP, which this connection does not speak",
        );
    }
    if name != CONTENT_LENGTH {
        return Ok(None);
    }
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    let digits = value.iter().all(u8::is_ascii_digit);
    let length = std::str::from_utf8(value).ok().filter(|_| digits);
    let length = length.and_then(|value| value.parse().ok());
    length
        .map(Some)
        .ok_or("Content-Length is not a number of bytes")
}

/// What a request is answered that is longer than may be.
pub(super) fn too_long(longest: usize) -> Error {
    error!(InvalidRequest: "the request is longer than {} MiB", longest >> 20)
}

#[cfg(test)]
mod tests;
