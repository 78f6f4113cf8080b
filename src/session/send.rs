//! Sending: credentials where they belong, one replay when they are refused, redirects, waits with
//! an end, and attempts with pauses between.

use super::{
    Challenge, Credential, Failure, Retries, Scope, Session, challenge::lacks_scope, shown,
    token::Authorization,
};
use crate::error::{Error, Result};
use reqwest::{
    Client, Method, Request, RequestBuilder, Response, StatusCode, Url,
    header::{AUTHORIZATION, LOCATION},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use vouch_protocol::{ErrorKind, SessionState};

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

/// What a request was authorized with.
struct Used {
    authorization: Authorization,
    /// Whether it was obtained for this request, so that another would be no better.
    fresh: bool,
}

impl Session {
    /// Sends a request that may be sent again, and answers its success. `build` is called for each
    /// attempt; its address decides whether credentials go with it.
    pub(crate) async fn send(
        self: &Arc<Self>,
        action: &str,
        scope: &Scope,
        build: impl Fn(&Client, &Url) -> RequestBuilder,
    ) -> Result<Response> {
        self.repeat(action, Some(scope), &build).await
    }

    /// The same, where no repository is meant.
    pub(super) async fn repeat(
        self: &Arc<Self>,
        action: &str,
        scope: Option<&Scope>,
        build: &impl Fn(&Client, &Url) -> RequestBuilder,
    ) -> Result<Response> {
        let mut retries = Retries::new(self.timeouts());
        loop {
            let still = Activity::still();
            match self.while_it_lasts(action, scope, &still, build).await {
                Ok(response) => return Ok(response),
                Err(failure) => retries.wait(failure).await?,
            }
        }
    }

    /// Sends a request once; again only where its credentials were refused and there are others.
    pub(crate) async fn attempt(
        self: &Arc<Self>,
        action: &str,
        scope: &Scope,
        activity: &Activity,
        build: &impl Fn(&Client, &Url) -> RequestBuilder,
    ) -> Result<Response, Failure> {
        self.while_it_lasts(action, Some(scope), activity, build)
            .await
    }

    /// Sends a request once, with what there is: a courtesy, whose refusal changes nothing.
    pub(crate) async fn offer(
        self: &Arc<Self>,
        action: &str,
        scope: &Scope,
        build: &impl Fn(&Client, &Url) -> RequestBuilder,
    ) -> Result<Response, Failure> {
        let offered = async {
            let used = self
                .authorize(self.host.challenge(), Some(scope), None)
                .await?;
            let authorization = used.as_ref().map(|used| &used.authorization);
            let still = Activity::still();
            let response = self.follow(action, authorization, &still, build).await?;
            if response.status().is_success() {
                return Ok(response);
            }
            Err(Failure::answered(self, action, response).await)
        };
        tokio::select! {
            biased;
            over = self.ended() => Err(over.into()),
            answer = tokio::time::timeout(self.timeouts.connect, offered) => {
                answer.unwrap_or_else(|_| Err(Failure::stalled(self, action)))
            }
        }
    }

    async fn while_it_lasts(
        self: &Arc<Self>,
        action: &str,
        scope: Option<&Scope>,
        activity: &Activity,
        build: &impl Fn(&Client, &Url) -> RequestBuilder,
    ) -> Result<Response, Failure> {
        tokio::select! {
            biased;
            over = self.ended() => Err(over.into()),
            answer = self.authorized(action, scope, activity, build) => answer,
        }
    }

    async fn authorized(
        self: &Arc<Self>,
        action: &str,
        scope: Option<&Scope>,
        activity: &Activity,
        build: &impl Fn(&Client, &Url) -> RequestBuilder,
    ) -> Result<Response, Failure> {
        self.confirm().await?;
        self.touch();
        // One finds the challenge out for all who ask at first.
        let mut meeting = self.host.meet(self.timeouts.answer).await;
        let challenge = self.host.challenge();
        let mut used = self.authorize(challenge, scope, None).await?;
        let mut replays = 0;
        loop {
            let authorization = used.as_ref().map(|used| &used.authorization);
            let response = self.follow(action, authorization, activity, build).await?;
            let status = response.status();
            let own = response.url().origin() == self.host.base.origin();
            if own && status == StatusCode::UNAUTHORIZED {
                self.host.remember(Challenge::of(response.headers()));
            }
            self.host.has_answered();
            meeting.take();
            if status.is_success() {
                if used.is_some() {
                    self.think(SessionState::Accepted);
                }
                return Ok(response);
            }
            let headers = response.headers().clone();
            let mut failure = Failure::answered(self, action, response).await;
            let refused = own
                && match status {
                    StatusCode::UNAUTHORIZED => true,
                    // ECR says so of a login that was good for twelve hours.
                    StatusCode::FORBIDDEN => used.is_some() && failure.expired,
                    _ => false,
                };
            if !refused {
                return Err(failure);
            }
            // The first request may have gone without a login, the second with a token that was
            // fetched before and has died. A fresh one is the last.
            let next = if replays == 2 || used.as_ref().is_some_and(|used| used.fresh) {
                None
            } else {
                let challenge = self.host.challenge();
                self.authorize(challenge, scope, authorization).await?
            };
            let another = next.filter(|next| Some(&next.authorization) != authorization);
            if another.is_none() {
                let small = lacks_scope(&headers);
                // One whose scope is too small is good for what it was given for.
                if let Some(Authorization::Bearer(token)) = authorization
                    && !small
                {
                    self.tokens.drop_refused(token);
                }
                let known = used.is_some() && self.credential().0.is_some();
                if known && (failure.denied || small) {
                    failure.error = self.denied(&failure.error);
                } else if used.is_some() {
                    self.think(SessionState::Refused);
                }
                return Err(failure);
            }
            used = another;
            replays += 1;
        }
    }

    /// The registry knows the login, and that it may not do this.
    fn denied(&self, error: &Error) -> Error {
        let registry = self.registry();
        let denied = self.error(ErrorKind::Denied, error.message());
        let denied = match error.data().status {
            Some(status) => denied.status(status),
            None => denied,
        };
        denied.help(format!("Use a login that has this right in {registry}."))
    }

    /// What meets a challenge, and is not what was just refused if there is anything else. Nothing
    /// where nothing was asked, or nobody is logged in.
    async fn authorize(
        self: &Arc<Self>,
        challenge: Option<Challenge>,
        scope: Option<&Scope>,
        refused: Option<&Authorization>,
    ) -> Result<Option<Used>, Failure> {
        Ok(match challenge {
            None => None,
            Some(Challenge::Basic) => {
                // Another request may have asked already.
                let again = match (refused, self.credential().0) {
                    (
                        Some(Authorization::Basic(_, refused)),
                        Some(Credential::Password { password, .. }),
                    ) => *refused == password,
                    _ => false,
                };
                let fresh = again && self.ask_again().await?;
                match self.credential().0 {
                    None => None,
                    Some(Credential::Password { username, password }) => Some(Used {
                        authorization: Authorization::Basic(username, password),
                        fresh,
                    }),
                    Some(Credential::IdentityToken { .. }) => {
                        let registry = self.registry();
                        let why = format!(
                            "{registry} asks for a password, but the login is an identity token"
                        );
                        let error = self.error(ErrorKind::CredentialUnusable, why);
                        return Err(error.help(self.advice()).into());
                    }
                }
            }
            Some(Challenge::Bearer { realm, service }) => {
                let refused = match refused {
                    Some(Authorization::Bearer(token)) => Some(token),
                    _ => None,
                };
                let (token, fresh) = self.token((realm, service), scope, refused).await?;
                Some(Used {
                    authorization: Authorization::Bearer(token),
                    fresh,
                })
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
        // What another host sends back to the registry is its request, not ours.
        let mut left = false;
        for _ in 0..=REDIRECTS {
            // Which client it is sent with is known only from its address.
            let any = self
                .clients
                .to(target.as_ref().unwrap_or(&self.host.base))
                .await?;
            let mut request = build(&any, &self.host.base)
                .build()
                .map_err(|error| Failure::broken(self, action, error))?;
            if let Some(target) = &target {
                *request.url_mut() = target.clone();
            }
            self.permit(request.url())?;
            request.headers_mut().remove(AUTHORIZATION);
            left |= request.url().origin() != self.host.base.origin();
            if !left && let Some(value) = authorization.and_then(Authorization::header) {
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
                format!("{action}: {} redirects in circles", self.registry()),
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
                        self.registry(),
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
        tracing::debug!(method = %request.method(), url = self.redacted(shown(request.url())), "sending");
        let url = request.url().clone();
        let mut answer = std::pin::pin!(client.execute(request));
        loop {
            let before = activity.0.load(Ordering::Relaxed);
            let wait = match before {
                DONE => self.timeouts.answer,
                _ => self.timeouts.idle,
            };
            match tokio::time::timeout(wait, &mut answer).await {
                Ok(Ok(answer)) => {
                    self.clients.answered(&url);
                    return Ok(answer);
                }
                Ok(Err(error)) => return Err(Failure::broken(self, action, error)),
                Err(_) if activity.0.load(Ordering::Relaxed) != before => {}
                Err(_) => return Err(Failure::stalled(self, action)),
            }
        }
    }
}
