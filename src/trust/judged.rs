//! Whether an artifact is accepted at a moment, and remembering who signed it.

use super::{
    case::{By, Case, Check, Denial, Question, Trusted},
    choice::{self, Choice},
    dates::check_dates,
    decision,
    pins::Pin,
    place::Place,
    policy::Policy,
    store::{Held as HeldPins, Lock, Written},
    usage::Now,
};
use crate::{
    artifact::{Facts, Refusal, Row},
    error::Result,
    name::Digest,
    signature::{self, Beside, Evidence, Held, Looked, Signed},
};
use std::{fmt, sync::Arc};
use vouch_protocol::{ErrorKind, Trust, TrustMode, Verification};

/// What is decided about whenever it is judged.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) facts: Arc<Facts>,
    /// The signatures that hold by what lies beside it.
    pub(super) looked: Looked,
    pub(super) beside: Fetched,
    pub(super) place: Place,
    /// The one signer that the caller wants.
    pub(super) wanted: Option<String>,
    /// Whether what lies beside it has to count as well: it is published with it.
    pub(super) together: bool,
    pub(super) rows: Rows,
}

/// Which rows of the rule are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// Every one.
    All,
    /// The contents were not compared with what was signed. Nothing is vouched for then.
    AllButContents,
    /// Every one but the dates and the policy's.
    OfTheSigner,
}

/// What lies beside an artifact, and what that was verified by.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) manifest: Option<Digest>,
    pub(super) evidence: Vec<Evidence>,
    /// Whose roots and keys these were.
    pub(super) policy: Arc<Policy>,
}

impl Fetched {
    /// The signatures that hold by the roots and keys of a policy.
    pub(super) fn look(&self, facts: &Facts, policy: &Policy) -> Looked {
        let beside = Beside {
            manifest: self.manifest,
            evidence: &self.evidence,
            anchors: policy.anchors(),
        };
        signature::signatures(facts, beside)
    }
}

/// The signature that is accepted, and why.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    pub(super) signed: Arc<Signed>,
    /// Those that were needed besides: a rule requires them, or they are published with it.
    others: Vec<Arc<Signed>>,
    /// All that lie beside it and are accepted.
    beside: Vec<Held>,
    pub(super) trust: Trust,
    pub(super) basis: Basis,
}

/// What was in force when it was judged.
#[derive(Debug, Clone)]
pub(super) struct Basis {
    pub(super) policy: Arc<Policy>,
    /// The place's pins, where they count.
    pub(super) pins: Vec<Pin>,
    /// Seconds since 1970.
    pub(super) now: u64,
}

/// Accepted; or why not, and by what that was judged.
pub(super) type Judgement = Result<Accepted, (Refusal, Basis)>;

impl Judged {
    /// Whether it is accepted now, by what is pinned now.
    pub(super) fn now(&self, now: &Now) -> Result<Judgement> {
        let policy = self.policy(now)?;
        let mut pins = Vec::new();
        if decision::asks_pins(&policy, &self.place) {
            pins = now.pins.of(&self.place.to_string())?;
        }
        Ok(self.accept(policy, pins, now))
    }

    /// The owner's policy; for signers the built-in one, by which any file's signer will do.
    fn policy(&self, now: &Now) -> Result<Arc<Policy>> {
        match self.rows {
            Rows::All | Rows::AllButContents => now.policy.clone(),
            Rows::OfTheSigner => Ok(Arc::default()),
        }
    }

    /// The same, while nobody pins.
    pub(super) fn now_alone(&self, now: &Now) -> Result<Judgement> {
        self.alone(now).map(|(judgement, _)| judgement)
    }

    /// The same; nobody pins as long as what is held lives, if pins count and can be kept.
    fn alone(&self, now: &Now) -> Result<(Judgement, Option<HeldPins>)> {
        let policy = self.policy(now)?;
        if !decision::asks_pins(&policy, &self.place) {
            return Ok((self.accept(policy, Vec::new(), now), None));
        }
        match now.pins.lock()? {
            Lock::Held(held) => {
                let pins = held.pins.of(&self.place.to_string()).cloned().collect();
                Ok((self.accept(policy, pins, now), Some(held)))
            }
            Lock::Unwritable(why) => {
                let accepted = self.now(now)?;
                let accepted = accepted.map(|accepted| accepted.forgotten(&why));
                Ok((accepted, None))
            }
        }
    }

    /// The same, as a verdict; whoever signed it is remembered, if that is how they are accepted,
    /// unless this is dropped instead of [kept](Written::keep). `name` is what an error calls the
    /// artifact.
    pub(super) fn pin(
        &self,
        now: &Now,
        name: impl fmt::Display,
    ) -> Result<(Verification, Option<Written>)> {
        let (judgement, held) = self.alone(now)?;
        let accepted = judgement.map_err(|(refusal, _)| refusal.error(name))?;
        let (accepted, written) = match held {
            Some(held) => self.note(accepted, held, now)?,
            None => (accepted, None),
        };
        Ok((self.verification(&accepted), written))
    }

