//! Sending: credentials where they belong, one replay when they are refused, redirects, waits with
//! an end, and attempts with pauses between.

use super::{
    Failure, Scope, Session, Timeouts,
    credential::Login,
    failure::Again,
    shown,
    token::{Authorization, Challenge},
};
use crate::error::{Error, Result};
use reqwest::{
    Client, Method, Request, RequestBuilder, Response, StatusCode, Url,
    header::{AUTHORIZATION, LOCATION},
};
use std::{
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use vouch_protocol::ErrorKind;

/// Redirects are followed that often.
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

    /// A piece of the body was taken, and so many bytes are left. What follows the last is the
    /// answer.
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

impl Session {
    /// Sends a request that may be sent again, and answers its success. `build` is called for each
    /// attempt; its address decides whether credentials go with it.
    pub(crate) async fn send(
        &self,
        action: &str,
        scope: &Scope,
        build: impl Fn(&Client, &Url) -> RequestBuilder,
    ) -> Result<Response> {
        let mut retries = Retries::new(self.timeouts());
        loop {
            match self
                .attempt(action, scope, &Activity::still(), &build)
                .await
            {
                Ok(response) => return Ok(response),
                Err(failure) => retries.wait(failure).await?,
            }
        }
    }

    /// Sends a request once; again only where its credentials were refused and there are others.
    pub(crate) async fn attempt(
        &self,
        action: &str,
        scope: &Scope,
        activity: &Activity,
        build: &impl Fn(&Client, &Url) -> RequestBuilder,
    ) -> Result<Response, Failure> {
        let challenge = self.challenge();
        let used = self.authorize(challenge.as_ref(), scope, None).await?;
        let mut response = self.follow(action, used.as_ref(), activity, build).await?;
        if self.refused(&response) {
            let challenge = Challenge::of(response.headers());
            self.remember(challenge.clone());
            let next = self
                .authorize(challenge.as_ref(), scope, used.as_ref())
                .await?;
            if next.is_some() && next != used {
                response = self.follow(action, next.as_ref(), activity, build).await?;
            }
        }
        if response.status().is_success() {
            return Ok(response);
        }
        let refused = self.refused(&response);
        let mut failure = Failure::answered(self, action, response).await;
        if refused && matches!(self.docker.login(&self.registry).await?, Login::InHelper) {
            failure.error = failure.error.help(format!(
                "The login for {0} is kept by a credential helper, which is not used yet. Log in \
                 with a docker config that has no helper for {0}.",
                self.registry
            ));
        }
        Err(failure)
    }

    fn refused(&self, response: &Response) -> bool {
        response.status() == StatusCode::UNAUTHORIZED
            && response.url().origin() == self.base.origin()
    }

    fn challenge(&self) -> Option<Challenge> {
        self.challenge
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn remember(&self, challenge: Option<Challenge>) {
        *self
            .challenge
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = challenge;
    }

    /// What meets a challenge. Nothing where nothing was asked, or nobody is logged in.
    async fn authorize(
        &self,
        challenge: Option<&Challenge>,
        scope: &Scope,
        refused: Option<&Authorization>,
    ) -> Result<Option<Authorization>, Failure> {
        let Some(challenge) = challenge else {
            return Ok(None);
        };
        let credential = self.docker.login(&self.registry).await?.credential();
        Ok(match challenge {
            Challenge::Basic => credential.map(Authorization::Basic),
            Challenge::Bearer { realm, service } => {
                let refused = match refused {
                    Some(Authorization::Bearer(token)) => Some(token),
                    _ => None,
                };
                let from = (realm, service.as_deref());
                let token = self
                    .tokens
                    .get(self, from, scope, credential.as_ref(), refused)
                    .await?;
                Some(Authorization::Bearer(token))
            }
        })
    }

    /// Sends a request and follows where it is sent on to. Credentials go to the registry's own
    /// origin only.
    async fn follow(
        &self,
        action: &str,
        authorization: Option<&Authorization>,
        activity: &Activity,
        build: &impl Fn(&Client, &Url) -> RequestBuilder,
    ) -> Result<Response, Failure> {
        let mut target: Option<Url> = None;
        for _ in 0..=REDIRECTS {
            // Which client it is sent with is known only from its address.
            let any = self
                .clients
                .to(target.as_ref().unwrap_or(&self.base))
                .await?;
            let mut request = build(&any, &self.base)
                .build()
                .map_err(|error| Failure::broken(self, action, error))?;
            if let Some(target) = &target {
                *request.url_mut() = target.clone();
            }
            self.permit(request.url())?;
            request.headers_mut().remove(AUTHORIZATION);
            if request.url().origin() == self.base.origin()
                && let Some(value) = authorization.and_then(Authorization::header)
            {
                request.headers_mut().insert(AUTHORIZATION, value);
            }
            let client = self.clients.to(request.url()).await?;
            let (method, from) = (request.method().clone(), request.url().clone());
            let response = self.execute(action, &client, request, activity).await?;
            match self.redirect(&method, &from, &response)? {
                Some(next) => target = Some(next),
                None => return Ok(response),
            }
        }
        Err(self
            .error(
                ErrorKind::RegistryError,
                format!("{action}: {} redirects in circles", self.registry),
            )
            .into())
    }

    /// Where a response sends its request on to.
    fn redirect(&self, method: &Method, from: &Url, response: &Response) -> Result<Option<Url>> {
        let keeps_method = match response.status().as_u16() {
            307 | 308 => true,
            301..=303 => matches!(*method, Method::GET | Method::HEAD),
            _ => return Ok(None),
        };
        let location = response
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|location| from.join(location).ok())
            .filter(|_| keeps_method);
        match location {
            Some(url) => {
                self.permit(&url)?;
                Ok(Some(url))
            }
            None => Err(self
                .error(
                    ErrorKind::RegistryError,
                    format!(
                        "{} redirects a {method} of {} in a way that cannot be followed",
                        self.registry,
                        shown(from)
                    ),
                )
                .status(response.status().as_u16())),
        }
    }

    /// Waits for the head of the answer, as long as the body moves.
    async fn execute(
        &self,
        action: &str,
        client: &Client,
        request: Request,
        activity: &Activity,
    ) -> Result<Response, Failure> {
        tracing::debug!(method = %request.method(), url = shown(request.url()), "sending");
        let mut answer = std::pin::pin!(client.execute(request));
        loop {
            let before = activity.0.load(Ordering::Relaxed);
            let wait = match before {
                DONE => self.timeouts.answer,
                _ => self.timeouts.idle,
            };
            match tokio::time::timeout(wait, &mut answer).await {
                Ok(answer) => {
                    return answer.map_err(|error| Failure::broken(self, action, error));
                }
                Err(_) if activity.0.load(Ordering::Relaxed) != before => {}
                Err(_) => return Err(Failure::stalled(self, action)),
            }
        }
    }
}

/// The attempts of one task, and the pauses between them.
#[derive(Debug)]
pub(crate) struct Retries {
    timeouts: Timeouts,
    failed: u32,
    waited: Duration,
}

impl Retries {
    pub(crate) fn new(timeouts: &Timeouts) -> Self {
        Self {
            timeouts: timeouts.clone(),
            failed: 0,
            waited: Duration::ZERO,
        }
    }

    /// Something got further: the attempts count anew, the waits do not.
    pub(crate) fn progressed(&mut self) {
        self.failed = 0;
    }

    /// Pauses before the next attempt, or fails with what went wrong if there shall be none.
    pub(crate) async fn wait(&mut self, failure: Failure) -> Result<(), Error> {
        let Again::Later(asked) = failure.again else {
            return Err(failure.error);
        };
        self.failed += 1;
        if self.failed >= self.timeouts.attempts {
            return Err(failure.error);
        }
        let doubled = 1 << (self.failed - 1).min(16);
        let pause = (self.timeouts.backoff * doubled).mul_f64(jitter());
        let pause = asked.map_or(pause, |asked| asked.max(pause));
        // To wait less than the registry asks for would only add to its load.
        if self.waited + pause > self.timeouts.retry_after {
            return Err(failure.error);
        }
        tracing::debug!(error = %failure.error, ?pause, "trying again");
        self.waited += pause;
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// Between a half and one, so that clients that failed together do not come back together.
fn jitter() -> f64 {
    use ring::rand::SecureRandom;
    let mut random = [0; 1];
    // Without randomness there is no jitter, and no harm.
    let _ = ring::rand::SystemRandom::new().fill(&mut random);
    0.5 + f64::from(random[0]) / 512.0
}
