//! The commands: each asks the service once, or once for each file, and shows the answer.

use crate::{
    arguments::{PullArguments, PushArguments, RpcArguments, VerifyArguments},
    bars::Bars,
    failure::{Failure, Outcome},
    reference::absolute,
    show::{Screen, size},
};
use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value, json};
use std::{io, path::PathBuf};
use vouch_client::{
    Client,
    protocol::{
        ErrorKind, Method, NoParams, Pull, PullParams, PullResult, Push, PushParams, PushResult,
        ServerRestart, ServerRestartResult, ServerStop, ServerStopResult, Verification, Verify,
        VerifyParams,
    },
};

/// How many files are judged at a time: enough for the service's cores, and few enough to leave
/// other clients their turn.
const AT_A_TIME: usize = 8;

/// Asks, and takes the answer as it comes: `--json` shows members too that this version does not
/// know.
pub(crate) async fn ask<M: Method>(client: &Client, params: M::Params) -> Result<Value, Failure> {
    let params = serde_json::to_value(params)
        .map_err(|error| Failure::new(format!("the params are no JSON: {error}")))?;
    Ok(client.request(M::NAME, params).await?)
}

/// Shows an answer: as it came, or for people.
pub(crate) fn answer<M: Method>(
    screen: &mut Screen,
    answered: Result<Value, Failure>,
    show: impl FnOnce(&mut Screen, M::Result) -> io::Result<()>,
) -> io::Result<Outcome> {
    let result = match answered {
        Ok(result) => result,
        Err(failure) => return screen.failure(&failure),
    };
    if screen.is_json() {
        screen.json(&result)?;
        return Ok(Outcome::Success);
    }
    match serde_json::from_value(result) {
        Ok(result) => show(screen, result).map(|()| Outcome::Success),
        Err(error) => screen.failure(&unreadable(&error)),
    }
}

fn unreadable(error: &serde_json::Error) -> Failure {
    Failure::new(format!(
        "the service has done what it was asked, but its answer is of another version: {error}"
    ))
}

/// What is judged.
enum Subject {
    File(PathBuf),
    Reference(String),
}

impl Subject {
    fn params(&self) -> io::Result<VerifyParams> {
        Ok(match self {
            Self::File(file) => VerifyParams::path(absolute(file)?),
            Self::Reference(reference) => VerifyParams::reference(reference),
        })
    }

    /// The member that names it in JSON, and its name as it was written.
    fn named(&self) -> (&'static str, String) {
        match self {
            Self::File(file) => ("path", file.to_string_lossy().into_owned()),
            Self::Reference(reference) => ("reference", reference.clone()),
        }
    }
}

pub(crate) async fn verify(
    client: &Client,
    arguments: VerifyArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let files = arguments.files.into_iter().map(Subject::File);
    let references = arguments.references.into_iter().map(Subject::Reference);
    let bars = Bars::new(screen.is_json());
    let mut answers = stream::iter(files.chain(references))
        .map(async |subject| {
            let answered = match subject.params() {
                Ok(params) => {
                    let (_, name) = subject.named();
                    bars.ask::<Verify>(&name, client, params).await
                }
                Err(error) => Err(error.into()),
            };
            (subject, answered)
        })
        .buffered(AT_A_TIME);
    let mut worst = Outcome::Success;
    while let Some((subject, answered)) = answers.next().await {
        worst = worst.max(bars.aside(|| verified(screen, &subject, answered))?);
    }
    Ok(worst)
}

