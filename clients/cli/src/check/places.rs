//! Documents in folders, and places in them.

use crate::{failure::Failure, spool};
use std::{
    fs::{self, File},
    io::{self, IsTerminal as _, Read},
    path::{Path, PathBuf},
};
use vouch_client::protocol::{Range, unescaped};

/// The longest document that is sent, in bytes: what the service takes.
const LONGEST: u64 = 1024 * 1024;
/// How much of a longer file is looked through for what would make it a document.
const LOOKED_THROUGH: u64 = 16 * LONGEST;
/// How deep folders are looked into.
const DEPTH: usize = 64;
/// Files of other kinds are not even read.
const ENDS: [&str; 9] = [
    ".yaml",
    ".yml",
    ".json",
    "wkg.lock",
    "wasm.toml",
    "wasm.lock",
    "wasm.lock.toml",
    "spin.toml",
    "config.toml",
];
/// What is in them is not ours to judge: others' code, and what is made anew.
const SKIPPED: [&str; 3] = [".git", "node_modules", "target"];
/// One of these stands in each document in YAML or JSON, once its escapes are undone.
const MARKS: [&str; 3] = ["apiVersion", "oci://", "registry://"];
/// How many of [`ENDS`] are any YAML or JSON.
const ANY: usize = 3;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    /// Lines and UTF-16 code units, from zero.
    pub(crate) range: Range,
    /// The column that people count, in characters, from one.
    pub(crate) column: usize,
}

impl Place {
    pub(super) fn new(path: &Path, text: &str, range: Range) -> Self {
        let line = text
            .split('\n')
            .nth(range.start.line as usize)
            .unwrap_or_default();
        let mut units = 0;
        let before = line.chars().take_while(|char| {
            units += char.len_utf16();
            units <= range.start.character as usize
        });
        let column = before.count() + 1;
        Self {
            path: path.to_owned(),
            range,
            column,
        }
    }
}

