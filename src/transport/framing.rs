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
                line.clear();
                return Ok(Read::Wrong(too_long()));
            }
            Line::NoRoom(error) => return Ok(Read::Lost(error)),
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
    /// It was skipped to its end.
    TooLong,
    NoRoom(Error),
}

/// Appends a line without its line break, keeping no more than `longest` bytes.
async fn take_line<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    line: &mut Vec<u8>,
    longest: usize,
    charge: &mut Charge,
) -> io::Result<Line> {
    let mut too_long = false;
    loop {
        let bytes = reader.fill_buf().await?;
        if bytes.is_empty() {
            return Ok(if too_long { Line::TooLong } else { Line::End });
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or(bytes);
        if line.len() + part.len() > longest {
            too_long = true;
            *line = Vec::new();
            drop(charge.take());
        } else if !too_long {
            if let Err(error) = charge.cover(line.len() + part.len()) {
                return Ok(Line::NoRoom(error));
            }
            line.extend_from_slice(part);
        }
        let used = end.map_or(bytes.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(if too_long { Line::TooLong } else { Line::Whole });
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
            Line::NoRoom(error) => return Ok(Read::Lost(error)),
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
        let bytes = reader.fill_buf().await?;
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
mod tests {
    use super::*;
    use crate::transport::room::Room;
    use proptest::prelude::*;

    /// What comes out, one word each, however the bytes arrive.
    async fn words(framing: Framing, input: &[u8], piece: usize) -> Vec<String> {
        words_within(&Room::default(), framing, input, piece).await
    }

    async fn words_within(
        room: &Room,
        framing: Framing,
        input: &[u8],
        piece: usize,
    ) -> Vec<String> {
        let mut charge = room.charge();
        let mut reader = BufReader::with_capacity(piece, input);
        let mut message = Vec::new();
        let mut words = Vec::new();
        loop {
            match read(framing, &mut reader, &mut message, &mut charge)
                .await
                .unwrap()
            {
                Read::Message => words.push(String::from_utf8_lossy(&message).into_owned()),
                Read::Wrong(error) => words.push(format!("wrong {}", error.kind())),
                Read::Lost(error) => {
                    words.push(format!("lost {}", error.kind()));
                    return words;
                }
                Read::End => return words,
            }
        }
    }

    async fn check(framing: Framing, input: &[u8], expected: &[&str], why: &str) {
        for piece in [1, 3, 4096] {
            assert_eq!(words(framing, input, piece).await, expected, "{why}");
        }
    }

    #[tokio::test]
    async fn lines() {
        let lines = Framing::Lines;
        check(lines, b"", &[], "nothing").await;
        check(lines, b"{}\n[]\n", &["{}", "[]"], "two").await;
        check(
            lines,
            b"{}\r\n\n \t\n{}",
            &["{}\r", "{}"],
            "blank lines, no last line break",
        )
        .await;
        let long = [vec![b'x'; LONGEST_REQUEST + 1], b"\n{}\n".to_vec()].concat();
        check(
            lines,
            &long,
            &["wrong invalidRequest", "{}"],
            "too long, then one more",
        )
        .await;
        let long = vec![b'x'; LONGEST_REQUEST + 1];
        check(lines, &long, &["wrong invalidRequest"], "too long, and cut").await;
        let most = vec![b'x'; LONGEST_REQUEST];
        let text = String::from_utf8(most.clone()).unwrap();
        check(lines, &most, &[&text], "as long as can be").await;
    }

    #[tokio::test]
    async fn headers() {
        let check = |input: &'static [u8], expected: &'static [&'static str], why: &'static str| {
            check(Framing::ContentLength, input, expected, why)
        };
        check(b"", &[], "nothing").await;
        check(
            b"Content-Length: 2\r\n\r\n{}content-length:2\n\n[]",
            &["{}", "[]"],
            "names without case, lines without carriage return",
        )
        .await;
        check(
            b"Content-Type: text; charset=utf-8\r\nContent-Length: 4\r\n\r\n{\n\n}",
            &["{\n\n}"],
            "other headers, line breaks in the body",
        )
        .await;
        check(b"Content-Length: 0\r\n\r\n", &[""], "an empty body").await;
        let parse = &["lost parseError"];
        check(b"Content-Length: 3\r\n\r\n{}", parse, "cut in the body").await;
        check(b"Content-Length: 3\r\n", parse, "cut in the headers").await;
        check(b"Content-Type: x\r\n\r\n", parse, "no length").await;
        check(b"Content-Length: -1\r\n\r\n", parse, "negative").await;
        check(b"Content-Length: +1\r\n\r\n{", parse, "a sign").await;
        check(b"Content-Length: \r\n\r\n{", parse, "no number").await;
        check(
            b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
            parse,
            "two lengths",
        )
        .await;
        check(
            b"Content-Length: 99999999999999999999\r\n\r\n",
            parse,
            "no u64",
        )
        .await;
        check(b"Connect\r\n\r\n", parse, "no header").await;
        check(
            b"Content-Length: 99999999999\r\n\r\n",
            &["lost invalidRequest"],
            "too long to be skipped",
        )
        .await;
    }

    #[tokio::test]
    async fn long_headers_and_bodies() {
        let input = [b"Content-Length: 1".to_vec(), vec![b'0'; 2000]].concat();
        check(
            Framing::ContentLength,
            &input,
            &["lost parseError"],
            "a long header",
        )
        .await;
        let input = b"C: d\r\n".repeat(20);
        check(
            Framing::ContentLength,
            &input,
            &["lost parseError"],
            "many headers",
        )
        .await;
        let input = [
            b"Content-Length: 1048577\r\n\r\n".to_vec(),
            vec![b'x'; LONGEST_REQUEST + 1],
            b"Content-Length: 2\r\n\r\n{}".to_vec(),
        ]
        .concat();
        let expected = &["wrong invalidRequest", "{}"];
        check(Framing::ContentLength, &input, expected, "skipped").await;
    }

    #[tokio::test]
    async fn where_there_is_no_room_only_long_messages_are_lost() {
        let room = Room::of(100 << 10);
        let line = format!("{{}}\n{}\n{{}}", "x".repeat(100 << 10));
        let body = format!(
            "Content-Length: 2\r\n\r\n{{}}Content-Length: 102400\r\n\r\n{}",
            "x".repeat(100 << 10)
        );
        for (framing, input) in [(Framing::Lines, line), (Framing::ContentLength, body)] {
            for piece in [100, 4096] {
                let words = words_within(&room, framing, input.as_bytes(), piece).await;
                assert_eq!(words, ["{}", "lost busy"]);
            }
        }
        let fits = "x".repeat(60 << 10);
        let input = format!("{fits}\n{fits}\n{fits}");
        let words = words_within(&room, Framing::Lines, input.as_bytes(), 4096).await;
        assert_eq!(words, [&*fits; 3], "room is given back");
    }

    #[test]
    fn messages_are_framed() {
        assert_eq!(Framing::Lines.frame("{}".into()), "{}\n");
        let framed = Framing::ContentLength.frame("{}".into());
        assert_eq!(framed, "Content-Length: 2\r\n\r\n{}");
    }

    #[test]
    fn the_first_byte_tells() {
        let check = |first: u8, expected| assert_eq!(Announced::by(first), expected, "{first}");
        check(b'C', Announced::Stream(Framing::ContentLength));
        check(b'c', Announced::Stream(Framing::ContentLength));
        check(b'{', Announced::Stream(Framing::Lines));
        check(b'[', Announced::Stream(Framing::Lines));
        check(b'\n', Announced::Stream(Framing::Lines));
        check(b'P', Announced::Http);
        check(b'g', Announced::Http);
        check(b'1', Announced::Nothing);
        check(0x16, Announced::Nothing);
    }

    proptest! {
        #[test]
        fn how_bytes_arrive_does_not_matter(
            input in "(Content-Length: [0-9]{1,2}\r?\n|[a-z:{}\\[\\] ]{0,9}\r?\n|\r\n){0,9}",
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                for framing in [Framing::Lines, Framing::ContentLength] {
                    let whole = words(framing, input.as_bytes(), 4096).await;
                    assert_eq!(words(framing, input.as_bytes(), 1).await, whole);
                }
            });
        }
    }
}
