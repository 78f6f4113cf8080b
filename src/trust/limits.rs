//! What a rule asks beside who signed.

use super::{
    case::{Denial, Question},
    imports::allow,
    place::Scope,
    questions::{Asked, list},
    section::Rule,
};
use crate::{
    artifact::{ArtifactKind, Imports},
    signature::date,
};
use vouch_protocol::ErrorKind;

/// How many seconds ahead of this machine's clock a signature may have been made.
const CLOCKS_DIFFER: u64 = 5 * 60;

impl Asked<'_> {
    /// What a rule asks beside the signer.
    pub(super) fn limits(&mut self, scope: &Scope, rule: &Rule) {
        let (facts, signed, now) = (self.case.facts, self.case.signed, self.case.now);
        if let Some(kinds) = &rule.kinds {
            let held = kinds.contains(&facts.kind);
            let found = || format!("is a {}", kind_name(facts.kind));
            let wanted = || list(kinds.iter().map(|kind| kind_name(*kind)));
            self.limit(Question::Kinds, scope, held, found, wanted);
        }
        if let Some(subjects) = &rule.subjects {
            let subject = self.case.subject.unwrap_or(signed.subject());
            let held = subjects.iter().any(|wanted| wanted == subject);
            let found = || format!("is signed as {subject}");
            self.limit(Question::Subjects, scope, held, found, || list(subjects));
        }
        if let Some(age) = rule.max_age {
            let (age, at) = (age.0.as_secs(), signed.dates().signed_at);
            let held = at.is_some_and(|at| {
                at <= now.saturating_add(CLOCKS_DIFFER) && now.saturating_sub(at) <= age
            });
            let found = || match at {
                Some(at) => format!("was signed at {}", date(at)),
                None => "does not say when it was signed".into(),
            };
            let wanted = || format!("a signature since {}", date(now.saturating_sub(age)));
            self.limit(Question::MaxAge, scope, held, found, wanted);
        }
        if let Some(patterns) = &rule.imports {
            let refused = match &facts.imports {
                _ if facts.kind == ArtifactKind::Provider => rule
                    .kinds
                    .is_none()
                    .then(|| "is native code, whose imports cannot be read".into()),
                Imports::Read(imports) => imports
                    .iter()
                    .find(|import| !allow(patterns, import))
                    .map(|import| format!("imports {import}")),
                Imports::Unread(why) => Some(format!("has imports that cannot be read: {why}")),
            };
            let held = refused.is_none();
            let found = || refused.unwrap_or_else(|| "imports nothing else".into());
            self.limit(Question::Imports, scope, held, found, || list(patterns));
        }
    }

    /// Notes what a rule limits: `found` is said of the artifact.
    fn limit(
        &mut self,
        question: Question,
        scope: &Scope,
        held: bool,
        found: impl FnOnce() -> String,
        wanted: impl FnOnce() -> String,
    ) {
        if held {
            return self.note(question, Some(scope), found, wanted, None);
        }
        let (found, wanted) = (found(), wanted());
        let denial = not_allowed(question, scope, &found, &wanted);
        self.note(question, Some(scope), || found, || wanted, Some(denial));
    }
}

/// What a rule limits, where what was found is not what it wants.
pub(super) fn not_allowed(question: Question, scope: &Scope, found: &str, wanted: &str) -> Denial {
    let verb = match question {
        Question::Require | Question::MaxAge => "requires",
        _ => "allows only",
    };
    Denial {
        kind: ErrorKind::NotAllowed,
        what: format!("{found}, but rule `{scope}` {verb} {wanted}"),
        help: format!(
            "The server's owner sets `{}` of that rule in the config: `vouch trust list` shows it.",
            question.name()
        ),
        command: None,
        near: 2,
    }
}

fn kind_name(kind: ArtifactKind) -> &'static str {
    match kind {
        ArtifactKind::Module => "module",
        ArtifactKind::Component => "component",
        ArtifactKind::Provider => "provider",
    }
}
