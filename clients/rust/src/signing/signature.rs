//! The signature of a token.

use data_encoding::BASE64URL_NOPAD;
use std::fmt;

/// An Ed25519 signature that was verified with its account's key. Its text is what
/// `sign/complete` takes: base64url without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenSignature([u8; 64]);

impl TokenSignature {
    pub(super) fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> [u8; 64] {
        self.0
    }
}

impl fmt::Display for TokenSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}
