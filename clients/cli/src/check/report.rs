//! What was found, as people and programs read it.

use super::{Finding, Format, places::Place};
use crate::{
    failure::{Failure, Outcome},
    show::Screen,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io,
    path::{Component, Path},
};

/// Writes findings in one of the formats.
pub(super) struct Report {
    format: Format,
    quiet: bool,
    /// Of SARIF, which is one value.
    results: Vec<Value>,
    rules: BTreeSet<String>,
}

impl Report {
    pub(super) fn new(format: Format, quiet: bool) -> Self {
        Self {
            format,
            quiet,
            results: Vec::new(),
            rules: BTreeSet::new(),
        }
    }

    pub(super) fn add(&mut self, finding: Finding, screen: &mut Screen) -> io::Result<()> {
        match self.format {
            Format::Json => Ok(()),
            Format::Text if self.quiet && finding.outcome == Outcome::Success => Ok(()),
            Format::Text => {
                screen.text(text(&finding))?;
                // Once for each line of it, so that no signer's words look like ours.
                let help = finding.help.iter().flat_map(|help| help.lines());
                help.into_iter()
                    .try_for_each(|line| screen.text(harmless(&format!("  help: {line}"))))
            }
            Format::Github => match annotation(&finding) {
                Some(annotation) => screen.text(annotation),
                None => Ok(()),
            },
            Format::Sarif => {
                if let Some(result) = result(&finding) {
                    self.rules.insert(finding.kind);
                    self.results.push(result);
                }
                Ok(())
            }
        }
    }

    /// A file that could not be looked at.
    pub(super) fn failed(
        &mut self,
        path: &Path,
        failure: &Failure,
        screen: &mut Screen,
    ) -> io::Result<()> {
        if self.format == Format::Json {
            let path = path.to_string_lossy();
            return screen.json(&json!({ "path": path, "error": failure.json() }));
        }
        if self.format == Format::Text {
            return screen.complain(Some(&path.to_string_lossy()), failure);
        }
        let range = vouch_client::protocol::Range::default();
        let finding = Finding {
            outcome: Outcome::Failed,
            place: Place::new(path, "", range),
            kind: "unknown".to_owned(),
            message: failure.message.clone(),
            help: failure.help.clone(),
        };
        self.add(finding, screen)
    }

    pub(super) fn end(self, screen: &mut Screen) -> io::Result<()> {
        if self.format != Format::Sarif {
            return Ok(());
        }
        screen.value(&sarif(&self.results, &self.rules))
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "accepted",
        Outcome::Refused => "refused",
        _ => "unknown",
    }
}

/// As compilers say it, which editors and terminals can follow.
pub(super) fn text(finding: &Finding) -> String {
    let Place {
        path,
        range,
        column,
    } = &finding.place;
    let (path, line) = (path.to_string_lossy(), u64::from(range.start.line) + 1);
    // A line that begins so is a command for the runner of GitHub Actions, and a file's name is anybody's.
    let is_command = path.trim_start().starts_with("::");
    let here = if is_command { "./" } else { "" };
    let (word, message) = (word(finding.outcome), &finding.message);
    harmless(&format!("{here}{path}:{line}:{column}: {word}: {message}"))
}

/// The runner's commands of old may stand anywhere in a line.
fn harmless(line: &str) -> String {
    line.replace("##[", "## [")
}

/// A workflow command of GitHub Actions; nothing for what is accepted.
pub(super) fn annotation(finding: &Finding) -> Option<String> {
    let level = match finding.outcome {
        Outcome::Success => return None,
        Outcome::Refused => "error",
        _ => "warning",
    };
    let Place {
        path,
        range,
        column,
    } = &finding.place;
    let escape = |text: &str| {
        text.replace('%', "%25")
            .replace('\r', "%0D")
            .replace('\n', "%0A")
    };
    let path = escape(&path.to_string_lossy())
        .replace(':', "%3A")
        .replace(',', "%2C");
    let line = u64::from(range.start.line) + 1;
    let help = finding.help.iter().map(|help| format!("\n{help}"));
    let message: String = std::iter::once(finding.message.clone())
        .chain(help)
        .collect();
    let (title, message) = (&finding.kind, escape(&message));
    Some(format!(
        "::{level} file={path},line={line},col={column},title=vouch%3A {title}::{message}"
    ))
}

