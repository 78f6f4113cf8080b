//! Text that nothing may show, and the logins that are made of it.

use data_encoding::BASE64;
use std::{fmt, sync::Arc};
use zeroize::Zeroizing;

/// Text that nothing may show. Its memory is overwritten when its last clone goes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(Zeroizing::new(text.into())))
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The text itself, for the one header, form or successor that needs it.
    pub(in crate::session) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A login.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// A user's name and password or personal token.
    Password {
        /// As the registry knows the user.
        username: String,
        /// What proves it.
        password: Secret,
    },
    /// An OAuth2 refresh token, which docker calls an identity token.
    IdentityToken {
        /// Whose it is, where that is known.
        username: Option<String>,
        /// The token.
        token: Secret,
    },
}

impl Credential {
    /// Who logs in, where that is known.
    pub(crate) fn user(&self) -> Option<&str> {
        match self {
            Self::Password { username, .. } => Some(username),
            Self::IdentityToken { username, .. } => username.as_deref(),
        }
    }

    /// What proves who it is.
    pub(crate) fn secret(&self) -> &Secret {
        match self {
            Self::Password { password, .. } => password,
            Self::IdentityToken { token, .. } => token,
        }
    }

    /// RFC 7617, section 2: a user's name and password, as they are sent.
    pub(crate) fn basic(&self) -> Option<Secret> {
        let Self::Password { username, password } = self else {
            return None;
        };
        let pair = Zeroizing::new(format!("{username}:{}", password.reveal()));
        Some(Secret::new(BASE64.encode(pair.as_bytes())))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password(…)",
            Self::IdentityToken { .. } => "IdentityToken(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_a_secret() {
        let password = Credential::Password {
            username: "ann".into(),
            password: Secret::new("hunter2"),
        };
        let token = Credential::IdentityToken {
            username: Some("ann".into()),
            token: Secret::new("hunter2"),
        };
        for credential in [password, token] {
            let shown = format!("{credential:?} {:?}", Secret::new("hunter2"));
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(!shown.contains("ann"), "{shown}");
        }
    }
}
