//! `session/login`, `session/logout` and `session/list`: logins to registries.

use crate::{ErrorKind, LogLevel, Method, NoParams};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::fmt;

/// Checks a login with its registry and keeps it, in memory only.
pub enum SessionLogin {}

impl Method for SessionLogin {
    const NAME: &'static str = "session/login";
    const SUMMARY: &'static str = "Checks a login with its registry and keeps it. Takes `username` and `password`, or `identityToken`.";
    const ERRORS: &'static [&'static [ErrorKind]] = &[ErrorKind::REGISTRY, &[ErrorKind::NotFound]];
    const LOG: LogLevel = LogLevel::Info;
    type Params = SessionLoginParams;
    type Result = SessionStatus;
}

/// Params of [`SessionLogin`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(try_from = "LoginMembers", into = "LoginMembers")]
pub struct SessionLoginParams {
    /// The registry, as references name it: `ghcr.io`, `localhost:5000`.
    pub registry: String,
    /// Who logs in, and with what.
    pub login: Login,
}

/// Who logs in, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// A name, and a password or an access token in its place.
    Password {
        /// The name.
        username: String,
        /// The password.
        password: Password,
    },
    /// An OAuth2 refresh token, in place of a password.
    IdentityToken {
        /// The name, if the registry wants one.
        username: Option<String>,
        /// The token.
        identity_token: Password,
    },
}

#[cfg(feature = "schemars")]
fn one_of_two(schema: &mut schemars::Schema) {
    crate::openrpc::one_of(schema, &[&["password", "username"], &["identityToken"]]);
}

/// Params of `session/login`: `username` and `password`, or `identityToken`.
#[derive(Serialize, Deserialize)]
#[cfg_attr(
    feature = "schemars",
    derive(schemars::JsonSchema),
    schemars(rename = "SessionLoginParams", transform = one_of_two)
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LoginMembers {
    /// The registry, as references name it: `ghcr.io`, `localhost:5000`.
    registry: String,
    /// Who logs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// The password, or an access token in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<Password>,
    /// An OAuth2 refresh token, in place of a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity_token: Option<Password>,
}

impl TryFrom<LoginMembers> for SessionLoginParams {
    type Error = &'static str;

    fn try_from(members: LoginMembers) -> Result<Self, Self::Error> {
        let login = match (members.username, members.password, members.identity_token) {
            (Some(username), Some(password), None) => Login::Password { username, password },
            (username, None, Some(identity_token)) => Login::IdentityToken {
                username,
                identity_token,
            },
            _ => {
                return Err(
                    "`session/login` takes either `username` and `password`, or `identityToken`",
                );
            }
        };
        Ok(Self {
            registry: members.registry,
            login,
        })
    }
}

impl From<SessionLoginParams> for LoginMembers {
    fn from(params: SessionLoginParams) -> Self {
        let (username, password, identity_token) = match params.login {
            Login::Password { username, password } => (Some(username), Some(password), None),
            Login::IdentityToken {
                username,
                identity_token,
            } => (username, None, Some(identity_token)),
        };
        Self {
            registry: params.registry,
            username,
            password,
            identity_token,
        }
    }
}

/// A secret on its way to the server. No debug print shows it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schemars", schemars(inline))]
#[serde(transparent)]
pub struct Password(pub String);

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The usual error would show the value.
        String::deserialize(deserializer)
            .map(Self)
            .map_err(|_| D::Error::custom("a password or token is not a string"))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Forgets a login that [`SessionLogin`] kept, and every access token that came of it.
pub enum SessionLogout {}

impl Method for SessionLogout {
    const NAME: &'static str = "session/logout";
    const SUMMARY: &'static str = "Forgets a login and ends what is under way with it.";
    const ERRORS: &'static [&'static [ErrorKind]] = &[&[ErrorKind::InvalidReference]];
    const LOG: LogLevel = LogLevel::Info;
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
    /// Whether there was a login to forget. Those in files belong to the tools that wrote them.
    pub logged_out: bool,
}

/// The logins that are kept or in use.
pub enum SessionList {}

impl Method for SessionList {
    const NAME: &'static str = "session/list";
    const SUMMARY: &'static str = "Lists the logins that are kept or in use.";
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
    /// Who is logged in, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Where the login comes from.
    pub source: LoginSource,
    /// The file that it was found in, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The credential helper that keeps it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helper: Option<String>,
    /// What the registry said about it.
    pub state: SessionState,
    /// What there are access tokens for, as registries write it.
    pub scopes: Vec<String>,
    /// Seconds until the first of the access tokens expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
    /// Seconds since a request used it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_seconds: Option<u64>,
}

/// Where a login comes from, in the order in which the server looks for one.
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

/// What a registry said about a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum SessionState {
    /// The registry has not asked for it yet.
    Untried,
    /// The registry accepted it when it last asked.
    Accepted,
    /// The registry refused it when it last asked.
    Refused,
    /// A state that a newer server has and this crate does not know. It is only ever read.
    #[serde(rename = "unknown", other)]
    #[cfg_attr(feature = "schemars", schemars(skip))]
    Unknown,
}

/// A file in which the server looks for logins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct CredentialFile {
    /// Whose file it is.
    pub source: LoginSource,
    /// Its path. The file need not exist.
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

    #[test]
    fn a_login_is_one_of_two() {
        let check = |members: &str, expected: bool| {
            let wire = format!(r#"{{"registry":"r.io"{members}}}"#);
            let read = serde_json::from_str::<SessionLoginParams>(&wire);
            assert_eq!(read.is_ok(), expected, "{wire}");
            if let Ok(params) = read {
                assert_eq!(serde_json::to_string(&params).expect("it is JSON"), wire);
            }
        };
        check(r#","username":"ann","password":"x""#, true);
        check(r#","identityToken":"x""#, true);
        check(r#","username":"ann","identityToken":"x""#, true);
        check("", false);
        check(r#","username":"ann""#, false);
        check(r#","password":"x""#, false);
        check(
            r#","username":"ann","password":"x","identityToken":"y""#,
            false,
        );
        check(r#","identityToken":"x","more":1"#, false);
    }
}