fn verified(
    screen: &mut Screen,
    subject: &Subject,
    answered: Result<Value, Failure>,
) -> io::Result<Outcome> {
    let (member, name) = subject.named();
    // Only what can be read as a verdict is one.
    let judged = answered.and_then(|answer| {
        let verification: Verification =
            serde_json::from_value(answer.clone()).map_err(|error| unreadable(&error))?;
        Ok((answer, verification))
    });
    if screen.is_json() {
        let mut line = Map::new();
        line.insert(member.to_owned(), json!(name));
        let outcome = match judged {
            Ok((answer, verification)) => {
                line.insert("verification".to_owned(), answer);
                match verification {
                    Verification::Accepted { .. } => Outcome::Success,
                    Verification::Refused { .. } => Outcome::Refused,
                }
            }
            Err(failure) => {
                line.insert("error".to_owned(), failure.json());
                failure.outcome()
            }
        };
        screen.json(&Value::Object(line))?;
        return Ok(outcome);
    }
    match judged {
        Ok((_, verification)) => screen.verification(&name, &verification),
        Err(failure) => {
            // Most messages name it already.
            let about = Some(name.as_str()).filter(|name| !failure.message.contains(name));
            screen.complain(about, &failure)?;
            Ok(failure.outcome())
        }
    }
}

pub(crate) async fn push(
    client: &Client,
    arguments: PushArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let answered = match absolute(&arguments.file) {
        Ok(path) => {
            let params = PushParams {
                path,
                reference: arguments.reference,
                annotations: Some(arguments.annotations).filter(|map| !map.is_empty()),
                allow_latest: arguments.allow_latest.then_some(true),
                work_done_token: None,
            };
            let name = arguments.file.to_string_lossy();
            let bars = Bars::new(screen.is_json());
            bars.ask::<Push>(&name, client, params).await
        }
        Err(error) => Err(error.into()),
    };
    answer::<Push>(screen, answered, |screen, result: PushResult| {
        screen.heading(true, "pushed", &result.reference)?;
        screen.accepted(&result.verification)?;
        screen.line(
            "sent",
            format!(
                "{}, {} were there already",
                size(result.uploaded),
                size(result.skipped)
            ),
        )
    })
}

pub(crate) async fn pull(
    client: &Client,
    arguments: PullArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let answered = match absolute(&arguments.output) {
        Ok(destination) => {
            let params = PullParams {
                reference: arguments.reference,
                destination,
                overwrite: arguments.overwrite.then_some(true),
                target: arguments.target,
                allow_latest: arguments.allow_latest.then_some(true),
                work_done_token: None,
            };
            let name = params.reference.clone();
            let bars = Bars::new(screen.is_json());
            bars.ask::<Pull>(&name, client, params).await
        }
        Err(error) => Err(error.into()),
    };
    answer::<Pull>(screen, answered, |screen, result: PullResult| {
        screen.heading(true, "pulled", &result.path)?;
        screen.line("from", &result.reference)?;
        screen.accepted(&result.verification)?;
        screen.line("received", size(result.downloaded))
    })
}

pub(crate) async fn stop(client: &Client, screen: &mut Screen) -> io::Result<Outcome> {
    let answered = ask::<ServerStop>(client, NoParams {}).await;
    answer::<ServerStop>(screen, answered, |screen, result: ServerStopResult| {
        screen.text(format!(
            "vouchd (process {}) is stopping",
            result.process_id
        ))
    })
}

pub(crate) async fn restart(client: &Client, screen: &mut Screen) -> io::Result<Outcome> {
    let answered =
        match ask::<ServerRestart>(client, NoParams {}).await {
            Err(failure) if failure.is(ErrorKind::MethodNotFound) => Err(failure
                .help("This vouchd is too old for that. Say `vouch stop`, and start another.")),
            answered => answered,
        };
    answer::<ServerRestart>(screen, answered, |screen, result: ServerRestartResult| {
        let old = client.server().map(|server| &server.server_info);
        screen.text(format!(
            "vouchd {} was replaced by vouchd {} (process {})",
            old.map_or_else(
                || "of another protocol".to_owned(),
                |old| built(&old.version, old.build.as_deref())
            ),
            built(&result.version, result.build.as_deref()),
            result.process_id
        ))
    })
}

fn built(version: &str, build: Option<&str>) -> String {
    match build {
        Some(build) => format!("{version} ({build})"),
        None => version.to_owned(),
    }
}

pub(crate) async fn rpc(
    client: &Client,
    arguments: RpcArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    match client.request(&arguments.method, arguments.params).await {
        Ok(result) => screen.value(&result).map(|()| Outcome::Success),
        Err(error) => screen.failure(&error.into()),
    }
}
