//! `push`: verify a file and publish it.

use crate::{Method, Verification};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Allow the tag `latest`, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_latest: Option<bool>,
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
