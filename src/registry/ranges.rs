//! A blob's parts, asked for by `Range`: for who needs little of a large one. Nothing that comes so
//! is compared with the blob's digest.

use super::{endpoints::Endpoints, remote::Remote};
use crate::{
    error::{Error, Result},
    progress::Progress,
    session::{Failure, bounded},
    trust::Layer,
};
use bytes::{Buf, Bytes};
use reqwest::{StatusCode, header::CONTENT_RANGE};
use std::{
    fmt,
    io::{self, Read},
};
use tokio::runtime::Handle;
use vouch_protocol::ErrorKind;

/// Bytes that are asked for where something else begins; where reading goes on, twice as many each
/// time.
const LEAST: u64 = 16 << 10;
const MOST: u64 = 256 << 10;
/// More requests, or more bytes, and the whole is the better choice.
const REQUESTS: u32 = 64;
const BYTES: u64 = 4 << 20;

/// Reads parts of a blob. Blocks.
pub struct Ranges {
    runtime: Handle,
    endpoints: Endpoints,
    layer: Layer,
    progress: Progress,
    /// What was asked for and not read yet.
    piece: Bytes,
    /// Where the next part begins.
    offset: u64,
    step: u64,
    requests: u32,
    bytes: u64,
}

/// A read failed because the whole is the better choice, or the only one.
#[derive(Debug)]
pub struct NotInParts;

impl fmt::Display for NotInParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it has to be read whole")
    }
}

impl std::error::Error for NotInParts {}

impl Ranges {
    pub(super) fn new(
        runtime: Handle,
        endpoints: Endpoints,
        layer: Layer,
        progress: Progress,
    ) -> Self {
        Self {
            runtime,
            endpoints,
            layer,
            progress,
            piece: Bytes::new(),
            offset: 0,
            step: LEAST,
            requests: 0,
            bytes: 0,
        }
    }

    /// Passes over so many bytes.
    pub fn hop(&mut self, bytes: u64) {
        let ahead = bytes.min(self.piece.len() as u64);
        self.piece
            .advance(usize::try_from(ahead).unwrap_or(usize::MAX));
        self.offset = self.offset.saturating_add(bytes - ahead);
        self.step = LEAST;
    }

    fn fetch(&mut self) -> io::Result<()> {
        let length = self.step.min(self.layer.size.saturating_sub(self.offset));
        if length == 0 {
            return Ok(());
        }
        self.requests += 1;
        self.bytes += length;
        if self.requests > REQUESTS || self.bytes > BYTES {
            return Err(io::Error::other(NotInParts));
        }
        let (layer, first, last) = (self.layer, self.offset, self.offset + length - 1);
        let (endpoints, progress) = (self.endpoints.clone(), &self.progress);
        let asked = self.runtime.block_on(async {
            let asking = endpoints.first(|endpoint, remote| async move {
                let mut retries = endpoint.retries(&remote);
                retries.again(|| part(&remote, layer, first, last)).await
            });
            tokio::select! {
                () = progress.stopped() => Err(Error::cancelled()),
                asked = asking => asked,
            }
        });
        let (part, endpoints) = match asked {
            // 416, say: a read of the whole tells what is wrong, if something is.
            Err(error) if error.kind() == ErrorKind::RegistryRefused => {
                return Err(io::Error::other(NotInParts));
            }
            asked => asked?,
        };
        let Some(part) = part else {
            return Err(io::Error::other(NotInParts));
        };
        self.endpoints = endpoints;
        self.progress.advance(part.len() as u64);
        self.offset += part.len() as u64;
        self.piece = part;
        self.step = (self.step * 2).min(MOST);
        Ok(())
    }
}

impl Read for Ranges {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.progress.check()?;
        if self.piece.is_empty() && !buffer.is_empty() {
            self.fetch()?;
        }
        (&mut self.piece).reader().read(buffer)
    }
}

/// One part, from its first byte to its last; nothing where the registry knows no ranges.
async fn part(
    remote: &Remote,
    layer: Layer,
    first: u64,
    last: u64,
) -> Result<Option<Bytes>, Failure> {
    const ACTION: &str = "downloading a part of a blob";
    let session = &remote.session;
    let get = || remote.get_blob(layer.digest, Some(format!("bytes={first}-{last}")));
    let response = remote.attempt(ACTION, &get).await?;
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return Ok(None);
    }
    let other = || Failure::from(remote.fault("sent another range than was asked for"));
    let range = response.headers().get(CONTENT_RANGE);
    let range = range.and_then(|range| range.to_str().ok()).map(str::trim);
    let asked = format!("bytes {first}-{last}/");
    let whole = range.and_then(|range| range.strip_prefix(&asked));
    if !whole.is_some_and(|whole| whole == "*" || whole.parse() == Ok(layer.size)) {
        return Err(other());
    }
    let length = usize::try_from(last - first + 1).unwrap_or(usize::MAX);
    let over = ErrorKind::RegistryError;
    let body = bounded(session, ACTION, response, length, over).await?;
    if body.len() != length {
        return Err(other());
    }
    Ok(Some(body.into()))
}
