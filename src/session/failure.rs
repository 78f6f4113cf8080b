//! What went wrong with a request, in our words and the registry's, and whether to try again.
//!
//! A registry's words are hostile: bounded, and without what could drive a terminal.

use super::{Session, shown};
use crate::error::{Error, Result, no_handles};
use chrono::{DateTime, Utc};
use oci_distribution::errors::{OciEnvelope, OciErrorCode};
use reqwest::{
    Response, StatusCode, Url,
    header::{HeaderMap, RETRY_AFTER},
};
use std::{error, io, time::Duration};
use vouch_protocol::{ErrorKind, needs_escape};

/// Bodies of errors are read that far.
const LARGEST_BODY: usize = 64 << 10;
/// So many of a registry's errors are passed on, each so many characters long.
const MESSAGES: usize = 3;
const MESSAGE: usize = 300;

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) again: Again,
    /// Whether the registry's words say that a login has expired.
    pub(super) expired: bool,
    /// Whether they say that a login may not do this.
    pub(super) denied: bool,
}

/// Whether another attempt may go better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    Never,
    /// After a pause; the registry may have said how long.
    Later(Option<Duration>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            again: Again::Never,
            expired: false,
            denied: false,
        }
    }
}

/// The same error once more, for another who waits for the same.
pub(super) fn copied(error: &Error) -> Error {
    let data = error.data();
    let mut copy = Error::new(error.kind(), error.message());
    if let Some(help) = data.help {
        copy = copy.help(help);
    }
    if let Some(registry) = data.registry {
        copy = copy.registry(registry);
    }
    if let Some(status) = data.status {
        copy = copy.status(status);
    }
    copy
}

impl Failure {
    /// A failure that another attempt may not meet.
    pub(crate) fn passing(error: Error) -> Self {
        Self {
            again: Again::Later(None),
            ..Self::from(error)
        }
    }

    /// The same failure, for another who waits for the same.
    pub(super) fn copied(&self) -> Self {
        Self {
            error: copied(&self.error),
            ..*self
        }
    }

    /// A connection that could not be made, or broke.
    pub(crate) fn broken(session: &Session, action: &str, error: reqwest::Error) -> Self {
        let url = error.url().cloned();
        let error = error.without_url();
        let registry = session.registry();
        let why = causes(&error);
        let tls = find::<rustls::Error>(&error);
        // HTTP/2 keeps of the cause nothing but its words.
        let asked = !error.is_timeout()
            && url
                .as_ref()
                .is_some_and(|url| session.clients.only_asked(url));
        let help = match tls {
            _ if asked => Some(certificate_advice(session, url.as_ref())),
            // Not TLS at all: mostly a server that speaks plain HTTP.
            Some(rustls::Error::InvalidMessage(_)) => Some(format!(
                "If {registry} speaks plain HTTP and that is meant, write this to the \
                 server's config: [registry.\"{registry}\"] plain-http = true"
            )),
            Some(_) => Some(format!(
                "If {registry} has a certificate of a private authority, write this to the \
                 server's config: [registry.\"{registry}\"] ca = \"/path/to/ca.pem\""
            )),
            None => None,
        };
        if let Some(help) = help {
            let what = if asked {
                "a client certificate was asked for, and no TLS connection"
            } else {
                "no TLS connection"
            };
            let error = session
                .error(
                    ErrorKind::InsecureRegistry,
                    format!("{action}: {what} to {registry} could be made: {why}"),
                )
                .help(help)
                .source(error);
            return error.into();
        }
        if find(&error).is_some_and(no_handles) {
            let what = format!("{action}: cannot connect to {registry}");
            return Error::without_handles(&what)
                .registry(registry)
                .source(error)
                .into();
        }
        let (kind, what) = if error.is_timeout() {
            (ErrorKind::RegistryTimeout, "did not answer in time")
        } else if error.is_connect() {
            (ErrorKind::RegistryUnreachable, "cannot be reached")
        } else if error.is_builder() {
            return session
                .error(
                    ErrorKind::RegistryError,
                    format!("{action}: the request to {registry} cannot be made: {why}"),
                )
                .source(error)
                .into();
        } else {
            (ErrorKind::RegistryUnreachable, "broke the connection")
        };
        Self::passing(
            session
                .error(kind, format!("{action}: {registry} {what}: {why}"))
                .help(format!("Is {registry} right, and is it running?"))
                .source(error),
        )
    }

