//! What is known of a registry, whoever is logged in to it.

use super::{challenge::Challenge, lock};
use reqwest::Url;
use std::{
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A registry, whoever is logged in to it.
pub(super) struct Host {
    pub(super) registry: String,
    pub(super) base: Url,
    /// Whether the owner's config says that plain HTTP is meant.
    pub(super) plain: bool,
    pub(super) ca: Option<PathBuf>,
    /// How it asked to be logged in to, the last time it did.
    challenge: Mutex<Option<Challenge>>,
    /// Whether it has answered yet.
    met: AtomicBool,
    meeting: tokio::sync::Mutex<()>,
}

impl Host {
    pub(super) fn new(registry: String, base: Url, plain: bool, ca: Option<PathBuf>) -> Self {
        Self {
            registry,
            base,
            plain,
            ca,
            challenge: Mutex::default(),
            met: AtomicBool::new(false),
            meeting: tokio::sync::Mutex::default(),
        }
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
