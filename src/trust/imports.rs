//! What an artifact may import: the patterns of a rule's `imports`, and whether an import fits one.
//!
//! An import is named as its kind of artifact names it: `wasi:http/types@0.2.0` in a component,
//! `module.name` in a core module. Patterns are plain prefixes that end at a boundary, so that
//! `wasi:*` can never be stretched to `wasix:fs/a`; no pattern is a regular expression.

use crate::artifact::Import;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The longest pattern, in bytes. WebAssembly's own names are longer only where they mean harm.
const LONGEST: usize = 1024;

/// A pattern: a name, or the beginning of one with `*` after `:`, `/` or `.`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(with = "String"))]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    /// Without the `*`.
    text: String,
    open: bool,
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        if written.is_empty() || written.len() > LONGEST {
            return Err(format!("an import's pattern has 1 to {LONGEST} bytes"));
        }
        let (text, open) = match written.strip_suffix('*') {
            Some(text) => (text, true),
            None => (written, false),
        };
        if text.contains('*') || (open && !text.ends_with([':', '/', '.'])) {
            return Err(format!(
                "{written:?} is not a pattern: `*` stands at the end, after `:`, `/` or `.`"
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            open,
        })
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        f.write_str(if self.open { "*" } else { "" })
    }
}

impl Pattern {
    /// Whether a name fits. A pattern without `@` fits every version of the name.
    fn fits(&self, name: &str) -> bool {
        if self.open {
            return name.starts_with(&self.text) && name.len() > self.text.len();
        }
        name == self.text
            || (!self.text.contains('@')
                && name
                    .strip_prefix(&self.text)
                    .is_some_and(|rest| rest.starts_with('@')))
    }
}

/// Whether a list of patterns allows an import: its name, and what it says to implement.
pub(super) fn allow(patterns: &[Pattern], import: &Import) -> bool {
    let fits = |name: &str| {
        let verbatim = import.whole || names_a_dependency(name);
        patterns.iter().any(|pattern| {
            if verbatim {
                !pattern.open && pattern.text == name
            } else {
                pattern.fits(name)
            }
        })
    };
    !is_unpinned(&import.name)
        && fits(&import.name)
        && import.implements.as_deref().is_none_or(fits)
}

/// Names that stand for an artifact somewhere else (the component model's binary format, "import
/// definitions"): a prefix of one says nothing about what it brings in.
fn names_a_dependency(name: &str) -> bool {
    ["unlocked-dep=", "locked-dep=", "url=", "integrity="]
        .iter()
        .any(|kind| name.starts_with(kind))
}

/// A dependency whose content nothing fixes: no pattern allows it.
fn is_unpinned(name: &str) -> bool {
    name.starts_with("unlocked-dep=")
        || (name.starts_with("url=") && !name.contains(">,integrity=<"))
}
