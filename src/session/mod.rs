//! Registry logins, and the one way requests go out.
//!
//! A session knows one registry: its address, its TLS setup, how it wants to be logged in to, and
//! the tokens it gave. Everything that is sent to a registry goes through [`Session::send`] or
//! [`Session::attempt`]. A secret never leaves this module except in an `Authorization` header to
//! the registry itself or to the realm it names; no Debug, log line or error holds one.

mod client;
mod credential;
mod failure;
mod send;
mod token;

pub(crate) use client::shown;
pub(crate) use failure::{Failure, bounded, clean};
pub(crate) use send::{Activity, Retries};
pub(crate) use token::{Action, Scope};

use crate::error::{Error, Result};
use client::{Clients, is_loopback};
use credential::DockerConfig;
use lru::LruCache;
use reqwest::Url;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use token::{Challenge, Tokens};
use vouch_protocol::ErrorKind;

/// The config's sections `[registry."host:port"]`.
pub type Config = BTreeMap<String, RegistryConfig>;

/// What the owner says about one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RegistryConfig {
    /// Whether to speak plain HTTP to it. Where nothing is said, loopback addresses without a `ca`
    /// are spoken to that way, and nobody else.
    pub plain_http: Option<bool>,
    /// A PEM file of certificates to trust beside the system's.
    pub ca: Option<PathBuf>,
}

/// How long to wait for registries, and how often to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the next byte, in either direction.
    pub idle: Duration,
    /// For the head of a response once the request was sent, and for a small body as a whole.
    pub answer: Duration,
    /// Before the second attempt; twice as long before each further one, less some jitter.
    pub backoff: Duration,
    /// The longest `Retry-After` that is waited for, and the most that all waits of one request
    /// may add up to.
    pub retry_after: Duration,
    /// Attempts in all, while nothing gets any further.
    pub attempts: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            answer: Duration::from_secs(60),
            backoff: Duration::from_millis(250),
            retry_after: Duration::from_secs(60),
            attempts: 5,
        }
    }
}

/// So many registries are remembered; the one that was not asked for the longest time goes first.
const SESSIONS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// All sessions of the service.
#[derive(Debug)]
pub struct Sessions {
    config: Arc<Config>,
    timeouts: Timeouts,
    docker: DockerConfig,
    by_name: Mutex<LruCache<String, Arc<Session>>>,
    /// One set of pooled connections for each file of extra certificates.
    clients: Mutex<HashMap<Option<PathBuf>, Arc<Clients>>>,
}

impl Sessions {
    /// Starts without any session; they begin when a registry is first asked. Credentials come
    /// from docker's config file.
    pub fn new(config: Config) -> Result<Self> {
        let mut canonical = Config::new();
        for (registry, section) in config {
            base_url(&registry, false).map_err(|_| {
                Error::new(
                    ErrorKind::InvalidParams,
                    format!("the config's section [registry.{registry:?}] names no registry"),
                )
                .help("Write a host and, where it has one, a port: [registry.\"localhost:5000\"].")
            })?;
            canonical.insert(canonical_name(&registry), section);
        }
        Ok(Self {
            config: Arc::new(canonical),
            timeouts: Timeouts::default(),
            docker: DockerConfig::from_environment(),
            by_name: Mutex::new(LruCache::new(SESSIONS)),
            clients: Mutex::default(),
        })
    }

    /// The same, with other timeouts.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// The same, with another file in place of docker's `config.json`.
    #[must_use]
    pub fn docker_config(mut self, path: PathBuf) -> Self {
        self.docker = DockerConfig::at(path);
        self
    }

    /// The session of a registry, begun if need be. Nothing is sent yet.
    pub(crate) fn session(&self, registry: &str) -> Result<Arc<Session>> {
        let name = canonical_name(registry);
        let mut sessions = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = sessions.get(&name) {
            return Ok(Arc::clone(session));
        }
        let section = self.config.get(&name).cloned().unwrap_or_default();
        let loopback = is_loopback(&base_url(registry, true)?);
        let plain = section
            .plain_http
            .unwrap_or(loopback && section.ca.is_none())
            && name != DOCKER_HUB;
        let session = Arc::new(Session {
            base: base_url(
                if name == DOCKER_HUB {
                    DOCKER_API
                } else {
                    &name
                },
                plain,
            )?,
            clients: self.clients(section.ca),
            timeouts: self.timeouts.clone(),
            docker: self.docker.clone(),
            challenge: Mutex::default(),
            tokens: Tokens::default(),
            registry: name.clone(),
        });
        sessions.put(name, Arc::clone(&session));
        Ok(session)
    }

    fn clients(&self, ca: Option<PathBuf>) -> Arc<Clients> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let timeout = self.timeouts.connect;
        Arc::clone(
            clients
                .entry(ca.clone())
                .or_insert_with(|| Arc::new(Clients::new(ca, timeout))),
        )
    }
}

/// What one registry is known by.
pub(crate) struct Session {
    registry: String,
    base: Url,
    clients: Arc<Clients>,
    timeouts: Timeouts,
    docker: DockerConfig,
    /// How it asked to be logged in to, the last time it did.
    challenge: Mutex<Option<Challenge>>,
    tokens: Tokens,
}

impl Session {
    /// The registry's name, for messages.
    pub(crate) fn registry(&self) -> &str {
        &self.registry
    }

    /// How long to wait for it.
    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// An error about this registry.
    pub(crate) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        Error::new(kind, message).registry(&self.registry)
    }

    /// Fails where a request may not go: from a registry that is spoken to over TLS nothing leads
    /// to plain HTTP, nor from one that is not on this machine to plain HTTP on this machine.
    pub(crate) fn permit(&self, url: &Url) -> Result<()> {
        let permitted = match url.scheme() {
            "https" => true,
            "http" if self.base.scheme() == "http" => {
                is_loopback(&self.base) == is_loopback(url) || self.base.host() == url.host()
            }
            _ => false,
        };
        if permitted && url.host_str().is_some_and(|host| !host.is_empty()) {
            return Ok(());
        }
        Err(self
            .error(
                ErrorKind::InsecureRegistry,
                format!(
                    "{} sends requests on to {}, which is not as well protected as {}",
                    self.registry,
                    shown(url),
                    self.base.origin().ascii_serialization(),
                ),
            )
            .help("Nothing was sent there. Have the registry name an https address."))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}

const DOCKER_HUB: &str = "docker.io";
/// Where Docker Hub's API answers; `docker.io` itself is a web site.
const DOCKER_API: &str = "registry-1.docker.io";

/// One name for each registry: Docker Hub has several.
fn canonical_name(registry: &str) -> String {
    let name = registry.to_ascii_lowercase();
    match name.as_str() {
        "index.docker.io" | DOCKER_API => DOCKER_HUB.to_owned(),
        _ => name,
    }
}

/// The root of a registry's addresses.
fn base_url(registry: &str, plain: bool) -> Result<Url> {
    let scheme = if plain { "http" } else { "https" };
    Url::parse(&format!("{scheme}://{registry}/"))
        .ok()
        .filter(|url| {
            url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        })
        .ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidReference,
                format!("{registry:?} is no registry's address"),
            )
        })
}

#[cfg(test)]
#[path = "../../tests/support/faulty.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic, unused_qualifications)]
pub(crate) mod faulty;
#[cfg(test)]
mod tests;