    /// Nothing moved for too long.
    pub(crate) fn stalled(session: &Session, action: &str) -> Self {
        let registry = session.registry();
        Self::passing(session.error(
            ErrorKind::RegistryTimeout,
            format!("{action}: {registry} sent or took nothing for too long"),
        ))
    }

    /// An answer that is no success.
    pub(super) async fn answered(session: &Session, action: &str, response: Response) -> Self {
        let status = response.status();
        let after = retry_after(response.headers(), Utc::now());
        let registry = session.registry();
        let from = if response.url().origin() == session.host.base.origin() {
            registry.to_owned()
        } else {
            format!("{registry} (by {})", shown(response.url()))
        };
        let (words, codes) = match bounded(
            session,
            action,
            response,
            LARGEST_BODY,
            ErrorKind::RegistryError,
        )
        .await
        {
            Ok(body) => words(&body, &|text| session.redacted(text)),
            Err(_) => Default::default(),
        };
        let (kind, help) = match status {
            StatusCode::UNAUTHORIZED => (ErrorKind::Unauthorized, Some(session.advice())),
            StatusCode::FORBIDDEN => (
                ErrorKind::Denied,
                Some(format!(
                    "Use a login that has this right in {registry}; it may also have expired."
                )),
            ),
            StatusCode::NOT_FOUND => (ErrorKind::NotFound, None),
            StatusCode::TOO_MANY_REQUESTS => (
                ErrorKind::RateLimited,
                Some(match after {
                    Some(after) => format!("Try again in {} s.", after.as_secs()),
                    None => "Try again later, or log in: limits are often per login.".into(),
                }),
            ),
            status if status.is_client_error() => (ErrorKind::RegistryRefused, None),
            _ => (ErrorKind::RegistryError, None),
        };
        let reason = status.canonical_reason().unwrap_or("no known status");
        let mut error = session
            .error(
                kind,
                format!(
                    "{action}: {from} answered {} {reason}{words}",
                    status.as_u16()
                ),
            )
            .status(status.as_u16());
        if let Some(help) = help {
            error = error.help(help);
        }
        let again = match status.as_u16() {
            429 | 500 | 502 | 503 | 504 => Again::Later(after),
            _ => Again::Never,
        };
        Self {
            error,
            again,
            expired: words.to_ascii_lowercase().contains("expired"),
            denied: codes.contains(&OciErrorCode::Denied),
        }
    }
}

/// What to do where somebody asks for a client certificate, and is not content.
fn certificate_advice(session: &Session, url: Option<&Url>) -> String {
    let registry = session.registry();
    if url.is_none_or(|url| url.origin() != session.host.base.origin()) {
        return format!(
            "{registry} leads to another host, which is shown no certificate: only {registry} is."
        );
    }
    match &session.host.section.client {
        Some(client) => format!(
            "It was shown the certificate of {}: is it one that {registry} knows?",
            client.certificate.display()
        ),
        None => format!(
            "Write this to the server's config: [registry.\"{registry}\"] \
             client-cert = \"/path/to/cert.pem\" and client-key = \"/path/to/key.pem\""
        ),
    }
}

