//! Which login a request begins with, and what becomes of all of them.

use super::{
    super::{
        clock::Clock,
        config::{Config, Mirror, RegistryConfig, plain_hosts},
        credentials::{Credential, LoginPlace, Sources},
        http::{Host, Proxies, Timeouts},
    },
    carried::Carried,
    session::Session,
    store::{Kept, SESSIONS, SessionKey, Store},
};
use crate::{
    error::Result,
    name::{PlainHosts, Registry, Repository},
};
use futures_util::future::join_all;
use lru::LruCache;
use parking_lot::Mutex;
use std::{fmt, path::PathBuf, sync::Arc, time::Duration};
use vouch_protocol::{CredentialFile, LoginSource, SessionStatus};

/// How long a mirror that did not answer is left alone.
const REST: Duration = Duration::from_secs(30);

/// All sessions of the service, under one config. What they know outlives it: see
/// [`Self::under`]. A clone is of the same sessions.
#[derive(Clone)]
pub struct Sessions {
    config: Arc<Config>,
    plain: Arc<PlainHosts>,
    timeouts: Timeouts,
    pub(crate) clock: Clock,
    proxies: Arc<Proxies>,
    sources: Arc<Sources>,
    store: Arc<Mutex<Store>>,
    /// Mirrors that did not answer, and until when they are not asked.
    resting: Arc<Mutex<LruCache<Registry, Duration>>>,
}

impl Sessions {
    /// Starts without any session; they begin when a registry is first asked. Logins come from
    /// the files that the environment names.
    pub fn new(config: Config) -> Self {
        let clock = Clock::default();
        let proxies = Proxies::from_environment();
        if let Some(problem) = proxies.problem() {
            tracing::warn!("{problem}: requests that would need it fail");
        }
        Self {
            plain: Arc::new(plain_hosts(&config)),
            config: Arc::new(config),
            timeouts: Timeouts::default(),
            proxies: Arc::new(proxies),
            sources: Arc::new(Sources::from_environment(&clock)),
            clock,
            store: Arc::default(),
            resting: Arc::new(Mutex::new(LruCache::new(SESSIONS))),
        }
    }

