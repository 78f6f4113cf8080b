//! `pull`: fetch an artifact, verify it, and only then give it its name.

use super::{beside::Beside, into_layout, memory::Noted, request::Request, turns::Work};
use crate::{
    artifact,
    error::{Error, Result, error},
    file::{self, Destination, Provisional},
    name::Reference,
    registry::Found,
    trust::{self, Published, Use, Vouched},
};
use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    sync::Arc,
};
use vouch_protocol::{ErrorKind, PullParams, PullResult, Verification};

pub(super) async fn pull(request: Arc<Request>, params: PullParams) -> Result<PullResult> {
    let reference = request.reference(&params.reference)?;
    request.concerns(&reference);
    let reference = reference.pinned(params.allow_latest.unwrap_or(false))?;
    if let Some(signer) = &params.signer {
        request.clock()().check_signer(signer)?;
    }
    if into_layout::is_meant(&params.destination) {
        return into_layout::pull(request, reference, params).await;
    }
    let path = file::parse_path(&params.destination)?;
    request.touches(&path);
    let overwrite = params.overwrite.unwrap_or(false);
    let (target, signer) = (params.target, params.signer);
    let with_bundle = params.with_bundle.unwrap_or(false);
    if let Some(target) = &target
        && target.contains(['/', '\0'])
    {
        // It may become part of a file's name.
        return Err(error!(InvalidParams: "the name of a target cannot hold `/` or NUL"));
    }
    if with_bundle && target.is_some() {
        return Err(error!(
            InvalidParams: "a bundle signs the whole archive, not a target of it"
        )
        .help("Pull the archive with its bundle, or the target without."));
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
    let pulled = request
        .examine(Work::Download, move |request| {
            let wanted = Wanted {
                target: target.as_deref(),
                signer: signer.as_deref(),
                overwrite,
                with_bundle,
            };
            match taken {
                Some(taken) if wanted.target.is_none() => {
                    already_there(request, &found, &destination, wanted, taken)
                }
                // Only its archive tells what a target is.
                _ => fetch(request, &found, &destination, wanted),
            }
        })
        .await?;
    // It may have pinned who signed it.
    request.state().look_ups.changed();
    Ok(PullResult {
        path: pulled.path.display().to_string(),
        bundle: pulled.bundle.map(|path| path.display().to_string()),
        layout: None,
        bundles: Vec::new(),
        reference: reference.with_digest(manifest).to_string(),
        digest: manifest.to_string(),
        verification: pulled.verification,
        downloaded: request.progress().bytes(),
    })
}

/// What the caller wants of it.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    target: Option<&'a str>,
    signer: Option<&'a str>,
    overwrite: bool,
    with_bundle: bool,
}

/// What is there now.
struct Pulled {
    path: PathBuf,
    bundle: Option<PathBuf>,
    verification: Verification,
}

fn fetch(
    request: &Request,
    found: &Found,
    destination: &Destination,
    wanted: Wanted<'_>,
) -> Result<Pulled> {
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
    let beside = bundle_beside(&vouched, destination, &name, wanted)?;
    request.progress().commit()?;
    let lies_at = beside.as_ref().map(Beside::path);
    // The bundle first: whoever finds the file finds what signs it.
    let before = || beside.map_or(Ok(None), Beside::place);
    let (path, bundle, verification) =
        vouched.place_with(&name, wanted.overwrite, request.clock(), before)?;
    Ok(Pulled {
        path,
        bundle: bundle.or(lies_at),
        verification,
    })
}

fn bundle_beside<F>(
    vouched: &Vouched<F>,
    destination: &Destination,
    name: &OsStr,
    wanted: Wanted<'_>,
) -> Result<Option<Beside>> {
    if !wanted.with_bundle {
        return Ok(None);
    }
    let bundle = vouched.bundle_of_file()?;
    let write = |bundle| Beside::write(bundle, destination, name, wanted.overwrite);
    bundle.map(write).transpose()
}

/// A file that is there already will do, if it is the very one that was published.
fn already_there(
    request: &Request,
    found: &Found,
    destination: &Destination,
    wanted: Wanted<'_>,
    taken: Error,
) -> Result<Pulled> {
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
    let verdict = match trust::judge(examined, beside, usage, wanted.signer, &now()) {
        Ok(verdict) => verdict,
        Err(error) if error.kind() == ErrorKind::DigestMismatch => return Err(taken),
        Err(error) => return Err(error),
    };
    let vouched = verdict.map_err(|refused| refused.error(name))?;
    let beside = bundle_beside(&vouched, destination, OsStr::new(""), wanted)?;
    request.progress().commit()?;
    let path = destination.keep(&standing)?;
    let lies_at = beside.as_ref().map(Beside::path);
    let bundle = beside.map_or(Ok(None), Beside::place)?;
    let verification = vouched.stands(&now())?;
    Ok(Pulled {
        path,
        bundle: bundle.map(Provisional::keep).or(lies_at),
        verification,
    })
}

/// The file's name in a folder.
fn file_name<F>(reference: &Reference, vouched: &Vouched<F>, target: Option<&str>) -> OsString {
    let stem = reference.file_stem();
    match target {
        Some(target) => format!("{stem}-{target}").into(),
        None => format!("{stem}.{}", vouched.facts().extension()).into(),
    }
}