    fn note(
        &self,
        accepted: Accepted,
        held: HeldPins,
        now: &Now,
    ) -> Result<(Accepted, Option<Written>)> {
        let (place, mut pins) = (self.place.to_string(), held.pins.clone());
        let mut news = false;
        for signed in std::iter::once(&accepted.signed).chain(&accepted.others) {
            let revision = signed.claims().and_then(|claims| claims.revision);
            let (id, subject) = (&signed.signer().id, signed.lasting_subject());
            news |= pins.note(&place, id, now.seconds(), subject, revision);
        }
        if !news {
            return Ok((accepted.remembered(), None));
        }
        match (held.replace(pins), accepted.trust.mode) {
            (Ok(written), _) => Ok((accepted.remembered(), Some(written))),
            // Folders can be closed to their owner, too.
            (Err(error), TrustMode::FirstUse) if error.kind() == ErrorKind::PermissionDenied => {
                Ok((accepted.forgotten(error.message()), None))
            }
            (Err(error), TrustMode::FirstUse) => Err(error),
            // The pin is there, and holds. Only what was signed last is not noted.
            (Err(error), _) => {
                let warning = format!("later versions are not compared with this one: {error}");
                Ok((accepted.warned(warning), None))
            }
        }
    }

    pub(super) fn verification(&self, accepted: &Accepted) -> Verification {
        Verification::Accepted {
            artifact: self.facts.artifact(),
            signature: accepted.signed.on_the_wire(),
            claims: accepted.signed.claims().cloned(),
            trust: accepted.trust.clone(),
        }
    }

    /// The first of the signatures that is accepted; or why the first is not.
    fn accept(&self, policy: Arc<Policy>, pins: Vec<Pin>, now: &Now) -> Judgement {
        let basis = Basis {
            policy,
            pins,
            now: now.seconds(),
        };
        let anew = self.look_anew(&basis.policy);
        let looked = anew.as_ref().unwrap_or(&self.looked);
        let signatures = match &looked.signatures {
            Ok(signatures) => signatures,
            Err(refusal) => return Err((refusal.clone(), basis)),
        };
        for signed in signatures {
            let dates = || check_dates(signed.dates(), basis.now);
            let holds = match self.rows {
                Rows::All => dates().and_then(|()| signed.covers()),
                Rows::AllButContents => dates(),
                Rows::OfTheSigner => signed.covers(),
            };
            if let Err(refusal) = holds {
                return Err((refusal, basis));
            }
        }
        let cases: Vec<_> = signatures
            .iter()
            .map(|signed| self.case(signed, &basis))
            .collect();
        let denied = |denial: Denial| {
            let refusal = Refusal::new(Row::Policy, denial.kind, denial.what, None);
            refusal.advise(denial.help).mended_by(denial.command)
        };
        let choice = match choice::choose(&basis.policy, &cases) {
            Ok(choice) => choice,
            Err(denial) => return Err((denied(denial), basis)),
        };
        let Choice {
            of,
            trusted,
            others,
            accepted,
        } = choice;
        let held = |at: &usize| {
            let bundled = signatures[*at].bundled();
            bundled.map(|bundled| bundled.held.clone())
        };
        let mut beside: Vec<Held> = Vec::new();
        for held in accepted.iter().chain(&others).filter_map(held) {
            // One may hold by several roots.
            if !beside.contains(&held) {
                beside.push(held);
            }
        }
        if self.together && beside.is_empty() {
            let bundled = (0..signatures.len()).filter(|at| held(at).is_some());
            let denial = choice::denial(&basis.policy, &cases, &bundled.collect::<Vec<_>>());
            let refusal = denial.map(denied).or_else(|| looked.unheld.clone());
            return Err((refusal.unwrap_or_else(unread), basis));
        }
        let mut others: Vec<_> = others
            .into_iter()
            .map(|at| Arc::clone(&signatures[at]))
            .collect();
        let is_bundled = |signed: &Arc<Signed>| signed.bundled().is_some();
        if self.together && !is_bundled(&signatures[of]) && !others.iter().any(is_bundled) {
            let mut bundled = accepted.iter().map(|at| &signatures[*at]);
            others.extend(bundled.find(|signed| is_bundled(signed)).cloned());
        }
        let accepted = Accepted::new(&signatures[of], others, trusted, basis);
        let accepted = Accepted { beside, ..accepted };
        if self.is_first_of_some(looked) && accepted.is_first_use_of_a_bundle() {
            let denial = choice::unknown(&self.place, &accepted.signed.signer().id);
            return Err((denied(denial), accepted.basis));
        }
        Ok(accepted)
    }

    /// Whether a first use would be judged by some of what lies there, and nobody says who is wanted.
    fn is_first_of_some(&self, looked: &Looked) -> bool {
        looked.left && self.wanted.is_none()
    }

    /// What holds by what the owner's policy verifies it by now, where that is not the same as when
    /// it was looked at first.
    fn look_anew(&self, policy: &Policy) -> Option<Looked> {
        let before = self.beside.policy.anchors();
        let same = self.beside.evidence.is_empty() || before == policy.anchors();
        (!same).then(|| self.beside.look(&self.facts, policy))
    }

