//! Asking a realm for a token.
//!
//! The distribution project's "Token Authentication Specification" (GET, with a password or with
//! nothing) and "OAuth2 Token Authentication" (POST, with a refresh token, which the answer may
//! replace).

use super::{
    Credential, Failure, Secret, Session,
    client::{is_local, is_loopback},
    failure::bounded,
    retries::jitter,
    shown,
    token::{Authorization, Key, Token},
};
use crate::error::{Error, Result};
use data_encoding::BASE64URL_NOPAD;
use reqwest::{
    Client, Method, RequestBuilder, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use vouch_protocol::{ErrorKind, SessionState};
use zeroize::Zeroizing;

const ACTION: &str = "asking for a token";
/// A realm's answer is at most that large.
const LARGEST_ANSWER: usize = 64 << 10;
/// What a token lives where its realm says nothing, and the most that is believed.
const SHORTEST_LIFE: u64 = 60;
const LONGEST_LIFE: u64 = 24 * 3600;

/// A realm's answer; `token` and `access_token` mean the same.
#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    /// A number of seconds; whatever else is there says nothing.
    expires_in: Option<serde_json::Value>,
    refresh_token: Option<String>,
}

impl Session {
    /// Asks the realm for a token, and answers it with the generation of the login it was given
    /// to. A login that is refused is asked for once more at its source.
    pub(super) async fn grant(self: &Arc<Self>, key: &Key) -> Result<(Token, u64), Failure> {
        let (_, generation) = self.credential();
        let refusal = match self.grant_once(key).await {
            Err(failure) if is_refusal(&failure) => failure,
            granted => return granted,
        };
        // A mount is an offer: its refusal says nothing of the login.
        if key.scope.as_ref().is_some_and(|scope| !scope.lasts()) {
            return Err(refusal);
        }
        // Another request may have asked already.
        if self.credential().1 != generation || self.ask_again().await? {
            return self.grant_once(key).await;
        }
        if self.credential().0.is_some() {
            self.think(SessionState::Refused);
        }
        Err(refusal)
    }

    async fn grant_once(self: &Arc<Self>, key: &Key) -> Result<(Token, u64), Failure> {
        self.permit_realm(&key.realm)?;
        let client = self.clients.to(&key.realm).await?;
        // A refresh token is worth nothing once it was replaced: one at a time, and not before
        // the one before has been answered.
        let turn = if let (Some(Credential::IdentityToken { .. }), _) = self.credential() {
            let turn = Arc::clone(&self.refreshing).lock_owned();
            let turn = tokio::time::timeout(self.timeouts.answer, turn).await;
            Some(turn.map_err(|_| Failure::stalled(self, ACTION))?)
        } else {
            None
        };
        let (credential, generation) = self.credential();
        let asked = self.clock.now();
        let request = request(&client, key, credential.as_ref());
        let answer = if let Some(turn) = turn {
            let (session, realm) = (Arc::clone(self), key.realm.clone());
            let refreshes = matches!(credential, Some(Credential::IdentityToken { .. }));
            // A refresh token that was sent may be spent. What replaces it is waited for even
            // where nobody wants the token any more: without it the login is lost.
            let exchange = tokio::spawn(async move {
                let _turn = turn;
                let mut answer = session.answer(&realm, request).await?;
                let refresh = answer.refresh_token.take().filter(|_| refreshes);
                if let Some(refresh) = refresh.filter(|token| is_token(token)) {
                    session.rotate(generation, Secret::new(refresh));
                }
                Ok::<_, Failure>(answer)
            });
            exchange.await.unwrap_or_else(|error| {
                let message = "exchanging a refresh token failed";
                Err(Error::new(ErrorKind::Internal, message)
                    .source(error)
                    .into())
            })?
        } else {
            self.answer(&key.realm, request).await?
        };
        let value = [answer.token, answer.access_token]
            .into_iter()
            .flatten()
            .find(|token| !token.is_empty())
            .filter(|token| is_token(token))
            .ok_or_else(|| self.unusable(&key.realm))?;
        if credential.is_some() {
            self.think(SessionState::Accepted);
        }
        let expires_in = answer.expires_in.and_then(|value| value.as_u64());
        let life = life(expires_in, &value, self.clock.unix());
        // Between a half and one; what is wanted lies between nothing and one.
        let jitter = 2.0 * jitter() - 1.0;
        let token = Token::new(Secret::new(value), asked, life, jitter);
        Ok((token, generation))
    }

    async fn answer(&self, realm: &Url, request: RequestBuilder) -> Result<Answer, Failure> {
        tracing::debug!(realm = shown(realm), ACTION);
        let response = tokio::time::timeout(self.timeouts.answer, request.send())
            .await
            .map_err(|_| Failure::stalled(self, ACTION))?
            .map_err(|error| Failure::broken(self, ACTION, error))?;
        self.clients.answered(realm);
        let status = response.status();
        if !status.is_success() {
            let mut failure = Failure::answered(self, ACTION, response).await;
            let kind = match (failure.error.kind(), &self.credential().0) {
                // RFC 6749, section 5.2: a refresh token that is no good any more is a 400.
                (_, Some(Credential::IdentityToken { .. }))
                    if status == StatusCode::BAD_REQUEST =>
                {
                    ErrorKind::Unauthorized
                }
                // It is the realm that is missing, not what the request is about.
                (ErrorKind::NotFound, _) => ErrorKind::RegistryError,
                (kind, _) => kind,
            };
            if kind != failure.error.kind() {
                let error = self.error(kind, failure.error.message());
                failure.error = error.status(status.as_u16()).help(self.advice());
            }
            return Err(failure);
        }
        let over = ErrorKind::RegistryError;
        let body = Zeroizing::new(bounded(self, ACTION, response, LARGEST_ANSWER, over).await?);
        serde_json::from_slice(&body).map_err(|_| self.unusable(realm).into())
    }

