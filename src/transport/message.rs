//! What a message is, looked at without reading its params: a request, a notification, a batch of
//! both, a response, or nothing that JSON-RPC 2.0 knows.

use crate::error::{Error, error};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};
use vouch_protocol::RequestId;

/// The longest id, in bytes: it is kept, and sent back.
pub(super) const LONGEST_ID: usize = 256;

/// The most entries of a batch.
pub(super) const LARGEST_BATCH: usize = 100;

/// A message. Texts of it are borrowed.
pub(super) enum Message<'a> {
    Single(Entry<'a>),
    Batch(Vec<Entry<'a>>),
    /// It is answered with one error, to no id.
    Broken(Error),
}

/// One of a batch, or all there is.
pub(super) enum Entry<'a> {
    Request {
        id: RequestId,
        method: Cow<'a, str>,
        params: Option<&'a RawValue>,
    },
    Notification {
        method: Cow<'a, str>,
        params: Option<&'a RawValue>,
    },
    /// The client's answer to a request; the server sends none.
    Response,
    /// It is answered with an error, to its id where it has a valid one.
    Invalid { id: Option<RequestId>, error: Error },
}

impl<'a> Message<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Self {
        let value: &RawValue = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            Err(error) => {
                return Self::Broken(error!(ParseError: "the message is not JSON: {error}"));
            }
        };
        if !value.get().starts_with('[') {
            return Self::Single(Entry::parse(value));
        }
        match serde_json::from_str(value.get()) {
            Ok(Bounded::Entries(entries)) if entries.is_empty() => {
                Self::Broken(invalid("a batch has at least one entry"))
            }
            Ok(Bounded::Entries(entries)) => {
                Self::Batch(entries.into_iter().map(Entry::parse).collect())
            }
            Ok(Bounded::TooMany) => Self::Broken(
                invalid("a batch has at most 100 entries").help("Send several batches."),
            ),
            Err(error) => Self::Broken(invalid(&format!("the batch does not parse: {error}"))),
        }
    }
}

impl<'a> Entry<'a> {
    /// The id that its answer has.
    pub(super) fn id(&self) -> Option<&RequestId> {
        match self {
            Self::Request { id, .. } => Some(id),
            Self::Invalid { id, .. } => id.as_ref(),
            Self::Notification { .. } | Self::Response => None,
        }
    }

    fn parse(value: &'a RawValue) -> Self {
        let refused = |id, why: &str| Self::Invalid {
            id,
            error: invalid(why),
        };
        if !value.get().starts_with('{') {
            return refused(None, "a request is an object");
        }
        let envelope: Envelope<'a> = match serde_json::from_str(value.get()) {
            Ok(envelope) => envelope,
            Err(error) => return refused(None, &format!("the request does not parse: {error}")),
        };
        if envelope.method.is_none() && (envelope.result || envelope.error) {
            return Self::Response;
        }
        let id = match envelope.id.map(|id| serde_json::from_str(id.get())) {
            None => None,
            Some(Ok(RequestId::Text(text))) if text.len() > LONGEST_ID => {
                return refused(None, "an id is longer than 256 bytes");
            }
            Some(Ok(id)) => Some(id),
            Some(Err(_)) => return refused(None, "an id is a string or a non-negative integer"),
        };
        let version = envelope.jsonrpc.map(text);
        if !matches!(&version, Some(Some(version)) if version == "2.0") {
            return refused(id, "`jsonrpc` must be \"2.0\"");
        }
        let Some(Some(method)) = envelope.method.map(text) else {
            return refused(id, "`method` must be a string");
        };
        let params = envelope.params;
        match id {
            Some(id) => Self::Request { id, method, params },
            None => Self::Notification { method, params },
        }
    }
}

fn invalid(why: &str) -> Error {
    error!(InvalidRequest: "{why}")
}

fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let Text(text) = serde_json::from_str(value.get()).ok()?;
    Some(text)
}

/// The members of a request, each as it is: `null` is not the same as absent. Members that are
/// there twice do not parse: another reader may take the other one.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "there")]
    result: bool,
    #[serde(default, deserialize_with = "there")]
    error: bool,
}

fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The entries of a batch, kept only as far as they are allowed.
enum Bounded<'a> {
    Entries(Vec<&'a RawValue>),
    TooMany,
}

