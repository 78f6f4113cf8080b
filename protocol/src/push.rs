//! `push`: verify a file and publish it.

use crate::{ErrorKind, LogLevel, Method, ProgressToken, Reporting, Verification};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor},
};
use std::{collections::BTreeMap, fmt};

/// Verifies a file and publishes it under a reference. Nothing of a refused file is sent.
pub enum Push {}

impl Method for Push {
    const NAME: &'static str = "push";
    const SUMMARY: &'static str = "Verifies a file and publishes it.";
    const ERRORS: &'static [&'static [ErrorKind]] = &[
        ErrorKind::REGISTRY,
        ErrorKind::PUBLISHED,
        ErrorKind::FILES,
        &[
            ErrorKind::LatestNotAllowed,
            ErrorKind::ContentModified,
            ErrorKind::PolicyUnusable,
        ],
    ];
    const REFUSES: bool = true;
    const LOG: LogLevel = LogLevel::Info;
    const PROGRESS: Option<Reporting<PushParams>> = Some(Reporting {
        title: "Pushing",
        token: |params| params.work_done_token.as_ref(),
    });
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
    /// Where to publish it: `registry/repository:tag` or `oci:/path/to/layout:tag`.
    pub reference: String,
    /// The file's Sigstore bundle: an absolute path or `file:` URI. It has to count, and is published
    /// with the file. Without it, the file `path` + `.sigstore.json` is looked at where the file's
    /// token does not suffice, and published where it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// Annotations for the manifest. By convention their names are `org.opencontainers.image.*` or
    /// start with a reversed domain name.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "each_once"
    )]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Allow the tag `latest`, or no tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_latest: Option<bool>,
    /// Names the request in `$/progress`. Without one, nothing is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_done_token: Option<ProgressToken>,
}

/// Reads a map, and refuses a name that appears twice: nobody can tell which one was meant.
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
                    return Err(de::Error::custom("an annotation appears twice"));
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
    /// The reference with the manifest's digest: it always names these bytes.
    pub reference: String,
    /// The manifest's digest.
    pub digest: String,
    /// What was found out about the file: always accepted.
    pub verification: Verification,
    /// Bytes of blobs that were sent.
    pub uploaded: u64,
    /// Bytes of blobs that the registry already had.
    pub skipped: u64,
    /// The bundles that are beside it now: those that counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bundles: Vec<PublishedBundle>,
}

/// A Sigstore bundle beside a published artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct PublishedBundle {
    /// The bundle's own digest.
    pub digest: String,
    /// The digest of its manifest, which refers to the artifact's.
    pub manifest: String,
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
