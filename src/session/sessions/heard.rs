//! What a registry last said of a repository. It is a hint for the next request's first attempt and
//! nothing more: the answer to that request decides.

use super::super::authorization::Challenge;
use crate::name::Repository;
use lru::LruCache;
use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// The most repositories that are remembered for a session.
const REPOSITORIES: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// What was heard of each repository; of none, where the login itself is checked.
pub(in crate::session) struct AllHeard(Mutex<LruCache<Option<Repository>, Arc<Heard>>>);

impl Default for AllHeard {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REPOSITORIES)))
    }
}

impl AllHeard {
    pub(in crate::session) fn of(&self, repository: Option<&Repository>) -> Arc<Heard> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = all.get_or_insert_mut(repository.cloned(), Arc::default);
        Arc::clone(heard)
    }
}

/// What was heard of one repository.
#[derive(Default)]
pub(in crate::session) struct Heard {
    /// How it last asked to be logged in to; nothing, where it let requests in without.
    challenge: Mutex<Option<Challenge>>,
    /// Whether anybody has asked.
    met: AtomicBool,
    meeting: Arc<tokio::sync::Mutex<()>>,
    /// Whether the registry's root was asked in place of a silent refusal.
    pub(super) asked_root: AtomicBool,
}

impl Heard {
    pub(super) fn challenge(&self) -> Option<Challenge> {
        self.lock().clone()
    }

    pub(super) fn remember(&self, challenge: Option<Challenge>) {
        *self.lock() = challenge;
        self.met.store(true, Ordering::Release);
    }

    /// Waits until somebody else has heard how the registry wants to be asked, or answers that the
    /// caller is the first who asks. Only one is waited for: where it heard nothing, all others go
    /// on.
    pub(in crate::session) async fn meet(self: &Arc<Self>, patience: Duration) -> Option<Meeting> {
        let met = || self.met.load(Ordering::Acquire);
        if met() {
            return None;
        }
        let meeting = Arc::clone(&self.meeting).lock_owned();
        let guard = tokio::time::timeout(patience, meeting).await.ok()?;
        (!met()).then(|| Meeting {
            heard: Arc::clone(self),
            _guard: guard,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Challenge>> {
        self.challenge
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by the first who asks.
pub(in crate::session) struct Meeting {
    heard: Arc<Heard>,
    _guard: tokio::sync::OwnedMutexGuard<()>,
}

impl Drop for Meeting {
    fn drop(&mut self) {
        self.heard.met.store(true, Ordering::Release);
    }
}
