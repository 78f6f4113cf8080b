//! The config's section `[trust]`, as it is written. What a value alone can get wrong is held by
//! its type, so that the config's reader names its place; what only makes sense together is for
//! [`Policy::new`](super::Policy::new) to say.

use super::{imports::Pattern, signer::Signer};
use crate::artifact::ArtifactKind;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf, str::FromStr, time::Duration};

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
    /// Roots that bundles are verified by, beside those that the service brings along
    /// (`public-good` and `github`) or in their place: `[trust.root.NAME]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub root: BTreeMap<String, Root>,
    /// What holds in one place: `[[trust.rule]]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rule: Vec<Rule>,
}

impl Section {
    /// The files that it names, each with the keys that lead there.
    pub(crate) fn files_mut(&mut self) -> impl Iterator<Item = ([&str; 3], &mut PathBuf)> {
        let roots = self.root.iter_mut();
        let roots = roots.map(|(name, root)| (["root", &**name, "path"], &mut root.path));
        let signers = self.signer.iter_mut();
        let keys = signers.filter_map(|(name, signer)| {
            Some((["signer", &**name, "key"], signer.key_file_mut()?))
        });
        roots.chain(keys)
    }
}

/// What is asked of a signer where none is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Any signer of a token; no bundles.
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

/// A root of the owner's: `[trust.root.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[serde(expecting = "a section [trust.root.NAME]")]
pub struct Root {
    /// The file: a trusted root of Sigstore, in JSON.
    pub path: PathBuf,
}

/// A method of signing, as a rule may require it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// A token inside the artifact.
    Token,
    /// A Sigstore bundle beside the artifact.
    Sigstore,
}

impl Method {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Sigstore => "sigstore",
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
