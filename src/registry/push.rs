//! Publishing to a registry: OCI distribution specification, "Push".

use super::{
    Pushed,
    attached::{Attached, EMPTY},
    beside::Place,
    candidates::Listed,
    content::Content,
    fallback,
    manifest::Manifest,
    memory::Memory,
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
use futures_util::future::try_join_all;
use reqwest::{
    Method, Response,
    header::{CONTENT_TYPE, HeaderValue},
};
use std::{
    collections::HashSet,
    sync::atomic::{AtomicU64, Ordering},
};

const IMAGE_TYPE: HeaderValue =
    HeaderValue::from_static("application/vnd.oci.image.manifest.v1+json");

/// Publishes the blobs, then the manifest. Bundles come before its tag, so that nobody finds the tag
/// without them: the manifest by its digest, what refers to it, and where the registry has no list
/// of that, its fallback tag.
pub(super) async fn push(
    sessions: &Sessions,
    content: Content,
    manifest: Manifest,
    reference: &RegistryReference,
    progress: &Progress,
) -> Result<Pushed> {
    progress.enter(Phase::Asking);
    let remote = Remote::new(sessions, reference, Action::Push).await?;
    let subject = manifest.described();
    let attached = Attached::all(&content.bundles(), subject)?;
    let digest = manifest.digest.to_string();
    let name = match (&reference.tag, reference.digest) {
        (Some(tag), _) => tag.to_string(),
        (None, Some(_)) => digest.clone(),
        (None, None) => "latest".to_owned(),
    };
    let mut small = vec![Bytes::from(manifest.config)];
    if !attached.is_empty() {
        small.push(Bytes::from_static(EMPTY));
        small.extend(attached.iter().map(|one| one.bundle.clone()));
    }
    let mut seen = HashSet::new();
    small.retain(|blob| seen.insert(Digest::of(blob)));
    let publishing = Publishing {
        remote,
        content,
        small,
        progress,
        sent: AtomicU64::new(0),
    };
    publishing.provide_blobs().await?;
    let bytes = Bytes::from(manifest.bytes);
    if !attached.is_empty() {
        // Who names it by its digest finds it signed, or not at all.
        if name != digest {
            publishing.write(&digest, &bytes, Step::Before).await?;
        }
        publishing.attach(&attached, manifest.digest).await?;
    }
    publishing.write(&name, &bytes, Step::Last).await?;
    let small = publishing.small.iter().map(|blob| blob.len() as u64);
    let size = publishing.content.size() + small.sum::<u64>();
    let uploaded = publishing.sent.into_inner();
    Ok(Pushed {
        manifest: manifest.digest,
        uploaded,
        skipped: size.saturating_sub(uploaded),
        bundles: attached.iter().map(Attached::pushed).collect(),
    })
}

/// What is published, and where.
struct Publishing<'a> {
    remote: Remote,
    content: Content,
    /// All blobs but the artifact's, each once.
    small: Vec<Bytes>,
    progress: &'a Progress,
    /// Bytes of blobs that were sent.
    sent: AtomicU64,
}

/// Whether a manifest is the one that cannot be taken back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Before,
    Last,
}

