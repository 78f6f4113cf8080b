//! `session/login`, `session/logout` and `session/list`: logins to registries.

use crate::{Method, NoParams};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::fmt;

/// Checks a login with its registry and keeps it, in memory only.
pub enum SessionLogin {}

impl Method for SessionLogin {
    const NAME: &'static str = "session/login";
    type Params = SessionLoginParams;
    type Result = SessionStatus;
}

/// Params of [`SessionLogin`]: `identityToken`, or `username` and `password`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionLoginParams {
    /// The registry, as references name it: `ghcr.io`, `localhost:5000`.
    pub registry: String,
    /// Who logs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password, or an access token in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// An OAuth2 refresh token, in place of a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_token: Option<Password>,
}

/// A secret on its way to the server. No debug print shows it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(inline))]
#[serde(transparent)]
pub struct Password(pub String);

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The usual error would show what stands there instead.
        String::deserialize(deserializer)
            .map(Self)
            .map_err(|_| D::Error::custom("a password or token is no string"))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Forgets a login that [`SessionLogin`] kept, and all that came of it.
pub enum SessionLogout {}

impl Method for SessionLogout {
    const NAME: &'static str = "session/logout";
    type Params = SessionLogoutParams;
    type Result = SessionLogoutResult;
}

/// Params of [`SessionLogout`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionLogoutParams {
    /// The registry, as references name it.
    pub registry: String,
}

/// Result of [`SessionLogout`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionLogoutResult {
    /// The registry.
    pub registry: String,
    /// Whether there was a login to forget. Those in files are the tools' that wrote them.
    pub logged_out: bool,
}

/// The logins that are kept or in use.
pub enum SessionList {}

impl Method for SessionList {
    const NAME: &'static str = "session/list";
    type Params = NoParams;
    type Result = SessionListResult;
}

/// Result of [`SessionList`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct SessionListResult {
    /// One for each registry and login, by name.
    pub sessions: Vec<SessionStatus>,
}

/// A login to a registry, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionStatus {
    /// The registry.
    pub registry: String,
    /// Who is logged in, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where the login comes from.
    pub source: LoginSource,
    /// The file that it was found in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The credential helper that keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helper: Option<String>,
    /// What the registry thinks of it.
    pub state: SessionState,
    /// What there are tokens for, as registries write it.
    pub scopes: Vec<String>,
    /// Seconds until the first of the tokens expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
    /// Seconds since a request used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_seconds: Option<u64>,
}

/// Where a login comes from, in the order in which they are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum LoginSource {
    /// `session/login`.
    #[serde(rename = "session/login")]
    Login,
    /// The file that `REGISTRY_AUTH_FILE` names.
    #[serde(rename = "authFile")]
    AuthFile,
    /// docker's config file.
    #[serde(rename = "docker")]
    Docker,
    /// podman's `auth.json`.
    #[serde(rename = "podman")]
    Podman,
    /// No login.
    #[serde(rename = "anonymous")]
    Anonymous,
    /// A source that a newer server has and this crate does not know. It is only ever read.
    #[serde(rename = "unknown", other)]
    #[cfg_attr(feature = "schemars", schemars(skip))]
    Unknown,
}

/// What a registry thinks of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum SessionState {
    /// The registry has not asked for it yet.
    Untried,
    /// The registry accepted it, the last time it asked.
    Accepted,
    /// The registry refused it, the last time.
    Refused,
    /// A state that a newer server has and this crate does not know. It is only ever read.
    #[serde(rename = "unknown", other)]
    #[cfg_attr(feature = "schemars", schemars(skip))]
    Unknown,
}

/// A file in which logins are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct CredentialFile {
    /// Whose file it is.
    pub source: LoginSource,
    /// Its path. It need not exist.
    pub path: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_server_says_is_read() {
        let text = r#"{"registry":"r.io","source":"netrc","state":"doubtful","scopes":[],"x":1}"#;
        let status: SessionStatus = serde_json::from_str(text).expect("it is read");
        assert_eq!(status.source, LoginSource::Unknown);
        assert_eq!(status.state, SessionState::Unknown);
    }

    #[test]
    fn no_password_is_shown() {
        let check = |password: &str| {
            let text = format!(r#"{{"registry":"r.io","username":"ann","password":{password}}}"#);
            let shown = match serde_json::from_str::<SessionLoginParams>(&text) {
                Ok(params) => format!("{params:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            assert!(!shown.contains("5318008"), "{shown}");
        };
        check("\"5318008\"");
        check("5318008");
        check("[5318008]");
        check("{\"a\":5318008}");
    }
}