    /// The same sessions under another config. Where it says the same of a registry, its sessions
    /// go on with their access tokens; where it does not, logins of `session/login` move over and
    /// get access tokens anew. What has begun under the config before goes on under that one. Files
    /// that sections name are read again.
    pub fn under(&self, config: Config) -> Result<Self> {
        let new = Self {
            plain: Arc::new(plain_hosts(&config)),
            config: Arc::new(config),
            ..self.clone()
        };
        let mut store = new.store.lock();
        let logins = store.all().filter(|(key, _)| key.kept == Kept::Memory);
        let registries: Vec<_> = logins.map(|(key, _)| key.registry.clone()).collect();
        for registry in registries {
            new.login_of(&mut store, &registry)?;
        }
        store.drop_stale(|key| match &key.kept {
            Kept::Memory => false,
            Kept::Elsewhere { section, .. } => *section != new.section(&key.registry),
        });
        for (_, session) in store.all() {
            session.clients.read_files_again();
        }
        drop(store);
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

    /// What is wrong with the proxies that the environment names.
    pub fn proxy_problem(&self) -> Option<String> {
        self.proxies.problem()
    }

    /// What names mean under the config.
    pub(crate) fn plain_hosts(&self) -> &PlainHosts {
        &self.plain
    }

    /// The session for a repository, begun if need be. Nothing is sent yet. This is where files of
    /// logins are looked at, once for all that a request sends.
    pub(crate) async fn session(
        &self,
        registry: &Registry,
        repository: &Repository,
    ) -> Result<Arc<Session>> {
        if let Some(session) = self.login_of(&mut self.store.lock(), registry)? {
            return Ok(session);
        }
        let found = self.sources.find(registry, repository, &self.plain).await?;
        let filed = found.as_ref().map(|(origin, _)| origin.filed.clone());
        let (place, credential) = match found {
            Some((origin, credential)) => (LoginPlace::File(origin), Some(credential)),
            None => (LoginPlace::Nowhere, None),
        };
        let user = credential.as_ref().and_then(Credential::user);
        let key = SessionKey {
            registry: registry.clone(),
            kept: Kept::Elsewhere {
                section: self.section(registry),
                filed,
                user: user.map(ToOwned::to_owned),
            },
        };
        let (session, others) = {
            let mut store = self.store.lock();
            if let Some(session) = store.get(&key) {
                if let Some(credential) = credential {
                    session.adopt(credential);
                }
                return Ok(session);
            }
            let session = self.begin(registry, place, credential)?;
            let others = store.begin(key, &session);
            (session, others)
        };
        // What was logged out in a file keeps no token, whether or not it is used again.
        for other in others {
            let _ = other.confirm().await;
        }
        Ok(session)
    }

    /// Checks a login with its registry, and keeps it if the registry accepts it. One that was kept
    /// before is replaced; it stays where the new one is refused.
    pub(crate) async fn login(
        &self,
        registry: &Registry,
        credential: Credential,
    ) -> Result<SessionStatus> {
        let session = self.begin(registry, LoginPlace::Memory, Some(credential))?;
        let user = session.login.user.clone();
        if let Err(error) = session.check().await {
            tracing::info!(%registry, user, %error, "a login was not accepted");
            session.end("it was refused");
            return Err(error);
        }
        let status = session.status();
        let mut store = self.store.lock();
        store.keep_login(session)?;
        store.decide(registry);
        drop(store);
        tracing::info!(%registry, user, "logged in");
        Ok(status)
    }

    /// Forgets a login, its access tokens, and ends what is under way with it. Answers whether there
    /// was one.
    pub(crate) fn logout(&self, registry: &Registry) -> bool {
        let mut store = self.store.lock();
        let Some(sessions) = store.take_login(registry) else {
            return false;
        };
        store.decide(registry);
        drop(store);
        let user = sessions
            .last()
            .and_then(|session| session.login.user.as_deref());
        tracing::info!(%registry, user, "logged out");
        for session in &sessions {
            session.end("`session/logout` was asked for");
        }
        true
    }

    /// The sessions there are.
    pub(crate) async fn list(&self) -> Vec<SessionStatus> {
        // A `docker logout` since the last use counts here too; all are asked side by side, as a
        // helper may take its time.
        let sessions = self.all();
        let statuses = sessions.iter().map(|session| async {
            match session.confirm().await {
                Err(_) if session.login.has_ended() => None,
                _ => Some(session.status()),
            }
        });
        sorted(join_all(statuses).await.into_iter().flatten())
    }

    /// The same as they were when they were last looked at: no file is read and no helper asked.
    pub(crate) fn known(&self) -> Vec<SessionStatus> {
        let sessions = self.all().into_iter();
        let alive = sessions.filter(|session| !session.login.has_ended());
        sorted(alive.map(|session| session.status()))
    }

    /// The registries whose logins would be lost with this process, and how long ago each was
    /// used.
    pub(crate) fn in_memory(&self) -> Vec<(String, Duration)> {
        let now = self.clock.now();
        // The hours in which the machine slept count.
        let unused = |used| now.saturating_sub(Duration::from_secs(used));
        let store = self.store.lock();
        let living = store.in_memory();
        let living = living.map(|session| (session.registry(), session.last_used()));
        let waiting = store.waiting().iter();
        let waiting = waiting.map(|carried| (carried.registry.as_str(), carried.used));
        living
            .chain(waiting)
            .map(|(registry, used)| (registry.to_owned(), unused(used)))
            .collect()
    }

    /// These logins, for the process that takes over.
    pub(crate) fn carry(&self) -> Vec<Carried> {
        let store = self.store.lock();
        let living = store.in_memory().filter_map(|session| session.carry());
        living.chain(store.waiting().iter().cloned()).collect()
    }

    /// Takes what the process before this one had, or has got since. What was logged in or out
    /// here in the meantime is newer.
    pub(crate) fn arrive(&self, logins: Vec<Carried>) {
        for carried in logins {
            if carried.filed.is_some() {
                self.store.lock().arrive(carried);
            } else if let Err(error) = self.arrive_login(&carried) {
                tracing::warn!(registry = carried.registry, %error, "a login was lost");
            }
        }
    }

    fn arrive_login(&self, carried: &Carried) -> Result<()> {
        let registry = self.plain.registry(&carried.registry)?;
        let mut store = self.store.lock();
        if store.is_decided(&registry) {
            return Ok(());
        }
        let here = self.login_of(&mut store, &registry)?;
        if let Some(session) = here.filter(|session| session.has(carried)) {
            session.update(carried);
            return Ok(());
        }
        let session = self.begin(&registry, LoginPlace::Memory, carried.credential())?;
        session.update(carried);
        session.login.judged(carried.state);
        store.keep_login(session)
    }

    /// Where else the content of a repository is, in the order in which it is asked for; without
    /// those that did not answer a moment ago.
    pub(crate) fn mirrors(
        &self,
        registry: &Registry,
        repository: &Repository,
    ) -> Vec<(Registry, Repository)> {
        let Some(section) = self.config.get(registry) else {
            return Vec::new();
        };
        let now = self.clock.now();
        let at = |mirror: &Mirror| {
            let registry = mirror.registry(&self.plain);
            if self
                .resting
                .lock()
                .get(&registry)
                .is_some_and(|until| now < *until)
            {
                tracing::debug!(%mirror, "a mirror rests, as it did not answer a moment ago");
                return None;
            }
            Some((registry, mirror.repository(repository)?))
        };
        section.mirrors.iter().filter_map(at).collect()
    }

    /// A mirror did not answer: for a moment, others need not wait for it too.
    pub(crate) fn rest(&self, mirror: &Registry) {
        let until = self.clock.now() + REST;
        self.resting.lock().put(mirror.clone(), until);
    }

    /// The session of a registry's login, spoken to as the config says. Where it says something
    /// else than when the login was made, it moves: the credential stays, access tokens do not.
    fn login_of(&self, store: &mut Store, registry: &Registry) -> Result<Option<Arc<Session>>> {
        let Some(session) = store.login(registry) else {
            return Ok(None);
        };
        let section = self.section(registry);
        if *session.section() == section {
            return Ok(Some(session));
        }
        // It has a login, or it would not be kept.
        let Some(login) = session.carry() else {
            return Ok(None);
        };
        // What began under the config before goes on as it began.
        let same = |session: &Session| {
            session.name() == registry && *session.section() == section && session.has(&login)
        };
        if let Some(session) = store.replaced(same) {
            return Ok(Some(session));
        }
        let moved = self.begin(registry, LoginPlace::Memory, login.credential())?;
        moved.update(&login);
        store.keep_login(Arc::clone(&moved))?;
        Ok(Some(moved))
    }

    pub(crate) fn begin(
        &self,
        registry: &Registry,
        place: LoginPlace,
        credential: Option<Credential>,
    ) -> Result<Arc<Session>> {
        let section = self.section(registry);
        let host = Host::new(registry, section, &self.timeouts, &self.proxies)?;
        Ok(Session::new(host, place, credential, &self.clock))
    }

    /// What the config says of how a registry is spoken to.
    fn section(&self, registry: &Registry) -> RegistryConfig {
        let section = self.config.get(registry);
        section
            .map(RegistryConfig::without_mirrors)
            .unwrap_or_default()
    }

    fn all(&self) -> Vec<Arc<Session>> {
        let store = self.store.lock();
        let all = store.all();
        all.map(|(_, session)| Arc::clone(session)).collect()
    }
}

fn sorted(list: impl Iterator<Item = SessionStatus>) -> Vec<SessionStatus> {
    let mut list: Vec<_> = list.collect();
    list.sort_by(|one, other| {
        (&one.registry, one.source, &one.user).cmp(&(&other.registry, other.source, &other.user))
    });
    list
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("files", &self.files())
            .field("sessions", &*self.store.lock())
            .finish_non_exhaustive()
    }
}
