//! What the policy says about a signature.
//!
//! Two questions are asked. *Who may sign here?* is answered by one rule, the one with the longest
//! scope that covers the place, else by the default. *What else must hold?* is asked of every rule
//! that covers the place: what a wide rule asks holds under each narrow one.

use super::{
    date,
    imports::allow,
    pins::Pin,
    place::{Place, Scope},
    policy::Policy,
    section::{Accept, Mode, Rule},
};
use crate::{
    artifact::{ArtifactKind, Facts, Imports},
    signature::Signed,
};
use std::fmt;
use vouch_protocol::ErrorKind;

/// How many seconds ahead of this machine's clock a signature may have been made.
const CLOCKS_DIFFER: u64 = 5 * 60;

/// What is decided about: a signature that holds, and where its artifact comes from or goes to.
pub(super) struct Case<'a> {
    pub(super) place: &'a Place,
    pub(super) facts: &'a Facts,
    pub(super) signed: &'a Signed,
    /// The pins of the place, where they count.
    pub(super) pins: &'a [Pin],
    /// The one signer that the caller wants, by name, id or key.
    pub(super) wanted: Option<&'a str>,
    /// Seconds since 1970.
    pub(super) now: u64,
}

/// A question, and the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) question: Question,
    /// The scope of the rule that asks; nothing where the default or the caller does.
    pub(super) scope: Option<Scope>,
    pub(super) held: bool,
    pub(super) found: String,
    pub(super) wanted: String,
}

/// What is asked, by the config's key where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Revoked,
    Accept,
    Pin,
    /// The caller's own wish.
    Signer,
    Kinds,
    Subjects,
    MaxAge,
    Imports,
    Require,
}

/// Why a signature counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trusted {
    /// The scope of the rule that accepts it; nothing where the default does.
    pub(super) scope: Option<Scope>,
    pub(super) by: By,
    /// What the config calls the signer.
    pub(super) name: Option<String>,
}

/// How a signer is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A rule names them.
    Name,
    /// Nobody asks whose signature it is.
    Any,
    /// The repository has had this signer since that second.
    Pin { since: u64 },
    /// The repository had no signer before.
    FirstUse,
}

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) kind: ErrorKind,
    /// What is said of the artifact: "is signed by …".
    pub(super) what: String,
    pub(super) help: String,
}

/// What the policy says, and all that was asked. The first question that failed names the denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) outcome: Result<Trusted, Denial>,
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

/// What the policy says in a case.
pub(super) fn decide(policy: &Policy, case: &Case<'_>) -> Decision {
    let rules = policy.rules(case.place);
    let mut asked = Asked {
        policy,
        case,
        shown: shown(policy, case.signed),
        checks: Vec::new(),
        denial: None,
    };
    let accepting = rules.first();
    let scope = accepting.map(|(scope, _)| scope.clone());
    let by = if asked.revoked() {
        None
    } else {
        match accepting.map(|(_, rule)| &rule.accept) {
            Some(accept) => asked.accept(accept, scope.as_ref()),
            None => asked.accept(&Accept::Mode(policy.default(case.place)), None),
        }
    };
    asked.wish();
    for (scope, rule) in &rules {
        asked.limits(scope, rule);
    }
    let id = &case.signed.signer().id;
    // Of several names of one key, the one that the rule has.
    let accepted = accepting.and_then(|(_, rule)| match &rule.accept {
        Accept::Signers(accepted) => policy
            .names(id)
            .find(|(name, _)| accepted.iter().any(|accepted| accepted == name)),
        Accept::Mode(_) => None,
    });
    let name = accepted.or_else(|| policy.names(id).next());
    let outcome = match (asked.denial, by) {
        (None, Some(by)) => Ok(Trusted {
            scope,
            by,
            name: name.map(|(name, _)| name.to_owned()),
        }),
        (Some(denial), _) => Err(denial),
        (None, None) => Err(Denial {
            kind: ErrorKind::Internal,
            what: "was not accepted, and nothing says why".into(),
            help: "Please report this.".into(),
        }),
    };
    Decision {
        outcome,
        checks: asked.checks,
    }
}

/// A signer as people know them: what the config calls them, and their key.
fn shown(policy: &Policy, signed: &Signed) -> String {
    let key = signed.key();
    match policy.names(&signed.signer().id).next() {
        Some((name, _)) => format!("{name} ({key})"),
        None => key.to_owned(),
    }
}

/// The questions so far.
struct Asked<'a> {
    policy: &'a Policy,
    case: &'a Case<'a>,
    /// The signer.
    shown: String,
    checks: Vec<Check>,
    /// Of the first that failed.
    denial: Option<Denial>,
}

