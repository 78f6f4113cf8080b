//! A verdict, explained: each row of the signature rule and each question of the policy, with what
//! was found and what has to be.
//!
//! It is made when somebody asks for it, of what the verdict was made of. Rows behind the first
//! that fails are judged all the same where that can be.

use super::{
    case::Question,
    dates::check_dates,
    judged::{Accepted, Basis, Judged},
};
use crate::{
    artifact::{ArtifactKind, Finding, Found, Refusal, Row, findings, findings_of},
    signature::{
        Dates, Signed, date,
        step::{Report, Step},
    },
};
use vouch_protocol::{Check, CheckOutcome};

/// Of how many bundles an explanation tells.
const BUNDLES: usize = 16;

/// Of an artifact that is accepted.
pub(super) fn of_signed(judged: &Judged, accepted: &Accepted) -> Vec<Check> {
    let mut checks = signed(judged, &accepted.signed, &accepted.basis);
    checks.extend(accepted.trust.warnings.iter().map(|warning| Check {
        row: Row::Policy as u8,
        check: "warning".to_owned(),
        outcome: CheckOutcome::Warning,
        rule: None,
        found: Some(warning.clone()),
        wanted: None,
    }));
    checks
}

/// Of an artifact with a signature that holds, and is refused all the same.
pub(super) fn of_refused(judged: &Judged, basis: &Basis) -> Vec<Check> {
    match judged.nearest(basis) {
        Some(nearest) => signed(judged, &nearest, basis),
        None => Vec::new(),
    }
}

fn signed(judged: &Judged, signed: &Signed, basis: &Basis) -> Vec<Check> {
    let facts = &judged.facts;
    let mut found = findings_of(facts);
    let mut checks = if let Some(bundled) = signed.bundled() {
        let token = match facts.token {
            Some(_) => Finding::held(Row::Token, "a token, whose signer is not the one below"),
            None => absent(),
        };
        found.retain(|finding| finding.row < Row::Token);
        found.push(token);
        found.extend(signed.covers().err().as_ref().map(Refusal::finding));
        let found_of = |row| found.iter().find(|finding| finding.row == row).cloned();
        let rows = [Row::Artifact, Row::Form, Row::Token].into_iter();
        let mut checks: Vec<_> = rows.map(|row| check(row, found_of(row))).collect();
        checks.extend(of_bundle(&bundled.report));
        let packing = [Row::Entries, Row::Packing].into_iter();
        let packing = packing.filter_map(|row| Some(check(row, Some(found_of(row)?))));
        checks.extend(packing);
        checks
    } else {
        found.extend(signed.findings(facts));
        found.push(dates(signed.dates(), basis.now));
        rows(Some(facts.kind), found)
    };
    beside(&mut checks, &judged.looked.reports);
    for check in judged.checks(signed, basis) {
        let rule = match (check.scope, check.question) {
            (Some(scope), _) => Some(scope.to_string()),
            (None, Question::Accept | Question::Pin) => Some("default".to_owned()),
            (None, _) => None,
        };
        checks.push(Check {
            row: Row::Policy as u8,
            check: check.question.name().to_owned(),
            outcome: if check.held {
                CheckOutcome::Held
            } else {
                CheckOutcome::Failed
            },
            rule,
            found: Some(check.found),
            wanted: Some(check.wanted),
        });
    }
    checks
}

