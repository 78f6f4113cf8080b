//! What a registry last said of a repository. It is a hint for the next request's first attempt and
//! nothing more: the answer to that request decides.

use super::super::authorization::Challenge;
use crate::name::Repository;
use lru::LruCache;
use parking_lot::Mutex;
use std::{
    num::NonZeroUsize,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};
use tokio::{sync::Semaphore, time::timeout};

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
pub(crate) struct Heard {
    /// How it last asked to be logged in to; nothing, where it let requests in without.
    challenge: Mutex<Option<Challenge>>,
    /// Held by the first request, and closed once any was answered.
    first: Semaphore,
    /// Whether the registry's root was asked in place of a silent refusal.
    pub(super) asked_root: AtomicBool,
}

impl Default for Heard {
    fn default() -> Self {
        Self {
            challenge: Mutex::default(),
            first: Semaphore::new(1),
            asked_root: AtomicBool::default(),
        }
    }
}

impl Heard {
    pub(super) fn challenge(&self) -> Option<Challenge> {
        self.challenge.lock().clone()
    }

    pub(super) fn remember(&self, challenge: Option<Challenge>) {
        *self.challenge.lock() = challenge;
        self.first.close();
    }

    /// Waits for the answer to the first request of the repository, or says that the caller's is the
    /// first. Only one is waited for: where it was given up, all others go on.
    pub(crate) async fn first(&self, patience: Duration) -> Option<First<'_>> {
        let turn = timeout(patience, self.first.acquire()).await.ok()?;
        turn.ok()?.forget();
        Some(First(&self.first))
    }
}

/// Held by the first request until it is answered.
pub(crate) struct First<'a>(&'a Semaphore);

impl Drop for First<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}
