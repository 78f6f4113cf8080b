//! The one error of the service: what happened, what to do next, and whose fault it is.
//!
//! A message is for people: it says what happened, to what, and why; the help says what to do next,
//! with the command if there is one. Programs switch on the kind. Neither may ever hold a
//! credential, a token or the query of a URL.

mod text;

use rustix::io::Errno;
use std::{fmt, io, path::Path, sync::Arc};
pub(crate) use text::{clean, clean_to};
use tokio::task::JoinError;
use vouch_protocol::ErrorKind;

/// Why a request failed. A clone is for another who waits for the same.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    help: Option<String>,
    registry: Option<String>,
    status: Option<u16>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// What the service's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of that kind; `message` says what happened.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            help: None,
            registry: None,
            status: None,
            source: None,
        }
    }

    /// The request was cancelled.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "the request was cancelled")
    }

    /// A failure of the system at a path: `action` completes "cannot …".
    pub fn at(path: &Path, action: &str, source: io::Error) -> Self {
        if stopped(&source) {
            return Self::cancelled();
        }
        if no_handles(&source) {
            let what = format!("cannot {action} {}", path.display());
            return Self::without_handles(&what).source(source);
        }
        let kind = match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ErrorKind::FileNotFound,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                ErrorKind::PermissionDenied
            }
            io::ErrorKind::AlreadyExists => ErrorKind::DestinationExists,
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => ErrorKind::DiskFull,
            io::ErrorKind::IsADirectory => ErrorKind::NotAFile,
            io::ErrorKind::InvalidFilename | io::ErrorKind::InvalidInput => ErrorKind::InvalidPath,
            _ => ErrorKind::Io,
        };
        let message = format!("cannot {action} {}: {source}", path.display());
        let error = Self::new(kind, message).source(source);
        // Callers that know more about the path replace this.
        match kind {
            ErrorKind::FileNotFound => error.help("Check the spelling of the path."),
            ErrorKind::PermissionDenied => error.help(format!(
                "The service has the rights of the user who started it. `ls -ld {}` shows who may use it.",
                quoted(path)
            )),
            ErrorKind::DiskFull => error.help(format!(
                "Free some space, then try again. `df -h {}` shows how full it is.",
                quoted(path.parent().unwrap_or(path))
            )),
            _ => error,
        }
    }

    /// What could not be done because the service has no file handle left.
    pub(crate) fn without_handles(what: &str) -> Self {
        let message = format!("{what}: the service has no file handle left");
        Self::new(ErrorKind::Busy, message).help(
            "Try again in a moment. If it happens often, start the service with a higher limit: `ulimit -n 4096; vouchd serve --detach`.",
        )
    }

    /// Adds what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the registry that it is about.
    #[must_use]
    pub fn registry(mut self, registry: impl Into<String>) -> Self {
        self.registry = Some(registry.into());
        self
    }

    /// Adds the HTTP status that the registry answered.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds what caused it.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// What programs switch on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What happened, for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The error as a client sees it.
    pub fn data(&self) -> vouch_protocol::ErrorData {
        vouch_protocol::ErrorData {
            kind: self.kind,
            help: self.help.clone(),
            retryable: self.kind.retryable(),
            registry: self.registry.clone(),
            status: self.status,
        }
    }
}

/// An error of a kind; what happened is written as `format!` takes it.
macro_rules! error {
    ($kind:ident: $($message:tt)+) => {
        $crate::error::Error::new(
            ::vouch_protocol::ErrorKind::$kind,
            ::std::format!($($message)+),
        )
    };
}
pub(crate) use error;

/// Work on a thread or a task of its own has panicked: nothing else ends it before its time.
impl From<JoinError> for Error {
    fn from(error: JoinError) -> Self {
        let message = "the server failed, through a fault of its own";
        Self::new(ErrorKind::Internal, message)
            .help("`vouch log` says more. Please report it.")
            .source(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// What a reader fails with once its request is cancelled.
#[derive(Debug)]
pub(crate) struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled")
    }
}

impl std::error::Error for Stopped {}

/// Whether a reader failed because its request was cancelled.
pub(crate) fn stopped(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(<dyn std::error::Error + Send + Sync>::is::<Stopped>)
}

/// Whether the system has no file handle left, for this process or for all.
pub(crate) fn no_handles(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE))
}

/// Lets an [`Error`] pass through `io::Read`; [`Error::from_io`] takes it out again.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::other(error)
    }
}

impl Error {
    /// An error that a reader reported while `path`, or what a registry sends in its place, was
    /// read: our own if it is one, else the system's.
    pub fn from_io(source: io::Error, path: &Path, action: &str) -> Self {
        match source.downcast::<Self>() {
            Ok(ours) => ours,
            Err(source) => Self::at(path, action, source),
        }
    }
}

/// A path, or another word, as a shell takes it.
pub(crate) fn quoted(word: impl AsRef<Path>) -> String {
    let shown = word.as_ref().display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@%,:=".contains(c);
    if !shown.is_empty() && shown.chars().all(plain) {
        return shown;
    }
    format!("'{}'", shown.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_its_way_through_a_reader() {
        let ours = Error::new(ErrorKind::DigestMismatch, "it differs").status(502);
        let back = Error::from_io(io::Error::from(ours), Path::new("/x"), "read");
        assert_eq!(back.kind(), ErrorKind::DigestMismatch);
        assert_eq!(back.data().status, Some(502));
    }

    #[test]
    fn what_the_system_says_gets_its_kind() {
        let check = |source, expected| {
            let error = Error::at(Path::new("/x"), "open", io::Error::from(source));
            let mine = [
                ErrorKind::FileNotFound,
                ErrorKind::PermissionDenied,
                ErrorKind::DiskFull,
            ];
            assert_eq!(error.data().help.is_some(), mine.contains(&error.kind()));
            assert_eq!(error.kind(), expected, "{source:?}");
        };
        check(io::ErrorKind::NotFound, ErrorKind::FileNotFound);
        check(io::ErrorKind::StorageFull, ErrorKind::DiskFull);
        check(io::ErrorKind::PermissionDenied, ErrorKind::PermissionDenied);
        check(io::ErrorKind::Other, ErrorKind::Io);
    }

    #[test]
    fn without_a_handle_another_time_may_do() {
        for errno in [Errno::MFILE, Errno::NFILE] {
            let error = Error::at(Path::new("/x"), "open", errno.into());
            assert_eq!(error.kind(), ErrorKind::Busy);
            assert!(error.message().starts_with("cannot open /x: "), "{error}");
        }
    }

    #[test]
    fn a_command_in_the_help_can_be_pasted() {
        let check = |path: &str, expected: &str| assert_eq!(quoted(path), expected);
        check("/home/ann/a-1.wasm", "/home/ann/a-1.wasm");
        check("/a b", "'/a b'");
        check("/it's", r"'/it'\''s'");
        check("/$(x)", "'/$(x)'");
        check("", "''");
    }

    #[test]
    fn a_stopped_reader_is_a_cancelled_request() {
        let error = Error::at(Path::new("/x"), "read", io::Error::other(Stopped));
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}