impl Publishing<'_> {
    /// Has bundles refer to a manifest, where others look for them.
    async fn attach(&self, attached: &[Attached], subject: Digest) -> Result<()> {
        let (mut listed, mut unlisted) = (Vec::new(), Vec::new());
        for one in attached {
            let digest = one.digest.to_string();
            let answer = self.write(&digest, &one.manifest, Step::Before).await?;
            let said = answer.headers().get("oci-subject");
            let said = said.and_then(|subject| subject.to_str().ok()?.parse().ok());
            let list = if said == Some(subject) {
                &mut listed
            } else {
                &mut unlisted
            };
            list.push(one);
        }
        if !listed.is_empty() && !self.lists(&listed, subject).await? {
            unlisted.append(&mut listed);
        }
        if unlisted.is_empty() {
            return Ok(());
        }
        let entries: Vec<_> = unlisted.iter().map(|one| one.entry.clone()).collect();
        fallback::list(&self.remote, subject, &entries).await
    }

    /// Whether the registry lists these, as it says; not where it lists nothing at all, so that its
    /// readers look for the fallback tag. Fails where it lists others alone: nobody would find them.
    async fn lists(&self, these: &[&Attached], subject: Digest) -> Result<bool> {
        let session = &self.remote.session;
        let mut retries = Retries::new(session.timeouts());
        loop {
            let memory = Memory::at(session.registry());
            let place = Place::new(self.remote.clone(), false, &memory);
            let mut listed = Listed::seeking(these.iter().map(|one| one.digest));
            place.in_time(place.own_list(subject, &mut listed)).await?;
            let Some(missing) = listed.missing.iter().next() else {
                return Ok(true);
            };
            let what = format!("says that it lists what refers to {subject}, and not {missing}");
            let error = self.remote.fault(&what).help(
                "Nothing was tagged. Try again later: some registries list it after a while.",
            );
            // A moment may do.
            match retries.wait(Failure::passing(error)).await {
                Err(_) if listed.all == 0 => return Ok(false),
                tried => tried?,
            }
        }
    }

    /// Writes a manifest whose blobs are there. Right before each the file is judged again: by its
    /// digest, a manifest is found before it has a tag.
    async fn write(&self, name: &str, bytes: &Bytes, step: Step) -> Result<Response> {
        let path = format!("manifests/{name}");
        let stored = Layer {
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
        };
        let put = || {
            let url = self.remote.url(&path);
            let mut put = request(Method::PUT, url, [(CONTENT_TYPE, IMAGE_TYPE)]);
            *put.body_mut() = Some(bytes.clone().into());
            put
        };
        let mut retries = Retries::new(self.remote.session.timeouts());
        // Whether an attempt may have written it, whose answer was lost.
        let mut unclear = false;
        loop {
            match step {
                Step::Before => self.content.confirm_aside().await?,
                Step::Last => self.content.commit_aside(self.progress).await?,
            }
            let failure = match self.remote.attempt("writing the manifest", &put).await {
                Ok(response) => {
                    self.remote.confirm(&response, &path, stored).await?;
                    return Ok(response);
                }
                Err(failure) => failure,
            };
            if !failure.unseen_blobs {
                unclear = true;
                retries.wait(failure).await?;
                continue;
            }
            // Nothing was written: until the next attempt, the push may be cancelled again.
            if step == Step::Last && !unclear {
                self.progress.withdraw();
            }
            let what = format!("does not see blobs that it has: {}", failure.error);
            let error = self.remote.fault(&what);
            let error = error.help("Others may push the same at this moment. Try again.");
            retries.wait(Failure::passing(error)).await?;
            self.provide_blobs().await?;
        }
    }

    /// Sees to it that all blobs are there, side by side: most of a small push is waiting for
    /// answers.
    async fn provide_blobs(&self) -> Result<()> {
        let (remote, content, progress) = (&self.remote, &self.content, self.progress);
        let layer = async {
            let blob = Layer {
                digest: content.digest(),
                size: content.size(),
            };
            // What is one block is checked while the registry is asked for it.
            let body = async {
                if content.size() > BLOCK as u64 {
                    return Ok(Body::File(content.clone()));
                }
                content.whole(progress).await.map(Body::Memory)
            };
            let sent = provide(remote, blob, body, progress).await?;
            // It is there, whoever brought it.
            content.arrived(progress);
            Ok(sent)
        };
        let small = self.small.iter().map(|bytes| async move {
            let blob = Layer {
                digest: Digest::of(bytes),
                size: bytes.len() as u64,
            };
            // A file that changed shall leave nothing behind, not even its config.
            let body = async {
                content.checked().await;
                Ok(Body::Memory(bytes.clone()))
            };
            provide(remote, blob, body, progress).await
        });
        let (layer, small) = tokio::try_join!(layer, try_join_all(small))?;
        let sent = layer + small.iter().sum::<u64>();
        self.sent.fetch_add(sent, Ordering::Relaxed);
        Ok(())
    }
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
