//! Files that are signed with one key, one question and one summary.

use super::{
    arguments::KeyArguments,
    key::{agrees, may_ask, unlock},
    shell, shown,
};
use crate::{
    call::unreadable,
    failure::{Failure, Outcome},
    progress::Bars,
    reference::absolute,
    show::{Screen, escaped, size},
    spelling::Spelling,
    tally::Tally,
};
use futures_util::{StreamExt as _, future::try_join, stream};
use serde_json::{Map, Value, json};
use std::{
    cell::RefCell,
    io::{self, IsTerminal as _},
    path::Path,
    time::Duration,
};
use tokio::time::sleep;
use vouch_client::{
    Client,
    protocol::{
        SignComplete, SignCompleteParams, SignCompleteResult, SignPrepare, SignPrepareParams,
        SignPrepareResult,
    },
    signing::{Covered, Signer, SigningInput, TokenSignature},
};

/// How many files are read or written at a time.
const AT_A_TIME: usize = 8;
/// An agent that takes longer asks somebody.
const MOMENT: Duration = Duration::from_secs(1);

/// One file to sign.
pub(crate) struct Job {
    /// What it is called before people.
    name: String,
    /// Where it is, as the service is told.
    path: String,
    /// Where the signed one goes, if it does not take its place.
    destination: Option<String>,
    overwrite: bool,
    spelling: Spelling,
}

impl Job {
    /// A file that is signed in its place, or to an output.
    pub(crate) fn of(file: &Path, output: Option<&Path>, overwrite: bool) -> Result<Self, Failure> {
        let path = absolute(file)?;
        let mut spelling = Spelling::path(file, &path);
        let destination = match output {
            Some(output) => {
                let told = absolute(output)?;
                spelling = spelling.and(Spelling::path(output, &told));
                Some(told)
            }
            None => None,
        };
        Ok(Self {
            name: file.to_string_lossy().into_owned(),
            path,
            destination,
            overwrite,
            spelling,
        })
    }

    /// A file that nobody knows, and the name that it gets once it is signed.
    pub(crate) fn unnamed(file: &Path, output: &Path, overwrite: bool) -> Result<Self, Failure> {
        let job = Self::of(file, Some(output), overwrite)?;
        Ok(Self {
            name: output.to_string_lossy().into_owned(),
            spelling: Spelling::path(output, &job.path).and(job.spelling),
            ..job
        })
    }
}

/// How files are signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Whether signatures of others are replaced without a question.
    pub(crate) replace: bool,
    /// Whether only failures are shown.
    pub(crate) quiet: bool,
}

/// What is to be signed for a file.
struct Prepared {
    answer: SignPrepareResult,
    input: SigningInput,
}

pub(crate) async fn batch(
    client: &Client,
    jobs: Vec<Job>,
    wish: SignPrepareParams,
    mut signer: Signer,
    key: &KeyArguments,
    manner: Manner,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let bars = Bars::new(screen.is_json());
    let several = jobs.len() > 1;
    let wish = SignPrepareParams {
        account: signer.account().to_string(),
        ..wish
    };
    let prepared: Vec<_> = stream::iter(jobs)
        .map(async |job| {
            let prepared = prepare(client, &bars, &job, &wish).await;
            (job, prepared)
        })
        .buffered(AT_A_TIME)
        .collect()
        .await;
    let speaks = !manner.quiet && !screen.is_json();
    if speaks {
        for (job, prepared) in &prepared {
            if let Ok(prepared) = prepared {
                screen.heading(true, "signing", &job.name)?;
                shown::show(
                    screen,
                    &prepared.answer,
                    &prepared.input,
                    &signer,
                    &job.spelling,
                )?;
            }
        }
        screen.flush()?;
    }
    let agreed = async {
        let prepared = replacing(prepared, manner, screen).await?;
        if prepared.iter().any(|(_, prepared)| prepared.is_ok()) {
            unlock(&mut signer, key, screen).await?;
        }
        Ok(prepared)
    };
    let prepared = match agreed.await {
        Ok(prepared) => prepared,
        Err(failure) => return screen.failure(&failure),
    };
    // After a key that fails no other file is signed: it would fail again, or ask again.
    let failed = RefCell::new(None);
    let done = stream::iter(prepared)
        .then(async |(job, prepared)| {
            let signed = async {
                let prepared = prepared?;
                let signature = signed(&bars, &signer, &prepared.input, &failed, &job.name).await?;
                Ok((prepared.input, signature))
            };
            let signed = signed.await;
            (job, signed)
        })
        .map(async |(job, signed)| {
            let completed = match signed {
                Ok((input, signature)) => complete(client, &bars, &job, &input, &signature).await,
                Err(failure) => Err(failure),
            };
            let completed = completed.map_err(|failure: Failure| failure.spelt(&job.spelling));
            (job, completed)
        })
        .buffered(AT_A_TIME);
    let mut tally = Tally::new(["signed", "refused", "could not be signed"]);
    let mut done = std::pin::pin!(done);
    while let Some((job, completed)) = done.next().await {
        tally.count(bars.aside(|| tell(screen, &job, completed, manner))?);
    }
    if several && speaks {
        screen.text(tally.summary())?;
    }
    Ok(tally.outcome())
}

