//! All logins that there are, each with the sessions that it has, and what came from elsewhere for
//! those to come.

use super::{
    super::{
        config::RegistryConfig,
        credentials::{Filed, Login, LoginPlace},
    },
    carried::Carried,
    session::Session,
};
use crate::{
    error::{Result, error},
    name::Registry,
};
use lru::LruCache;
use std::{
    num::NonZeroUsize,
    sync::{Arc, Weak},
};

/// The most logins that are kept, of `session/login` and of all others each. Of the others, the one
/// that was not asked for the longest time goes first.
pub(crate) const SESSIONS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// What makes two logins the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum LoginKey {
    /// Kept in memory alone: there is one of each registry.
    Memory(Registry),
    /// Kept in a file, or nowhere.
    Elsewhere {
        registry: Registry,
        filed: Option<Filed>,
        user: Option<String>,
    },
}

impl LoginKey {
    fn of(login: &Login) -> Self {
        let registry = login.registry.clone();
        match login.place {
            LoginPlace::Memory => Self::Memory(registry),
            LoginPlace::File(_) | LoginPlace::Nowhere => Self::Elsewhere {
                registry,
                filed: login.origin().map(|origin| origin.filed.clone()),
                user: login.user.clone(),
            },
        }
    }

    fn is_memory(&self) -> bool {
        matches!(self, Self::Memory(_))
    }
}

/// A login, and its sessions: one for each way in which configs say to speak to the registry.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) login: Arc<Login>,
    pub(super) sessions: Vec<Arc<Session>>,
}

impl From<Arc<Login>> for Entry {
    fn from(login: Arc<Login>) -> Self {
        let sessions = Vec::new();
        Self { login, sessions }
    }
}

impl Entry {
    /// The session that speaks to the registry so.
    pub(super) fn session(&self, section: &RegistryConfig) -> Option<&Arc<Session>> {
        let mut sessions = self.sessions.iter();
        sessions.find(|session| session.section() == section)
    }

    /// Looks whether the login's source still has it.
    pub(super) async fn confirm(&self) -> Result<()> {
        let confirmed = self.login.confirm().await;
        self.tidy();
        confirmed
    }

    /// Ends the login, and what is under way with it. Its secrets are overwritten.
    pub(super) fn end(&self, why: &str) {
        self.login.end(why);
        self.tidy();
    }

    /// Forgets access tokens that the login does not stand for any more.
    fn tidy(&self) {
        for session in &self.sessions {
            session.tokens.tidy();
        }
    }
}

/// All logins of the service.
#[derive(Debug)]
pub(crate) struct Store {
    /// Unbounded, as it is this module that decides what goes.
    entries: LruCache<LoginKey, Entry>,
    /// Those of `session/login` that were replaced: work that began with them goes on, until the
    /// logout.
    replaced: Vec<Weak<Login>>,
    /// What came for logins that have not been found here yet.
    waiting: Vec<Carried>,
    /// Registries that were logged in to or out of here: what comes from elsewhere is older.
    decided: LruCache<Registry, ()>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            entries: LruCache::unbounded(),
            replaced: Vec::new(),
            waiting: Vec::new(),
            decided: LruCache::new(SESSIONS),
        }
    }
}

