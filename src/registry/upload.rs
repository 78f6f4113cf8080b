//! Blob uploads: one PUT of known size, or chunks where a registry wants them. Each attempt makes
//! its stream anew from the same open file; an upload that is given up is taken back.

use super::{
    content::{Checkpoint, Content},
    remote::{Remote, claimed_digest},
};
use crate::{
    error::Result,
    progress::Progress,
    session::{Activity, Failure, Retries, location, request},
    trust::Layer,
};
use bytes::Bytes;
use parking_lot::Mutex;
use reqwest::{
    Method, Request, Response, StatusCode, Url,
    header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, RANGE},
};
use std::{io, time::Duration};
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};
use vouch_protocol::ErrorKind;

/// Where a registry takes no single PUT, chunks of this size.
const CHUNK: u64 = 8 << 20;
/// Blocks that wait for the network; [`Buffers`](crate::artifact::Buffers) lends fewer where many
/// want some.
const PIECES: usize = 2;
/// Smaller ones are sent as fast as the right to mount them is asked for.
const WORTH_MOUNTING: u64 = 1 << 20;
/// How long the taking back of an upload may take.
const TAKE_BACK: Duration = Duration::from_secs(5);

/// A blob on its way out.
pub(super) struct Blob {
    pub(super) descriptor: Layer,
    pub(super) body: Body,
}

pub(super) enum Body {
    File(Content),
    /// At most a block.
    Memory(Bytes),
}

/// Has the registry take a blob from another of its repositories, where it was seen with the same
/// login; answers whether it did. What it does not take is uploaded.
pub(super) async fn mount(remote: &Remote, blob: Layer) -> bool {
    let digest = blob.digest;
    let from = remote.session.blobs.lock().get(&digest).cloned();
    let from = from.filter(|from| *from != remote.scope.repository && blob.size >= WORTH_MOUNTING);
    let Some(from) = from else {
        return false;
    };
    let post = || {
        let mut url = remote.url(UPLOADS);
        url.query_pairs_mut()
            .append_pair("mount", &digest.to_string())
            .append_pair("from", from.as_str());
        request(Method::POST, url, EMPTY)
    };
    let scope = remote.scope.mounting(&from);
    let offered = remote.session.offer("mounting a blob", &scope, &post);
    match offered.await {
        Ok(response) if response.status() == StatusCode::CREATED => {
            return claimed_digest(&response).is_none_or(|mounted| mounted == digest);
        }
        // It has begun an upload instead, which ends with this.
        Ok(response) => drop(Upload::begun(remote, &response)),
        Err(failure) => tracing::debug!(error = %failure.error, "a blob was not mounted"),
    }
    // Not asked for again at each push.
    remote.session.blobs.lock().pop(&digest);
    false
}

/// Uploads a blob that is not there.
pub(super) async fn upload(remote: &Remote, blob: &Blob, progress: &Progress) -> Result<()> {
    let mut retries = Retries::new(remote.session.timeouts());
    let mut chunked = false;
    loop {
        let attempt = async {
            if !chunked {
                match Upload::begin(remote).await?.whole(blob, progress).await {
                    Err(failure) if wants_chunks(&failure) => chunked = true,
                    sent => return sent,
                }
            }
            Upload::begin(remote).await?.chunks(blob, progress).await
        };
        match attempt.await {
            Ok(response) => {
                let path = format!("blobs/{}", blob.descriptor.digest);
                return remote.confirm(&response, &path, blob.descriptor).await;
            }
            Err(failure) => retries.wait(failure).await?,
        }
        // Perhaps only the answer was lost.
        if remote.has(blob.descriptor).await? {
            return Ok(());
        }
    }
}

/// Not found, not allowed, without or with too much length, no such range, not implemented: what
/// registries, and the proxies before them, answer to one PUT of a blob if they want chunks.
fn wants_chunks(failure: &Failure) -> bool {
    matches!(
        failure.error.data().status,
        Some(404 | 405 | 411 | 413 | 416 | 501)
    )
}

/// An upload that a registry has begun; taken back when it is dropped before its end.
struct Upload<'a> {
    remote: &'a Remote,
    /// Where the next request goes; each answer may move it.
    location: Url,
    /// The smallest chunk that the registry takes.
    minimum: u64,
    ended: bool,
}

const UPLOADING: &str = "uploading a blob";
const UPLOADS: &str = "blobs/uploads/";
/// Some registries want it of requests without a body.
const EMPTY: [(HeaderName, HeaderValue); 1] = [(CONTENT_LENGTH, HeaderValue::from_static("0"))];

