//! A text that is read, and what is found to be wrong with it: where, what, and what to do.

use super::{keys, problem::Problem};
use crate::name::without_secrets;
use serde::de::DeserializeOwned;
use std::{ops::Range, path::Path};
use toml::{
    Spanned,
    de::{DeTable as Table, DeValue, Deserializer},
};

/// The most problems that are reported at once.
const PROBLEMS: usize = 20;

/// A text that is read, and what was found to be wrong with it: where, what, and what to do.
pub(super) struct Reading<'a> {
    text: &'a str,
    pub(super) path: &'a Path,
    /// Where all lines but the first begin.
    lines: Vec<usize>,
    pub(super) found: Vec<(usize, String, Option<String>)>,
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

    pub(super) fn line_and_column(&self, at: usize) -> (usize, usize) {
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
pub(super) fn shortened(text: &str) -> String {
    let text = &without_secrets(text);
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
