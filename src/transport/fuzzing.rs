//! What fuzzing reaches of the framings: see `tests/fuzz`.

use super::{
    framing::{Framing, Input, Read},
    room::Room,
};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes that arrive in pieces.
struct Pieces<'a> {
    left: &'a [u8],
    piece: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = self.left.len().min(self.piece).min(buffer.remaining());
        let (piece, left) = self.left.split_at(most);
        buffer.put_slice(piece);
        self.left = left;
        Poll::Ready(Ok(()))
    }
}

/// The messages of a stream whose bytes arrive in pieces, up to its end or to something that is not a message.
#[expect(clippy::expect_used, reason = "fuzzing ends where it cannot go on")]
pub fn messages(headers: bool, bytes: &[u8], piece: usize) -> Vec<String> {
    let framing = if headers {
        Framing::ContentLength
    } else {
        Framing::Lines
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime starts");
    let left = bytes;
    let mut input = Input::new(Pieces { left, piece }, Room::default());
    let mut messages = Vec::new();
    runtime.block_on(async {
        loop {
            match input.next(framing).await.expect("memory can be read") {
                Read::Message(message, _) => {
                    messages.push(String::from_utf8_lossy(&message).into_owned());
                }
                Read::TooLong(rest) => {
                    messages.push("too long".into());
                    if !input.skip(rest).await.expect("memory can be read") {
                        return messages;
                    }
                }
                Read::Lost(error) => {
                    messages.push(error.to_string());
                    return messages;
                }
                Read::End => return messages,
            }
        }
    })
}
