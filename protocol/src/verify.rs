//! `verify`: is this artifact signed?

use crate::{Method, ProgressToken, Verification};
use serde::{Deserialize, Serialize};

/// Judges an artifact by the signature rule. It answers a result whether it accepts or refuses,
/// and an error only when it could not look.
pub enum Verify {}

impl Method for Verify {
    const NAME: &'static str = "verify";
    type Params = VerifyParams;
    type Result = Verification;
}

/// Params of [`Verify`]: exactly one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyParams {
    /// An absolute path or `file:` URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A registry or layout reference; what it names is read, judged and thrown away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Names the request in `$/progress`. Without one, nothing is told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work_done_token: Option<ProgressToken>,
}
