//! `workDoneToken` and `$/progress`: how far a request is, as language servers report it.

use crate::{Notification, ProgressToken};
use serde::{Deserialize, Serialize};

/// Tells how far a request is. Only servers send it, and only for requests with a token.
pub enum Progress {}

impl Notification for Progress {
    const NAME: &'static str = "$/progress";
    const SUMMARY: &'static str = "Tells how far a request with a `workDoneToken` is.";
    type Params = ProgressParams;
}

/// Params of [`Progress`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ProgressParams {
    /// The `workDoneToken` of the request.
    pub token: ProgressToken,
    /// What there is to report.
    pub value: WorkDone,
}

/// What there is to report of a request. It begins once, reports any number of times, and ends
/// once, before it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum WorkDone {
    /// It has begun.
    Begin {
        /// What it does, for people: `Pushing`.
        title: String,
        /// Whether `$/cancelRequest` ends it: true.
        cancellable: bool,
        /// What it is doing, in a word: `waiting`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// 0: without it, editors do not expect any later.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schemars", schemars(range(max = 100)))]
        percentage: Option<u8>,
        /// 0.
        bytes: u64,
        /// As in a report.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    /// It is this far.
    Report {
        /// What it is doing, in a word: `sending`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// How much of `total` is done, from 0 to 100; absent while `total` is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schemars", schemars(range(max = 100)))]
        percentage: Option<u8>,
        /// Bytes that were read, sent or received, each counted once for each of these. It never
        /// shrinks, and is never more than `total`.
        bytes: u64,
        /// What `bytes` will be in the end; absent until that is known, then always the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    /// It has ended, and its answer follows.
    End {
        /// How it ended, in a word: `done`, `refused`, `cancelled` or `failed`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_an_id_is() {
        let check = |json: &str, expected: Option<ProgressToken>| {
            assert_eq!(serde_json::from_str(json).ok(), expected, "{json}");
        };
        let text = |text: &str| Some(ProgressToken::Text(text.into()));
        check("0", Some(ProgressToken::Number(0)));
        check(
            "18446744073709551615",
            Some(ProgressToken::Number(u64::MAX)),
        );
        check("\"\"", text(""));
        check("\"a\"", text("a"));
        let longest = "x".repeat(ProgressToken::LONGEST);
        check(&format!("{longest:?}"), text(&longest));
        check(&format!("\"{longest}x\""), None);
        for wrong in [
            "-1",
            "1.5",
            "18446744073709551616",
            "true",
            "[]",
            "{}",
            "null",
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_value_is_told_by_its_kind() {
        let check = |value: WorkDone, expected: serde_json::Value| {
            let json = serde_json::to_value(&value).expect("it is JSON");
            assert_eq!(json, expected);
            let read: WorkDone = serde_json::from_value(json).expect("it is one");
            assert_eq!(read, value);
        };
        let report = WorkDone::Report {
            message: Some("sending".into()),
            percentage: None,
            bytes: 7,
            total: None,
        };
        check(
            report,
            serde_json::json!({"kind": "report", "message": "sending", "bytes": 7}),
        );
        check(
            WorkDone::End { message: None },
            serde_json::json!({"kind": "end"}),
        );
    }
}
