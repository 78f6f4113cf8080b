//! How methods and notifications are declared: each once, with all that is said about it anywhere.

use crate::{ErrorKind, ProgressToken};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A request: it is answered with `Result` or an error.
pub trait Method {
    /// The method's name on the wire.
    const NAME: &'static str;
    /// What it does, in one sentence.
    const SUMMARY: &'static str;
    /// The errors that it answers, beside [`ErrorKind::COMMON`].
    const ERRORS: &'static [&'static [ErrorKind]] = &[];
    /// Whether it also answers, as an error, that an artifact is refused.
    const REFUSES: bool = false;
    /// How loudly its end is logged.
    const LOG: LogLevel = LogLevel::Debug;
    /// How it reports its progress, if it does.
    const PROGRESS: Option<Reporting<Self::Params>> = None;
    /// What the request carries, by name.
    type Params: Serialize + DeserializeOwned;
    /// What a success carries.
    type Result: Serialize + DeserializeOwned;
}

/// How loudly the end of a request is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// In everybody's log, and a failure as a warning: it moves artifacts, changes logins, or ends
    /// the service.
    Info,
    /// For those who look closely: an editor may do it with each key.
    Debug,
}

/// How a method reports its progress.
#[derive(Debug)]
pub struct Reporting<P> {
    /// What the request does, for people: `Verifying`.
    pub title: &'static str,
    /// The token in its params.
    pub token: fn(&P) -> Option<&ProgressToken>,
}

/// A notification: it is never answered.
pub trait Notification {
    /// The notification's name on the wire.
    const NAME: &'static str;
    /// What it says, in one sentence.
    const SUMMARY: &'static str;
    /// What it carries, by name.
    type Params: Serialize + DeserializeOwned;
}

/// What a method declares, except the types of its params and result.
#[derive(Debug, Clone, Copy)]
pub struct Declaration {
    /// [`Method::NAME`]
    pub name: &'static str,
    /// [`Method::SUMMARY`]
    pub summary: &'static str,
    /// [`Method::LOG`]
    pub log: LogLevel,
    errors: &'static [&'static [ErrorKind]],
    refuses: bool,
}

impl Declaration {
    /// What that method declares.
    pub const fn of<M: Method>() -> Self {
        Self {
            name: M::NAME,
            summary: M::SUMMARY,
            log: M::LOG,
            errors: M::ERRORS,
            refuses: M::REFUSES,
        }
    }

    /// Whether the method may answer an error of that kind.
    pub fn answers(&self, kind: ErrorKind) -> bool {
        ErrorKind::COMMON.contains(&kind)
            || (self.refuses && kind.is_refusal())
            || self.errors.iter().any(|group| group.contains(&kind))
    }
}

/// Params of a method that takes none. An absent `params`, `null`, `{}`, `[]` and `[null]` all mean
/// this.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NoParams {}
