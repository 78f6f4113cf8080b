//! What a registry last said of a repository. It is a hint for the next request's first attempt and
//! nothing more: the answer to that request decides.

use super::super::authorization::Challenge;
use crate::name::Repository;
use lru::LruCache;
use parking_lot::Mutex;
use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The most repositories that are remembered for a session.
const REPOSITORIES: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// What was heard of each repository; of none, where the login itself is checked.
pub(crate) struct AllHeard(Mutex<LruCache<Option<Repository>, Arc<Heard>>>);

impl Default for AllHeard {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REPOSITORIES)))
    }
}

impl AllHeard {
    pub(crate) fn of(&self, repository: Option<&Repository>) -> Arc<Heard> {
        let mut all = self.0.lock();
        let heard = all.get_or_insert_mut(repository.cloned(), Arc::default);
        Arc::clone(heard)
    }
}

/// What was heard of one repository.
#[derive(Default)]
pub(crate) struct Heard {
    /// How it last asked to be logged in to; nothing, where it let requests in without.
    challenge: Mutex<Option<Challenge>>,
    /// Whether any request was answered.
    answered: AtomicBool,
    asking: Arc<tokio::sync::Mutex<()>>,
    /// Whether the registry's root was asked in place of a silent refusal.
    pub(super) asked_root: AtomicBool,
}

impl Heard {
    pub(super) fn challenge(&self) -> Option<Challenge> {
        self.challenge.lock().clone()
    }

    pub(super) fn remember(&self, challenge: Option<Challenge>) {
        *self.challenge.lock() = challenge;
        self.answered.store(true, Ordering::Release);
    }

    /// Waits for the answer to the first request of the repository, or says that the caller's is the
    /// first. Only one is waited for: where it was given up, all others go on.
    pub(crate) async fn first(self: &Arc<Self>, patience: Duration) -> Option<First> {
        let answered = || self.answered.load(Ordering::Acquire);
        if answered() {
            return None;
        }
        let asking = Arc::clone(&self.asking).lock_owned();
        let guard = tokio::time::timeout(patience, asking).await.ok()?;
        (!answered()).then(|| First {
            heard: Arc::clone(self),
            _guard: guard,
        })
    }
}

/// Held by the first request until it is answered.
pub(crate) struct First {
    heard: Arc<Heard>,
    _guard: tokio::sync::OwnedMutexGuard<()>,
}

impl Drop for First {
    fn drop(&mut self) {
        self.heard.answered.store(true, Ordering::Release);
    }
}
