//! What is wrong with a config, and where.

use crate::error::{Error, error};
use std::{fmt, path::PathBuf};
use vouch_protocol::ErrorKind;

/// What is wrong with a config. It is shown as compilers show it: `file:line:column: what`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: Option<PathBuf>,
    /// Its line; the first is 1.
    pub line: Option<usize>,
    /// The line's character; the first is 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// What to do next.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}:", path.display())?;
            for number in [self.line, self.column].into_iter().flatten() {
                write!(f, "{number}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.what)
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let error = Self::new(ErrorKind::InvalidParams, problem.to_string());
        match problem.help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

/// The first problem as an error, which says how to see the others.
pub(super) fn first(failure: Failure) -> Error {
    let mut problems = match failure {
        Failure::Unread(error) => return error,
        Failure::Wrong(problems) => problems.into_iter(),
    };
    let Some(mut problem) = problems.next() else {
        return error!(Internal: "a config was refused without a reason");
    };
    if problems.len() > 0 {
        let others = "There is more: `vouchd config check` shows all.";
        problem.help = Some(match problem.help {
            Some(help) => format!("{help}\n{others}"),
            None => others.to_owned(),
        });
    }
    problem.into()
}

/// Why a file is not a config.
#[derive(Debug)]
pub enum Failure {
    /// It cannot be read.
    Unread(Error),
    /// What is wrong with it, in the order in which it stands there.
    Wrong(Vec<Problem>),
}
