//! Which login a request begins with, and what becomes of all of them.

use super::{
    super::{
        clock::Clock,
        config::{Config, Mirror, RegistryConfig, plain_hosts},
        credentials::{Credential, Login, LoginPlace, Sources},
        http::{Host, Proxies, Timeouts},
    },
    carried::Carried,
    session::Session,
    store::{Entry, SESSIONS, Store},
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
    /// go on with their access tokens; where it does not, their logins get access tokens anew. What
    /// has begun under the config before goes on under that one. Files that sections name are read
    /// again.
    #[must_use]
    pub fn under(&self, config: Config) -> Self {
        let new = Self {
            plain: Arc::new(plain_hosts(&config)),
            config: Arc::new(config),
            ..self.clone()
        };
        let mut store = new.store.lock();
        store.drop_stale(|registry| new.section(registry));
        for session in store.all().flat_map(|entry| &entry.sessions) {
            session.clients.read_files_again();
        }
        drop(store);
        new
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
        if let Some(entry) = self.store.lock().login(registry) {
            return self.session_of(entry);
        }
        let found = self.sources.find(registry, repository, &self.plain).await?;
        let (place, credential) = match found {
            Some((origin, credential)) => (LoginPlace::File(origin), Some(credential)),
            None => (LoginPlace::Nowhere, None),
        };
        let login = Login::new(registry, place, credential.clone());
        let (session, others) = {
            let mut store = self.store.lock();
            if let Some(entry) = store.same(&login) {
                if let Some(credential) = credential {
                    entry.login.adopt(credential);
                }
                return self.session_of(entry);
            }
            let mut entry = Entry::from(login);
            let session = self.session_of(&mut entry)?;
            (session, store.keep_found(entry))
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
        let login = Login::new(registry, LoginPlace::Memory, Some(credential));
        let mut entry = Entry::from(Arc::clone(&login));
        let (session, user) = (self.session_of(&mut entry)?, &login.user);
        if let Err(error) = session.check().await {
            tracing::info!(%registry, user, %error, "a login was not accepted");
            entry.end("it was refused");
            return Err(error);
        }
        let status = self.status(&entry);
        let mut store = self.store.lock();
        store.keep_login(entry)?;
        store.decide(registry);
        drop(store);
        tracing::info!(%registry, user, "logged in");
        Ok(status)
    }

    /// Forgets a login, its access tokens, and ends what is under way with it. Answers whether there
    /// was one.
    pub(crate) fn logout(&self, registry: &Registry) -> bool {
        let mut store = self.store.lock();
        let Some(login) = store.end_login(registry, "`session/logout` was asked for") else {
            return false;
        };
        store.decide(registry);
        drop(store);
        tracing::info!(%registry, user = login.user, "logged out");
        true
    }

    /// The sessions there are.
    pub(crate) async fn list(&self) -> Vec<SessionStatus> {
        // A `docker logout` since the last use counts here too; all are asked side by side, as a
        // helper may take its time.
        let entries = self.all();
        let statuses = entries.iter().map(|entry| async {
            match entry.confirm().await {
                Err(_) if entry.login.has_ended() => None,
                _ => Some(self.status(entry)),
            }
        });
        sorted(join_all(statuses).await.into_iter().flatten())
    }

    /// The same as they were when they were last looked at: no file is read and no helper asked.
    pub(crate) fn known(&self) -> Vec<SessionStatus> {
        let entries = self.all().into_iter();
        let alive = entries.filter(|entry| !entry.login.has_ended());
        sorted(alive.map(|entry| self.status(&entry)))
    }

    /// Whether the user has a login to a registry: one that is in use, came from the process before
    /// this one, or stands in a file. No helper is asked, and nothing is sent.
    pub(crate) async fn has_login(&self, registry: &Registry, repository: &Repository) -> bool {
        if self.store.lock().has_login(registry) {
            return true;
        }
        let found = self.sources.name(registry, repository, &self.plain);
        found.await
    }

    /// The registries whose logins would be lost with this process, and how long ago each was
    /// used.
    pub(crate) fn in_memory(&self) -> Vec<(String, Duration)> {
        let now = self.clock.now();
        // The hours in which the machine slept count.
        let unused = |used| now.saturating_sub(Duration::from_secs(used));
        let store = self.store.lock();
        let living = store.in_memory();
        let living = living.map(|login| (login.registry.as_str(), login.last_used()));
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
        let living = store.in_memory().filter_map(|login| Carried::of(login));
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
        if let Some(entry) = store
            .login(&registry)
            .filter(|entry| carried.is(&entry.login))
        {
            carried.update(&entry.login);
            return Ok(());
        }
        let login = Login::new(&registry, LoginPlace::Memory, carried.credential());
        carried.update(&login);
        login.judged(carried.state);
        store.keep_login(Entry::from(login))
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

    /// The session of a login, spoken to as the config says.
    fn session_of(&self, entry: &mut Entry) -> Result<Arc<Session>> {
        let section = self.section(&entry.login.registry);
        if let Some(session) = entry.session(&section) {
            return Ok(Arc::clone(session));
        }
        let session = self.begin(&entry.login)?;
        entry.sessions.push(Arc::clone(&session));
        Ok(session)
    }

    pub(crate) fn begin(&self, login: &Arc<Login>) -> Result<Arc<Session>> {
        let section = self.section(&login.registry);
        let (timeouts, proxies) = (&self.timeouts, &self.proxies);
        let host = Host::new(&login.registry, section, timeouts, proxies, &login.redactor)?;
        Ok(Session::new(host, login, &self.clock))
    }

    /// What may be told of a login, and of its session under this config.
    fn status(&self, entry: &Entry) -> SessionStatus {
        let login = &entry.login;
        let session = entry.session(&self.section(&login.registry));
        let tokens = session.map(|session| session.tokens.scopes());
        let (scopes, expires) = tokens.unwrap_or_default();
        let origin = login.origin();
        let (now, used) = (self.clock.now().as_secs(), login.last_used());
        SessionStatus {
            registry: login.registry.to_string(),
            user: login.user.clone(),
            source: login.source(),
            path: origin.map(|origin| origin.filed.path.clone()),
            helper: origin.and_then(|origin| origin.helper.clone()),
            state: login.state(),
            scopes,
            expires_in_seconds: expires.map(|left| left.as_secs()),
            last_used_seconds: (used > 0).then(|| now.saturating_sub(used)),
        }
    }

    /// What the config says of how a registry is spoken to.
    fn section(&self, registry: &Registry) -> RegistryConfig {
        let section = self.config.get(registry);
        section
            .map(RegistryConfig::without_mirrors)
            .unwrap_or_default()
    }

    fn all(&self) -> Vec<Entry> {
        self.store.lock().all().cloned().collect()
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
