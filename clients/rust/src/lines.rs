//! One JSON value a line, over any pair of streams. Neither side may wait for ever or grow
//! without bound because of a server that misbehaves.

use jsonrpsee::core::client::{ReceivedMessage, TransportReceiverT, TransportSenderT};
use serde::{Deserialize, de::IgnoredAny};
use std::{io, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    time::timeout,
};

/// The most that a request may be, in bytes: see "Limits" in the specification.
pub(crate) const LONGEST_REQUEST: usize = 1024 * 1024;

/// A reply has at most 8 MiB; the frame around it is small.
const LONGEST_REPLY: u64 = 9 * 1024 * 1024;

/// A server that takes no request for so long is dead.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// The sending side.
pub(crate) struct Sender<W>(W);

impl<W> Sender<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self(writer)
    }
}

impl<W: AsyncWrite + Send + Unpin + 'static> TransportSenderT for Sender<W> {
    type Error = io::Error;

    async fn send(&mut self, mut message: String) -> io::Result<()> {
        message.push('\n');
        timeout(SEND_TIMEOUT, async {
            self.0.write_all(message.as_bytes()).await?;
            self.0.flush().await
        })
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn close(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}

/// The receiving side.
pub(crate) struct Receiver<R>(BufReader<R>);

impl<R: AsyncRead> Receiver<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self(BufReader::new(reader))
    }
}

impl<R: AsyncRead + Send + Unpin + 'static> TransportReceiverT for Receiver<R> {
    type Error = io::Error;

    async fn receive(&mut self) -> io::Result<ReceivedMessage> {
        loop {
            let mut line = Vec::new();
            (&mut self.0)
                .take(LONGEST_REPLY)
                .read_until(b'\n', &mut line)
                .await?;
            if line.pop_if(|last| *last == b'\n').is_none() {
                return Err(if line.len() as u64 == LONGEST_REPLY {
                    invalid(format!("a reply is longer than {LONGEST_REPLY} bytes"))
                } else {
                    io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the server closed the connection",
                    )
                });
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            if let Some(error) = answer_to_nobody(&line) {
                return Err(error);
            }
            return Ok(ReceivedMessage::Bytes(line));
        }
    }
}

/// Where a server could not tell the id of what it refuses, it answers null. That says why the
/// connection is of no more use, but no call would get to see it.
fn answer_to_nobody(line: &[u8]) -> Option<io::Error> {
    #[derive(Deserialize)]
    struct Answer {
        // Null counts as absent, and so does a result.
        id: Option<IgnoredAny>,
        error: Option<Told>,
    }
    #[derive(Deserialize)]
    struct Told {
        message: String,
    }
    // An answer of that kind is short, and long ones are not to be parsed twice.
    if line.len() > 64 * 1024 {
        return None;
    }
    match serde_json::from_slice(line).ok()? {
        Answer {
            id: None,
            error: Some(told),
        } => Some(invalid(told.message)),
        _ => None,
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(sent: &[u8], expected: Result<&[u8], (io::ErrorKind, &str)>) {
        let got = Receiver::new(io::Cursor::new(sent.to_vec()))
            .receive()
            .await;
        match (got, expected) {
            (Ok(ReceivedMessage::Bytes(got)), Ok(expected)) => assert_eq!(got, expected),
            (Err(got), Err((kind, text))) => {
                assert_eq!(got.kind(), kind);
                assert!(got.to_string().contains(text), "{got}");
            }
            (got, expected) => panic!("{got:?} is not {expected:?}"),
        }
    }

    #[tokio::test]
    async fn replies_are_lines() {
        let closed = Err((io::ErrorKind::UnexpectedEof, "closed"));
        check(b"{}\n{\"a\":1}\n", Ok(b"{}")).await;
        check(b"\n \r\n{}\r\n", Ok(b"{}\r")).await;
        check(b"", closed).await;
        check(b"\n\n", closed).await;
        check(b"{\"jsonrpc\":", closed).await;
        check(
            b"{\"id\":1,\"error\":{\"message\":\"x\"}}\n",
            Ok(b"{\"id\":1,\"error\":{\"message\":\"x\"}}"),
        )
        .await;
        check(
            b"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"no JSON\"}}\n",
            Err((io::ErrorKind::InvalidData, "no JSON")),
        )
        .await;
    }

    #[tokio::test]
    async fn a_reply_without_an_end_is_given_up() {
        let endless = Receiver::new(tokio::io::repeat(b'x')).receive().await;
        assert_eq!(endless.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
