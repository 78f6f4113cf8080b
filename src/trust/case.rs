//! What is decided about, what is asked of it, and the answers.

use super::{
    pins::Pin,
    place::{Place, Scope},
};
use crate::{artifact::Facts, signature::Signed};
use vouch_protocol::ErrorKind;

/// What is decided about: a signature that holds, and where its artifact comes from or goes to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) place: &'a Place,
    pub(super) facts: &'a Facts,
    pub(super) signed: &'a Signed,
    /// The pins of the place, where they count.
    pub(super) pins: &'a [Pin],
    /// The one signer that the caller wants, by name, id or key.
    pub(super) wanted: Option<&'a str>,
    /// Seconds since 1970.
    pub(super) now: u64,
    /// What the artifact's token says it is, where it has one that counts.
    pub(super) subject: Option<&'a str>,
}

/// A question, and the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) question: Question,
    /// The scope of the rule that asks; nothing where the default or the caller does.
    pub(super) scope: Option<Scope>,
    pub(super) held: bool,
    pub(super) found: String,
    pub(super) wanted: String,
}

/// What is asked, by the config's key where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Revoked,
    Accept,
    Pin,
    /// The caller's own wish.
    Signer,
    Kinds,
    Subjects,
    MaxAge,
    Imports,
    Require,
}

impl Question {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Accept => "accept",
            Self::Pin => "pin",
            Self::Signer => "signer",
            Self::Kinds => "kinds",
            Self::Subjects => "subjects",
            Self::MaxAge => "max-age",
            Self::Imports => "imports",
            Self::Require => "require",
        }
    }
}

/// Why a signature counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trusted {
    /// The scope of the rule that accepts it; nothing where the default does.
    pub(super) scope: Option<Scope>,
    pub(super) by: By,
    /// What the config calls the signer.
    pub(super) name: Option<String>,
}

/// How a signer is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A rule names them.
    Name,
    /// Nobody asks whose signature it is.
    Any,
    /// The repository has had this signer since that second.
    Pin { since: u64 },
    /// The repository had no signer before.
    FirstUse,
}

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) kind: ErrorKind,
    /// What is said of the artifact: "is signed by …".
    pub(super) what: String,
    pub(super) help: String,
    /// The command that the help ends with, where it does.
    pub(super) command: Option<String>,
    /// How little is missing: of several signatures, the nearest is told about.
    pub(super) near: u8,
}
