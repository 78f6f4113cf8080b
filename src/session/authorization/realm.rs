//! Asking a realm for an access token.
//!
//! The distribution project's "Token Authentication Specification" (GET, with a password or with
//! nothing) and "OAuth2 Token Authentication" (POST, with a refresh token, which the answer may
//! replace).

use super::{
    super::{
        clock::Clock,
        credentials::{Credential, Login, Secret},
        http::{Activity, Failure, Host, bounded, execute, jitter},
    },
    access_token::{AccessToken, Authorization},
    scope::{Scope, TokenRequest},
};
use crate::error::{Error, Result};
use data_encoding::BASE64URL_NOPAD;
use reqwest::{
    Method, Request, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::{Deserialize, de::IgnoredAny};
use std::{sync::Arc, time::Duration};
use vouch_protocol::{ErrorKind, SessionState};
use zeroize::Zeroizing;

const ACTION: &str = "asking for an access token";
/// The largest answer of a realm, in bytes.
const LARGEST_ANSWER: usize = 64 << 10;
/// The longest access token, in bytes: servers take no longer headers, and many are kept.
const LONGEST_TOKEN: usize = 16 << 10;
/// What a token lives where its realm says nothing, and the most that is believed.
const SHORTEST_LIFE: u64 = 60;
const LONGEST_LIFE: u64 = 24 * 3600;

/// A realm's answer; `token` and `access_token` mean the same.
#[derive(Deserialize)]
struct Granted {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<Seconds>,
    refresh_token: Option<String>,
}

/// Whatever else is there says nothing. Not a `serde_json::Value`, which makes JSON of a text:
/// see [`PlainJson`](vouch_protocol::PlainJson).
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Other(IgnoredAny),
}

impl Seconds {
    fn number(&self) -> Option<u64> {
        match self {
            Self::Number(seconds) => Some(*seconds),
            Self::Other(_) => None,
        }
    }
}

/// Asks the realm for a token, and answers it with the generation of the login it was given to. A
/// login that is refused is asked for once more at its source.
pub(super) async fn grant(
    host: &Arc<Host>,
    login: &Arc<Login>,
    clock: &Clock,
    key: &TokenRequest,
) -> Result<(AccessToken, u64), Failure> {
    let (_, generation) = login.current();
    let refusal = match grant_once(host, login, clock, key).await {
        Err(failure) if is_refusal(&failure) => failure,
        granted => return granted,
    };
    // A mount is an offer: its refusal says nothing of the login.
    if key.scope.as_ref().is_some_and(|scope| !scope.lasts()) {
        return Err(refusal);
    }
    // Another request may have asked already.
    if login.current().1 != generation || login.ask_again().await? {
        return grant_once(host, login, clock, key).await;
    }
    if login.is_some() {
        login.judged(SessionState::Refused);
    }
    Err(refusal)
}

async fn grant_once(
    host: &Arc<Host>,
    login: &Arc<Login>,
    clock: &Clock,
    key: &TokenRequest,
) -> Result<(AccessToken, u64), Failure> {
    host.permit_realm(&key.realm)?;
    // A refresh token is worth nothing once it was replaced: one at a time, and not before the one
    // before has been answered.
    let turn = if let (Some(Credential::IdentityToken { .. }), _) = login.current() {
        let turn = Arc::clone(&login.refreshing).lock_owned();
        let turn = tokio::time::timeout(host.timeouts().answer, turn).await;
        Some(turn.map_err(|_| Failure::stalled_at(host, ACTION, &key.realm))?)
    } else {
        None
    };
    let (credential, generation) = login.current();
    let asked = clock.now();
    let request = request(key, credential.as_ref());
    let refreshes = matches!(credential, Some(Credential::IdentityToken { .. }));
    let exchange = {
        let (host, login) = (Arc::clone(host), Arc::clone(login));
        async move {
            let _turn = turn;
            let mut granted = ask(&host, &login, request).await?;
            let refresh = granted.refresh_token.take().filter(|_| refreshes);
            if let Some(refresh) = refresh.filter(|token| is_token(token)) {
                login.rotate(generation, Secret::new(refresh));
            }
            Ok::<_, Failure>(granted)
        }
    };
    let granted = if refreshes {
        // A refresh token that was sent may be spent. What replaces it is waited for even where
        // no request wants the access token any more: without it the login is lost.
        tokio::spawn(exchange).await.map_err(Error::from)??
    } else {
        exchange.await?
    };
    let value = [granted.token, granted.access_token]
        .into_iter()
        .flatten()
        .find(|token| !token.is_empty())
        .filter(|token| is_token(token) && token.len() <= LONGEST_TOKEN)
        .ok_or_else(|| unusable(host, &key.realm))?;
    if credential.is_some() {
        login.judged(SessionState::Accepted);
    }
    let expires_in = granted.expires_in.and_then(|said| said.number());
    let life = life(expires_in, &value, clock.unix());
    let value = Secret::new(value);
    host.redactor().learn_token(&value);
    // Between a half and one; what is wanted lies between nothing and one.
    let jitter = 2.0 * jitter() - 1.0;
    Ok((AccessToken::new(value, asked, life, jitter), generation))
}

