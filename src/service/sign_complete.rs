//! `sign/complete`: put a signed token into a file, examine the result, and only then name it.

use super::request::Request;
use crate::{
    artifact,
    error::{Error, Result},
    file::{self, Destination, Source},
    progress::Phase,
    signature::Sealed,
    trust::{self, Use},
};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};
use vouch_protocol::{SignCompleteParams, SignCompleteResult};

pub(super) async fn complete(
    request: Arc<Request>,
    params: SignCompleteParams,
) -> Result<SignCompleteResult> {
    let path = file::parse_path(&params.path)?;
    request.touches(&path);
    let destination = params.destination.as_deref();
    let destination = destination.map(file::parse_path).transpose()?;
    let longest = request.limits().token;
    let token = Sealed::of(&params.signing_input, &params.signature, longest)?;
    let overwrite = params.overwrite.unwrap_or(false);
    let write = move |request: &Request, source: Source| {
        let to = To::of(&source, destination.as_deref(), overwrite)?;
        write(request, &source, &token, &to)
    };
    request.examine_file(path, write).await
}

/// Where the signed artifact goes.
struct To {
    destination: Destination,
    /// Its name, where that is a folder.
    or_name: OsString,
    /// Whether it takes the place of the file itself, with all that this one has.
    in_place: bool,
    overwrite: bool,
}

impl To {
    fn of(source: &Source, destination: Option<&Path>, overwrite: bool) -> Result<Self> {
        let path = source.path();
        let or_name = path.file_name().unwrap_or_default().to_owned();
        // Of a symbolic link, what it leads to.
        let itself = path
            .canonicalize()
            .map_err(|error| Error::at(path, "find", error))?;
        let elsewhere = match destination.map(Destination::at).transpose()? {
            None => None,
            Some(given) => {
                given.check_as(&or_name, overwrite)?;
                Some(given).filter(|given| !is_at(&given.target(&or_name), &itself))
            }
        };
        let in_place = elsewhere.is_none();
        let destination = elsewhere.map_or_else(|| Destination::at(&itself), Ok)?;
        if in_place {
            source.check_writable()?;
        }
        Ok(Self {
            destination,
            or_name,
            in_place,
            overwrite,
        })
    }
}

/// Whether a name is that of a file whose path has no links in it.
fn is_at(target: &Path, file: &Path) -> bool {
    let folder = target.parent().map(Path::canonicalize);
    folder.is_some_and(|folder| folder.is_ok_and(|folder| Some(&*folder) == file.parent()))
        && target.file_name() == file.file_name()
}

fn write(
    request: &Request,
    source: &Source,
    token: &Sealed,
    to: &To,
) -> Result<SignCompleteResult> {
    request.progress().expect(source.size());
    request.progress().enter(Phase::Verifying);
    let path = source.path();
    let file = to.destination.create()?;
    let reader = request.progress().watch(source.reader());
    let (size, limits) = (source.size(), request.limits());
    let examined = artifact::receive_with(reader, size, token.bytes(), file, limits)
        .map_err(|error| Error::from_io(error, path, "sign"))?;
    let usage = Use::Sign {
        at: to.destination.target(&to.or_name),
    };
    let vouched = trust::judge(examined, None, usage, None, &request.clock()())?
        .map_err(|refused| refused.error(path.display()))?;
    let (artifact, signed) = (vouched.facts().artifact(), vouched.signed());
    let (signature, claims) = (signed.on_the_wire(), signed.claims().cloned());
    request.progress().commit()?;
    let written: PathBuf = if to.in_place {
        vouched.replace(source)?
    } else {
        vouched.put(&to.or_name, to.overwrite)?
    };
    request.state().look_ups.changed();
    Ok(SignCompleteResult {
        path: written.display().to_string(),
        artifact,
        signature,
        claims: claims.unwrap_or_default(),
    })
}
