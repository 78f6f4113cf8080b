//! One login to one registry, and how a request is made with it.

use super::{
    super::{
        authorization::{
            AccessTokens, Action, Authorization, Challenge, Scope, TokenRequest, lacks_scope,
        },
        clock::Clock,
        credentials::{Credential, Login, LoginPlace},
        http::{Activity, Failure, Host, Retries, exchange, request},
    },
    heard::AllHeard,
};
use crate::{
    error::Result,
    name::{Digest, Repository},
};
use lru::LruCache;
use parking_lot::Mutex;
use reqwest::{Method, Request, Response, StatusCode, header::HeaderMap};
use std::{
    fmt,
    num::NonZeroUsize,
    ops::Deref,
    sync::{Arc, atomic::Ordering},
};
use vouch_protocol::{ErrorKind, SessionState};

/// The most blobs that are remembered for a login.
const BLOBS: NonZeroUsize = NonZeroUsize::new(256).unwrap();
/// How often a request is sent at most: without a login, with an access token that has died, and
/// with a fresh one.
const ATTEMPTS: usize = 3;

/// One login to one registry. What it may ask, and what is said of it, is its [`Host`]'s.
pub(crate) struct Session {
    host: Arc<Host>,
    pub(crate) login: Arc<Login>,
    pub(crate) tokens: Arc<AccessTokens>,
    pub(crate) heard: AllHeard,
    /// Blobs that were seen, and in which repository: they can be mounted from there.
    pub(crate) blobs: Mutex<LruCache<Digest, Repository>>,
    pub(crate) clock: Clock,
}

impl Deref for Session {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

/// What a request is authorized with.
struct Used {
    authorization: Authorization,
    /// Whether it was obtained for this request, so that another would be no better.
    fresh: bool,
}

impl Session {
    pub(crate) fn new(host: Host, login: &Arc<Login>, clock: &Clock) -> Arc<Self> {
        let host = Arc::new(host);
        Arc::new(Self {
            tokens: AccessTokens::new(&host, login, clock),
            host,
            login: Arc::clone(login),
            heard: AllHeard::default(),
            blobs: Mutex::new(LruCache::new(BLOBS)),
            clock: clock.clone(),
        })
    }

    /// Sends a request that may be sent again, and answers its success. `build` is called for each
    /// attempt; its address decides whether credentials go with it. The scope is nothing where no
    /// repository is meant.
    pub(crate) async fn send(
        self: &Arc<Self>,
        action: &str,
        scope: impl Into<Option<&Scope>>,
        build: impl Fn() -> Request,
    ) -> Result<Response> {
        let (scope, mut retries) = (scope.into(), Retries::new(self.timeouts()));
        retries.again(|| self.attempt(action, scope, &build)).await
    }

    /// Sends a request once; again only where its credentials were refused and there are others.
    pub(crate) async fn attempt(
        self: &Arc<Self>,
        action: &str,
        scope: impl Into<Option<&Scope>>,
        build: &impl Fn() -> Request,
    ) -> Result<Response, Failure> {
        self.stream(action, scope, &Activity::still(), build).await
    }

    /// The same, with a body that takes its time.
    pub(crate) async fn stream(
        self: &Arc<Self>,
        action: &str,
        scope: impl Into<Option<&Scope>>,
        activity: &Activity,
        build: &impl Fn() -> Request,
    ) -> Result<Response, Failure> {
        tokio::select! {
            biased;
            over = self.login.ended() => Err(over.into()),
            answer = self.ask(action, scope.into(), activity, build) => answer,
        }
    }

    /// Asks whether the login is good: OCI distribution specification, "Determining Support".
    pub(crate) async fn check(self: &Arc<Self>) -> Result<()> {
        match self.send("checking the login", None, || self.root()).await {
            // It was let in, and may not see this address.
            Err(error)
                if error.kind() == ErrorKind::NotFound
                    && self.login.state() == SessionState::Accepted =>
            {
                Ok(())
            }
            checked => checked.map(drop),
        }
    }

    /// Sends a request once, with what there is: a courtesy, whose refusal changes nothing.
    pub(crate) async fn offer(
        self: &Arc<Self>,
        action: &str,
        scope: &Scope,
        build: &impl Fn() -> Request,
    ) -> Result<Response, Failure> {
        let offered = async {
            let used = match self.heard.of(Some(&scope.repository)).challenge() {
                Some(challenge) => self.meet(&challenge, Some(scope), None).await?,
                None => None,
            };
            let still = Activity::still();
            let response = self.exchange(action, used.as_ref(), &still, build).await?;
            if response.status().is_success() {
                return Ok(response);
            }
            Err(Failure::answered(self, action, response).await)
        };
        tokio::select! {
            biased;
            over = self.login.ended() => Err(over.into()),
            answer = tokio::time::timeout(self.timeouts().connect, offered) => {
                answer.unwrap_or_else(|_| Err(Failure::stalled(self, action)))
            }
        }
    }