/// Asks what is to be signed for a file, and checks that it is what was asked for and what is in the
/// file, which is read meanwhile. Where neither can read it, the service says why.
async fn prepare(
    client: &Client,
    bars: &Bars,
    job: &Job,
    wish: &SignPrepareParams,
) -> Result<Prepared, Failure> {
    let asked = SignPrepareParams {
        path: job.path.clone(),
        ..wish.clone()
    };
    let answer = bars.ask::<SignPrepare>(&job.name, 1, client, asked.clone());
    let covered = async { Ok(Covered::read(&job.path).await) };
    let (answer, covered) = try_join(answer, covered).await?;
    let answer: SignPrepareResult =
        serde_json::from_value(answer).map_err(|error| unreadable(&error))?;
    let input = SigningInput::check(&answer, &asked, &covered?)?;
    Ok(Prepared { answer, input })
}

/// Signatures of others are replaced only where that was said, or is agreed to now.
async fn replacing(
    prepared: Vec<(Job, Result<Prepared, Failure>)>,
    manner: Manner,
    screen: &Screen,
) -> Result<Vec<(Job, Result<Prepared, Failure>)>, Failure> {
    let is_others =
        |it: &Result<Prepared, Failure>| it.as_ref().is_ok_and(|it| it.input.replaces_another());
    let others: Vec<_> = prepared.iter().filter(|(_, it)| is_others(it)).collect();
    if manner.replace || others.is_empty() {
        return Ok(prepared);
    }
    if may_ask(screen) {
        let question = match others.as_slice() {
            [(job, _)] => format!(
                "Replace somebody else's signature on {}? [y/N]",
                escaped(&job.name)
            ),
            several => format!(
                "Replace other people's signatures on {} files? [y/N]",
                several.len()
            ),
        };
        return if agrees(question).await? {
            Ok(prepared)
        } else {
            Err(Failure::new("nothing was signed"))
        };
    }
    let refuse = |(job, prepared): (Job, Result<Prepared, Failure>)| {
        let prepared = prepared.and_then(|prepared| {
            let Some(old) = prepared
                .input
                .replaces()
                .filter(|_| prepared.input.replaces_another())
            else {
                return Ok(prepared);
            };
            let message = format!("{} is signed by another account, {}", job.name, old.issuer);
            Err(Failure::new(message).help(format!(
                "`{}` replaces that signature.",
                shell::again("--replace")
            )))
        });
        (job, prepared)
    };
    Ok(prepared.into_iter().map(refuse).collect())
}

/// Signs; `failed` is why the key signs nothing more.
async fn signed(
    bars: &Bars,
    signer: &Signer,
    input: &SigningInput,
    failed: &RefCell<Option<String>>,
    name: &str,
) -> Result<TokenSignature, Failure> {
    if let Some(why) = &*failed.borrow() {
        return Err(Failure::new(format!("{name} was not signed either: {why}")));
    }
    let mut signing = std::pin::pin!(signer.sign(input));
    let signed = tokio::select! {
        biased;
        signed = &mut signing => signed,
        () = sleep(MOMENT) => {
            if signer.is_agent() && io::stderr().is_terminal() {
                bars.aside(|| eprintln!("waiting for ssh-agent, which may ask for a confirmation or a touch"));
            }
            signing.await
        }
    };
    signed.map_err(|error| {
        failed.replace(Some(error.message.clone()));
        Failure::from(error)
    })
}

/// Has the token put in.
async fn complete(
    client: &Client,
    bars: &Bars,
    job: &Job,
    input: &SigningInput,
    signature: &TokenSignature,
) -> Result<(Value, SignCompleteResult), Failure> {
    let params = SignCompleteParams {
        destination: job.destination.clone(),
        overwrite: job.overwrite.then_some(true),
        ..input.complete(&job.path, signature)
    };
    let answer = bars
        .ask::<SignComplete>(&job.name, 1, client, params)
        .await?;
    let result = serde_json::from_value(answer.clone()).map_err(|error| unreadable(&error))?;
    Ok((answer, result))
}

/// Shows what became of a file.
fn tell(
    screen: &mut Screen,
    job: &Job,
    completed: Result<(Value, SignCompleteResult), Failure>,
    manner: Manner,
) -> io::Result<Outcome> {
    let outcome = completed
        .as_ref()
        .map_or_else(Failure::outcome, |_| Outcome::Success);
    if manner.quiet && outcome == Outcome::Success {
        return Ok(outcome);
    }
    if screen.is_json() {
        let (member, value) = match completed {
            Ok((answer, _)) => ("signed", answer),
            Err(failure) => ("error", failure.json()),
        };
        let mut line = Map::new();
        line.insert("path".to_owned(), json!(job.name));
        line.insert(member.to_owned(), value);
        screen.json(&Value::Object(line))?;
        return Ok(outcome);
    }
    match completed {
        Ok((_, result)) => {
            screen.heading(true, "signed", &job.spelling.restore(&result.path))?;
            screen.line("content", &result.artifact.digest)?;
            screen.line("size", size(result.artifact.size))?;
        }
        Err(failure) => {
            // Most messages name it already.
            let about = Some(job.name.as_str());
            let about = about.filter(|name| !failure.message.contains(name));
            screen.complain(about, &failure)?;
        }
    }
    Ok(outcome)
}
