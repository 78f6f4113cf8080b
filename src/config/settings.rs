//! What holds, and where it comes from, for people and for programs.

use serde::Serialize;
use serde_json::Value;
use std::{fmt, path::PathBuf};

/// A key, what holds for it, and who says so.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// As it would be written at the top of a file: `limits.artifact`.
    pub key: String,
    /// Null where nothing sets it and there is no default.
    pub value: Value,
    /// Who says so.
    pub origin: Origin,
}

/// Who says what holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "camelCase")]
pub enum Origin {
    /// Nobody.
    Default,
    /// The config file.
    File {
        /// Its path.
        path: PathBuf,
        /// Its line.
        line: usize,
    },
    /// The environment.
    Environment {
        /// The variable.
        name: &'static str,
    },
    /// The command line.
    CommandLine {
        /// The argument.
        argument: &'static str,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { line, .. } => write!(f, "line {line}"),
            Self::Environment { name } => write!(f, "${name}"),
            Self::CommandLine { argument } => f.write_str(argument),
        }
    }
}

/// Settings as a config file that says the same, with a remark on each that says where it comes
/// from.
pub fn to_toml(settings: &[Setting]) -> String {
    let mut text = String::new();
    let mut current = "";
    for Setting { key, value, origin } in settings {
        // A registry's name is quoted, and may have dots in it; keys have none.
        let (section, key) = key.rsplit_once('.').unwrap_or(("", key));
        if section != current {
            match list(section) {
                Some(list) => text.extend(["\n[[", list, "]]\n"]),
                None => text.extend(["\n[", section, "]\n"]),
            }
            current = section;
        }
        let line = match value {
            Value::Null => format!("# {key} is not set"),
            value => format!("{key} = {}", literal(value)),
        };
        let remark = format!("{line:<40}  # {origin}\n");
        text.push_str(&remark);
    }
    text
}

/// The list that a table is one of, where it is: `trust.rule` of `trust.rule[0]`.
fn list(section: &str) -> Option<&str> {
    let (list, _) = section.strip_suffix(']')?.rsplit_once('[')?;
    Some(list)
}

/// A value as TOML writes it: as JSON does, but for two things.
fn literal(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let quoted = Value::from(text.as_str()).to_string();
            // JSON leaves it as it is, TOML forbids that.
            quoted.replace('\u{7f}', "\\u007F")
        }
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(literal).collect();
            format!("[{}]", values.join(", "))
        }
        value => value.to_string(),
    }
}