impl<'a> Upload<'a> {
    async fn begin(remote: &'a Remote) -> Result<Self, Failure> {
        let post = || request(Method::POST, remote.url(UPLOADS), EMPTY);
        let response = remote.attempt("beginning an upload", &post).await?;
        Self::begun(remote, &response)
    }

    fn begun(remote: &'a Remote, response: &Response) -> Result<Self, Failure> {
        if response.status() != StatusCode::ACCEPTED {
            let (registry, status) = (remote.session.registry(), response.status().as_u16());
            let what = format!("answered {status} to the beginning of an upload, not 202");
            let error = remote.fault(&what);
            return Err(error.help(format!("Is {registry} a registry?")).into());
        }
        let minimum = response
            .headers()
            .get("oci-chunk-min-length")
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .unwrap_or(0);
        Ok(Self {
            location: next_location(remote, response)?,
            remote,
            minimum,
            ended: false,
        })
    }

    /// Sends all of a blob in one request.
    async fn whole(mut self, blob: &Blob, progress: &Progress) -> Result<Response, Failure> {
        let put = || Request::new(Method::PUT, self.closing(blob));
        let (start, end) = (Checkpoint::start(), blob.descriptor.size);
        let (response, _) = self.part(&blob.body, &start, end, progress, put).await?;
        self.ended = true;
        Ok(response)
    }

    /// Sends a blob chunk by chunk: OCI distribution specification, "Pushing a blob in chunks".
    async fn chunks(mut self, blob: &Blob, progress: &Progress) -> Result<Response, Failure> {
        let mut at = Checkpoint::start();
        while at.offset < blob.descriptor.size {
            let end = match &blob.body {
                Body::File(content) => content.stop_after(at.offset, self.minimum.max(CHUNK)),
                Body::Memory(bytes) => bytes.len() as u64,
            };
            let range = HeaderValue::from_str(&format!("{}-{}", at.offset, end - 1)).ok();
            let patch = || {
                let range = range.clone().map(|range| (CONTENT_RANGE, range));
                request(Method::PATCH, self.location.clone(), range)
            };
            let (response, reached) = self.part(&blob.body, &at, end, progress, patch).await?;
            self.location = next_location(self.remote, &response)?;
            if taken(&response) != Some(end) {
                self.ask_status(end).await?;
            }
            at = reached;
        }
        let put = || request(Method::PUT, self.closing(blob), EMPTY);
        let response = self.remote.attempt(UPLOADING, &put).await?;
        self.ended = true;
        Ok(response)
    }

    /// Asks how much of the blob the registry has, as its answer to a chunk said otherwise than
    /// `expected`, or nothing: the ranges of some are stale, or those of the chunk alone. Where this
    /// does not settle it, the upload goes on: its end names the digest of the whole.
    async fn ask_status(&self, expected: u64) -> Result<(), Failure> {
        let get = || Request::new(Method::GET, self.location.clone());
        let action = "asking for an upload's status";
        match self.remote.attempt(action, &get).await {
            Ok(status) => match taken(&status) {
                Some(taken) if taken != expected => {
                    let what = format!("has {taken} of {expected} bytes of a blob");
                    Err(Failure::passing(self.remote.fault(&what)))
                }
                _ => Ok(()),
            },
            Err(failure) => {
                tracing::debug!(error = %failure.error, "an upload's status is not known");
                Ok(())
            }
        }
    }

    /// The address that ends the upload.
    fn closing(&self, blob: &Blob) -> Url {
        let mut url = self.location.clone();
        url.query_pairs_mut()
            .append_pair("digest", &blob.descriptor.digest.to_string());
        url
    }

