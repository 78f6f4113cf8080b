//! A key that signs tokens.

use super::{
    agent::AgentKey,
    error::{Result, SigningError, SigningErrorKind},
    file::{KeyFile, Passphrase},
    input::SigningInput,
    nkey::Account,
    signature::TokenSignature,
};

/// A key that signs tokens. It signs nothing but a [`SigningInput`].
#[derive(Debug)]
pub struct Signer(Key);

#[derive(Debug)]
enum Key {
    Agent { key: AgentKey, account: Account },
    File(KeyFile),
}

impl Signer {
    /// A key of an agent; an error where it cannot sign tokens.
    pub fn of_agent(key: AgentKey) -> Result<Self> {
        let account = key.account()?.clone();
        Ok(Self(Key::Agent { key, account }))
    }

    /// A key in a file.
    pub fn of_file(file: KeyFile) -> Self {
        Self(Key::File(file))
    }

    /// The account whose tokens it signs.
    pub fn account(&self) -> &Account {
        match &self.0 {
            Key::Agent { account, .. } => account,
            Key::File(file) => file.account(),
        }
    }

    /// What to call it before people: `ann@laptop (ssh-agent)`, or the path of its file.
    pub fn label(&self) -> String {
        match &self.0 {
            Key::Agent { key, .. } => format!("{} (ssh-agent)", key.called()),
            Key::File(file) => file.path().display().to_string(),
        }
    }

    /// The comment that its owner gave it; somebody else's text, which may be empty.
    pub fn comment(&self) -> &str {
        match &self.0 {
            Key::Agent { key, .. } => key.comment(),
            Key::File(file) => file.comment(),
        }
    }

    /// Whether the agent signs, and may ask somebody first.
    pub fn is_agent(&self) -> bool {
        matches!(self.0, Key::Agent { .. })
    }

    /// Whether it needs a passphrase before it can sign: see [`Signer::unlock`].
    pub fn is_locked(&self) -> bool {
        matches!(&self.0, Key::File(file) if file.is_locked())
    }

    /// Opens a key file with its passphrase. A wrong one may be followed by another.
    pub async fn unlock(&mut self, passphrase: Passphrase) -> Result<()> {
        match &mut self.0 {
            Key::Agent { .. } => Ok(()),
            Key::File(file) => file.unlock(passphrase).await,
        }
    }

    /// Signs. An agent's signature is verified; it may ask somebody, who has two minutes. Dropping
    /// the future ends it.
    pub async fn sign(&self, input: &SigningInput) -> Result<TokenSignature> {
        if input.account() != self.account() {
            let (wanted, own) = (input.account(), self.account());
            let message = format!("{} signs for {own}, not for {wanted}", self.label());
            return Err(SigningError::new(SigningErrorKind::KeyUnusable, message));
        }
        match &self.0 {
            Key::Agent { key, account } => key.sign(account, input.as_str()).await,
            Key::File(file) => file.sign(input.as_str()),
        }
    }
}
