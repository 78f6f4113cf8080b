//! One JSON value per line, over any pair of streams. A server that misbehaves can neither stall the
//! client for ever nor make it grow without bound.

use crate::{listeners::Listeners, sent::Sent};
use jsonrpsee::core::client::{ReceivedMessage, TransportReceiverT, TransportSenderT};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use std::{borrow::Cow, io, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    time::timeout,
};
use vouch_protocol::{Notification, Progress};

/// The longest request, in bytes: see "Limits" in the specification.
pub(crate) const LONGEST_REQUEST: usize = 1024 * 1024;

/// The longest reply, in bytes: a result has at most 8 MiB, and what surrounds it is small.
const LONGEST_REPLY: u64 = 9 * 1024 * 1024;

/// A server that reads nothing for this long is dead.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// The sending side.
pub(crate) struct Sender<W> {
    writer: W,
    sent: Sent,
}

impl<W> Sender<W> {
    /// `sent` learns which calls were written.
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
                // A server that is being replaced reads no more, but still answers what it has
                // read. The connection lasts until then; this call goes to the next server.
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
    /// Reports of calls under way go to `listeners`.
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
            match Envelope::read(&line) {
                Some(Envelope {
                    id: None,
                    error: Some(error),
                    ..
                }) => return Err(invalid(error.message)),
                Some(Envelope {
                    method: Some(method),
                    params,
                    ..
                }) if method == Progress::NAME => self.listeners.report(params),
                _ => return Ok(ReceivedMessage::Bytes(line)),
            }
        }
    }
}

/// What is looked at before the client's core sees a message.
#[derive(Deserialize)]
struct Envelope<'a> {
    // Null counts as absent, and so does a result.
    id: Option<IgnoredAny>,
    /// A server that could not read the id of what it refuses answers with a null one. That error
    /// says why the connection is useless from now on, and no call would get to see it.
    error: Option<Message>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

impl<'a> Envelope<'a> {
    /// The messages meant here are short; long answers must not be parsed twice.
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
        // Reports that no call waits for are skipped, whatever they hold.
        check(
            b"{\"method\":\"$/progress\"}\n{\"method\":\"$/progress\",\"params\":{\"token\":0,\"value\":{\"kind\":\"end\"}}}\n{}\n",
            Ok(b"{}"),
        )
        .await;
        check(
            b"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"not JSON\"}}\n",
            Err((io::ErrorKind::InvalidData, "not JSON")),
        )
        .await;
    }

    #[tokio::test]
    async fn an_endless_reply_is_an_error() {
        let endless = tokio::io::repeat(b'x');
        let endless = Receiver::new(endless, Listeners::default()).receive().await;
        assert_eq!(endless.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
