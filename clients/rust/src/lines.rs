//! One JSON value a line, over any pair of streams. Neither side may wait for ever or grow
//! without bound because of a server that misbehaves.

use crate::{progress::Listeners, sent::Sent};
use jsonrpsee::core::client::{ReceivedMessage, TransportReceiverT, TransportSenderT};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use std::{borrow::Cow, io, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    time::timeout,
};
use vouch_protocol::{Notification, Progress};

/// The most that a request may be, in bytes: see "Limits" in the specification.
pub(crate) const LONGEST_REQUEST: usize = 1024 * 1024;

/// A reply has at most 8 MiB; the frame around it is small.
const LONGEST_REPLY: u64 = 9 * 1024 * 1024;

/// A server that takes no request for so long is dead.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// The sending side.
pub(crate) struct Sender<W> {
    writer: W,
    sent: Sent,
}

impl<W> Sender<W> {
    /// What is written is noted.
    pub(crate) fn new(writer: W, sent: Sent) -> Self {
        Self { writer, sent }
    }
}

impl<W: AsyncWrite + Send + Unpin + 'static> TransportSenderT for Sender<W> {
    type Error = io::Error;

    async fn send(&mut self, mut message: String) -> io::Result<()> {
        let noted = self.sent.note(&message);
        message.push('\n');
        timeout(SEND_TIMEOUT, async {
            let first = match (self.writer.write(message.as_bytes()).await, noted) {
                (Ok(first), _) => first,
                // A server that is being replaced reads no more, and still answers what it has
                // read. The connection lasts until it has; this call goes elsewhere.
                (Err(error), Some(id)) if error.kind() == io::ErrorKind::BrokenPipe => {
                    self.sent.refuse(id);
                    return Ok(());
                }
                (Err(error), _) => return Err(error),
            };
            self.writer.write_all(&message.as_bytes()[first..]).await?;
            self.writer.flush().await
        })
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn close(&mut self) -> io::Result<()> {
        self.writer.shutdown().await
    }
}

/// The receiving side.
pub(crate) struct Receiver<R> {
    reader: BufReader<R>,
    listeners: Listeners,
}

impl<R: AsyncRead> Receiver<R> {
    /// What is told of calls under way goes to those who listen.
    pub(crate) fn new(reader: R, listeners: Listeners) -> Self {
        Self {
            reader: BufReader::new(reader),
            listeners,
        }
    }
}

impl<R: AsyncRead + Send + Unpin + 'static> TransportReceiverT for Receiver<R> {
    type Error = io::Error;

    async fn receive(&mut self) -> io::Result<ReceivedMessage> {
        loop {
            let mut line = Vec::new();
            (&mut self.reader)
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
            match Short::read(&line) {
                Some(Short {
                    id: None,
                    error: Some(told),
                    ..
                }) => return Err(invalid(told.message)),
                Some(Short {
                    method: Some(method),
                    params,
                    ..
                }) if method == Progress::NAME => self.listeners.tell(params),
                _ => return Ok(ReceivedMessage::Bytes(line)),
            }
        }
    }
}

/// What is looked at before the client's core sees it.
#[derive(Deserialize)]
struct Short<'a> {
    // Null counts as absent, and so does a result.
    id: Option<IgnoredAny>,
    /// Where a server could not tell the id of what it refuses, it answers null. That says why the
    /// connection is of no more use, but no call would get to see it.
    error: Option<Told>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Told {
    message: String,
}

impl<'a> Short<'a> {
    /// What is meant here is short, and long answers are not to be parsed twice.
    fn read(line: &'a [u8]) -> Option<Self> {
        if line.len() > 64 * 1024 {
            return None;
        }
        serde_json::from_slice(line).ok()
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn check(sent: &[u8], expected: Result<&[u8], (io::ErrorKind, &str)>) {
        let sent = io::Cursor::new(sent.to_vec());
        let got = Receiver::new(sent, Listeners::default()).receive().await;
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
        // What nobody listens to is skipped, whatever it is.
        check(
            b"{\"method\":\"$/progress\"}\n{\"method\":\"$/progress\",\"params\":{\"token\":0,\"value\":{\"kind\":\"end\"}}}\n{}\n",
            Ok(b"{}"),
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
        let endless = tokio::io::repeat(b'x');
        let endless = Receiver::new(endless, Listeners::default()).receive().await;
        assert_eq!(endless.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
