//! A verdict, explained: each row of the signature rule and each question of the policy, with what
//! was found and what has to be.
//!
//! It is made when somebody asks for it, of what the verdict was made of. Rows behind the first
//! that fails are judged all the same where that can be.

use super::{
    case::{Case, Question},
    dates::{check_dates, date},
    decision,
    policy::Policy,
};
use crate::{
    artifact::{ArtifactKind, Finding, Found, Refusal, Row, findings, findings_of},
    signature::Dates,
};
use vouch_protocol::{Check, CheckOutcome};

/// Of an artifact with a signature whose own form holds.
pub(super) fn of_signed(policy: &Policy, case: &Case<'_>, warnings: &[String]) -> Vec<Check> {
    let mut found = findings_of(case.facts);
    found.extend(case.signed.findings(case.facts));
    found.push(dates(case.signed.dates(), case.now));
    let mut checks = rows(Some(case.facts.kind), found);
    for check in decision::decide(policy, case).checks {
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
    checks.extend(warnings.iter().map(|warning| Check {
        row: Row::Policy as u8,
        check: "warning".to_owned(),
        outcome: CheckOutcome::Warning,
        rule: None,
        found: Some(warning.clone()),
        wanted: None,
    }));
    checks
}

/// Of an artifact that is refused before anything is known of a signer.
pub(super) fn of_unsigned(found: &Found, refusal: &Refusal) -> Vec<Check> {
    let mut findings = findings(found);
    let kind = match found {
        Ok(facts) => {
            let held = [Row::Claims, Row::Signature].into_iter();
            let held = held.filter(|row| *row < refusal.row);
            findings.extend(held.map(|row| Finding::held(row, row.wanted())));
            findings.push(refusal.finding());
            Some(facts.kind)
        }
        Err(unfit) => unfit.artifact.as_ref().map(|artifact| artifact.kind),
    };
    let mut checks = rows(kind, findings);
    checks.push(check(Row::Policy, None));
    checks
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
