//! Logins on their way to the process that takes over from this one. They are written to nothing but the private channel between the two, and every copy is
//! overwritten after use.

use super::super::credentials::{Credential, Filed, Login, Secret};
use serde::{Deserialize, Serialize};
use std::fmt;
use vouch_protocol::SessionState;
use zeroize::Zeroizing;

/// A login on its way to another process, which may be of another version: members are only ever
/// added, and read with a default.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    pub(crate) registry: String,
    /// Absent for those of `session/login`.
    #[serde(default)]
    pub(crate) filed: Option<Filed>,
    #[serde(default)]
    pub(crate) user: Option<String>,
    #[serde(default)]
    password: Option<Zeroizing<String>>,
    #[serde(default)]
    token: Option<Zeroizing<String>>,
    /// The refresh token in place of `token`.
    #[serde(default)]
    pub(crate) rotated: Option<Zeroizing<String>>,
    #[serde(default = "untried")]
    pub(crate) state: SessionState,
    /// The second of its last use, as the machine's clock since its start counts them.
    #[serde(default)]
    pub(crate) used: u64,
}

fn untried() -> SessionState {
    SessionState::Untried
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carried")
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}

impl Carried {
    /// A login as it is; nothing, where nobody is logged in.
    pub(super) fn of(login: &Login) -> Option<Self> {
        let (credential, rotated) = login.stored();
        let credential = credential?;
        let copied = |secret: &Secret| Zeroizing::new(secret.reveal().to_owned());
        let (password, token) = match &credential {
            Credential::Password { password, .. } => (Some(copied(password)), None),
            Credential::IdentityToken { token, .. } => (None, Some(copied(token))),
        };
        Some(Self {
            registry: login.registry.to_string(),
            filed: login.origin().map(|origin| origin.filed.clone()),
            user: credential.user().map(ToOwned::to_owned),
            password,
            token,
            rotated: rotated.as_ref().map(copied),
            state: login.state(),
            used: login.last_used(),
        })
    }

    /// Whether it was filed where the login was found.
    pub(super) fn is_for(&self, login: &Login) -> bool {
        self.registry == login.registry.as_str()
            && self.user == login.user
            && self.filed.is_some()
            && self.filed.as_ref() == login.origin().map(|origin| &origin.filed)
    }

    /// Whether its secret is the login's.
    pub(super) fn is(&self, login: &Login) -> bool {
        login.stored().0 == self.credential()
    }

    /// Has a login know what was known of it in the process before this one.
    pub(super) fn update(&self, login: &Login) {
        login.used(self.used);
        let (_, generation) = login.current();
        if let Some(rotated) = &self.rotated
            && self.is(login)
        {
            login.rotate(generation, Secret::new(rotated.as_str()));
        }
    }

    pub(super) fn credential(&self) -> Option<Credential> {
        let secret = |text: &Zeroizing<String>| Secret::new(text.as_str());
        match (&self.user, &self.password, &self.token) {
            (Some(username), Some(password), None) => Some(Credential::Password {
                username: username.clone(),
                password: secret(password),
            }),
            (username, None, Some(token)) => Some(Credential::IdentityToken {
                username: username.clone(),
                token: secret(token),
            }),
            _ => None,
        }
    }

    /// The longest that it can get as JSON, where each byte may take six.
    pub(crate) fn longest(&self) -> usize {
        let length = |text: &Option<Zeroizing<String>>| text.as_ref().map_or(0, |text| text.len());
        let filed = |filed: &Filed| filed.path.len() + filed.key.len();
        let texts = self.registry.len()
            + self.filed.as_ref().map_or(0, filed)
            + self.user.as_ref().map_or(0, String::len)
            + length(&self.password)
            + length(&self.token)
            + length(&self.rotated);
        texts * 6 + 512
    }
}
