//! What fuzzing reaches of the framings: see `tests/fuzz`.

use super::{
    framing::{Framing, Input, Read},
    room::Room,
};
use tokio::io::{AsyncWriteExt, duplex};

/// The messages of a stream whose bytes arrive in pieces, up to its end or to something that is not a message.
#[expect(clippy::expect_used, reason = "fuzzing ends where it cannot go on")]
pub fn messages(headers: bool, bytes: &[u8], piece: usize) -> Vec<String> {
    let framing = if headers {
        Framing::ContentLength
    } else {
        Framing::Lines
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        // However slow the machine, nobody waits too long for the rest.
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime starts");
    let (mut sender, receiver) = duplex(piece.max(1));
    let sending = async move {
        // What is not read any more need not be sent.
        let _ = sender.write_all(bytes).await;
    };
    let reading = async move {
        let mut input = Input::new(receiver, &Room::default());
        let mut messages = Vec::new();
        loop {
            match input.next(framing).await.expect("memory can be read") {
                Read::Message(message, _) => {
                    messages.push(String::from_utf8_lossy(&message).into_owned());
                }
                Read::TooLong(rest) => {
                    messages.push("too long".into());
                    if !input.skip(rest, |_| ()).await.expect("memory can be read") {
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
    };
    runtime.block_on(async { tokio::join!(sending, reading).1 })
}
