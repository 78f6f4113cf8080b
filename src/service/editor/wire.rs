//! The Language Server Protocol's requests that are answered, and their answers.

use super::super::opened::{AtPosition, InRange, OfDocument};
use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use vouch_protocol::{
    ErrorKind, Inspect, LogLevel, Method, Position, ProgressToken, Pull, Range, Reporting,
    TextEdit, Verify,
};

/// Notifications that the server sends, beside `$/progress`.
pub(super) const PUBLISH: &str = "textDocument/publishDiagnostics";
pub(super) const SHOW: &str = "window/showMessage";
/// The one request that it sends.
pub(super) const REFRESH: &str = "workspace/inlayHint/refresh";

macro_rules! requests {
    ($($name:ident $wire:literal $params:ty, $result:ty;)*) => {
        $(
            pub(super) enum $name {}

            impl Method for $name {
                const NAME: &'static str = $wire;
                const SUMMARY: &'static str = "One of the Language Server Protocol.";
                const ERRORS: &'static [&'static [ErrorKind]] =
                    &[ErrorKind::REGISTRY, &[ErrorKind::PolicyUnusable, ErrorKind::InvalidReference]];
                type Params = $params;
                type Result = $result;
            }
        )*
    };
}

requests! {
    HoverAt "textDocument/hover" AtPosition, Option<Hover>;
    ActionsIn "textDocument/codeAction" InRange, Vec<Action>;
    HintsIn "textDocument/inlayHint" InRange, Vec<Hint>;
    CompleteAt "textDocument/completion" AtPosition, Completions;
    PullDiagnostics "textDocument/diagnostic" OfDocument, Pulled;
}

/// The errors of the methods that are executed.
const EXECUTED: [&[ErrorKind]; Verify::ERRORS.len() + Inspect::ERRORS.len() + Pull::ERRORS.len()] = {
    let mut all =
        [ErrorKind::COMMON; Verify::ERRORS.len() + Inspect::ERRORS.len() + Pull::ERRORS.len()];
    let (methods, mut method, mut filled) = ([Verify::ERRORS, Inspect::ERRORS, Pull::ERRORS], 0, 0);
    while method < methods.len() {
        let mut group = 0;
        while group < methods[method].len() {
            all[filled] = methods[method][group];
            (group, filled) = (group + 1, filled + 1);
        }
        method += 1;
    }
    all
};

/// `workspace/executeCommand`.
pub(super) enum Execute {}

impl Method for Execute {
    const NAME: &'static str = "workspace/executeCommand";
    const SUMMARY: &'static str = "One of the Language Server Protocol.";
    const ERRORS: &'static [&'static [ErrorKind]] = &EXECUTED;
    const REFUSES: bool = true;
    const LOG: LogLevel = LogLevel::Info;
    const PROGRESS: Option<Reporting<Executed>> = Some(Reporting {
        title: "Running",
        token: |params| params.work_done_token.as_ref(),
    });
    type Params = Executed;
    type Result = Box<RawValue>;
}

// What a command may fail with is what its method may fail with.
const _: () = assert!(!Verify::REFUSES && Pull::REFUSES && !Inspect::REFUSES);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Executed {
    pub(super) command: String,
    #[serde(default)]
    pub(super) arguments: Option<Vec<Argument>>,
    #[serde(default)]
    pub(super) work_done_token: Option<ProgressToken>,
}

/// An argument of a command, if it is a text.
#[derive(Debug, Serialize)]
pub(super) struct Argument(pub(super) Option<String>);

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Value {
            Text(String),
            Other(IgnoredAny),
        }
        Ok(match Value::deserialize(from)? {
            Value::Text(text) => Self(Some(text)),
            Value::Other(_) => Self(None),
        })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Hover {
    pub(super) contents: Markup,
    pub(super) range: Range,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Markup {
    pub(super) kind: String,
    pub(super) value: String,
}

/// A code action, or for clients that know none of these, a command.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Action {
    #[serde(rename_all = "camelCase")]
    Literal {
        title: String,
        kind: String,
        is_preferred: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        edit: Option<WorkspaceEdit>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<Command>,
    },
    Command(Command),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[allow(clippy::struct_field_names)] // as the protocol does
pub(super) struct Command {
    pub(super) title: String,
    pub(super) command: String,
    pub(super) arguments: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum WorkspaceEdit {
    Changes(BTreeMap<String, Vec<TextEdit>>),
    DocumentChanges(Vec<DocumentEdit>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DocumentEdit {
    pub(super) text_document: VersionedDocument,
    pub(super) edits: Vec<TextEdit>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct VersionedDocument {
    pub(super) uri: String,
    pub(super) version: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hint {
    pub(super) position: Position,
    pub(super) label: String,
    pub(super) tooltip: String,
    pub(super) padding_left: bool,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Completions {
    pub(super) is_incomplete: bool,
    pub(super) items: Vec<Completion>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Completion {
    pub(super) label: String,
    pub(super) kind: u8,
    pub(super) sort_text: String,
    pub(super) text_edit: TextEdit,
}

/// An answer to who asks for diagnostics: they are pushed, and nobody shall see them twice.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pulled {
    pub(super) kind: String,
    pub(super) items: Vec<Diagnostic>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Diagnostic {
    pub(super) range: Range,
    pub(super) severity: u8,
    pub(super) code: String,
    pub(super) source: String,
    pub(super) message: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Published<'a> {
    pub(super) uri: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<i64>,
    pub(super) diagnostics: &'a [Diagnostic],
}

/// A message that an editor shows.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    /// 3: an information.
    pub(super) r#type: u8,
    pub(super) message: String,
}

/// What a language server can do.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::service) struct Provided {
    position_encoding: &'static str,
    text_document_sync: Synchronisation,
    hover_provider: bool,
    code_action_provider: CodeActions,
    completion_provider: Triggers,
    inlay_hint_provider: bool,
    execute_command_provider: Commands,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Synchronisation {
    open_close: bool,
    /// 2: parts of texts.
    change: u8,
    save: bool,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct CodeActions {
    code_action_kinds: &'static [&'static str],
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Triggers {
    trigger_characters: &'static [&'static str],
}

#[derive(Debug, Clone, Serialize)]
struct Commands {
    commands: &'static [&'static str],
}

impl Provided {
    pub(super) fn with(commands: &'static [&'static str]) -> Self {
        Self {
            position_encoding: "utf-16",
            text_document_sync: Synchronisation {
                open_close: true,
                change: 2,
                save: true,
            },
            hover_provider: true,
            code_action_provider: CodeActions {
                code_action_kinds: &["quickfix"],
            },
            completion_provider: Triggers {
                trigger_characters: &[":"],
            },
            inlay_hint_provider: true,
            execute_command_provider: Commands { commands },
        }
    }
}
