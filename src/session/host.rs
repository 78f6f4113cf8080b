//! What is known of a registry, whoever is logged in to it.

use super::{challenge::Challenge, lock, section::RegistryConfig};
use crate::name::Registry;
use reqwest::Url;
use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// A mirror that did not answer is left alone for that long.
const REST: Duration = Duration::from_secs(30);

/// A registry, whoever is logged in to it.
pub(super) struct Host {
    pub(super) registry: Registry,
    pub(super) base: Url,
    /// Whether the owner's config says that plain HTTP is meant.
    pub(super) plain: bool,
    /// What the owner's config says of it, but for its mirrors.
    pub(super) section: RegistryConfig,
    /// How it asked to be logged in to, the last time it did.
    challenge: Mutex<Option<Challenge>>,
    /// Whether it has answered yet.
    met: AtomicBool,
    meeting: tokio::sync::Mutex<()>,
    /// The clock's second until which it is not asked as a mirror.
    rests: AtomicU64,
}

impl Host {
    pub(super) fn new(registry: Registry, base: Url, plain: bool, section: RegistryConfig) -> Self {
        Self {
            registry,
            base,
            plain,
            section,
            challenge: Mutex::default(),
            met: AtomicBool::new(false),
            meeting: tokio::sync::Mutex::default(),
            rests: AtomicU64::new(0),
        }
    }

    /// Whether it did not answer as a mirror a moment ago.
    pub(super) fn is_resting(&self, now: Duration) -> bool {
        now.as_secs() < self.rests.load(Ordering::Relaxed)
    }

    /// It did not answer: let others go on without it for a while.
    pub(super) fn rest(&self, now: Duration) {
        self.rests.store((now + REST).as_secs(), Ordering::Relaxed);
    }

    pub(super) fn challenge(&self) -> Option<Challenge> {
        lock(&self.challenge).clone()
    }

    /// It has answered: how it wants to be asked is known, or that it does not care.
    pub(super) fn has_answered(&self) {
        self.met.store(true, Ordering::Release);
    }

    /// Waits until somebody else has heard how it wants to be asked, or answers that the caller is
    /// the first who asks. Only one is waited for: where it heard nothing, all others go on.
    pub(super) async fn meet(&self, patience: Duration) -> Option<Meeting<'_>> {
        let met = || self.met.load(Ordering::Acquire);
        if met() {
            return None;
        }
        let guard = tokio::time::timeout(patience, self.meeting.lock()).await;
        let guard = guard.ok().filter(|_| !met())?;
        Some(Meeting {
            host: self,
            _guard: guard,
        })
    }

    pub(super) fn remember(&self, challenge: Option<Challenge>) {
        *lock(&self.challenge) = challenge;
    }
}

/// Held by the first who asks.
pub(super) struct Meeting<'a> {
    host: &'a Host,
    _guard: tokio::sync::MutexGuard<'a, ()>,
}

impl Drop for Meeting<'_> {
    fn drop(&mut self) {
        self.host.met.store(true, Ordering::Release);
    }
}
