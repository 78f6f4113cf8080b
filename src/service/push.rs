//! `push`: verify a file and publish it. Nothing of a refused file is sent.

use super::{beside, request::Request, turns::Work};
use crate::{
    artifact,
    error::Result,
    file,
    progress::Phase,
    registry,
    trust::{self, Publication, Use},
};
use std::sync::Arc;
use vouch_protocol::{PublishedBundle, PushParams, PushResult};

pub(super) async fn push(request: Arc<Request>, params: PushParams) -> Result<PushResult> {
    let path = file::parse_path(&params.path)?;
    request.touches(&path);
    let reference = request.reference(&params.reference)?;
    request.concerns(&reference);
    let reference = reference.pinned(params.allow_latest.unwrap_or(false))?;
    let annotations = params.annotations.unwrap_or_default();
    let bundle = params.bundle.as_deref().map(file::parse_path).transpose()?;
    let bundle = match bundle {
        Some(path) => {
            let read = move |request: &Request| beside::bundle(&path, request.progress());
            Some(request.examine(Work::Small, read).await?)
        }
        None => None,
    };

    // Never from the cache: what is sent is checked against the hashes that are made now.
    let (name, file) = (path.display().to_string(), path.clone());
    let examined = request
        .examine_file(path, |request, source| {
            // It is read to be verified, and again to be sent.
            request.progress().expect(source.size().saturating_mul(2));
            request.progress().enter(Phase::Verifying);
            artifact::examine(source, request.limits(), request.progress())
        })
        .await?;
    let known = examined.share();
    let publication = Publication {
        to: reference.clone(),
        manifest: registry::manifest(&examined, &annotations)?,
        bundle,
    };
    let vouched = request
        .blocking(move |request| {
            let beside = beside::of_pushed(&file, &publication, request.progress())?;
            let usage = Use::Push(publication);
            trust::judge(examined, beside, usage, None, &request.clock()())
        })
        .await?
        .map_err(|refused| refused.error(name))?;
    let _turn = request.turn(Work::Upload).await?;
    let (pushed, verification) = registry::push(
        &request.settings().sessions,
        vouched,
        request.clock(),
        &annotations,
        request.progress(),
    )
    .await?;
    request.published(&reference, pushed.manifest, known);
    let bundles = pushed.bundles.iter().map(|bundle| PublishedBundle {
        digest: bundle.bundle.to_string(),
        manifest: bundle.manifest.to_string(),
    });
    Ok(PushResult {
        reference: reference.with_digest(pushed.manifest).to_string(),
        digest: pushed.manifest.to_string(),
        verification,
        uploaded: pushed.uploaded,
        skipped: pushed.skipped,
        bundles: bundles.collect(),
    })
}
