//! The tokens that a registry's realm gave, kept until shortly before they expire.
//!
//! A token is asked for once, however many requests want it at that moment: one that goes away
//! fails nobody else.

use super::{
    Failure, Scope, Secret, Session, lock,
    wanted::{Waiting, Wanted},
};
use lru::LruCache;
use reqwest::{Url, header::HeaderValue};
use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Notify;
use vouch_protocol::ErrorKind;

/// So many tokens are kept for a login.
const TOKENS: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// So many of them are renewed, the ones used last.
const RENEWED: usize = 16;
/// A token is renewed until nobody has used it for that long. A push an hour after the last one
/// shall find it fresh.
const IDLE: Duration = Duration::from_secs(2 * 3600);
/// A token is given up that long before it expires, or a fifth of its life if that is shorter: a
/// request takes time, and clocks differ.
const MARGIN: Duration = Duration::from_secs(30);

/// A registry's token.
#[derive(Debug, Clone)]
pub(super) struct Token {
    value: Secret,
    expires: Duration,
    /// Not used from then on.
    stale: Duration,
    /// Renewed from then on, if it is in use.
    renew: Option<Duration>,
}

impl Token {
    /// A token that was asked for at `asked` and lives for `life`; `jitter` lies between 0 and 1.
    pub(super) fn new(value: Secret, asked: Duration, life: Duration, jitter: f64) -> Self {
        let margin = MARGIN.min(life / 5);
        let expires = asked + life;
        let stale = expires.saturating_sub(margin);
        Self {
            value,
            expires,
            stale,
            renew: Some(stale.saturating_sub(margin.mul_f64(jitter.clamp(0.0, 1.0)))),
        }
    }
}

/// Two tokens are the same if a registry could not tell them apart.
impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// What a request is authorized with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Authorization {
    /// A user's name and password.
    Basic(String, Secret),
    Bearer(Token),
}

impl Authorization {
    /// The header's value, marked so that nothing prints it.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let text = zeroize::Zeroizing::new(match self {
            Self::Basic(username, password) => {
                format!("Basic {}", basic(username, password).reveal())
            }
            Self::Bearer(token) => format!("Bearer {}", token.value.reveal()),
        });
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// RFC 7617, section 2: a user's name and password, as they are sent.
pub(super) fn basic(username: &str, password: &Secret) -> Secret {
    let pair = zeroize::Zeroizing::new(format!("{username}:{}", password.reveal()));
    Secret::new(data_encoding::BASE64.encode(pair.as_bytes()))
}

/// What a token was given for: which of the login's secrets, by whom, and which scopes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) generation: u64,
    pub(super) realm: Url,
    pub(super) service: Option<String>,
    pub(super) scope: Option<Scope>,
}

type Fetched = Result<Token, Arc<Failure>>;

#[derive(Default)]
struct Slot {
    token: Option<Token>,
    fetching: Option<Wanted<Fetched>>,
    used: Duration,
}

/// The tokens of one login.
#[derive(Debug)]
pub(super) struct Tokens {
    kept: Mutex<Kept>,
    /// Tells the renewal that there is another token.
    pub(super) changed: Arc<Notify>,
}

struct Kept {
    slots: LruCache<Key, Slot>,
    /// Whether a task renews them.
    renewing: bool,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tokens", self.slots.len())
    }
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            kept: Mutex::new(Kept {
                slots: LruCache::new(TOKENS),
                renewing: false,
            }),
            changed: Arc::default(),
        }
    }
}

impl Tokens {
    /// Forgets all; what is being fetched is not kept.
    pub(super) fn clear(&self) {
        lock(&self.kept).slots.clear();
    }

    /// The tokens themselves.
    pub(super) fn values(&self) -> Vec<Secret> {
        let kept = lock(&self.kept);
        let tokens = kept
            .slots
            .iter()
            .filter_map(|(_, slot)| slot.token.as_ref());
        tokens.map(|token| token.value.clone()).collect()
    }

    pub(super) fn drop_refused(&self, refused: &Token) {
        for (_, slot) in &mut lock(&self.kept).slots {
            slot.token.take_if(|token| token == refused);
        }
    }

