//! What editors send, as far as it is used. Members that are not known are ignored.

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, SeqAccess, Visitor},
};
use std::fmt;
use vouch_protocol::{Position, Range};

/// The most changes of one notification.
const MOST_CHANGES: usize = 20_000;

/// `textDocument/didOpen`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::service) struct DidOpen {
    pub(super) text_document: Item,
}

/// `textDocument/didChange`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::service) struct DidChange {
    pub(super) text_document: Versioned,
    #[serde(deserialize_with = "few")]
    pub(super) content_changes: Vec<Change>,
}

/// `textDocument/didSave`, `textDocument/didClose`, and requests about a whole document.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::service) struct OfDocument {
    pub(in crate::service) text_document: Named,
}

/// Requests about a place in a document.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::service) struct AtPosition {
    pub(in crate::service) text_document: Named,
    pub(in crate::service) position: Position,
}

/// Requests about a part of a document.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::service) struct InRange {
    pub(in crate::service) text_document: Named,
    pub(in crate::service) range: Range,
}

/// A document.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::service) struct Named {
    pub(in crate::service) uri: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Item {
    pub(super) uri: String,
    #[serde(default)]
    pub(super) version: Option<i64>,
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Versioned {
    pub(super) uri: String,
    #[serde(default)]
    pub(super) version: Option<i64>,
}

/// A change; without a range, of the whole text.
#[derive(Debug, Deserialize)]
pub(super) struct Change {
    #[serde(default)]
    pub(super) range: Option<Range>,
    pub(super) text: String,
}

/// Reads no more changes than there may be.
fn few<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Change>, D::Error> {
    struct Changes;

    impl<'de> Visitor<'de> for Changes {
        type Value = Vec<Change>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MOST_CHANGES} changes")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut changes = Vec::new();
            while let Some(change) = list.next_element()? {
                if changes.len() == MOST_CHANGES {
                    return Err(de::Error::invalid_length(MOST_CHANGES + 1, &self));
                }
                changes.push(change);
            }
            Ok(changes)
        }
    }

    from.deserialize_seq(Changes)
}
