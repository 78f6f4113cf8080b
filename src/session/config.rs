//! The config's sections `[registry."host:port"]`: what the owner says about one registry.

use crate::name::{HostPort, PlainHosts, Registry, Repository, without_secrets};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// The config's sections `[registry."host:port"]`.
pub type Config = BTreeMap<Registry, RegistryConfig>;

/// The most mirrors of a registry: each that fails costs a pull its time.
const MIRRORS: usize = 16;

/// What the owner says about one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[serde(expecting = "a section [registry.\"host:port\"]")]
pub struct RegistryConfig {
    /// Whether to speak plain HTTP to it. Where nothing is said, loopback addresses without `ca`
    /// and `client-cert` are spoken to that way, and nobody else.
    pub plain_http: Option<bool>,
    /// A PEM file of certificates to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// A PEM file of the certificate that is shown to the registry when it asks for one. Needs
    /// `client-key`.
    pub client_cert: Option<PathBuf>,
    /// A PEM file of the key of `client-cert`. Others must not be able to read it.
    pub client_key: Option<PathBuf>,
    /// Other registries that have what this one has, as `host:port` or `host:port/namespace`.
    /// Pulls and verifies ask them in this order, and then the registry itself; pushes never do.
    #[cfg_attr(test, schemars(with = "Vec<String>", length(max = 16)))]
    pub mirrors: Vec<Mirror>,
}

/// Another registry that has what this one has: `host:port`, or a namespace in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mirror {
    registry: HostPort,
    namespace: Option<Repository>,
}

impl RegistryConfig {
    /// What cannot be meant, in words.
    pub fn contradiction(&self) -> Option<String> {
        match (&self.client_cert, &self.client_key) {
            (Some(_), None) => Some("`client-cert` needs `client-key`".into()),
            (None, Some(_)) => Some("`client-key` needs `client-cert`".into()),
            (Some(_), _) if self.plain_http == Some(true) => {
                Some("`client-cert` is for TLS, but `plain-http` is true".into())
            }
            _ if self.mirrors.len() > MIRRORS => {
                Some(format!("there are more than {MIRRORS} `mirrors`"))
            }
            _ => None,
        }
    }

    /// How the registry is spoken to: all but where else its content is.
    pub(super) fn without_mirrors(&self) -> Self {
        Self {
            mirrors: Vec::new(),
            ..self.clone()
        }
    }

    /// Mutual TLS: the certificate with those that lead to its authority, and its key.
    pub(super) fn client(&self) -> Option<(&Path, &Path)> {
        self.client_cert.as_deref().zip(self.client_key.as_deref())
    }

    /// The files that it names, by their keys.
    pub fn files_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut PathBuf)> {
        let files = [
            ("ca", &mut self.ca),
            ("client-cert", &mut self.client_cert),
            ("client-key", &mut self.client_key),
        ];
        let named = files.into_iter();
        named.filter_map(|(name, path)| Some((name, path.as_mut()?)))
    }

    /// Whether it names files, whose content may change without it.
    pub(super) fn names_files(&self) -> bool {
        self.ca.is_some() || self.client_cert.is_some()
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
pub fn plain_hosts<N: fmt::Display>(sections: &BTreeMap<N, RegistryConfig>) -> PlainHosts {
    let plain = sections
        .iter()
        .filter(|(_, section)| section.plain_http == Some(true));
    // What is not a registry is said elsewhere.
    PlainHosts::new(plain.filter_map(|(name, _)| name.to_string().parse().ok()))
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
