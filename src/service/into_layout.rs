//! `pull` into an image layout: with its manifest, and with the bundles that sign it, so that it
//! verifies there as it did where it was published.

use super::{memory::Noted, request::Request, turns::Work};
use crate::{
    artifact,
    error::{Error, Result, error},
    name::Reference,
    registry::{Found, Keep, Whole},
    trust::{self, Unnamed, Use, Vouched},
};
use std::{path::Path, sync::Arc};
use vouch_protocol::{PullParams, PullResult};

/// Whether a destination is written as a layout: no absolute path begins like that.
pub(super) fn is_meant(destination: &str) -> bool {
    destination.starts_with("oci:")
}

pub(super) async fn pull(
    request: Arc<Request>,
    from: Reference,
    params: PullParams,
) -> Result<PullResult> {
    let allow_latest = params.allow_latest.unwrap_or(false);
    let into = request.reference(&params.destination)?;
    let Reference::Layout(into) = into.pinned(allow_latest)?.destination()? else {
        return Err(error!(Internal: "it begins as a layout, and is not one"));
    };
    request.touches(&into.path);
    if params.target.is_some() {
        return Err(error!(
            InvalidParams: "a layout keeps the whole archive, not a target of it"
        )
        .help("Pull the target into a file, or the archive without `target`."));
    }
    // Its folder may be on a file system that does not answer: such threads are bounded too.
    let into = request
        .examine(Work::Small, move |_| Keep::at(&into))
        .await?;
    let found = request.find(&from).await?;
    let manifest = found.published.manifest;
    into.check(manifest)?;
    let (place, signer) = (into.clone(), params.signer);
    let turn = request.turn(Work::Download).await?;
    let fetched = request.blocking(move |request| {
        let fetched = fetch(request, &found, &place, signer.as_deref())?;
        // The thread holds the turn, as it may outlive the future.
        Ok((fetched, turn))
    });
    // What arrived holds file handles until it is named, however long another writer is in the way.
    let ((vouched, whole), _turn) = fetched.await?;
    let folder = into.folder().display().to_string();
    let with_bundles = params.with_bundle.unwrap_or(false);
    let (now, progress) = (request.clock(), request.progress());
    let kept = into.keep(vouched, whole, with_bundles, now, progress);
    let (layout, bundles, verification) = kept.await?;
    // It may have pinned who signed it.
    request.state().look_ups.changed();
    Ok(PullResult {
        path: folder,
        bundle: None,
        layout: Some(layout.to_string()),
        bundles: bundles.into_iter().map(Into::into).collect(),
        reference: from.with_digest(manifest).to_string(),
        digest: manifest.to_string(),
        verification,
        downloaded: request.progress().bytes(),
    })
}

fn fetch(
    request: &Request,
    found: &Found,
    into: &Keep,
    signer: Option<&str>,
) -> Result<(Vouched<Unnamed>, Whole)> {
    let (name, size) = (found.published.from.to_string(), found.published.layer.size);
    let room = into.room()?;
    let vouched = found
        .receive(request.progress(), |download| {
            let file = room.create()?;
            let examined = artifact::receive(download, size, file, request.limits())
                .map_err(|error| Error::from_io(error, Path::new(&name), "download"))?;
            let (usage, now) = (Use::Pull(found.published.clone()), request.clock()());
            let mut beside = Noted::new(found.beside(request.progress()));
            let known = examined.share();
            let verdict = trust::judge(examined, &mut beside, usage, signer, &now);
            request.remember(&found.published, known, beside);
            verdict
        })?
        .map_err(|refused| refused.error(&name))?;
    // Of what is refused, no more is fetched.
    let whole = found.whole(request.limits(), &room, request.progress())?;
    Ok((vouched, whole))
}
