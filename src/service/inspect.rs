//! `inspect`: all that is known of an artifact, and who says so. Of a large one in a registry no
//! more is read than is needed.

use super::{beside, request::Request, turns::Work};
use crate::{
    artifact::{self, Description, Facts, Skimmed},
    error::{Error, Result},
    file,
    name::Reference,
    progress::Phase,
    registry::{Found, NotInParts, Ranges},
    signature::{self, Beside, Evidence, Signed},
    trust::{self, Published, Use},
};
use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};
use vouch_protocol::{
    Artifact, Content, InspectParams, InspectResult, InspectSubject, Provenance, Signature, Target,
    Verification,
};

/// What is not larger is read whole, and judged.
const SMALL: u64 = 1 << 20;

pub(super) async fn inspect(request: Arc<Request>, params: InspectParams) -> Result<InspectResult> {
    match params.subject {
        InspectSubject::Path(path) => stored(&request, file::parse_path(&path)?).await,
        InspectSubject::Reference(reference) => {
            published(&request, request.reference(&reference)?).await
        }
    }
}

async fn stored(request: &Arc<Request>, path: PathBuf) -> Result<InspectResult> {
    request.touches(&path);
    let examine = move |request: &Request, source: file::Source| {
        request.progress().expect(source.size());
        request.progress().enter(Phase::Verifying);
        let (path, size) = (source.path().to_owned(), source.size());
        let reader = request.progress().watch(source.reader());
        let beside = beside::of_file(&path, None, request.progress())?;
        whole(request, reader, size, &path, Use::Verify(None), beside)
    };
    request.examine_file(path, examine).await
}

async fn published(request: &Arc<Request>, reference: Reference) -> Result<InspectResult> {
    request.concerns(&reference);
    let found = request.find(&reference).await?;
    let published = found.published.clone();
    let manifest = vouch_protocol::Manifest {
        reference: reference.with_digest(published.manifest).to_string(),
        ..*found.described.clone()
    };
    let result = request
        .examine(Work::Download, move |request| {
            if let Some(result) = in_part(request, &found, &published)? {
                return Ok(result);
            }
            let (size, name) = (published.layer.size, published.from.to_string());
            found.receive(request.progress(), |download| {
                let usage = Use::Verify(Some(published.clone()));
                let beside = found.beside(request.progress());
                whole(request, download, size, Path::new(&name), usage, beside)
            })
        })
        .await?;
    Ok(InspectResult {
        manifest: Some(manifest),
        ..result
    })
}

/// Reads everything, and judges it.
fn whole(
    request: &Request,
    reader: impl Read,
    size: u64,
    name: &Path,
    usage: Use,
    beside: impl Iterator<Item = Result<Vec<Evidence>>>,
) -> Result<InspectResult> {
    let (examined, description) = artifact::describe(reader, size, request.limits())
        .map_err(|error| Error::from_io(error, name, "read"))?;
    let facts = examined.facts();
    let verdict = trust::judge(examined, beside, usage, None, &request.clock()())?;
    let (verification, provenance, signature) = match verdict {
        Ok(vouched) => {
            let signed = vouched.signed();
            let provenance = signed.provenance().cloned();
            let signature = signed.on_the_wire();
            (vouched.verification(), provenance, Some(signature))
        }
        Err(refused) => {
            request.progress().enter(Phase::Refused);
            let signed = refused.signed();
            let provenance = signed.as_ref().and_then(|it| it.provenance().cloned());
            let signature = signed.as_deref().map(Signed::on_the_wire);
            let verification = refused.verification(&name.display().to_string());
            (verification, provenance, signature)
        }
    };
    let artifact = match &verification {
        Verification::Accepted { artifact, .. } => Some(artifact.clone()),
        Verification::Refused { artifact, .. } => artifact.clone(),
    };
    let content = Content::Checked { verification };
    let told = told(content, artifact, facts.as_deref(), description.as_ref());
    Ok(besides(told, signature, provenance))
}

/// Reads the heads of a module's or component's sections and its token alone, where that is
/// possible and worth it.
fn in_part(
    request: &Request,
    found: &Found,
    published: &Published,
) -> Result<Option<InspectResult>> {
    if published.layer.size <= SMALL {
        return Ok(None);
    }
    let Some(ranges) = found.ranges(request.progress()) else {
        return Ok(None);
    };
    request.progress().enter(Phase::Receiving);
    let name = published.from.to_string();
    let layer = published.layer;
    let skimmed = artifact::skim(
        ranges,
        Ranges::hop,
        layer.digest,
        layer.size,
        request.limits(),
    );
    let skimmed = match skimmed {
        Ok(Some(skimmed)) => skimmed,
        Ok(None) => return Ok(None),
        Err(error)
            if error
                .get_ref()
                .is_some_and(<dyn std::error::Error + Send + Sync>::is::<NotInParts>) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(Error::from_io(error, Path::new(&name), "download")),
    };
    skipped(request, &skimmed, found, &name).map(Some)
}

fn skipped(
    request: &Request,
    skimmed: &Skimmed,
    found: &Found,
    name: &str,
) -> Result<InspectResult> {
    let (published, beside) = (found.published.clone(), found.beside(request.progress()));
    let layer = published.layer;
    let outlook = trust::consider(skimmed, beside, published, &request.clock()())?;
    let (refusal, signed, trust) = match outlook {
        Ok((signed, trust)) => (None, Some(signed), Some(trust)),
        Err(refusal) => (Some(refusal.on_the_wire(name)), None, None),
    };
    let content = Content::NotChecked { refusal, trust };
    let artifact = Artifact {
        kind: skimmed.kind(),
        digest: layer.digest.to_string(),
        size: layer.size,
    };
    let (facts, description) = (skimmed.facts(), skimmed.description());
    let told = told(content, Some(artifact), facts, description);
    let provenance = signed.as_ref().and_then(|it| it.provenance().cloned());
    let signature = signed.as_deref().map(Signed::on_the_wire);
    Ok(besides(told, signature, provenance))
}

/// With what a bundle signs and says, where the artifact carries no signature of its own.
fn besides(
    told: InspectResult,
    signature: Option<Signature>,
    provenance: Option<Provenance>,
) -> InspectResult {
    let own = told.signature.is_some() && told.signature != signature;
    InspectResult {
        signature: told.signature.or(signature),
        provenance: provenance.filter(|_| !own),
        ..told
    }
}

/// Of signature and claims only what verifies with the signer's key: nothing of another token is
/// shown.
fn told(
    content: Content,
    artifact: Option<Artifact>,
    facts: Option<&Facts>,
    description: Option<&Description>,
) -> InspectResult {
    let looked = facts.map(|facts| signature::signatures(facts, Beside::nothing()));
    let signatures = looked.and_then(|looked| looked.signatures.ok());
    let first = signatures.iter().flatten().next().map(Arc::as_ref);
    let targets = facts.into_iter().flat_map(Facts::contents);
    let targets = targets.map(|(name, digest, size)| Target {
        name: name.to_owned(),
        digest: digest.to_string(),
        size,
    });
    InspectResult {
        content,
        artifact,
        signature: first.map(Signed::on_the_wire),
        claims: first.and_then(Signed::claims).cloned(),
        provenance: None,
        imports: description.map(Description::imports),
        exports: description.map(Description::exports),
        metadata: description.map(|description| description.metadata().clone()),
        targets: targets.collect(),
        manifest: None,
    }
}
