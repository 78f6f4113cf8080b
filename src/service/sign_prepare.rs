//! `sign/prepare`: what an account has to sign for a file. Nothing is written, and nothing is kept.

use super::request::Request;
use crate::{
    artifact,
    error::{Error, Result, error},
    file::{self, Source},
    progress::Phase,
    signature::{Asked, Draft},
};
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use vouch_protocol::{SignPrepareParams, SignPrepareResult};

pub(super) async fn prepare(
    request: Arc<Request>,
    params: SignPrepareParams,
) -> Result<SignPrepareResult> {
    let path = file::parse_path(&params.path)?;
    request.touches(&path);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let asked = Asked::of(params, now.map_or(0, |since| since.as_secs()))?;
    let read = move |request: &Request, source: Source| read(request, &source, &asked);
    request.examine_file(path, read).await
}

fn read(request: &Request, source: &Source, asked: &Asked) -> Result<SignPrepareResult> {
    request.progress().expect(source.size());
    request.progress().enter(Phase::Verifying);
    let (path, size, limits) = (source.path(), source.size(), request.limits());
    let reader = request.progress().watch(source.reader());
    let (examined, description) = artifact::describe(reader, size, limits)
        .map_err(|error| Error::from_io(error, path, "read"))?;
    if !source.unchanged() {
        let path = path.display();
        return Err(error!(ContentModified: "{path} changed while it was read")
            .help("Sign it once nobody writes it."));
    }
    let ((), found, _) = examined.into_parts();
    let facts = found.map_err(|unfit| unfit.refusal.clone().error(path.display()))?;
    let draft = Draft::of(&facts, description.as_ref(), path, asked, limits.token)?;
    Ok(SignPrepareResult {
        artifact: facts.artifact(),
        signing_input: draft.signing_input,
        claims: draft.claims,
        replaces: draft.replaces,
        warnings: draft.warnings,
    })
}