/// A result of SARIF; nothing for what is accepted.
fn result(finding: &Finding) -> Option<Value> {
    let level = match finding.outcome {
        Outcome::Success => return None,
        Outcome::Refused => "error",
        _ => "warning",
    };
    let help = finding.help.iter().map(|help| format!("\n{help}"));
    let message: String = std::iter::once(finding.message.clone())
        .chain(help)
        .collect();
    let range = finding.place.range;
    let from_one = |number: u32| u64::from(number) + 1;
    Some(json!({
        "ruleId": finding.kind,
        "level": level,
        "message": { "text": message },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&finding.place.path) },
            "region": {
                "startLine": from_one(range.start.line),
                "startColumn": from_one(range.start.character),
                "endLine": from_one(range.end.line),
                "endColumn": from_one(range.end.character),
            },
        }}],
    }))
}

fn sarif(results: &[Value], rules: &BTreeSet<String>) -> Value {
    let rule = |kind: &String| {
        let text = format!("What a document names: {kind}");
        json!({ "id": kind, "shortDescription": { "text": text } })
    };
    let rules: Vec<_> = rules.iter().map(rule).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "vouch",
                "version": env!("VOUCHD_VERSION"),
                "rules": rules,
            }},
            "columnKind": "utf16CodeUnits",
            "results": results,
        }],
    })
}

/// A path as a URI, relative as it was.
fn uri(path: &Path) -> String {
    let mut uri = String::new();
    if path.is_absolute() {
        uri.push_str("file://");
    }
    for part in path.components() {
        let part = match part {
            Component::Normal(part) => part.to_string_lossy(),
            Component::ParentDir => "..".into(),
            _ => continue,
        };
        if !uri.is_empty() {
            uri.push('/');
        }
        for byte in part.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    uri.push(byte.into());
                }
                // Writing to a text cannot fail.
                _ => drop(write!(uri, "%{byte:02X}")),
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use vouch_client::protocol::{Position, Range};

    fn finding(outcome: Outcome, message: &str) -> Finding {
        let place = |line, character| Position { line, character };
        let range = Range {
            start: place(6, 15),
            end: place(6, 34),
        };
        Finding {
            outcome,
            place: Place {
                path: "deploy/a b.yaml".into(),
                range,
                column: 16,
            },
            kind: "unsigned".into(),
            message: message.into(),
            help: Some("Sign it.".into()),
        }
    }

    #[test]
    fn each_finding_is_a_line_that_can_be_followed() {
        let refused = finding(Outcome::Refused, "ghcr.io/acme/echo:1 is not signed");
        let expected = "deploy/a b.yaml:7:16: refused: ghcr.io/acme/echo:1 is not signed";
        assert_eq!(text(&refused), expected);
        let check = |path: &str, start: &str| {
            let mut hostile = finding(Outcome::Refused, "");
            hostile.place.path = path.into();
            let said = text(&hostile);
            assert!(said.starts_with(start), "{said}");
        };
        check(
            "::stop-commands::x.yaml",
            "./::stop-commands::x.yaml:7:16: refused: ",
        );
        check(" ::x.yaml", "./ ::x.yaml:7:16: refused: ");
        check(
            "##[stop-commands]x.yaml",
            "## [stop-commands]x.yaml:7:16: refused: ",
        );
    }

    #[test]
    fn annotations_end_where_they_end() {
        let check = |outcome, message: &str, expected: Option<&str>| {
            assert_eq!(annotation(&finding(outcome, message)).as_deref(), expected);
        };
        check(Outcome::Success, "", None);
        check(
            Outcome::Refused,
            "50% off\n::error::forged",
            Some(
                "::error file=deploy/a b.yaml,line=7,col=16,title=vouch%3A unsigned::50%25 off%0A::error::forged%0ASign it.",
            ),
        );
        check(
            Outcome::Failed,
            "x",
            Some(
                "::warning file=deploy/a b.yaml,line=7,col=16,title=vouch%3A unsigned::x%0ASign it.",
            ),
        );
    }

    #[test]
    fn sarif_is_as_its_schema_has_it() {
        let results: Vec<_> = [Outcome::Success, Outcome::Refused, Outcome::Failed]
            .into_iter()
            .filter_map(|outcome| result(&finding(outcome, "no")))
            .collect();
        assert_eq!(results.len(), 2);
        let written = sarif(&results, &BTreeSet::from(["unsigned".to_owned()]));
        assert_eq!(written["version"], "2.1.0");
        let run = &written["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "unsigned");
        let location = &run["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], "deploy/a%20b.yaml");
        assert_eq!(location["region"]["startLine"], 7);
        assert_eq!(location["region"]["endColumn"], 35);
        let levels: Vec<_> = run["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|result| &result["level"])
            .collect();
        assert_eq!(levels, ["error", "warning"]);
        assert_eq!(uri(Path::new("/a/ü")), "file:///a/%C3%BC");
        assert_eq!(uri(Path::new("./../a")), "../a");
    }
}
