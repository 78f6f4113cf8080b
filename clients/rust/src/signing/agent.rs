//! Keys in ssh-agent, or in what speaks as it does: gpg-agent, 1Password, hardware tokens.

use super::{
    error::{Result, SigningError, SigningErrorKind},
    nkey::Account,
};
use std::path::PathBuf;

/// An agent, by its socket. A listing may take 10 seconds, and a signature two minutes, since the
/// agent may ask somebody. Dropping a future hangs up.
#[derive(Debug, Clone)]
pub struct Agent {
    socket: PathBuf,
}

impl Agent {
    /// The agent that `SSH_AUTH_SOCK` names; an error where none is named.
    pub fn from_environment() -> Result<Self> {
        match std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()) {
            Some(socket) => Ok(Self::at(socket)),
            None => Err(SigningError::new(
                SigningErrorKind::NoAgent,
                "no ssh-agent is named: SSH_AUTH_SOCK is not set",
            )
            .help("`eval $(ssh-agent) && ssh-add` starts one and adds your key.")),
        }
    }

    /// The agent that listens on this socket.
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// Its keys, in its order: those that can sign tokens, and those that cannot. There may be none,
    /// also because it is locked.
    pub async fn keys(&self) -> Result<Vec<AgentKey>> {
        let message = format!("{} is not asked yet", self.socket.display());
        Err(SigningError::new(SigningErrorKind::NoAgent, message))
    }
}

/// A key in an agent.
#[derive(Debug, Clone)]
pub struct AgentKey {
    comment: String,
    fingerprint: String,
    kind: String,
    account: Result<Account>,
}

impl AgentKey {
    /// What its owner calls it; somebody else's text, which may be empty.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// `SHA256:…`, as `ssh-add -l` shows it.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Its type, as SSH calls it: `ssh-ed25519`, `ssh-rsa`, …; somebody else's text.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The account whose tokens it signs, or why it cannot sign any.
    pub fn account(&self) -> Result<&Account> {
        self.account.as_ref().map_err(Clone::clone)
    }
}
