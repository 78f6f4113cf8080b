//! `push`: verify a file and publish it. Nothing of a refused file is sent.

use super::{request::Request, turns::Work};
use crate::{
    artifact,
    error::Result,
    file,
    progress::Phase,
    registry,
    trust::{self, Use},
};
use std::sync::Arc;
use vouch_protocol::{PushParams, PushResult};

pub(super) async fn push(request: Arc<Request>, params: PushParams) -> Result<PushResult> {
    let path = file::parse_path(&params.path)?;
    request.touches(&path);
    let reference = request.reference(&params.reference)?;
    request.concerns(&reference);
    let reference = reference.pinned(params.allow_latest.unwrap_or(false))?;
    let annotations = params.annotations.unwrap_or_default();

    // Never from the cache: what is sent is checked against the hashes that are made now.
    let name = path.display().to_string();
    let examined = request
        .examine_file(path, |request, source| {
            // It is read to be verified, and again to be sent.
            request.progress().expect(source.size().saturating_mul(2));
            request.progress().enter(Phase::Verifying);
            artifact::examine(source, request.limits(), request.progress())
        })
        .await?;
    let known = examined.share();
    let usage = Use::Push {
        to: reference.clone(),
    };
    let vouched = request
        .blocking(move |request| trust::judge(examined, None, usage, None, &request.clock()()))
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
    Ok(PushResult {
        reference: reference.with_digest(pushed.manifest).to_string(),
        digest: pushed.manifest.to_string(),
        verification,
        uploaded: pushed.uploaded,
        skipped: pushed.skipped,
    })
}
