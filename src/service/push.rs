//! `push`: verify a file and publish it. Nothing of a refused file is sent.

use super::{beside, request::Request, turns::Work};
use crate::{
    artifact,
    error::Result,
    file::{self, Source},
    progress::Phase,
    registry,
    signature::Evidence,
    trust::{self, Publication, Use},
};
use std::sync::Arc;
use vouch_protocol::{PushParams, PushResult};

pub(super) async fn push(request: Arc<Request>, params: PushParams) -> Result<PushResult> {
    let path = file::parse_path(&params.path)?;
    request.touches(&path);
    let reference = request.reference(&params.reference)?;
    request.concerns(&reference);
    let reference = reference.pinned(params.allow_latest.unwrap_or(false))?;
    let reference = reference.destination()?;
    let annotations = params.annotations.unwrap_or_default();
    let bundle = params.bundle.as_deref().map(file::parse_path).transpose()?;
    if let Some(bundle) = bundle.clone() {
        // Whoever mistakes its name is told before a large file was read.
        let open = move |_: &Request| Source::open(&bundle).map(drop);
        request.examine(Work::Small, open).await?;
    }

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
    let (to, manifest) = (
        reference.clone(),
        registry::manifest(&examined, &annotations)?,
    );
    let vouched = request
        .blocking(move |request| {
            let named = bundle.as_deref();
            let bundle = named.map(|path| beside::bundle(path, request.progress()));
            let bundle = bundle.transpose()?;
            let publication = Publication {
                to,
                manifest,
                // An upload may take hours. The memory that all share is for those who judge.
                bundle: bundle.as_ref().map(Evidence::held_elsewhere),
            };
            let (mut read, now) = (Vec::from_iter(bundle), request.clock()());
            let beside = beside::of_pushed(&file, &publication, request.progress())?;
            let beside = beside.map(|round| {
                let round = round?;
                let alone = round.iter().map(Evidence::held_elsewhere).collect();
                read.extend(round);
                Ok(alone)
            });
            trust::judge(examined, beside, Use::Push(publication), None, &now)
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
    request.published(&reference, &pushed, known);
    Ok(PushResult {
        reference: reference.with_digest(pushed.manifest).to_string(),
        digest: pushed.manifest.to_string(),
        verification,
        uploaded: pushed.uploaded,
        skipped: pushed.skipped,
        bundles: pushed.bundles.into_iter().map(Into::into).collect(),
    })
}
