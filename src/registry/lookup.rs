//! Looking up what a registry has: OCI distribution specification, "Pulling manifests".

use super::{
    endpoints::{Endpoint, Endpoints},
    manifest::{ACCEPT, Layer},
    remote::{Remote, claimed_digest},
};
use crate::{
    artifact::Limits,
    error::Result,
    name::{Digest, RegistryReference},
    session::{Activity, Failure, Retries, Sessions, bounded},
};
use reqwest::{
    StatusCode, Url,
    header::{ACCEPT as ACCEPTS, CONTENT_TYPE},
};
use std::sync::Arc;
use vouch_protocol::ErrorKind;

/// Looks a manifest up, and answers its digest, the one layer that it names, and where that is.
pub(super) async fn find(
    sessions: &Sessions,
    reference: &RegistryReference,
    limits: &Limits,
) -> Result<(Digest, Endpoints, Layer)> {
    let endpoints = Endpoints::of(sessions, reference);
    let ((digest, layer), endpoints) = endpoints
        .first(|endpoint, remote| look_up(endpoint, remote, limits))
        .await?;
    Ok((digest, endpoints, layer))
}

async fn look_up(
    endpoint: Arc<Endpoint>,
    remote: Remote,
    limits: &Limits,
) -> Result<(Digest, Layer)> {
    let timeouts = remote.session.timeouts();
    if !endpoint.is_mirror {
        return look_up_in(&endpoint, &remote, limits, Retries::new(timeouts)).await;
    }
    // There is another endpoint: what takes so long is waited for there.
    let answer = look_up_in(&endpoint, &remote, limits, Retries::none(timeouts));
    tokio::time::timeout(timeouts.connect, answer)
        .await
        .unwrap_or_else(|_| {
            let why = format!("{} did not answer in time", remote.session.registry());
            Err(remote.session.error(ErrorKind::RegistryTimeout, why))
        })
}

async fn look_up_in(
    endpoint: &Endpoint,
    remote: &Remote,
    limits: &Limits,
    mut retries: Retries,
) -> Result<(Digest, Layer)> {
    let reference = &endpoint.reference;
    let name = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => digest.to_string(),
        (None, Some(tag)) => tag.to_string(),
        (None, None) => "latest".to_owned(),
    };
    let (registry, repository) = (remote.session.registry(), &reference.repository);
    let path = format!("manifests/{name}");
    let (body, media_type) = loop {
        match fetch(remote, &path, reference.digest, limits).await {
            Ok(fetched) => break fetched,
            Err(failure) => retries.wait(failure).await.map_err(|error| {
                if error.kind() == ErrorKind::NotFound {
                    let what = format!("there is no {repository} with {name} in {registry}");
                    return remote
                        .session
                        .error(ErrorKind::NotFound, format!("{what}: {error}"))
                        .status(StatusCode::NOT_FOUND.as_u16())
                        .help("Look for a slip of the pen; or it may need a login to be seen.");
                }
                error
            })?,
        }
    };
    let layer = Layer::read(&body, media_type.as_deref(), limits)
        .map_err(|error| remote.session.about(&error))?;
    Ok((Digest::of(&body), layer))
}

async fn fetch(
    remote: &Remote,
    path: &str,
    named: Option<Digest>,
    limits: &Limits,
) -> Result<(Vec<u8>, Option<String>), Failure> {
    const ACTION: &str = "reading the manifest";
    let session = &remote.session;
    let response = session
        .attempt(
            ACTION,
            &remote.scope,
            &Activity::still(),
            &|client: &reqwest::Client, base: &Url| {
                client.get(remote.url(base, path)).header(ACCEPTS, ACCEPT)
            },
        )
        .await?;
    let media_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|value| value.trim().to_ascii_lowercase())
        // Static file servers do not know better; the manifest says what it is.
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
