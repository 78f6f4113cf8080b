//! Code actions: what could be done about a reference. An edit is offered as one; a command for a
//! shell is shown, for it is a person's to run.

use super::{
    commands::{ALLOW, SHOW, VERIFY},
    hints::overlap,
    wire::{Action, Command, DocumentEdit, VersionedDocument, WorkspaceEdit},
    words::Form,
};
use crate::{name::Registry, session::is_link_local};
use vouch_protocol::{
    DocumentReference, EditorCapabilities, Fix, FixBy, FixKind, Judgement, Range, TextEdit,
    UnknownReason, Verification,
};

/// A document that actions are about.
pub(super) struct Document<'a> {
    pub(super) uri: &'a str,
    pub(super) version: Option<i64>,
    pub(super) can: &'a EditorCapabilities,
}

/// `registry` says which registry a reference is in, where it is in one.
pub(super) fn actions(
    references: &[DocumentReference],
    within: Range,
    document: &Document<'_>,
    registry: impl Fn(&str) -> Option<Registry>,
) -> Vec<Action> {
    let mut actions = Vec::new();
    let here = references.iter().filter(|it| overlap(it.range, within));
    for reference in here {
        let fixes = reference.fixes.iter();
        let accepted = matches!(
            &reference.judgement,
            Judgement::Judged {
                verification: Verification::Accepted { .. }
            }
        );
        actions.extend(fixes.filter_map(|fix| document.of_fix(fix, accepted)));
        let Judgement::Unknown { why, .. } = &reference.judgement else {
            continue;
        };
        let Some(named) = &reference.reference else {
            continue;
        };
        // Nothing is sent to link-local addresses, whoever wants to know.
        let Some(registry) = registry(named).filter(|registry| !is_link_local(registry)) else {
            continue;
        };
        // Nobody was asked: what is remembered alone was looked at.
        if matches!(
            why,
            UnknownReason::NotAllowed | UnknownReason::NotRemembered
        ) {
            let registry = registry.as_str().to_owned();
            let shown = Form::Plain.word(&registry);
            let title = format!("Allow lookups at {shown} until vouchd stops");
            actions.push(document.of_command(title, ALLOW, registry, false));
        }
        let title = format!("Look up {}", Form::Plain.word(named));
        actions.push(document.of_command(title, VERIFY, named.clone(), false));
    }
    actions
}

impl Document<'_> {
    fn of_fix(&self, fix: &Fix, accepted: bool) -> Option<Action> {
        let title = Form::Plain.sentence(&fix.title);
        match &fix.by {
            // Clients of old take commands alone, and an edit is none.
            FixBy::Edit { edits } if self.can.takes_actions() => Some(Action::Literal {
                title,
                kind: "quickfix".into(),
                // Editors apply what is preferred with one key. What a digest is moved to was not
                // judged yet.
                is_preferred: accepted && matches!(fix.kind, FixKind::Pin),
                edit: Some(self.edit(edits.clone())),
                command: None,
            }),
            FixBy::Command { command } => {
                Some(self.of_command(title, SHOW, command.clone(), false))
            }
            FixBy::Edit { .. } | FixBy::Later => None,
        }
    }

    fn of_command(
        &self,
        title: String,
        command: &str,
        argument: String,
        is_preferred: bool,
    ) -> Action {
        let command = Command {
            title: title.clone(),
            command: command.into(),
            arguments: vec![argument],
        };
        if !self.can.takes_actions() {
            return Action::Command(command);
        }
        Action::Literal {
            title,
            kind: "quickfix".into(),
            is_preferred,
            edit: None,
            command: Some(command),
        }
    }

    fn edit(&self, edits: Vec<TextEdit>) -> WorkspaceEdit {
        let uri = self.uri.to_owned();
        if !self.can.takes_versions() {
            return WorkspaceEdit::Changes([(uri, edits)].into());
        }
        // An editor leaves a document alone that has changed meanwhile.
        let version = self.version;
        WorkspaceEdit::DocumentChanges(vec![DocumentEdit {
            text_document: VersionedDocument { uri, version },
            edits,
        }])
    }
}
