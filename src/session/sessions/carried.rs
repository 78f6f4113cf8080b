//! Logins on their way to the process that takes over from this one, or to the config that does.
//! They are written to nothing but the private channel between the two, and every copy is
//! overwritten after use.

use super::super::credentials::{Credential, Filed, Secret};
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
    pub(crate) fn new(
        registry: &str,
        filed: Option<Filed>,
        credential: &Credential,
        rotated: Option<&Secret>,
        state: SessionState,
        used: u64,
    ) -> Self {
        let copied = |secret: &Secret| Zeroizing::new(secret.reveal().to_owned());
        let (password, token) = match credential {
            Credential::Password { password, .. } => (Some(copied(password)), None),
            Credential::IdentityToken { token, .. } => (None, Some(copied(token))),
        };
        Self {
            registry: registry.to_owned(),
            filed,
            user: credential.user().map(ToOwned::to_owned),
            password,
            token,
            rotated: rotated.map(copied),
            state,
            used,
        }
    }

    pub(crate) fn credential(&self) -> Option<Credential> {
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