impl<'de> Deserialize<'de> for Bounded<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Bounded<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a batch")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut batch: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = batch.next_element()? {
                    if entries.len() == LARGEST_BATCH {
                        while batch.next_element::<IgnoredAny>()?.is_some() {}
                        return Ok(Bounded::TooMany);
                    }
                    entries.push(entry);
                }
                Ok(Bounded::Entries(entries))
            }
        }

        deserializer.deserialize_seq(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One word for what a message is.
    fn kind(bytes: &[u8]) -> String {
        fn entry(entry: &Entry<'_>) -> String {
            match entry {
                Entry::Request { id, method, params } => {
                    let id = match id {
                        RequestId::Number(number) => number.to_string(),
                        RequestId::Text(text) => format!("{text:?}"),
                    };
                    let params = params.map_or("-", RawValue::get);
                    format!("request {id} {method} {params}")
                }
                Entry::Notification { method, .. } => format!("notification {method}"),
                Entry::Response => "response".into(),
                Entry::Invalid { id, .. } => format!("invalid, id {}", id.is_some()),
            }
        }
        match Message::parse(bytes) {
            Message::Single(single) => entry(&single),
            Message::Batch(entries) => {
                let entries: Vec<_> = entries.iter().map(entry).collect();
                format!("[{}]", entries.join(", "))
            }
            Message::Broken(error) => error.kind().name().into(),
        }
    }

    #[test]
    fn messages_are_told_apart() {
        let check = |text: &str, expected: &str, why: &str| {
            assert_eq!(kind(text.as_bytes()), expected, "{why}: {text}");
        };
        let id = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#);
        check(&id("0"), "request 0 m -", "0 is an id");
        check(&id("\"\""), "request \"\" m -", "an empty string is an id");
        check(&id("\"a\\n\""), "request \"a\\n\" m -", "escapes");
        check(
            &id("18446744073709551615"),
            "request 18446744073709551615 m -",
            "the largest",
        );
        for wrong in [
            "null",
            "-1",
            "-0",
            "1.0",
            "1e2",
            "18446744073709551616",
            "true",
            "{}",
            "[]",
            "\"\\ud800\"",
        ] {
            check(
                &id(wrong),
                "invalid, id false",
                "neither an id nor a notification",
            );
        }
        let longest = format!("\"{}\"", "x".repeat(256));
        check(
            &id(&longest),
            &format!("request {longest} m -"),
            "the longest",
        );
        let escaped = format!("\"{}\"", "\\u0078".repeat(256));
        check(
            &id(&escaped),
            &format!("request {longest} m -"),
            "what it means counts, not how it is written",
        );
        for long in ["x".repeat(257), "\u{e4}".repeat(129)] {
            let long = format!("\"{long}\"");
            check(&id(&long), "invalid, id false", "too long to be sent back");
        }
        check(
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":null}"#,
            "request 1 m null",
            "null params are seen",
        );
        check(
            r#"{"jsonrpc":"2.0","method":"m"}"#,
            "notification m",
            "no id",
        );
        check(
            r#"{"jsonrpc":"2.0","method":"\u006d"}"#,
            "notification m",
            "escapes",
        );
        check(
            r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#,
            "invalid, id true",
            "another version",
        );
        check(
            r#"{"jsonrpc":2.0,"id":1,"method":"m"}"#,
            "invalid, id true",
            "not a string",
        );
        check(r#"{"id":1,"method":"m"}"#, "invalid, id true", "no version");
        check(
            r#"{"jsonrpc":"2.0","id":1,"method":1}"#,
            "invalid, id true",
            "no method",
        );
        check(
            r#"{"jsonrpc":"2.0","id":1,"result":null}"#,
            "response",
            "its result may be null",
        );
        check(
            r#"{"id":-1,"error":{}}"#,
            "response",
            "whatever else is wrong with it",
        );
        check(
            r#"{"jsonrpc":"2.0","id":1,"method":"m","result":1}"#,
            "request 1 m -",
            "a request with a member that nobody reads",
        );
        check(
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}"#,
            "invalid, id false",
            "two ids",
        );
        check(
            r#"{"jsonrpc":"2.0","method":"a","id":1,"method":"b"}"#,
            "invalid, id false",
            "two methods",
        );
        check(
            r#"{"jsonrpc":"2.0","method":"a","id":1,"x":1,"x":2}"#,
            "request 1 a -",
            "nobody reads the others",
        );
        check("1", "invalid, id false", "a number");
        check("null", "invalid, id false", "nothing");
        check("[]", "invalidRequest", "an empty batch");
        check(
            "[1, {}]",
            "[invalid, id false, invalid, id false]",
            "not requests",
        );
        check("{", "parseError", "cut");
        check("{} {}", "parseError", "two values");
        check("[1,]", "parseError", "not JSON");
        check("", "parseError", "nothing at all");
        check(&"[".repeat(100_000), "parseError", "deep and cut");
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        check(&deep, "[invalid, id false]", "deep");
        let entries = |count| format!("[{}]", vec!["1"; count].join(","));
        assert!(kind(entries(100).as_bytes()).starts_with('['));
        check(&entries(101), "invalidRequest", "too many entries");
        assert_eq!(kind(b"{\"\xff\":1}"), "parseError", "not UTF-8");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            kind(&bytes);
        }

        #[test]
        fn no_json_panics(text in "[\\[{\"]{0,4}(\"(id|method|jsonrpc|2.0)\"[:,]{0,1}|[0-9a-z\\\\u{}\\[\\],:\".-]){0,12}") {
            kind(text.as_bytes());
        }
    }
}
