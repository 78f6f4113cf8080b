//! Digests, of the one kind that is taken.

use super::without_secrets;
use crate::error::{Error, Result, error};
use data_encoding::{HEXLOWER, HEXUPPER};
use std::{fmt, str::FromStr};

/// A SHA-256 digest, as OCI writes it: `sha256:` and 64 lower-case hex digits. Other algorithms
/// are not taken, since nothing in this field uses them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// A digest of these 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest of bytes that are in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self::finish(&ring::digest::digest(&ring::digest::SHA256, bytes))
    }

    /// The digest that a SHA-256 ended with.
    pub(crate) fn finish(digest: &ring::digest::Digest) -> Self {
        let mut bytes = [0; 32];
        // SHA-256 is 32 bytes long; another length would leave zeros, which match nothing.
        for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }

    /// Its 32 bytes.
    pub(crate) const fn bytes(self) -> [u8; 32] {
        self.0
    }

    /// The 64 lower-case hex digits.
    pub fn hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }

    /// The 64 upper-case hex digits, as wascap's claims write hashes.
    pub fn upper_hex(&self) -> String {
        HEXUPPER.encode(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            error!(InvalidReference: "{:?} is not a SHA-256 digest", without_secrets(text))
                .help("A digest is `sha256:` and 64 lower-case hex digits.")
        };
        let hex = text.strip_prefix("sha256:").ok_or_else(wrong)?;
        let bytes = HEXLOWER.decode(hex.as_bytes()).map_err(|_| wrong())?;
        Ok(Self(bytes.try_into().map_err(|_| wrong())?))
    }
}
