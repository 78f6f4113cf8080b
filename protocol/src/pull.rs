//! `pull`: fetch an artifact, verify it and place it.

use crate::{ErrorKind, LogLevel, Method, ProgressToken, PublishedBundle, Reporting, Verification};
use serde::{Deserialize, Serialize};

/// Fetches an artifact, and writes the file only if it verifies.
pub enum Pull {}

impl Method for Pull {
    const NAME: &'static str = "pull";
    const SUMMARY: &'static str = "Fetches an artifact, and writes the file only if it verifies.";
    const ERRORS: &'static [&'static [ErrorKind]] = &[
        ErrorKind::REGISTRY,
        ErrorKind::PUBLISHED,
        ErrorKind::FILES,
        &[
            ErrorKind::LatestNotAllowed,
            ErrorKind::DestinationExists,
            ErrorKind::TargetNotFound,
            ErrorKind::NoBundle,
            ErrorKind::PolicyUnusable,
        ],
    ];
    const REFUSES: bool = true;
    const LOG: LogLevel = LogLevel::Info;
    const PROGRESS: Option<Reporting<PullParams>> = Some(Reporting {
        title: "Pulling",
        token: |params| params.work_done_token.as_ref(),
    });
    type Params = PullParams;
    type Result = PullResult;
}

/// Params of [`Pull`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullParams {
    /// Where to fetch it from: `registry/repository[:tag][@digest]` or `oci:/path/to/layout:tag`.
    pub reference: String,
    /// An absolute path or `file:` URI. In a folder that exists, the file is named after the
    /// repository. Or an image layout, `oci:/path/to/layout:tag`, which keeps the manifest too.
    pub destination: String,
    /// Replace a regular file, or a symbolic link itself. Nothing else is ever replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overwrite: Option<bool>,
    /// Place only this target of a provider archive, for example `x86_64-linux`. The whole
    /// archive is verified all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Place the bundle that signs the file beside it, as `FILE.sigstore.json`, so that the file
    /// verifies again; not with `target`. A layout keeps it beside the manifest. What is accepted
    /// by its token needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_bundle: Option<bool>,
    /// Accept only this signer: a name of the server's config, an account (`A…`), or a signer's
    /// `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// Allow the tag `latest`, or no tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_latest: Option<bool>,
    /// Names the request in `$/progress`. Without one, nothing is reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_done_token: Option<ProgressToken>,
}

/// Result of [`Pull`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct PullResult {
    /// The file that was written; of a layout, its folder.
    pub path: String,
    /// The bundle that was written beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// What is in the layout: its reference there, with the manifest's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// The bundles that are in the layout with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bundles: Vec<PublishedBundle>,
    /// The reference with the manifest's digest.
    pub reference: String,
    /// The manifest's digest.
    pub digest: String,
    /// What was found out about the whole artifact: always accepted.
    pub verification: Verification,
    /// Bytes that were transferred.
    pub downloaded: u64,
}
