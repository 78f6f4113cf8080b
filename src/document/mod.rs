//! References in manifests, lock files and configs of other programs, and where they stand there.
//!
//! [`read`] is a pure function of a text: nothing is asked, no file is opened, and the same text
//! gives the same answer. The text is anybody's, so all of it is bounded: its length, what is kept
//! of it, the steps that looking through it takes, and what is done to read broken text.
//!
//! | file | what it has |
//! |---|---|
//! | `position` | lines and UTF-16 code units, as editors count |
//! | `tree` | scalars, lists and maps, which YAML, JSON and TOML have in common |
//! | `yaml` | YAML and JSON, healed where they are broken |
//! | `toml` | TOML |
//! | `format` | the kinds of documents, and what one says of what it names |
//! | `resources` | where resources and configs name images |
//! | `packages` | where lock files and manifests name packages |
//! | `table` | which file is of which kind: a row each |
//! | `found` | [`Found`]: what is named, where, and how to pin it |

mod format;
mod found;
mod packages;
mod position;
mod resources;
mod table;
mod toml;
mod tree;
mod yaml;

pub use format::Format;
pub use found::{Demanded, Edit, Found, Resolved, What};
pub use position::{Position, Range};

use crate::name::{PlainHosts, Reference, RegistryReference};
use found::Value;
use position::Places;
use std::ops;
use table::{Row, Syntax};
use tree::{Scalar, Tree};

/// The longest text that is read, in bytes; of a longer one, its beginning.
pub const LONGEST: usize = 1024 * 1024;
/// References of one document; what is named further behind is left out.
pub const MOST: usize = 1000;

/// What a document names.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// What it names, in the order of the text: each place once for each digest that is demanded of
    /// it, as an alias may stand beside another one than its anchor does.
    pub references: Vec<Found>,
    /// Whether all of the text was looked at: not, where it passes the bounds, or where it is unclear.
    pub whole: bool,
    /// Where it is first not well formed, to the line's end: another program may read it in another
    /// way, and find more.
    pub unclear: Option<Range>,
}

/// What is being typed at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partial {
    /// The kind of document.
    pub format: Format,
    /// From the start of what is written to its end.
    pub range: Range,
    /// What stands there before the cursor.
    pub typed: String,
    /// The tag that is being typed, if it is one.
    pub tag: Option<PartialTag>,
}

/// A tag that is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialTag {
    /// What has the tag, without it.
    pub repository: RegistryReference,
    /// The tag's beginning, up to the cursor.
    pub typed: String,
    /// The whole tag as it is written, behind the cursor too: what a completion replaces.
    pub range: Range,
}

/// Reads a document; its file's name, path or URI says what it may be. Nothing, where this is not a
/// kind of document that names artifacts.
pub fn read(name: &str, text: &str, plain: &PlainHosts) -> Option<Document> {
    let (text, cut) = shortened(text);
    let places = Places::new(text);
    let mut document = Document {
        references: Vec::new(),
        whole: !cut,
        unclear: None,
    };
    let rows = table::rows(name, text);
    let mut whole = true;
    let mut read = |tree: &Tree<'_>, content: &dyn Fn(&Scalar<'_>) -> ops::Range<usize>| {
        let found = find(tree, &rows, &places, plain, content);
        whole &= tree.is_whole() && found.len() <= MOST;
        found
    };
    document.references = match rows.first()?.syntax() {
        Syntax::Yaml => {
            let mut left = yaml::Left::default();
            let mut all = Vec::new();
            for (at, reading) in yaml::readings(text).iter().enumerate() {
                let (found, unclear) = yaml::each(reading, MOST, &mut left, |part| {
                    read(&part.tree, &|scalar| part.content(&places, scalar))
                });
                all.extend(found);
                if at == 0 {
                    let byte = unclear.map(|character| places.byte(character));
                    document.unclear = byte.map(|byte| rest_of_line(&places, byte));
                }
            }
            all
        }
        Syntax::Toml => {
            let (tree, unclear) = toml::read(text);
            document.unclear = unclear.map(|byte| rest_of_line(&places, byte));
            read(&tree, &|scalar| scalar.span())
        }
    };
    document.references.sort_by_key(Found::place);
    document.references.dedup_by_key(|found| found.place());
    document.whole &= whole && document.unclear.is_none() && document.references.len() <= MOST;
    document.references.truncate(MOST);
    Some(document)
}

