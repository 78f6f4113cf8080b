//! Registry logins, and the one way requests go out.
//!
//! A session is one login to one registry: where the login came from, the tokens that it gave, and
//! the HTTP client that knows the way. Everything that is sent to a registry goes through
//! [`Session::send`] or [`Session::attempt`]. Work that has begun with a session ends with it: two
//! logins do not mix, and what is logged out stops. A secret never leaves this module except to the
//! registry itself or to the realm it names; no Debug, log line or error holds one.

mod carried;
mod certificates;
mod challenge;
mod client;
mod clock;
mod config_file;
mod failure;
mod grant;
mod helper;
mod host;
mod login;
mod names;
mod renewal;
mod retries;
mod secret;
mod section;
mod send;
mod sessions;
mod sources;
mod token;
mod wanted;

pub use carried::Carried;
pub(crate) use challenge::{Action, Scope};
pub(crate) use failure::{Failure, bounded, clean, clean_to};
pub(crate) use retries::Retries;
pub(crate) use secret::{Credential, Secret};
pub use section::{ClientCertificate, Config, Mirror, RegistryConfig, plain_hosts};
pub(crate) use send::Activity;
pub use sessions::Sessions;
pub(crate) use sources::environment;

use crate::{
    error::{Error, Result},
    name::Digest,
};
use challenge::Challenge;
use client::{Clients, is_local, is_loopback, shown};
use clock::Clock;
use host::Host;
use lru::LruCache;
use reqwest::Url;
use sources::Origin;
use std::{
    fmt,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use token::Tokens;
use tokio_util::sync::CancellationToken;
use vouch_protocol::{ErrorKind, LoginSource, SessionState};

/// How long to wait for registries, and how often to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the next byte, in either direction.
    pub idle: Duration,
    /// For the head of a response once the request was sent, and for a small body as a whole.
    pub answer: Duration,
    /// Before the second attempt; twice as long before each further one, less some jitter.
    pub backoff: Duration,
    /// The longest `Retry-After` that is waited for, and the most that all waits of one request
    /// may add up to.
    pub retry_after: Duration,
    /// Attempts in all, while nothing gets any further.
    pub attempts: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            answer: Duration::from_secs(60),
            backoff: Duration::from_millis(250),
            retry_after: Duration::from_secs(60),
            attempts: 5,
        }
    }
}

/// How often the source of a login is looked at while something is under way with it.
const LOOK: Duration = Duration::from_secs(2);

/// So many blobs are remembered for a login.
const BLOBS: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// Where a session's login comes from.
enum Place {
    /// In `session/login`'s memory.
    Memory,
    File(Origin),
    /// There is none.
    Nowhere,
}

/// The login itself.
struct Login {
    /// As its source has it.
    credential: Option<Credential>,
    /// The refresh token that replaced the source's.
    rotated: Option<Secret>,
    /// Rises when the source has another secret; tokens of older ones are not used.
    generation: u64,
}

/// One login to one registry.
pub(crate) struct Session {
    host: Arc<Host>,
    place: Place,
    user: Option<String>,
    login: Mutex<Login>,
    /// Held by whoever has a refresh token in hand: it may be worth nothing afterwards.
    refreshing: Arc<tokio::sync::Mutex<()>>,
    tokens: Tokens,
    /// Blobs that were seen, and the repository: they can be mounted from there.
    blobs: Mutex<LruCache<Digest, String>>,
    clients: Clients,
    timeouts: Timeouts,
    clock: Clock,
    state: Mutex<SessionState>,
    /// The clock's second of the last use; 0 before the first.
    used: AtomicU64,
    end: CancellationToken,
    why: OnceLock<String>,
}

