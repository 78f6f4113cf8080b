//! The access tokens of one login: kept until shortly before they expire, and renewed before that
//! while they are in use, so that no request waits for one.
//!
//! A token is asked for once, however many requests want it at that moment; a request that is given
//! up does not fail the others.

use super::{
    super::{
        clock::Clock,
        credentials::Login,
        flight::Flight,
        http::{Failure, Host},
    },
    access_token::AccessToken,
    realm::grant,
    scope::{Scope, TokenRequest},
};
use futures_util::future::{BoxFuture, Shared};
use lru::LruCache;
use parking_lot::{Mutex, MutexGuard};
use std::{
    num::NonZeroUsize,
    sync::{Arc, Weak},
    time::Duration,
};

/// How long to wait before a failed renewal is tried again.
const AGAIN: Duration = Duration::from_secs(30);

type Fetched = Result<AccessToken, Failure>;
type Fetching = Shared<BoxFuture<'static, Fetched>>;

/// The most tokens that are kept for a login.
const KEPT: NonZeroUsize = NonZeroUsize::new(64).unwrap();
/// The most that are renewed: the ones used last.
const RENEWED: usize = 16;
/// How long an unused token is renewed: a push an hour after the last one is to find it fresh.
const IDLE: Duration = Duration::from_secs(2 * 3600);

#[derive(Default)]
struct Slot {
    token: Option<AccessToken>,
    fetching: Flight<Fetched>,
    used: Duration,
}

/// The tokens that came of one state of a login.
#[derive(Debug)]
struct TokenCache {
    generation: u64,
    slots: LruCache<TokenRequest, Slot>,
}

impl TokenCache {
    /// Forgets what came of another state of the login; answers whether that was an older one.
    fn enter(&mut self, generation: u64) -> bool {
        if generation > self.generation {
            self.slots.clear();
            self.generation = generation;
        }
        generation == self.generation
    }

    /// The slot of a key, which is used now.
    fn slot(&mut self, key: &TokenRequest, now: Duration) -> &mut Slot {
        let slot = self.slots.get_or_insert_mut(key.clone(), Slot::default);
        slot.used = slot.used.max(now);
        slot
    }

    /// The slot of a key, if there is one.
    fn peek(&mut self, key: &TokenRequest) -> Option<&mut Slot> {
        self.slots.peek_mut(key)
    }

