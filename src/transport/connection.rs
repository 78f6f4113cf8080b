//! One connection that carries a stream of messages: reads, answers, and notices its end.

use super::{
    Terms,
    dispatch::{Client, Received, refusal},
    framing::{self, Announced, Framing, Read},
    http,
    patient::Patient,
    queue::{QUEUE, Queue, Queued},
    room::Room,
};
use crate::error::Error;
use std::{io, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use vouch_protocol::ErrorKind;

/// So many bytes of answers that were made while reading wait to be written; nothing more is read
/// until there is room for another. A longer one waits alone.
const UNWRITTEN: usize = 1 << 20;
/// How often a client that has closed its writing side is looked at, whether it is still there.
const LOOK: Duration = Duration::from_millis(50);

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
    terms: Terms,
    hung_up: impl Fn(&R) -> bool + Send + Sync + 'static,
) -> End
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let closing = &terms.closing;
    let first = tokio::select! {
        () = closing.cancelled() => return End::Closed,
        bytes = input.fill_buf() => match bytes.map(|bytes| bytes.first().copied()) {
            Ok(Some(first)) => first,
            Ok(None) => return End::Input,
            Err(_) => return End::Broken,
        },
    };
    let mut output = Patient::new(output, terms.patience.stalled);
    let framing = match Announced::by(first) {
        Announced::Stream(framing) => framing,
        Announced::Http => {
            let hung_up = move |input: &BufReader<R>| hung_up(input.get_ref());
            // Boxed, as it is large and most connections are not HTTP.
            return Box::pin(http::serve(input, output, client, terms, hung_up)).await;
        }
        Announced::Nothing => {
            let error = Error::new(
                ErrorKind::ParseError,
                "the first byte is neither JSON's, nor a header's, nor HTTP's",
            );
            let reply = Framing::Lines.frame(refusal(None, error).into_text());
            return match send(&mut output, &reply).await {
                Ok(()) => End::Input,
                Err(_) => End::Broken,
            };
        }
    };

    let (queue, replies) = mpsc::channel(QUEUE);
    let mut writing = pin!(write(&mut output, framing, replies));
    let end = {
        let reading = pin!(read(
            &mut input,
            framing,
            &client,
            &terms.room,
            queue,
            &hung_up
        ));
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
        let _ = tokio::time::timeout(terms.patience.closing, writing).await;
    }
    end
}

/// Looks now and then, until it is so.
pub(super) async fn until(condition: impl Fn() -> bool) {
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
    room: &Room,
    queue: Queue,
    hung_up: impl Fn(&R) -> bool,
) -> End {
    let mut message = Vec::new();
    let mut charge = room.charge();
    let unwritten = Arc::new(Semaphore::new(UNWRITTEN));
    loop {
        let read = framing::read(framing, input, &mut message, &mut charge).await;
        let received = match read {
            Ok(Read::Message) => client.receive(&message, Some(&queue)),
            Ok(Read::Wrong(error)) => Received::Now(refusal(None, error)),
            Ok(Read::Lost(error)) => {
                let reply = refusal(None, error);
                let _ = queue.send(Queued::Answer { reply, room: None }).await;
                return End::Input;
            }
            Ok(Read::End) => return End::Input,
            Err(_) => return End::Broken,
        };
        // Neither is kept while the writer is waited for.
        framing::empty(&mut message);
        let charge = charge.take();
        let gone = || hung_up(input.get_ref());
        match received {
            Received::Nothing => {}
            Received::Exit => {
                let after_shutdown = client.caller().has_shut_down();
                return End::Exit { after_shutdown };
            }
            Received::Now(reply) | Received::NoJson(reply) => {
                drop(charge);
                let Ok(room) = take(&unwritten, reply.len(), gone).await else {
                    return End::Broken;
                };
                if queue.send(Queued::Answer { reply, room }).await.is_err() {
                    return End::Broken;
                }
            }
            Received::Later { reply, made } => {
                let Ok(room) = take(&unwritten, made, gone).await else {
                    return End::Broken;
                };
                let queue = queue.clone();
                // A task of its own: it goes on when the connection ends, so that what has
                // committed is finished. Params were copied, and so the charge goes with them.
                tokio::spawn(async move {
                    let reply = reply.await;
                    drop(charge);
                    // It fails when the connection is gone, and nobody misses the answer.
                    let _ = queue.send(Queued::Answer { reply, room }).await;
                });
            }
        }
    }
}

/// The client is gone.
struct Gone;

/// Waits for room for so many bytes, for as long as somebody is there to read them.
async fn take(
    unwritten: &Arc<Semaphore>,
    bytes: usize,
    gone: impl Fn() -> bool,
) -> Result<Option<OwnedSemaphorePermit>, Gone> {
    if bytes == 0 {
        return Ok(None);
    }
    let bytes = u32::try_from(bytes.min(UNWRITTEN)).unwrap_or(u32::MAX);
    tokio::select! {
        biased;
        room = Arc::clone(unwritten).acquire_many_owned(bytes) => room.map(Some).map_err(|_| Gone),
        () = until(gone) => Err(Gone),
    }
}

async fn write<W: AsyncWrite + Unpin>(
    output: &mut W,
    framing: Framing,
    mut replies: mpsc::Receiver<Queued>,
) -> io::Result<()> {
    while let Some(queued) = replies.recv().await {
        // All are given back once it is written.
        let (text, _charge, _room, _mark) = match queued {
            Queued::Answer { reply, room } => {
                let (text, charge) = reply.into_parts();
                (text, charge, room, None)
            }
            Queued::Notice { text, mark } => (text, None, None, Some(mark)),
        };
        send(output, &framing.frame(text)).await?;
    }
    Ok(())
}

async fn send<W: AsyncWrite + Unpin>(output: &mut W, text: &str) -> io::Result<()> {
    output.write_all(text.as_bytes()).await?;
    output.flush().await
}
