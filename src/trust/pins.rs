//! Pins: whose signatures a repository has had. Trust on first use, kept like `known_hosts`.
//!
//! The file has a line for each repository and signer, with fields between spaces:
//!
//! ```text
//! ghcr.io/acme/echo token:ACOJ… 2026-11-26T07:12:31Z MB2Z… 3
//! ```
//!
//! the repository's canonical name, the signer's id, when it was pinned, and the subject and the
//! revision (`-` where there is none) of what was last pushed or pulled. Later versions may add
//! fields: what a line has beyond these five is kept. White space, `%` and what is not printed in a
//! name are percent-encoded.

use crate::file::unescaped;
use chrono::{DateTime, SecondsFormat};
use std::fmt::Write as _;

const FIRST_LINE: &str =
    "# Whose signatures vouchd has seen: repository, signer, since, last subject, last revision.";

/// A signer of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Its canonical name.
    pub repository: String,
    /// The signer's id: `token:A…`.
    pub signer: String,
    /// Seconds since 1970.
    pub since: u64,
    /// Of the artifact that was last pushed or pulled.
    pub(super) subject: Option<String>,
    pub(super) revision: Option<i32>,
    /// What a later version wrote behind these.
    rest: String,
}

impl Pin {
    fn new(repository: &str, signer: &str, since: u64) -> Self {
        Self {
            repository: repository.to_owned(),
            signer: signer.to_owned(),
            since,
            subject: None,
            revision: None,
            rest: String::new(),
        }
    }

    /// The signer's key, as people write it.
    pub fn key(&self) -> &str {
        self.signer.strip_prefix("token:").unwrap_or(&self.signer)
    }
}

/// The pins as they were when they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pins {
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Pin(Pin),
    Comment(String),
}

impl Pins {
    /// The signers of a repository.
    pub(super) fn of<'a>(&'a self, repository: &'a str) -> impl Iterator<Item = &'a Pin> {
        self.all().filter(move |pin| pin.repository == repository)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Pin> {
        self.lines.iter().filter_map(|line| match line {
            Line::Pin(pin) => Some(pin),
            Line::Comment(_) => None,
        })
    }

    /// Notes what a repository's signer signed last, and pins them where they are not pinned yet.
    /// Answers whether that is news.
    pub(super) fn note(
        &mut self,
        repository: &str,
        signer: &str,
        now: u64,
        subject: Option<&str>,
        revision: Option<i32>,
    ) -> bool {
        let known = self.lines.iter_mut().find_map(|line| match line {
            Line::Pin(pin) if pin.repository == repository && pin.signer == signer => Some(pin),
            _ => None,
        });
        let subject = subject.map(ToOwned::to_owned);
        if let Some(pin) = known {
            let is_news = (&pin.subject, pin.revision) != (&subject, revision);
            pin.subject = subject;
            pin.revision = revision;
            return is_news;
        }
        if self.lines.is_empty() {
            self.lines.push(Line::Comment(FIRST_LINE.into()));
        }
        let mut pin = Pin::new(repository, signer, now);
        (pin.subject, pin.revision) = (subject, revision);
        self.lines.push(Line::Pin(pin));
        true
    }

    /// Adds a signer of a repository.
    pub(super) fn add(&mut self, repository: &str, signer: &str, now: u64) {
        self.lines
            .push(Line::Pin(Pin::new(repository, signer, now)));
    }

    /// Removes a signer of a repository, or all of them.
    pub(super) fn remove(&mut self, repository: &str, signer: Option<&str>) {
        self.lines.retain(|line| match line {
            Line::Pin(pin) => {
                pin.repository != repository || signer.is_some_and(|signer| pin.signer != signer)
            }
            Line::Comment(_) => true,
        });
    }

    /// Or the number of the first line that is wrong, and why.
    pub(super) fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let line = |(index, text): (usize, &str)| {
            if text.is_empty() || text.starts_with('#') {
                return Ok(Line::Comment(text.to_owned()));
            }
            let wrong = (index + 1, "does not name a repository and a signer");
            Pin::parse(text).map(Line::Pin).ok_or(wrong)
        };
        let lines = text.lines().enumerate().map(line);
        Ok(Self {
            lines: lines.collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            match line {
                Line::Comment(comment) => text.push_str(comment),
                Line::Pin(pin) => pin.write(&mut text),
            }
            text.push('\n');
        }
        text
    }
}

impl Pin {
    /// A line that names a repository and a signer is a pin, whatever else it says: a date that
    /// nobody can read is no reason to accept another signer.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.splitn(6, ' ');
        let repository = decoded(fields.next()?)?;
        let signer = decoded(fields.next()?)?;
        if repository.is_empty() || signer.is_empty() {
            return None;
        }
        let since = fields
            .next()
            .and_then(|date| DateTime::parse_from_rfc3339(date).ok())
            .and_then(|date| u64::try_from(date.timestamp()).ok());
        let mut some = || fields.next().filter(|field| *field != "-");
        let subject = some().and_then(decoded);
        let revision = some().and_then(|revision| revision.parse().ok());
        Some(Self {
            repository,
            signer,
            since: since.unwrap_or_default(),
            subject,
            revision,
            rest: fields.next().unwrap_or_default().to_owned(),
        })
    }

    fn write(&self, text: &mut String) {
        let since = i64::try_from(self.since)
            .ok()
            .and_then(|since| DateTime::from_timestamp(since, 0))
            .unwrap_or_default();
        let subject = self.subject.as_deref().map_or("-".into(), encoded);
        let revision = self
            .revision
            .map_or("-".into(), |revision| revision.to_string());
        for field in [
            &encoded(&self.repository),
            &encoded(&self.signer),
            &since.to_rfc3339_opts(SecondsFormat::Secs, true),
            &subject,
        ] {
            text.extend([field, " "]);
        }
        text.push_str(&revision);
        if !self.rest.is_empty() {
            text.extend([" ", &self.rest]);
        }
    }
}

/// What a field may not hold as it is: what separates fields and lines, and `%` itself.
fn encoded(text: &str) -> String {
    let mut field = String::with_capacity(text.len());
    for character in text.chars() {
        // What is not printed, or turns the reading round, would let two lines look alike.
        let is_shown = character.escape_debug().len() == 1 || "'\"\\".contains(character);
        if character == '%' || character.is_whitespace() || !is_shown {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                // Writing into a string does not fail.
                let _ = write!(field, "%{byte:02X}");
            }
        } else {
            field.push(character);
        }
    }
    field
}

fn decoded(field: &str) -> Option<String> {
    String::from_utf8(unescaped(field)?).ok()
}