impl Session {
    fn new(
        host: Arc<Host>,
        place: Place,
        credential: Option<Credential>,
        timeouts: &Timeouts,
        clock: &Clock,
    ) -> Arc<Self> {
        Arc::new(Self {
            clients: Clients::new(&host, timeouts.connect),
            host,
            place,
            user: credential
                .as_ref()
                .and_then(Credential::user)
                .map(ToOwned::to_owned),
            login: Mutex::new(Login {
                credential,
                rotated: None,
                generation: 0,
            }),
            refreshing: Arc::default(),
            tokens: Tokens::default(),
            blobs: Mutex::new(LruCache::new(BLOBS)),
            timeouts: timeouts.clone(),
            clock: clock.clone(),
            state: Mutex::new(SessionState::Untried),
            used: AtomicU64::new(0),
            end: CancellationToken::new(),
            why: OnceLock::new(),
        })
    }

    /// The registry's name, for messages.
    pub(crate) fn registry(&self) -> &str {
        self.host.registry.as_str()
    }

    /// How long to wait for it.
    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Remembers that a repository has a blob.
    pub(crate) fn saw_blob(&self, digest: Digest, repository: &str) {
        lock(&self.blobs).put(digest, repository.to_owned());
    }

    /// Forgets where a blob is.
    pub(crate) fn forget_blob(&self, digest: Digest) {
        lock(&self.blobs).pop(&digest);
    }

    /// A repository that had a blob when it was last seen.
    pub(crate) fn repository_of(&self, digest: Digest) -> Option<String> {
        lock(&self.blobs).get(&digest).cloned()
    }

