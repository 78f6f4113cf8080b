//! Downloads: a stream that survives cuts, ends when nobody reads it, and never yields more bytes
//! than the manifest names.

use super::{endpoints::Endpoints, remote::Remote};
use crate::{
    error::{Error, Result, error},
    file::Source,
    progress::Progress,
    session::{Failure, Retries},
    trust::Layer,
};
use bytes::{Buf, Bytes};
use futures_util::{FutureExt, future::BoxFuture};
use reqwest::{Response, StatusCode, header::CONTENT_RANGE};
use std::{
    io::{self, Read},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, sync::mpsc};
use vouch_protocol::ErrorKind;

/// A transfer is taken up again that often in all, even if each attempt gets a little further.
const RESUMES: u32 = 64;
/// The least that has to arrive for each [`Timeouts::idle`](crate::session::Timeouts::idle) that a
/// registry is waited for: one that sends a byte now and then stalls as well.
const LEAST: u64 = 64 << 10;

/// Reads what arrives from a registry or a layout. Blocks.
pub struct Download {
    arriving: Arriving,
    left: u64,
    progress: Progress,
}

enum Arriving {
    Pieces(Pieces),
    File { source: Source, offset: u64 },
}

/// What a registry sends, piece by piece. The thread that reads them does the transfer's work: no
/// task runs ahead of it, and nothing waits but the piece in hand and the one that the HTTP client
/// has read by then, of some 400 KiB at most.
struct Pieces {
    runtime: Handle,
    /// `None` at its end.
    transfer: Option<BoxFuture<'static, Result<()>>>,
    receiver: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

/// Streams a blob from the first endpoint that has it. Where a mirror fails, the next endpoint goes
/// on from there: the bytes are the same everywhere, or the digest says so in the end. To be called
/// on a blocking thread.
pub(super) fn remote(
    runtime: &Handle,
    endpoints: Endpoints,
    layer: Layer,
    progress: Progress,
) -> Download {
    let (sender, receiver) = mpsc::channel(1);
    let stop = progress.clone();
    let mut transfer = async move {
        let (offset, sending) = (&AtomicU64::new(0), &sender);
        let transfer = endpoints.first(|endpoint, remote| async move {
            let retries = endpoint.retries(&remote);
            tokio::select! {
                // A logout ends what began with the login.
                over = remote.session.login.ended() => Err(over),
                outcome = transfer(&remote, layer, offset, retries, sending) => outcome,
            }
        });
        tokio::select! {
            () = stop.stopped() => Err(Error::cancelled()),
            outcome = transfer => outcome.map(|_| ()),
        }
    }
    .boxed();
    // Asked for at once: the registry may answer before the first read.
    if let Some(outcome) = (&mut transfer).now_or_never() {
        transfer = std::future::ready(outcome).boxed();
    }
    Download {
        arriving: Arriving::Pieces(Pieces {
            runtime: runtime.clone(),
            transfer: Some(transfer),
            receiver,
            piece: Bytes::new(),
        }),
        left: layer.size,
        progress,
    }
}

impl Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.next()? {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        (&mut self.piece).reader().read(buffer)
    }

    /// Does the work until there is another piece, or none any more.
    fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(transfer) = &mut self.transfer else {
            return Ok(None);
        };
        let receiver = &mut self.receiver;
        let outcome = self.runtime.block_on(async {
            tokio::select! {
                // What was sent before it ended comes first.
                biased;
                Some(piece) = receiver.recv() => Ok(piece),
                outcome = transfer => Err(outcome),
            }
        });
        outcome.map(Some).or_else(|outcome| {
            self.transfer = None;
            outcome.map(|()| self.receiver.try_recv().ok())
        })
    }
}

/// Reads a layout's blob.
pub(super) fn file(path: &Path, layer: Layer, progress: Progress) -> Result<Download> {
    let source = Source::open(path).map_err(|error| match error.kind() {
        ErrorKind::FileNotFound | ErrorKind::NotAFile => {
            error!(InvalidLayout: "the layout lacks a blob that its manifest names: {error}")
                .help("Push the artifact into the layout again.")
        }
        _ => error,
    })?;
    if source.size() != layer.size {
        return Err(error!(
            DigestMismatch: "{} has {} bytes, but the manifest says {}",
            path.display(), source.size(), layer.size
        ));
    }
    Ok(Download {
        arriving: Arriving::File { source, offset: 0 },
        left: layer.size,
        progress,
    })
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.progress.check()?;
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = match &mut self.arriving {
            Arriving::Pieces(pieces) => pieces.read(buffer)?,
            Arriving::File { source, offset } => {
                let read = source.reader_at(*offset).read(buffer)?;
                *offset += read as u64;
                if read == 0 && self.left > 0 {
                    return Err(cut_short().into());
                }
                read
            }
        };
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| error!(DigestMismatch: "more bytes came than named"))?;
        self.progress.advance(read as u64);
        Ok(read)
    }
}