impl Store {
    pub(super) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|(_, entry)| entry)
    }

    /// The logins that live in memory alone: those of `session/login`, and those whose refresh
    /// token a registry has replaced since their file was written.
    pub(super) fn in_memory(&self) -> impl Iterator<Item = &Arc<Login>> {
        let alone =
            |(key, entry): &(&LoginKey, &Entry)| key.is_memory() || entry.login.has_rotated();
        self.entries
            .iter()
            .filter(alone)
            .map(|(_, entry)| &entry.login)
    }

    /// Whether there is a login to a registry, or comes one.
    pub(super) fn has_login(&self, registry: &Registry) -> bool {
        let is =
            |login: &Login| login.registry == *registry && login.is_some() && !login.has_ended();
        self.all().any(|entry| is(&entry.login))
            || self
                .waiting
                .iter()
                .any(|carried| carried.registry == registry.as_str())
    }

    pub(super) fn waiting(&self) -> &[Carried] {
        &self.waiting
    }

    /// The login of `session/login` for a registry.
    pub(super) fn login(&mut self, registry: &Registry) -> Option<&mut Entry> {
        self.entries.get_mut(&LoginKey::Memory(registry.clone()))
    }

    /// How many logins are kept in memory, or elsewhere.
    fn count(&self, memory: bool) -> usize {
        let keys = self.entries.iter().map(|(key, _)| key);
        keys.filter(|key| key.is_memory() == memory).count()
    }

    /// Keeps a login of `session/login` in place of the one before.
    pub(super) fn keep_login(&mut self, entry: Entry) -> Result<()> {
        let key = LoginKey::of(&entry.login);
        if self.count(true) >= SESSIONS.get() && !self.entries.contains(&key) {
            return Err(error!(InvalidParams: "{SESSIONS} logins are already kept")
                .help("Log out of a registry that is not needed."));
        }
        if let Some(before) = self.entries.put(key, entry) {
            self.replaced.retain(|login| login.strong_count() > 0);
            self.replaced.push(Arc::downgrade(&before.login));
        }
        Ok(())
    }

    /// Ends the login of `session/login` for a registry, with those that it replaced, and answers
    /// it.
    pub(super) fn end_login(&mut self, registry: &Registry, why: &str) -> Option<Arc<Login>> {
        let entry = self.entries.pop(&LoginKey::Memory(registry.clone()))?;
        entry.end(why);
        for login in self.replaced.iter().filter_map(Weak::upgrade) {
            if login.registry == *registry {
                login.end(why);
            }
        }
        Some(entry.login)
    }

    /// What is kept of a login that was found in a file or nowhere, unless that has ended.
    pub(super) fn same(&mut self, found: &Login) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(&LoginKey::of(found))?;
        (!entry.login.has_ended()).then_some(entry)
    }

    /// Keeps a login that was found, with what came for it; answers the others of its registry.
    pub(super) fn keep_found(&mut self, entry: Entry) -> Vec<Entry> {
        let (key, login) = (LoginKey::of(&entry.login), &entry.login);
        for carried in self.waiting.extract_if(.., |carried| carried.is_for(login)) {
            carried.update(login);
        }
        if self.count(false) >= SESSIONS.get() && !self.entries.contains(&key) {
            // A refresh token that replaced a file's is known nowhere else: it goes last.
            let mut oldest_first = self.entries.iter().rev();
            let victim =
                oldest_first.find(|(key, entry)| !key.is_memory() && !entry.login.has_rotated());
            if let Some(victim) = victim.map(|(key, _)| key.clone()) {
                self.entries.pop(&victim);
            }
        }
        let others = self.entries.iter();
        let others = others
            .filter(|(other, entry)| **other != key && entry.login.registry == login.registry)
            .map(|(_, other)| other.clone())
            .collect();
        self.entries.put(key, entry);
        others
    }

    /// Forgets the sessions that speak to their registries otherwise than is said now.
    pub(super) fn drop_stale(&mut self, section: impl Fn(&Registry) -> RegistryConfig) {
        for (_, entry) in &mut self.entries {
            let section = section(&entry.login.registry);
            entry
                .sessions
                .retain(|session| *session.section() == section);
        }
    }

    /// Takes what came for a login in a file: for the one that is here, or for when it is found.
    pub(super) fn arrive(&mut self, carried: Carried) {
        if let Some(entry) = self.all().find(|entry| carried.is_for(&entry.login)) {
            carried.update(&entry.login);
            return;
        }
        let place = |one: &Carried| (one.registry.clone(), one.filed.clone(), one.user.clone());
        self.waiting
            .retain(|before| place(before) != place(&carried));
        self.waiting.push(carried);
    }

    /// A login or logout here: see [`Self::is_decided`].
    pub(super) fn decide(&mut self, registry: &Registry) {
        self.decided.put(registry.clone(), ());
    }

    /// Whether a registry was logged in to or out of here.
    pub(super) fn is_decided(&self, registry: &Registry) -> bool {
        self.decided.contains(registry)
    }
}

// Secrets are overwritten when the service ends, even if a task still holds its session.
impl Drop for Store {
    fn drop(&mut self) {
        for entry in self.all() {
            entry.end("the service is stopping");
        }
    }
}
