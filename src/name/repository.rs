//! Repositories and tags: OCI distribution specification, "Pulling manifests".

use super::without_secrets;
use crate::error::{Error, Result, error};
use std::{fmt, str::FromStr};

/// The name of a repository, for example `acme/echo`: at most 255 bytes of lower-case letters and
/// digits, joined by `/`, `.`, `_`, `__` or dashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository(String);

impl Repository {
    /// The name as it is written in addresses.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same repository within a namespace; nothing, where the name would be too long.
    #[must_use]
    pub fn within(&self, namespace: &Self) -> Option<Self> {
        format!("{namespace}/{self}").parse().ok()
    }
}

impl FromStr for Repository {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_part = |part: &str| {
            let words = part.as_bytes();
            let starts_and_ends = words.first().is_some_and(|byte| is_word(*byte))
                && words.last().is_some_and(|byte| is_word(*byte));
            starts_and_ends
                && words
                    .split(|byte| is_word(*byte))
                    .all(|between| match between {
                        b"" | b"." | b"_" | b"__" => true,
                        dashes => dashes.iter().all(|byte| *byte == b'-'),
                    })
        };
        if text.len() <= 255 && text.split('/').all(is_part) {
            return Ok(Self(text.to_owned()));
        }
        Err(error!(InvalidReference: "{:?} is not a repository", without_secrets(text))
        .help(
            "A repository is at most 255 lower-case letters and digits, joined by `/`, `.`, `_`, \
             `__` or dashes.",
        ))
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// The tag as it is written in addresses.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digest of the manifest beside which clients look under this tag: for what refers to it
    /// (OCI distribution specification, "Referrers Tag Schema"), or for what cosign 2 stored,
    /// <https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md>.
    pub(super) fn beside(&self) -> Option<String> {
        let (name, suffix) = self.0.split_once('.').unwrap_or((&self.0, ""));
        let (algorithm, hex) = name.split_once('-')?;
        let is_known = matches!(algorithm, "sha256" | "sha512")
            && matches!(suffix, "" | "sig" | "att" | "sbom")
            && !self.0.ends_with('.');
        let is_hex = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_known && is_hex).then(|| format!("{algorithm}:{hex}"))
    }
}

impl FromStr for Tag {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let starts = text.bytes().next().is_some_and(is_word);
        let rest = |byte: u8| is_word(byte) || matches!(byte, b'.' | b'-');
        if starts && text.len() <= 128 && text.bytes().all(rest) {
            return Ok(Self(text.to_owned()));
        }
        Err(error!(InvalidReference: "{:?} is not a tag", without_secrets(text)).help(
            "A tag is at most 128 letters, digits, `.`, `_` and `-`, and begins with a letter, a \
             digit or `_`.",
        ))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
