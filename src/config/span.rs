//! Spans of time, as people write them.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr, time::Duration};

/// The longest span that a config may speak of.
pub(super) const LONGEST_SPAN: Duration = Duration::from_secs(365 * 24 * 60 * 60);

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

/// When something ends by itself: `never`, or after a span of time, which is longer than zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(with = "String"))]
#[serde(try_from = "String", into = "String")]
pub enum Timeout {
    /// Not at all.
    Never,
    /// After this span.
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
                Err("a client needs a moment to connect: write `never`, or a longer span".into())
            }
            Ok(span) if span > LONGEST_SPAN => {
                Err("it is longer than 365 days: write `never`".into())
            }
            Ok(span) => Ok(Self::After(span)),
            Err(error) => Err(format!("{error}; write `never`, or a span such as `30m`")),
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
