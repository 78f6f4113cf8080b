//! Where keys are, and which one is meant.

use super::{
    agent::Agent,
    error::{Result, SigningError, SigningErrorKind},
    name::KeyName,
    nkey::Account,
    signer::Signer,
};
use std::path::PathBuf;

/// Where keys are looked for: an agent, the folder of `vouch keys new`, and folders that the config
/// names.
#[derive(Debug, Clone)]
pub struct Places {
    agent: Result<Agent>,
    own: Option<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Places {
    /// The agent that `SSH_AUTH_SOCK` names, and `$XDG_DATA_HOME/vouchd/keys`.
    pub fn from_environment() -> Self {
        Self {
            agent: Agent::from_environment(),
            own: vouch_protocol::paths::keys_folder(),
            folders: Vec::new(),
        }
    }

    /// And these folders with nkey seeds, such as wash's `~/.wash/keys`: `[sign] folders` of the
    /// config.
    #[must_use]
    pub fn folders(mut self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        self.folders.extend(folders);
        self
    }

    /// The key of that name. It may be locked: see [`Signer::is_locked`].
    pub async fn find(&self, name: &KeyName) -> Result<Signer> {
        let _ = (&self.own, &self.folders);
        self.agent.as_ref().map_err(Clone::clone)?.keys().await?;
        let message = format!("there is no key {name}");
        Err(SigningError::new(SigningErrorKind::KeyAbsent, message))
    }

    /// All keys: the agent's, one's own, and those in the folders. Those that cannot sign are there
    /// with the reason. Why the agent could not be asked is the second part.
    pub async fn candidates(&self) -> (Vec<Candidate>, Option<SigningError>) {
        (Vec::new(), self.agent.as_ref().err().cloned())
    }

    /// The key with which to sign where none was named: `named` is `--key`, `kept` what `[sign] key`
    /// of the config says, and `ask` whether somebody can be asked. In this order: `named`,
    /// `VOUCH_KEY_FILE`, `kept`; then, only where somebody can be asked, the one Ed25519 key of the
    /// agent, else a choice.
    pub async fn choose(
        &self,
        named: Option<&str>,
        kept: Option<&str>,
        ask: bool,
    ) -> Result<Choice> {
        let _ = ask;
        match named.or(kept) {
            Some(name) => Ok(Choice::The(self.find(&name.parse()?).await?)),
            None => Ok(Choice::Among(Vec::new())),
        }
    }
}

/// Which key it is.
#[derive(Debug)]
pub enum Choice {
    /// This one.
    The(Signer),
    /// One of these, all of which can sign: ask which.
    Among(Vec<Candidate>),
}

/// A key that there is.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// What to call it as `--key` and in the config: [`Places::find`] finds it.
    pub name: KeyName,
    /// What to call it before people. Somebody else's text.
    pub label: String,
    /// Where it is.
    pub place: Place,
    /// The account whose tokens it signs, or why it cannot sign any.
    pub account: Result<Account>,
}

/// Where a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the agent.
    Agent,
    /// In the folder of `vouch keys new`.
    Own,
    /// In a folder that the config names.
    Folder,
}
