//! `push`: verify a file and publish it. Nothing of a refused file is sent.

use super::{beside, request::Request, turns::Work};
use crate::{
    artifact::{self, Examined},
    error::Result,
    file::{self, Source},
    name::{Digest, Reference},
    progress::Phase,
    registry,
    signature::Evidence,
    trust::{self, Publication, Use, Verdict},
};
use futures_util::future::poll_immediate;
use std::{path::PathBuf, pin::pin, sync::Arc};
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
    let judging = Judging {
        file,
        bundle,
        to: reference.clone(),
        manifest: registry::manifest(&examined, &annotations)?,
    };
    // Who waits for a turn holds nothing of a bundle, and what would be refused does not wait.
    let mut turn = pin!(request.turn(Work::Upload));
    let _turn = if let Some(turn) = poll_immediate(turn.as_mut()).await {
        turn?
    } else {
        let (asked, judging) = (examined.share(), judging.clone());
        let asked = move |request: &Request| judging.judge(request, asked, Use::Ask);
        let asked = request.blocking(asked).await?;
        asked.map_err(|refused| refused.error(&name))?;
        turn.await?
    };
    let judged = move |request: &Request| judging.judge(request, examined, Use::Push);
    let vouched = request.blocking(judged).await?;
    let vouched = vouched.map_err(|refused| refused.error(name))?;
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

/// What a file is judged for and by.
#[derive(Debug, Clone)]
struct Judging {
    file: PathBuf,
    bundle: Option<PathBuf>,
    to: Reference,
    manifest: Option<Digest>,
}

impl Judging {
    fn judge<F>(
        self,
        request: &Request,
        examined: Examined<F>,
        usage: fn(Publication) -> Use,
    ) -> Result<Verdict<F>> {
        let named = self.bundle.as_deref();
        let bundle = named.map(|path| beside::bundle(path, request.progress()));
        let bundle = bundle.transpose()?;
        let publication = Publication {
            to: self.to,
            manifest: self.manifest,
            // An upload may take hours: the memory that all share is for those who judge. What is
            // held meanwhile is bounded by the turns: one bundle each, of a megabyte at most.
            bundle: bundle.as_ref().map(Evidence::held_elsewhere),
        };
        let (mut read, now) = (Vec::from_iter(bundle), request.clock()());
        let beside = beside::of_pushed(&self.file, &publication, request.progress())?;
        let beside = beside.map(|round| {
            let round = round?;
            let alone = round.iter().map(Evidence::held_elsewhere).collect();
            read.extend(round);
            Ok(alone)
        });
        trust::judge(examined, beside, usage(publication), None, &now)
    }
}
