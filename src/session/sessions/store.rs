//! All sessions that there are, in one place, and what came from elsewhere for those to come.

use super::{
    super::{config::RegistryConfig, credentials::Filed},
    carried::Carried,
    session::Session,
};
use crate::{
    error::{Result, error},
    name::Registry,
};
use lru::LruCache;
use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Weak},
};

/// The most sessions that are kept, of `session/login` and of all others each. Of the others, the
/// one that was not asked for the longest time goes first.
pub(crate) const SESSIONS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// What makes two sessions the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SessionKey {
    pub(crate) registry: Registry,
    pub(crate) kept: Kept,
}

/// Where the login of a session is kept, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Kept {
    /// In memory alone: there is one of each registry.
    Memory,
    /// In a file, or nowhere. How the registry is spoken to tells them apart too: what began under
    /// a config goes on under that one.
    Elsewhere {
        section: RegistryConfig,
        filed: Option<Filed>,
        user: Option<String>,
    },
}

/// All sessions of the service.
pub(crate) struct Store {
    /// Unbounded, as it is this module that decides what goes.
    sessions: LruCache<SessionKey, Arc<Session>>,
    /// Those of `session/login` that were replaced: work that began with them goes on, until the
    /// logout.
    replaced: Vec<Weak<Session>>,
    /// What came for sessions that have not begun here yet.
    waiting: Vec<Carried>,
    /// Registries that were logged in to or out of here: what comes from elsewhere is older.
    decided: LruCache<Registry, ()>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            sessions: LruCache::unbounded(),
            replaced: Vec::new(),
            waiting: Vec::new(),
            decided: LruCache::new(SESSIONS),
        }
    }
}

impl Store {
    pub(super) fn all(&self) -> impl Iterator<Item = (&SessionKey, &Arc<Session>)> {
        self.sessions.iter()
    }

    /// The sessions whose logins live in memory alone: those of `session/login`, and those whose
    /// refresh token a registry has replaced since their file was written.
    pub(super) fn in_memory(&self) -> impl Iterator<Item = &Arc<Session>> {
        let alone = |(key, session): &(&SessionKey, &Arc<Session>)| {
            key.kept == Kept::Memory || session.login.has_rotated()
        };
        self.all().filter(alone).map(|(_, session)| session)
    }

    pub(super) fn waiting(&self) -> &[Carried] {
        &self.waiting
    }

    /// The session of `session/login` for a registry.
    pub(super) fn login(&mut self, registry: &Registry) -> Option<Arc<Session>> {
        self.sessions.get(&SessionKey::login(registry)).cloned()
    }

    /// One that it replaced, and that satisfies a condition.
    pub(super) fn replaced(&self, fits: impl Fn(&Session) -> bool) -> Option<Arc<Session>> {
        let mut alive = self.replaced.iter().filter_map(Weak::upgrade);
        alive.find(|session| fits(session))
    }

    /// Keeps a login of `session/login` in place of the one before.
    pub(super) fn keep_login(&mut self, session: Arc<Session>) -> Result<()> {
        let key = SessionKey::login(session.name());
        let logins = self.all().filter(|(key, _)| key.kept == Kept::Memory);
        if logins.count() >= SESSIONS.get() && !self.sessions.contains(&key) {
            return Err(error!(InvalidParams: "{SESSIONS} logins are kept already")
                .help("Log out of a registry that is not needed."));
        }
        if let Some(before) = self.sessions.put(key, session) {
            self.replaced.retain(|session| session.strong_count() > 0);
            self.replaced.push(Arc::downgrade(&before));
        }
        Ok(())
    }

    /// Takes a login of `session/login` out, with those that it replaced.
    pub(super) fn take_login(&mut self, registry: &Registry) -> Option<Vec<Arc<Session>>> {
        let session = self.sessions.pop(&SessionKey::login(registry))?;
        let replaced = self.replaced.iter().filter_map(Weak::upgrade);
        let mut all: Vec<_> = replaced
            .filter(|replaced| replaced.name() == registry)
            .collect();
        all.push(session);
        Some(all)
    }

    /// A session that has not ended.
    pub(super) fn get(&mut self, key: &SessionKey) -> Option<Arc<Session>> {
        let session = self.sessions.get(key)?;
        (!session.login.has_ended()).then(|| Arc::clone(session))
    }

    /// Begins a session, with what came for it; answers the others of its registry.
    pub(super) fn begin(&mut self, key: SessionKey, session: &Arc<Session>) -> Vec<Arc<Session>> {
        for carried in self.waiting.extract_if(.., |carried| key.is_of(carried)) {
            session.update(&carried);
        }
        let others = self.all().filter(|(key, _)| key.kept != Kept::Memory);
        if others.count() >= SESSIONS.get() && !self.sessions.contains(&key) {
            // A refresh token that replaced a file's is known nowhere else: it goes last.
            let mut oldest_first = self.sessions.iter().rev();
            let victim = oldest_first
                .find(|(key, session)| key.kept != Kept::Memory && !session.login.has_rotated());
            if let Some(victim) = victim.map(|(key, _)| key.clone()) {
                self.sessions.pop(&victim);
            }
        }
        let others = self
            .all()
            .filter(|(other, _)| other.registry == key.registry && **other != key)
            .map(|(_, other)| Arc::clone(other))
            .collect();
        self.sessions.put(key, Arc::clone(session));
        others
    }

    /// Takes out what is stale; what of it would be lost waits for its next session.
    pub(super) fn drop_stale(&mut self, is_stale: impl Fn(&SessionKey) -> bool) {
        let stale: Vec<_> = self
            .all()
            .filter(|(key, _)| is_stale(key))
            .map(|(key, _)| key.clone())
            .collect();
        for key in stale {
            let session = self.sessions.pop(&key);
            let carried = session
                .filter(|session| session.login.has_rotated())
                .and_then(|session| session.carry());
            self.waiting.extend(carried);
        }
    }

    /// Takes what came for a login in a file: for its session, or for when that begins.
    pub(super) fn arrive(&mut self, carried: Carried) {
        let session = self.all().find(|(key, _)| key.is_of(&carried));
        if let Some((_, session)) = session {
            session.update(&carried);
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
        for (_, session) in &self.sessions {
            session.end("the service is stopping");
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

impl SessionKey {
    pub(super) fn login(registry: &Registry) -> Self {
        Self {
            registry: registry.clone(),
            kept: Kept::Memory,
        }
    }

    /// Whether a session of this key has the login that is carried.
    fn is_of(&self, carried: &Carried) -> bool {
        let Kept::Elsewhere { filed, user, .. } = &self.kept else {
            return false;
        };
        self.registry.as_str() == carried.registry
            && *user == carried.user
            && filed.is_some()
            && *filed == carried.filed
    }
}
