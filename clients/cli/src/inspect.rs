//! `vouch inspect`: shows all that is known of one artifact, and who says so.

use crate::{
    call::unreadable,
    failure::{Failure, Outcome},
    progress::Bars,
    reference::absolute,
    show::{Asked, Screen, size},
    signals::Signals,
    spelling::Spelling,
    spool,
    subject::{Reference, Subject},
};
use clap::{Args, ValueHint};
use serde_json::Value;
use std::{io, path::Path};
use vouch_client::{
    Client,
    protocol::{
        Artifact, ArtifactKind, Claims, Content, Dependency, Inspect, InspectParams, InspectResult,
        InspectSubject, Manifest, Metadata, Names, Provenance, Signature, Signer, Verification,
    },
};

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct InspectArguments {
    /// A file, a reference, or `-` for standard input
    #[arg(value_name = "ARTIFACT", value_hint = ValueHint::AnyPath, value_parser = inspected)]
    subject: Option<Subject>,
    /// A reference, even if it could be a path
    #[arg(long, value_name = "REFERENCE", value_parser = by_reference)]
    reference: Option<Subject>,
}

impl InspectArguments {
    /// What is to be inspected. One is always there.
    pub(crate) fn subject(&self) -> &Subject {
        let given = self.subject.as_ref().or(self.reference.as_ref());
        given.unwrap_or(&Subject::Input)
    }

    /// Its subject, as it was typed.
    pub(crate) fn name(&self) -> String {
        match self.subject() {
            Subject::File(path) | Subject::Folder(path) => path.to_string_lossy().into_owned(),
            Subject::Reference(reference) => reference.typed.clone(),
            Subject::Input => "standard input".to_owned(),
        }
    }
}

fn by_reference(text: &str) -> Result<Subject, String> {
    Reference::read(text).map(Subject::Reference)
}

fn inspected(text: &str) -> Result<Subject, String> {
    if text.is_empty() {
        return Err("a path cannot be empty".to_owned());
    }
    Subject::read(text.as_ref())
}

pub(crate) async fn inspect(
    client: &Client,
    arguments: InspectArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let bars = Bars::new(screen.is_json());
    let (name, subject) = (arguments.name(), arguments.subject().clone());
    let mut spelling = Spelling::default();
    let answered = if subject == Subject::Input {
        // A copy of standard input must not outlive an interrupted process.
        let mut signals = Signals::listen()?;
        tokio::select! {
            biased;
            ended = signals.next() => return Ok(ended),
            answered = ask(client, &bars, &name, subject, &mut spelling) => answered,
        }
    } else {
        ask(client, &bars, &name, subject, &mut spelling).await
    };
    let answer = match answered {
        Ok(answer) => answer,
        Err(failure) => return screen.failure(&failure.spelt(&spelling)),
    };
    let result: InspectResult = match serde_json::from_value(answer.clone()) {
        Ok(result) => result,
        Err(error) => return screen.failure(&unreadable(&error)),
    };
    if screen.is_json() {
        screen.json(&answer)?;
    } else {
        show(screen, &name, &result, &spelling)?;
    }
    Ok(outcome(&result.content))
}

async fn ask(
    client: &Client,
    bars: &Bars,
    name: &str,
    subject: Subject,
    spelling: &mut Spelling,
) -> Result<Value, Failure> {
    let mut kept = None;
    let path = |path: &Path| absolute(path).map_err(Failure::from);
    let subject = match subject {
        Subject::File(file) | Subject::Folder(file) => {
            let told = path(&file)?;
            *spelling = Spelling::path(&file, &told);
            InspectSubject::Path(told)
        }
        Subject::Reference(reference) => {
            *spelling = Spelling::reference(&reference.typed, &reference.told);
            InspectSubject::Reference(reference.told)
        }
        Subject::Input => {
            // The copy is there until the answer is.
            let copy = kept.insert(spool::standard_input("inspect").await?);
            let told = path(copy)?;
            *spelling = Spelling::input(&told);
            InspectSubject::Path(told)
        }
    };
    bars.ask::<Inspect>(name, 1, client, InspectParams::from(subject))
        .await
}

