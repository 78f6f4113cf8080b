//! The owner's policy: what the section `[trust]` says, once it makes sense as a whole.

use super::{
    key::{self, is_subject},
    material::Material,
    place::{Place, Scope},
    section::{Accept, Method, Mode, Rule, Section},
    signer::{Miss, Signer},
};
use crate::{
    error::{Error, Result},
    name::{PlainHosts, Registry},
    signature::{Anchors, Signed},
};
use std::collections::HashMap;
use vouch_protocol::ErrorKind;

/// Whose signatures count, and where. One that says nothing is the built-in policy.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    section: Section,
    /// Which rule holds in a scope.
    rules: HashMap<Scope, usize>,
    /// What the section calls the signer of an id: of one key there may be several names.
    names: HashMap<String, Vec<String>>,
    material: Material,
}

/// What makes no sense in a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The keys that lead there, below `trust`. Rules count from 0.
    pub keys: Vec<String>,
    /// What is wrong.
    pub what: String,
    /// What to do next.
    pub help: Option<String>,
}

impl Policy {
    /// Makes a policy of a section and the files that it names, or says all that makes no sense in
    /// it. Blocks.
    pub fn new(section: Section, plain: &PlainHosts) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        for (name, signer) in &section.signer {
            if let Err(what) = check_name(name) {
                problems.push(problem(&["signer", name], what));
            }
            problems.extend(check_root(name, signer, &section));
        }
        for name in section.root.keys() {
            if let Err(what) = check_plain(name) {
                problems.push(problem(
                    &["root", name],
                    format!("{name:?} is not a root's name, which {what}"),
                ));
            }
        }
        let material = Material::read(&section, &mut |keys: [&str; 3], error: Error| {
            let problem = problem(&keys, error.message().to_owned());
            let help = error.data().help;
            problems.push(Problem { help, ..problem });
        });
        let mut rules = HashMap::new();
        for (index, rule) in section.rule.iter().enumerate() {
            let number = index.to_string();
            let mut wrong = |key: &str, (what, help): (String, Option<String>)| {
                let problem = problem(&["rule", &number, key], what);
                problems.push(Problem { help, ..problem });
            };
            check_rule(rule, &section, &mut wrong);
            match Scope::parse(&rule.scope, plain) {
                Err(what) => wrong("scope", (what, None)),
                Ok(Scope::Files) if rule.accept == Accept::Mode(Mode::Pinned) => {
                    let what =
                        "`pinned` remembers the signers of repositories, and files have none";
                    let help = "Name signers, or write `any` or `none`.";
                    wrong("accept", (what.into(), Some(help.into())));
                }
                Ok(scope) => {
                    if rules.insert(scope, index).is_some() {
                        let what = format!("the scope `{}` already has a rule", rule.scope);
                        wrong("scope", (what, Some("Make one rule of the two.".into())));
                    }
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut names: HashMap<_, Vec<_>> = HashMap::new();
        for (name, signer) in &section.signer {
            if let Some(id) = signer.id(material.fingerprints.get(name).copied()) {
                names.entry(id).or_default().push(name.clone());
            }
        }
        Ok(Self {
            section,
            rules,
            names,
            material,
        })
    }

    /// The section that it was made of.
    pub fn section(&self) -> &Section {
        &self.section
    }

    /// Whether anybody's bundle may be accepted, or is required.
    pub(super) fn asks_for_bundles(&self) -> bool {
        let pinned = |rule: &Rule| rule.accept == Accept::Mode(Mode::Pinned);
        self.section
            .signer
            .values()
            .any(|signer| signer.account().is_none())
            || self.section.default == Some(Mode::Pinned)
            || self.section.rule.iter().any(pinned)
    }

    /// Whether any rule requires methods.
    pub(super) fn requires(&self) -> bool {
        self.section.rule.iter().any(|rule| rule.require.is_some())
    }

    /// The rules that cover a place, the one with the longest scope first.
    pub(super) fn rules(&self, place: &Place) -> Vec<(Scope, &Rule)> {
        let found = place.scopes().filter_map(|scope| {
            let rule = self.section.rule.get(*self.rules.get(&scope)?)?;
            Some((scope, rule))
        });
        found.collect()
    }

    /// The scope under which another signer is to be accepted in a place: that of the rule that
    /// names signers there, as a rule of a longer scope would keep these out. One for all of a
    /// registry, or for everything, is nothing that a stranger is to be let into by a copied command.
    pub(super) fn scope_to_join(&self, place: &Place) -> Scope {
        let mut rules = self.rules(place).into_iter();
        let deciding = rules.next();
        let naming = deciding.filter(|(scope, rule)| {
            matches!(rule.accept, Accept::Signers(_))
                && !matches!(scope, Scope::Everywhere | Scope::Registry(_, None))
        });
        naming.map_or_else(|| place.scope(), |(scope, _)| scope)
    }

    /// Whether a rule names that registry, and accepts somebody there: its owner has dealings with
    /// it.
    pub fn names_registry(&self, registry: &Registry) -> bool {
        self.rules.iter().any(|(scope, rule)| {
            let named = matches!(scope, Scope::Registry(named, _) if named == registry);
            let rule = self.section.rule.get(*rule).filter(|_| named);
            rule.is_some_and(|rule| rule.accept != Accept::Mode(Mode::None))
        })
    }

    /// What holds where no rule does.
    pub(super) fn default(&self, place: &Place) -> Mode {
        match (place, self.section.default) {
            // They have rules of their own, or none.
            (Place::File, _) => Mode::Any,
            (_, Some(mode)) => mode,
            (place, None) if place.is_of_this_machine() => Mode::Any,
            (_, None) => Mode::Pinned,
        }
    }

    /// Whether nobody said what holds where no rule does: then tokens alone count there.
    pub(super) fn is_default_unset(&self) -> bool {
        self.section.default.is_none()
    }

    /// What bundles are verified by.
    pub fn anchors(&self) -> &Anchors {
        &self.material.anchors
    }

    /// The id of the signer that a caller names: by key or id, or by a name of the config. No signer
    /// is called like a key.
    pub(super) fn id_of(&self, signer: &str) -> Option<String> {
        if let Some(id) = key::id(signer) {
            return Some(id);
        }
        let fingerprint = self.material.fingerprints.get(signer).copied();
        self.signer(signer)?.id(fingerprint)
    }

    /// Whether a signature is by whom a caller names.
    pub(super) fn is_by(&self, signed: &Signed, signer: &str) -> bool {
        match self.signer(signer) {
            Some(_) => self.miss(signer, signed).is_none(),
            None => self.id_of(signer).as_ref() == Some(&signed.signer().id),
        }
    }

    /// Why a signature is not that of the signer of that name; nothing where it is.
    pub(super) fn miss(&self, name: &str, signed: &Signed) -> Option<Miss> {
        let Some(signer) = self.signer(name) else {
            return Some(Miss::default());
        };
        signer.miss(signed, self.material.fingerprints.get(name).copied())
    }

    /// Who has made a signature, as far as the config tells.
    pub(super) fn signers_of<'a>(&'a self, signed: &'a Signed) -> Vec<(&'a str, &'a Signer)> {
        if signed.bundled().is_none() {
            return self.names(&signed.signer().id).collect();
        }
        let all = self.section.signer.iter();
        let theirs = all.filter(|(name, _)| self.miss(name, signed).is_none());
        theirs.map(|(name, signer)| (&**name, signer)).collect()
    }

    /// Fails unless a caller may name a signer so.
    pub(super) fn check_signer(&self, signer: &str) -> Result<()> {
        if self.id_of(signer).is_some() {
            return Ok(());
        }
        let shown: String = signer.chars().take(100).collect();
        let message =
            format!("{shown:?} is neither a signer in the config, an account (`A…`) nor an id");
        let help = match nearest(signer, &self.section) {
            Some(known) => format!("Did you mean `{known}`?"),
            None => "`vouch trust list` shows the signers in the config.".into(),
        };
        Err(Error::new(ErrorKind::InvalidParams, message).help(help))
    }

    /// What the config calls a signer, by the first of its names.
    pub(super) fn name<'a>(&'a self, id: &str) -> Option<&'a str> {
        self.names(id).next().map(|(name, _)| name)
    }

    /// What the config calls a signer.
    pub(super) fn names<'a>(&'a self, id: &str) -> impl Iterator<Item = (&'a str, &'a Signer)> {
        let names = self.names.get(id).into_iter().flatten();
        names.filter_map(|name| Some((name.as_str(), self.signer(name)?)))
    }

    /// The signer of that name.
    pub(super) fn signer(&self, name: &str) -> Option<&Signer> {
        self.section.signer.get(name)
    }

    /// The scopes whose rules name a signer.
    pub(super) fn scopes_of(&self, name: &str) -> Vec<&str> {
        let names = |rule: &&Rule| match &rule.accept {
            Accept::Signers(names) => names.iter().any(|other| other == name),
            Accept::Mode(_) => false,
        };
        let rules = self.section.rule.iter().filter(names);
        rules.map(|rule| rule.scope.as_str()).collect()
    }
}

