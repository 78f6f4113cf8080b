//! One request and its answer: redirects, credentials where they belong, waits with an end.

use super::{address::shown, failure::Failure, host::Host};
use crate::error::Result;
use reqwest::{
    Method, Request, Response, Url,
    header::{AUTHORIZATION, HeaderName, HeaderValue, LOCATION},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use vouch_protocol::ErrorKind;

/// The most redirects that are followed.
const REDIRECTS: usize = 5;

/// Shows that a streamed body moves, so that only a stall counts as one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activity(Arc<AtomicU64>);

const DONE: u64 = u64::MAX;

impl Activity {
    /// That of a request whose body is in memory.
    pub(crate) fn still() -> Self {
        let activity = Self::default();
        activity.done();
        activity
    }

    /// A body begins, once more perhaps.
    pub(crate) fn begin(&self) -> Self {
        self.0.store(0, Ordering::Relaxed);
        self.clone()
    }

    /// A piece of the body was sent, and `left` bytes remain. After the last comes the answer.
    pub(crate) fn moved(&self, left: u64) {
        if left == 0 {
            self.done();
        } else {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn done(&self) {
        self.0.store(DONE, Ordering::Relaxed);
    }
}

/// A request without a body.
pub(crate) fn request(
    method: Method,
    url: Url,
    headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
) -> Request {
    let mut request = Request::new(method, url);
    request.headers_mut().extend(headers);
    request
}

/// Sends a request and follows where it is sent on to. `build` is called for each; what it makes
/// carries no credentials, and `authorization` goes to the registry's own origin only.
pub(crate) async fn exchange(
    host: &Host,
    action: &str,
    authorization: Option<&HeaderValue>,
    activity: &Activity,
    build: &impl Fn() -> Request,
) -> Result<Response, Failure> {
    let mut target: Option<Url> = None;
    // What another host sends back to the registry is its request, not ours.
    let mut left = false;
    for _ in 0..=REDIRECTS {
        let mut request = build();
        if let Some(target) = target.take() {
            *request.url_mut() = target;
        }
        host.permit(request.url())?;
        request.headers_mut().remove(AUTHORIZATION);
        left |= !host.is_own(request.url());
        if !left && let Some(value) = authorization {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        let (method, from) = (request.method().clone(), request.url().clone());
        let response = execute(host, action, request, activity).await?;
        match redirect(host, &method, &from, &response)? {
            Some(next) => target = Some(next),
            None => return Ok(response),
        }
    }
    let message = format!("{action}: {} redirects in circles", host.registry());
    Err(host.error(ErrorKind::RegistryError, message).into())
}

/// Where a response sends its request on to.
fn redirect(host: &Host, method: &Method, from: &Url, response: &Response) -> Result<Option<Url>> {
    let keeps_method = match response.status().as_u16() {
        307 | 308 => true,
        301..=303 => matches!(*method, Method::GET | Method::HEAD),
        _ => return Ok(None),
    };
    if let Some(url) = location(response).filter(|_| keeps_method) {
        host.permit(&url)?;
        return Ok(Some(url));
    }
    let message = format!(
        "{} redirects a {method} in a way that cannot be followed",
        host.party(from)
    );
    let error = host.error(ErrorKind::RegistryError, message);
    Err(error.status(response.status().as_u16()))
}

/// Where a response points to: RFC 9110, section 10.2.2. It may be relative, and hold spaces, UTF-8
/// or Latin-1, which are escaped.
pub(crate) fn location(response: &Response) -> Option<Url> {
    let value = response.headers().get(LOCATION)?.as_bytes();
    let location = match std::str::from_utf8(value) {
        Ok(location) => location.to_owned(),
        Err(_) => value.iter().copied().map(char::from).collect(),
    };
    response.url().join(&location).ok()
}

/// Sends one request, and waits for the head of its answer as long as its body moves.
pub(crate) async fn execute(
    host: &Host,
    action: &str,
    request: Request,
    activity: &Activity,
) -> Result<Response, Failure> {
    let url = request.url().clone();
    let client = host.clients.to(&url).await?;
    tracing::debug!(method = %request.method(), url = host.redacted(shown(&url)), "sending");
    let timeouts = host.timeouts();
    let mut answer = std::pin::pin!(client.execute(request));
    loop {
        let before = activity.0.load(Ordering::Relaxed);
        let wait = match before {
            DONE => timeouts.answer,
            _ => timeouts.idle,
        };
        match tokio::time::timeout(wait, &mut answer).await {
            Ok(Ok(answer)) => {
                host.clients.answered(&url);
                return Ok(answer);
            }
            Ok(Err(error)) => return Err(Failure::broken(host, action, error)),
            Err(_) if activity.0.load(Ordering::Relaxed) != before => {}
            Err(_) => return Err(Failure::stalled_at(host, action, &url)),
        }
    }
}
