//! The access tokens that are kept, and when they are due.

use super::{super::shared_work::SharedWork, access_token::AccessToken, scope::Scope};
use lru::LruCache;
use reqwest::Url;
use std::{fmt, num::NonZeroUsize, time::Duration};

/// The most tokens that are kept for a login.
const KEPT: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// The most that are renewed: the ones used last.
const RENEWED: usize = 16;
/// A token is renewed until nobody has used it for that long. A push an hour after the last one
/// shall find it fresh.
const IDLE: Duration = Duration::from_secs(2 * 3600);

/// What a realm is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::session) struct TokenRequest {
    pub(in crate::session) realm: Url,
    pub(in crate::session) service: Option<String>,
    /// Nothing, where only the login is checked.
    pub(in crate::session) scope: Option<Scope>,
}

pub(super) struct Slot<F> {
    pub(super) token: Option<AccessToken>,
    pub(super) fetching: Option<SharedWork<F>>,
    used: Duration,
}

impl<F> Default for Slot<F> {
    fn default() -> Self {
        Self {
            token: None,
            fetching: None,
            used: Duration::ZERO,
        }
    }
}

/// The tokens that came of one state of a login.
pub(super) struct TokenCache<F> {
    generation: u64,
    slots: LruCache<TokenRequest, Slot<F>>,
    /// Whether a task renews them.
    pub(super) renewing: bool,
}

impl<F> Default for TokenCache<F> {
    fn default() -> Self {
        Self {
            generation: 0,
            slots: LruCache::new(KEPT),
            renewing: false,
        }
    }
}

impl<F> TokenCache<F> {
    /// Forgets what came of another state of the login; answers whether that was an older one.
    pub(super) fn enter(&mut self, generation: u64) -> bool {
        if generation > self.generation {
            self.slots.clear();
            self.generation = generation;
        }
        generation == self.generation
    }

    /// The slot of a key, which is used now.
    pub(super) fn slot(&mut self, key: &TokenRequest, now: Duration) -> &mut Slot<F> {
        let slot = self.slots.get_or_insert_mut(key.clone(), Slot::default);
        slot.used = slot.used.max(now);
        slot
    }

    /// The slot of a key, if there is one.
    pub(super) fn peek(&mut self, key: &TokenRequest) -> Option<&mut Slot<F>> {
        self.slots.peek_mut(key)
    }

    /// A token that is good for a key: its own, or one for more.
    pub(super) fn live(&mut self, key: &TokenRequest, now: Duration) -> Option<AccessToken> {
        let wider = key
            .scope
            .as_ref()
            .and_then(Scope::wider)
            .map(|scope| TokenRequest {
                scope: Some(scope),
                ..key.clone()
            });
        [Some(key.clone()), wider]
            .into_iter()
            .flatten()
            .find_map(|key| {
                let slot = self.slots.get_mut(&key)?;
                let token = slot.token.clone().filter(|token| token.stale > now)?;
                slot.used = now;
                Some(token)
            })
    }

    /// Forgets one that was refused.
    pub(super) fn drop_refused(&mut self, refused: &AccessToken) {
        for (_, slot) in &mut self.slots {
            slot.token.take_if(|token| token == refused);
        }
    }

    /// The scopes for which there are tokens, and when the first of these expires.
    pub(super) fn scopes(&self, now: Duration) -> (Vec<String>, Option<Duration>) {
        let (mut scopes, mut first) = (Vec::new(), None);
        for (key, slot) in &self.slots {
            if let Some(token) = slot.token.as_ref().filter(|token| token.expires > now) {
                scopes.extend(key.scope.iter().flat_map(Scope::written));
                let left = token.expires.saturating_sub(now);
                first = Some(first.map_or(left, |first: Duration| first.min(left)));
            }
        }
        scopes.sort();
        scopes.dedup();
        (scopes, first)
    }

    /// The tokens that are in use, and when each is to be renewed.
    pub(super) fn to_renew(&self, now: Duration) -> Vec<(TokenRequest, Duration)> {
        let mut used: Vec<_> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.used + IDLE > now)
            // One without a scope was for checking a login.
            .filter(|(key, _)| key.scope.as_ref().is_some_and(Scope::lasts))
            .filter_map(|(key, slot)| {
                let renew = slot.token.as_ref()?.renew?;
                Some((slot.used, key.clone(), renew))
            })
            .collect();
        used.sort_by_key(|(used, ..)| std::cmp::Reverse(*used));
        used.truncate(RENEWED);
        let due = |(_, key, renew)| (key, renew);
        used.into_iter().map(due).collect()
    }
}

impl<F> fmt::Debug for TokenCache<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} access tokens", self.slots.len())
    }
}
