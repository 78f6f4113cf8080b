//! From the text of a file to a config: all that is wrong with it at once, each with its place.

use super::{
    paths,
    problem::{self, Failure, Problem},
    reading::{Reading, place, shortened},
    sections::{LARGEST_LOG, MOST_FOLDERS, MOST_LOGS, SMALLEST_LOG},
    span::LONGEST_SPAN,
    whole::{Config, quoted},
};
use crate::{
    error::{Error, Result},
    file,
    name::{Digest, PlainHosts},
    session::{Mirror, plain_hosts},
};
use std::{
    collections::BTreeMap,
    fs::Metadata,
    ops::{Range, RangeInclusive},
    path::{Path, PathBuf},
};
use toml::de::{DeTable as Table, DeValue};

/// The longest config file, in bytes.
const LONGEST: u64 = 1 << 20;

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
        config.read_trust(Reading::new(text, path), trust, &plain, home, about);
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
    let text = source.whole(LONGEST).map_err(Failure::Unread)?;
    let wrong = |what: &str, line| {
        Failure::Wrong(vec![Problem {
            path: Some(path.to_owned()),
            line,
            column: None,
            what: what.to_owned(),
            help: None,
        }])
    };
    let text = text.ok_or_else(|| wrong("the file is longer than 1 MiB", None))?;
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

impl Reading<'_> {
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
        let folders = config.sign.folders.len() as u64;
        let at_folders = at(&["sign", "folders"]);
        if folders > MOST_FOLDERS {
            let what = format!("`folders` has more than {MOST_FOLDERS} folders");
            self.note(at_folders, what, None);
        }
        if let Some(what) = config.sign.wrong_key() {
            self.note(at(&["sign", "key"]), what, None);
        }
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
        if let Some(mut file) = config.sign.key_file() {
            resolve(&["sign", "key"], &mut file);
            config.sign.key = file.to_str().map(str::to_owned).or(config.sign.key.take());
        }
        for folder in &mut config.sign.folders {
            resolve(&["sign", "folders"], folder);
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
                ("trust.signer" | "trust.root", _) => quoted(before, name),
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
}
