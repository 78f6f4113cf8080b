//! What people and programs get to see.
//!
//! Signers choose the names in claims, and anybody may be a signer. No control character and nothing
//! that changes the direction of writing reaches a terminal, not in JSON either.

use crate::{
    failure::{Failure, Outcome},
    spelling::repository,
};
use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use std::{
    fmt::{Display, Write as _},
    io::{self, IsTerminal as _, Stdout, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use vouch_client::protocol::{
    ArtifactKind, Check, CheckOutcome, Signer, Trust, TrustMode, Verification, needs_escape,
};

/// The widest column of checks, in characters.
const WIDEST: usize = 40;

/// The longest text that is shown, in characters.
const LONGEST: usize = 4096;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const NOTICE: Style = AnsiColor::Yellow.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// What was asked about an artifact, for which its signature counts or not.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked<'a> {
    /// Whether it is signed; of what lies or would lie under a reference.
    Verdict(Option<&'a str>),
    /// To move it from or to a reference.
    Move(&'a str),
}

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

    /// All that was asked of an artifact, a line each, with what was wanted where that was not found.
    pub(crate) fn checks(&mut self, checks: &[Check]) -> io::Result<()> {
        let name = |check: &Check| match &check.rule {
            Some(rule) => escaped(&format!("{} ({rule})", check.check)),
            None => escaped(&check.check),
        };
        let widths = checks.iter().map(|check| name(check).chars().count());
        let width = widths.max().unwrap_or_default().min(WIDEST);
        if checks.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "  checks")?;
        for check in checks {
            let (style, word) = match check.outcome {
                CheckOutcome::Held => (GOOD, "ok"),
                CheckOutcome::Failed => (BAD, "failed"),
                CheckOutcome::Absent => (BAD, "absent"),
                CheckOutcome::NotReached => (Style::new(), "not asked"),
                CheckOutcome::Warning => (NOTICE, "warning"),
                CheckOutcome::Unknown => (BAD, "unknown"),
            };
            let (row, name) = (check.row, name(check));
            let found = escaped(check.found.as_deref().unwrap_or_default());
            let line = format!("{row:>2} {name:<width$}  {found}");
            writeln!(
                self.out,
                "    {style}{word:<9}{style:#} {}",
                line.trim_end()
            )?;
            let missed = matches!(check.outcome, CheckOutcome::Failed | CheckOutcome::Absent);
            if let Some(wanted) = check.wanted.as_ref().filter(|_| missed) {
                writeln!(
                    self.out,
                    "{:width$}  wanted: {}",
                    "",
                    escaped(wanted),
                    width = width + 17
                )?;
            }
        }
        Ok(())
    }

    /// Whose signature it is, and why it counts.
    pub(crate) fn trusted(
        &mut self,
        signer: &Signer,
        trust: &Trust,
        asked: Asked<'_>,
    ) -> io::Result<()> {
        self.line("signed by", signed_by(signer, trust, asked))?;
        if trust.signer.is_some() {
            self.line("key", key(signer))?;
        }
        for warning in &trust.warnings {
            self.line("warning", warning)?;
        }
        Ok(())
    }

    /// The lines about an artifact that was accepted.
    pub(crate) fn accepted(
        &mut self,
        verification: &Verification,
        asked: Asked<'_>,
    ) -> io::Result<()> {
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
        self.trusted(&signature.signer, trust, asked)?;
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
            ("token tags", &claims.tags),
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

/// A signer as its method names it.
fn key(signer: &Signer) -> &str {
    signer.names.get("account").unwrap_or(&signer.id)
}

/// Whose signature it is, and why it counts, in a few words.
pub(crate) fn signed_by(signer: &Signer, trust: &Trust, asked: Asked<'_>) -> String {
    let who = trust.signer.as_deref().unwrap_or_else(|| key(signer));
    let rule = Some(trust.rule.as_str()).filter(|rule| *rule != "default");
    let why = match trust.mode {
        TrustMode::Named => format!("rule {}", trust.rule),
        TrustMode::Pinned => {
            let since = trust.since.map(|since| format!(" since {}", date(since)));
            format!("known{}", since.unwrap_or_default())
        }
        TrustMode::FirstUse => {
            let place = match asked {
                Asked::Verdict(None) => String::new(),
                Asked::Verdict(Some(place)) | Asked::Move(place) => {
                    format!(" of {}", repository(place))
                }
            };
            let memory = match (trust.remembered, asked) {
                (Some(true), _) => "remembered",
                (_, Asked::Move(_)) => "not remembered",
                (_, Asked::Verdict(_)) => "nothing to compare with",
            };
            format!("first use{place}: {memory}")
        }
        // Who is in the config is known, though nobody asked for them.
        TrustMode::Any if trust.signer.is_some() => "any signer is accepted".to_owned(),
        TrustMode::Any | TrustMode::Unknown => "nobody checked whose it is".to_owned(),
    };
    match rule.filter(|_| trust.mode != TrustMode::Named) {
        Some(rule) => format!("{who} ({why}; rule {rule})"),
        None => format!("{who} ({why})"),
    }
}

/// A moment, given in seconds since 1970, as a date.
pub(crate) fn date(seconds: u64) -> String {
    let moment = Duration::from_secs(seconds);
    // Signers write what they like, and no year has five digits in RFC 3339.
    let date = UNIX_EPOCH.checked_add(moment).and_then(|moment| {
        let mut text = String::new();
        write!(text, "{}", humantime::format_rfc3339_seconds(moment)).ok()?;
        Some(text.trim_end_matches('Z').replace('T', " ") + " UTC")
    });
    date.unwrap_or_else(|| format!("{seconds} s after 1970"))
}

/// How long ago a moment was, given in seconds since 1970.
pub(crate) fn age(since: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs());
    span(now.saturating_sub(since))
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
    let Some((end, _)) = text.char_indices().nth(LONGEST) else {
        return vouch_client::protocol::escaped(text);
    };
    let mut shown = vouch_client::protocol::escaped(text.get(..end).unwrap_or_default());
    shown.push('…');
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
    fn whose_signature_it_is_is_said_with_the_reason() {
        let signer = Signer {
            id: "token:ACOJ".into(),
            names: [("account".into(), "ACOJ".into())].into(),
        };
        let check = |trust: Value, asked, expected: &str| {
            let trust: Trust = serde_json::from_value(trust).unwrap();
            assert_eq!(signed_by(&signer, &trust, asked), expected);
        };
        let place = "ghcr.io/acme/echo:1@sha256:00";
        let (asked, moved) = (Asked::Verdict(Some(place)), Asked::Move(place));
        let file = Asked::Verdict(None);
        let named = json!({"rule": "ghcr.io/acme", "mode": "named", "signer": "acme"});
        check(named, moved, "acme (rule ghcr.io/acme)");
        let pinned = json!({"rule": "default", "mode": "pinned", "since": 0});
        check(pinned, asked, "ACOJ (known since 1970-01-01 00:00:00 UTC)");
        let first =
            |rule, remembered| json!({"rule": rule, "mode": "firstUse", "remembered": remembered});
        let of = "ACOJ (first use of ghcr.io/acme/echo: ";
        check(first("default", true), moved, &format!("{of}remembered)"));
        check(
            first("default", false),
            moved,
            &format!("{of}not remembered)"),
        );
        let nothing = format!("{of}nothing to compare with)");
        check(first("default", false), asked, &nothing);
        let ruled = format!("{of}remembered; rule ghcr.io)");
        check(first("ghcr.io", true), moved, &ruled);
        let any = json!({"rule": "default", "mode": "any"});
        check(any, file, "ACOJ (nobody checked whose it is)");
        let of_a_rule = json!({"rule": "*", "mode": "any"});
        check(
            of_a_rule,
            moved,
            "ACOJ (nobody checked whose it is; rule *)",
        );
        let known = json!({"rule": "files", "mode": "any", "signer": "acme"});
        check(known, file, "acme (any signer is accepted; rule files)");
        let later = json!({"rule": "default", "mode": "blessed"});
        check(later, file, "ACOJ (nobody checked whose it is)");
    }

    #[test]
    fn a_repository_is_a_reference_without_tag_and_digest() {
        let check = |reference, expected| assert_eq!(repository(reference), expected);
        check("ghcr.io/acme/echo:1", "ghcr.io/acme/echo");
        check("localhost:5000/echo", "localhost:5000/echo");
        check("localhost:5000/echo:1@sha256:00", "localhost:5000/echo");
        check("oci:/a/b:1", "oci:/a/b");
        check("oci:/a/b", "oci:/a/b");
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
