//! From the text of a file to a config: all that is wrong with it at once, each with its place.

use super::{
    keys, paths,
    problem::{self, Failure, Problem},
    sections::{LARGEST_LOG, MOST_LOGS, SMALLEST_LOG},
    span::LONGEST_SPAN,
    whole::{Config, quoted},
};
use crate::{
    error::{Error, Result},
    file,
    name::{Digest, PlainHosts, without_secrets},
    session::{Mirror, plain_hosts},
};
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeMap,
    fs::Metadata,
    io::Read,
    ops::{Range, RangeInclusive},
    path::{Path, PathBuf},
};
use toml::{
    Spanned,
    de::{DeTable as Table, DeValue, Deserializer},
};

/// The longest config file, in bytes.
const LONGEST: u64 = 1 << 20;

/// The most problems that are reported at once.
const PROBLEMS: usize = 20;

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

    /// Reads a file. Blocks.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let (text, about) = text(path)?;
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let home = vouch_protocol::paths::home();
        Self::parse(&text, &path, home.as_deref(), Some(&about)).map_err(Failure::Wrong)
    }

    /// What would be wrong with that text in a file: with all of it, or with its section `[trust]`.
    /// `about` is the file as it is, if there is one. Blocks.
    pub fn check(text: &str, path: &Path, about: Option<&Metadata>) -> Result<Self, Vec<Problem>> {
        let config = Self::parse(text, path, vouch_protocol::paths::home().as_deref(), about)?;
        if config.distrust.is_empty() {
            Ok(config)
        } else {
            Err(config.distrust)
        }
    }

    /// Reads the text of the file of that path, which is absolute.
    fn parse(
        text: &str,
        path: &Path,
        home: Option<&Path>,
        about: Option<&Metadata>,
    ) -> Result<Self, Vec<Problem>> {
        let (mut table, wrong) = Table::parse_recoverable(text);
        let mut reading = Reading::new(text, path);
        if !wrong.is_empty() {
            // What could be made of the rest would only confuse.
            for error in wrong {
                reading.note(error.span(), error.message(), None);
            }
            return Err(reading.problems());
        }
        let trust = table.get_mut().remove("trust");
        reading.drop_unknown(table.get_mut(), &[]);
        let mut config: Self = reading.deserialize(&mut table, "");
        config.path = Some(path.to_owned());
        config.digest = Some(Digest::of(text.as_bytes()));
        let plain = plain_hosts(&config.sections);
        reading.check(&mut config, table.get_ref(), &plain, home);
        reading.list(&mut config.lines, table.get_ref(), &plain, "", 0);
        config.read_trust(Reading::new(text, path), trust, &plain, about);
        if reading.found.is_empty() {
            Ok(config)
        } else {
            Err(reading.problems())
        }
    }
}

/// The file's text, and whose it is.
fn text(path: &Path) -> Result<(String, Metadata), Failure> {
    let source = file::Source::open(path).map_err(Failure::Unread)?;
    let mut text = Vec::new();
    source
        .reader()
        .take(LONGEST + 1)
        .read_to_end(&mut text)
        .map_err(|error| Failure::Unread(Error::at(path, "read", error)))?;
    let wrong = |what: &str, line| {
        Failure::Wrong(vec![Problem {
            path: Some(path.to_owned()),
            line,
            column: None,
            what: what.to_owned(),
            help: None,
        }])
    };
    if text.len() as u64 > LONGEST {
        return Err(wrong("the file is longer than 1 MiB", None));
    }
    let about = source
        .metadata()
        .map_err(|error| Failure::Unread(Error::at(path, "read", error)))?;
    let text = String::from_utf8(text).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to());
        let line = before.map(|before| before.split(|byte| *byte == b'\n').count());
        wrong("the file is not UTF-8 text", line)
    })?;
    Ok((text, about))
}

/// A text that is read, and what was found to be wrong with it: where, what, and what to do.
pub(super) struct Reading<'a> {
    text: &'a str,
    path: &'a Path,
    /// Where all lines but the first begin.
    lines: Vec<usize>,
    found: Vec<(usize, String, Option<String>)>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(text: &'a str, path: &'a Path) -> Self {
        Self {
            text,
            path,
            lines: text.match_indices('\n').map(|(at, _)| at + 1).collect(),
            found: Vec::new(),
        }
    }
}

