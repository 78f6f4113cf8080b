//! A signer as the config writes it: which keys there are, and what each may say.

use super::key;
use crate::signature::identity::workflow;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::{fmt, path::PathBuf, str::FromStr};

/// A signer as it is written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[serde(expecting = "a section [trust.signer.NAME]")]
pub struct WrittenSigner {
    /// Of tokens: the account nkey that issues them, `A…`.
    #[serde(deserialize_with = "account", skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The same key as a line of SSH: `ssh-ed25519 AAAA… comment`.
    #[serde(deserialize_with = "ssh_key", skip_serializing_if = "Option::is_none")]
    pub ssh_key: Option<String>,
    /// Of bundles: a workflow of GitHub's,
    /// `github.com/acme/echo/.github/workflows/release.yml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowPath>,
    /// Of a workflow: the refs that it may run for, `refs/tags/*`. `*` stands at the end, and never
    /// for refs of pull requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refs: Option<Vec<Refs>>,
    /// Of a workflow: the repository that it builds, where that is not its own,
    /// `github.com/acme/echo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<SourceRepository>,
    /// Of bundles: an e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Of bundles: a URI, as a certificate has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Of an e-mail address or a URI: who vouches for it, `https://accounts.google.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Issuer>,
    /// Of bundles: the file of a public key, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// Of bundles: the one root that it signs under. Without it, those that the service brings
    /// along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Nothing that it signed is accepted any more, under any name and any rule.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
}

/// Reads an account where it stands, so that an error has its place.
fn account<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(from)?;
    key::account(&text).map(Some).map_err(D::Error::custom)
}

/// Reads a line of SSH where it stands.
fn ssh_key<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let line = String::deserialize(from)?;
    key::of_ssh(&line).map_err(D::Error::custom)?;
    Ok(Some(line))
}

macro_rules! text {
    ($(#[doc = $doc:literal] $name:ident $check:ident;)*) => {$(
        #[doc = $doc]
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[cfg_attr(test, schemars(with = "String"))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub(super) String);

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                $check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(it: $name) -> Self {
                it.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

text! {
    /// A workflow's path, from its host on.
    WorkflowPath check_workflow;
    /// A repository, from its host on.
    SourceRepository check_repository;
    /// Who vouches for an identity.
    Issuer check_issuer;
    /// A ref, or the beginning of one with `*` behind it.
    Refs check_refs;
}

fn check_workflow(text: &str) -> Result<(), String> {
    if text.contains('@') || !is_plain(text) || workflow(text).is_none() {
        return Err(format!(
            "{text:?} is not a workflow: write \
             `github.com/OWNER/REPOSITORY/.github/workflows/FILE`, without `https://` and without a ref"
        ));
    }
    Ok(())
}

fn check_repository(text: &str) -> Result<(), String> {
    let parts: Vec<_> = text.split('/').collect();
    match parts[..] {
        ["github.com", owner, name] if !owner.is_empty() && !name.is_empty() && is_plain(text) => {
            Ok(())
        }
        _ => Err(format!(
            "{text:?} is not a repository: write `github.com/OWNER/REPOSITORY`"
        )),
    }
}

fn check_issuer(text: &str) -> Result<(), String> {
    if text.starts_with("https://") && is_plain(text) {
        return Ok(());
    }
    Err(format!(
        "{text:?} does not vouch for anybody: write the address of an identity provider, \
         `https://accounts.google.com`"
    ))
}

fn check_refs(text: &str) -> Result<(), String> {
    let prefix = text.strip_suffix('*').unwrap_or(text);
    if prefix.contains('*') || !(text == "*" || prefix.starts_with("refs/")) || !is_plain(text) {
        return Err(format!(
            "{text:?} is not a ref: write one such as `refs/tags/v1`, with `*` at its end for all \
             that begin so"
        ));
    }
    if prefix.starts_with(PULL) {
        return Err(format!(
            "{text:?} is of a pull request, which anybody may open: nothing is accepted from there"
        ));
    }
    Ok(())
}

/// The refs of pull requests.
const PULL: &str = "refs/pull/";

pub(super) fn is_plain(text: &str) -> bool {
    text.len() <= 1024 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Refs {
    pub(super) fn fits(&self, at: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => at.starts_with(prefix) && !at.starts_with(PULL),
            None => self.0 == at,
        }
    }
}