    /// Makes one request. What was heard of the repository before is a hint for the first attempt;
    /// then the challenge in the registry's own answer decides, and nothing else.
    async fn ask(
        self: &Arc<Self>,
        action: &str,
        scope: Option<&Scope>,
        activity: &Activity,
        build: &impl Fn() -> Request,
    ) -> Result<Response, Failure> {
        if self.login.has_ended() {
            return Err(self.login.over().into());
        }
        self.login.used(self.clock.now().as_secs().max(1));
        let heard = self.heard.of(scope.map(|scope| &scope.repository));
        // The first request finds the challenge out for all that come meanwhile.
        let mut first = heard.first(self.timeouts().answer).await;
        let mut challenge = heard.challenge();
        // Where what is only remembered fails, the registry itself is asked.
        let (mut used, mut lost) = match &challenge {
            None => (None, None),
            Some(challenge) => match self.meet(challenge, scope, None).await {
                Ok(used) => (used, None),
                Err(failure) => (None, Some(failure)),
            },
        };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let response = self
                .exchange(action, used.as_ref(), activity, build)
                .await?;
            let status = response.status();
            if status.is_success() {
                heard.remember(challenge.filter(|_| used.is_some()));
                if used.is_some() {
                    self.login.judged(SessionState::Accepted);
                }
                return Ok(response);
            }
            let own = self.is_own(response.url());
            let headers = response.headers().clone();
            let failure = Failure::answered(self, action, response).await;
            // Some say how to log in at their root alone, and hide what is elsewhere.
            let silent = match status {
                StatusCode::UNAUTHORIZED => true,
                StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                    used.is_none() && self.login.is_some()
                }
                _ => false,
            };
            let may_ask_root = scope.is_some()
                && (challenge.is_some() || !heard.asked_root.load(Ordering::Relaxed));
            let asked = match status {
                _ if !own => None,
                StatusCode::UNAUTHORIZED if Challenge::of(&headers).is_some() => {
                    Challenge::of(&headers)
                }
                // ECR says so of a login that was good for twelve hours.
                StatusCode::FORBIDDEN if used.is_some() && failure.expired => challenge.clone(),
                _ if silent && may_ask_root => {
                    let asked = self.challenge_at_root().await;
                    heard.asked_root.store(asked.is_ok(), Ordering::Relaxed);
                    asked.unwrap_or_default()
                }
                _ => None,
            };
            let Some(asked) = asked else {
                heard.remember(challenge.filter(|_| used.is_some()));
                // Another host was sent no login, and says nothing of it.
                if !own {
                    return Err(failure);
                }
                return Err(self.refused(failure, scope, used.as_ref(), &headers));
            };
            heard.remember(Some(asked.clone()));
            first.take();
            let same = challenge.as_ref() == Some(&asked);
            // What failed a moment ago is not tried again.
            if let Some(lost) = lost.take().filter(|_| same) {
                return Err(lost);
            }
            let last = attempt == ATTEMPTS || (same && used.as_ref().is_some_and(|u| u.fresh));
            let before = used.as_ref().map(|used| &used.authorization);
            let next = if last {
                None
            } else {
                self.meet(&asked, scope, before).await?
            };
            let next = next.filter(|next| Some(&next.authorization) != before);
            if next.is_none() {
                return Err(self.refused(failure, scope, used.as_ref(), &headers));
            }
            (challenge, used) = (Some(asked), next);
        }
    }

    /// A request for the registry's root.
    fn root(&self) -> Request {
        let mut url = self.base().clone();
        url.set_path("/v2/");
        request(Method::GET, url, [])
    }

    /// How the registry asks to be logged in to at its root, as docker asks it.
    async fn challenge_at_root(&self) -> Result<Option<Challenge>, Failure> {
        const ACTION: &str = "asking how to log in";
        let (still, root) = (Activity::still(), || self.root());
        let response = self.exchange(ACTION, None, &still, &root).await?;
        let refused = response.status() == StatusCode::UNAUTHORIZED && self.is_own(response.url());
        let challenge = Challenge::of(response.headers()).filter(|_| refused);
        if !response.status().is_success() {
            // Read to its end, so that the connection is used again.
            let _ = Failure::answered(self, ACTION, response).await;
        }
        Ok(challenge)
    }

    /// What meets a challenge, and is not what was just refused if there is anything else. Nothing
    /// where nobody is logged in.
    async fn meet(
        self: &Arc<Self>,
        challenge: &Challenge,
        scope: Option<&Scope>,
        refused: Option<&Authorization>,
    ) -> Result<Option<Used>, Failure> {
        match challenge {
            Challenge::Basic => {
                // Another request may have asked the source again already.
                let refused = match (refused, self.login.current().0) {
                    (Some(Authorization::Basic(refused)), Some(now)) => *refused == now,
                    _ => false,
                };
                let fresh = refused && self.login.ask_again().await?;
                match self.login.current().0 {
                    None => Ok(None),
                    Some(Credential::IdentityToken { .. }) => {
                        let why = format!(
                            "{} asks for a password, but the login is an identity token",
                            self.registry()
                        );
                        let error = self.error(ErrorKind::CredentialUnusable, why);
                        Err(error.help(self.login.advice()).into())
                    }
                    Some(login) => Ok(Some(Used {
                        authorization: Authorization::Basic(login),
                        fresh,
                    })),
                }
            }
            Challenge::Bearer { realm, service } => {
                let refused = match refused {
                    Some(Authorization::Bearer(token)) => Some(token),
                    _ => None,
                };
                let request = TokenRequest {
                    realm: realm.clone(),
                    service: service.clone(),
                    scope: scope.cloned(),
                };
                let (token, fresh) = self.tokens.get(&request, refused).await?;
                Ok(Some(Used {
                    authorization: Authorization::Bearer(token),
                    fresh,
                }))
            }
        }
    }

    async fn exchange(
        &self,
        action: &str,
        used: Option<&Used>,
        activity: &Activity,
        build: &impl Fn() -> Request,
    ) -> Result<Response, Failure> {
        let authorization = used.and_then(|used| used.authorization.header());
        exchange(self, action, authorization.as_ref(), activity, build).await
    }

    /// A refusal that stays one: what it says of the login, and what to do.
    fn refused(
        &self,
        mut failure: Failure,
        scope: Option<&Scope>,
        used: Option<&Used>,
        headers: &HeaderMap,
    ) -> Failure {
        let Some(status) = failure.error.data().status else {
            return failure;
        };
        let mut kind = failure.error.kind();
        if kind == ErrorKind::Unauthorized {
            let small = lacks_scope(headers);
            // One whose scope is too small is good for what it was given for.
            if let Some(Authorization::Bearer(token)) = used.map(|used| &used.authorization)
                && !small
            {
                self.tokens.drop_refused(token);
            }
            if used.is_some() && self.login.is_some() && (failure.denied || small) {
                // The registry knows the login, and that it may not do this.
                kind = ErrorKind::Denied;
            } else if used.is_some() {
                self.login.judged(SessionState::Refused);
            }
        }
        if kind == ErrorKind::NotFound && used.is_some() {
            self.login.judged(SessionState::Accepted);
        }
        let registry = self.registry();
        let wanted = scope.map(|scope| match scope.action {
            Action::Pull => format!("pull from {}", scope.repository),
            Action::Push => format!("push to {}", scope.repository),
        });
        let log_in = match self.login.place {
            LoginPlace::Nowhere => format!(" {}", self.login.advice()),
            _ => String::new(),
        };
        let help = match (kind, &wanted) {
            (ErrorKind::Unauthorized, _) => self.login.advice(),
            (ErrorKind::Denied, Some(wanted)) => format!(
                "Use a login that may {wanted} in {registry}. A repository or package that does \
                 not exist may be answered like this too, and so may a login that has \
                 expired.{log_in}"
            ),
            (ErrorKind::NotFound, Some(_)) => format!(
                "Check the name. A repository or package that does not exist in {registry}, or \
                 that this login may not see, is answered like this.{log_in}"
            ),
            _ => return failure,
        };
        let message = failure.error.message();
        let message = match wanted {
            Some(wanted) => format!("cannot {wanted}: {message}"),
            None => message.to_owned(),
        };
        failure.error = self.error(kind, message).status(status).help(help);
        failure
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("registry", &self.registry())
            .field("source", &self.login.source())
            .finish_non_exhaustive()
    }
}
