//! What people and programs get to see.
//!
//! Signers choose the names in claims, and anybody may be a signer. No control character and nothing
//! that changes the direction of writing reaches a terminal, not in JSON either.

use crate::failure::{Failure, Outcome};
use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use std::{
    fmt::{Display, Write as _},
    io::{self, IsTerminal as _, Stdout, Write},
    time::{Duration, UNIX_EPOCH},
};
use vouch_client::protocol::{ArtifactKind, Signer, Trust, TrustMode, Verification, needs_escape};

/// The longest text that is shown, in characters.
const LONGEST: usize = 4096;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const NOTICE: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Standard output and error.
pub(crate) struct Screen {
    out: AutoStream<Stdout>,
    json: bool,
}

impl Screen {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            out: anstream::stdout(),
            json,
        }
    }

    /// Whether programs read the output.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// One line of JSON.
    pub(crate) fn json(&mut self, value: &Value) -> io::Result<()> {
        writeln!(self.out, "{}", escaped_json(&value.to_string()))
    }

    /// JSON; for people, on several lines.
    pub(crate) fn value(&mut self, value: &Value) -> io::Result<()> {
        if self.json {
            return self.json(value);
        }
        // `{:#}` of a value is its pretty form.
        writeln!(self.out, "{}", escaped_json(&format!("{value:#}")))
    }

    /// A heading: in colour what happened, and to what.
    pub(crate) fn heading(&mut self, good: bool, word: &str, what: &str) -> io::Result<()> {
        let style = if good { GOOD } else { BAD };
        writeln!(self.out, "{style}{word:<9}{style:#} {}", escaped(what))
    }

    /// A line below a heading.
    pub(crate) fn line(&mut self, name: &str, value: impl Display) -> io::Result<()> {
        writeln!(self.out, "  {name:<12}  {}", escaped(&value.to_string()))
    }

    /// A line as it is.
    pub(crate) fn text(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(self.out, "{}", escaped(&text.to_string()))
    }

    /// A remark beside what was asked for, on a terminal only.
    pub(crate) fn notice(&mut self, text: &str) -> io::Result<()> {
        if self.json || !io::stderr().is_terminal() {
            return Ok(());
        }
        self.out.flush()?;
        writeln!(
            anstream::stderr(),
            "{NOTICE}note:{NOTICE:#} {}",
            escaped(text)
        )
    }

    /// A script for a shell, unescaped: it is ours.
    pub(crate) fn script(&mut self, script: &[u8]) -> io::Result<()> {
        self.out.write_all(script)
    }

    /// An error: as JSON if programs read the output, else for people.
    pub(crate) fn failure(&mut self, failure: &Failure) -> io::Result<Outcome> {
        if self.json {
            self.json(&json!({ "error": failure.json() }))?;
        } else {
            self.complain(None, failure)?;
        }
        Ok(failure.outcome())
    }

    /// An error for people, about one of several things.
    pub(crate) fn complain(&mut self, about: Option<&str>, failure: &Failure) -> io::Result<()> {
        // What was printed before comes first, even if both go to the same place.
        self.out.flush()?;
        let mut error = anstream::stderr();
        write!(error, "{BAD}vouch:{BAD:#} ")?;
        if let Some(about) = about {
            write!(error, "{}: ", escaped(about))?;
        }
        writeln!(error, "{}", escaped(&failure.message))?;
        for line in &failure.said {
            writeln!(error, "  {}", escaped(line))?;
        }
        for line in failure.help.iter().flat_map(|help| help.lines()) {
            writeln!(error, "help: {}", escaped(line))?;
        }
        Ok(())
    }

    /// A refusal, whose message names what it is about.
    pub(crate) fn refused(&mut self, message: &str, help: Option<&str>) -> io::Result<()> {
        self.heading(false, "refused", message)?;
        for line in help.iter().flat_map(|help| help.lines()) {
            writeln!(self.out, "  help: {}", escaped(line))?;
        }
        Ok(())
    }

    /// The lines about an artifact that was accepted.
    pub(crate) fn accepted(&mut self, verification: &Verification) -> io::Result<()> {
        let Verification::Accepted {
            artifact,
            signature,
            claims,
            trust,
        } = verification
        else {
            return Ok(());
        };
        let claims = claims.clone().unwrap_or_default();
        let kind = match artifact.kind {
            ArtifactKind::Module => "module",
            ArtifactKind::Component => "component",
            ArtifactKind::Provider => "provider",
        };
        let name = [claims.name.as_deref(), claims.version.as_deref()];
        let name: Vec<_> = name.into_iter().flatten().collect();
        let name = if name.is_empty() {
            "(no name)".to_owned()
        } else {
            name.join(" ")
        };
        self.line(kind, name)?;
        if let Some(vendor) = &claims.vendor {
            self.line("vendor", vendor)?;
        }
        self.line("signed by", signed_by(&signature.signer, trust))?;
        for warning in &trust.warnings {
            self.line("warning", warning)?;
        }
        self.line("subject", &signature.subject)?;
        if let Some(seconds) = signature.signed_at {
            self.line("signed", date(seconds))?;
        }
        if let Some(seconds) = signature.not_before {
            self.line("valid from", date(seconds))?;
        }
        if let Some(seconds) = signature.expires {
            self.line("valid until", date(seconds))?;
        }
        let lists = [
            ("tags", &claims.tags),
            ("capabilities", &claims.capabilities),
            ("targets", &claims.targets),
        ];
        for (name, list) in lists {
            if !list.is_empty() {
                self.line(name, list.join(", "))?;
            }
        }
        self.line("content", &artifact.digest)?;
        self.line("size", size(artifact.size))
    }
}