fn cut_short() -> Error {
    error!(DigestMismatch: "fewer bytes came than the manifest names")
}

/// Sends the bytes of a blob from `offset` on to the reader, in as many attempts as it takes.
async fn transfer(
    remote: &Remote,
    layer: Layer,
    offset: &AtomicU64,
    mut retries: Retries,
    sender: &mpsc::Sender<Bytes>,
) -> Result<()> {
    let mut resumes = 0;
    loop {
        let before = offset.load(Ordering::Relaxed);
        let Err(failure) = continue_at(remote, layer, offset, sender).await else {
            let repository = remote.scope.repository.clone();
            remote.session.blobs.lock().put(layer.digest, repository);
            return Ok(());
        };
        resumes += 1;
        if resumes > RESUMES {
            return Err(failure.error);
        }
        // A trickle does not count as progress; a connection that is cut may have brought little.
        let least = match failure.error.kind() {
            ErrorKind::RegistryTimeout => LEAST,
            _ => 1,
        };
        if offset.load(Ordering::Relaxed) - before >= least {
            retries.progressed();
        }
        retries.wait(failure).await?;
    }
}

/// One attempt, from `sent` on; `sent` is how far it got.
async fn continue_at(
    remote: &Remote,
    layer: Layer,
    sent: &AtomicU64,
    sender: &mpsc::Sender<Bytes>,
) -> Result<(), Failure> {
    const ACTION: &str = "downloading a blob";
    let session = &remote.session;
    let start = sent.load(Ordering::Relaxed);
    let mut offset = start;
    let rest = (start > 0).then(|| format!("bytes={start}-"));
    let get = || remote.get_blob(layer.digest, rest.clone());
    let mut response = remote.attempt(ACTION, &get).await?;
    let too_many = || {
        let bytes = layer.size;
        let what = format!("sends other than the {bytes} bytes that the manifest names");
        // The same bytes would come again.
        Failure::from(session.fault(ErrorKind::DigestMismatch, &what))
    };
    // A registry that knows no ranges sends all of it again.
    let mut skip = if response.status() == StatusCode::PARTIAL_CONTENT {
        if range_start(&response) != Some((start, layer.size)) {
            return Err(remote.fault("sent another range than was asked for").into());
        }
        0
    } else {
        start
    };
    if let Some(length) = response.content_length()
        && length != layer.size - start + skip
    {
        return Err(too_many());
    }
    let idle = session.timeouts().idle;
    let (mut waited, mut brought) = (Duration::ZERO, 0);
    loop {
        let asked = Instant::now();
        let piece = match tokio::time::timeout(idle, response.chunk()).await {
            // All is there; that the connection ends badly changes nothing.
            Ok(Err(_)) | Err(_) if offset == layer.size => return Ok(()),
            Err(_) => return Err(Failure::stalled(session, ACTION)),
            Ok(piece) => piece.map_err(|error| Failure::broken(session, ACTION, error))?,
        };
        let Some(mut piece) = piece else {
            if offset == layer.size {
                return Ok(());
            }
            let what = "stopped sending too early";
            return Err(Failure::passing(
                session.fault(ErrorKind::RegistryUnreachable, what),
            ));
        };
        let skipped = skip.min(piece.len() as u64);
        skip -= skipped;
        piece.advance(usize::try_from(skipped).unwrap_or(usize::MAX));
        if piece.len() as u64 > layer.size - offset {
            return Err(too_many());
        }
        if piece.is_empty() {
            continue;
        }
        offset += piece.len() as u64;
        sent.store(offset, Ordering::Relaxed);
        waited += asked.elapsed();
        brought += piece.len() as u64;
        if brought >= LEAST {
            (waited, brought) = (Duration::ZERO, 0);
        } else if waited > idle && offset < layer.size {
            return Err(Failure::stalled(session, ACTION));
        }
        // It is read by whoever reads; that time is not the registry's.
        if sender.send(piece).await.is_err() {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}

/// Where a partial answer begins, and the size of the whole: RFC 9110, section 14.4. The answer has
/// to go to the end.
fn range_start(response: &Response) -> Option<(u64, u64)> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    parse_range(range)
}

fn parse_range(range: &str) -> Option<(u64, u64)> {
    let (range, whole) = range.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let end = last.checked_add(1)?;
    (whole == "*" || whole.parse() == Ok(end)).then_some((first, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_range_to_the_end_will_do() {
        let check = |range: &str, expected| assert_eq!(parse_range(range), expected, "{range}");
        check("bytes 5-9/10", Some((5, 10)));
        check("bytes 5-9/*", Some((5, 10)));
        check("bytes 5-8/10", None);
        check("bytes 5-18446744073709551615/*", None);
        check("bytes */10", None);
        check("5-9/10", None);
        check("", None);
    }
}
