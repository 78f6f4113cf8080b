//! `session/login`, `session/logout` and `session/list`: logins to registries, without showing
//! their secrets.

use super::request::Request;
use crate::{
    error::{Error, Result},
    reference,
    session::{Credential, Secret},
};
use std::sync::Arc;
use vouch_protocol::{
    ErrorKind, NoParams, SessionListResult, SessionLoginParams, SessionLogoutParams,
    SessionLogoutResult, SessionStatus,
};

/// Names are that long at most, secrets a little longer.
const LONGEST_NAME: usize = 1024;
const LONGEST_SECRET: usize = 64 << 10;

pub(super) async fn login(
    request: Arc<Request>,
    params: SessionLoginParams,
) -> Result<SessionStatus> {
    let registry = params.registry;
    check_registry(&registry)?;
    let secret = |password: vouch_protocol::Password| {
        let secret = Secret::new(password.0);
        Some(secret).filter(|secret| (1..=LONGEST_SECRET).contains(&secret.len()))
    };
    let username = params.username.filter(|name| !name.is_empty());
    // RFC 7617, section 2: a colon would end the name.
    let named = username
        .as_ref()
        .is_none_or(|name| name.len() <= LONGEST_NAME && !name.contains([':', '\r', '\n', '\0']));
    let credential = match (username, params.password, params.identity_token) {
        (Some(username), Some(password), None) => {
            secret(password).map(|password| Credential::Password { username, password })
        }
        (username, None, Some(token)) => {
            secret(token).map(|token| Credential::IdentityToken { username, token })
        }
        _ => None,
    };
    let Some(credential) = credential.filter(|_| named) else {
        return Err(Error::new(
            ErrorKind::InvalidParams,
            "`session/login` takes `username` and `password`, or `identityToken`",
        )
        .help("None may be empty, and no user name has a colon."));
    };
    request
        .settings()
        .sessions
        .login(&registry, credential)
        .await
}

pub(super) fn logout(
    request: &Request,
    params: SessionLogoutParams,
) -> Result<SessionLogoutResult> {
    check_registry(&params.registry)?;
    let logged_out = request.settings().sessions.logout(&params.registry)?;
    Ok(SessionLogoutResult {
        registry: params.registry,
        logged_out,
    })
}

pub(super) async fn list(request: Arc<Request>, _: NoParams) -> Result<SessionListResult> {
    let sessions = request.settings().sessions.list().await;
    Ok(SessionListResult { sessions })
}

/// The same names that references take.
fn check_registry(registry: &str) -> Result<()> {
    let known = registry == "localhost" || registry.contains(['.', ':']);
    if known && registry.len() <= LONGEST_NAME && reference::is_registry(registry) {
        return Ok(());
    }
    let shown = reference::recognisable(registry);
    Err(Error::new(
        ErrorKind::InvalidReference,
        format!("{shown:?} names no registry"),
    )
    .help("Write a host and, where it has one, a port: `ghcr.io`, `localhost:5000`."))
}