    /// An error about this registry. It may hold the registry's words.
    pub(crate) fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        Error::new(kind, self.redacted(message.into())).registry(self.registry())
    }

    /// The same error, about this registry.
    pub(crate) fn about(&self, error: &Error) -> Error {
        let about = self.error(error.kind(), error.message());
        match error.data().help {
            Some(help) => about.help(self.redacted(help)),
            None => about,
        }
    }

    /// What a registry had a hand in, without our secrets: some echo what they are sent.
    fn redacted(&self, text: String) -> String {
        let mut secrets = self.tokens.values();
        {
            let login = lock(&self.login);
            secrets.extend(login.rotated.clone());
            match &login.credential {
                Some(Credential::Password { username, password }) => {
                    secrets.push(token::basic(username, password));
                    secrets.push(password.clone());
                }
                Some(Credential::IdentityToken { token, .. }) => secrets.push(token.clone()),
                None => {}
            }
        }
        secrets
            .iter()
            .fold(text, |text, secret| secret.out_of(text))
    }

    /// Waits for the end of the login: what is under way has to end with it.
    pub(crate) async fn ended(&self) -> Error {
        // A file that changed counts for what is under way too.
        while tokio::time::timeout(LOOK, self.end.cancelled())
            .await
            .is_err()
        {
            if let Err(error) = self.confirm().await {
                tracing::debug!(registry = self.registry(), %error, "a login was not confirmed");
            }
        }
        self.over()
    }

    /// Ends the login, and what is under way with it. Its secrets are overwritten.
    fn end(&self, why: String) {
        // The first reason is the one.
        let _ = self.why.set(why);
        self.end.cancel();
        self.tokens.clear();
        let mut login = lock(&self.login);
        login.credential = None;
        login.rotated = None;
        login.generation += 1;
    }

    fn over(&self) -> Error {
        let registry = self.registry();
        let why = self.why.get().map_or("it is over", String::as_str);
        self.error(
            ErrorKind::Unauthorized,
            format!("the login to {registry} that this began with has ended: {why}"),
        )
        .help("Log in again, then start again.")
    }

    /// The login as it is to be used now, and its generation.
    fn credential(&self) -> (Option<Credential>, u64) {
        let login = lock(&self.login);
        let credential = match (&login.credential, &login.rotated) {
            (Some(Credential::IdentityToken { username, .. }), Some(token)) => {
                Some(Credential::IdentityToken {
                    username: username.clone(),
                    token: token.clone(),
                })
            }
            (credential, _) => credential.clone(),
        };
        (credential, login.generation)
    }

    /// Takes what the source has now; answers whether that is another secret.
    fn adopt(&self, credential: Credential) -> bool {
        let mut login = lock(&self.login);
        if self.end.is_cancelled() || login.credential.as_ref() == Some(&credential) {
            return false;
        }
        *login = Login {
            credential: Some(credential),
            rotated: None,
            generation: login.generation + 1,
        };
        drop(login);
        self.tokens.clear();
        true
    }

    /// Keeps the refresh token that a realm gave in place of the one it took.
    fn rotate(&self, generation: u64, token: Secret) {
        let mut login = lock(&self.login);
        if login.generation == generation && login.credential.is_some() {
            login.rotated = Some(token);
        }
    }

    /// Whether its refresh token is another one than its source has.
    fn has_rotated(&self) -> bool {
        lock(&self.login).rotated.is_some()
    }

    /// Looks whether the source still has this login. A file that changed counts at once.
    async fn confirm(&self) -> Result<()> {
        if let Place::File(origin) = &self.place {
            let credential = origin.again(None).await?;
            self.take(origin, credential);
        }
        if self.end.is_cancelled() {
            return Err(self.over());
        }
        Ok(())
    }

    /// Asks the source again as its secret was refused; answers whether it has another one.
    async fn ask_again(&self) -> Result<bool> {
        let Place::File(origin) = &self.place else {
            return Ok(false);
        };
        let refused = lock(&self.login).credential.clone();
        let credential = origin.again(refused.as_ref()).await?;
        Ok(self.take(origin, credential))
    }

    fn take(&self, origin: &Origin, credential: Option<Credential>) -> bool {
        let path = origin.path().display();
        match credential {
            None => self.end(format!("it was removed from {path}")),
            Some(credential) if credential.user() == self.user.as_deref() => {
                return self.adopt(credential);
            }
            Some(_) => self.end(format!("{path} has the login of another user now")),
        }
        false
    }

    fn think(&self, state: SessionState) {
        *lock(&self.state) = state;
    }

    fn touch(&self) {
        self.used
            .store(self.clock.now().as_secs().max(1), Ordering::Relaxed);
    }

    fn source(&self) -> LoginSource {
        match &self.place {
            Place::Memory => LoginSource::Login,
            Place::File(origin) => origin.kind(),
            Place::Nowhere => LoginSource::Anonymous,
        }
    }

    /// What to do where the login is not accepted.
    fn advice(&self) -> String {
        let registry = self.registry();
        match &self.place {
            Place::Nowhere => {
                format!("Log in with `vouch login {registry}` or `docker login {registry}`.")
            }
            Place::Memory => {
                format!("Check the user and the password, then `vouch login {registry}` again.")
            }
            Place::File(origin) => {
                let kept = origin
                    .helper()
                    .map(|helper| format!(" (kept by {helper})"))
                    .unwrap_or_default();
                format!(
                    "The login from {}{kept} was refused: log in again, with `vouch login \
                     {registry}` or the tool that wrote it.",
                    origin.path().display()
                )
            }
        }
    }

    /// Fails where a request may not go: from a registry that is spoken to over TLS nothing leads
    /// to plain HTTP; from one on this machine no plain HTTP leads away from it, and from others
    /// none to it.
    pub(crate) fn permit(&self, url: &Url) -> Result<()> {
        let permitted = match url.scheme() {
            "https" => true,
            "http" if self.host.base.scheme() != "http" => false,
            "http" if is_loopback(&self.host.base) => is_loopback(url),
            "http" => !is_local(url),
            _ => false,
        };
        if permitted && url.host_str().is_some_and(|host| !host.is_empty()) {
            return Ok(());
        }
        Err(self
            .error(
                ErrorKind::InsecureRegistry,
                format!(
                    "{} sends requests on to {}, which is not as well protected as {}",
                    self.registry(),
                    url.origin().ascii_serialization(),
                    self.host.base.origin().ascii_serialization(),
                ),
            )
            .help("Nothing was sent there. Have the registry name an https address."))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("registry", &self.host.registry)
            .field("source", &self.source())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
