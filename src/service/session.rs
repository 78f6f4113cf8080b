//! `session/login`, `session/logout` and `session/list`: logins to registries, without showing
//! their secrets.

use super::request::Request;
use crate::{
    error::{Result, error},
    session::{Credential, Secret},
};
use std::sync::Arc;
use vouch_protocol::{
    Login, NoParams, Password, SessionListResult, SessionLoginParams, SessionLogoutParams,
    SessionLogoutResult, SessionStatus,
};

/// The longest user name and the longest secret, in bytes.
const LONGEST_NAME: usize = 1024;
const LONGEST_SECRET: usize = 64 << 10;

pub(super) async fn login(
    request: Arc<Request>,
    params: SessionLoginParams,
) -> Result<SessionStatus> {
    let sessions = &request.settings().sessions;
    let registry = sessions.plain_hosts().registry(&params.registry)?;
    let secret = |password: Password| {
        let secret = Secret::new(password.0);
        Some(secret).filter(|secret| (1..=LONGEST_SECRET).contains(&secret.len()))
    };
    // RFC 7617, section 2: a colon would end the name.
    let is_name =
        |name: &String| name.len() <= LONGEST_NAME && !name.contains([':', '\r', '\n', '\0']);
    let credential = match params.login {
        Login::Password { username, password } if !username.is_empty() && is_name(&username) => {
            secret(password).map(|password| Credential::Password { username, password })
        }
        Login::IdentityToken {
            username,
            identity_token,
        } if username.as_ref().is_none_or(is_name) => secret(identity_token).map(|token| {
            let username = username.filter(|name| !name.is_empty());
            Credential::IdentityToken { username, token }
        }),
        _ => None,
    };
    let Some(credential) = credential else {
        return Err(error!(
            InvalidParams: "the user name, password or token is empty, too long, or has a character that it may not have"
        )
        .help("A user name has at most 1,024 bytes and no colon or line break; a password or token has at most 65,536 bytes."));
    };
    let status = sessions.login(&registry, credential).await?;
    request.state().look_ups.changed();
    Ok(status)
}

pub(super) fn logout(
    request: &Request,
    SessionLogoutParams { registry }: SessionLogoutParams,
) -> Result<SessionLogoutResult> {
    let sessions = &request.settings().sessions;
    let registry = sessions.plain_hosts().registry(&registry)?;
    let logged_out = sessions.logout(&registry);
    request.state().look_ups.changed();
    Ok(SessionLogoutResult {
        registry: registry.to_string(),
        logged_out,
    })
}

pub(super) async fn list(request: Arc<Request>, _: NoParams) -> Result<SessionListResult> {
    let sessions = request.settings().sessions.list().await;
    Ok(SessionListResult { sessions })
}
