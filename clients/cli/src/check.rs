//! `vouch check`: asks for a verdict on all that documents name, and shows where it is named.

mod places;
mod report;

use crate::{
    call::{ask, unreadable},
    failure::{Failure, Outcome},
    reference::absolute,
    show::{Asked, Screen, signed_by},
    tally::Tally,
};
use clap::{Args, ValueEnum, ValueHint};
use futures_util::{StreamExt as _, stream};
use places::Place;
use report::Report;
use serde_json::{Value, json};
use std::{
    io,
    path::{Path, PathBuf},
};
use vouch_client::{
    Client,
    protocol::{
        DocumentCheck, DocumentCheckParams, DocumentCheckResult, ErrorKind, Judgement, Lookup,
        Verification,
    },
};

/// How many documents are asked about at a time.
const AT_A_TIME: usize = 4;
/// The longest params that fit into a message to the service, with what stands around them.
const LONGEST_MESSAGE: usize = 1024 * 1024 - 256;

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Manifests, lock files and configs, folders of them, or `-` for standard input
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// How to say it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Ask no registry: answer from what the service remembers
    #[arg(long)]
    offline: bool,
    /// Show only what is not accepted
    #[arg(short, long)]
    quiet: bool,
}

/// How what was found is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines for people and editors: file, line, column
    Text,
    /// What the service answered, an object for each document; the same as --json
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of GitHub Actions
    Github,
}

/// One thing that a document names, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) outcome: Outcome,
    pub(crate) place: Place,
    /// The kind of refusal or failure.
    pub(crate) kind: String,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

pub(crate) async fn check(
    client: &Client,
    arguments: CheckArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let CheckArguments {
        paths,
        format,
        offline,
        quiet,
    } = arguments;
    let format = if screen.is_json() {
        Format::Json
    } else {
        format
    };
    let lookup = if offline {
        Lookup::Memory
    } else {
        Lookup::Full
    };
    let mut report = Report::new(format, quiet);
    let mut tally = Tally::new(["accepted", "refused", "could not be judged"]);
    let looks = paths.into_iter().flat_map(places::documents);
    let mut checked = stream::iter(looks)
        .map(async |found| match found {
            Ok(path) => {
                let answer = checked(client, &path, lookup).await;
                (path, answer)
            }
            Err((path, failure)) => (path, Err(failure)),
        })
        .buffered(AT_A_TIME);
    let mut documents = 0_u64;
    while let Some((path, answer)) = checked.next().await {
        let (text, answer, result) = match answer {
            Ok(Some(checked)) => checked,
            Ok(None) => continue,
            Err(failure) => {
                tally.count(Outcome::Failed);
                documents += 1;
                report.failed(&path, &failure, screen)?;
                continue;
            }
        };
        if !result.recognised {
            if places::is_input(&path) {
                tally.count(Outcome::Failed);
                documents += 1;
                report.failed(&path, &places::not_a_manifest(), screen)?;
            }
            continue;
        }
        documents += 1;
        let findings = findings(&path, &text, result);
        for finding in &findings {
            tally.count(finding.outcome);
        }
        if format == Format::Json {
            screen.json(&json!({ "path": path.to_string_lossy(), "result": answer }))?;
        } else {
            findings
                .into_iter()
                .try_for_each(|finding| report.add(finding, screen))?;
        }
    }
    let outcome = tally.outcome();
    report.end(screen)?;
    if format == Format::Text && !(quiet && outcome == Outcome::Success) {
        let plural = if documents == 1 {
            "document"
        } else {
            "documents"
        };
        screen.text(format!("{} in {documents} {plural}", tally.summary()))?;
    }
    Ok(outcome)
}

type Checked = (String, Value, DocumentCheckResult);

