//! Access tokens, and what a request is authorized with.

use super::super::credentials::{Credential, Secret};
use reqwest::header::HeaderValue;
use std::time::Duration;

/// How long before its end a token is given up, or a fifth of its life if that is shorter: requests
/// take time, and clocks differ.
const MARGIN: Duration = Duration::from_secs(30);

/// What a realm gives: it is good for a while, for what it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct AccessToken {
    value: Secret,
    pub(super) expires: Duration,
    /// Not used from then on.
    pub(super) stale: Duration,
    /// Renewed from then on, if it is in use.
    pub(super) renew: Duration,
}

impl AccessToken {
    /// A token that was asked for at `asked` and lives for `life`; `jitter` lies between 0 and 1.
    pub(super) fn new(value: Secret, asked: Duration, life: Duration, jitter: f64) -> Self {
        let margin = MARGIN.min(life / 5);
        let expires = asked + life;
        let stale = expires.saturating_sub(margin);
        Self {
            value,
            expires,
            stale,
            renew: stale.saturating_sub(margin.mul_f64(jitter.clamp(0.0, 1.0))),
        }
    }
}

/// Two are the same if a registry could not tell them apart.
impl PartialEq for AccessToken {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// What a request is authorized with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Authorization {
    /// A login, which has a user's name and a password.
    Basic(Credential),
    Bearer(AccessToken),
}

impl Authorization {
    /// The header's value, marked so that nothing prints it.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let text = zeroize::Zeroizing::new(match self {
            Self::Basic(credential) => format!("Basic {}", credential.basic()?.reveal()),
            Self::Bearer(token) => format!("Bearer {}", token.value.reveal()),
        });
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_given_up_in_time() {
        let check = |life: u64, jitter: f64, stale: f64, renew: f64| {
            let life = Duration::from_secs(life);
            let token = AccessToken::new(Secret::new("t"), Duration::from_secs(1000), life, jitter);
            let since = |time: Duration| time.as_secs_f64() - 1000.0;
            assert!((since(token.stale) - stale).abs() < 1e-6, "{token:?}");
            let renewed = since(token.renew);
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
