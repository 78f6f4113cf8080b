//! How a registry wants to be logged in to, and the tokens that it gives.
//!
//! The distribution project's "Token Authentication Specification": a challenge names a realm; the
//! realm gives a token for a scope; the token goes with the requests. A token is kept until shortly
//! before it expires, and fetched by one request at a time.

use super::{
    Failure, Session,
    credential::{Credential, Secret},
    failure::bounded,
    shown,
};
use crate::{error::Error, reference::Digest};
use lru::LruCache;
use reqwest::{
    Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE},
};
use serde::Deserialize;
use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use vouch_protocol::ErrorKind;

/// A realm's answer is at most that large.
const LARGEST_ANSWER: usize = 64 << 10;
/// So many tokens are kept for a registry.
const TOKENS: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// What a token lives where its realm says nothing, and the most that is believed.
const SHORTEST_LIFE: u64 = 60;
const LONGEST_LIFE: u64 = 24 * 3600;
/// A token is given up that long before it expires, or a quarter of its life if that is shorter:
/// a request takes time, and clocks differ.
const MARGIN: Duration = Duration::from_secs(15);

/// What a request does to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// Reads.
    Pull,
    /// Reads and writes.
    Push,
}

/// What a token is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    pub(crate) repository: String,
    pub(crate) action: Action,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions = match self.action {
            Action::Pull => "pull",
            Action::Push => "pull,push",
        };
        write!(f, "repository:{}:{actions}", self.repository)
    }
}

/// How a registry asks to be logged in to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

impl Challenge {
    /// The challenge in a 401 that we can meet: Bearer before Basic.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let offered: Vec<_> = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .filter_map(Self::parse)
            .collect();
        let bearer = |challenge: &&Self| matches!(challenge, Self::Bearer { .. });
        offered
            .iter()
            .find(bearer)
            .or_else(|| offered.first())
            .cloned()
    }

    /// RFC 9110, section 11.3: a scheme, then `name=value` or `name="value"`, with commas.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, mut rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, None);
        loop {
            rest = rest.trim_start_matches([' ', ',', '\t']);
            if rest.is_empty() {
                break;
            }
            let (name, after) = rest.split_once('=')?;
            let (value, after) = parameter(after)?;
            match name.trim().to_ascii_lowercase().as_str() {
                "realm" => realm = Some(Url::parse(&value).ok()?),
                "service" => service = Some(value),
                _ => {}
            }
            rest = after;
        }
        realm.map(|realm| Self::Bearer { realm, service })
    }
}

/// The value that a text begins with, and what comes after it.
fn parameter(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return Some((text.get(..end)?.to_owned(), text.get(end..)?));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            character => value.push(character),
        }
    }
    None
}

/// A registry's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    value: Secret,
    expires: Instant,
}

/// What a request is authorized with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Authorization {
    Basic(Credential),
    Bearer(Token),
}

impl Authorization {
    /// The header's value, marked so that nothing prints it.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let text = match self {
            Self::Basic(Credential { username, password }) => {
                let pair = format!("{}:{}", username.reveal(), password.reveal());
                format!("Basic {}", STANDARD.encode(pair))
            }
            Self::Bearer(token) => format!("Bearer {}", token.value.reveal()),
        };
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// What a token was given for. The login is part of it: a token must not outlive its logout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    realm: Url,
    service: Option<String>,
    scope: Scope,
    login: Option<Digest>,
}

type Slot = Arc<tokio::sync::Mutex<Option<Token>>>;

/// The tokens of one registry.
#[derive(Debug)]
pub(super) struct Tokens(Mutex<LruCache<Key, Slot>>);

impl Default for Tokens {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(TOKENS)))
    }
}

impl Tokens {
    /// A token for a scope, from memory or from the realm; not the one that was just refused.
    pub(super) async fn get(
        &self,
        session: &Session,
        (realm, service): (&Url, Option<&str>),
        scope: &Scope,
        credential: Option<&Credential>,
        refused: Option<&Token>,
    ) -> Result<Token, Failure> {
        let key = Key {
            realm: realm.clone(),
            service: service.map(ToOwned::to_owned),
            scope: scope.clone(),
            login: credential.map(|Credential { username, password }| {
                let (username, password) = (username.reveal(), password.reveal());
                Digest::of(format!("{}:{username}:{password}", username.len()).as_bytes())
            }),
        };
        let slot = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.get_or_insert(key.clone(), Slot::default))
        };
        // Who waits here waits for another request to the same realm.
        let mut slot = tokio::time::timeout(session.timeouts().answer, slot.lock())
            .await
            .map_err(|_| Failure::stalled(session, "asking for a token"))?;
        if let Some(token) = slot.as_ref()
            && token.expires > Instant::now()
            && refused != Some(token)
        {
            return Ok(token.clone());
        }
        *slot = None;
        let token = fetch(session, &key, credential).await?;
        *slot = Some(token.clone());
        Ok(token)
    }
}

