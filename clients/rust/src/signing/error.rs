//! Why something could not be signed.

use std::{error, fmt};

/// Why something could not be signed: what happened, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningError {
    /// What programs switch on.
    pub kind: SigningErrorKind,
    /// What happened, with the names in it.
    pub message: String,
    /// What to do next.
    pub help: Option<String>,
}

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SigningErrorKind {
    /// No agent is named, or none listens there.
    NoAgent,
    /// The agent answered something that breaks its protocol.
    AgentBroken,
    /// The agent refused to sign: somebody said no, it is locked, or it lost the key.
    AgentRefused,
    /// The agent did not answer in time.
    TimedOut,
    /// There is no such key, or none at all.
    KeyAbsent,
    /// What was named matches several keys, or nothing was named and nobody can be asked.
    KeyAmbiguous,
    /// The key is there, and cannot sign tokens.
    KeyUnusable,
    /// What was written is not the name of a key.
    KeyName,
    /// A file cannot be read or written.
    File,
    /// A key file can be read by others.
    FileOpenToOthers,
    /// There is something under that name already.
    FileExists,
    /// The key file has a passphrase.
    PassphraseNeeded,
    /// The passphrase is another.
    PassphraseWrong,
    /// What the service wants signed is not what it was asked for.
    NotAskedFor,
}

/// The result of all that has to do with signing.
pub type Result<T> = std::result::Result<T, SigningError>;

impl SigningError {
    pub(crate) fn new(kind: SigningErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            help: None,
        }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }
}

impl fmt::Display for SigningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for SigningError {}