fn problem(keys: &[&str], what: String) -> Problem {
    Problem {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        what,
        help: None,
    }
}

/// A signer's name is written as a key of TOML, on command lines and in the log.
fn check_name(name: &str) -> Result<(), String> {
    if Mode::of_name(name).is_some() {
        return Err(format!(
            "a signer cannot be called `{name}`: rules mean something else by it"
        ));
    }
    // Callers name signers by their keys too.
    if nkeys::from_public_key(name).is_ok() {
        return Err(format!(
            "a signer cannot be called {name:?}: that is a key, and could be another's"
        ));
    }
    check_plain(name).map_err(|what| format!("{name:?} is not a signer's name, which {what}"))
}

pub(super) fn check_plain(name: &str) -> Result<(), &'static str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@+".contains(&byte);
    if name.is_empty() || name.len() > 100 || !name.bytes().all(is_plain) {
        return Err("has at most 100 letters, digits and `. _ - @ +`");
    }
    Ok(())
}

/// What is wrong with the root that a signer names.
fn check_root(name: &str, signer: &Signer, section: &Section) -> Option<Problem> {
    let root = signer.root()?;
    let mut built_in = Anchors::built_in();
    if section.root.contains_key(root) || built_in.any(|built_in| built_in == root) {
        return None;
    }
    let problem = problem(
        &["signer", name, "root"],
        format!("there is no root {root:?}"),
    );
    let help = format!(
        "Write where it lies, [trust.root.{root}] with `path`; the service brings along {}.",
        Anchors::built_in().collect::<Vec<_>>().join(" and ")
    );
    Some(Problem {
        help: Some(help),
        ..problem
    })
}

