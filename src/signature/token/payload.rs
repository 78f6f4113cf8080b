//! The claims as they are written here: what wascap and provider-archive read, in their order, and
//! nothing else.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The revision of wascap from which on the hash of a module counts for its readers.
pub(super) const REVISION: u32 = 3;

/// See the module's documentation. Times are seconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payload {
    #[serde(rename = "exp", default, skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<u64>,
    #[serde(rename = "jti")]
    pub(super) id: String,
    #[serde(rename = "iat")]
    pub(super) issued_at: u64,
    #[serde(rename = "iss")]
    pub(super) issuer: String,
    #[serde(rename = "sub")]
    pub(super) subject: String,
    #[serde(rename = "nbf", default, skip_serializing_if = "Option::is_none")]
    pub(super) not_before: Option<u64>,
    pub(super) wascap: Metadata,
    #[serde(rename = "wascap_revision")]
    pub(super) revision: u32,
}

/// What is said of the artifact.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metadata {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) vendor: Option<String>,
    /// Of a module or component: SHA-256 of all but its token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hash: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<String>,
    #[serde(rename = "rev", default, skip_serializing_if = "Option::is_none")]
    pub(super) revision: Option<i32>,
    #[serde(rename = "ver", default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) call_alias: Option<String>,
    /// Read by wascap before 0.13, and here.
    #[serde(rename = "caps", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) capabilities: Vec<String>,
    /// Of a provider archive: SHA-256 of each entry but its token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) target_hashes: Option<BTreeMap<String, String>>,
    /// Of a provider archive: what its links are configured with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) config_schema: Option<Value>,
}