fn outcome(content: &Content) -> Outcome {
    match content {
        Content::Checked {
            verification: Verification::Refused { .. },
        }
        | Content::NotChecked {
            refusal: Some(_), ..
        } => Outcome::Refused,
        _ => Outcome::Success,
    }
}

fn show(
    screen: &mut Screen,
    name: &str,
    result: &InspectResult,
    spelling: &Spelling,
) -> io::Result<()> {
    let refused = |screen: &mut Screen, refusal: &vouch_client::protocol::Refusal| {
        let help = refusal.help.as_deref().map(|help| spelling.restore(help));
        screen.refused(&spelling.restore(&refusal.message), help.as_deref())
    };
    let asked = Asked::Verdict(result.manifest.as_ref().map(|_| name));
    match &result.content {
        Content::Checked { verification } => match verification {
            Verification::Accepted { .. } => {
                screen.heading(true, "accepted", name)?;
                screen.accepted(verification, asked)?;
            }
            Verification::Refused { refusal, .. } => {
                refused(screen, refusal)?;
                known(screen, result)?;
            }
        },
        Content::NotChecked { refusal, trust } => {
            match (refusal, &result.signature, trust) {
                (Some(refusal), ..) => refused(screen, refusal)?,
                (None, Some(signature), Some(trust)) => {
                    screen.heading(true, "unread", name)?;
                    screen.trusted(&signature.signer, trust, asked)?;
                }
                _ => screen.heading(true, "unread", name)?,
            }
            let note = "not fully read or checked against the signature";
            screen.line("content", format!("{note}; `vouch verify` does both"))?;
            known(screen, result)?;
        }
    }
    if let Some(signature) = &result.signature {
        workflow(screen, &signature.signer)?;
    }
    if let Some(provenance) = &result.provenance {
        built(screen, provenance)?;
    }
    for (what, names) in [("imports", &result.imports), ("exports", &result.exports)] {
        list(screen, what, names.as_ref())?;
    }
    for target in &result.targets {
        screen.line(
            "target",
            format!("{} {}, {}", target.name, target.digest, size(target.size)),
        )?;
    }
    if let Some(metadata) = &result.metadata {
        words(screen, metadata)?;
    }
    match &result.manifest {
        Some(manifest) => published(screen, manifest, spelling),
        None => Ok(()),
    }
}

/// What is known of an artifact that is not accepted.
fn known(screen: &mut Screen, result: &InspectResult) -> io::Result<()> {
    if let Some(Artifact {
        kind,
        digest,
        size: bytes,
    }) = &result.artifact
    {
        let kind = match kind {
            ArtifactKind::Module => "module",
            ArtifactKind::Component => "component",
            ArtifactKind::Provider => "provider",
        };
        screen.line(kind, format!("{digest}, {}", size(*bytes)))?;
    }
    if let Some(Signature {
        signer, subject, ..
    }) = &result.signature
    {
        if let Some(key) = signer.names.get("account") {
            screen.line("its token", format!("is signed by {key}, for {subject}"))?;
        } else {
            let by = format!("is signed by {}, for {subject}", signer.id);
            screen.line("its bundle", by)?;
        }
    }
    if let Some(Claims { name, version, .. }) = &result.claims {
        let name: Vec<_> = [name, version].into_iter().flatten().cloned().collect();
        if !name.is_empty() {
            screen.line("claims", name.join(" "))?;
        }
    }
    Ok(())
}

