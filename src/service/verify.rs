//! `verify`: is this artifact signed? Answers a result whether it accepts or refuses.

use super::{request::Request, turns::Work};
use crate::{
    artifact,
    error::{Error, Result},
    file,
    name::Reference,
    progress::Phase,
    trust::{self, Use, Verdict},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use vouch_protocol::{Verification, VerifyParams, VerifyResult, VerifySubject};

pub(super) async fn verify(request: Arc<Request>, params: VerifyParams) -> Result<VerifyResult> {
    match params.subject {
        VerifySubject::Path(path) => stored(&request, file::parse_path(&path)?).await,
        VerifySubject::Reference(reference) => {
            published(&request, request.reference(&reference)?).await
        }
    }
}

async fn stored(request: &Arc<Request>, path: PathBuf) -> Result<VerifyResult> {
    request.touches(&path);
    let name = path.display().to_string();
    // Another thread, and its turn, cost more than to look.
    let known = request.settings().cache.at_hand(&path);
    let examined = match known {
        Some(known) => known,
        None => {
            request
                .examine_file(path, |request, source| {
                    request.progress().expect(source.size());
                    request.progress().enter(Phase::Verifying);
                    let cache = &request.settings().cache;
                    cache.examine(&source, request.limits(), request.progress())
                })
                .await?
        }
    };
    let verdict = trust::judge(examined, &[], Use::Verify(None), None, &request.clock()())?;
    Ok(VerifyResult {
        verification: answer(request, verdict, &name),
        reference: None,
        digest: None,
    })
}

async fn published(request: &Arc<Request>, reference: Reference) -> Result<VerifyResult> {
    request.concerns(&reference);
    let found = request.find(&reference).await?;
    let published = found.published(&reference);
    let (manifest, size) = (published.manifest, published.layer.size);
    let name = reference.to_string();
    let verdict = request
        .examine(Work::Download, move |request| {
            found.receive(request.progress(), |download| {
                let examined = artifact::inspect(download, size, request.limits())
                    .map_err(|error| Error::from_io(error, Path::new(&name), "download"))?;
                let usage = Use::Verify(Some(published.clone()));
                trust::judge(examined, &[], usage, None, &request.clock()())
            })
        })
        .await?;
    Ok(VerifyResult {
        verification: answer(request, verdict, &reference.to_string()),
        reference: Some(reference.with_digest(manifest).to_string()),
        digest: Some(manifest.to_string()),
    })
}

fn answer(request: &Request, verdict: Verdict<()>, name: &str) -> Verification {
    match verdict {
        Ok(vouched) => vouched.verification(),
        Err(refused) => {
            request.progress().enter(Phase::Refused);
            refused.verification(name)
        }
    }
}
