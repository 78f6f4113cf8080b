//! Registry logins, and the one way requests go out. STUB: signatures only.

use crate::error::Result;
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf};

/// The config's sections `[registry."host:port"]`.
pub type Config = BTreeMap<String, RegistryConfig>;

/// What the owner says about one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RegistryConfig {
    /// Speak plain HTTP to it. Loopback addresses are always spoken to that way unless `ca` is set
    /// or HTTPS answers there.
    pub plain_http: bool,
    /// A PEM file of certificates to trust beside the system's.
    pub ca: Option<PathBuf>,
}

/// All sessions of the service.
#[derive(Debug)]
pub struct Sessions {}

impl Sessions {
    /// Starts without any session; they begin when a registry is first asked.
    pub fn new(_config: Config) -> Result<Self> {
        Ok(Self {})
    }
}