    /// The scopes for which there are tokens, and when the first of these expires.
    pub(super) fn scopes(&self, now: Duration) -> (Vec<String>, Option<Duration>) {
        let kept = lock(&self.kept);
        let (mut scopes, mut first) = (Vec::new(), None);
        for (key, slot) in &kept.slots {
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

    /// Whether a task has to be started that renews them; there is one from now on.
    pub(super) fn begin_renewing(&self) -> bool {
        !std::mem::replace(&mut lock(&self.kept).renewing, true)
    }

    /// The tokens that are in use, and when each is to be renewed. Where there are none, the
    /// renewing ends.
    pub(super) fn to_renew(&self, now: Duration) -> Vec<(Key, Duration)> {
        let mut kept = lock(&self.kept);
        let mut used: Vec<_> = kept
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
        kept.renewing = !used.is_empty();
        let due = |(_, key, renew)| (key, renew);
        used.into_iter().map(due).collect()
    }

    /// Renews a token later; or leaves it to whoever uses it next.
    pub(super) fn put_off(&self, key: &Key, later: Option<Duration>) {
        if let Some(slot) = lock(&self.kept).slots.peek_mut(key)
            && let Some(token) = &mut slot.token
        {
            token.renew = later;
        }
    }
}

impl Session {
    /// A token for a scope, from memory or from the realm, and whether it is a new one; not the
    /// one that was just refused.
    pub(super) async fn token(
        self: &Arc<Self>,
        (realm, service): (Url, Option<String>),
        scope: Option<&Scope>,
        refused: Option<&Token>,
    ) -> Result<(Token, bool), Failure> {
        let key = Key {
            generation: self.credential().1,
            realm,
            service,
            scope: scope.cloned(),
        };
        let now = self.clock.now();
        let (fetching, old) = {
            let mut kept = lock(&self.tokens.kept);
            let slot = kept.slots.get_or_insert_mut(key.clone(), Slot::default);
            slot.used = now;
            slot.token.take_if(|token| Some(&*token) == refused);
            if let Some(token) = slot.token.as_ref().filter(|token| token.stale > now) {
                return Ok((token.clone(), false));
            }
            (self.fetching(slot, &key), slot.token.clone())
        };
        match fetching.outcome().await {
            Ok(token) => Ok((token, true)),
            Err(failure) => match old.filter(|old| old.expires > self.clock.now()) {
                // The realm is in trouble; what there is may do a little longer.
                Some(old) if failure.error.kind().retryable() => Ok((old, false)),
                _ => Err(failure.copied()),
            },
        }
    }

    /// Asks for a token in the background, whether or not there is one.
    pub(super) async fn renew(self: &Arc<Self>, key: &Key) -> Result<(), Failure> {
        let fetching = {
            let mut kept = lock(&self.tokens.kept);
            let Some(slot) = kept.slots.peek_mut(key) else {
                return Ok(());
            };
            self.fetching(slot, key)
        };
        let token = fetching
            .outcome()
            .await
            .map_err(|failure| failure.copied())?;
        drop(token);
        Ok(())
    }

    /// The fetch that is under way for a slot, begun if need be.
    fn fetching(self: &Arc<Self>, slot: &mut Slot, key: &Key) -> Waiting<Fetched> {
        // One that has ended and is still here has panicked.
        if let Some(fetching) = &slot.fetching
            && fetching.outcome().is_none()
            && let Some(waiting) = fetching.join()
        {
            return waiting;
        }
        let (session, key) = (Arc::clone(self), key.clone());
        let work = async move {
            let granted = tokio::select! {
                biased;
                over = session.ended() => Err(over.into()),
                granted = session.grant(&key) => granted,
            };
            session.keep(key, granted)
        };
        let (fetching, waiting) = Wanted::begin(work, |error| {
            let message = "fetching a token failed";
            let error = crate::error::Error::new(ErrorKind::Internal, message).source(error);
            Err(Arc::new(error.into()))
        });
        slot.fetching = Some(fetching);
        waiting
    }

    fn keep(
        self: &Arc<Self>,
        mut key: Key,
        granted: Result<(Token, u64), Failure>,
    ) -> Result<Token, Arc<Failure>> {
        let result = {
            let mut kept = lock(&self.tokens.kept);
            let mut used = self.clock.now();
            if let Some(slot) = kept.slots.peek_mut(&key) {
                slot.fetching = None;
                used = slot.used;
            }
            match granted {
                Ok((token, generation)) => {
                    // The source may have had another secret meanwhile.
                    key.generation = generation;
                    if generation == self.credential().1 && !self.end.is_cancelled() {
                        let slot = kept.slots.get_or_insert_mut(key, Slot::default);
                        slot.used = slot.used.max(used);
                        slot.token = Some(token.clone());
                    }
                    Ok(token)
                }
                Err(failure) => Err(Arc::new(failure)),
            }
        };
        if result.is_ok() {
            self.keep_fresh();
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_given_up_in_time() {
        let check = |life: u64, jitter: f64, stale: f64, renew: f64| {
            let life = Duration::from_secs(life);
            let token = Token::new(Secret::new("t"), Duration::from_secs(1000), life, jitter);
            let since = |time: Duration| time.as_secs_f64() - 1000.0;
            assert!((since(token.stale) - stale).abs() < 1e-6, "{token:?}");
            let renewed = since(token.renew.unwrap());
            assert!((renewed - renew).abs() < 1e-6, "{token:?}");
            assert!(!format!("{token:?}").contains("\"t\""));
        };
        check(300, 0.0, 270.0, 270.0);
        check(300, 1.0, 270.0, 240.0);
        check(150, 0.5, 120.0, 105.0);
        check(60, 0.0, 48.0, 48.0);
        check(60, 1.0, 48.0, 36.0);
        check(1, 7.0, 0.8, 0.6);
        check(0, 1.0, 0.0, 0.0);
    }
}
