//! What went wrong with a request, in our words and the registry's, and whether to try again.
//!
//! A registry's words are hostile: bounded, and without what could drive a terminal.

use super::{super::causes::causes, address::LinkLocal, host::Host};
use crate::error::{Error, Result, clean, no_handles};
use chrono::{DateTime, Utc};
use oci_distribution::errors::OciErrorCode;
use reqwest::{
    Response, StatusCode, Url,
    header::{HeaderMap, RETRY_AFTER},
};
use serde::Deserialize;
use std::{error, io, time::Duration};
use vouch_protocol::ErrorKind;

/// The most of an error's body that is read, in bytes.
const LARGEST_BODY: usize = 64 << 10;
/// The most of a registry's errors that are passed on.
const MESSAGES: usize = 3;

/// A failed attempt.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// Whether another attempt may go better, and after which pause at least.
    pub(crate) again: Option<Duration>,
    /// Whether the registry's words say that a login has expired.
    pub(crate) expired: bool,
    /// Whether they say that a login may not do this.
    pub(crate) denied: bool,
    /// Whether they say that a manifest's blobs are not seen.
    pub(crate) unseen_blobs: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            again: None,
            expired: false,
            denied: false,
            unseen_blobs: false,
        }
    }
}

impl Failure {
    /// A failure that another attempt may not meet.
    pub(crate) fn passing(error: Error) -> Self {
        Self {
            again: Some(Duration::ZERO),
            ..Self::from(error)
        }
    }

    /// A connection that could not be made, or broke.
    pub(crate) fn broken(host: &Host, action: &str, error: reqwest::Error) -> Self {
        let url = error.url().cloned();
        let error = error.without_url();
        let registry = host.registry();
        let party = url
            .as_ref()
            .map_or_else(|| registry.to_owned(), |url| host.party(url));
        if find(&error).is_some_and(no_handles) {
            let what = format!("{action}: cannot connect to {party}");
            return Error::without_handles(&what)
                .registry(registry)
                .source(error)
                .into();
        }
        let asked = |url: &&Url| !error.is_timeout() && host.clients.only_asked(url);
        let (kind, what, help) = if find::<LinkLocal>(&error).is_some() {
            let help = "Nothing was sent: clouds keep machines' secrets at such addresses.";
            (ErrorKind::InsecureRegistry, "is not asked", help.to_owned())
        } else if let Some(url) = url.as_ref().filter(asked) {
            // HTTP/2 keeps of the cause nothing but its words.
            let what = "asked for a client certificate, and no TLS connection could be made";
            (
                ErrorKind::InsecureRegistry,
                what,
                certificate_advice(host, url),
            )
        } else if let Some(tls) = find(&error) {
            let what = "could not be spoken to over TLS";
            (ErrorKind::InsecureRegistry, what, tls_advice(registry, tls))
        } else {
            let (kind, what) = if error.is_builder() {
                (ErrorKind::RegistryError, "cannot be sent this request")
            } else if error.is_timeout() {
                (ErrorKind::RegistryTimeout, "did not answer in time")
            } else if error.is_connect() {
                (ErrorKind::RegistryUnreachable, "cannot be reached")
            } else {
                (ErrorKind::RegistryUnreachable, "broke the connection")
            };
            (kind, what, format!("Is {party} right, and is it running?"))
        };
        let why = causes(&error, |text| host.redacted(text));
        let message = format!("{action}: {party} {what}: {why}");
        let error = host.error(kind, message).help(help).source(error);
        match kind {
            ErrorKind::RegistryTimeout | ErrorKind::RegistryUnreachable => Self::passing(error),
            _ => error.into(),
        }
    }

    /// Nothing moved for too long.
    pub(crate) fn stalled(host: &Host, action: &str) -> Self {
        Self::stalled_at(host, action, host.base())
    }

    /// The same, at another address than the registry's own.
    pub(crate) fn stalled_at(host: &Host, action: &str, url: &Url) -> Self {
        let message = format!("{action}: {} was silent for too long", host.party(url));
        Self::passing(host.error(ErrorKind::RegistryTimeout, message))
    }

