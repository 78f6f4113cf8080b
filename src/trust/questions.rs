//! The questions that a policy asks about who signed, one by one.

use super::{
    case::{By, Case, Check, Denial, Question},
    key::of_id as key_of,
    place::Scope,
    policy::Policy,
    section::{Accept, Mode},
    signer::{Signer, triggered},
    suggestion::{arguments, origin},
};
use crate::{
    error::quoted,
    signature::{Bundled, Of, date},
};
use std::fmt;
use vouch_protocol::ErrorKind;

/// The questions so far.
pub(super) struct Asked<'a> {
    policy: &'a Policy,
    pub(super) case: &'a Case<'a>,
    /// What the config calls the signer.
    pub(super) name: Option<&'a str>,
    /// Whether anybody wants to know the checks.
    explain: bool,
    pub(super) checks: Vec<Check>,
    /// Of the first that failed.
    pub(super) denial: Option<Denial>,
    /// Whether nothing failed but the caller's wish.
    pub(super) counts: bool,
}

impl<'a> Asked<'a> {
    /// Nothing yet, about a signer whom the config calls so.
    pub(super) fn new(
        policy: &'a Policy,
        case: &'a Case<'a>,
        name: Option<&'a str>,
        explain: bool,
    ) -> Self {
        Self {
            policy,
            case,
            name,
            explain,
            checks: Vec::new(),
            denial: None,
            counts: true,
        }
    }
}

