//! Why an artifact is refused, and why the reading of one ends early.

use super::rule::{Finding, Row};
use crate::error::{Error, quoted};
use std::{borrow::Cow, fmt, io};
use vouch_protocol::{CheckOutcome, ErrorKind};

/// Why an artifact is refused: the first condition of the rule that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The row of the rule that does not hold.
    pub(crate) row: Row,
    /// The kind, for programs.
    pub kind: ErrorKind,
    /// What is wrong, as what is said of the artifact: "is not signed". See [`Refusal::of`].
    what: String,
    /// What to do next; see [`FILE`].
    help: Option<Cow<'static, str>>,
    /// The command that would have the artifact accepted, where the help ends with one.
    command: Option<String>,
}

/// Stands in a help for the artifact's path, as a shell takes it.
pub(crate) const FILE: &str = "{file}";

/// Stands in a help for the scope under which another signer would be accepted, as a shell takes
/// it.
const SCOPE: &str = "{scope}";

impl Refusal {
    /// A refusal of that kind; `what` is said of the artifact: "is not signed".
    pub(crate) fn new(row: Row, kind: ErrorKind, what: String, help: Option<&'static str>) -> Self {
        Self {
            row,
            kind,
            what,
            help: help.map(Cow::Borrowed),
            command: None,
        }
    }

    /// The same refusal, with what to do next.
    #[must_use]
    pub(crate) fn advise(self, help: String) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// The same refusal, where another signer would be accepted under that scope.
    #[must_use]
    pub(crate) fn accepted_in(self, scope: impl fmt::Display) -> Self {
        let help = self.help.map(|help| {
            if help.contains(SCOPE) {
                help.replace(SCOPE, &quoted(scope.to_string())).into()
            } else {
                help
            }
        });
        Self { help, ..self }
    }

    /// The same refusal, with the command that would have the artifact accepted.
    #[must_use]
    pub(crate) fn mended_by(self, command: Option<String>) -> Self {
        Self { command, ..self }
    }

    /// The command that would have the published artifact of that name accepted. Words in capitals
    /// are for people to fill in. It holds nothing of what others wrote but what a shell takes as a
    /// word.
    pub(crate) fn command(&self, reference: &str) -> Option<String> {
        let signing = |help: &Cow<'_, str>| {
            let constant = matches!(help, Cow::Borrowed(_));
            constant && help.contains("`vouch sign {file}`")
        };
        if self.help.as_ref().is_some_and(signing) {
            let place = reference.split('@').next().unwrap_or_default();
            return Some(format!(
                "vouch sign FILE && vouch push FILE {}",
                quoted(place)
            ));
        }
        self.command.clone()
    }

    /// The same refusal, by another row.
    pub(super) fn at(self, row: Row) -> Self {
        Self { row, ..self }
    }

    /// What it says about its row.
    pub(crate) fn finding(&self) -> Finding {
        Finding {
            row: self.row,
            outcome: match self.kind {
                ErrorKind::Unsigned => CheckOutcome::Absent,
                _ => CheckOutcome::Failed,
            },
            found: self.what.clone(),
        }
    }

    /// What happened, with the artifact's name in it.
    pub fn of(&self, name: impl fmt::Display) -> String {
        format!("{name} {}", self.what)
    }

    /// What clients see of it; `name` is the artifact's path or reference.
    pub fn on_the_wire(self, name: &str) -> vouch_protocol::Refusal {
        vouch_protocol::Refusal {
            kind: self.kind,
            message: self.of(name),
            help: self.advice(name),
        }
    }

    /// What to do next about the artifact of that name: a path, or a reference, whose file is
    /// elsewhere.
    pub(crate) fn advice(&self, name: &str) -> Option<String> {
        let help = self.help.as_ref()?.replace(SCOPE, "SCOPE");
        if name.starts_with('/') {
            return Some(help.replace(FILE, &quoted(name)));
        }
        // What was signed has to be pushed again; a digest names no place.
        let place = name.split('@').next().unwrap_or_default();
        let push = format!(
            "`vouch sign FILE`, then `vouch push FILE {}`",
            quoted(place)
        );
        Some(
            help.replace("`vouch sign {file}`", &push)
                .replace(FILE, "FILE"),
        )
    }

    /// The refusal as an error of a request that would have moved the artifact of that name.
    pub fn error(self, name: impl fmt::Display) -> Error {
        let name = name.to_string();
        let error = Error::new(self.kind, self.of(&name));
        match self.advice(&name) {
            Some(help) => error.help(help),
            None => error,
        }
    }

    /// It cannot be read as what it seems to be; or, by a later row, not as all of its readers do.
    pub(super) fn malformed(row: Row, why: &str) -> Self {
        Self::new(
            row,
            ErrorKind::MalformedArtifact,
            format!("is malformed: {why}"),
            Some("Build or fetch it again, and sign it again."),
        )
    }

    /// `what` is over one of the [`Limits`](super::Limits).
    pub(super) fn too_large(what: String) -> Self {
        Self::new(
            Row::Form,
            ErrorKind::TooLarge,
            what,
            Some("The server's owner can raise the limits in the config."),
        )
    }

    pub(super) fn unknown() -> Self {
        Self::new(
            Row::Artifact,
            ErrorKind::UnknownArtifact,
            "is not a WebAssembly module, component or provider archive".into(),
            Some("Files of other kinds can be moved with ORAS; they carry no signature to check."),
        )
    }

    /// The contents are not the ones that were signed.
    pub(crate) fn hash_mismatch(row: Row, why: &str) -> Self {
        Self::new(
            row,
            ErrorKind::HashMismatch,
            format!("is not what was signed: {why}"),
            Some(
                "The artifact was changed after it was signed. Get it from its signer again, or sign it yourself: `vouch sign {file}`.",
            ),
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.of("the artifact"))
    }
}

