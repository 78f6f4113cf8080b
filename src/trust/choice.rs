//! Which of an artifact's signatures is accepted: one that the policy accepts suffices, unless a
//! rule requires several methods. Then one of each is needed.

use super::{
    case::{Case, Check, Denial, Question, Trusted},
    decision::{Decision, decide},
    place::Scope,
    policy::Policy,
    questions::{list, not_allowed},
    section::{Method, Rule},
};
use vouch_protocol::ErrorKind;

/// The signature that is accepted, by its place in the list, and those that had to be there too.
pub(super) struct Choice {
    pub(super) of: usize,
    pub(super) trusted: Trusted,
    pub(super) others: Vec<usize>,
    /// All that are accepted.
    pub(super) accepted: Vec<usize>,
}

/// The signature that comes nearest to being accepted.
pub(super) fn nearest(policy: &Policy, cases: &[Case<'_>]) -> usize {
    let decisions = decisions(policy, cases, None).into_iter().enumerate();
    let near = |decision: &Decision| match &decision.outcome {
        Ok(_) => u8::MAX,
        Err(denial) => denial.near,
    };
    // Of equals, the first.
    let nearest = decisions.rev().max_by_key(|(_, decision)| near(decision));
    nearest.map_or(0, |(at, _)| at)
}

/// Which of the signatures is accepted, or why the nearest is not.
pub(super) fn choose(policy: &Policy, cases: &[Case<'_>]) -> Result<Choice, Denial> {
    let decisions = decisions(policy, cases, None);
    let counted: Vec<_> = (0..cases.len())
        .filter(|at| decisions[*at].counts)
        .collect();
    let missing = requirements(policy, cases)
        .find(|(_, _, methods)| !all_are_there(methods, &counted, cases));
    if let (Some((scope, ..)), false) = (missing, counted.is_empty()) {
        return Err(unmet(policy, cases, &decisions, &counted, &scope));
    }
    let required: Vec<_> = requirements(policy, cases)
        .flat_map(|(_, _, methods)| methods)
        .collect();
    let is_required = |at: usize| {
        let is = |method: &&Method| method.name() == cases[at].signed.method();
        required.is_empty() || required.iter().any(is)
    };
    let (mut accepted, mut all) = (Vec::new(), Vec::new());
    let mut denial: Option<Denial> = None;
    for (at, decision) in decisions.into_iter().enumerate() {
        match decision.outcome {
            Ok(trusted) => {
                all.push(at);
                if is_required(at) {
                    accepted.push((at, trusted));
                }
            }
            Err(other) => {
                if denial
                    .as_ref()
                    .is_none_or(|nearest| nearest.near < other.near)
                {
                    denial = Some(other);
                }
            }
        }
    }
    let Some((of, trusted)) = accepted.into_iter().next() else {
        return Err(denial.unwrap_or(Denial {
            kind: ErrorKind::Unsigned,
            what: "is not signed: no signature was found".into(),
            help: "Sign it, or get it from its publisher.".into(),
            command: None,
            near: 0,
        }));
    };
    let others = counted.into_iter().filter(|at| *at != of);
    let others = others.filter(|_| required.len() > 1);
    Ok(Choice {
        of,
        trusted,
        others: others.collect(),
        accepted: all,
    })
}

/// Why none of these is accepted, the nearest of them.
pub(super) fn denial(policy: &Policy, cases: &[Case<'_>], of: &[usize]) -> Option<Denial> {
    let decisions = decisions(policy, cases, None).into_iter().enumerate();
    let refused = decisions
        .filter(|(at, _)| of.contains(at))
        .filter_map(|(_, decision)| decision.outcome.err());
    refused.max_by_key(|denial| denial.near)
}

/// Every question about one of the signatures, and what is asked of all of them.
pub(super) fn explain(policy: &Policy, cases: &[Case<'_>], of: usize) -> Vec<Check> {
    let mut decisions = decisions(policy, cases, Some(of));
    let counted: Vec<_> = (0..cases.len())
        .filter(|at| decisions[*at].counts)
        .collect();
    let mut checks = std::mem::take(&mut decisions[of].checks);
    for (scope, _, methods) in requirements(policy, cases) {
        let there: Vec<_> = if counted.is_empty() {
            vec![of]
        } else {
            counted.clone()
        };
        checks.push(Check {
            question: Question::Require,
            held: all_are_there(methods, &there, cases),
            found: signed_by(&there, cases),
            wanted: names(methods),
            scope: Some(scope),
        });
    }
    checks
}

/// Tokens first: what one of them says it is holds for the bundles beside it.
fn decisions(policy: &Policy, cases: &[Case<'_>], explain: Option<usize>) -> Vec<Decision> {
    let is_token = |case: &Case<'_>| case.signed.bundled().is_none();
    let mut subject = None;
    let mut decisions: Vec<Option<Decision>> = cases.iter().map(|_| None).collect();
    for tokens in [true, false] {
        for (at, case) in cases.iter().enumerate() {
            if is_token(case) != tokens {
                continue;
            }
            let own = tokens.then(|| case.signed.subject());
            let case = Case {
                subject: own.or(subject),
                ..*case
            };
            let decision = decide(policy, &case, explain == Some(at));
            if tokens && decision.counts {
                subject = subject.or(own);
            }
            decisions[at] = Some(decision);
        }
    }
    decisions.into_iter().flatten().collect()
}

/// Which methods each rule of the place requires.
fn requirements<'a>(
    policy: &'a Policy,
    cases: &[Case<'_>],
) -> impl Iterator<Item = (Scope, &'a Rule, &'a [Method])> {
    let first = cases.first().filter(|_| policy.requires());
    let rules = first.map(|case| policy.rules(case.place));
    let rules = rules.into_iter().flatten();
    rules.filter_map(|(scope, rule)| Some((scope, rule, rule.require.as_deref()?)))
}

fn all_are_there(methods: &[Method], there: &[usize], cases: &[Case<'_>]) -> bool {
    let is_there = |method: &Method| {
        there
            .iter()
            .any(|at| cases[*at].signed.method() == method.name())
    };
    methods.iter().all(is_there)
}

fn names(methods: &[Method]) -> String {
    list(methods.iter().map(|method| method.name()))
}

fn signed_by(there: &[usize], cases: &[Case<'_>]) -> String {
    let mut methods: Vec<_> = there.iter().map(|at| cases[*at].signed.method()).collect();
    methods.dedup();
    format!("is signed by {}", list(methods))
}

/// What a rule requires and is not there, or not accepted.
fn unmet(
    policy: &Policy,
    cases: &[Case<'_>],
    decisions: &[Decision],
    counted: &[usize],
    scope: &Scope,
) -> Denial {
    let methods = requirements(policy, cases).find(|(of, ..)| of == scope);
    let methods = methods.map_or(&[][..], |(_, _, methods)| methods);
    let found = signed_by(counted, cases);
    let mut denial = not_allowed(Question::Require, scope, &found, &names(methods));
    let refused = decisions.iter().enumerate().filter_map(|(at, decision)| {
        let method = cases[at].signed.method();
        let is_missing = methods.iter().any(|one| one.name() == method);
        let is_there = counted
            .iter()
            .any(|at| cases[*at].signed.method() == method);
        let refused = decision.outcome.as_ref().err()?;
        (is_missing && !is_there).then_some((method, refused))
    });
    if let Some((method, refused)) = refused.max_by_key(|(_, refused)| refused.near) {
        let more = ["; by ", method, " it ", &refused.what];
        denial.what.extend(more);
        denial.help.clone_from(&refused.help);
        denial.command.clone_from(&refused.command);
    }
    denial
}