    /// A token that is good for a key: its own, or one for more.
    fn live(&mut self, key: &TokenRequest, now: Duration) -> Option<AccessToken> {
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
    fn drop_refused(&mut self, refused: &AccessToken) {
        for (_, slot) in &mut self.slots {
            slot.token.take_if(|token| token == refused);
        }
    }

    /// The scopes for which there are tokens, and when the first of these expires.
    fn scopes(&self, now: Duration) -> (Vec<String>, Option<Duration>) {
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

    /// Whether a token is still the one that is kept, and is in use.
    fn is_in_use(&self, request: &TokenRequest, token: &AccessToken, now: Duration) -> bool {
        // One without a scope was for checking a login.
        let lasts = request.scope.as_ref().is_some_and(Scope::lasts);
        // The ones used last come first.
        let mut latest = self.slots.iter().take(RENEWED);
        let slot = latest.find(|(other, _)| *other == request);
        lasts
            && slot.is_some_and(|(_, slot)| {
                slot.used + IDLE > now && slot.token.as_ref() == Some(token)
            })
    }
}

/// The access tokens of one login.
#[derive(Debug)]
pub(crate) struct AccessTokens {
    host: Arc<Host>,
    login: Arc<Login>,
    clock: Clock,
    kept: Mutex<TokenCache>,
}

impl AccessTokens {
    pub(crate) fn new(host: &Arc<Host>, login: &Arc<Login>, clock: &Clock) -> Arc<Self> {
        Arc::new(Self {
            host: Arc::clone(host),
            login: Arc::clone(login),
            clock: clock.clone(),
            kept: Mutex::new(TokenCache {
                generation: 0,
                slots: LruCache::new(KEPT),
            }),
        })
    }

    /// Forgets those that the login does not stand for any more.
    pub(crate) fn tidy(&self) {
        drop(self.kept());
    }

    /// Forgets one that the registry does not take.
    pub(crate) fn drop_refused(&self, refused: &AccessToken) {
        self.kept().drop_refused(refused);
    }

    /// The scopes for which there are tokens, and how long the first of these is still good.
    pub(crate) fn scopes(&self) -> (Vec<String>, Option<Duration>) {
        self.kept().scopes(self.clock.now())
    }

    /// A token, from memory or from the realm, and whether it is a new one; not the one that was
    /// just refused.
    pub(crate) async fn get(
        self: &Arc<Self>,
        request: &TokenRequest,
        refused: Option<&AccessToken>,
    ) -> Result<(AccessToken, bool), Failure> {
        let now = self.clock.now();
        let (fetching, old) = {
            let mut kept = self.kept();
            if let Some(refused) = refused {
                kept.drop_refused(refused);
            }
            if let Some(token) = kept.live(request, now) {
                return Ok((token, false));
            }
            let slot = kept.slot(request, now);
            (self.fetching(slot, request), slot.token.clone())
        };
        match fetching.await {
            Ok(token) => Ok((token, true)),
            Err(failure) => match old.filter(|old| old.expires > self.clock.now()) {
                // The realm is in trouble; what there is may do a little longer.
                Some(old) if failure.error.kind().retryable() => Ok((old, false)),
                _ => Err(failure),
            },
        }
    }

    /// What is kept for the login as it is now.
    fn kept(&self) -> MutexGuard<'_, TokenCache> {
        let (_, generation) = self.login.current();
        let mut kept = self.kept.lock();
        kept.enter(generation);
        kept
    }

    /// The fetch that is under way for a slot, begun if need be.
    fn fetching(self: &Arc<Self>, slot: &mut Slot, request: &TokenRequest) -> Fetching {
        let (this, request) = (Arc::clone(self), request.clone());
        slot.fetching.join(|| async move {
            let granted = tokio::select! {
                biased;
                over = this.login.ended() => Err(over.into()),
                granted = grant(&this.host, &this.login, &this.clock, &request) => granted,
            };
            this.keep(&request, granted)
        })
    }

    fn keep(
        self: &Arc<Self>,
        request: &TokenRequest,
        granted: Result<(AccessToken, u64), Failure>,
    ) -> Fetched {
        let (token, generation) = granted?;
        let mut kept = self.kept();
        let wanted = kept.peek(request).is_some();
        // The source may have another secret by now, or the login may be over.
        if kept.enter(generation) && !self.login.has_ended() {
            let now = if wanted {
                Duration::ZERO
            } else {
                self.clock.now()
            };
            kept.slot(request, now).token = Some(token.clone());
            let renewal = renewal(Arc::downgrade(self), request.clone(), token.clone());
            tokio::spawn(renewal);
        }
        Ok(token)
    }

    /// Asks for a token in the background, in place of one that is there.
    async fn renew(self: &Arc<Self>, request: &TokenRequest) -> Result<(), Failure> {
        self.login.confirm().await?;
        let fetching = {
            let mut kept = self.kept();
            let Some(slot) = kept.peek(request) else {
                return Ok(());
            };
            self.fetching(slot, request)
        };
        fetching.await.map(drop)
    }
}

/// Renews a token in time, if it is in use then; the token that replaces it has its own renewal. This
/// keeps nothing alive.
async fn renewal(tokens: Weak<AccessTokens>, request: TokenRequest, token: AccessToken) {
    let mut then = token.renew;
    loop {
        let Some((clock, login)) = tokens
            .upgrade()
            .map(|this| (this.clock.clone(), Arc::clone(&this.login)))
        else {
            return;
        };
        tokio::select! {
            () = login.cancelled() => return,
            () = clock.sleep_until(then) => {}
        }
        let Some(this) = tokens.upgrade() else {
            return;
        };
        let now = clock.now();
        if !this.kept().is_in_use(&request, &token, now) {
            return;
        }
        let Err(Failure { error, .. }) = this.renew(&request).await else {
            return;
        };
        let registry = this.host.registry();
        tracing::debug!(registry, %error, "an access token was not renewed");
        // What may go better later is tried again; the rest is left to the next request.
        if !error.kind().retryable() {
            return;
        }
        then = now + AGAIN;
    }
}
