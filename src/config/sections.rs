//! The sections of the file that belong to no module of their own.

use super::span::{Span, Timeout};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// When a service that nobody uses ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[serde(expecting = "the section [idle]")]
pub struct Idle {
    /// How long after the last client has gone, or `never`. Without it, that depends on how the
    /// service was started: 30 minutes for one in the background, else `never`.
    pub timeout: Option<Timeout>,
    /// How long after their last use logins that are only in memory keep the service alive.
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

/// What is logged, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[serde(expecting = "the section [log]")]
pub struct Log {
    /// A level (error, warn, info, debug, trace or off), or a filter with targets.
    pub level: Option<String>,
    /// How lines are written.
    pub format: Option<LogFormat>,
    /// The file to log to; `-` is standard error.
    pub file: Option<PathBuf>,
    /// The most bytes of a log file; one that would get longer is put aside for a new one.
    #[cfg_attr(test, schemars(range(min = SMALLEST_LOG, max = LARGEST_LOG)))]
    pub size: u64,
    /// How many files that were put aside are kept. With 0, the file is cut instead.
    #[cfg_attr(test, schemars(range(max = MOST_LOGS)))]
    pub keep: u32,
}

/// A log file may not be smaller, in bytes: the longest line fits.
pub const SMALLEST_LOG: u64 = 16 << 10;
pub(super) const LARGEST_LOG: u64 = 1 << 40;
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

/// With which key `vouch` signs. The service itself reads no key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[serde(expecting = "the section [sign]")]
pub struct Sign {
    /// The key of `vouch sign` without `--key`, as `--key` names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Further folders with nkey seeds, such as wash's `~/.wash/keys`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<PathBuf>,
}

impl Sign {
    /// A key that is a file, with its path; others are named otherwise.
    pub(super) fn key_file(&mut self) -> Option<PathBuf> {
        let key = self.key.as_deref()?;
        (key.contains('/') && !key.starts_with("ssh:")).then(|| key.into())
    }

    /// What is wrong with the key. It is not repeated: it may be a secret in the wrong place.
    pub(super) fn wrong_key(&self) -> Option<&'static str> {
        let key = self.key.as_deref()?;
        let is_seed = key.len() == SEED && key.starts_with('S') && !key.contains(['/', ':']);
        if key.is_empty() {
            Some("`key` is empty")
        } else if is_seed {
            Some("`key` is a seed itself: name the file that holds it")
        } else if key.len() > LONGEST_KEY || key.contains(char::is_control) {
            Some("`key` is not the name of a key")
        } else {
            None
        }
    }
}

/// The length of an nkey seed.
const SEED: usize = 58;
const LONGEST_KEY: usize = 4096;
/// More folders of keys are not looked at.
pub(super) const MOST_FOLDERS: u64 = 16;

/// How lines of the log are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

impl Log {
    /// The file that is logged to; none where that is standard error.
    pub fn path(&self) -> Option<&Path> {
        self.file.as_deref().filter(|path| path != &Path::new("-"))
    }
}
