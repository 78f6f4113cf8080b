//! `verify`: is this artifact signed? Answers a result whether it accepts or refuses.

use super::{beside, memory::Noted, request::Request, turns::Work};
use crate::{
    artifact,
    error::{Error, Result},
    file,
    name::{Digest, Reference},
    progress::Phase,
    registry,
    trust::{self, Publication, Use, Verdict},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};
use vouch_protocol::{VerifyParams, VerifyResult, VerifySubject};

pub(super) async fn verify(request: Arc<Request>, params: VerifyParams) -> Result<VerifyResult> {
    let signer = params.signer;
    let bundle = params.bundle.as_deref().map(file::parse_path).transpose()?;
    if let Some(signer) = &signer {
        request.clock()().check_signer(signer)?;
    }
    let explain = params.explain.unwrap_or(false);
    match params.subject {
        VerifySubject::Path(path) => {
            let path = file::parse_path(&path)?;
            let name = path.display().to_string();
            let (verdict, _) = stored(&request, path, bundle, None, signer).await?;
            Ok(answer(&request, verdict, &name, explain))
        }
        VerifySubject::Push { path, to } => {
            let path = file::parse_path(&path)?;
            let name = path.display().to_string();
            let to = request.reference(&to)?.destination()?;
            request.concerns(&to);
            let (verdict, manifest) = stored(&request, path, bundle, Some(to), signer).await?;
            Ok(VerifyResult {
                digest: manifest.map(|digest| digest.to_string()),
                ..answer(&request, verdict, &name, explain)
            })
        }
        VerifySubject::Reference(reference) => {
            let reference = request.reference(&reference)?;
            request.concerns(&reference);
            let (verdict, manifest) = published(&request, &reference, signer).await?;
            Ok(VerifyResult {
                reference: Some(reference.with_digest(manifest).to_string()),
                digest: Some(manifest.to_string()),
                ..answer(&request, verdict, &reference.to_string(), explain)
            })
        }
    }
}

async fn stored(
    request: &Arc<Request>,
    path: PathBuf,
    bundle: Option<PathBuf>,
    to: Option<Reference>,
    signer: Option<String>,
) -> Result<(Verdict<()>, Option<Digest>)> {
    request.touches(&path);
    // Another thread, and its turn, cost more than to look.
    let known = request.settings().cache.at_hand(&path);
    let file = path.clone();
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
    let Some(to) = to else {
        let looks = bundle.is_some() || trust::asks_for_evidence(&examined, &request.clock()());
        let judge = move |request: &Request| {
            let beside = beside::of_file(&file, bundle.as_deref(), request.progress())?;
            let (usage, now) = (Use::Verify(None), request.clock()());
            trust::judge(examined, beside, usage, signer.as_deref(), &now)
        };
        // What goes nowhere has no folder and no pins to look at.
        let verdict = if looks {
            request.blocking(judge).await?
        } else {
            judge(request)?
        };
        return Ok((verdict, None));
    };
    let judge = move |request: &Request| {
        let manifest = registry::manifest(&examined, &BTreeMap::new())?;
        let publication = Publication {
            to,
            manifest,
            bundle: bundle
                .as_deref()
                .map(|path| beside::bundle(path, request.progress()))
                .transpose()?,
        };
        let beside = beside::of_pushed(&file, &publication, request.progress())?;
        let (usage, now) = (Use::Ask(publication), request.clock()());
        let verdict = trust::judge(examined, beside, usage, signer.as_deref(), &now)?;
        Ok((verdict, manifest))
    };
    request.blocking(judge).await
}

async fn published(
    request: &Arc<Request>,
    reference: &Reference,
    signer: Option<String>,
) -> Result<(Verdict<()>, Digest)> {
    let found = request.find(reference).await?;
    let published = found.published.clone();
    let (manifest, size) = (published.manifest, published.layer.size);
    let name = reference.to_string();
    let verdict = request.examine(Work::Download, move |request| {
        found.receive(request.progress(), |download| {
            let examined = artifact::inspect(download, size, request.limits())
                .map_err(|error| Error::from_io(error, Path::new(&name), "download"))?;
            let (usage, now) = (Use::Verify(Some(published.clone())), request.clock()());
            let mut beside = Noted::new(found.beside(request.progress()));
            let known = examined.share();
            let verdict = trust::judge(examined, &mut beside, usage, signer.as_deref(), &now);
            request.remember(&published, known, beside);
            verdict
        })
    });
    Ok((verdict.await?, manifest))
}

fn answer(request: &Request, verdict: Verdict<()>, name: &str, explain: bool) -> VerifyResult {
    let (verification, checks) = match verdict {
        Ok(vouched) => (vouched.verification(), explain.then(|| vouched.checks())),
        Err(refused) => {
            request.progress().enter(Phase::Refused);
            let checks = explain.then(|| refused.checks());
            (refused.verification(name), checks)
        }
    };
    VerifyResult {
        verification,
        reference: None,
        digest: None,
        checks,
    }
}