/// Whether a text may be of a kind of document that names artifacts, by its file's name and what
/// stands in it. Unlike [`read`], it looks at all of the text.
pub fn may_name_artifacts(name: &str, text: &str) -> bool {
    !table::rows(name, text).is_empty()
}

/// From a byte to its line's end; the whole line, where that is nothing.
fn rest_of_line(places: &Places<'_>, byte: usize) -> Range {
    let line = places.line(places.line_of(byte));
    let rest = byte.clamp(line.start, line.end)..line.end;
    let is_blank = places.text()[rest.clone()].trim().is_empty();
    places.range(if is_blank { line } else { rest })
}

/// What is being typed at a place of a document.
pub fn at(name: &str, text: &str, cursor: Position, plain: &PlainHosts) -> Option<Partial> {
    let (text, _) = shortened(text);
    let places = Places::new(text);
    let byte = places.at(cursor)?;
    // Half a reference is seldom YAML, as `ghcr.io/acme/echo:`; with a letter it is. Quotes may not
    // be closed yet.
    ["x", "x\"", "x'"].iter().find_map(|letter| {
        let with = format!("{}{letter}{}", &text[..byte], &text[byte..]);
        let document = read(name, &with, plain)?;
        let here = |found: &&Found| {
            let Range { start, end } = found.range;
            start <= cursor && cursor < end
        };
        let found = document.references.iter().find(here)?;
        partial(found, &places, byte, plain)
    })
}

/// What is typed, of what was found in the text with one letter more at that byte.
fn partial(found: &Found, places: &Places<'_>, byte: usize, plain: &PlainHosts) -> Option<Partial> {
    let text = places.text();
    let start = places.at(found.range.start)?;
    let typed = text.get(start..byte)?;
    let end = start + found.written.len().checked_sub(1)?;
    // What is put in for the quotes that are missing does not count.
    let end = end.min(places.line(places.line_of(byte)).end).max(byte);
    let tag = typed
        .rfind(['/', ':', '@'])
        .filter(|at| typed[*at..].starts_with(':'));
    let tag = tag.and_then(|colon| {
        let name = found::without_scheme(&typed[..colon]);
        let Ok(Reference::Registry(repository)) = plain.reference(name) else {
            return None;
        };
        let behind = text.get(byte..end)?;
        let end = byte + behind.find('@').unwrap_or(behind.len());
        Some(PartialTag {
            repository,
            typed: typed[colon + 1..].to_owned(),
            range: places.range(start + colon + 1..end),
        })
    });
    Some(Partial {
        format: found.format,
        range: places.range(start..end),
        typed: typed.to_owned(),
        tag,
    })
}

fn shortened(text: &str) -> (&str, bool) {
    let short = crate::name::shortened(text, LONGEST);
    (short, short.len() < text.len())
}

/// What a tree names, in all rows that it may be of; one more than there may be, where there is
/// more.
fn find(
    tree: &Tree<'_>,
    rows: &[&Row],
    places: &Places<'_>,
    plain: &PlainHosts,
    content: &dyn Fn(&Scalar<'_>) -> ops::Range<usize>,
) -> Vec<Found> {
    let mut all = Vec::new();
    for (row, root) in rows.iter().zip(std::iter::repeat(tree.root())) {
        let Some(root) = root else { break };
        row.read(root, &mut |named| {
            if all.len() > MOST {
                return;
            }
            let Some(at) = named.at.scalar() else { return };
            let digest = named
                .digest
                .and_then(|(demands, at)| Some((demands, at.scalar()?)));
            let digest = digest.and_then(|(demands, at)| Some((demands, Value::of(at, content)?)));
            let Some(value) = Value::of(at, content) else {
                return;
            };
            let composed = named.composed.as_deref();
            all.extend(found::found(
                places, plain, row.format, &value, composed, digest,
            ));
        });
    }
    all
}

#[cfg(test)]
mod tests;
