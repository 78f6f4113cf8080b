//! Keys in files: OpenSSH private keys, and nkey seeds.

use super::{
    error::{Result, SigningError, SigningErrorKind},
    nkey::Account,
};
use std::{
    fmt,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// What opens a key file. Overwritten when it is dropped; never shown.
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// As it was typed.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The first line of a file, which nobody else may be able to read. Blocks.
    pub fn from_file(path: &Path) -> Result<Self> {
        let message = format!("{} is not read yet", path.display());
        Err(SigningError::new(SigningErrorKind::File, message))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// A key in a file. Its secret is overwritten when it is dropped, and never shown.
pub struct KeyFile {
    path: PathBuf,
    account: Account,
    comment: String,
}

impl KeyFile {
    /// Reads a file that nobody else can read. Blocks.
    pub fn open(path: &Path) -> Result<Self> {
        let message = format!("{} is not read yet", path.display());
        Err(SigningError::new(SigningErrorKind::File, message))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The account whose tokens it signs.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The comment in the file; empty without one, or while it is locked.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Whether it needs its passphrase before it can sign.
    pub fn is_locked(&self) -> bool {
        false
    }

    /// Opens it with its passphrase. Takes a moment, on a thread of its own.
    #[expect(clippy::unused_async, reason = "its body follows")]
    pub async fn unlock(&mut self, passphrase: Passphrase) -> Result<()> {
        drop(passphrase.0);
        Ok(())
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile")
            .field("path", &self.path)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
