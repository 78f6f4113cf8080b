//! Looking up what a registry has: OCI distribution specification, "Pulling manifests".

use super::{
    endpoints::{Endpoint, Endpoints},
    manifest::{ACCEPT, Fetched, describe},
    remote::{Remote, claimed_digest},
};
use crate::{
    artifact::Limits,
    error::Result,
    name::{Digest, RegistryReference},
    session::{Failure, Retries, Sessions, bounded, request},
    trust::Layer,
};
use reqwest::{
    Method,
    header::{self, CONTENT_TYPE},
};
use std::sync::Arc;
use vouch_protocol::{ErrorKind, Manifest};

/// Larger manifests are not held while an artifact waits for its turn.
const HELD: usize = 64 << 10;

/// A manifest that was found.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) digest: Digest,
    /// Its one layer.
    pub(super) layer: Layer,
    /// What else it says.
    pub(super) described: Manifest,
    /// Its very bytes, unless they are many.
    pub(super) bytes: Option<Vec<u8>>,
}

impl Named {
    pub(super) fn of(layer: Layer, bytes: Vec<u8>) -> Self {
        Self {
            digest: Digest::of(&bytes),
            layer,
            described: describe(&bytes),
            bytes: Some(bytes).filter(|bytes| bytes.len() <= HELD),
        }
    }
}

/// A manifest once more, by its digest: the very same bytes.
pub(super) async fn again(
    endpoints: Endpoints,
    digest: Digest,
    limits: &Limits,
) -> Result<Vec<u8>> {
    let again = endpoints.first(|endpoint, remote| async move {
        let name = digest.to_string();
        let mut retries = endpoint.retries(&remote);
        get(&remote, &name, Some(digest), limits, &mut retries).await
    });
    let ((bytes, _), _) = again.await?;
    Ok(bytes)
}

/// Looks a manifest up; with the endpoints that may have its layer.
pub(super) async fn find(
    sessions: &Sessions,
    reference: &RegistryReference,
    limits: &Limits,
) -> Result<(Named, Endpoints)> {
    let endpoints = Endpoints::of(sessions, reference);
    endpoints
        .first(|endpoint, remote| look_up(endpoint, remote, limits))
        .await
}

async fn look_up(endpoint: Arc<Endpoint>, remote: Remote, limits: &Limits) -> Result<Named> {
    let answer = look_up_in(&endpoint, &remote, limits);
    if !endpoint.is_mirror {
        return answer.await;
    }
    // Another endpoint can be asked: no need to wait for this one.
    tokio::time::timeout(remote.session.timeouts().connect, answer)
        .await
        .unwrap_or_else(|_| {
            let what = "did not answer in time";
            Err(remote.session.fault(ErrorKind::RegistryTimeout, what))
        })
}

async fn look_up_in(endpoint: &Endpoint, remote: &Remote, limits: &Limits) -> Result<Named> {
    let (reference, mut retries) = (&endpoint.reference, endpoint.retries(remote));
    let name = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => digest.to_string(),
        (None, Some(tag)) => tag.to_string(),
        (None, None) => "latest".to_owned(),
    };
    let (body, fetched) = get(remote, &name, reference.digest, limits, &mut retries).await?;
    let (body, fetched) = match fetched {
        // From here on its one manifest is meant: signatures are of that, and it is what a pinned
        // reference names.
        Fetched::Index(inner) => {
            let name = inner.to_string();
            get(remote, &name, Some(inner), limits, &mut retries).await?
        }
        Fetched::Image(_) => (body, fetched),
    };
    let layer = fetched
        .layer()
        .map_err(|error| remote.session.about(&error))?;
    Ok(Named::of(layer, body))
}

/// A manifest by its tag or digest.
async fn get(
    remote: &Remote,
    name: &str,
    digest: Option<Digest>,
    limits: &Limits,
    retries: &mut Retries,
) -> Result<(Vec<u8>, Fetched)> {
    let path = format!("manifests/{name}");
    let (body, media_type) = retries
        .again(|| fetch(remote, &path, digest, limits))
        .await
        .map_err(|error| {
            let what = format!("{} with {name}", remote.scope.repository);
            remote.missing(&what, error)
        })?;
    let fetched = Fetched::read(&body, media_type.as_deref(), limits);
    let fetched = fetched.map_err(|error| remote.session.about(&error))?;
    Ok((body, fetched))
}

async fn fetch(
    remote: &Remote,
    path: &str,
    named: Option<Digest>,
    limits: &Limits,
) -> Result<(Vec<u8>, Option<String>), Failure> {
    const ACTION: &str = "reading the manifest";
    let session = &remote.session;
    let get = || request(Method::GET, remote.url(path), [(header::ACCEPT, ACCEPT)]);
    let response = remote.attempt(ACTION, &get).await?;
    let media_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase())
        // Static file servers know no better: then the manifest itself says what it is.
        .filter(|value| {
            !matches!(
                value.as_str(),
                "application/json" | "application/octet-stream"
            ) && !value.starts_with("text/")
        });
    let claimed = claimed_digest(&response);
    let over = ErrorKind::InvalidManifest;
    let body = bounded(session, ACTION, response, limits.manifest, over).await?;
    let digest = Digest::of(&body);
    for expected in [named, claimed].into_iter().flatten() {
        if expected != digest {
            let why = format!(
                "the manifest hashes to {digest}, but {} calls it {expected}",
                session.registry()
            );
            return Err(session.error(ErrorKind::InvalidManifest, why).into());
        }
    }
    Ok((body, media_type))
}