    /// Sends the bytes from a checkpoint to `end` in one request, and answers the checkpoint there.
    async fn part(
        &self,
        body: &Body,
        from: &Checkpoint,
        end: u64,
        progress: &Progress,
        build: impl Fn() -> Request,
    ) -> Result<(Response, Checkpoint), Failure> {
        let build = |body: reqwest::Body| {
            let mut request = build();
            let bytes = HeaderValue::from_static("application/octet-stream");
            let length = (end - from.offset).into();
            let headers = [(CONTENT_TYPE, bytes), (CONTENT_LENGTH, length)];
            request.headers_mut().extend(headers);
            *request.body_mut() = Some(body);
            request
        };
        let content = match body {
            Body::File(content) => content,
            Body::Memory(bytes) => {
                let build = || build(bytes.clone().into());
                let response = self.remote.attempt(UPLOADING, &build).await?;
                return Ok((response, Checkpoint::after(bytes)));
            }
        };
        let (session, scope) = (&self.remote.session, &self.remote.scope);
        let activity = Activity::default();
        // The reader of the latest attempt; those before have ended, as nobody takes from them.
        let reader = Mutex::new(None);
        let build = || {
            let (body, task) = stream(content, from, end, progress, &activity);
            *reader.lock() = Some(task);
            build(body)
        };
        let answer = session.stream(UPLOADING, scope, &activity, &build).await;
        let reader = reader.into_inner();
        // It ends at once: either it is through, or nobody takes from it any more.
        let read = match reader {
            Some(task) => tokio::time::timeout(session.timeouts().idle, task).await,
            None => return Err(answer.err().unwrap_or_else(|| early(self.remote))),
        };
        match read {
            // The file's failure is the cause, the connection's the consequence.
            Ok(Ok(Err(error))) => Err(error.into()),
            Ok(Ok(Ok(Some(reached)))) => Ok((answer?, reached)),
            _ => Err(answer.err().unwrap_or_else(|| early(self.remote))),
        }
    }
}

/// How many bytes of the blob a registry says that it has: `Range: 0-9` are ten.
fn taken(response: &Response) -> Option<u64> {
    let range = response.headers().get(RANGE)?.to_str().ok()?.trim();
    let range = range.strip_prefix("bytes=").unwrap_or(range);
    let last: u64 = range.strip_prefix("0-")?.parse().ok()?;
    last.checked_add(1)
}

/// A success that came before all bytes were sent.
fn early(remote: &Remote) -> Failure {
    Failure::passing(remote.fault("ended an upload before it had all of it"))
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        let (false, Ok(runtime)) = (self.ended, Handle::try_current()) else {
            return;
        };
        let (remote, url) = (self.remote.clone(), self.location.clone());
        runtime.spawn(async move {
            let delete = || Request::new(Method::DELETE, url.clone());
            let (action, scope) = ("taking an upload back", &remote.scope);
            let taking = remote.session.offer(action, scope, &delete);
            // A courtesy: registries forget such uploads by themselves. docker-registry 2.8 knows
            // no upload any more whose connection broke, and wants the right to delete for this.
            if let Ok(Err(failure)) = tokio::time::timeout(TAKE_BACK, taking).await {
                tracing::debug!(error = %failure.error, "an upload was not taken back");
            }
        });
    }
}

/// Where a registry wants the next request of an upload.
fn next_location(remote: &Remote, response: &Response) -> Result<Url, Failure> {
    let url =
        location(response).ok_or_else(|| remote.fault("does not say where the upload goes on"))?;
    let session = &remote.session;
    session.permit(&url)?;
    // The login goes with requests to the registry: what to write there, no other host says.
    if session.is_own(&url) && !session.is_own(response.url()) {
        let (registry, from) = (session.registry(), session.party(response.url()));
        let why = format!("{from} leads an upload back to {registry}");
        return Err(session.error(ErrorKind::InsecureRegistry, why).into());
    }
    Ok(url)
}

type Reader = JoinHandle<Result<Option<Checkpoint>>>;

/// A request's body, read on a blocking thread that ends when nobody takes from it.
fn stream(
    content: &Content,
    from: &Checkpoint,
    end: u64,
    progress: &Progress,
    activity: &Activity,
) -> (reqwest::Body, Reader) {
    let (sender, receiver) = mpsc::channel(PIECES);
    let (activity, length) = (activity.begin(), end - from.offset);
    let (content, from, progress) = (content.clone(), from.clone(), progress.clone());
    let reader = tokio::task::spawn_blocking(move || {
        let take = |piece: Bytes| Ok(sender.blocking_send(Ok(piece)).is_ok());
        let read = content.read(&from, end, &progress, take);
        if read.is_err() {
            // Breaks the request off: nothing that looks like an end may follow.
            let _ = sender.blocking_send(Err(io::Error::other("the file cannot be sent")));
        }
        read
    });
    let pieces = futures_util::stream::unfold((receiver, length), move |(mut receiver, left)| {
        let activity = activity.clone();
        async move {
            let piece = receiver.recv().await?;
            let left = left.saturating_sub(piece.as_ref().map_or(0, |piece| piece.len() as u64));
            activity.moved(left);
            Some((piece, (receiver, left)))
        }
    });
    (reqwest::Body::wrap_stream(pieces), reader)
}
