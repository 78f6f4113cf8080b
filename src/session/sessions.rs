//! All sessions of the service: which login a request begins with.

use super::{
    Config, Credential, Host, Place, RegistryConfig, Session, Timeouts,
    carried::Arrived,
    client::check_proxies,
    clock::Clock,
    is_loopback, lock,
    login::Logins,
    names::{DOCKER_API, DOCKER_HUB, base_url, canonical_name},
    sources::Sources,
};
use crate::error::{Error, Result};
use lru::LruCache;
use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, Mutex},
};
use vouch_protocol::{CredentialFile, ErrorKind, LoginSource};

/// So many registries are remembered, and so many sessions; the one that was not asked for the
/// longest time goes first.
pub(super) const SESSIONS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// All sessions of the service.
pub struct Sessions {
    config: Config,
    pub(super) timeouts: Timeouts,
    pub(super) clock: Clock,
    sources: Sources,
    hosts: Mutex<LruCache<String, Arc<Host>>>,
    pub(super) logins: Logins,
    /// Those whose logins come from files, and those without.
    pub(super) others: Mutex<LruCache<Key, Arc<Session>>>,
    /// What came from the process before this one.
    pub(super) arrived: Mutex<Arrived>,
}

/// What makes two sessions the same: registry, where its login is filed, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) registry: String,
    pub(super) filed: Option<(LoginSource, PathBuf, String)>,
    pub(super) user: Option<String>,
}

impl Sessions {
    /// Starts without any session; they begin when a registry is first asked. Logins come from
    /// the files that the environment names.
    pub fn new(config: Config) -> Result<Self> {
        check_proxies()?;
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
        let clock = Clock::default();
        Ok(Self {
            config: canonical,
            timeouts: Timeouts::default(),
            sources: Sources::from_environment(&clock),
            clock,
            hosts: Mutex::new(LruCache::new(SESSIONS)),
            logins: Logins::default(),
            others: Mutex::new(LruCache::new(SESSIONS)),
            arrived: Mutex::default(),
        })
    }

    /// The same, with other timeouts.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// The same, with another file in place of docker's `config.json`, and no others.
    #[must_use]
    pub fn docker_config(self, path: PathBuf) -> Self {
        self.credential_files([(LoginSource::Docker, path)])
    }

    /// The same, with other files of logins.
    #[must_use]
    pub fn credential_files(
        mut self,
        files: impl IntoIterator<Item = (LoginSource, PathBuf)>,
    ) -> Self {
        self.sources = Sources::of(files, &self.clock);
        self
    }

    /// The files in which logins are looked for, in their order.
    pub fn files(&self) -> Vec<CredentialFile> {
        self.sources.shown()
    }

    /// The session for a repository, begun if need be. Nothing is sent yet.
    pub(crate) async fn session(&self, registry: &str, repository: &str) -> Result<Arc<Session>> {
        let host = self.host(registry)?;
        if let Some(session) = self.logins.of(&host.registry) {
            return Ok(session);
        }
        let found = self.sources.find(&host.registry, repository).await?;
        let credential = found.as_ref().map(|(_, credential)| credential);
        let key = Key {
            registry: host.registry.clone(),
            filed: found.as_ref().map(|(origin, _)| origin.identity()),
            user: credential.and_then(Credential::user).map(ToOwned::to_owned),
        };
        let others = {
            let mut sessions = lock(&self.others);
            if let Some(session) = sessions.get(&key)
                && !session.end.is_cancelled()
            {
                let session = Arc::clone(session);
                drop(sessions);
                if let Some(credential) = credential {
                    session.adopt(credential.clone());
                }
                return Ok(session);
            }
            let (place, credential) = match found {
                Some((origin, credential)) => (Place::File(origin), Some(credential)),
                None => (Place::Nowhere, None),
            };
            let session = Session::new(host, place, credential, &self.timeouts, &self.clock);
            self.welcome(&key, &session);
            if sessions.len() >= SESSIONS.get() && !sessions.contains(&key) {
                // A refresh token that replaced a file's is known nowhere else: it goes last.
                let mut oldest_first = sessions.iter().rev();
                let victim = oldest_first.find(|(_, session)| !session.has_rotated());
                if let Some(victim) = victim.map(|(key, _)| key.clone()) {
                    sessions.pop(&victim);
                }
            }
            sessions.put(key.clone(), Arc::clone(&session));
            let others: Vec<_> = sessions
                .iter()
                .filter(|(other, _)| other.registry == key.registry && **other != key)
                .map(|(_, other)| Arc::clone(other))
                .collect();
            drop(sessions);
            (session, others)
        };
        let (session, others) = others;
        // What was logged out in a file keeps no token, whether or not it is used again.
        for other in others {
            let _ = other.confirm().await;
        }
        Ok(session)
    }

    /// What is known of a registry.
    pub(super) fn host(&self, registry: &str) -> Result<Arc<Host>> {
        let name = canonical_name(registry);
        let mut hosts = lock(&self.hosts);
        if let Some(host) = hosts.get(&name) {
            return Ok(Arc::clone(host));
        }
        let RegistryConfig { plain_http, ca } = self.config.get(&name).cloned().unwrap_or_default();
        let loopback = is_loopback(&base_url(registry, true)?);
        let hub = name == DOCKER_HUB;
        let plain = plain_http.unwrap_or(loopback && ca.is_none()) && !hub;
        let base = base_url(if hub { DOCKER_API } else { &name }, plain)?;
        let host = Arc::new(Host::new(name.clone(), base, plain, ca));
        hosts.put(name, Arc::clone(&host));
        Ok(host)
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions")
            .field("files", &self.files())
            .field("logins", &self.logins)
            .field("others", &lock(&self.others).iter().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
