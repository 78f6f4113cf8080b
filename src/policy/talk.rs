//! The talk between `vouch` and `vouchd trust`, in lines of JSON.

use serde_json::{Value, json};
use std::{
    io::{BufRead, Read, Write},
    path::Path,
};
use vouchd::error::{Error, Result};

/// The longest line that is read, in bytes: a key and some scopes.
const LONGEST_LINE: u64 = 64 << 10;

/// The talk with `vouch`.
pub(super) struct Talk<R, W> {
    pub(super) from: R,
    pub(super) to: W,
}

impl<R: BufRead, W: Write> Talk<R, W> {
    pub(super) fn say(&mut self, line: &Value) -> Result<()> {
        let said = writeln!(self.to, "{line}").and_then(|()| self.to.flush());
        said.map_err(|error| Error::at(Path::new("standard output"), "write to", error))
    }

    /// The next line; nothing at the end.
    pub(super) fn hear(&mut self) -> Result<Option<String>> {
        let mut line = String::new();
        let heard = (&mut self.from).take(LONGEST_LINE).read_line(&mut line);
        heard.map_err(|error| Error::at(Path::new("standard input"), "read", error))?;
        Ok(Some(line.trim_end().to_owned()).filter(|line| !line.is_empty()))
    }

    /// Tells what would change, and answers whether to go on.
    pub(super) fn agree(&mut self, file: Option<&Path>, lines: &[String]) -> Result<bool> {
        let changes = json!({"file": file, "lines": lines});
        self.agree_to(&changes, !lines.is_empty())
    }

    /// Tells what would change, if anything does, and answers whether to go on.
    pub(super) fn agree_to(&mut self, changes: &Value, any: bool) -> Result<bool> {
        self.say(&json!({"changes": changes}))?;
        Ok(any && self.hear()?.as_deref() == Some("\"write\""))
    }
}
