//! What a change means beyond its lines: whom it lets in, and whom it keeps out.

use super::{Edit, layout::wrong, rule::scope_of, signer_id};
use crate::{
    error::{Result, quoted},
    name::PlainHosts,
    trust::{
        decision::asks_pins,
        place::{Place, Scope},
        policy::Policy,
        section::{Accept, Mode, Rule, Section},
    },
};

impl Edit {
    /// What the owner should know before this change is made to what a section says, in sentences.
    /// Blocks.
    pub fn warnings(&self, section: &Section, plain: &PlainHosts) -> Result<Vec<String>> {
        let read = |scopes: &[String]| {
            let scopes = scopes.iter().map(|scope| scope_of(scope, plain));
            scopes.collect::<Result<Vec<_>>>()
        };
        Ok(match self {
            Self::Add { name, scopes, .. } => {
                let scopes = read(scopes)?.into_iter();
                scopes
                    .filter_map(|scope| locked_out(section, name, &scope))
                    .collect()
            }
            Self::Remove { name, scopes } => {
                let of = read(scopes)?;
                let left = section.rule.iter().filter(|rule| {
                    let meant = of.is_empty() || of.iter().any(|of| is_rule_of(rule, of));
                    meant && is_only(&rule.accept, name)
                });
                let left = left.map(|rule| {
                    format!(
                        "the rule `{}` accepts nobody then. To remove the rule, too: \
                         `vouch trust remove --scope {}`",
                        rule.scope,
                        quoted(&rule.scope)
                    )
                });
                let signer = section.signer.get(name).filter(|_| scopes.is_empty());
                let revoked = signer.filter(|signer| signer.revoked).map(|_| {
                    format!(
                        "`{name}` is revoked: without this entry, what they signed can be accepted \
                         again"
                    )
                });
                revoked.into_iter().chain(left).collect()
            }
            Self::RemoveRules { scopes } => {
                let scopes = read(scopes)?;
                // Those that go together do not decide for each other.
                let mut rest = section.clone();
                rest.rule
                    .retain(|rule| !scopes.iter().any(|scope| is_rule_of(rule, scope)));
                scopes
                    .into_iter()
                    .map(|scope| {
                        let wider = scope.wider().and_then(|wider| deciding(&rest, wider));
                        let instead = match wider {
                            Some(rule) => format!(
                                "the rule `{}` decides there, which accepts {}",
                                rule.scope,
                                whom(&rule.accept)
                            ),
                            None => otherwise(&rest, &scope).into(),
                        };
                        format!("without the rule `{scope}`, {instead}")
                    })
                    .collect()
            }
            Self::AddRoot { .. } | Self::RemoveRoot { .. } => Vec::new(),
        })
    }
}

/// Fails unless a signer who is remembered for a repository, both named as people do, counts
/// there for that. Blocks.
pub fn check_remembered(
    repository: &str,
    signer: &str,
    section: &Section,
    plain: &PlainHosts,
) -> Result<()> {
    let place = Place::of(&plain.reference(repository)?)?;
    let Ok(policy) = Policy::new(section.clone(), plain) else {
        // Nothing is accepted then, which other answers say.
        return Ok(());
    };
    let of_bundles = signer_id(signer, section)?.starts_with("sigstore:");
    let rule = deciding(section, place.scope());
    let says_nothing = rule.is_none() && policy.is_default_unset();
    if asks_pins(&policy, &place) && !(says_nothing && of_bundles) {
        return Ok(());
    }
    let (why, scope) = match rule {
        Some(rule) => (
            format!(
                "the rule `{}` decides there, which accepts {}",
                rule.scope,
                whom(&rule.accept)
            ),
            match &rule.accept {
                Accept::Signers(_) => rule.scope.clone(),
                Accept::Mode(_) => place.to_string(),
            },
        ),
        None if of_bundles => (
            "without a rule, bundles are not accepted there".into(),
            place.to_string(),
        ),
        None => (otherwise(section, &place.scope()).into(), place.to_string()),
    };
    let told = if section.signer.contains_key(signer) {
        signer.to_owned()
    } else if of_bundles {
        "NAME".into()
    } else {
        let account = signer.strip_prefix("token:").unwrap_or(signer);
        format!("NAME --account {account}")
    };
    let message = format!("{place} does not go by who is remembered: {why}");
    Err(wrong(message).help(format!(
        "A rule would accept them: `vouch trust add {told} --scope {}`{}",
        quoted(&scope),
        if told == "NAME" {
            ", with the options that say who signs (`vouch verify` shows them)"
        } else {
            ""
        }
    )))
}

fn is_rule_of(rule: &Rule, scope: &Scope) -> bool {
    rule.scope == scope.to_string()
}

/// The rule of a scope, or else of the next wider one that has a rule.
fn deciding(section: &Section, scope: Scope) -> Option<&Rule> {
    let mut scopes = std::iter::successors(Some(scope), Scope::wider);
    scopes.find_map(|scope| section.rule.iter().find(|rule| is_rule_of(rule, &scope)))
}

fn is_only(accept: &Accept, name: &str) -> bool {
    matches!(accept, Accept::Signers(names) if names.iter().all(|known| known == name))
}

/// Whom a wider rule accepts, and a new rule for that scope alone would not.
fn locked_out(section: &Section, name: &str, scope: &Scope) -> Option<String> {
    let rule = deciding(section, scope.clone()).filter(|rule| !is_rule_of(rule, scope))?;
    if rule.accept == Accept::Mode(Mode::None) || is_only(&rule.accept, name) {
        return None;
    }
    let names_others =
        matches!(&rule.accept, Accept::Signers(names) if !names.iter().any(|known| known == name));
    let instead = names_others.then(|| {
        let wider = quoted(&rule.scope);
        format!(". To add {name} to that rule instead: the same command with `--scope {wider}`")
    });
    Some(format!(
        "{scope} was covered by the rule `{}`, which accepts {}: from now on, only {name} is \
         accepted there{}",
        rule.scope,
        whom(&rule.accept),
        instead.unwrap_or_default()
    ))
}

fn whom(accept: &Accept) -> String {
    match accept {
        Accept::Signers(names) => names.join(", "),
        Accept::Mode(Mode::Any) => "any signer of a token".into(),
        Accept::Mode(Mode::Pinned) => "the signers that are remembered".into(),
        Accept::Mode(Mode::None) => "nobody".into(),
    }
}

/// What holds in a scope that no rule covers.
fn otherwise(section: &Section, scope: &Scope) -> &'static str {
    match (scope, section.default) {
        (Scope::Files, _) | (Scope::Folder(_), None) | (_, Some(Mode::Any)) => {
            "any signer of a token is accepted there"
        }
        (Scope::Registry(registry, _), None) if registry.is_loopback() => {
            "any signer of a token is accepted there"
        }
        (_, Some(Mode::None)) => "nobody is accepted there",
        (Scope::Everywhere, None) => {
            "the first signer of a repository is remembered, and on this machine any signer of a \
             token is accepted"
        }
        (_, None | Some(Mode::Pinned)) => "the first signer of a repository is remembered",
    }
}
