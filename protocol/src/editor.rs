//! What an editor says it can do, as far as the server cares. The Language Server Protocol has many
//! more members, and its clients differ in what they send: what is unknown or does not fit is ignored.

use crate::fits::if_it_fits;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;

/// An editor's capabilities. That they are an object is what makes a client an editor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EditorCapabilities {
    /// Of documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_document: Option<DocumentCapabilities>,
    /// Of the folder that is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceCapabilities>,
}

/// Of [`EditorCapabilities`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DocumentCapabilities {
    /// What is shown where the pointer rests.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "if_it_fits"
    )]
    pub hover: Option<HoverCapabilities>,
    /// What can be done at a place.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "if_it_fits"
    )]
    pub code_action: Option<ActionCapabilities>,
}

/// Of [`DocumentCapabilities`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HoverCapabilities {
    /// `markdown` and `plaintext`, the preferred one first.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "if_it_fits"
    )]
    pub content_format: Option<Vec<String>>,
}

/// Of [`DocumentCapabilities`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ActionCapabilities {
    /// Whether actions may carry edits; without it, they are commands.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "if_object"
    )]
    pub code_action_literal_support: Option<Object>,
}

/// Of [`EditorCapabilities`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkspaceCapabilities {
    /// Whether inlay hints may be asked to be fetched again.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "if_it_fits"
    )]
    pub inlay_hint: Option<RefreshCapabilities>,
    /// Edits of documents.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "if_it_fits"
    )]
    pub workspace_edit: Option<EditCapabilities>,
}

/// Of [`WorkspaceCapabilities`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RefreshCapabilities {
    /// Whether the server may ask for it.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "if_it_fits"
    )]
    pub refresh_support: Option<bool>,
}

/// Of [`WorkspaceCapabilities`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EditCapabilities {
    /// Whether an edit may name the version of the document that it is for.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "if_it_fits"
    )]
    pub document_changes: Option<bool>,
}

/// An object, whatever is in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Object {}

impl EditorCapabilities {
    /// Whether hovers may be Markdown.
    pub fn reads_markdown(&self) -> bool {
        let hover = self.text_document.as_ref().and_then(|it| it.hover.as_ref());
        let formats = hover.and_then(|it| it.content_format.as_ref());
        // The client's first choice counts.
        formats
            .into_iter()
            .flatten()
            .find(|format| *format == "markdown" || *format == "plaintext")
            .is_some_and(|format| format == "markdown")
    }

    /// Whether code actions may carry edits.
    pub fn takes_actions(&self) -> bool {
        let actions = self.text_document.as_ref();
        let actions = actions.and_then(|it| it.code_action.as_ref());
        actions.is_some_and(|it| it.code_action_literal_support.is_some())
    }

    /// Whether inlay hints may be asked to be fetched again.
    pub fn refreshes_hints(&self) -> bool {
        let hints = self
            .workspace
            .as_ref()
            .and_then(|it| it.inlay_hint.as_ref());
        hints.and_then(|it| it.refresh_support).unwrap_or(false)
    }

    /// Whether an edit may name the version of the document that it is for.
    pub fn takes_versions(&self) -> bool {
        let workspace = self.workspace.as_ref();
        let edits = workspace.and_then(|it| it.workspace_edit.as_ref());
        edits.and_then(|it| it.document_changes).unwrap_or(false)
    }
}

/// Reads an object; an array, which would also do for a struct, is not one.
struct Members;

impl<'de> de::Visitor<'de> for Members {
    type Value = EditorCapabilities;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Known {
            #[serde(deserialize_with = "if_it_fits")]
            text_document: Option<DocumentCapabilities>,
            #[serde(deserialize_with = "if_it_fits")]
            workspace: Option<WorkspaceCapabilities>,
        }
        let known = Known::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(EditorCapabilities {
            text_document: known.text_document,
            workspace: known.workspace,
        })
    }
}

impl<'de> Deserialize<'de> for EditorCapabilities {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Members)
    }
}

impl<'de> de::Visitor<'de> for Object {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map
            .next_entry::<de::IgnoredAny, de::IgnoredAny>()?
            .is_some()
        {}
        Ok(self)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Self {})
    }
}

fn if_object<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Object>, D::Error> {
    if_it_fits(from)
}

#[cfg(test)]
mod tests {
    use crate::InitializeParams;

    #[test]
    #[rustfmt::skip] // a row of the table is a line
    fn an_editor_is_whoever_has_an_object() {
        let check = |capabilities: &str, expected: Option<[bool; 4]>, who: &str| {
            let wire = format!(r#"{{"capabilities":{capabilities}}}"#);
            let read: InitializeParams = serde_json::from_str(&wire).expect(&wire);
            let can = read.capabilities.map(|can| {
                [can.reads_markdown(), can.takes_actions(), can.refreshes_hints(), can.takes_versions()]
            });
            assert_eq!(can, expected, "{who}: {wire}");
        };
        let nothing = Some([false; 4]);
        check("null", None, "Emacs without a server's features");
        check("[]", None, "an array");
        check("[1]", None, "another");
        check("7", None, "a number");
        check("\"markdown\"", None, "a text");
        check("{}", nothing, "an editor that says nothing");
        check(r#"{"textDocument":null,"workspace":[]}"#, nothing, "what does not fit");
        check(r#"{"textDocument":{"hover":{"contentFormat":"markdown"}}}"#, nothing, "not a list");
        check(r#"{"textDocument":{"hover":{"contentFormat":["plaintext","markdown"]}}}"#, nothing, "plain text is preferred");
        check(r#"{"textDocument":{"hover":{"contentFormat":["markdown","plaintext"]}}}"#, Some([true, false, false, false]), "Markdown is");
        check(r#"{"textDocument":{"hover":{"contentFormat":["x","markdown"]}}}"#, Some([true, false, false, false]), "an unknown one");
        check(r#"{"textDocument":{"codeAction":{"codeActionLiteralSupport":{"codeActionKind":{}}}}}"#, Some([false, true, false, false]), "actions with edits");
        check(r#"{"textDocument":{"codeAction":{"codeActionLiteralSupport":true}}}"#, nothing, "not an object");
        check(r#"{"workspace":{"inlayHint":{"refreshSupport":true},"workspaceEdit":{"documentChanges":true}}}"#, Some([false, false, true, true]), "a workspace");
        check(r#"{"workspace":{"inlayHint":{"refreshSupport":1}}}"#, nothing, "not a truth");
    }
}
