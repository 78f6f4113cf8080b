//! Publishing to a registry: OCI distribution specification, "Push".

use super::{
    Pushed,
    content::Content,
    manifest::Manifest,
    remote::Remote,
    turns,
    upload::{self, Blob, Body},
};
use crate::{
    artifact::BLOCK,
    error::Result,
    name::{Digest, RegistryReference},
    progress::{Phase, Progress},
    session::{Action, Failure, Retries, Sessions, request},
    trust::Layer,
};
use bytes::Bytes;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderValue},
};

const IMAGE_TYPE: HeaderValue =
    HeaderValue::from_static("application/vnd.oci.image.manifest.v1+json");

/// Publishes the blobs, then the manifest.
pub(super) async fn push(
    sessions: &Sessions,
    content: Content,
    manifest: Manifest,
    reference: &RegistryReference,
    progress: &Progress,
) -> Result<Pushed> {
    progress.enter(Phase::Asking);
    let remote = Remote::new(sessions, reference, Action::Push).await?;
    let mut pushed = Pushed {
        manifest: manifest.digest,
        uploaded: 0,
        skipped: 0,
    };
    let name = match (&reference.tag, reference.digest) {
        (Some(tag), _) => tag.to_string(),
        (None, Some(digest)) => digest.to_string(),
        (None, None) => "latest".to_owned(),
    };
    let path = format!("manifests/{name}");
    let stored = Layer {
        digest: manifest.digest,
        size: manifest.bytes.len() as u64,
    };
    let (bytes, config) = (Bytes::from(manifest.bytes), Bytes::from(manifest.config));
    let put = || {
        let mut put = request(Method::PUT, remote.url(&path), [(CONTENT_TYPE, IMAGE_TYPE)]);
        *put.body_mut() = Some(bytes.clone().into());
        put
    };
    let mut retries = Retries::new(remote.session.timeouts());
    let mut missing = true;
    // Whether an attempt may have written it, whose answer was lost.
    let mut unclear = false;
    loop {
        if missing {
            let sent = provide_blobs(&remote, &content, &config, progress).await?;
            pushed.uploaded += sent;
        }
        content.commit_aside(progress).await?;
        let failure = match remote.attempt("writing the manifest", &put).await {
            Ok(response) => {
                remote.confirm(&response, &path, stored).await?;
                let size = content.size + config.len() as u64;
                pushed.skipped = size.saturating_sub(pushed.uploaded);
                return Ok(pushed);
            }
            Err(failure) => failure,
        };
        missing = failure.unseen_blobs;
        let failure = if missing {
            // Nothing was written: until the next attempt, the push may be cancelled again.
            if !unclear {
                progress.withdraw();
            }
            let what = format!("does not see blobs that it has: {}", failure.error);
            let error = remote.fault(&what);
            Failure::passing(error.help("Others may push the same at this moment. Try again."))
        } else {
            unclear = true;
            failure
        };
        retries.wait(failure).await?;
    }
}

/// Sees to it that both blobs are there, side by side: most of a small push is waiting for answers.
/// Answers how many bytes were sent.
async fn provide_blobs(
    remote: &Remote,
    content: &Content,
    config: &Bytes,
    progress: &Progress,
) -> Result<u64> {
    let layer = async {
        let blob = Layer {
            digest: content.digest,
            size: content.size,
        };
        // What is one block is checked while the registry is asked for it.
        let body = async {
            if content.size > BLOCK as u64 {
                return Ok(Body::File(content.clone()));
            }
            content.whole(progress).await.map(Body::Memory)
        };
        let sent = provide(remote, blob, body, progress).await?;
        // It is there, whoever brought it.
        content.arrived(progress);
        Ok(sent)
    };
    let config = async {
        let blob = Layer {
            digest: Digest::of(config),
            size: config.len() as u64,
        };
        // A file that changed shall leave nothing behind, not even its config.
        let body = async {
            content.checked().await;
            Ok(Body::Memory(config.clone()))
        };
        provide(remote, blob, body, progress).await
    };
    let (layer, config) = tokio::try_join!(layer, config)?;
    Ok(layer + config)
}

/// Sees to it that a blob is there, and answers how much of it had to be sent.
async fn provide(
    remote: &Remote,
    blob: Layer,
    body: impl Future<Output = Result<Body>>,
    progress: &Progress,
) -> Result<u64> {
    let (there, body) = tokio::try_join!(remote.has(blob), body)?;
    let sent = if there {
        0
    } else {
        let turn = turns::take(remote, blob.digest).await?;
        if (turn.waited && remote.has(blob).await?) || upload::mount(remote, blob).await {
            0
        } else {
            progress.enter(Phase::Sending);
            let (descriptor, size) = (blob, blob.size);
            upload::upload(remote, &Blob { descriptor, body }, progress).await?;
            size
        }
    };
    let repository = remote.scope.repository.clone();
    remote.session.blobs.lock().put(blob.digest, repository);
    Ok(sent)
}
