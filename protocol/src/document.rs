//! `document/check`: the references in a document, and what is known of what they name.

use crate::{ErrorKind, Method, ProgressToken, Reporting, Verification};
use serde::{Deserialize, Serialize};

/// Finds the references in a document and judges what they name.
pub enum DocumentCheck {}

impl Method for DocumentCheck {
    const NAME: &'static str = "document/check";
    const SUMMARY: &'static str =
        "Finds the references to artifacts in a document, and judges what they name.";
    const ERRORS: &'static [&'static [ErrorKind]] = &[&[ErrorKind::PolicyUnusable]];
    const PROGRESS: Option<Reporting<DocumentCheckParams>> = Some(Reporting {
        title: "Checking",
        token: |params| params.work_done_token.as_ref(),
    });
    type Params = DocumentCheckParams;
    type Result = DocumentCheckResult;
}

/// Params of [`DocumentCheck`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DocumentCheckParams {
    /// What the document is called: a URI or a path. Its name tells what it may be. Nothing is read
    /// there.
    pub uri: String,
    /// The document's text, of at most 1 MiB.
    pub text: String,
    /// How far to look. The default is `allowed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup: Option<Lookup>,
    /// Names the request in `$/progress`. Without one, nothing is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_done_token: Option<ProgressToken>,
}

/// How far a document may make the server look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Lookup {
    /// Nobody is asked: what is known already is answered.
    Memory,
    /// Registries that the user has a login for, that a rule of the trust policy names, or that were
    /// allowed since the service began: these are asked for manifests, and for small artifacts.
    #[default]
    Allowed,
    /// Every registry that the document names, for all that a verdict needs.
    Full,
}

/// Result of [`DocumentCheck`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DocumentCheckResult {
    /// Whether it is of a kind that names artifacts, as its name and its text tell.
    pub recognised: bool,
    /// Whether all of it was looked at: not, where it names too much, or is unclear.
    pub whole: bool,
    /// Where it is first not well formed, if it is not: another program may read it in another way, and
    /// find more in it than `references`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unclear: Option<Range>,
    /// What it names, in its order.
    pub references: Vec<DocumentReference>,
}

/// A reference in a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DocumentReference {
    /// Where it stands.
    pub range: Range,
    /// What is written there.
    pub written: String,
    /// What kind of document it stands in, for example `wadm`. More may come.
    pub format: String,
    /// The reference that is meant, in its canonical form; where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The same with the digest of the manifest that it names now; where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// That digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The verdict, or why there is none.
    #[serde(flatten)]
    pub judgement: Judgement,
    /// What could be done about it, the likeliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<Fix>,
}

/// What is known of what a reference names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "camelCase")]
// Most are verdicts: a box would cost more in use than it saves.
#[allow(clippy::large_enum_variant)]
pub enum Judgement {
    /// It was read and judged, now or before; the policy and the dates are those of now.
    Judged {
        /// The verdict, as `verify` gives it.
        verification: Verification,
    },
    /// There is no verdict. That says nothing of the artifact.
    Unknown {
        /// Why, for programs.
        why: UnknownReason,
        /// Why, for people.
        message: String,
        /// What to do next.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        help: Option<String>,
        /// Where something failed: what did, as the same kinds say it that errors have.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<ErrorKind>,
    },
    /// A state that a newer server has and this crate does not know. It is only ever read.
    #[serde(other)]
    #[cfg_attr(feature = "schemars", schemars(skip))]
    Later,
}

/// Why there is no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum UnknownReason {
    /// What would have to be asked or read is not one that a document alone may have asked.
    NotAllowed,
    /// It is too large to be fetched unasked, or the document names too much.
    TooMuch,
    /// It is not remembered, and nobody was to be asked.
    NotRemembered,
    /// It was looked for, and that failed; `kind` says how.
    Failed,
    /// A reason that a newer server has and this crate does not know. It is only ever read.
    #[serde(rename = "unknown", other)]
    #[cfg_attr(feature = "schemars", schemars(skip))]
    Unknown,
}

/// Something that could be done about a reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Fix {
    /// What it does.
    pub kind: FixKind,
    /// The same, for people.
    pub title: String,
    /// How.
    #[serde(flatten)]
    pub by: FixBy,
}