    /// Nothing of the answer may be shown: it holds the token.
    fn unusable(&self, realm: &Url) -> Error {
        self.error(
            ErrorKind::RegistryError,
            format!("{} answered no token that can be used", shown(realm)),
        )
    }

    /// Fails where a realm may not be asked, as the login travels with the question: plain HTTP is
    /// for this machine, and for where the owner's config says so of the registry.
    pub(super) fn permit_realm(&self, realm: &Url) -> Result<()> {
        let base = &self.host.base;
        let permitted = match realm.scheme() {
            "https" => true,
            "http" if is_loopback(base) => is_loopback(realm),
            "http" => self.host.plain && !is_local(realm),
            _ => false,
        };
        if permitted && realm.host_str().is_some_and(|host| !host.is_empty()) {
            return Ok(());
        }
        let message = format!(
            "{} names {} for tokens, where a login would not be protected",
            self.registry(),
            shown(realm)
        );
        let error = self.error(ErrorKind::InsecureRegistry, message);
        Err(error.help("No login was sent. The realm that a registry names has to be https."))
    }
}

fn is_refusal(failure: &Failure) -> bool {
    let kind = failure.error.kind();
    matches!(kind, ErrorKind::Unauthorized | ErrorKind::Denied)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn request(client: &Client, key: &Key, credential: Option<&Credential>) -> RequestBuilder {
    let scopes = key.scope.iter().flat_map(super::Scope::written);
    let service = key.service.as_deref();
    match credential {
        Some(Credential::IdentityToken { token, .. }) => {
            // Only to have the form written as addresses have it.
            let mut form = key.realm.clone();
            form.set_query(None);
            let scope = scopes.collect::<Vec<_>>().join(" ");
            let mut pairs = form.query_pairs_mut();
            pairs
                .append_pair("grant_type", "refresh_token")
                .append_pair("client_id", "vouchd")
                .append_pair("service", service.unwrap_or_default())
                .append_pair("refresh_token", token.reveal());
            if !scope.is_empty() {
                pairs.append_pair("scope", &scope);
            }
            drop(pairs);
            client
                .request(Method::POST, key.realm.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.query().unwrap_or_default().to_owned())
        }
        credential => {
            let mut url = key.realm.clone();
            let mut pairs = url.query_pairs_mut();
            if let Some(service) = service {
                pairs.append_pair("service", service);
            }
            for scope in scopes {
                pairs.append_pair("scope", &scope);
            }
            drop(pairs);
            let request = client.get(url);
            let value = match credential {
                Some(Credential::Password { username, password }) => {
                    Authorization::Basic(username.clone(), password.clone()).header()
                }
                _ => None,
            };
            match value {
                Some(value) => request.header(AUTHORIZATION, value),
                None => request,
            }
        }
    }
}

/// How long a token lives: what the realm says and what is written in it, whichever is less.
fn life(expires_in: Option<u64>, token: &str, now: u64) -> Duration {
    let said = expires_in.filter(|life| *life > 0);
    let life = match (said, written_life(token, now)) {
        (Some(said), Some(written)) => said.min(written),
        (said, written) => said.or(written).unwrap_or(SHORTEST_LIFE),
    };
    Duration::from_secs(life.min(LONGEST_LIFE))
}

/// What a JWT says of its life: RFC 7519, section 4.1. Nothing, where it is none, or where it has
/// expired already: then the clocks differ, and the registry's decides.
fn written_life(token: &str, now: u64) -> Option<u64> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
        iat: Option<f64>,
    }
    let payload = token.split('.').nth(1)?;
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    // Its own dates do not depend on our clock.
    #[allow(clippy::cast_precision_loss)]
    let life = claims.exp - claims.iat.unwrap_or(now as f64);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (life >= 1.0).then_some(life as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_lives_as_long_as_everybody_says() {
        let jwt = |claims: &str| format!("h.{}.s", BASE64URL_NOPAD.encode(claims.as_bytes()));
        let check = |expires_in: Option<u64>, token: &str, expected: u64| {
            let life = life(expires_in, token, 1000);
            assert_eq!(life.as_secs(), expected, "{expires_in:?} {token}");
        };
        check(None, "opaque", 60);
        check(Some(0), "opaque", 60);
        check(Some(300), "opaque", 300);
        check(Some(u64::MAX), "opaque", LONGEST_LIFE);
        let short = jwt(r#"{"exp":1100,"iat":1000}"#);
        check(None, &short, 100);
        check(Some(300), &short, 100);
        check(Some(30), &short, 30);
        check(Some(300), &jwt(r#"{"exp":1100}"#), 100);
        // A clock that runs an hour late, or early.
        check(Some(300), &jwt(r#"{"exp":4700,"iat":4600}"#), 100);
        check(Some(300), &jwt(r#"{"exp":900}"#), 300);
        check(None, &jwt(r#"{"exp":"soon"}"#), 60);
        check(None, &jwt(r#"{"exp":1e300}"#), LONGEST_LIFE);
        check(None, &jwt(r#"{"exp":-1e300}"#), 60);
        check(None, "a.!.c", 60);
        check(None, "a..c", 60);
    }
}
