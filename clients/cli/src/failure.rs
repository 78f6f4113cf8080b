//! Why a command failed, and the exit code for that.

use crate::spelling::Spelling;
use serde_json::{Map, Value, json};
use std::io;
use vouch_client::{CallError, protocol::ErrorKind, signing::SigningError};

/// The exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Accepted, or done.
    Success = 0,
    /// The artifact is refused.
    Refused = 1,
    /// Anything else: nothing is known of the artifact.
    Failed = 2,
    /// What was typed cannot be meant: `EX_USAGE` of sysexits(3).
    Usage = 64,
    // Ended by a signal, after tidying up: 128 and the signal's number, as shells have it.
    HungUp = 129,
    Interrupted = 130,
    Quit = 131,
    Terminated = 143,
}

/// An error, from the service or on the way to it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    /// What a program said about it, by lines.
    pub(crate) said: Vec<String>,
    pub(crate) help: Option<String>,
    /// Whether it is about what was typed.
    of_usage: bool,
    /// The code and data of an error that the service answered.
    answered: Option<(i32, Value)>,
}

impl Failure {
    /// A failure on this side.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            said: Vec::new(),
            help: None,
            of_usage: false,
            answered: None,
        }
    }

    /// The same, with what to do next.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// The same, about what was typed.
    pub(crate) fn usage(self) -> Self {
        Self {
            of_usage: true,
            ..self
        }
    }

    /// The same, with paths as they were typed.
    pub(crate) fn spelt(self, spelling: &Spelling) -> Self {
        Self {
            message: spelling.restore(&self.message),
            help: self.help.map(|help| spelling.restore(&help)),
            ..self
        }
    }

    /// Whether the service answered an error of that kind.
    pub(crate) fn is(&self, kind: ErrorKind) -> bool {
        matches!(&self.answered, Some((code, _)) if *code == kind.code())
    }

    pub(crate) fn outcome(&self) -> Outcome {
        match self.answered {
            Some((code, _)) if ErrorKind::refuses(code) => Outcome::Refused,
            None if self.of_usage => Outcome::Usage,
            _ => Outcome::Failed,
        }
    }

    /// The error object as the service answered it. A failure on this side has no code and kind.
    pub(crate) fn json(&self) -> Value {
        let mut error = Map::new();
        error.insert("message".to_owned(), json!(self.message));
        match (&self.answered, &self.help) {
            (Some((code, data)), _) => {
                error.insert("code".to_owned(), json!(code));
                if !data.is_null() {
                    error.insert("data".to_owned(), data.clone());
                }
            }
            (None, help) => {
                let mut data = Map::new();
                if !self.said.is_empty() {
                    data.insert("said".to_owned(), json!(self.said));
                }
                if let Some(help) = help {
                    data.insert("help".to_owned(), json!(help));
                }
                if !data.is_empty() {
                    error.insert("data".to_owned(), Value::Object(data));
                }
            }
        }
        Value::Object(error)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(error) => Self {
                help: error.help.map(with_flags),
                answered: Some((error.code, error.data)),
                ..Self::new(error.message)
            },
            CallError::NotStarted(error) => Self {
                help: match error.program {
                    // Its own help is better.
                    Some(_)
                        if error
                            .last_words
                            .iter()
                            .any(|line| line.starts_with("help: ")) =>
                    {
                        None
                    }
                    Some(_) => Some("`vouchd serve` in another terminal shows more.".to_owned()),
                    None => {
                        Some("Install vouchd, or set VOUCHD to the path of the program.".to_owned())
                    }
                },
                said: error.last_words.clone(),
                ..Self::new(error.to_string())
            },
            CallError::Connection(_) => Self {
                help: Some("The service may have died: `vouch log` shows why.".to_owned()),
                ..Self::new(error.to_string())
            },
            CallError::Protocol(what) => Self {
                help: Some(
                    "vouch and vouchd may be different versions: run `vouch restart`.".to_owned(),
                ),
                ..Self::new(what)
            },
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<SigningError> for Failure {
    fn from(error: SigningError) -> Self {
        let failure = Self::new(error.message);
        match error.help {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

/// The service speaks of the protocol's params; here these are flags.
fn with_flags(help: String) -> String {
    [
        ("`allowLatest`", "`--allow-latest`"),
        ("`overwrite`", "`--overwrite`"),
        ("`target`", "`--target`"),
    ]
    .into_iter()
    .fold(help, |help, (param, flag)| help.replace(param, flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_speaks_of_flags() {
        let help = with_flags("Set `overwrite`, or leave `target` away.".into());
        assert_eq!(help, "Set `--overwrite`, or leave `--target` away.");
    }

    #[test]
    fn the_exit_code_tells_a_refusal_from_the_rest() {
        for kind in ErrorKind::ALL {
            let failure = Failure {
                answered: Some((kind.code(), Value::Null)),
                ..Failure::new("")
            };
            let refused = failure.outcome() == Outcome::Refused;
            assert_eq!(refused, kind.is_refusal(), "{kind}");
        }
        assert_eq!(Failure::new("").outcome(), Outcome::Failed);
    }
}
