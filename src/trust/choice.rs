//! Which of an artifact's signatures is accepted: one that the policy accepts suffices, unless a
//! rule requires several methods. Then one of each is needed. On first use no more than these are
//! remembered, and it has to be clear whose they are.

use super::{
    case::{Case, Check, Denial, Question, Trusted},
    decision::{Decision, asks_pins, decide},
    limits::not_allowed,
    place::{Place, Scope},
    policy::Policy,
    questions::list,
    section::{Method, Rule},
};
use crate::error::quoted;
use vouch_protocol::ErrorKind;

/// The signature that is accepted, by its place in the list, and those that had to be there too:
/// one of each other method that a rule requires.
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
    let needed = needed(policy, cases, &decisions);
    if let Some(rivals) = needed.iter().find(|these| are_rivals(these, policy, cases)) {
        return Err(unclear(rivals, policy, cases));
    }
    let mut firsts = needed.iter().filter_map(|these| these.first().copied());
    let of = firsts.next();
    let others = firsts.collect();
    let (mut accepted, mut trusted) = (Vec::new(), None);
    let mut denial: Option<Denial> = None;
    for (at, decision) in decisions.into_iter().enumerate() {
        match decision.outcome {
            Ok(by) => {
                accepted.push(at);
                if of == Some(at) {
                    trusted = Some(by);
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
    let (Some(of), Some(trusted)) = (of, trusted) else {
        return Err(denial.unwrap_or(Denial {
            kind: ErrorKind::Unsigned,
            what: "is not signed: no signature was found".into(),
            help: "Sign it, or get it from its publisher.".into(),
            command: None,
            near: 0,
        }));
    };
    Ok(Choice {
        of,
        trusted,
        others,
        accepted,
    })
}

/// The signatures of which one is needed: by the method of the first that is accepted, then by each
/// other one that a rule requires.
fn needed(policy: &Policy, cases: &[Case<'_>], decisions: &[Decision]) -> Vec<Vec<usize>> {
    let mut required: Vec<_> = requirements(policy, cases)
        .flat_map(|(_, _, methods)| methods.iter().map(|method| method.name()))
        .collect();
    let method = |at: usize| cases[at].signed.method();
    let accepted = |at: &usize| {
        decisions[*at].outcome.is_ok() && (required.is_empty() || required.contains(&method(*at)))
    };
    let accepted: Vec<_> = (0..cases.len()).filter(accepted).collect();
    let Some(own) = accepted.first().map(|at| method(*at)) else {
        return Vec::new();
    };
    required.retain(|method| *method != own);
    required.sort_unstable();
    required.dedup();
    let of = accepted.into_iter().filter(|at| method(*at) == own);
    let others = required.into_iter().map(|required| {
        // What the caller wishes is asked of one signature alone.
        let counts = |at: &usize| decisions[*at].counts && method(*at) == required;
        (0..cases.len()).filter(counts).collect()
    });
    std::iter::once(of.collect()).chain(others).collect()
}

/// Whether these are by several signers, and nothing says whose counts: a repository that had no
/// signer before remembers one of each method. Anybody who may write there can add another.
fn are_rivals(these: &[usize], policy: &Policy, cases: &[Case<'_>]) -> bool {
    let [first, others @ ..] = these else {
        return false;
    };
    let of = |at: &usize| &cases[*at].signed.signer().id;
    asks_pins(policy, cases[*first].place)
        && cases[*first].pins.is_empty()
        && others.iter().any(|at| of(at) != of(first))
}

fn unclear(rivals: &[usize], policy: &Policy, cases: &[Case<'_>]) -> Denial {
    const TOLD: usize = 4;
    let place = cases[rivals[0]].place;
    let mut ids: Vec<_> = rivals
        .iter()
        .map(|at| &cases[*at].signed.signer().id)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let more = ids.len().saturating_sub(TOLD);
    let told = ids.iter().take(TOLD).map(|id| match policy.name(id) {
        Some(name) => format!("{name} ({id})"),
        None => (*id).clone(),
    });
    let more = (more > 0).then(|| format!("{more} more"));
    let told = told.chain(more).collect::<Vec<_>>().join(", and by ");
    let place = quoted(place.to_string());
    Denial {
        kind: ErrorKind::UntrustedSigner,
        what: format!(
            "is signed by {told}, and {place} had no signer before, which would tell whose counts"
        ),
        help: format!(
            "Anybody who may write there can add a signature. Ask the publisher which is theirs, and \
             accept that one: `vouch trust accept {place} --signer SIGNER`"
        ),
        // Which of them, nobody can say in the owner's place.
        command: None,
        near: 0,
    }
}

/// Nobody is remembered where others may sign as well, who were not looked at.
pub(super) fn unknown(place: &Place, id: &str) -> Denial {
    let place = quoted(place.to_string());
    let command = format!("vouch trust accept {place} --signer {}", quoted(id));
    Denial {
        kind: ErrorKind::UntrustedSigner,
        what: format!(
            "is signed by {id}, {place} had no signer before, and more lies beside it than was \
             looked at: others may sign it as well"
        ),
        help: format!("Ask the publisher whether that is theirs. If it is, accept it: `{command}`"),
        command: Some(command),
        near: 0,
    }
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
    let needed = needed(policy, cases, &decisions);
    if let Some(rivals) = needed.iter().find(|these| are_rivals(these, policy, cases))
        && let Some(pin) = checks
            .iter_mut()
            .find(|check| check.question == Question::Pin)
    {
        pin.held = false;
        pin.found = unclear(rivals, policy, cases).what;
        pin.wanted = "one signer, who is the repository's first".into();
    }
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