/// Whose signature it is, and why it counts.
fn signed_by(signer: &Signer, trust: &Trust) -> String {
    let key = signer.names.get("account").unwrap_or(&signer.id);
    let who = match &trust.signer {
        Some(name) => format!("{name}, {key}"),
        None => key.clone(),
    };
    let why = match (trust.mode, trust.since, trust.remembered) {
        (TrustMode::Named, ..) => format!("rule {}", trust.rule),
        (TrustMode::Pinned, Some(since), _) => format!("known since {}", date(since)),
        (TrustMode::Pinned, None, _) => "known".to_owned(),
        (TrustMode::FirstUse, _, Some(true)) => "first use: remembered".to_owned(),
        (TrustMode::FirstUse, ..) => "first use: nothing to compare with".to_owned(),
        (TrustMode::Any | TrustMode::Unknown, ..) => "nobody checked whose it is".to_owned(),
    };
    format!("{who} ({why})")
}

/// A moment, given in seconds since 1970, as a date.
fn date(seconds: u64) -> String {
    let moment = Duration::from_secs(seconds);
    // Signers write what they like, and no year has five digits in RFC 3339.
    let date = UNIX_EPOCH.checked_add(moment).and_then(|moment| {
        let mut text = String::new();
        write!(text, "{}", humantime::format_rfc3339_seconds(moment)).ok()?;
        Some(text.trim_end_matches('Z').replace('T', " ") + " UTC")
    });
    date.unwrap_or_else(|| format!("{seconds} s after 1970"))
}

/// A size, for people.
pub(crate) fn size(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(unit);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

/// A span of time, for people.
pub(crate) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// A text that does nothing to a terminal, and is short enough to be read.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(LONGEST));
    for (position, c) in text.chars().enumerate() {
        if position == LONGEST {
            shown.push('…');
            break;
        }
        if needs_escape(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The same JSON value, written so that it does nothing to a terminal: JSON itself escapes only what
/// is below U+0020. Line breaks and tabs are between tokens, and stay.
pub(crate) fn escaped_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if needs_escape(c) && !matches!(c, '\n' | '\t') {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_escaped() {
        let check = |text: &str, expected: &str| assert_eq!(escaped(text), expected);
        check("echo – ünïcode ✓", "echo – ünïcode ✓");
        check("\u{1b}[2Jgone", "\\u{1b}[2Jgone");
        check("\u{9b}31m", "\\u{9b}31m");
        check("a\nb\tc\r", "a\\nb\\tc\\r");
        check("\u{202e}cod.exe", "\\u{202e}cod.exe");
        check("a\u{200b}b\u{7f}", "a\\u{200b}b\\u{7f}");
        let long = escaped(&"x".repeat(LONGEST + 1));
        assert_eq!(long.chars().count(), LONGEST + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn escaped_json_is_the_same_value() {
        let value = json!({"name": "\u{1b}[2J\u{9b}\u{7f}\u{202e}\u{e0041}\n\"ü"});
        for text in [value.to_string(), format!("{value:#}")] {
            let shown = escaped_json(&text);
            assert!(
                !shown.chars().any(|c| needs_escape(c) && c != '\n'),
                "{shown}"
            );
            assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
        }
    }

    #[test]
    fn moments_are_dates() {
        let check = |seconds: u64, expected: &str| assert_eq!(date(seconds), expected);
        check(0, "1970-01-01 00:00:00 UTC");
        check(1_644_843_743, "2022-02-14 13:02:23 UTC");
        check(253_402_300_799, "9999-12-31 23:59:59 UTC");
        check(253_402_300_800, "253402300800 s after 1970");
        check(u64::MAX, "18446744073709551615 s after 1970");
    }

    #[test]
    fn sizes_and_spans_are_for_people() {
        let check = |bytes: u64, expected: &str| assert_eq!(size(bytes), expected);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1024, "1.0 KiB");
        check(2_634_056, "2.5 MiB");
        check(1 << 30, "1.0 GiB");
        check(u64::MAX, "17179869183.9 GiB");
        let check = |seconds: u64, expected: &str| assert_eq!(span(seconds), expected);
        check(0, "0 s");
        check(61, "1 min 1 s");
        check(7260, "2 h 1 min");
        check(90_000, "1 d 1 h");
    }
}
