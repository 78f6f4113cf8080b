//! `push`: verify a file and publish it. Nothing is sent of a file that is refused.

use super::{request::Request, turns::Work};
use crate::{
    artifact,
    error::{Error, Result},
    file,
    progress::Phase,
    registry,
};
use std::{sync::Arc, time::SystemTime};
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
    let (source, examination) = request
        .examine_file(path.clone(), move |request, source| {
            // It is read to be verified, and again to be sent.
            request.progress().expect(source.size().saturating_mul(2));
            request.progress().enter(Phase::Verifying);
            let watched = request.progress().watch(source.reader());
            let examination = artifact::examine(watched, request.limits())
                .map_err(|error| Error::from_io(error, &path, "read"))?;
            Ok((source, examination))
        })
        .await?;
    let settings = request.settings();
    let vouched = settings
        .policy
        .judge(&examination, Some(&reference), SystemTime::now())
        .map_err(|refusal| refusal.error(name))?;
    let _turn = request.turn(Work::Upload).await?;
    let pushed = registry::push(
        &settings.sessions,
        &vouched,
        Arc::new(source),
        &reference,
        &annotations,
        request.progress(),
    )
    .await?;
    Ok(PushResult {
        reference: reference.with_digest(pushed.manifest).to_string(),
        digest: pushed.manifest.to_string(),
        verification: vouched.verification(),
        uploaded: pushed.uploaded,
        skipped: pushed.skipped,
    })
}