impl Asked<'_> {
    fn note(
        &mut self,
        question: Question,
        scope: Option<&Scope>,
        found: impl Into<String>,
        wanted: impl Into<String>,
        denial: Option<Denial>,
    ) {
        self.checks.push(Check {
            question,
            scope: scope.cloned(),
            held: denial.is_none(),
            found: found.into(),
            wanted: wanted.into(),
        });
        if self.denial.is_none() {
            self.denial = denial;
        }
    }

    /// Whether the signer is revoked: by key, under any name and any rule.
    fn revoked(&mut self) -> bool {
        let signer = self.case.signed.signer();
        let mut names = self.policy.names(&signer.id);
        let Some((name, _)) = names.find(|(_, signer)| signer.revoked) else {
            return false;
        };
        let key = self.case.signed.key();
        let denial = untrusted(
            format!("is signed by {key}, which the config revokes as `{name}`"),
            format!(
                "Get one that another signer signed. Only if the key was never in other hands, \
                 remove `revoked` from [trust.signer.{name}]."
            ),
        );
        let found = format!("revoked as `{name}`");
        self.note(Question::Revoked, None, found, "not revoked", Some(denial));
        true
    }

    /// Whether the signer may sign there.
    fn accept(&mut self, accept: &Accept, scope: Option<&Scope>) -> Option<By> {
        let by = match scope {
            Some(scope) => format!("the rule `{scope}`"),
            None => "the default".to_owned(),
        };
        let shown = self.shown.clone();
        let (by, wanted, denial) = match accept {
            Accept::Mode(Mode::Pinned) => return self.pin(scope),
            Accept::Mode(Mode::Any) => (Some(By::Any), "anybody".to_owned(), None),
            Accept::Mode(Mode::None) => {
                let what = format!("is signed by {shown}, and {by} accepts nobody");
                let denial = untrusted(what, self.how_to_accept());
                (None, "nobody".to_owned(), Some(denial))
            }
            Accept::Signers(names) => {
                let wanted = self.wanted(names);
                let id = &self.case.signed.signer().id;
                let mut signers = names.iter().filter_map(|name| self.policy.signer(name));
                if signers.any(|signer| signer.id() == *id) {
                    (Some(By::Name), wanted, None)
                } else {
                    let what = format!("is signed by {shown}, and {by} accepts {wanted}");
                    let denial = untrusted(what, self.how_to_accept());
                    (None, wanted, Some(denial))
                }
            }
        };
        self.note(Question::Accept, scope, shown, wanted, denial);
        by
    }

    /// Whether the repository had the signer before, or had none.
    fn pin(&mut self, scope: Option<&Scope>) -> Option<By> {
        let (place, id) = (self.case.place, &self.case.signed.signer().id);
        let shown = self.shown.clone();
        let Some(first) = self.case.pins.first() else {
            self.note(Question::Pin, scope, shown, "the first signer", None);
            return Some(By::FirstUse);
        };
        let known: Vec<_> = self.case.pins.iter().map(Pin::key).collect();
        let wanted = known.join(", ");
        if let Some(pin) = self.case.pins.iter().find(|pin| pin.signer == *id) {
            let by = By::Pin { since: pin.since };
            self.note(Question::Pin, scope, shown, wanted, None);
            return Some(by);
        }
        let denial = Denial {
            kind: ErrorKind::SignerChanged,
            what: format!(
                "is signed by {shown}, but {place} has been signed by {wanted} since {}",
                date(first.since)
            ),
            help: format!(
                "Ask the publisher whether the key was changed. If it was, accept the new one \
                 beside the old: `vouch trust accept {place} --signer {}`",
                self.case.signed.key()
            ),
        };
        self.note(Question::Pin, scope, shown, wanted, Some(denial));
        None
    }

    /// Signers that a rule names, as people know them.
    fn wanted(&self, names: &[String]) -> String {
        list(names.iter().map(|name| match self.policy.signer(name) {
            Some(signer) => format!("{name} ({})", signer.key()),
            None => name.clone(),
        }))
    }

    /// What would accept the signer there, after who that would be.
    fn how_to_accept(&self) -> String {
        let signer = self.case.signed.signer();
        let scope = self.case.place.scope();
        let mut names = self.policy.names(&signer.id);
        let (who, arguments) = if let Some((name, _)) = names.next() {
            let who = match self.policy.scopes_of(name).as_slice() {
                [] => format!("`{name}` is in the config, and no rule accepts them."),
                scopes => format!(
                    "`{name}` is accepted under {}, not here.",
                    scopes.join(", ")
                ),
            };
            (who, name.to_owned())
        } else {
            let key = self.case.signed.key();
            let who = format!("No signer in the config has the key {key}: find out whose it is.");
            (who, format!("NAME --account {key}"))
        };
        format!("{who} To accept it here: `vouch trust add {arguments} --scope {scope}`")
    }

    /// The caller's own wish.
    fn wish(&mut self) {
        let Some(wanted) = self.case.wanted else {
            return;
        };
        let signer = self.case.signed.signer();
        let mut names = self.policy.names(&signer.id);
        let held = wanted == signer.id
            || wanted == self.case.signed.key()
            || names.any(|(name, _)| name == wanted);
        let shown = self.shown.clone();
        let denial = (!held).then(|| {
            untrusted(
                format!("is signed by {shown}, and the request asks for {wanted}"),
                "Ask for the one who signs it, or leave out `signer`.".into(),
            )
        });
        self.note(Question::Signer, None, shown, wanted, denial);
    }

    /// What a rule asks beside the signer.
    fn limits(&mut self, scope: &Scope, rule: &Rule) {
        let (facts, signed, now) = (self.case.facts, self.case.signed, self.case.now);
        if let Some(kinds) = &rule.kinds {
            let found = kind_name(facts.kind);
            let wanted = list(kinds.iter().map(|kind| kind_name(*kind)));
            let held = kinds.contains(&facts.kind);
            self.limit(
                Question::Kinds,
                scope,
                held,
                format!("is a {found}"),
                wanted,
            );
        }
        if let Some(subjects) = &rule.subjects {
            let held = subjects.iter().any(|subject| subject == signed.subject());
            let found = format!("is signed as {}", signed.subject());
            self.limit(Question::Subjects, scope, held, found, list(subjects));
        }
        if let Some(age) = rule.max_age {
            let age = age.0.as_secs();
            let (held, found) = match signed.dates().signed_at {
                Some(at) => (
                    at <= now.saturating_add(CLOCKS_DIFFER) && now.saturating_sub(at) <= age,
                    format!("was signed at {}", date(at)),
                ),
                None => (false, "does not say when it was signed".into()),
            };
            let wanted = format!("since {}", date(now.saturating_sub(age)));
            self.limit(Question::MaxAge, scope, held, found, wanted);
        }
        if let Some(patterns) = &rule.imports {
            let refused = match &facts.imports {
                _ if facts.kind == ArtifactKind::Provider => rule
                    .kinds
                    .is_none()
                    .then(|| "is native code, of which nobody can tell what it imports".into()),
                Imports::Read(imports) => imports
                    .iter()
                    .find(|import| !allow(patterns, import))
                    .map(|import| format!("imports {import}")),
                Imports::Unread(why) => Some(format!("has imports that cannot be read: {why}")),
            };
            let held = refused.is_none();
            let found = refused.unwrap_or_else(|| "imports nothing else".into());
            self.limit(Question::Imports, scope, held, found, list(patterns));
        }
        if let Some(methods) = &rule.require {
            // One signature is decided about at a time, and there is one method yet.
            let held = methods
                .iter()
                .all(|method| method.name() == signed.method());
            let found = format!("is signed by {}", signed.method());
            let wanted = list(methods.iter().map(|method| method.name()));
            self.limit(Question::Require, scope, held, found, wanted);
        }
    }

    /// Notes what a rule limits: `found` is said of the artifact.
    fn limit(
        &mut self,
        question: Question,
        scope: &Scope,
        held: bool,
        found: String,
        wanted: String,
    ) {
        let denial = (!held).then(|| Denial {
            kind: ErrorKind::NotAllowed,
            what: format!("{found}, and the rule `{scope}` wants: {wanted}"),
            help: format!(
                "The server's owner sets `{}` of that rule in the config: `vouch trust list` shows it.",
                question.name()
            ),
        });
        self.note(question, Some(scope), found, wanted, denial);
    }
}

impl Question {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Accept => "accept",
            Self::Pin => "pin",
            Self::Signer => "signer",
            Self::Kinds => "kinds",
            Self::Subjects => "subjects",
            Self::MaxAge => "max-age",
            Self::Imports => "imports",
            Self::Require => "require",
        }
    }
}

fn untrusted(what: String, help: String) -> Denial {
    Denial {
        kind: ErrorKind::UntrustedSigner,
        what,
        help,
    }
}

fn kind_name(kind: ArtifactKind) -> &'static str {
    match kind {
        ArtifactKind::Module => "module",
        ArtifactKind::Component => "component",
        ArtifactKind::Provider => "provider",
    }
}

fn list(items: impl IntoIterator<Item = impl fmt::Display>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}