    fn cases<'a>(&'a self, basis: &'a Basis) -> Vec<Case<'a>> {
        let signatures = self.looked.signatures.as_deref().unwrap_or_default();
        let cases = signatures.iter().map(|signed| self.case(signed, basis));
        cases.collect()
    }

    /// The signature that came nearest to being accepted.
    pub(super) fn nearest(&self, basis: &Basis) -> Option<Arc<Signed>> {
        let signatures = self.looked.signatures.as_ref().ok()?;
        // Where a bundle had to count besides, whatever the others are worth.
        let of_bundle = |signed: &&Arc<Signed>| self.together && signed.bundled().is_some();
        if let Some(bundled) = signatures.iter().find(of_bundle) {
            return Some(Arc::clone(bundled));
        }
        let at = choice::nearest(&basis.policy, &self.cases(basis));
        signatures.get(at).cloned()
    }

    /// Every question of the policy about one of the signatures.
    pub(super) fn checks(&self, of: &Signed, basis: &Basis) -> Vec<Check> {
        let signatures = self.looked.signatures.as_deref().unwrap_or_default();
        let at = signatures.iter().position(|signed| **signed == *of);
        let at = at.map(|at| choice::explain(&basis.policy, &self.cases(basis), at));
        let mut checks = at.unwrap_or_default();
        let is_first = basis.pins.is_empty() && of.bundled().is_some();
        if is_first && self.is_first_of_some(&self.looked) {
            let mut pins = checks.iter_mut();
            if let Some(pin) = pins.find(|check| check.question == Question::Pin) {
                pin.held = false;
                pin.wanted = "the repository's first signer, by all that lies there".into();
            }
        }
        checks
    }

    pub(super) fn case<'a>(&'a self, signed: &'a Signed, basis: &'a Basis) -> Case<'a> {
        Case {
            place: &self.place,
            facts: &self.facts,
            signed,
            pins: &basis.pins,
            wanted: self.wanted.as_deref(),
            now: basis.now,
            subject: None,
        }
    }
}

impl Accepted {
    fn new(signed: &Arc<Signed>, others: Vec<Arc<Signed>>, trusted: Trusted, basis: Basis) -> Self {
        let (mode, since) = match trusted.by {
            By::Name => (TrustMode::Named, None),
            By::Any => (TrustMode::Any, None),
            By::Pin { since } => (TrustMode::Pinned, Some(since)),
            By::FirstUse => (TrustMode::FirstUse, None),
        };
        let rule = trusted.scope.map(|scope| scope.to_string());
        let mut pins = basis.pins.iter();
        let pin = pins.find(|pin| pin.signer == signed.signer().id);
        let mut warnings = pin.map(|pin| warnings(pin, signed)).unwrap_or_default();
        if mode == TrustMode::FirstUse {
            let also = others.iter().map(|other| &other.signer().id);
            warnings.extend(also.map(|id| format!("it is the first use of {id} as well")));
        }
        Self {
            signed: Arc::clone(signed),
            others,
            beside: Vec::new(),
            trust: Trust {
                rule: rule.unwrap_or_else(|| "default".into()),
                mode,
                signer: trusted.name,
                since,
                remembered: (mode == TrustMode::FirstUse).then_some(false),
                warnings,
            },
            basis,
        }
    }

    /// Whether a bundle is accepted in a repository that had no signer before.
    pub(super) fn is_first_use_of_a_bundle(&self) -> bool {
        let mut needed = std::iter::once(&self.signed).chain(&self.others);
        self.trust.mode == TrustMode::FirstUse && needed.any(|signed| signed.bundled().is_some())
    }

    /// What lies beside it and is accepted.
    pub(super) fn beside(&self) -> &[Held] {
        &self.beside
    }

    fn remembered(mut self) -> Self {
        if let Some(remembered) = &mut self.trust.remembered {
            *remembered = true;
        }
        self
    }

    fn forgotten(self, why: &str) -> Self {
        if self.trust.remembered.is_none() {
            return self;
        }
        self.warned(format!(
            "first use, nothing compared, and nothing is remembered: {why}"
        ))
    }

    /// The same, with another word about it.
    pub(super) fn warned(mut self, warning: String) -> Self {
        self.trust.warnings.push(warning);
        self
    }
}

/// What had to be published with it was not read.
fn unread() -> Refusal {
    let what = "has no bundle that could be published with it".to_owned();
    Refusal::new(Row::Token, ErrorKind::Unsigned, what, None)
}

/// What differs from what the signer last signed there. No signature binds a version: a registry
/// can serve an old artifact, or another of the same signer.
fn warnings(pin: &Pin, signed: &Signed) -> Vec<String> {
    let mut warnings = Vec::new();
    if let (Some(last), Some(subject)) = (pin.subject.as_deref(), signed.lasting_subject())
        && last != subject
    {
        warnings.push(format!(
            "it is signed as {subject}, and what came from there last was signed as {last}"
        ));
    } else if let Some(revision) = signed.claims().and_then(|claims| claims.revision)
        && let Some(last) = pin.revision.filter(|last| revision < *last)
    {
        warnings.push(format!(
            "its revision is {revision}, and what came from there last had {last}"
        ));
    }
    warnings
}