    /// An answer that is not a success. What to do about it depends on the login.
    pub(crate) async fn answered(host: &Host, action: &str, response: Response) -> Self {
        let status = response.status();
        let after = retry_after(response.headers(), Utc::now());
        let from = host.party(response.url());
        let over = ErrorKind::RegistryError;
        let (words, codes) = match bounded(host, action, response, LARGEST_BODY, over).await {
            Ok(body) => words(&body, &|text| host.redacted(text)),
            Err(_) => Default::default(),
        };
        let kind = match status {
            StatusCode::UNAUTHORIZED => ErrorKind::Unauthorized,
            StatusCode::FORBIDDEN => ErrorKind::Denied,
            StatusCode::NOT_FOUND => ErrorKind::NotFound,
            StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimited,
            status if status.is_client_error() => ErrorKind::RegistryRefused,
            _ => ErrorKind::RegistryError,
        };
        let reason = status.canonical_reason().unwrap_or("(no known status)");
        let message = format!(
            "{action}: {from} answered {} {reason}{words}",
            status.as_u16()
        );
        let mut error = host.error(kind, message).status(status.as_u16());
        if status == StatusCode::TOO_MANY_REQUESTS {
            error = error.help(match after {
                Some(after) => format!("Try again in {} s.", after.as_secs()),
                None => "Try again later, or log in: limits are often per login.".into(),
            });
        }
        let passes = matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504);
        Self {
            error,
            again: passes.then(|| after.unwrap_or_default()),
            expired: words.to_ascii_lowercase().contains("expired"),
            denied: codes.contains(&OciErrorCode::Denied),
            unseen_blobs: matches!(status.as_u16(), 400 | 404)
                && codes.iter().any(|code| {
                    matches!(
                        code,
                        OciErrorCode::ManifestBlobUnknown | OciErrorCode::DigestInvalid
                    )
                }),
        }
    }
}

/// What to do where TLS failed.
fn tls_advice(registry: &str, error: &rustls::Error) -> String {
    match error {
        // Not TLS at all: mostly a server that speaks plain HTTP.
        rustls::Error::InvalidMessage(_) => format!(
            "If {registry} speaks plain HTTP and that is meant, write this to the server's \
             config: [registry.\"{registry}\"] plain-http = true"
        ),
        _ => format!(
            "If {registry} has a certificate of a private authority, write this to the server's \
             config: [registry.\"{registry}\"] ca = \"/path/to/ca.pem\""
        ),
    }
}

/// What to do where somebody asks for a client certificate, and is not content.
fn certificate_advice(host: &Host, url: &Url) -> String {
    let registry = host.registry();
    if !host.is_own(url) {
        return format!(
            "{registry} leads to another host, which is shown no certificate: only {registry} is."
        );
    }
    match &host.section().client_cert {
        Some(certificate) => format!(
            "It was shown the certificate of {}: is it one that {registry} knows?",
            certificate.display()
        ),
        None => format!(
            "Write this to the server's config: [registry.\"{registry}\"] \
             client-cert = \"/path/to/cert.pem\" and client-key = \"/path/to/key.pem\""
        ),
    }
}

/// Reads a small body whole, in bounded time: at most `limit` bytes, else it is an error of kind
/// `over`.
pub(crate) async fn bounded(
    host: &Host,
    action: &str,
    mut response: Response,
    limit: usize,
    over: ErrorKind,
) -> Result<Vec<u8>, Failure> {
    let url = response.url().clone();
    let all = async {
        let mut body = Vec::new();
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| Failure::broken(host, action, error))?
        {
            if piece.len() > limit.saturating_sub(body.len()) {
                return Err(Failure::from(host.error(
                    over,
                    format!(
                        "{action}: {} sent more than the {limit} bytes allowed here",
                        host.party(&url)
                    ),
                )));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    };
    match tokio::time::timeout(host.timeouts().answer, all).await {
        Ok(read) => read,
        Err(_) => Err(Failure::stalled_at(host, action, &url)),
    }
}

/// What is read of a registry's errors: not their details, of any shape, of which
/// `oci_distribution`'s type makes a `serde_json::Value`. That makes JSON of a text: see
/// [`PlainJson`](vouch_protocol::PlainJson).
#[derive(Deserialize)]
struct Envelope {
    errors: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    code: OciErrorCode,
    #[serde(default)]
    message: String,
}

/// A registry's own words: OCI distribution specification, "Error codes". Secrets are taken out
/// before anything is cut off, or the rest of one would stay.
fn words(body: &[u8], redacted: &dyn Fn(String) -> String) -> (String, Vec<OciErrorCode>) {
    let Ok(envelope) = serde_json::from_slice::<Envelope>(body) else {
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

/// RFC 9110, section 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?.to_utc();
    Some((date - now).to_std().unwrap_or_default())
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
        let deep = vouch_testing::forge::hidden_depth(60);
        check(
            &format!(r#"{{"errors":[{{"code":"A","message":"b","detail":{deep}}}]}}"#),
            "; A: b",
        );
        let long = format!(
            r#"{{"errors":[{}]}}"#,
            vec![format!(r#"{{"code":"A","message":"{}"}}"#, "é".repeat(5000)); 9].join(",")
        );
        assert!(words(long.as_bytes(), &|text| text).0.chars().count() < 1200);
    }
}
