//! All sessions of the service: which login a request begins with.

use super::{
    Config, Credential, Host, Place, RegistryConfig, Session, Timeouts,
    carried::Arrived,
    client::check_proxies,
    clock::Clock,
    is_loopback, lock,
    login::Logins,
    names::base_url,
    section::{Mirror, plain_hosts},
    sources::Sources,
};
use crate::{
    error::Result,
    name::{PlainHosts, Registry, Repository},
};
use lru::LruCache;
use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, Mutex},
};
use vouch_protocol::{CredentialFile, LoginSource};

/// So many registries are remembered, and so many sessions; the one that was not asked for the
/// longest time goes first.
pub(super) const SESSIONS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// What is known of registries, by their names and by how they are spoken to.
type Hosts = LruCache<(Registry, RegistryConfig), Arc<Host>>;

/// All sessions of the service, under one config. What they know outlives it: see
/// [`Self::under`]. A clone is of the same sessions.
#[derive(Clone)]
pub struct Sessions {
    config: Arc<Config>,
    plain: Arc<PlainHosts>,
    pub(super) timeouts: Timeouts,
    pub(super) clock: Clock,
    sources: Arc<Sources>,
    hosts: Arc<Mutex<Hosts>>,
    pub(super) logins: Arc<Logins>,
    pub(super) others: Arc<Others>,
    /// What came from the process before this one.
    pub(super) arrived: Arc<Mutex<Arrived>>,
}

/// Sessions whose logins come from files, and those without.
pub(super) struct Others(pub(super) Mutex<LruCache<Key, Arc<Session>>>);

impl Default for Others {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(SESSIONS)))
    }
}

/// What makes two sessions the same: registry and how it is spoken to, where its login is filed,
/// and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) registry: Registry,
    section: RegistryConfig,
    pub(super) filed: Option<(LoginSource, PathBuf, String)>,
    pub(super) user: Option<String>,
}

impl Sessions {
    /// Starts without any session; they begin when a registry is first asked. Logins come from
    /// the files that the environment names.
    pub fn new(config: Config) -> Result<Self> {
        check_proxies()?;
        let clock = Clock::default();
        Ok(Self {
            plain: Arc::new(plain(&config)),
            config: Arc::new(config),
            timeouts: Timeouts::default(),
            sources: Arc::new(Sources::from_environment(&clock)),
            clock,
            hosts: Arc::new(Mutex::new(LruCache::new(SESSIONS))),
            logins: Arc::default(),
            others: Arc::default(),
            arrived: Arc::default(),
        })
    }

    /// The same sessions under another config. Where it says the same of a registry, its sessions
    /// go on with their tokens; where it does not, logins of `session/login` move over and get
    /// tokens anew. What has begun under the config before goes on under that one. Files that
    /// sections name are read again.
    pub fn under(&self, config: Config) -> Result<Self> {
        let new = Self {
            plain: Arc::new(plain(&config)),
            config: Arc::new(config),
            timeouts: self.timeouts.clone(),
            clock: self.clock.clone(),
            sources: Arc::clone(&self.sources),
            hosts: Arc::clone(&self.hosts),
            logins: Arc::clone(&self.logins),
            others: Arc::clone(&self.others),
            arrived: Arc::clone(&self.arrived),
        };
        for registry in new.logins.registries() {
            let moved = new.logins.of(&new.host(&registry)?, &new);
            moved.inspect(|session| session.clients.read_files_again());
        }
        let mut others = lock(&new.others.0);
        let stale: Vec<_> = others
            .iter()
            .filter(|(key, _)| key.section != new.section(&key.registry).way())
            .map(|(key, _)| key.clone())
            .collect();
        let popped = stale.iter().filter_map(|key| others.pop(key));
        // A refresh token that replaced a file's is known nowhere else.
        let rotated: Vec<_> = popped
            .filter(|session| session.has_rotated())
            .filter_map(|session| session.carry())
            .collect();
        for (_, session) in others.iter() {
            session.clients.read_files_again();
        }
        drop(others);
        new.arrive(rotated);
        Ok(new)
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
        self.sources = Arc::new(Sources::of(files, &self.clock));
        self
    }

    /// The files in which logins are looked for, in their order.
    pub fn files(&self) -> Vec<CredentialFile> {
        self.sources.shown()
    }

    /// The session for a repository, begun if need be. Nothing is sent yet.
    pub(crate) async fn session(
        &self,
        registry: &Registry,
        repository: &Repository,
    ) -> Result<Arc<Session>> {
        let host = self.host(registry)?;
        if let Some(session) = self.logins.of(&host, self) {
            return Ok(session);
        }
        let found = self.sources.find(&host.registry, repository).await?;
        let credential = found.as_ref().map(|(_, credential)| credential);
        let key = Key {
            registry: host.registry.clone(),
            section: host.section.clone(),
            filed: found.as_ref().map(|(origin, _)| origin.identity()),
            user: credential.and_then(Credential::user).map(ToOwned::to_owned),
        };
        let others = {
            let mut sessions = lock(&self.others.0);
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
    pub(super) fn host(&self, registry: &Registry) -> Result<Arc<Host>> {
        let section = self.section(registry).way();
        let key = (registry.clone(), section.clone());
        let mut hosts = lock(&self.hosts);
        if let Some(host) = hosts.get(&key) {
            return Ok(Arc::clone(host));
        }
        let loopback = is_loopback(&base_url(registry, true)?);
        let plain = section
            .plain_http
            .unwrap_or(loopback && !section.names_files())
            && !registry.is_docker_hub();
        let base = base_url(registry, plain)?;
        let host = Arc::new(Host::new(registry.clone(), base, plain, section));
        hosts.put(key, Arc::clone(&host));
        Ok(host)
    }

    /// What the config says of a registry.
    fn section(&self, registry: &Registry) -> RegistryConfig {
        self.config.get(registry).cloned().unwrap_or_default()
    }

    /// What names mean under the config.
    pub(crate) fn plain_hosts(&self) -> &PlainHosts {
        &self.plain
    }

    /// Where else the content of a repository is, in the order in which it is asked for; without
    /// those that did not answer a moment ago.
    pub(crate) fn mirrors(
        &self,
        registry: &Registry,
        repository: &Repository,
    ) -> Vec<(Registry, Repository)> {
        let now = self.clock.now();
        let at = |mirror: Mirror| {
            let registry = mirror.registry(&self.plain);
            if self.host(&registry).is_ok_and(|host| host.is_resting(now)) {
                tracing::debug!(%mirror, "a mirror rests, as it did not answer a moment ago");
                return None;
            }
            Some((registry, mirror.repository(repository)?))
        };
        let mirrors = self.section(registry).mirrors.into_iter();
        mirrors.filter_map(at).collect()
    }

    /// A mirror did not answer: for a moment, others need not wait for it too.
    pub(crate) fn rest(&self, mirror: &Registry) {
        // One without an address was never asked.
        if let Ok(host) = self.host(mirror) {
            host.rest(self.clock.now());
        }
    }
}

fn plain(config: &Config) -> PlainHosts {
    plain_hosts(
        config
            .iter()
            .map(|(name, section)| (name.as_str(), section)),
    )
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions")
            .field("files", &self.files())
            .field("logins", &self.logins)
            .field("others", &lock(&self.others.0).iter().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