/// What the service says of a document; nothing of a file that cannot be one.
async fn checked(client: &Client, path: &Path, lookup: Lookup) -> Result<Option<Checked>, Failure> {
    let (uri, text) = if places::is_input(path) {
        // JSON is YAML, too.
        let as_if = Path::new("input.yaml");
        let read = tokio::task::spawn_blocking(move || places::input(as_if)).await;
        let text = read.map_err(io::Error::other)??;
        (absolute(as_if)?, Some(text))
    } else {
        (absolute(path)?, places::text(path)?)
    };
    let Some(text) = text else {
        return Ok(None);
    };
    let params = DocumentCheckParams {
        uri,
        text: text.clone(),
        lookup: Some(lookup),
        work_done_token: None,
    };
    let written = serde_json::to_vec(&params).map_err(|error| unreadable(&error))?;
    if written.len() > LONGEST_MESSAGE {
        let failure = Failure::new(format!(
            "it takes {} bytes as JSON, and a message to the service has {LONGEST_MESSAGE}",
            written.len()
        ));
        return Err(failure.help("Split it: it was not checked."));
    }
    let answer = ask::<DocumentCheck>(client, params).await?;
    let result = serde_json::from_value(answer.clone()).map_err(|error| unreadable(&error))?;
    Ok(Some((text, answer, result)))
}

/// What a document names, as it was judged.
fn findings(path: &Path, text: &str, result: DocumentCheckResult) -> Vec<Finding> {
    let mut findings: Vec<_> = result
        .references
        .into_iter()
        .map(|reference| {
            let name = reference
                .reference
                .as_deref()
                .unwrap_or(&reference.written)
                .to_owned();
            let (outcome, kind, message, help) = match reference.judgement {
                Judgement::Judged {
                    verification:
                        Verification::Accepted {
                            signature, trust, ..
                        },
                } => {
                    let pinned = reference.pinned.as_deref().unwrap_or(&name);
                    let asked = Asked::Verdict(Some(&name));
                    let by = signed_by(&signature.signer, &trust, asked);
                    let message = format!("{pinned}, signed by {by}");
                    (Outcome::Success, "accepted".to_owned(), message, None)
                }
                Judgement::Judged {
                    verification: Verification::Refused { refusal, .. },
                } => (
                    Outcome::Refused,
                    refusal.kind.to_string(),
                    refusal.message,
                    refusal.help,
                ),
                Judgement::Unknown {
                    message,
                    help,
                    kind,
                    ..
                } => {
                    let is_refusal = kind.is_some_and(ErrorKind::is_refusal);
                    let outcome = if is_refusal {
                        Outcome::Refused
                    } else {
                        Outcome::Failed
                    };
                    let kind = kind.map_or_else(|| "unknown".to_owned(), |kind| kind.to_string());
                    (outcome, kind, message, help)
                }
                Judgement::Later => {
                    let message = format!(
                        "the service says something of {name} that this version does not know"
                    );
                    (Outcome::Failed, "unknown".to_owned(), message, None)
                }
            };
            // Not each message names what it is about.
            let message = if outcome == Outcome::Success || message.contains(&name) {
                message
            } else {
                format!("{name}: {message}")
            };
            Finding {
                outcome,
                place: Place::new(path, text, reference.range),
                kind,
                message,
                help,
            }
        })
        .collect();
    if let Some(range) = result.unclear {
        findings.push(Finding {
            outcome: Outcome::Failed,
            place: Place::new(path, text, range),
            kind: "unclear".to_owned(),
            message: "it is not well formed here: another program may read it in another way, and \
                      find more"
                .to_owned(),
            help: Some(
                "Fix the syntax here. If it is a template, keep it on one line, without text like \
                 `key: value`, or check what it renders: `helm template CHART | vouch check -`."
                    .to_owned(),
            ),
        });
    } else if !result.whole {
        findings.push(Finding {
            outcome: Outcome::Failed,
            place: Place::new(path, text, vouch_client::protocol::Range::default()),
            kind: "unknown".to_owned(),
            message: "not all of the document was checked".to_owned(),
            help: Some("It names too much, or is too long or too broken. Split it.".to_owned()),
        });
    }
    findings
}

#[cfg(test)]
mod tests;