/// Of an artifact that is refused before anything is known of a signer.
pub(super) fn of_unsigned(found: &Found, refusal: &Refusal, reports: &[Report]) -> Vec<Check> {
    let mut findings = findings(found);
    let nearest = reports.iter().max_by_key(|report| report.progress());
    let mut checks = match (found, nearest) {
        // Where a token does not hold, nothing else was looked at.
        (Ok(facts), Some(nearest)) => {
            findings.retain(|finding| finding.row < Row::Token);
            findings.push(match facts.token {
                Some(_) => Finding::held(Row::Token, "a token, and a bundle has to count as well"),
                None => absent(),
            });
            let findings = findings.into_iter();
            let rows = findings.map(|finding| check(finding.row, Some(finding)));
            rows.chain(of_bundle(nearest)).collect()
        }
        (Ok(facts), _) => {
            let held = [Row::Claims, Row::Signature].into_iter();
            let held = held.filter(|row| *row < refusal.row);
            findings.extend(held.map(|row| Finding::held(row, row.wanted())));
            findings.push(refusal.finding());
            rows(Some(facts.kind), findings)
        }
        (Err(unfit), _) => {
            let kind = unfit.artifact.as_ref().map(|artifact| artifact.kind);
            rows(kind, findings)
        }
    };
    beside(&mut checks, reports);
    checks.push(check(Row::Policy, None));
    checks
}

fn absent() -> Finding {
    Finding {
        row: Row::Token,
        outcome: CheckOutcome::Absent,
        found: "no token".into(),
    }
}

/// What was found about one bundle.
fn of_bundle(report: &Report) -> impl Iterator<Item = Check> {
    Step::ALL.into_iter().map(|step| {
        let found = report.step(step);
        Check {
            row: step.row(),
            check: step.name().to_owned(),
            outcome: found.map_or(CheckOutcome::NotReached, |(outcome, _)| outcome),
            rule: None,
            found: found.map(|(_, found)| match step {
                Step::Bundle => format!("{found}: {}", report.from),
                _ => found.to_owned(),
            }),
            wanted: Some(step.wanted().to_owned()),
        }
    })
}

/// Adds what became of all that was fetched, where that is more than one thing.
fn beside(checks: &mut Vec<Check>, reports: &[Report]) {
    if reports.len() < 2 {
        return;
    }
    let told = reports.iter().take(BUNDLES).map(|report| {
        let became = match report.fault() {
            Some((step, why)) => format!("its {} fails: {why}", step.name()),
            None => "it holds".to_owned(),
        };
        format!("{}: {became}", report.from)
    });
    let mut found = format!("looked at {}: ", reports.len());
    found.push_str(&told.collect::<Vec<_>>().join("; "));
    if reports.len() > BUNDLES {
        found.push_str("; …");
    }
    let at = checks.partition_point(|check| check.row <= Row::Token as u8);
    checks.insert(
        at,
        Check {
            row: Row::Token as u8,
            check: "bundles".to_owned(),
            outcome: CheckOutcome::Held,
            rule: None,
            found: Some(found),
            wanted: Some("one that holds, and whose signer is accepted".to_owned()),
        },
    );
}

/// The rows of the rule but the policy's; those of which nothing was found were not reached.
fn rows(kind: Option<ArtifactKind>, mut findings: Vec<Finding>) -> Vec<Check> {
    let rows = Row::of(kind).filter(|row| *row != Row::Policy);
    rows.map(|row| {
        let found = findings.iter().position(|finding| finding.row == row);
        check(row, found.map(|at| findings.swap_remove(at)))
    })
    .collect()
}

fn check(row: Row, finding: Option<Finding>) -> Check {
    let (outcome, found) = match finding {
        Some(finding) => (finding.outcome, Some(finding.found)),
        None => (CheckOutcome::NotReached, None),
    };
    Check {
        row: row as u8,
        check: row.name().to_owned(),
        outcome,
        rule: None,
        found,
        wanted: Some(row.wanted().to_owned()),
    }
}

/// What row 7 finds.
fn dates(dates: Dates, now: u64) -> Finding {
    if let Err(refusal) = check_dates(dates, now) {
        return refusal.finding();
    }
    let from = dates.not_before.map(|from| format!("from {}", date(from)));
    let until = dates.expires.map(|until| format!("until {}", date(until)));
    let found: Vec<_> = from.into_iter().chain(until).collect();
    Finding::held(
        Row::Dates,
        if found.is_empty() {
            "without limit".to_owned()
        } else {
            format!("valid {}", found.join(" "))
        },
    )
}

#[cfg(test)]
mod tests;
