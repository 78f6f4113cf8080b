//! One login: as its source has it, as it is to be used now, and its end.

use super::{
    redactor::Redactor,
    secret::{Credential, Secret},
    sources::Origin,
};
use crate::{
    error::{Error, Result, error},
    name::Registry,
};
use parking_lot::Mutex;
use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use vouch_protocol::{LoginSource, SessionState};

/// How often the source of a login is looked at while something is under way with it.
const LOOK: Duration = Duration::from_secs(2);

/// Where a login is kept.
#[derive(Debug, Clone)]
pub(crate) enum LoginPlace {
    /// In `session/login`'s memory.
    Memory,
    File(Origin),
    /// Nobody is logged in.
    Nowhere,
}

/// One login to one registry.
pub(crate) struct Login {
    pub(crate) registry: Registry,
    pub(crate) place: LoginPlace,
    /// Whose it is, where that is known.
    pub(crate) user: Option<String>,
    now: Mutex<Now>,
    /// Held while a refresh token is exchanged, as it may be spent afterwards.
    pub(crate) refreshing: Arc<tokio::sync::Mutex<()>>,
    pub(crate) redactor: Arc<Redactor>,
    /// The clock's second of the last use; 0 before the first.
    used: AtomicU64,
    end: CancellationToken,
    why: OnceLock<String>,
}

/// A login as it is now.
struct Now {
    /// As its source has it.
    credential: Option<Credential>,
    /// The refresh token that replaced the source's.
    rotated: Option<Secret>,
    /// Rises when the source has another secret, and with the end: access tokens that came of an
    /// older one are not used.
    generation: u64,
    state: SessionState,
}

impl Login {
    pub(crate) fn new(
        registry: &Registry,
        place: LoginPlace,
        credential: Option<Credential>,
    ) -> Arc<Self> {
        let redactor = Redactor::default();
        if let Some(credential) = &credential {
            redactor.learn(credential);
        }
        let user = credential.as_ref().and_then(Credential::user);
        Arc::new(Self {
            registry: registry.clone(),
            place,
            user: user.map(ToOwned::to_owned),
            now: Mutex::new(Now {
                credential,
                rotated: None,
                generation: 0,
                state: SessionState::Untried,
            }),
            refreshing: Arc::default(),
            redactor: Arc::new(redactor),
            used: AtomicU64::new(0),
            end: CancellationToken::new(),
            why: OnceLock::new(),
        })
    }

    /// It was used in that second of the clock.
    pub(crate) fn used(&self, second: u64) {
        self.used.fetch_max(second, Ordering::Relaxed);
    }

    /// The clock's second of the last use; 0 before the first.
    pub(crate) fn last_used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Where it is filed, and how to look there again.
    pub(crate) fn origin(&self) -> Option<&Origin> {
        match &self.place {
            LoginPlace::File(origin) => Some(origin),
            LoginPlace::Memory | LoginPlace::Nowhere => None,
        }
    }

    /// Whether somebody is logged in.
    pub(crate) fn is_some(&self) -> bool {
        self.now.lock().credential.is_some()
    }

    /// The login as it is to be used now, and its generation.
    pub(crate) fn current(&self) -> (Option<Credential>, u64) {
        let now = self.now.lock();
        let credential = match (&now.credential, &now.rotated) {
            (Some(Credential::IdentityToken { username, .. }), Some(token)) => {
                Some(Credential::IdentityToken {
                    username: username.clone(),
                    token: token.clone(),
                })
            }
            (credential, _) => credential.clone(),
        };
        (credential, now.generation)
    }

    /// The login as its source has it, and the refresh token that has replaced its secret.
    pub(crate) fn stored(&self) -> (Option<Credential>, Option<Secret>) {
        let now = self.now.lock();
        (now.credential.clone(), now.rotated.clone())
    }

    /// Takes what the source has now; answers whether that is another secret.
    pub(crate) fn adopt(&self, credential: Credential) -> bool {
        let mut now = self.now.lock();
        if self.has_ended() || now.credential.as_ref() == Some(&credential) {
            return false;
        }
        self.redactor.learn(&credential);
        now.credential = Some(credential);
        now.rotated = None;
        now.generation += 1;
        true
    }

