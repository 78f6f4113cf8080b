//! `push`: verify a file and publish it.

use crate::{Method, ProgressToken, Verification};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor},
};
use std::{collections::BTreeMap, fmt};

/// Verifies a file and publishes it under a reference. Nothing is sent of a file that is refused.
pub enum Push {}

impl Method for Push {
    const NAME: &'static str = "push";
    type Params = PushParams;
    type Result = PushResult;
}

/// Params of [`Push`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PushParams {
    /// An absolute path or `file:` URI.
    pub path: String,
    /// Where to: `registry/repository:tag` or `oci:/path/to/layout:tag`.
    pub reference: String,
    /// Annotations of the manifest. `org.opencontainers.image.*` and reverse domain names are the
    /// custom.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "each_once"
    )]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Allow the tag `latest`, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_latest: Option<bool>,
    /// Names the request in `$/progress`. Without one, nothing is told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_done_token: Option<ProgressToken>,
}

/// Reads a map, and refuses a name that is there twice: which one was meant is anybody's guess.
fn each_once<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    struct EachOnce;

    impl<'de> Visitor<'de> for EachOnce {
        type Value = Option<BTreeMap<String, String>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of strings")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut annotations = BTreeMap::new();
            while let Some((name, value)) = map.next_entry::<String, String>()? {
                if annotations.insert(name, value).is_some() {
                    return Err(de::Error::custom("an annotation is there twice"));
                }
            }
            Ok(Some(annotations))
        }
    }

    deserializer.deserialize_any(EachOnce)
}

/// Result of [`Push`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct PushResult {
    /// The reference with the manifest's digest: it names these bytes for ever.
    pub reference: String,
    /// The manifest's digest.
    pub digest: String,
    /// What was found out about the file.
    pub verification: Verification,
    /// Bytes of blobs that were sent.
    pub uploaded: u64,
    /// Bytes of blobs that were there already.
    pub skipped: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_are_each_there_once() {
        let check = |annotations: &str, expected: Option<usize>| {
            let json = format!(r#"{{"path":"/a","reference":"b"{annotations}}}"#);
            let params = serde_json::from_str::<PushParams>(&json).ok();
            let found = params.map(|params| params.annotations.map_or(0, |all| all.len()));
            assert_eq!(found, expected, "{json}");
        };
        check("", Some(0));
        check(r#","annotations":null"#, Some(0));
        check(r#","annotations":{}"#, Some(0));
        check(r#","annotations":{"a":"1","b":"2"}"#, Some(2));
        check(r#","annotations":{"a":"1","a":"2"}"#, None);
        check(r#","annotations":{"a":1}"#, None);
        check(r#","annotations":["a"]"#, None);
    }
}
