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
    /// the first who asks.
    pub(super) async fn meet(&self, patience: Duration) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let met = || self.met.load(Ordering::Acquire);
        if met() {
            return None;
        }
        let guard = tokio::time::timeout(patience, self.meeting.lock()).await;
        guard.ok().filter(|_| !met())
    }

    pub(super) fn remember(&self, challenge: Option<Challenge>) {
        *lock(&self.challenge) = challenge;
    }
}