impl Asked<'_> {
    /// Notes an answer; one with a denial is no.
    pub(super) fn note(
        &mut self,
        question: Question,
        scope: Option<&Scope>,
        found: impl FnOnce() -> String,
        wanted: impl FnOnce() -> String,
        denial: Option<Denial>,
    ) {
        if self.explain {
            self.checks.push(Check {
                question,
                scope: scope.cloned(),
                held: denial.is_none(),
                found: found(),
                wanted: wanted(),
            });
        }
        if denial.is_some() && question != Question::Signer {
            self.counts = false;
        }
        if self.denial.is_none() {
            self.denial = denial;
        }
    }

    /// The signer as people know them: what the config calls them, and their key.
    fn shown(&self) -> String {
        let signed = self.case.signed;
        match signed.bundled() {
            None => shown(self.name, signed.key()),
            Some(bundled) => shown(self.name, &bundled.described()),
        }
    }

    /// Whether the signer is revoked: by key, under any name and any rule.
    pub(super) fn revoked(&mut self, theirs: &[(&str, &Signer)]) {
        let revoked = theirs.iter().find(|(_, signer)| signer.revoked);
        let denial = revoked.map(|(name, _)| {
            let key = self.case.signed.key();
            untrusted(
                format!("is signed by {key}, which the config revokes as `{name}`"),
                format!(
                    "Get one that another signer signed. Only if they were never in other hands, \
                     remove `revoked` from [trust.signer.{name}]."
                ),
            )
        });
        let found = || match revoked {
            Some((name, _)) => format!("revoked as `{name}`"),
            None => "not revoked".into(),
        };
        self.note(
            Question::Revoked,
            None,
            found,
            || "not revoked".into(),
            denial,
        );
    }

    /// Whether the signer may sign there.
    pub(super) fn accept(&mut self, accept: &Accept, scope: Option<&Scope>) -> Option<By> {
        let signed = self.case.signed;
        let mut nearest = None;
        let (by, wanted): (_, &dyn Fn() -> String) = match accept {
            Accept::Mode(Mode::Pinned) => return self.pin(scope),
            Accept::Mode(Mode::Any) if signed.bundled().is_some() => {
                (None, &|| "tokens only".into())
            }
            Accept::Mode(Mode::Any) => (Some(By::Any), &|| "anybody".into()),
            Accept::Mode(Mode::None) => (None, &|| "nobody".into()),
            Accept::Signers(names) => {
                let misses: Vec<_> = names
                    .iter()
                    .map(|name| (name, self.policy.miss(name, signed)))
                    .collect();
                let is_theirs = misses.iter().any(|(_, miss)| miss.is_none());
                let by = is_theirs.then_some(By::Name);
                let near = misses.into_iter().filter_map(|(name, miss)| {
                    let wrong = miss?.wrong;
                    (!wrong.is_empty()).then_some((name, wrong))
                });
                nearest = near.min_by_key(|(_, wrong)| wrong.len());
                let policy = self.policy;
                (by, &move || {
                    list(names.iter().map(|name| match policy.signer(name) {
                        Some(signer) => shown(Some(name), &signer.described()),
                        None => name.clone(),
                    }))
                })
            }
        };
        let signer = self.shown();
        let denial = by.is_none().then(|| {
            let rule = match scope {
                Some(scope) => format!("rule `{scope}`"),
                None => "the default".to_owned(),
            };
            let only = match accept {
                Accept::Signers(_) => "only ",
                Accept::Mode(_) => "",
            };
            let mut what = format!(
                "is signed by {signer}, but {rule} accepts {only}{}",
                wanted()
            );
            if let Some((name, wrong)) = &nearest {
                let why = wrong.join(", and ");
                what.extend([": it is not ", name, ", because ", &why]);
            }
            Denial {
                near: u8::from(nearest.is_some()),
                ..self.acceptable(what)
            }
        });
        let found = || match &nearest {
            Some((name, wrong)) if by.is_none() => {
                format!("{signer}; not {name}: {}", wrong.join(", and "))
            }
            _ => signer,
        };
        self.note(Question::Accept, scope, found, wanted, denial);
        by
    }

    /// Nobody's bundle is accepted where the owner says nothing.
    pub(super) fn tokens_alone(&mut self) -> Option<By> {
        let signer = self.shown();
        let place = self.case.place;
        let what = format!("is signed by {signer}, but no rule for {place} accepts a bundle");
        let denial = self.acceptable(what);
        let wanted = || "a token, or a rule that names the signer".into();
        self.note(Question::Accept, None, || signer, wanted, Some(denial));
        None
    }

    /// Whether the repository had the signer before, or had none.
    fn pin(&mut self, scope: Option<&Scope>) -> Option<By> {
        let (place, signed, pins) = (self.case.place, self.case.signed, self.case.pins);
        let signer = self.shown();
        if let Err(why) = signed.bundled().map_or(Ok(()), is_remembered) {
            let what = format!("is signed by {signer}, who is not remembered: {why}");
            let denial = self.acceptable(what);
            let wanted = || "a signer who can be remembered".into();
            self.note(Question::Pin, scope, || signer, wanted, Some(denial));
            return None;
        }
        let Some(first) = pins.first() else {
            let wanted = || "the repository's first signer".into();
            self.note(Question::Pin, scope, || signer, wanted, None);
            return Some(By::FirstUse);
        };
        let policy = self.policy;
        let known = || {
            let known = pins.iter();
            list(known.map(|pin| shown(policy.name(&pin.signer), pin.key())))
        };
        let pin = pins.iter().find(|pin| pin.signer == signed.signer().id);
        let denial = pin.is_none().then(|| {
            let command = format!(
                "vouch trust accept {} --signer {}",
                quoted(place.to_string()),
                self.spelled()
            );
            Denial {
                kind: ErrorKind::SignerChanged,
                what: format!(
                    "is signed by {signer}, but {place} has been signed by {} since {}",
                    known(),
                    date(first.since)
                ),
                help: format!(
                    "{}{} Ask the publisher whether the key was changed. If it was, accept the new \
                 one beside the old: `{command}`",
                    self.who(),
                    match pins.iter().find(|pin| pin.subject.is_some()
                        && pin.subject.as_deref() == signed.lasting_subject())
                    {
                        Some(pin) => format!(
                            " It signs the same subject as {} did, with another key.",
                            pin.key()
                        ),
                        None => String::new(),
                    },
                ),
                command: Some(command),
                near: 0,
            }
        });
        self.note(Question::Pin, scope, || signer, known, denial);
        pin.map(|pin| By::Pin { since: pin.since })
    }

    /// Who that is, as far as the config tells.
    fn who(&self) -> String {
        let key = self.case.signed.key();
        let Some(name) = self.name else {
            return match self.case.signed.bundled() {
                None => format!("No signer in the config has the key {key}: find out whose it is."),
                Some(bundled) => {
                    format!(
                        "No signer in the config matches. {}",
                        origin(self.case.place, bundled)
                    )
                }
            };
        };
        match self.policy.scopes_of(name).as_slice() {
            [] => format!("`{name}` is in the config, but no rule accepts them."),
            scopes => format!(
                "`{name}` is accepted under {}, not here.",
                scopes.join(", ")
            ),
        }
    }

    /// That the signer is not trusted; with what would accept them there, after who that would be.
    fn acceptable(&self, what: String) -> Denial {
        let signed = self.case.signed;
        let told = match signed.bundled() {
            None => format!(" --account {}", signed.key()),
            // Whoever has a name has been told of already.
            Some(_) if self.name.is_some() => String::new(),
            Some(bundled) => arguments(bundled),
        };
        let scope = self.policy.scope_to_join(self.case.place);
        let command = format!(
            "vouch trust add {}{told} --scope {}",
            self.name.unwrap_or("NAME"),
            quoted(scope.to_string())
        );
        let at = if scope == self.case.place.scope() {
            "here".to_owned()
        } else {
            format!("too, wherever rule `{scope}` decides")
        };
        let help = format!("{} To accept them {at}: `{command}`", self.who());
        Denial {
            command: Some(command),
            ..untrusted(what, help)
        }
    }

    /// The signer as commands take them.
    fn spelled(&self) -> String {
        let signed = self.case.signed;
        match signed.bundled() {
            None => signed.key().to_owned(),
            Some(_) => quoted(&signed.signer().id),
        }
    }

    /// The caller's own wish.
    pub(super) fn wish(&mut self) {
        let Some(wanted) = self.case.wanted else {
            return;
        };
        let policy = self.policy;
        let id = policy.id_of(wanted);
        let whom = || match (policy.signer(wanted), &id) {
            (Some(signer), _) => shown(Some(wanted), &signer.described()),
            (None, Some(id)) => shown(policy.name(id), key_of(id)),
            (None, None) => format!("{wanted}, who is not in the config"),
        };
        let held = policy.is_by(self.case.signed, wanted);
        let signer = self.shown();
        let denial = (!held).then(|| {
            untrusted(
                format!(
                    "is signed by {signer}, but the request accepts only {}",
                    whom()
                ),
                format!(
                    "{} If you want to accept them: `--signer {}`",
                    match self.name {
                        Some(name) => format!("That is `{name}` in the config."),
                        None if self.case.signed.bundled().is_some() => {
                            "No signer in the config matches.".to_owned()
                        }
                        None => "No signer in the config has that key.".to_owned(),
                    },
                    self.spelled()
                ),
            )
        });
        self.note(Question::Signer, None, || signer, whom, denial);
    }
}

/// A signer as people know them: what the config calls them, and their key.
fn shown(name: Option<&str>, key: &str) -> String {
    match name {
        Some(name) => format!("{name} ({key})"),
        None => key.to_owned(),
    }
}

fn untrusted(what: String, help: String) -> Denial {
    Denial {
        kind: ErrorKind::UntrustedSigner,
        what,
        help,
        command: None,
        near: 0,
    }
}

/// Fails where there is no lasting name for whoever signed a bundle: a pin has an issuer, a workflow
/// and a repository.
fn is_remembered(bundled: &Bundled) -> Result<(), String> {
    if bundled.is_under_own_root() {
        let root = &bundled.root;
        return Err(format!(
            "the root {root} counts only for signers that name it"
        ));
    }
    let Of::Identity(identity) = &bundled.of else {
        return Ok(());
    };
    if identity.workflow().is_none() {
        return Ok(());
    }
    identity.repository()?;
    triggered(identity)
}

pub(super) fn list(items: impl IntoIterator<Item = impl fmt::Display>) -> String {
    let items: Vec<_> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}
