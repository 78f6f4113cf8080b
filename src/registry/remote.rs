//! Publishing to a registry, and looking up what is there: OCI distribution specification, "Push"
//! and "Pull".

use super::{
    Pushed,
    content::Content,
    manifest::{ACCEPT, Layer, Manifest},
    places::{Place, Places},
    upload::{self, Blob},
};
use crate::{
    artifact::Limits,
    error::{Error, Result},
    progress::{Phase, Progress},
    reference::{Digest, RegistryReference},
    session::{Action, Activity, Failure, Retries, Scope, Session, Sessions, bounded},
};
use reqwest::{
    Response, StatusCode, Url,
    header::{ACCEPT as ACCEPTS, CONTENT_TYPE},
};
use std::sync::Arc;
use vouch_protocol::ErrorKind;

/// A repository's blobs.
#[derive(Debug, Clone)]
pub(super) struct Blobs {
    pub(super) session: Arc<Session>,
    pub(super) scope: Scope,
}

impl Blobs {
    pub(super) async fn new(
        sessions: &Sessions,
        reference: &RegistryReference,
        action: Action,
    ) -> Result<Self> {
        let RegistryReference {
            registry,
            repository,
            ..
        } = reference;
        Ok(Self {
            session: sessions.session(registry, repository).await?,
            scope: Scope::new(repository, action),
        })
    }

    /// An address below the repository's.
    pub(super) fn url(&self, base: &Url, rest: &str) -> Url {
        let mut url = base.clone();
        // A repository's and a tag's characters need no escapes; a colon in a digest neither.
        url.set_path(&format!("/v2/{}/{rest}", self.scope.repository));
        url
    }

    /// Whether a blob is there.
    pub(super) async fn has(&self, digest: Digest) -> Result<bool> {
        let path = format!("blobs/{digest}");
        let answer = self
            .session
            .send("looking for a blob", &self.scope, |client, base| {
                client.head(self.url(base, &path))
            })
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Publishes blobs, then the manifest.
pub(super) async fn push(
    sessions: &Sessions,
    content: Content,
    manifest: Manifest,
    reference: &RegistryReference,
    progress: &Progress,
) -> Result<Pushed> {
    progress.enter(Phase::Asking);
    let blobs = Blobs::new(sessions, reference, Action::Push).await?;
    let all = [Blob::File(content), Blob::Memory(manifest.config.into())];
    let mut pushed = Pushed {
        manifest: manifest.digest,
        uploaded: 0,
        skipped: 0,
    };
    // Asked side by side: of a small push, most of the time is the registry's answers. They are
    // sent in turn, so that a file that changed leaves not even its config there.
    let [layer, config] = &all;
    let there = tokio::try_join!(blobs.has(layer.digest()), blobs.has(config.digest()))?;
    for (blob, there) in all.iter().zip(<[bool; 2]>::from(there)) {
        if there || upload::mount(&blobs, blob).await {
            pushed.skipped += blob.size();
        } else {
            progress.enter(Phase::Sending);
            upload::upload(&blobs, blob, progress).await?;
            pushed.uploaded += blob.size();
        }
        blob.arrived(progress);
        blobs.session.saw_blob(blob.digest(), &reference.repository);
    }
    let name = match &reference.tag {
        Some(tag) => tag.clone(),
        None => reference
            .digest
            .map_or_else(|| "latest".to_owned(), |digest| digest.to_string()),
    };
    let path = format!("manifests/{name}");
    progress.commit()?;
    let response = blobs
        .session
        .send("writing the manifest", &blobs.scope, |client, base| {
            client
                .put(blobs.url(base, &path))
                .header(CONTENT_TYPE, "application/vnd.oci.image.manifest.v1+json")
                .body(manifest.bytes.clone())
        })
        .await?;
    agree(&blobs.session, &response, manifest.digest)?;
    Ok(pushed)
}

/// Looks a manifest up, and answers its digest, the one layer that it names, and where that is.
pub(super) async fn find(
    sessions: &Sessions,
    reference: &RegistryReference,
    limits: &Limits,
) -> Result<(Digest, Places, Layer)> {
    let places = Places::of(sessions, reference);
    let ((digest, layer), places) = places
        .first(|place, blobs| look_up(place, blobs, limits))
        .await?;
    Ok((digest, places, layer))
}

async fn look_up(place: Arc<Place>, blobs: Blobs, limits: &Limits) -> Result<(Digest, Layer)> {
    let timeouts = blobs.session.timeouts();
    if !place.is_mirror {
        return look_up_in(&place, &blobs, limits, Retries::new(timeouts)).await;
    }
    // There is another place: what takes so long is waited for there.
    let answer = look_up_in(&place, &blobs, limits, Retries::none(timeouts));
    tokio::time::timeout(timeouts.connect, answer)
        .await
        .unwrap_or_else(|_| {
            let why = format!("{} did not answer in time", blobs.session.registry());
            Err(blobs.session.error(ErrorKind::RegistryTimeout, why))
        })
}

async fn look_up_in(
    place: &Place,
    blobs: &Blobs,
    limits: &Limits,
    mut retries: Retries,
) -> Result<(Digest, Layer)> {
    let reference = &place.reference;
    let name = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => digest.to_string(),
        (None, Some(tag)) => tag.clone(),
        (None, None) => "latest".to_owned(),
    };
    let (registry, repository) = (blobs.session.registry(), &reference.repository);
    let path = format!("manifests/{name}");
    let (body, media_type) = loop {
        match fetch(blobs, &path, reference.digest, limits).await {
            Ok(fetched) => break fetched,
            Err(failure) => retries.wait(failure).await.map_err(|error| {
                if error.kind() == ErrorKind::NotFound {
                    let what = format!("there is no {repository} with {name} in {registry}");
                    return blobs
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
        .map_err(|error| blobs.session.about(&error))?;
    Ok((Digest::of(&body), layer))
}

async fn fetch(
    blobs: &Blobs,
    path: &str,
    named: Option<Digest>,
    limits: &Limits,
) -> Result<(Vec<u8>, Option<String>), Failure> {
    const ACTION: &str = "reading the manifest";
    let session = &blobs.session;
    let response = session
        .attempt(
            ACTION,
            &blobs.scope,
            &Activity::still(),
            &|client: &reqwest::Client, base: &Url| {
                client.get(blobs.url(base, path)).header(ACCEPTS, ACCEPT)
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

/// The digest that a registry says it has stored, or sends. Other algorithms are nothing to us.
fn claimed_digest(response: &Response) -> Option<Digest> {
    let value = response.headers().get("docker-content-digest")?;
    value.to_str().ok()?.parse().ok()
}

/// Fails where a registry says that it stored something else than was sent.
pub(super) fn agree(session: &Session, response: &Response, digest: Digest) -> Result<(), Error> {
    match claimed_digest(response) {
        Some(other) if other != digest => Err(session.error(
            ErrorKind::RegistryError,
            format!(
                "{} says that it stored {other}, but {digest} was sent",
                session.registry()
            ),
        )),
        _ => Ok(()),
    }
}