impl std::error::Error for Refusal {}

/// Why the reading of an artifact ends before its end.
#[derive(Debug)]
pub(super) enum Stop {
    Refused(Refusal),
    Unreadable(io::Error),
}

/// What is wrong with the bytes themselves.
pub(super) fn malformed(why: &str) -> Stop {
    Refusal::malformed(Row::Form, why).into()
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A feed reports its limit and what is wrong below it through `io::Error`.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Refusal>() {
            Ok(refusal) => Self::Refused(refusal),
            Err(error) => match error.downcast::<Unreadable>() {
                Ok(Unreadable(error)) => Self::from(error),
                Err(error) => Self::Unreadable(error),
            },
        }
    }
}

/// A failure of the reader itself, kept apart from what is wrong with the bytes.
#[derive(Debug)]
pub(super) struct Unreadable(pub(super) io::Error);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unreadable {}

/// Whether a feed says this: a refusal, or that its reader failed.
pub(super) fn is_verdict(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|inner| inner.is::<Refusal>() || inner.is::<Unreadable>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_names_the_file_or_where_it_belongs() {
        let help = "Sign it: `vouch sign {file}`.";
        let refusal = Refusal::new(Row::Token, ErrorKind::Unsigned, String::new(), Some(help));
        let check = |name: &str, expected: &str| {
            assert_eq!(refusal.advice(name).as_deref(), Some(expected));
        };
        check("/a/b.wasm", "Sign it: `vouch sign /a/b.wasm`.");
        check("/a/b c", "Sign it: `vouch sign '/a/b c'`.");
        let push =
            |place: &str| format!("Sign it: `vouch sign FILE`, then `vouch push FILE {place}`.");
        check("ghcr.io/acme/echo:1", &push("ghcr.io/acme/echo:1"));
        check(
            "ghcr.io/acme/echo:1@sha256:00",
            &push("ghcr.io/acme/echo:1"),
        );
        check("oci:/a b:1", &push("'oci:/a b:1'"));
    }
}
