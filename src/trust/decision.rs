//! What the policy says about a signature.
//!
//! Two questions are asked. *Who may sign here?* is answered by one rule, the one with the longest
//! scope that covers the place, else by the default. *What else must hold?* is asked of every rule
//! that covers the place: what a wide rule asks holds under each narrow one.

use super::{
    case::{Case, Check, Denial, Trusted},
    place::Place,
    policy::Policy,
    questions::Asked,
    section::{Accept, Mode},
};
use vouch_protocol::ErrorKind;

/// What the policy says, and all that was asked. The first question that failed names the denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) outcome: Result<Trusted, Denial>,
    /// Whether it is accepted but for what the caller wishes.
    pub(super) counts: bool,
    pub(super) checks: Vec<Check>,
}

/// Whether pins count in a place.
pub(super) fn asks_pins(policy: &Policy, place: &Place) -> bool {
    let accept = policy.rules(place).first().map(|(_, rule)| &rule.accept);
    match accept {
        Some(accept) => *accept == Accept::Mode(Mode::Pinned),
        None => policy.default(place) == Mode::Pinned,
    }
}

/// What the policy says in a case. Checks are made only where somebody wants to know: what is asked
/// all the time makes no texts that nobody reads.
pub(super) fn decide(policy: &Policy, case: &Case<'_>, explain: bool) -> Decision {
    let rules = policy.rules(case.place);
    let accepting = rules.first();
    let theirs = policy.signers_of(case.signed);
    // Of several names of one key, the one that the rule has.
    let accepted = accepting.and_then(|(_, rule)| match &rule.accept {
        Accept::Signers(accepted) => {
            let mut names = theirs.iter().map(|(name, _)| *name);
            names.find(|name| accepted.iter().any(|accepted| accepted == name))
        }
        Accept::Mode(_) => None,
    });
    let name = accepted.or_else(|| theirs.first().map(|(name, _)| *name));
    let mut asked = Asked::new(policy, case, name, explain);
    let scope = accepting.map(|(scope, _)| scope);
    asked.revoked(&theirs);
    let by = match accepting.map(|(_, rule)| &rule.accept) {
        Some(accept) => asked.accept(accept, scope),
        None if case.signed.bundled().is_some() && policy.is_default_unset() => {
            asked.tokens_alone()
        }
        None => asked.accept(&Accept::Mode(policy.default(case.place)), None),
    };
    asked.wish();
    for (scope, rule) in &rules {
        asked.limits(scope, rule);
    }
    let outcome = match (asked.denial, by) {
        (None, Some(by)) => Ok(Trusted {
            scope: scope.cloned(),
            by,
            name: asked.name.map(ToOwned::to_owned),
        }),
        (Some(denial), _) => Err(denial),
        (None, None) => Err(Denial {
            kind: ErrorKind::Internal,
            what: "was not accepted, and nothing says why".into(),
            help: "Please report this.".into(),
            command: None,
            near: 0,
        }),
    };
    Decision {
        outcome,
        counts: asked.counts && by.is_some(),
        checks: asked.checks,
    }
}