/// The files that a path stands for: itself, or those in the folder that may be documents, in order.
pub(super) fn documents(
    path: PathBuf,
) -> impl Iterator<Item = Result<PathBuf, (PathBuf, Failure)>> {
    let mut waiting = vec![(path, 0)];
    let mut is_named = true;
    std::iter::from_fn(move || {
        while let Some((path, depth)) = waiting.pop() {
            let named = std::mem::take(&mut is_named);
            if !path.is_dir() {
                return Some(Ok(path));
            }
            // A symbolic link is followed where it is named itself, and so to no end nowhere.
            if !named && path.is_symlink() || depth > DEPTH {
                continue;
            }
            match entries(&path) {
                Ok(found) => {
                    waiting.extend(found.into_iter().rev().map(|found| (found, depth + 1)));
                }
                Err(error) => {
                    let failure = Failure::new(format!("cannot list it: {error}"));
                    return Some(Err((path, failure)));
                }
            }
        }
        None
    })
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type()?;
        let is_wanted = if kind.is_dir() {
            !SKIPPED.contains(&name.as_ref())
        } else {
            ENDS.iter().any(|end| name.ends_with(end)) && entry.path().is_file()
        };
        if is_wanted {
            // As git and CI call it.
            let path = entry.path();
            found.push(
                path.strip_prefix(".")
                    .map_or_else(|_| path.clone(), Path::to_owned),
            );
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Whether a file that cannot be sent may be a document.
fn may_be_one(path: &Path, text: &str) -> bool {
    let name = path.to_string_lossy();
    let has_mark = |text: &str| MARKS.iter().any(|mark| text.contains(mark));
    ENDS[ANY..].iter().any(|end| name.ends_with(end))
        || has_mark(text)
        || text.contains('\\') && has_mark(&unescaped(text))
}

/// Whether a text says that it is UTF-16, as YAML may be.
fn is_wide(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xfe\xff") || bytes.starts_with(b"\xff\xfe")
}

/// Whether a path, as it was typed, stands for standard input. A file of that name is `./-`.
pub(super) fn is_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The text of standard input, whose name is `as_if`. Blocks, maybe for ever.
pub(super) fn input(as_if: &Path) -> Result<String, Failure> {
    let input = io::stdin();
    if input.is_terminal() {
        return Err(Failure::new("standard input is a terminal, not a manifest")
            .help("Write `vouch check - < FILE`, or pipe a manifest into it."));
    }
    match beginning(input.lock())? {
        bytes if bytes.is_empty() => Err(spool::empty()),
        bytes => whole(as_if, bytes)?.ok_or_else(not_a_manifest),
    }
}

/// It was named, and nothing in it was checked: that must not look like success.
pub(super) fn not_a_manifest() -> Failure {
    Failure::new("standard input is not a manifest of a known kind in YAML or JSON")
        .help("Lock files and the like are known by their names: `vouch check FILE`.")
}

/// A file's text; nothing of one that is too long or no text, and cannot be a document.
pub(super) fn text(path: &Path) -> Result<Option<String>, Failure> {
    // A pipe would have to be waited for.
    if !fs::metadata(path).map_err(cannot_read)?.is_file() {
        return Err(Failure::new("it is not a file"));
    }
    whole(path, beginning(File::open(path).map_err(cannot_read)?)?)
}

// As `map_err` takes it.
#[allow(clippy::needless_pass_by_value)]
fn cannot_read(error: io::Error) -> Failure {
    Failure::new(format!("cannot read it: {error}"))
}

fn beginning(from: impl Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(LOOKED_THROUGH)
        .read_to_end(&mut bytes)
        .map_err(cannot_read)?;
    Ok(bytes)
}

fn whole(path: &Path, bytes: Vec<u8>) -> Result<Option<String>, Failure> {
    if bytes.len() as u64 > LONGEST {
        if !is_wide(&bytes) && !may_be_one(path, &String::from_utf8_lossy(&bytes)) {
            return Ok(None);
        }
        let failure = Failure::new(format!("it has more than {LONGEST} bytes"));
        return Err(failure.help("Split it: it was not checked."));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(wrong) => {
            let bytes = wrong.as_bytes();
            if !is_wide(bytes) && !may_be_one(path, &String::from_utf8_lossy(bytes)) {
                return Ok(None);
            }
            let failure = Failure::new("it is not UTF-8");
            Err(failure.help("Write it as UTF-8: it was not checked."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use vouch_client::protocol::Position;

    #[test]
    fn columns_are_counted_in_characters() {
        let check = |text: &str, line: u32, character: u32, column: usize| {
            let start = Position { line, character };
            let place = Place::new(Path::new("a"), text, Range { start, end: start });
            assert_eq!(place.column, column, "{text:?}");
        };
        check("abc", 0, 0, 1);
        check("abc", 0, 2, 3);
        check("ä𝄞x", 0, 3, 3);
        check("a\r\n  b", 1, 2, 3);
        check("", 7, 9, 1);
    }

    #[test]
    fn documents_in_folders_are_found_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let here = |name: &str| folder.path().join(name);
        for folder in [".wash", "b/deep", "node_modules", "target", ".git"] {
            fs::create_dir_all(here(folder)).unwrap();
        }
        for name in [
            "z.yaml",
            "a.json",
            "b/deep/wkg.lock",
            ".wash/config.yaml",
            "node_modules/x.yaml",
            "target/x.yaml",
            ".git/x.yaml",
            "notes.txt",
            "Cargo.toml",
        ] {
            fs::write(here(name), "").unwrap();
        }
        symlink("..", here("b/up")).unwrap();
        symlink("nowhere", here("gone.yaml")).unwrap();
        let found: Vec<_> = documents(folder.path().to_owned())
            .map(|found| found.unwrap())
            .collect();
        let expected = [".wash/config.yaml", "a.json", "b/deep/wkg.lock", "z.yaml"];
        assert_eq!(found, expected.map(here));
        // What is named is looked at, whatever it is called.
        assert_eq!(documents(here("notes.txt")).count(), 1);
        symlink(".", here("link")).unwrap();
        assert_eq!(documents(here("link")).count(), 4);
    }

    #[test]
    fn a_long_file_is_not_passed_over_where_it_may_be_a_document() {
        let folder = tempfile::tempdir().unwrap();
        let check = |head: &str, length: usize, expected: Result<bool, ()>| {
            let path = folder.path().join("x.yaml");
            fs::write(&path, format!("{head}{}", " ".repeat(length))).unwrap();
            let read = text(&path).map(|text| text.is_some()).map_err(|_| ());
            assert_eq!(read, expected, "{head:?} {length}");
        };
        check("", 10, Ok(true));
        check("", 1024 * 1024, Ok(true));
        check("", 1024 * 1024 + 1, Ok(false));
        check("apiVersion: x", 1024 * 1024, Err(()));
        check("\"api\\u0056ersion\": x", 1024 * 1024, Err(()));
        check("\"api\\x56er\\\n  sion\": x", 1024 * 1024, Err(()));
        check("{\"a\": \"oci:\\/\\/a\"}", 1024 * 1024, Err(()));
        check("{\"a\": \"\\\"\\u00e9\\\\\\u\"}", 1024 * 1024, Ok(false));
        assert!(text(folder.path()).is_err(), "a folder");
    }

    #[test]
    fn what_is_not_utf_8_is_not_read_as_if_it_were() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, bytes: &[u8], expected: Result<bool, ()>| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            let read = text(&path).map(|text| text.is_some()).map_err(|_| ());
            assert_eq!(read, expected, "{name} {bytes:?}");
        };
        let wide: Vec<u8> = "\u{feff}kind: Application"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        check("a.yaml", &wide, Err(()));
        let wide: Vec<u8> = "\u{feff}kind: Application"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        check("a.yaml", &wide, Err(()));
        check("a.yaml", b"apiVersion: \xe9", Err(()));
        check("a.yaml", b"name: caf\xe9", Ok(false));
        check("wkg.lock", b"name = 'caf\xe9'", Err(()));
        check("a.yaml", "name: caf\u{e9}".as_bytes(), Ok(true));
    }
}
