//! `tags`: what a repository calls its manifests.

use crate::{ErrorKind, Method};
use serde::{Deserialize, Serialize};

/// Lists the tags of a repository, a page at a time.
pub enum Tags {}

impl Method for Tags {
    const NAME: &'static str = "tags";
    const SUMMARY: &'static str =
        "Lists the tags of a repository or an image layout, a page at a time.";
    const ERRORS: &'static [&'static [ErrorKind]] = &[
        ErrorKind::REGISTRY,
        ErrorKind::FILES,
        &[ErrorKind::NotFound, ErrorKind::InvalidLayout],
    ];
    type Params = TagsParams;
    type Result = TagsResult;
}

/// Params of [`Tags`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TagsParams {
    /// `registry/repository` or `oci:/path/to/layout`, without tag and digest.
    pub repository: String,
    /// The most tags to answer, 1 to 1000. The default is 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// Begin behind this tag: the last one of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

/// Result of [`Tags`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TagsResult {
    /// The repository, in its canonical form.
    pub repository: String,
    /// The tags, in the order in which the registry or layout has them. Names that are not tags by
    /// OCI's rules, which no reference can hold, are left out.
    pub tags: Vec<String>,
    /// Whether there are more behind the last one.
    pub more: bool,
}
