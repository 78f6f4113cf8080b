//! `vouch login`, `vouch logout` and `vouch sessions`.

use crate::{
    call::{answer, ask},
    failure::{Failure, Outcome},
    password,
    show::{Screen, span},
};
use clap::Args;
use std::io::{self, IsTerminal as _};
use vouch_client::{
    Client,
    protocol::{
        Login, LoginSource, NoParams, Password, SessionList, SessionListResult, SessionLogin,
        SessionLoginParams, SessionLogout, SessionLogoutParams, SessionLogoutResult, SessionState,
        SessionStatus,
    },
};

#[derive(Debug, Args)]
pub(crate) struct LoginArguments {
    /// The registry, such as `ghcr.io` or `localhost:5000`
    #[arg(value_parser = registry)]
    pub(crate) registry: String,
    /// Who logs in; asked for on a terminal
    #[arg(short, long)]
    pub(crate) username: Option<String>,
    /// Read the password from standard input; without this, it is asked for on a terminal
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// Log in with an OAuth2 refresh token in place of a password
    #[arg(long)]
    pub(crate) identity_token: bool,
}

impl LoginArguments {
    pub(crate) fn complete(&mut self) -> Result<(), String> {
        // Both come from the terminal, or neither does.
        if self.password_stdin && self.username.is_none() && !self.identity_token {
            return Err("--password-stdin needs --username".to_owned());
        }
        if !self.password_stdin && !io::stdin().is_terminal() {
            return Err(
                "there is no terminal to ask for the login: use --username and --password-stdin"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// Checks a registry's name before anybody is asked for a password. The service has the last word.
fn registry(text: &str) -> Result<String, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let host = rest.split('/').next().unwrap_or_default();
    let is_host = host == "localhost" || host.contains(['.', ':']);
    let odd =
        |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | ':' | '[' | ']' | '_');
    if !is_host || host.contains(odd) {
        return Err("a registry is a host, such as `ghcr.io` or `localhost:5000`".to_owned());
    }
    if !scheme.is_empty() || host != rest {
        return Err(format!("write only the host: `{host}`"));
    }
    Ok(text.to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct LogoutArguments {
    /// The registry, as at the login
    #[arg(value_parser = registry)]
    pub(crate) registry: String,
}

pub(crate) async fn login(
    client: &Client,
    arguments: LoginArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let params = match params(arguments) {
        Ok(params) => params,
        Err(why) => return screen.failure(&Failure::new(why)),
    };
    let answered = ask::<SessionLogin>(client, params).await;
    answer::<SessionLogin>(screen, answered, |screen, session: SessionStatus| {
        screen.heading(true, "logged in", &named(&session))?;
        if session.state == SessionState::Untried {
            screen.line(
                "note",
                "the registry did not ask for a login, so this one was not checked",
            )?;
        }
        Ok(())
    })
}

/// Asks for what is missing.
fn params(arguments: LoginArguments) -> Result<SessionLoginParams, String> {
    let LoginArguments {
        registry,
        username,
        password_stdin,
        identity_token,
    } = arguments;
    let username = match username {
        None if !identity_token => Some(password::prompt("Username", true)?),
        username => username,
    };
    let secret = if password_stdin {
        password::piped(io::stdin().lock())?
    } else {
        let question = if identity_token {
            "Identity token"
        } else {
            "Password"
        };
        password::prompt(question, false)?
    };
    let secret = Password(secret);
    let login = match username {
        Some(username) if !identity_token => Login::Password {
            username,
            password: secret,
        },
        username => Login::IdentityToken {
            username,
            identity_token: secret,
        },
    };
    Ok(SessionLoginParams { registry, login })
}

pub(crate) async fn logout(
    client: &Client,
    arguments: LogoutArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let registry = arguments.registry;
    let answered = ask::<SessionLogout>(client, SessionLogoutParams { registry }).await;
    answer::<SessionLogout>(screen, answered, |screen, result: SessionLogoutResult| {
        if result.logged_out {
            return screen.heading(true, "logged out", &result.registry);
        }
        screen.text(format!(
            "no login for {} from `vouch login`; `docker logout` and the like remove one that is in a file",
            result.registry
        ))
    })
}

pub(crate) async fn list(client: &Client, screen: &mut Screen) -> io::Result<Outcome> {
    let answered = ask::<SessionList>(client, NoParams {}).await;
    answer::<SessionList>(screen, answered, |screen, result: SessionListResult| {
        if result.sessions.is_empty() {
            return screen.text(
                "no logins yet: `vouch login REGISTRY` makes one, and those of docker and podman are \
                 listed once a registry was asked",
            );
        }
        result
            .sessions
            .iter()
            .try_for_each(|session| show(screen, session))
    })
}

fn show(screen: &mut Screen, session: &SessionStatus) -> io::Result<()> {
    let good = session.state != SessionState::Refused;
    screen.heading(good, state(session), &named(session))?;
    let source = match session.source {
        LoginSource::Login => "vouch login",
        LoginSource::AuthFile => "REGISTRY_AUTH_FILE",
        LoginSource::Docker => "docker",
        LoginSource::Podman => "podman",
        LoginSource::Anonymous => "no login",
        LoginSource::Unknown => "unknown",
    };
    let parts = [
        Some(source),
        session.path.as_deref(),
        session.helper.as_deref(),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    screen.line("source", parts.join(", "))?;
    for scope in &session.scopes {
        screen.line("scope", scope)?;
    }
    if let Some(seconds) = session.expires_in_seconds {
        screen.line("expires in", span(seconds))?;
    }
    if let Some(seconds) = session.last_used_seconds {
        screen.line("last used", format!("{} ago", span(seconds)))?;
    }
    Ok(())
}

/// What the registry said of the login, in a word.
pub(crate) fn state(session: &SessionStatus) -> &'static str {
    match session.state {
        SessionState::Untried => "untried",
        SessionState::Accepted => "accepted",
        SessionState::Refused => "refused",
        SessionState::Unknown => "unknown",
    }
}

fn named(session: &SessionStatus) -> String {
    match &session.user {
        Some(user) => format!("{user} to {}", session.registry),
        None => session.registry.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_a_host() {
        let check = |text: &str, expected: Option<&str>| {
            let hint = registry(text).err();
            assert_eq!(hint.is_some(), expected.is_some(), "{text}: {hint:?}");
            let (hint, expected) = (hint.unwrap_or_default(), expected.unwrap_or_default());
            assert!(hint.contains(expected), "{text}: {hint}");
        };
        check("ghcr.io", None);
        check("localhost", None);
        check("localhost:5000", None);
        check("[::1]:5000", None);
        check("https://ghcr.io", Some("only the host: `ghcr.io`"));
        check(
            "https://index.docker.io/v1/",
            Some("only the host: `index.docker.io`"),
        );
        check("ghcr.io/acme", Some("only the host: `ghcr.io`"));
        check("ann", Some("is a host"));
        check("", Some("is a host"));
        check("ghcr .io", Some("is a host"));
        check("ann@ghcr.io", Some("is a host"));
    }
}