async fn ask(host: &Host, login: &Login, request: Request) -> Result<Granted, Failure> {
    let realm = request.url().clone();
    let response = execute(host, ACTION, request, &Activity::still()).await?;
    let status = response.status();
    if !status.is_success() {
        let mut failure = Failure::answered(host, ACTION, response).await;
        let refreshes = matches!(login.current().0, Some(Credential::IdentityToken { .. }));
        let kind = match failure.error.kind() {
            // RFC 6749, section 5.2: a refresh token that is not valid any more is a 400.
            _ if refreshes && status == StatusCode::BAD_REQUEST => ErrorKind::Unauthorized,
            // It is the realm that is missing, not what the request is about.
            ErrorKind::NotFound => ErrorKind::RegistryError,
            kind => kind,
        };
        let help = match kind {
            ErrorKind::Unauthorized | ErrorKind::Denied => login.advice(),
            _ => format!(
                "{} gets its access tokens there: tell those who run it.",
                host.registry()
            ),
        };
        if kind != ErrorKind::RateLimited {
            let error = host.error(kind, failure.error.message());
            failure.error = error.status(status.as_u16()).help(help);
        }
        return Err(failure);
    }
    let over = ErrorKind::RegistryError;
    let body = bounded(host, ACTION, response, LARGEST_ANSWER, over).await?;
    let body = Zeroizing::new(body);
    serde_json::from_slice(&body).map_err(|_| unusable(host, &realm).into())
}

/// Nothing of the answer may be shown: it holds the token.
fn unusable(host: &Host, realm: &Url) -> Error {
    let party = host.party(realm);
    let message = format!("{ACTION}: {party} answered nothing that can be used as one");
    host.error(ErrorKind::RegistryError, message)
}

fn is_refusal(failure: &Failure) -> bool {
    let kind = failure.error.kind();
    matches!(kind, ErrorKind::Unauthorized | ErrorKind::Denied)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn request(key: &TokenRequest, credential: Option<&Credential>) -> Request {
    let scopes = key.scope.iter().flat_map(Scope::written);
    let service = key.service.as_deref();
    if let Some(Credential::IdentityToken { token, .. }) = credential {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token")
            .append_pair("client_id", "vouchd")
            .append_pair("service", service.unwrap_or_default())
            .append_pair("refresh_token", token.reveal());
        let scope = scopes.collect::<Vec<_>>().join(" ");
        if !scope.is_empty() {
            form.append_pair("scope", &scope);
        }
        let mut request = Request::new(Method::POST, key.realm.clone());
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        *request.body_mut() = Some(form.finish().into());
        return request;
    }
    let mut url = key.realm.clone();
    let mut pairs = url.query_pairs_mut();
    if let Some(service) = service {
        pairs.append_pair("service", service);
    }
    for scope in scopes {
        pairs.append_pair("scope", &scope);
    }
    drop(pairs);
    let mut request = Request::new(Method::GET, url);
    let basic = credential.cloned().map(Authorization::Basic);
    if let Some(value) = basic.and_then(|basic| basic.header()) {
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    request
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

#[cfg(feature = "fuzzing")]
/// Reads what a realm answers, as [`grant_once`] does.
pub fn token_answer(body: &[u8]) -> Option<Duration> {
    let granted: Granted = serde_json::from_slice(body).ok()?;
    let token = granted.token.or(granted.access_token)?;
    let expires_in = granted.expires_in.and_then(|said| said.number());
    is_token(&token).then(|| life(expires_in, &token, 1_700_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_that_is_not_a_number_says_nothing() {
        let check = |expires_in: &str, expected: Option<u64>| {
            let answer = format!(r#"{{"token":"a","expires_in":{expires_in}}}"#);
            let granted: Granted = serde_json::from_str(&answer).unwrap();
            let found = granted.expires_in.and_then(|said| said.number());
            assert_eq!(found, expected, "{expires_in:.40}");
        };
        check("300", Some(300));
        check("null", None);
        check("-1", None);
        check("1.5", None);
        check("\"300\"", None);
        check(r#"{"a":[300]}"#, None);
        check(&vouch_testing::forge::hidden_depth(60), None);
    }

    #[test]
    fn a_token_lives_as_long_as_everybody_says() {
        let jwt = |claims: &str| format!("h.{}.s", BASE64URL_NOPAD.encode(claims.as_bytes()));
        let check = |expires_in: Option<u64>, token: &str, expected: u64| {
            let answer = serde_json::json!({"token": token, "expires_in": expires_in});
            vouch_testing::seeds::seed("token_answer", answer.to_string());
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
