//! The config file: each module's section in one. It belongs to the owner of the service; no
//! request can change what it says. It is hostile input all the same: of bounded size and depth,
//! and no text of it may panic.

mod keys;
mod paths;
mod problem;
mod read;
mod settings;

pub use problem::{Failure, Problem};
pub use settings::{Origin, Setting, to_toml};

use crate::{artifact, error::Error, session};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

/// The JSON schema of the file, for editors.
pub const SCHEMA: &str = include_str!("schema.json");

/// What the owner of the service says. A file without a section has the defaults of that section.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "The config file of vouchd"))]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen, unless the command line or `VOUCHD_SOCKET` says.
    pub socket: Option<PathBuf>,
    /// When a service that nobody uses ends by itself.
    pub idle: Idle,
    /// What is logged, and where to.
    pub log: Log,
    /// What an artifact may cost.
    pub limits: artifact::Limits,
    /// What holds for one registry: `[registry."host:port"]`.
    #[serde(skip_deserializing)]
    #[cfg_attr(test, schemars(skip))]
    pub registry: session::Config,
    /// What holds for one registry: `[registry."host:port"]`.
    #[serde(rename = "registry", skip_serializing_if = "BTreeMap::is_empty")]
    sections: BTreeMap<String, session::RegistryConfig>,
    /// The file that it was read from, if there was one.
    #[serde(skip)]
    pub path: Option<PathBuf>,
    /// The lines of the file in which its keys stand.
    #[serde(skip)]
    lines: BTreeMap<String, usize>,
}

/// When a service that nobody uses ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[serde(expecting = "the section [idle]")]
pub struct Idle {
    /// So long after the last client went, or `never`. Where nothing is said, how the service was
    /// started decides.
    pub timeout: Option<Timeout>,
    /// So long after the last request, logins that live in memory only keep it alive.
    pub logins: Span,
}

impl Default for Idle {
    fn default() -> Self {
        Self {
            timeout: None,
            logins: Span(Duration::from_secs(12 * 60 * 60)),
        }
    }
}

/// The longest span that a config may speak of.
const LONGEST_SPAN: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What is logged, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[serde(expecting = "the section [log]")]
pub struct Log {
    /// A level (error, warn, info, debug, trace or off), or a filter with targets.
    pub level: Option<String>,
    /// How lines are written.
    pub format: Option<LogFormat>,
    /// The file to log to, in place of standard error, which `-` names.
    pub file: Option<PathBuf>,
    /// A file that would get longer, in bytes, is put aside for a new one.
    #[cfg_attr(test, schemars(range(min = SMALLEST_LOG, max = LARGEST_LOG)))]
    pub size: u64,
    /// So many files that were put aside are kept. With none, a file is cut instead.
    #[cfg_attr(test, schemars(range(max = MOST_LOGS)))]
    pub keep: u32,
}

/// A log file may not be smaller, in bytes: the longest line fits.
pub const SMALLEST_LOG: u64 = 16 << 10;
const LARGEST_LOG: u64 = 1 << 40;
/// More files that were put aside are not kept.
pub const MOST_LOGS: u32 = 100;

impl Default for Log {
    fn default() -> Self {
        Self {
            level: None,
            format: None,
            file: None,
            size: 4 << 20,
            keep: 3,
        }
    }
}

/// How lines of the log are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// A span of time as people write it: `30m`, `12h`, `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text).map(Self)
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
            .map_err(|error| format!("{error}; write a span of time as `30m` or `1h 30m`"))
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// When something ends by itself: `never`, or after a span, which is no nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(with = "String"))]
#[serde(try_from = "String", into = "String")]
pub enum Timeout {
    /// It does not.
    Never,
    /// After so long.
    After(Duration),
}

impl FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "never" {
            return Ok(Self::Never);
        }
        match text.parse().map(|Span(span)| span) {
            Ok(Duration::ZERO) => {
                Err("a client needs a moment to connect: say `never`, or a longer span".into())
            }
            Ok(span) if span > LONGEST_SPAN => {
                Err("it is longer than 365 days: say `never`".into())
            }
            Ok(span) => Ok(Self::After(span)),
            Err(error) => Err(format!("{error}; say `never`, or a span such as `30m`")),
        }
    }
}

impl TryFrom<String> for Timeout {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Timeout> for String {
    fn from(timeout: Timeout) -> Self {
        match timeout {
            Timeout::Never => "never".into(),
            Timeout::After(span) => Span(span).to_string(),
        }
    }
}

impl Config {
    /// Reads the file that is named, which must exist; else `vouchd/config.toml` in the user's
    /// config folder, if it exists; else takes the defaults. Blocks.
    pub fn load(named: Option<&Path>) -> Result<Self, Error> {
        match Self::file(named) {
            Some(path) => Self::read(&path).map_err(problem::first),
            None => Ok(Self::default()),
        }
    }

    /// The file that [`Self::load`] reads, if there is one to be read.
    pub fn file(named: Option<&Path>) -> Option<PathBuf> {
        if let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) {
            return Some(path.to_owned());
        }
        // One that cannot be looked at is read too: it may say what must not be missed.
        vouch_protocol::paths::config_file().filter(|path| path.try_exists().unwrap_or(true))
    }

    /// What is wrong with the files that it names. Blocks.
    pub fn problems(&self) -> Vec<Problem> {
        self.registry
            .iter()
            .flat_map(|(name, section)| {
                let problem = move |(key, error): (&str, Error)| {
                    self.problem(&keys::of_registry(name.as_str(), key), &error)
                };
                section.problems().into_iter().map(problem)
            })
            .collect()
    }

    /// A problem with the value of a key, as far as it stands in a file.
    pub fn problem(&self, key: &str, error: &Error) -> Problem {
        Problem {
            path: self.path.clone(),
            line: self.lines.get(key).copied(),
            column: None,
            what: error.message().to_owned(),
            help: error.data().help,
        }
    }

    /// What says something else in another config, and counts only after a restart.
    pub fn waits(&self, other: &Self) -> Vec<&'static str> {
        let (log, others) = (&self.log, &other.log);
        [
            ("socket", self.socket != other.socket),
            ("log.format", log.format != others.format),
            ("log.file", log.file != others.file),
            ("log.size", log.size != others.size),
            ("log.keep", log.keep != others.keep),
        ]
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
    }
}

#[cfg(test)]
mod tests;