/// What a [`Fix`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum FixKind {
    /// Writes the digest of what the reference names now.
    Pin,
    /// Moves the digest to what the tag beside it names now.
    Move,
    /// Has the server's owner accept the signer.
    Trust,
    /// Signs the artifact and publishes it again.
    Sign,
    /// Logs in to the registry.
    Login,
    /// A kind that a newer server has and this crate does not know. It is only ever read.
    #[serde(rename = "unknown", other)]
    #[cfg_attr(feature = "schemars", schemars(skip))]
    Unknown,
}

/// How a [`Fix`] is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(tag = "by", rename_all = "camelCase")]
pub enum FixBy {
    /// By changes of the document.
    Edit {
        /// The changes, none of which overlap.
        edits: Vec<TextEdit>,
    },
    /// By a command that a person runs in a shell, once they have read it. Words in capitals
    /// (`FILE`) are theirs to fill in.
    Command {
        /// The command.
        command: String,
    },
    /// A way that a newer server has and this crate does not know. It is only ever read.
    #[serde(other)]
    #[cfg_attr(feature = "schemars", schemars(skip))]
    Later,
}

/// A change of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TextEdit {
    /// What is replaced.
    pub range: Range,
    /// What stands there afterwards.
    pub new_text: String,
}

/// A part of a document, as the Language Server Protocol writes it: from `start` up to `end`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Range {
    /// Where it begins.
    pub start: Position,
    /// Where it ends.
    pub end: Position,
}

/// A place in a document, as the Language Server Protocol writes it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Position {
    /// The line, from 0.
    pub line: u32,
    /// UTF-16 code units before it in the line.
    pub character: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(wire: &Value, expected: &Judgement) {
        let read: Judgement = serde_json::from_value(wire.clone()).expect("it is one");
        assert_eq!(&read, expected, "{wire}");
    }

    #[test]
    fn what_is_not_known_reads_as_it_is_written() {
        let unknown = Judgement::Unknown {
            why: UnknownReason::Failed,
            message: "no".into(),
            help: None,
            kind: Some(ErrorKind::NotFound),
        };
        let wire =
            json!({"state": "unknown", "why": "failed", "message": "no", "kind": "notFound"});
        assert_eq!(serde_json::to_value(&unknown).expect("it is JSON"), wire);
        check(&wire, &unknown);
        check(
            &json!({"state": "unknown", "why": "tired", "message": "no"}),
            &Judgement::Unknown {
                why: UnknownReason::Unknown,
                message: "no".into(),
                help: None,
                kind: None,
            },
        );
        check(&json!({"state": "pondered", "depth": 2}), &Judgement::Later);
    }

    #[test]
    fn a_reference_reads_as_it_is_written() {
        let place = |line, character| Position { line, character };
        let range = Range {
            start: place(3, 14),
            end: place(3, 22),
        };
        let reference = DocumentReference {
            range,
            written: "a.io/b:1".into(),
            format: "wadm".into(),
            reference: Some("a.io/b:1".into()),
            pinned: None,
            digest: None,
            judgement: Judgement::Unknown {
                why: UnknownReason::NotAllowed,
                message: "no".into(),
                help: Some("yes".into()),
                kind: None,
            },
            fixes: vec![
                Fix {
                    kind: FixKind::Pin,
                    title: "Pin it".into(),
                    by: FixBy::Edit {
                        edits: vec![TextEdit {
                            range,
                            new_text: "x".into(),
                        }],
                    },
                },
                Fix {
                    kind: FixKind::Login,
                    title: "Log in".into(),
                    by: FixBy::Command {
                        command: "vouch login a.io".into(),
                    },
                },
            ],
        };
        let range = json!({
            "start": {"line": 3, "character": 14}, "end": {"line": 3, "character": 22},
        });
        let wire = json!({
            "range": range, "written": "a.io/b:1", "format": "wadm", "reference": "a.io/b:1",
            "state": "unknown", "why": "notAllowed", "message": "no", "help": "yes",
            "fixes": [
                {"kind": "pin", "title": "Pin it", "by": "edit",
                 "edits": [{"range": range, "newText": "x"}]},
                {"kind": "login", "title": "Log in", "by": "command",
                 "command": "vouch login a.io"},
            ],
        });
        assert_eq!(serde_json::to_value(&reference).expect("it is JSON"), wire);
        let read: DocumentReference = serde_json::from_value(wire).expect("it is one");
        assert_eq!(read, reference);
    }
}