impl Reading<'_> {
    pub(super) fn note(
        &mut self,
        at: Option<Range<usize>>,
        what: impl Into<String>,
        help: Option<String>,
    ) {
        if self.found.len() < PROBLEMS {
            let at = at.map_or(0, |at| at.start);
            self.found.push((at, what.into(), help));
        }
    }

    /// Takes out what no section knows.
    pub(super) fn drop_unknown(&mut self, table: &mut Table<'_>, section: &[&str]) {
        let mut unknown = Vec::new();
        let known = keys::of(section);
        for (key, value) in table.iter_mut() {
            let name = key.get_ref().as_ref();
            if let Some(known) = known
                && !known.contains(&name)
            {
                let place = match section {
                    [] => "a config".to_owned(),
                    ["trust", "rule"] => "a [[trust.rule]]".to_owned(),
                    ["registry", name] => format!("[registry.{:?}]", shortened(name)),
                    _ => format!("[{}]", section.join(".")),
                };
                let what = format!("{place} has no key `{}`", shortened(name));
                let help = match (section, value.get_ref()) {
                    // [registry.registry.example]
                    (["registry", host], DeValue::Table(_)) => {
                        let host = format!("{}.{}", shortened(host), shortened(name));
                        format!("Quote a host's name: [registry.\"{host}\"].")
                    }
                    _ => keys::advice(name, known),
                };
                self.note(Some(key.span()), what, Some(help));
                unknown.push(name.to_owned());
                continue;
            }
            let below = [section, &[name]].concat();
            match value.get_mut() {
                DeValue::Table(table) if below.len() < 4 => self.drop_unknown(table, &below),
                DeValue::Array(tables) if keys::of(&below).is_some() => {
                    for table in tables.iter_mut() {
                        if let DeValue::Table(table) = table.get_mut() {
                            self.drop_unknown(table, &below);
                        }
                    }
                }
                _ => {}
            }
        }
        for name in unknown {
            table.remove(name.as_str());
        }
    }

    /// Makes a config of the table. What is of a wrong type is taken out of it, so that the rest
    /// can be looked at too.
    pub(super) fn deserialize<T: DeserializeOwned + Default>(
        &mut self,
        table: &mut Spanned<Table<'_>>,
        section: &str,
    ) -> T {
        loop {
            let error = match T::deserialize(Deserializer::from(table.clone())) {
                Ok(read) => return read,
                Err(error) => error,
            };
            let at = error.span().unwrap_or_default();
            let taken = take_out(table.get_mut(), &at, section);
            let what = match &taken {
                Some(key) => format!("`{key}`: {}", error.message()),
                None => error.message().to_owned(),
            };
            self.note(Some(at), what, None);
            if taken.is_none() || self.found.len() >= PROBLEMS {
                return T::default();
            }
        }
    }

    /// Looks at what the types do not say.
    fn check(
        &mut self,
        config: &mut Config,
        table: &Table<'_>,
        plain: &PlainHosts,
        home: Option<&Path>,
    ) {
        let at = |keys: &[&str]| place(table, keys);
        for (key, value, range) in config.limits.ranges() {
            self.in_range(at(&["limits", key]), &format!("limits.{key}"), value, range);
        }
        let log = &config.log;
        let size = SMALLEST_LOG..=LARGEST_LOG;
        self.in_range(at(&["log", "size"]), "log.size", log.size, size);
        let (keep, most) = (u64::from(log.keep), u64::from(MOST_LOGS));
        self.in_range(at(&["log", "keep"]), "log.keep", keep, 0..=most);
        if config.idle.logins.0 > LONGEST_SPAN {
            let what = "`idle.logins` is longer than 365 days";
            self.note(at(&["idle", "logins"]), what, None);
        }
        let folder = self.path.parent().unwrap_or(Path::new("/")).to_owned();
        let mut resolve =
            |keys: &[&str], path: &mut PathBuf| match paths::resolve(path, &folder, home) {
                Ok(absolute) => *path = absolute,
                Err(why) => {
                    let key = keys.last().copied().unwrap_or_default();
                    self.note(at(keys), format!("the path of `{key}` {why}"), None);
                }
            };
        if let Some(path) = &mut config.socket {
            resolve(&["socket"], path);
        }
        // `-` is standard error.
        if let Some(path) = config
            .log
            .file
            .as_mut()
            .filter(|path| path != &Path::new("-"))
        {
            resolve(&["log", "file"], path);
        }
        for (name, section) in &mut config.sections {
            for (key, path) in section.files_mut() {
                resolve(&["registry", name, key], path);
            }
        }
        for (written, section) in std::mem::take(&mut config.sections) {
            let shown = shortened(&written);
            let Ok(name) = written.parse().map(|name| plain.name(&name)) else {
                let help =
                    "Write a host and, where it has one, a port: [registry.\"localhost:5000\"].";
                let what = format!("[registry.{shown:?}] is not a registry");
                self.note(at(&["registry", &written]), what, Some(help.into()));
                continue;
            };
            if let Some(what) = section.contradiction() {
                self.note(at(&["registry", &written]), what, None);
            }
            let itself = |mirror: &Mirror| mirror.is_whole() && mirror.registry(plain) == name;
            if section.mirrors.iter().any(itself) {
                let what = format!("[registry.{shown:?}] names itself as a mirror");
                self.note(at(&["registry", &written, "mirrors"]), what, None);
            }
            if config.registry.insert(name.clone(), section).is_some() {
                let what =
                    format!("[registry.{shown:?}] is another name of {name}, which has a section");
                self.note(at(&["registry", &written]), what, None);
            }
        }
    }

    fn in_range(
        &mut self,
        at: Option<Range<usize>>,
        key: &str,
        value: u64,
        range: RangeInclusive<u64>,
    ) {
        if !range.contains(&value) {
            let (least, most) = range.into_inner();
            let what = format!("`{key}` is {value}, but may be from {least} to {most}");
            self.note(at, what, None);
        }
    }

    /// Lists in which lines the keys stand.
    pub(super) fn list(
        &self,
        lines: &mut BTreeMap<String, usize>,
        table: &Table<'_>,
        plain: &PlainHosts,
        before: &str,
        depth: usize,
    ) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let path = match (before, name.parse()) {
                ("", _) => name.to_owned(),
                ("registry", Ok(registry)) => quoted(before, plain.name(&registry).as_str()),
                ("trust.signer", _) => quoted(before, name),
                _ => format!("{before}.{name}"),
            };
            match value.get_ref() {
                DeValue::Table(table) if depth < 2 => {
                    self.list(lines, table, plain, &path, depth + 1);
                }
                DeValue::Array(tables) if tables.iter().any(|table| table.get_ref().is_table()) => {
                    for (index, table) in tables.iter().enumerate() {
                        if let DeValue::Table(table) = table.get_ref() {
                            let path = format!("{path}[{index}]");
                            self.list(lines, table, plain, &path, depth + 1);
                        }
                    }
                }
                _ => {
                    let (line, _) = self.line_and_column(key.span().start);
                    lines.insert(path, line);
                }
            }
        }
    }

    fn line_and_column(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|begin| *begin <= at);
        let begin = line
            .checked_sub(1)
            .and_then(|before| self.lines.get(before));
        let before = self.text.get(begin.copied().unwrap_or(0)..at);
        let column = before.map_or(0, |before| before.chars().count());
        (line + 1, column + 1)
    }

    /// What was found, in the order of the text.
    pub(super) fn problems(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|(at, ..)| *at);
        let found = std::mem::take(&mut self.found);
        let problem = |(at, what, help)| {
            let (line, column) = self.line_and_column(at);
            Problem {
                path: Some(self.path.to_owned()),
                line: Some(line),
                column: Some(column),
                what,
                help,
            }
        };
        found.into_iter().map(problem).collect()
    }
}