/// What a certificate says of the workflow that it was issued to.
fn workflow(screen: &mut Screen, signer: &Signer) -> io::Result<()> {
    let claims = [
        ("issuer", "issuer", None),
        ("repository", "repository", Some("repositoryId")),
        ("owner", "owner", Some("ownerId")),
        ("ref", "ref", None),
        ("commit", "commit", None),
        ("trigger", "trigger", None),
    ];
    for (what, claim, id) in claims {
        let id = id.and_then(|id| signer.names.get(id));
        match (signer.names.get(claim), id) {
            (Some(text), Some(id)) => screen.line(what, format!("{text} (id {id})"))?,
            (Some(text), None) => screen.line(what, text)?,
            (None, _) => {}
        }
    }
    Ok(())
}

/// What its signer says of how it was built.
fn built(screen: &mut Screen, provenance: &Provenance) -> io::Result<()> {
    screen.text("How it was built, in its signer's words, which nobody checked:")?;
    let texts = [
        ("builder", &provenance.builder),
        ("type", &provenance.build_type),
    ];
    for (what, text) in texts {
        if let Some(text) = text {
            screen.line(what, text)?;
        }
    }
    for (name, value) in &provenance.parameters {
        screen.line("given", format!("{name}={value}"))?;
    }
    for Dependency { uri, digests } in &provenance.dependencies {
        let digests = digests.iter();
        let digests = digests.map(|(algorithm, digest)| format!("{algorithm}:{digest}"));
        let parts: Vec<_> = uri.iter().cloned().chain(digests).collect();
        screen.line("built from", parts.join(" "))?;
    }
    match provenance.left_out {
        Some(count) => screen.line("omitted", format!("{count} more")),
        None => Ok(()),
    }
}

fn list(screen: &mut Screen, what: &str, names: Option<&Names>) -> io::Result<()> {
    match names {
        None => Ok(()),
        Some(Names::Unread { why }) => screen.line(what, format!("omitted: {why}")),
        Some(Names::Read { names }) if names.is_empty() => screen.line(what, "nothing"),
        Some(Names::Read { names }) => {
            let mut what = what;
            for name in names {
                screen.line(what, name)?;
                what = "";
            }
            Ok(())
        }
    }
}

/// What the artifact says of itself.
fn words(screen: &mut Screen, metadata: &Metadata) -> io::Result<()> {
    let texts = [
        ("name", &metadata.name),
        ("version", &metadata.version),
        ("description", &metadata.description),
        ("authors", &metadata.authors),
        ("licenses", &metadata.licenses),
        ("source", &metadata.source),
        ("homepage", &metadata.homepage),
        ("revision", &metadata.revision),
    ];
    let texts = texts
        .into_iter()
        .filter_map(|(what, text)| Some((what, text.as_ref()?)));
    let mut texts = texts.peekable();
    let says = texts.peek().is_some() || !metadata.producers.is_empty();
    if says || !metadata.unread.is_empty() {
        screen.text("In its own words, which nobody checked:")?;
    }
    for (what, text) in texts {
        screen.line(what, text)?;
    }
    for producer in &metadata.producers {
        screen.line(
            &producer.field,
            format!("{} {}", producer.name, producer.version),
        )?;
    }
    for (section, why) in &metadata.unread {
        screen.line("omitted", format!("{section}: {why}"))?;
    }
    Ok(())
}

/// The manifest, which no signature covers.
fn published(screen: &mut Screen, manifest: &Manifest, spelling: &Spelling) -> io::Result<()> {
    screen.text("In the manifest, which nobody signed:")?;
    screen.line("pinned", spelling.restore(&manifest.reference))?;
    for (what, media_type) in [
        (
            "type",
            manifest
                .artifact_type
                .as_ref()
                .or(manifest.media_type.as_ref()),
        ),
        ("config", Some(&manifest.config.media_type)),
        ("layer", Some(&manifest.layer.media_type)),
    ] {
        if let Some(media_type) = media_type {
            screen.line(what, media_type)?;
        }
    }
    for (key, value) in &manifest.annotations {
        screen.line("annotation", format!("{key}={value}"))?;
    }
    match manifest.annotations_left_out {
        Some(count) => screen.line("annotation", format!("{count} more, too long to show")),
        None => Ok(()),
    }
}