/// Reads a small body whole: at most so many bytes (else an error of kind `over`), in bounded time.
pub(crate) async fn bounded(
    session: &Session,
    action: &str,
    mut response: Response,
    limit: usize,
    over: ErrorKind,
) -> Result<Vec<u8>, Failure> {
    let all = async {
        let mut body = Vec::new();
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| Failure::broken(session, action, error))?
        {
            if piece.len() > limit.saturating_sub(body.len()) {
                return Err(Failure::from(session.error(
                    over,
                    format!(
                        "{action}: {} sent more than the {limit} bytes that this may have",
                        session.registry()
                    ),
                )));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    };
    match tokio::time::timeout(session.timeouts().answer, all).await {
        Ok(read) => read,
        Err(_) => Err(Failure::stalled(session, action)),
    }
}

/// A registry's own words: OCI distribution specification, "Error codes". Secrets are taken out
/// before anything is cut off, or the rest of one would stay.
fn words(body: &[u8], redacted: &dyn Fn(String) -> String) -> (String, Vec<OciErrorCode>) {
    let Ok(envelope) = serde_json::from_slice::<OciEnvelope>(body) else {
        return Default::default();
    };
    let mut words = String::new();
    for error in envelope.errors.iter().take(MESSAGES) {
        let code = match &error.code {
            OciErrorCode::Other(code) => code.clone(),
            code => match serde_json::to_value(code) {
                Ok(serde_json::Value::String(code)) => code,
                _ => String::new(),
            },
        };
        let (code, message) = (redacted(code), redacted(error.message.clone()));
        words = format!("{words}; {}: {}", clean(&code), clean(&message));
    }
    let codes = envelope.errors.into_iter().map(|error| error.code);
    (words, codes.take(MESSAGES).collect())
}

/// A stranger's text, fit to be shown: short, and without what does more to a terminal than stand
/// there.
pub(crate) fn clean(text: &str) -> String {
    clean_to(text, MESSAGE)
}

/// The same, with so many characters at most.
pub(crate) fn clean_to(text: &str, longest: usize) -> String {
    let mut clean: String = text
        .chars()
        .filter(|c| !needs_escape(*c))
        .take(longest + 1)
        .collect();
    if let Some((end, _)) = clean.char_indices().nth(longest) {
        clean.truncate(end);
        clean.push('…');
    }
    clean
}

/// RFC 9110, section 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?.to_utc();
    Some((date - now).to_std().unwrap_or_default())
}

/// What caused an error, from the outside in, as one line. `reqwest` says only "error sending
/// request"; what matters is further down.
pub(super) fn causes(error: &(dyn error::Error + 'static)) -> String {
    let mut line = clean(&error.to_string());
    let mut next = error.source();
    while let Some(cause) = next {
        let text = clean(&cause.to_string());
        if !line.ends_with(&text) && line.len() < 4 * MESSAGE {
            line = format!("{line}: {text}");
        }
        next = cause.source();
    }
    line
}

/// The first cause of that type. An `io::Error` is looked into: its `source` skips what it wraps.
fn find<'a, E: error::Error + 'static>(error: &'a (dyn error::Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        let wrapped = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inner| inner as &(dyn error::Error + 'static));
        next = wrapped.or_else(|| cause.source());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z")
            .unwrap()
            .to_utc();
        let check = |value: &'static str, expected: Option<u64>| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            let expected = expected.map(Duration::from_secs);
            assert_eq!(retry_after(&headers, now), expected, "{value}");
        };
        check("7", Some(7));
        check("0", Some(0));
        check("Thu, 01 Jan 2026 00:00:30 GMT", Some(30));
        check("Wed, 31 Dec 2025 23:00:00 GMT", Some(0));
        check("-1", None);
        check("soon", None);
        check("99999999999999999999999", None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn a_registry_s_words_are_bounded_and_tame() {
        let check = |body: &str, expected: &str| {
            assert_eq!(words(body.as_bytes(), &|text| text).0, expected);
        };
        check(
            r#"{"errors":[{"code":"DENIED","message":"no\u001b[31m way"}]}"#,
            "; DENIED: no[31m way",
        );
        check(r#"{"errors":[{"code":"OWN\n","message":"x"}]}"#, "; OWN: x");
        check(r#"{"errors":[]}"#, "");
        check("<html>", "");
        check(&"[".repeat(60_000), "");
        let long = format!(
            r#"{{"errors":[{}]}}"#,
            vec![format!(r#"{{"code":"A","message":"{}"}}"#, "é".repeat(5000)); 9].join(",")
        );
        assert!(words(long.as_bytes(), &|text| text).0.chars().count() < 4 * MESSAGE);
        assert_eq!(clean("a\u{202e}b\u{2066}c\u{61c}d\u{200b}"), "abcd");
    }
}
