//! The config's section `[trust]`, as it is written. What a value alone can get wrong is held by
//! its type, so that the config's reader names its place; what only makes sense together is for
//! [`Policy::new`](super::Policy::new) to say.

use super::{imports::Pattern, key};
use crate::artifact::ArtifactKind;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::{collections::BTreeMap, str::FromStr, time::Duration};

/// Whose signatures the owner accepts, and where: the section `[trust]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[serde(expecting = "the section [trust]")]
pub struct Section {
    /// What holds where no rule does. Without it: `pinned` for registries, and `any` for loopback
    /// registries, image layouts and files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Mode>,
    /// The signers, by the names that rules use: `[trust.signer.NAME]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub signer: BTreeMap<String, Signer>,
    /// What holds in one place: `[[trust.rule]]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rule: Vec<Rule>,
}

/// What is asked of a signer where none is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Any issuer of a token.
    Any,
    /// The signers that the repository has had, beginning with the first.
    Pinned,
    /// Nobody.
    None,
}

impl Mode {
    /// The mode of that name. Signers cannot be called like that.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        match name {
            "any" => Some(Self::Any),
            "pinned" => Some(Self::Pinned),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Pinned => "pinned",
            Self::None => "none",
        }
    }
}

/// A signer: `[trust.signer.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "WrittenSigner", into = "WrittenSigner")]
pub struct Signer {
    /// The account nkey that issues its tokens: `A…`.
    pub account: String,
    /// The line of SSH that it was written as.
    ssh_key: Option<String>,
    /// Whether nothing that it signed is accepted any more, under any name and any rule.
    pub revoked: bool,
}

/// A signer as it is written.
#[derive(Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[serde(expecting = "a section [trust.signer.NAME]")]
struct WrittenSigner {
    /// The account nkey that issues its tokens: `A…`.
    #[serde(deserialize_with = "account", skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// The same key as a line of SSH: `ssh-ed25519 AAAA… comment`.
    #[serde(deserialize_with = "ssh_key", skip_serializing_if = "Option::is_none")]
    ssh_key: Option<String>,
    /// Nothing that it signed is accepted any more, under any name and any rule.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    revoked: bool,
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

impl TryFrom<WrittenSigner> for Signer {
    type Error = String;

    fn try_from(written: WrittenSigner) -> Result<Self, String> {
        let signer = Self::written(written.account, written.ssh_key)?;
        Ok(Self {
            revoked: written.revoked,
            ..signer
        })
    }
}

impl Signer {
    /// The signer whose key is written in one of these ways.
    pub fn written(account: Option<String>, ssh_key: Option<String>) -> Result<Self, String> {
        let account = match (account, &ssh_key) {
            (Some(account), None) => key::account(&account)?,
            (None, Some(line)) => key::of_ssh(line)?,
            (None, None) => return Err("a signer needs `account` or `ssh-key`".into()),
            (Some(_), Some(_)) => {
                return Err("`account` and `ssh-key` are two names of one key: write one".into());
            }
        };
        Ok(Self {
            account,
            ssh_key,
            revoked: false,
        })
    }
}

impl From<Signer> for WrittenSigner {
    fn from(signer: Signer) -> Self {
        Self {
            account: signer.ssh_key.is_none().then_some(signer.account),
            ssh_key: signer.ssh_key,
            revoked: signer.revoked,
        }
    }
}

impl Signer {
    /// The key of the config that names it, and the value.
    pub(super) fn as_written(&self) -> (&'static str, &str) {
        match &self.ssh_key {
            Some(line) => ("ssh-key", line),
            None => ("account", &self.account),
        }
    }

    /// What its signatures say who made them: see [`vouch_protocol::Signer`].
    pub(super) fn id(&self) -> String {
        format!("token:{}", self.account)
    }

    /// Its key, as people write it.
    pub(super) fn key(&self) -> &str {
        &self.account
    }
}

/// A method of signing, as a rule may require it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// A token inside the artifact.
    Token,
}

impl Method {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
        }
    }
}

/// What holds in one place: `[[trust.rule]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[serde(expecting = "a section [[trust.rule]]")]
pub struct Rule {
    /// Where it holds: a registry, with the first parts of a repository's name or without
    /// (`ghcr.io/acme`); `oci:` and a folder; `files` for local files; `*` for all but those.
    pub scope: String,
    /// Who may sign there: names of signers, or one of `pinned`, `any` and `none`.
    pub accept: Accept,
    /// Only artifacts of these kinds: `module`, `component`, `provider`.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<ArtifactKind>>,
    /// Only these subjects: `M…`, `V…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects: Option<Vec<String>>,
    /// Only what was signed no longer ago: `90d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Age>,
    /// Only artifacts that import nothing else: names, or beginnings of names with `*` after `:`,
    /// `/` or `.`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imports: Option<Vec<Pattern>>,
    /// Only what is signed by all of these methods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require: Option<Vec<Method>>,
}

/// Who may sign in a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "WrittenAccept", into = "WrittenAccept")]
pub enum Accept {
    /// Nobody in particular.
    Mode(Mode),
    /// Signers, by their names; at least one.
    Signers(Vec<String>),
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "write names of signers, or one of `pinned`, `any` and `none`"
)]
enum WrittenAccept {
    One(String),
    Many(Vec<String>),
}

impl TryFrom<WrittenAccept> for Accept {
    type Error = String;

    fn try_from(written: WrittenAccept) -> Result<Self, String> {
        let names = match written {
            WrittenAccept::One(name) => vec![name],
            WrittenAccept::Many(names) => names,
        };
        let mode = names.iter().find_map(|name| Mode::of_name(name));
        match (mode, names.len()) {
            (_, 0) => Err("nobody is accepted: write `accept = \"none\"` if that is meant".into()),
            (Some(mode), 1) => Ok(Self::Mode(mode)),
            (Some(mode), _) => Err(format!(
                "`{}` stands alone: write it without names beside it",
                mode.name()
            )),
            (None, _) => Ok(Self::Signers(names)),
        }
    }
}

impl From<Accept> for WrittenAccept {
    fn from(accept: Accept) -> Self {
        match accept {
            Accept::Mode(mode) => Self::One(mode.name().into()),
            Accept::Signers(names) => Self::Many(names),
        }
    }
}

/// How long ago something may have been signed, as people write spans of time: `90d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(with = "String"))]
#[serde(try_from = "String", into = "String")]
pub struct Age(pub Duration);

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match humantime::parse_duration(text) {
            Ok(Duration::ZERO) => {
                Err("nothing is accepted at no age: write a span such as `90d`".into())
            }
            Ok(span) => Ok(Self(span)),
            Err(_) => Err("it is not a span of time: write one such as `90d`".into()),
        }
    }
}

impl TryFrom<String> for Age {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Age> for String {
    fn from(age: Age) -> Self {
        humantime::format_duration(age.0).to_string()
    }
}