/// Lists a realm's answer; `token` and `access_token` mean the same.
#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

async fn fetch(
    session: &Session,
    key: &Key,
    credential: Option<&Credential>,
) -> Result<Token, Failure> {
    const ACTION: &str = "asking for a token";
    let asked = Instant::now();
    session.permit_realm(&key.realm)?;
    let mut url = key.realm.clone();
    {
        let mut query = url.query_pairs_mut();
        if let Some(service) = &key.service {
            query.append_pair("service", service);
        }
        query.append_pair("scope", &key.scope.to_string());
    }
    let mut request = session.clients.to(&url).await?.get(url);
    if let Some(credential) = credential
        && let Some(value) = Authorization::Basic(credential.clone()).header()
    {
        request = request.header(AUTHORIZATION, value);
    }
    let response = tokio::time::timeout(session.timeouts().answer, request.send())
        .await
        .map_err(|_| Failure::stalled(session, ACTION))?
        .map_err(|error| Failure::broken(session, ACTION, error))?;
    if !response.status().is_success() {
        let mut failure = Failure::answered(session, ACTION, response).await;
        if failure.error.kind() == ErrorKind::NotFound {
            // It is the realm that is missing, not what the request is about.
            let why = failure.error.message().to_owned();
            failure.error = session.error(ErrorKind::RegistryError, why);
        }
        return Err(failure);
    }
    let over = ErrorKind::RegistryError;
    let body = bounded(session, ACTION, response, LARGEST_ANSWER, over).await?;
    // Nothing of the body may be shown: it holds the token.
    let unusable = || -> Error {
        session.error(
            ErrorKind::RegistryError,
            format!("{} answered no token that can be used", shown(&key.realm)),
        )
    };
    let answer: Answer = serde_json::from_slice(&body).map_err(|_| unusable())?;
    let value = answer
        .token
        .filter(|token| !token.is_empty())
        .or(answer.access_token)
        .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or_else(unusable)?;
    let life = answer
        .expires_in
        .filter(|life| *life > 0)
        .unwrap_or(SHORTEST_LIFE)
        .min(LONGEST_LIFE);
    let life = Duration::from_secs(life);
    Ok(Token {
        value: Secret::new(value),
        expires: asked + life.saturating_sub(MARGIN.min(life / 4)),
    })
}

impl Session {
    /// Fails where a realm may not be asked. Its login travels with the question, so plain HTTP is
    /// only for where the registry itself is spoken to that way.
    fn permit_realm(&self, realm: &Url) -> Result<(), Error> {
        self.permit(realm).map_err(|error| {
            error.help(
                "No login was sent. The realm that the registry names for tokens has to be https.",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let check = |text: &str, expected: Option<(&str, Option<&str>)>| {
            let expected = expected.map(|(realm, service)| Challenge::Bearer {
                realm: Url::parse(realm).unwrap(),
                service: service.map(ToOwned::to_owned),
            });
            assert_eq!(Challenge::parse(text), expected, "{text}");
        };
        check(
            r#"Bearer realm="https://auth.io/token",service="registry, \"io\"",scope="a:b:c""#,
            Some(("https://auth.io/token", Some("registry, \"io\""))),
        );
        check(
            "bearer  service=io , REALM=https://auth.io/",
            Some(("https://auth.io/", Some("io"))),
        );
        check(
            r#"Bearer realm="https://auth.io/""#,
            Some(("https://auth.io/", None)),
        );
        check(r#"Bearer realm="/token""#, None);
        check(r#"Bearer realm="https://auth.io/"#, None);
        check(r#"Bearer realm="https://auth.io/\"#, None);
        check("Bearer realm", None);
        check("Bearer", None);
        check("Negotiate", None);
        check("", None);
        assert_eq!(
            Challenge::parse("Basic realm=\"x\""),
            Some(Challenge::Basic)
        );
        assert_eq!(Challenge::parse("basic"), Some(Challenge::Basic));
    }

    #[test]
    fn a_bearer_challenge_goes_before_basic() {
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=x"));
        assert_eq!(Challenge::of(&headers), Some(Challenge::Basic));
        headers.append(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"https://auth.io/\""),
        );
        assert!(matches!(
            Challenge::of(&headers),
            Some(Challenge::Bearer { .. })
        ));
    }

    #[test]
    fn scopes_are_written_as_the_specification_says() {
        let check = |action, expected: &str| {
            let repository = "acme/echo".to_owned();
            assert_eq!(Scope { repository, action }.to_string(), expected);
        };
        check(Action::Pull, "repository:acme/echo:pull");
        check(Action::Push, "repository:acme/echo:pull,push");
    }
}