    /// Keeps the refresh token that a realm gave in place of the one it took.
    pub(crate) fn rotate(&self, generation: u64, token: Secret) {
        let mut now = self.now.lock();
        if now.generation == generation && now.credential.is_some() {
            self.redactor.learn_secret(&token);
            now.rotated = Some(token);
        }
    }

    /// Whether its refresh token is another one than its source has.
    pub(crate) fn has_rotated(&self) -> bool {
        self.now.lock().rotated.is_some()
    }

    pub(crate) fn state(&self) -> SessionState {
        self.now.lock().state
    }

    /// What a registry or a realm made of it.
    pub(crate) fn judged(&self, state: SessionState) {
        self.now.lock().state = state;
    }

    /// Looks whether the source still has this login.
    pub(crate) async fn confirm(&self) -> Result<()> {
        if let Some(origin) = self.origin() {
            self.apply(origin, origin.again(None).await?);
        }
        if self.has_ended() {
            return Err(self.over());
        }
        Ok(())
    }

    /// Asks the source again as its secret was refused; answers whether it has another one.
    pub(crate) async fn ask_again(&self) -> Result<bool> {
        let Some(origin) = self.origin() else {
            return Ok(false);
        };
        let refused = self.now.lock().credential.clone();
        Ok(self.apply(origin, origin.again(refused.as_ref()).await?))
    }

    /// Follows what the source has now; answers whether that is another secret.
    fn apply(&self, origin: &Origin, credential: Option<Credential>) -> bool {
        let path = &origin.filed.path;
        match credential {
            None => self.end(format!("it was removed from {path}")),
            Some(credential) if credential.user() == self.user.as_deref() => {
                return self.adopt(credential);
            }
            Some(_) => self.end(format!("{path} has the login of another user now")),
        }
        false
    }

    /// Ends the login, and what is under way with it. Its secrets are overwritten.
    pub(crate) fn end(&self, why: impl Into<String>) {
        // The first reason is the one.
        let _ = self.why.set(why.into());
        self.end.cancel();
        let mut now = self.now.lock();
        now.credential = None;
        now.rotated = None;
        now.generation += 1;
        self.redactor.forget();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.end.is_cancelled()
    }

    pub(crate) async fn cancelled(&self) {
        self.end.cancelled().await;
    }

    /// Waits for the end: what is under way has to end with it.
    pub(crate) async fn ended(&self) -> Error {
        // A file that changed counts for what is under way too.
        while tokio::time::timeout(LOOK, self.end.cancelled())
            .await
            .is_err()
        {
            if let Err(error) = self.confirm().await {
                tracing::debug!(registry = %self.registry, %error, "a login was not confirmed");
            }
        }
        self.over()
    }

    /// Why it is not used any more.
    pub(crate) fn over(&self) -> Error {
        let registry = &self.registry;
        let why = self.why.get().map_or("it is over", String::as_str);
        error!(Unauthorized: "the login to {registry} that this began with has ended: {why}")
            .registry(registry.as_str())
            .help("Log in again, then start again.")
    }

    pub(crate) fn source(&self) -> LoginSource {
        match &self.place {
            LoginPlace::Memory => LoginSource::Login,
            LoginPlace::File(origin) => origin.filed.source,
            LoginPlace::Nowhere => LoginSource::Anonymous,
        }
    }

    /// What to do where the login is not accepted.
    pub(crate) fn advice(&self) -> String {
        let registry = &self.registry;
        match &self.place {
            LoginPlace::Nowhere => {
                format!("Log in with `vouch login {registry}` or `docker login {registry}`.")
            }
            LoginPlace::Memory => {
                format!("Check the user and the password, then `vouch login {registry}` again.")
            }
            LoginPlace::File(origin) => {
                let kept = origin.helper.as_ref();
                let kept = kept.map(|helper| format!(" (kept by {helper})"));
                format!(
                    "The login from {}{} was refused: log in again, with `vouch login {registry}` \
                     or the tool that wrote it.",
                    origin.filed.path,
                    kept.unwrap_or_default()
                )
            }
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("registry", &self.registry)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
