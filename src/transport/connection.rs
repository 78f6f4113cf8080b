//! One connection that carries a stream of messages: reads, answers, and notices its end.

use super::{
    Patience,
    dispatch::{Client, Received, Reply, refusal},
    framing::{self, Announced, Framing, Read},
    http,
    patient::Patient,
};
use crate::error::Error;
use std::{io, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;
use vouch_protocol::ErrorKind;

/// So many answers wait for the writer; further ones wait in their requests, which count.
const QUEUE: usize = 16;
/// How often a client that has closed its writing side is looked at, whether it is still there.
const LOOK: Duration = Duration::from_millis(100);

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client has said all it wanted, and was answered.
    Input,
    /// The client sent `exit`, with or without `shutdown` before.
    Exit { after_shutdown: bool },
    /// The client is gone.
    Broken,
    /// The service closes its connections.
    Closed,
}

/// Serves a connection to its end. `hung_up` tells, once the input has ended, whether nobody
/// reads the output any more.
pub(super) async fn run<R, W>(
    mut input: BufReader<R>,
    output: W,
    client: Arc<Client>,
    patience: Patience,
    closing: CancellationToken,
    hung_up: impl Fn(&R) -> bool,
) -> End
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let first = tokio::select! {
        () = closing.cancelled() => return End::Closed,
        bytes = input.fill_buf() => match bytes.map(|bytes| bytes.first().copied()) {
            Ok(Some(first)) => first,
            Ok(None) => return End::Input,
            Err(_) => return End::Broken,
        },
    };
    let mut output = Patient::new(output, patience.stalled);
    let framing = match Announced::by(first) {
        Announced::Stream(framing) => framing,
        Announced::Http => {
            // Boxed, as it is large and most connections are not HTTP.
            let stream = tokio::io::join(input, output);
            return Box::pin(http::serve(stream, client.service(), closing, patience)).await;
        }
        Announced::Nothing => {
            let error = Error::new(
                ErrorKind::ParseError,
                "the first byte is neither JSON's, nor a header's, nor HTTP's",
            );
            let reply = Framing::Lines.frame(&refusal(None, error).into_text());
            return match send(&mut output, &reply).await {
                Ok(()) => End::Input,
                Err(_) => End::Broken,
            };
        }
    };

    let (queue, replies) = mpsc::channel(QUEUE);
    let mut writing = pin!(write(&mut output, framing, replies));
    let end = {
        let reading = pin!(read(&mut input, framing, &client, queue));
        tokio::select! {
            end = reading => end,
            _ = &mut writing => End::Broken,
            () = closing.cancelled() => End::Closed,
        }
    };
    // What is left to write ends when nothing is under way: the last request drops the queue.
    let end = match end {
        End::Input => tokio::select! {
            written = &mut writing => if written.is_ok() { End::Input } else { End::Broken },
            () = closing.cancelled() => End::Closed,
            () = until(|| hung_up(input.get_ref())) => End::Broken,
        },
        end => end,
    };
    if end != End::Input {
        client.cancel_all();
    }
    if matches!(end, End::Exit { .. } | End::Closed) {
        // Without a reader there is nothing to be done about what is left.
        let _ = tokio::time::timeout(patience.closing, writing).await;
    }
    end
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(LOOK).await;
    }
}

/// Reads until the end, and starts what is asked for. The queue is held by whatever has an answer
/// to give.
async fn read<R: AsyncRead + Unpin>(
    input: &mut BufReader<R>,
    framing: Framing,
    client: &Arc<Client>,
    queue: mpsc::Sender<Reply>,
) -> End {
    let mut message = Vec::new();
    loop {
        let read = framing::read(framing, input, &mut message).await;
        let reply = match read {
            Ok(Read::Message) => match client.receive(&message) {
                Received::Nothing => continue,
                Received::Exit => {
                    return End::Exit {
                        after_shutdown: client.caller().has_shut_down(),
                    };
                }
                Received::Now(reply) => reply,
                Received::Later(reply) => {
                    let queue = queue.clone();
                    // A task of its own: it goes on when the connection ends, so that what has
                    // committed is finished.
                    tokio::spawn(async move {
                        // It fails when the connection is gone, and nobody misses the answer.
                        let _ = queue.send(reply.await).await;
                    });
                    continue;
                }
            },
            Ok(Read::Wrong(error)) => refusal(None, error),
            Ok(Read::Lost(error)) => {
                let _ = queue.send(refusal(None, error)).await;
                return End::Input;
            }
            Ok(Read::End) => return End::Input,
            Err(_) => return End::Broken,
        };
        if queue.send(reply).await.is_err() {
            return End::Broken;
        }
    }
}

async fn write<W: AsyncWrite + Unpin>(
    output: &mut W,
    framing: Framing,
    mut replies: mpsc::Receiver<Reply>,
) -> io::Result<()> {
    while let Some(reply) = replies.recv().await {
        let bytes = framing.frame(&reply.into_text());
        send(output, &bytes).await?;
    }
    Ok(())
}

async fn send<W: AsyncWrite + Unpin>(output: &mut W, bytes: &[u8]) -> io::Result<()> {
    output.write_all(bytes).await?;
    output.flush().await
}
