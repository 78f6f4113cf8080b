//! Text that nothing may show, and the logins that are made of it.

use std::{fmt, sync::Arc};
use zeroize::Zeroizing;

/// Shorter ones would be found in every text.
const SHORTEST: usize = 4;

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

    /// The text itself, for the one header, form or helper's answer that needs it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl Secret {
    /// A text without this secret, in whatever case it stands there.
    pub(super) fn out_of(&self, text: String) -> String {
        // What ends base64 may be left out; so little of a secret is no secret.
        let secret = self.0.trim_end_matches('=').to_ascii_lowercase();
        let lower = text.to_ascii_lowercase();
        if secret.len() < SHORTEST || !lower.contains(&secret) {
            return text;
        }
        let mut clean = String::with_capacity(text.len());
        let mut end = 0;
        for (start, found) in lower.match_indices(&secret) {
            clean.push_str(text.get(end..start).unwrap_or_default());
            clean.push('…');
            end = start + found.len();
        }
        clean.push_str(text.get(end..).unwrap_or_default());
        clean
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
    /// A user's name and password or access token.
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
    pub(super) fn user(&self) -> Option<&str> {
        match self {
            Self::Password { username, .. } => Some(username),
            Self::IdentityToken { username, .. } => username.as_deref(),
        }
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
    fn a_secret_is_taken_out_of_a_text() {
        let check = |secret: &str, text: &str, expected: &str| {
            assert_eq!(Secret::new(secret).out_of(text.into()), expected);
        };
        check("hunter2", "you sent hunter2, Hunter2", "you sent …, …");
        check("YW5uOmI=", "basic yw5uomi", "basic …");
        check("hunter2", "né hunter2 é", "né … é");
        check("hunter2", "hunter", "hunter");
        check("abc", "abc", "abc");
        check("", "abc", "abc");
    }

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
