//! A connection that carries a stream of messages: reads, answers, and notices its end.

use super::{
    client::{Client, Received, refusal},
    dropped::Passing,
    framing::{Framing, Input, Read, Rest, too_long},
    outgoing::{Outgoing, QUEUE, Queue},
    terms::{End, Terms, until},
};
use std::{io, pin::pin, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};

/// The most bytes of answers made while reading that wait to be written: nothing more is read
/// until there is room for another. A longer one waits alone.
const UNWRITTEN: usize = 1 << 20;

/// Serves a connection in one of the two framings, to its end.
pub(super) async fn serve<R, W>(
    mut input: Input<R>,
    framing: Framing,
    mut output: W,
    client: Arc<Client>,
    terms: Terms,
    hung_up: impl Fn() -> bool,
) -> End
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    client.caller().may_be_told();
    let closing = &terms.closing;
    let (queue, messages) = mpsc::channel(QUEUE);
    let mut writing = pin!(write(&mut output, framing, messages));
    let end = {
        let reading = pin!(read(&mut input, framing, &client, queue, &hung_up));
        tokio::select! {
            end = reading => end,
            _ = &mut writing => End::Broken,
            () = closing.cancelled() => End::Closed,
        }
    };
    client.gone();
    // The writer ends when nothing is under way: the last request drops the queue.
    let end = match end {
        End::Input => tokio::select! {
            written = &mut writing => if written.is_ok() { End::Input } else { End::Broken },
            () = closing.cancelled() => End::Closed,
            () = until(&hung_up) => End::Broken,
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

/// Reads until the end, and starts what is asked for. The queue is held by whatever has an answer
/// to give.
async fn read<R: AsyncRead + Unpin>(
    input: &mut Input<R>,
    framing: Framing,
    client: &Arc<Client>,
    queue: Queue,
    hung_up: impl Fn() -> bool,
) -> End {
    let unwritten = Arc::new(Semaphore::new(UNWRITTEN));
    loop {
        let mut rest = None;
        let (received, charge) = match input.next(framing).await {
            Ok(Read::Message(message, charge)) => {
                let received = client.receive(&message, Some(&queue));
                if client.is_editor() {
                    input.allow_documents();
                }
                (received, Some(charge))
            }
            Ok(Read::TooLong(left)) => {
                rest = Some(left);
                let error = too_long(input.longest());
                (Received::Now(refusal(None, &error)), None)
            }
            Ok(Read::Lost(error)) => {
                let _ = queue.send(Box::new(refusal(None, &error))).await;
                return End::Input;
            }
            Ok(Read::End) => return End::Input,
            Err(_) => return End::Broken,
        };
        match received {
            Received::Nothing => {}
            Received::Exit => {
                let after_shutdown = client.caller().has_shut_down();
                return End::Exit { after_shutdown };
            }
            Received::Now(answer) | Received::NotJson(answer) => {
                drop(charge);
                let Ok(room) = room(&unwritten, answer.len(), &hung_up).await else {
                    return End::Broken;
                };
                if queue.send(Box::new(answer.holding(room))).await.is_err() {
                    return End::Broken;
                }
            }
            Received::Later { answer, made } => {
                let Ok(room) = room(&unwritten, made, &hung_up).await else {
                    return End::Broken;
                };
                let queue = queue.clone();
                // A task of its own: it goes on when the connection ends, so that what has
                // committed is finished. It keeps the charge, as it has copied the params.
                tokio::spawn(async move {
                    let answer = answer.await;
                    drop(charge);
                    // It fails when the connection is gone, and nobody misses the answer.
                    let _ = queue.send(Box::new(answer.holding(room))).await;
                });
            }
        }
        match rest {
            None => {}
            Some(rest) => match skip(input, rest, client).await {
                Ok(true) => {}
                Ok(false) => return End::Input,
                Err(_) => return End::Broken,
            },
        }
    }
}

/// Skips what is too long; an editor's document that it was about is not known any more.
async fn skip<R: AsyncRead + Unpin>(
    input: &mut Input<R>,
    rest: Rest,
    client: &Arc<Client>,
) -> io::Result<bool> {
    if !client.is_editor() {
        return input.skip(rest, |_| ()).await;
    }
    let mut passing = Passing::default();
    let ended = input.skip(rest, |bytes| passing.look(bytes)).await?;
    client.drops(passing.into_dropped());
    Ok(ended)
}

/// The client is gone.
struct Gone;

/// Waits for room for that many bytes, for as long as somebody is there to read them.
async fn room(
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
    mut messages: mpsc::Receiver<Box<Outgoing>>,
) -> io::Result<()> {
    while let Some(message) = messages.recv().await {
        let (text, _held) = message.into_parts();
        send(output, &framing.frame(text)).await?;
    }
    Ok(())
}

pub(super) async fn send<W: AsyncWrite + Unpin>(output: &mut W, text: &str) -> io::Result<()> {
    output.write_all(text.as_bytes()).await?;
    output.flush().await
}
