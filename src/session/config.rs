//! The config's sections `[registry."host:port"]`: what the owner says about one registry.

use crate::name::{HostPort, PlainHosts, Registry, Repository, without_secrets};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

/// The config's sections `[registry."host:port"]`.
pub type Config = BTreeMap<Registry, RegistryConfig>;

/// The most mirrors of a registry: each that fails costs a pull its time.
const MIRRORS: usize = 16;

/// What the owner says about one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "Written", into = "Written")]
pub struct RegistryConfig {
    /// Whether to speak plain HTTP to it. Where nothing is said, loopback addresses without a `ca`
    /// and a client certificate are spoken to that way, and nobody else.
    pub plain_http: Option<bool>,
    /// A PEM file of certificates to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// What the service shows to the registry, and to nobody else, when it is asked who it is.
    pub client: Option<ClientCertificate>,
    /// Asked before the registry itself, in this order, when something is read.
    pub mirrors: Vec<Mirror>,
}

/// Mutual TLS: PEM files of a certificate with those that lead to its authority, and of its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    /// `client-cert`
    pub certificate: PathBuf,
    /// `client-key`
    pub key: PathBuf,
}

/// Another registry that has what this one has: `host:port`, or a namespace in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mirror {
    registry: HostPort,
    namespace: Option<Repository>,
}

/// The section as it is written.
#[derive(Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[serde(expecting = "a section [registry.\"host:port\"]")]
struct Written {
    /// Whether to speak plain HTTP to it. Where nothing is said, loopback addresses without `ca`
    /// and `client-cert` are spoken to that way, and nobody else.
    plain_http: Option<bool>,
    /// A PEM file of certificates to trust beside the system's.
    ca: Option<PathBuf>,
    /// A PEM file of the certificate that is shown to the registry when it asks for one. Needs
    /// `client-key`.
    client_cert: Option<PathBuf>,
    /// A PEM file of the key of `client-cert`. Others must not be able to read it.
    client_key: Option<PathBuf>,
    /// Other registries that have what this one has, as `host:port` or `host:port/namespace`.
    /// Pulls and verifies ask them in this order, and then the registry itself; pushes never do.
    #[cfg_attr(test, schemars(with = "Vec<String>", length(max = 16)))]
    mirrors: Vec<Mirror>,
}

impl TryFrom<Written> for RegistryConfig {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let client = match (written.client_cert, written.client_key) {
            (Some(certificate), Some(key)) => Some(ClientCertificate { certificate, key }),
            (None, None) => None,
            (Some(_), None) => return Err("`client-cert` needs `client-key`".into()),
            (None, Some(_)) => return Err("`client-key` needs `client-cert`".into()),
        };
        if client.is_some() && written.plain_http == Some(true) {
            return Err("`client-cert` is for TLS, but `plain-http` is true".into());
        }
        if written.mirrors.len() > MIRRORS {
            return Err(format!("there are more than {MIRRORS} `mirrors`"));
        }
        Ok(Self {
            plain_http: written.plain_http,
            ca: written.ca,
            client,
            mirrors: written.mirrors,
        })
    }
}

impl From<RegistryConfig> for Written {
    fn from(config: RegistryConfig) -> Self {
        let (client_cert, client_key) = config
            .client
            .map(|client| (client.certificate, client.key))
            .unzip();
        Self {
            plain_http: config.plain_http,
            ca: config.ca,
            client_cert,
            client_key,
            mirrors: config.mirrors,
        }
    }
}

impl RegistryConfig {
    /// How the registry is spoken to: all but where else its content is.
    pub(super) fn without_mirrors(&self) -> Self {
        Self {
            mirrors: Vec::new(),
            ..self.clone()
        }
    }

    /// The files that it names, by their keys.
    pub fn files_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut PathBuf)> {
        let (certificate, key) = self
            .client
            .as_mut()
            .map(|client| (&mut client.certificate, &mut client.key))
            .unzip();
        [
            ("ca", self.ca.as_mut()),
            ("client-cert", certificate),
            ("client-key", key),
        ]
        .into_iter()
        .filter_map(|(name, path)| Some((name, path?)))
    }

    /// Whether it names files, whose content may change without it.
    pub(super) fn names_files(&self) -> bool {
        self.ca.is_some() || self.client.is_some()
    }
}

impl Mirror {
    /// Its one name, under that config.
    pub fn registry(&self, plain: &PlainHosts) -> Registry {
        plain.name(&self.registry)
    }

    /// Whether it is all of a registry, not a namespace in it.
    pub fn is_whole(&self) -> bool {
        self.namespace.is_none()
    }

    /// What a repository of the registry is called there; nothing, where that is too long.
    pub(crate) fn repository(&self, repository: &Repository) -> Option<Repository> {
        match &self.namespace {
            Some(namespace) => repository.within(namespace),
            None => Some(repository.clone()),
        }
    }
}

impl FromStr for Mirror {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (registry, namespace) = match text.split_once('/') {
            Some((registry, namespace)) => (registry, Some(namespace.parse())),
            None => (text, None),
        };
        if let (Ok(registry), Ok(namespace)) = (registry.parse(), namespace.transpose()) {
            return Ok(Self {
                registry,
                namespace,
            });
        }
        // An address may hold a password.
        let shown = without_secrets(text);
        Err(format!(
            "{shown:?} is not a mirror: write `host:port` or `host:port/namespace`"
        ))
    }
}

impl TryFrom<String> for Mirror {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Mirror> for String {
    fn from(mirror: Mirror) -> Self {
        mirror.to_string()
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.registry)?;
        match &self.namespace {
            Some(namespace) => write!(f, "/{namespace}"),
            None => Ok(()),
        }
    }
}

/// The hosts of which a config says `plain-http`.
pub fn plain_hosts<'a>(
    sections: impl IntoIterator<Item = (&'a str, &'a RegistryConfig)>,
) -> PlainHosts {
    let plain = sections
        .into_iter()
        .filter(|(_, section)| section.plain_http == Some(true));
    // What is not a registry is said elsewhere.
    PlainHosts::new(plain.filter_map(|(name, _)| name.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_registries_with_a_namespace_or_without() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let mirror = text.parse::<Mirror>();
            let seen = mirror.as_ref().ok();
            let repository =
                seen.and_then(|mirror| mirror.repository(&"acme/echo".parse().unwrap()));
            let registry = seen.map(|mirror| mirror.registry(&PlainHosts::default()));
            let seen = registry.as_ref().map(Registry::as_str);
            let seen = seen.zip(repository.as_ref().map(Repository::as_str));
            assert_eq!(seen, expected, "{text:?}");
            if let Ok(mirror) = mirror {
                assert_eq!(mirror.to_string(), text);
            }
        };
        check("m.example", Some(("m.example", "acme/echo")));
        check("m.example:5000", Some(("m.example:5000", "acme/echo")));
        check("[::1]:5000", Some(("[::1]:5000", "acme/echo")));
        check("m.example/hub/x", Some(("m.example", "hub/x/acme/echo")));
        check("m.example/", None);
        check("m.example/Hub", None);
        check("m.example/hub/", None);
        check("m.example/../x", None);
        check("https://m.example", None);
        check("ann:pw@m.example", None);
        check("m.example?x", None);
        check("", None);
        check(&"m".repeat(500), None);
    }
}
