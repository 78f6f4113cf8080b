//! `vouch verify`: asks for a verdict on each of its subjects, some at a time, and shows the verdicts
//! in order.

use crate::{
    call::unreadable,
    failure::{Failure, Outcome},
    progress::Bars,
    reference::absolute,
    show::{Asked, Screen},
    signals::Signals,
    spelling::Spelling,
    spool,
    subject::{self, Reference, Subject},
    tally::Tally,
};
use clap::{Args, ValueHint};
use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value, json};
use std::{
    ffi::OsString,
    io,
    iter::once,
    path::{Path, PathBuf},
};
use vouch_client::{
    Client,
    protocol::{Verification, Verify, VerifyParams, VerifyResult},
};

/// How many artifacts are judged at a time: enough for the service's cores, and few enough to leave
/// other clients their turn.
const AT_A_TIME: usize = 8;

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// Files, folders, references, or `-` for standard input
    #[arg(
        value_name = "ARTIFACT",
        required_unless_present = "references",
        value_hint = ValueHint::AnyPath
    )]
    given: Vec<OsString>,
    /// A reference, even if it could be a path; may be given several times
    #[arg(long = "reference", value_name = "REFERENCE", value_parser = Reference::read)]
    references: Vec<Reference>,
    /// Show only what is not accepted
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Show every check: what was found, and what must be
    #[arg(long)]
    pub(crate) explain: bool,
    /// Accept only this signer: a name from the config, an account (`A…`), or an id as `vouch verify`
    /// shows it
    #[arg(long, value_name = "SIGNER")]
    pub(crate) signer: Option<String>,
    /// Say whether files could be pushed there; nothing is sent
    #[arg(long = "for", value_name = "REFERENCE", value_parser = Reference::read)]
    pub(crate) destination: Option<Reference>,
    /// The file's Sigstore bundle, instead of `ARTIFACT.sigstore.json`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) bundle: Option<PathBuf>,
    #[arg(skip)]
    pub(crate) subjects: Vec<Subject>,
}

impl VerifyArguments {
    pub(crate) fn complete(&mut self) -> Result<(), String> {
        for text in &self.given {
            if text.is_empty() {
                return Err("a path cannot be empty".to_owned());
            }
            self.subjects.push(Subject::read(text)?);
        }
        let references = self.references.drain(..).map(Subject::Reference);
        self.subjects.extend(references);
        let is_input = |subject: &&Subject| **subject == Subject::Input;
        if self.subjects.iter().filter(is_input).count() > 1 {
            return Err("standard input can be read only once".to_owned());
        }
        let is_published = |subject: &Subject| matches!(subject, Subject::Reference(_));
        if self.destination.is_some() && self.subjects.iter().any(is_published) {
            return Err("--for asks about files, not about references".to_owned());
        }
        let is_one_file = matches!(&self.subjects[..], [Subject::File(_) | Subject::Input]);
        if self.bundle.is_some() && !is_one_file {
            return Err("--bundle is of one file".to_owned());
        }
        Ok(())
    }
}

pub(crate) async fn verify(
    client: &Client,
    arguments: VerifyArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    if !arguments.subjects.contains(&Subject::Input) {
        return judge_all(client, arguments, screen).await;
    }
    // A copy of standard input must not outlive an interrupted process.
    let mut signals = Signals::listen()?;
    tokio::select! {
        biased;
        ended = signals.next() => Ok(ended),
        judged = judge_all(client, arguments, screen) => judged,
    }
}

async fn judge_all(
    client: &Client,
    arguments: VerifyArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let VerifyArguments {
        subjects,
        quiet,
        explain,
        signer,
        destination,
        bundle,
        ..
    } = arguments;
    let wish = Wish {
        bundle,
        explain,
        signer,
        destination,
    };
    let bars = Bars::new(screen.is_json());
    let single = matches!(
        &subjects[..],
        [Subject::File(_) | Subject::Reference(_) | Subject::Input]
    );
    let mut judged = stream::iter(subjects.into_iter().flat_map(looks))
        .map(async |look| look.judged(client, &bars, &wish).await)
        .buffered(AT_A_TIME);
    let mut tally = Tally::new(["accepted", "refused", "could not be judged"]);
    while let Some(judged) = judged.next().await {
        tally.count(bars.aside(|| judged.show(quiet, screen))?);
    }
    let outcome = tally.outcome();
    let nothing_to_say = quiet && outcome == Outcome::Success;
    if !single && !nothing_to_say && !screen.is_json() {
        screen.text(tally.summary())?;
    }
    Ok(outcome)
}

/// What is asked for of each artifact.
struct Wish {
    bundle: Option<PathBuf>,
    explain: bool,
    signer: Option<String>,
    /// Where files would be pushed to.
    destination: Option<Reference>,
}

impl Wish {
    fn of(&self, told: String) -> Result<VerifyParams, Failure> {
        let params = self.all(match &self.destination {
            Some(to) => VerifyParams::push(told, &to.told),
            None => VerifyParams::path(told),
        });
        let bundle = self.bundle.as_deref().map(absolute).transpose()?;
        Ok(VerifyParams { bundle, ..params })
    }

    fn all(&self, params: VerifyParams) -> VerifyParams {
        VerifyParams {
            signer: self.signer.clone(),
            explain: self.explain.then_some(true),
            ..params
        }
    }
}

/// One artifact to look at.
struct Look {
    /// The member that names it in JSON.
    member: &'static str,
    /// Its name as it was typed.
    name: String,
    artifact: Result<Artifact, Failure>,
}

enum Artifact {
    File(PathBuf),
    Reference(String),
    Input,
}

