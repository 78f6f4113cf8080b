//! `pull`: fetch an artifact, verify it, and only then give it its name.

use super::{memory::Noted, request::Request, turns::Work};
use crate::{
    artifact,
    error::{Error, Result, error},
    file::{self, Destination},
    name::Reference,
    registry::Found,
    trust::{self, Published, Use, Vouched},
};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};
use vouch_protocol::{ErrorKind, PullParams, PullResult, Verification};

pub(super) async fn pull(request: Arc<Request>, params: PullParams) -> Result<PullResult> {
    let reference = request.reference(&params.reference)?;
    request.concerns(&reference);
    let reference = reference.pinned(params.allow_latest.unwrap_or(false))?;
    let path = file::parse_path(&params.destination)?;
    request.touches(&path);
    let overwrite = params.overwrite.unwrap_or(false);
    let (target, signer) = (params.target, params.signer);
    if let Some(signer) = &signer {
        request.clock()().check_signer(signer)?;
    }
    if let Some(target) = &target
        && target.contains(['/', '\0'])
    {
        // It may become part of a file's name.
        return Err(error!(InvalidParams: "the name of a target cannot hold `/` or NUL"));
    }

    // The folder may be on a file system that does not answer: such threads are bounded too.
    let (destination, taken) = request
        .examine(Work::Small, move |_| {
            let destination = Destination::at(&path)?;
            let taken = match destination.check(overwrite) {
                Err(error) if error.kind() == ErrorKind::DestinationExists => Some(error),
                checked => checked.map(|()| None)?,
            };
            Ok((destination, taken))
        })
        .await?;
    let found = request.find(&reference).await?;
    let manifest = found.published.manifest;
    let (path, verification) = request
        .examine(Work::Download, move |request| {
            let signer = signer.as_deref();
            match (taken, target.as_deref()) {
                (Some(taken), None) => already_there(request, &found, &destination, signer, taken),
                // Only its archive tells what a target is.
                (_, target) => {
                    let wanted = Wanted {
                        target,
                        signer,
                        overwrite,
                    };
                    fetch(request, &found, &destination, wanted)
                }
            }
        })
        .await?;
    // It may have pinned who signed it.
    request.state().look_ups.changed();
    Ok(PullResult {
        path: path.display().to_string(),
        reference: reference.with_digest(manifest).to_string(),
        digest: manifest.to_string(),
        verification,
        downloaded: request.progress().bytes(),
    })
}

/// What the caller wants of it.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    target: Option<&'a str>,
    signer: Option<&'a str>,
    overwrite: bool,
}

fn fetch(
    request: &Request,
    found: &Found,
    destination: &Destination,
    wanted: Wanted<'_>,
) -> Result<(PathBuf, Verification)> {
    let Published { from, layer, .. } = &found.published;
    let name = from.to_string();
    let vouched = found
        .receive(request.progress(), |download| {
            let file = destination.create()?;
            let examined = artifact::receive(download, layer.size, file, request.limits())
                .map_err(|error| Error::from_io(error, Path::new(&name), "download"))?;
            let (usage, now) = (Use::Pull(found.published.clone()), request.clock()());
            let mut beside = Noted::new(found.beside(request.progress()));
            let known = examined.share();
            let verdict = trust::judge(examined, &mut beside, usage, wanted.signer, &now);
            request.remember(&found.published, known, beside);
            verdict
        })?
        .map_err(|refused| refused.error(&name))?;
    let vouched = match wanted.target {
        Some(target) => vouched.extract(target, request.progress())?,
        None => vouched,
    };
    let name = file_name(from, &vouched, wanted.target);
    request.progress().commit()?;
    vouched.place(&name, wanted.overwrite, request.clock())
}

/// A file that is there already will do, if it is the very one that was published.
fn already_there(
    request: &Request,
    found: &Found,
    destination: &Destination,
    signer: Option<&str>,
    taken: Error,
) -> Result<(PathBuf, Verification)> {
    let published = found.published.clone();
    let (name, size) = (published.from.to_string(), published.layer.size);
    let standing = destination.standing()?.filter(|file| file.size() == size);
    let Some(standing) = standing else {
        return Err(taken);
    };
    let reader = request.progress().watch_again(standing.reader());
    let examined = artifact::inspect(reader, size, request.limits())
        .map_err(|error| Error::from_io(error, standing.path(), "read"))?;
    let now = request.clock();
    let (beside, usage) = (found.beside(request.progress()), Use::Pull(published));
    let verdict = match trust::judge(examined, beside, usage, signer, &now()) {
        Ok(verdict) => verdict,
        Err(error) if error.kind() == ErrorKind::DigestMismatch => return Err(taken),
        Err(error) => return Err(error),
    };
    let vouched = verdict.map_err(|refused| refused.error(name))?;
    request.progress().commit()?;
    let path = destination.keep(&standing)?;
    Ok((path, vouched.stands(&now())?))
}

/// The file's name in a folder.
fn file_name<F>(reference: &Reference, vouched: &Vouched<F>, target: Option<&str>) -> OsString {
    let stem = reference.file_stem();
    match target {
        Some(target) => format!("{stem}-{target}").into(),
        None => format!("{stem}.{}", vouched.facts().extension()).into(),
    }
}
