//! `verify`: is this artifact signed? Answers a result whether it accepts or refuses.

use super::{request::Request, turns::Work};
use crate::{
    artifact::{self, Examination},
    error::{Error, Result},
    file,
    name::Reference,
    progress::Phase,
    registry, trust,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};
use vouch_protocol::{Verification, VerifyParams, VerifySubject};

pub(super) async fn verify(request: Arc<Request>, params: VerifyParams) -> Result<Verification> {
    match params.subject {
        VerifySubject::Path(path) => stored(&request, file::parse_path(&path)?).await,
        VerifySubject::Reference(reference) => {
            published(&request, request.reference(&reference)?).await
        }
    }
}

async fn stored(request: &Arc<Request>, path: PathBuf) -> Result<Verification> {
    request.touches(&path);
    let name = path.display().to_string();
    // Another thread, and its turn, cost more than to look.
    if let Some(known) = request.settings().cache.at_hand(&path) {
        return Ok(judge(request, &known, None, &name));
    }
    let examination = request
        .examine_file(path, |request, source| {
            request.progress().expect(source.size());
            request.progress().enter(Phase::Verifying);
            let cache = &request.settings().cache;
            cache.examine(&source, request.limits(), request.progress())
        })
        .await?;
    Ok(judge(request, &examination, None, &name))
}

async fn published(request: &Arc<Request>, reference: Reference) -> Result<Verification> {
    request.concerns(&reference);
    let sessions = &request.settings().sessions;
    let turn = request.turn(Work::Lookup).await?;
    request.progress().enter(Phase::Asking);
    let found = registry::find(sessions, &reference, request.limits()).await?;
    drop(turn);
    let shown = reference.to_string();
    let name = shown.clone();
    let examination = request
        .examine(Work::Download, move |request| {
            found.receive(request.progress(), |download| {
                let examination = artifact::examine(download, request.limits())
                    .map_err(|error| Error::from_io(error, Path::new(&name), "download"))?;
                found.confirm(&examination)?;
                Ok(examination)
            })
        })
        .await?;
    Ok(judge(request, &examination, Some(&reference), &shown))
}

fn judge(
    request: &Request,
    examination: &Examination,
    reference: Option<&Reference>,
    name: &str,
) -> Verification {
    let policy = &request.settings().policy;
    match policy.judge(examination, reference, SystemTime::now()) {
        Ok(vouched) => vouched.verification(),
        Err(refusal) => {
            request.progress().enter(Phase::Refused);
            trust::refused(examination, &refusal, name)
        }
    }
}