/// A subject's artifacts.
fn looks(subject: Subject) -> Box<dyn Iterator<Item = Look>> {
    match subject {
        Subject::File(path) => Box::new(once(Look::file(path))),
        Subject::Folder(folder) => {
            let mut found = subject::artifacts_in(folder.clone()).peekable();
            if found.peek().is_none() {
                return Box::new(once(Look::failed(&folder, nothing_in(&folder))));
            }
            Box::new(found.map(|found| match found {
                Ok(path) => Look::file(path),
                Err(unreadable) => {
                    let failure = Failure::new(format!("cannot list it: {}", unreadable.error));
                    Look::failed(&unreadable.path, failure)
                }
            }))
        }
        Subject::Reference(reference) => Box::new(once(Look {
            member: "reference",
            name: reference.typed,
            artifact: Ok(Artifact::Reference(reference.told)),
        })),
        Subject::Input => Box::new(once(Look {
            member: "path",
            name: "-".to_owned(),
            artifact: Ok(Artifact::Input),
        })),
    }
}

/// Nothing was verified: that must not look like success.
fn nothing_in(folder: &Path) -> Failure {
    let failure = Failure::new("there is no *.wasm, *.par or *.par.gz in it");
    if folder.join("oci-layout").exists() {
        let folder = folder.display();
        return failure.help(format!(
            "It is an image layout: `vouch verify oci:{folder}:TAG` looks at what is in it."
        ));
    }
    failure
}

impl Look {
    fn file(path: PathBuf) -> Self {
        Self {
            member: "path",
            name: path.to_string_lossy().into_owned(),
            artifact: Ok(Artifact::File(path)),
        }
    }

    fn failed(path: &Path, failure: Failure) -> Self {
        Self {
            member: "path",
            name: path.to_string_lossy().into_owned(),
            artifact: Err(failure),
        }
    }

    async fn judged(self, client: &Client, bars: &Bars, wish: &Wish) -> Judged {
        let Self {
            member,
            name,
            artifact,
        } = self;
        let mut spelling = Spelling::default();
        let ask = async {
            let (params, _kept) = match artifact? {
                Artifact::File(path) => {
                    let told = absolute(&path)?;
                    spelling = Spelling::path(&path, &told);
                    (wish.of(told)?, None)
                }
                Artifact::Reference(told) => {
                    spelling = Spelling::reference(&name, &told);
                    (wish.all(VerifyParams::reference(told)), None)
                }
                Artifact::Input => {
                    let kept = spool::standard_input("verify").await?;
                    let told = absolute(&kept)?;
                    spelling = Spelling::input(&told);
                    // The copy is there until the answer is.
                    (wish.of(told)?, Some(kept))
                }
            };
            let answer = bars.ask::<Verify>(&name, 1, client, params).await?;
            // Only what can be read as a verdict is one.
            let verdict = serde_json::from_value(answer.clone());
            Ok((answer, verdict.map_err(|error| unreadable(&error))?))
        };
        let verdict = ask.await;
        Judged {
            member,
            name,
            place: wish.destination.as_ref().map(|to| to.typed.clone()),
            spelling: match &wish.destination {
                Some(to) => spelling.and(Spelling::reference(&to.typed, &to.told)),
                None => spelling,
            },
            verdict,
        }
    }
}

/// What became of a look: the answer as it came, and what it says.
struct Judged {
    member: &'static str,
    name: String,
    /// Where it would be pushed to.
    place: Option<String>,
    spelling: Spelling,
    verdict: Result<(Value, VerifyResult), Failure>,
}

impl Judged {
    fn outcome(&self) -> Outcome {
        match &self.verdict {
            Ok((_, result)) => match result.verification {
                Verification::Accepted { .. } => Outcome::Success,
                Verification::Refused { .. } => Outcome::Refused,
            },
            Err(failure) => failure.outcome(),
        }
    }

    fn show(self, quiet: bool, screen: &mut Screen) -> io::Result<Outcome> {
        let outcome = self.outcome();
        if quiet && outcome == Outcome::Success {
            return Ok(outcome);
        }
        if screen.is_json() {
            let (member, value) = match self.verdict {
                Ok((answer, _)) => ("verification", answer),
                Err(failure) => ("error", failure.json()),
            };
            let mut line = Map::new();
            line.insert(self.member.to_owned(), json!(self.name));
            line.insert(member.to_owned(), value);
            screen.json(&Value::Object(line))?;
            return Ok(outcome);
        }
        let spelling = &self.spelling;
        match self.verdict {
            Ok((_, result)) => match &result.verification {
                verification @ Verification::Accepted { .. } => {
                    screen.heading(true, "accepted", &self.name)?;
                    let pinned = result.reference.as_deref();
                    let pinned = pinned.map(|pinned| spelling.restore(pinned));
                    if let Some(pinned) = &pinned {
                        screen.line("pinned", pinned)?;
                    }
                    let place = self.place.as_deref().or(pinned.as_deref());
                    screen.accepted(verification, Asked::Verdict(place))?;
                    screen.checks(result.checks.as_deref().unwrap_or_default())?;
                }
                Verification::Refused { refusal, .. } => {
                    let help = refusal.help.as_deref().map(|help| spelling.restore(help));
                    screen.refused(&spelling.restore(&refusal.message), help.as_deref())?;
                    screen.checks(result.checks.as_deref().unwrap_or_default())?;
                }
            },
            Err(failure) => {
                let failure = failure.spelt(spelling);
                // Most messages name it already, and those about standard input do in words.
                let about = Some(self.name.as_str());
                let about = about.filter(|name| *name != "-" && !failure.message.contains(name));
                screen.complain(about, &failure)?;
            }
        }
        Ok(outcome)
    }
}