/// What makes no sense in a rule apart from its scope: the key, what is wrong, and what to do.
fn check_rule(
    rule: &Rule,
    section: &Section,
    wrong: &mut impl FnMut(&str, (String, Option<String>)),
) {
    if let Accept::Signers(names) = &rule.accept {
        let unknown = names
            .iter()
            .filter(|name| !section.signer.contains_key(*name));
        for name in unknown {
            let what = format!("there is no signer {name:?}");
            let help = match nearest(name, section) {
                Some(known) => format!("Did you mean `{known}`?"),
                None => {
                    "Write who that is: [trust.signer.NAME] with `account`, `ssh-key`, `workflow`, \
                     `email`, `uri` or `key`."
                        .into()
                }
            };
            wrong("accept", (what, Some(help)));
        }
    }
    let empty = [
        ("kinds", rule.kinds.as_ref().is_some_and(Vec::is_empty)),
        (
            "subjects",
            rule.subjects.as_ref().is_some_and(Vec::is_empty),
        ),
        ("require", rule.require.as_ref().is_some_and(Vec::is_empty)),
    ];
    for (key, _) in empty.into_iter().filter(|(_, empty)| *empty) {
        let what = format!("`{key}` is empty: nothing would fit it");
        wrong(key, (what, Some(format!("Leave `{key}` out, or fill it."))));
    }
    if let Accept::Mode(Mode::Any) = rule.accept
        && rule
            .require
            .iter()
            .flatten()
            .any(|method| *method == Method::Sigstore)
    {
        let what = "`any` accepts tokens only, so no artifact would meet both";
        let help = "Name the signers of bundles in `accept`.".to_owned();
        wrong("require", (what.into(), Some(help)));
    }
    let odd = rule
        .subjects
        .iter()
        .flatten()
        .filter(|text| !is_subject(text));
    for subject in odd {
        let what =
            format!("{subject:?} is not the public nkey of a module (`M…`) or provider (`V…`)");
        wrong("subjects", (what, None));
    }
}

/// The signer whose name is most like one that is not known.
fn nearest<'a>(name: &str, section: &'a Section) -> Option<&'a String> {
    let likeness = |known: &&String| strsim::jaro_winkler(name, known);
    let known = section.signer.keys().filter(|known| {
        // Long names would take long to compare, and are none.
        name.len() <= 100 && likeness(known) > 0.8
    });
    known.max_by(|one, other| likeness(one).total_cmp(&likeness(other)))
}
