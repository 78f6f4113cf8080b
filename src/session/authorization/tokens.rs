//! The access tokens of one login: kept until shortly before they expire, and renewed before that
//! while they are in use, so that no request waits for one.
//!
//! A token is asked for once, however many requests want it at that moment: one that goes away
//! fails nobody else.

use super::{
    super::{
        clock::Clock,
        credentials::Login,
        http::{Failure, Host},
        shared_work::{SharedWork, Waiting},
    },
    access_token::AccessToken,
    cache::{Slot, TokenCache, TokenRequest},
    realm::grant,
};
use crate::error::Error;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tokio::sync::Notify;
use vouch_protocol::ErrorKind;

/// How long to wait before a failed renewal is tried again.
const AGAIN: Duration = Duration::from_secs(30);

type Fetched = Result<AccessToken, Failure>;

/// The access tokens of one login.
#[derive(Debug)]
pub(in crate::session) struct AccessTokens {
    host: Arc<Host>,
    login: Arc<Login>,
    clock: Clock,
    kept: Mutex<TokenCache<Fetched>>,
    /// Tells the renewal that there is another token.
    changed: Arc<Notify>,
}

impl AccessTokens {
    pub(in crate::session) fn new(
        host: &Arc<Host>,
        login: &Arc<Login>,
        clock: &Clock,
    ) -> Arc<Self> {
        Arc::new(Self {
            host: Arc::clone(host),
            login: Arc::clone(login),
            clock: clock.clone(),
            kept: Mutex::default(),
            changed: Arc::default(),
        })
    }

    /// Forgets those that the login does not stand for any more.
    pub(in crate::session) fn tidy(&self) {
        drop(self.kept());
    }

    /// Forgets one that the registry does not take.
    pub(in crate::session) fn drop_refused(&self, refused: &AccessToken) {
        self.kept().drop_refused(refused);
    }

    /// The scopes for which there are tokens, and how long the first of these is still good.
    pub(in crate::session) fn scopes(&self) -> (Vec<String>, Option<Duration>) {
        self.kept().scopes(self.clock.now())
    }

    /// A token, from memory or from the realm, and whether it is a new one; not the one that was
    /// just refused.
    pub(in crate::session) async fn get(
        self: &Arc<Self>,
        key: &TokenRequest,
        refused: Option<&AccessToken>,
    ) -> Result<(AccessToken, bool), Failure> {
        let now = self.clock.now();
        let (fetching, old) = {
            let mut kept = self.kept();
            if let Some(refused) = refused {
                kept.drop_refused(refused);
            }
            if let Some(token) = kept.live(key, now) {
                return Ok((token, false));
            }
            let slot = kept.slot(key, now);
            (self.fetching(slot, key), slot.token.clone())
        };
        match fetching.outcome().await {
            Ok(token) => Ok((token, true)),
            Err(failure) => match old.filter(|old| old.expires > self.clock.now()) {
                // The realm is in trouble; what there is may do a little longer.
                Some(old) if failure.error.kind().retryable() => Ok((old, false)),
                _ => Err(failure),
            },
        }
    }

    /// What is kept for the login as it is now.
    fn kept(&self) -> MutexGuard<'_, TokenCache<Fetched>> {
        let (_, generation) = self.login.current();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.enter(generation);
        kept
    }

    /// The fetch that is under way for a slot, begun if need be.
    fn fetching(
        self: &Arc<Self>,
        slot: &mut Slot<Fetched>,
        key: &TokenRequest,
    ) -> Waiting<Fetched> {
        // One that has ended and is still here has panicked.
        if let Some(fetching) = &slot.fetching
            && fetching.outcome().is_none()
            && let Some(waiting) = fetching.join()
        {
            return waiting;
        }
        let (this, key) = (Arc::clone(self), key.clone());
        let work = async move {
            let granted = tokio::select! {
                biased;
                over = this.login.ended() => Err(over.into()),
                granted = grant(&this.host, &this.login, &this.clock, &key) => granted,
            };
            this.keep(&key, granted)
        };
        let (fetching, waiting) = SharedWork::begin(work, |error| {
            let message = "fetching an access token failed";
            Err(Error::new(ErrorKind::Internal, message)
                .source(error)
                .into())
        });
        slot.fetching = Some(fetching);
        waiting
    }

    fn keep(
        self: &Arc<Self>,
        key: &TokenRequest,
        granted: Result<(AccessToken, u64), Failure>,
    ) -> Fetched {
        let mut kept = self.kept();
        let slot = kept.peek(key);
        let wanted = slot.is_some();
        if let Some(slot) = slot {
            slot.fetching = None;
        }
        let (token, generation) = granted?;
        // The source may have another secret by now, or the login may be over.
        if kept.enter(generation) && !self.login.has_ended() {
            let now = if wanted {
                Duration::ZERO
            } else {
                self.clock.now()
            };
            kept.slot(key, now).token = Some(token.clone());
        }
        let starts = !std::mem::replace(&mut kept.renewing, true);
        drop(kept);
        if starts {
            // What nobody knows any more is not kept alive by this.
            tokio::spawn(renewing(Arc::downgrade(self)));
        } else {
            self.changed.notify_one();
        }
        Ok(token)
    }

    /// When the next token is to be renewed. Where there is none, the renewing ends.
    fn next(&self) -> Option<Duration> {
        let mut kept = self.kept();
        let next = kept.to_renew(self.clock.now());
        let next = next.into_iter().map(|(_, renew)| renew).min();
        kept.renewing = next.is_some();
        next
    }

    async fn renew_what_is_due(self: &Arc<Self>) {
        let now = self.clock.now();
        let mut due = self.kept().to_renew(now);
        due.retain(|(_, renew)| *renew <= now);
        let confirmed = self.login.confirm().await;
        for (key, _) in due {
            let renewed = match &confirmed {
                Ok(()) => self.renew(&key).await,
                Err(error) => Err(error.clone().into()),
            };
            let Err(Failure { error, .. }) = renewed else {
                continue;
            };
            let registry = self.host.registry();
            tracing::debug!(registry, %error, "an access token was not renewed");
            // What may go better later is tried again, for as long as the token is in use; the rest
            // is left to whoever uses it next.
            let later = error.kind().retryable().then(|| now + AGAIN);
            if let Some(slot) = self.kept().peek(&key)
                && let Some(token) = &mut slot.token
            {
                token.renew = later;
            }
        }
    }

    /// Asks for a token that there is already.
    async fn renew(self: &Arc<Self>, key: &TokenRequest) -> Result<(), Failure> {
        let fetching = {
            let mut kept = self.kept();
            let Some(slot) = kept.peek(key) else {
                return Ok(());
            };
            self.fetching(slot, key)
        };
        fetching.outcome().await.map(drop)
    }

    #[cfg(test)]
    pub(in crate::session) fn due(&self) -> Vec<(TokenRequest, Duration)> {
        self.kept().to_renew(self.clock.now())
    }
}

async fn renewing(tokens: Weak<AccessTokens>) {
    loop {
        let Some(this) = tokens.upgrade() else {
            return;
        };
        let Some(next) = this.next() else {
            return;
        };
        let (clock, login) = (this.clock.clone(), Arc::clone(&this.login));
        let changed = Arc::clone(&this.changed);
        drop(this);
        tokio::select! {
            () = login.cancelled() => {}
            () = changed.notified() => continue,
            () = clock.sleep_until(next) => {}
        }
        let Some(this) = tokens.upgrade() else {
            return;
        };
        this.renew_what_is_due().await;
    }
}