/// Takes the value out that something is wrong with, and answers its key; of a whole section only
/// where no value in it is to blame.
fn take_out(table: &mut Table<'_>, at: &Range<usize>, before: &str) -> Option<String> {
    let mut blamed = None;
    for (key, value) in table.iter_mut() {
        let name = key.get_ref();
        let path = if before.is_empty() {
            shortened(name)
        } else {
            format!("{before}.{}", shortened(name))
        };
        let span = value.span();
        // A section's span is that of its header: what is in it is looked at first.
        if let DeValue::Table(table) = value.get_mut()
            && let Some(inner) = take_out(table, at, &path)
        {
            return Some(inner);
        }
        if span.start <= at.start && at.end <= span.end {
            blamed = Some((name.to_string(), path));
            break;
        }
    }
    let (name, path) = blamed?;
    table.remove(name.as_str());
    Some(path)
}

/// Where the value of a key stands. Tables of an array are counted from 0; what is not there is
/// at the place of what it is missing in.
pub(super) fn place(table: &Table<'_>, keys: &[&str]) -> Option<Range<usize>> {
    let (last, mut sections) = keys.split_last()?;
    let mut table = table;
    while let Some((section, inner)) = sections.split_first() {
        sections = inner;
        let mut value = table.get(*section)?;
        if let (DeValue::Array(values), Some((index, inner))) =
            (value.get_ref(), inner.split_first())
        {
            sections = inner;
            value = values.get(index.parse::<usize>().ok()?)?;
        }
        let Some(inner) = value.get_ref().as_table() else {
            return Some(value.span());
        };
        if sections.is_empty() && !inner.contains_key(*last) {
            return Some(value.span());
        }
        table = inner;
    }
    let (key, value) = table.get_key_value(*last)?;
    Some(match value.get_ref() {
        DeValue::Table(_) => key.span(),
        _ => value.span(),
    })
}

/// Enough of a text to recognise it by, without the password that an address may hold: it is logged,
/// and told to clients.
fn shortened(text: &str) -> String {
    let text = &without_secrets(text);
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
