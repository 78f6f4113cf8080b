//! Publishing to a registry: OCI distribution specification, "Push".

use super::{
    Pushed,
    content::Content,
    manifest::Manifest,
    remote::{Remote, agree},
    upload::{self, Blob},
};
use crate::{
    error::Result,
    name::RegistryReference,
    progress::{Phase, Progress},
    session::{Action, Sessions},
};
use reqwest::header::CONTENT_TYPE;

/// Publishes remote, then the manifest.
pub(super) async fn push(
    sessions: &Sessions,
    content: Content,
    manifest: Manifest,
    reference: &RegistryReference,
    progress: &Progress,
) -> Result<Pushed> {
    progress.enter(Phase::Asking);
    let remote = Remote::new(sessions, reference, Action::Push).await?;
    let all = [
        Blob::File(content.clone()),
        Blob::Memory(manifest.config.into()),
    ];
    let mut pushed = Pushed {
        manifest: manifest.digest,
        uploaded: 0,
        skipped: 0,
    };
    // Asked side by side: of a small push, most of the time is the registry's answers. They are
    // sent in turn, so that a file that changed leaves not even its config there.
    let [layer, config] = &all;
    let there = tokio::try_join!(remote.has(layer.digest()), remote.has(config.digest()))?;
    for (blob, there) in all.iter().zip(<[bool; 2]>::from(there)) {
        if there || upload::mount(&remote, blob).await {
            pushed.skipped += blob.size();
        } else {
            progress.enter(Phase::Sending);
            upload::upload(&remote, blob, progress).await?;
            pushed.uploaded += blob.size();
        }
        blob.arrived(progress);
        remote
            .session
            .saw_blob(blob.digest(), &reference.repository);
    }
    let name = match &reference.tag {
        Some(tag) => tag.to_string(),
        None => reference
            .digest
            .map_or_else(|| "latest".to_owned(), |digest| digest.to_string()),
    };
    let path = format!("manifests/{name}");
    content.commit(progress)?;
    let response = remote
        .session
        .send("writing the manifest", &remote.scope, |client, base| {
            client
                .put(remote.url(base, &path))
                .header(CONTENT_TYPE, "application/vnd.oci.image.manifest.v1+json")
                .body(manifest.bytes.clone())
        })
        .await?;
    agree(&remote.session, &response, manifest.digest)?;
    Ok(pushed)
}
