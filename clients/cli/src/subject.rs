//! What `vouch verify` looks at: files, what lies in folders, references, and standard input.

use crate::reference::reference;
use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

/// What was written behind `vouch verify`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    File(PathBuf),
    Folder(PathBuf),
    Reference(Reference),
    /// Standard input, written `-`.
    Input,
}

/// A reference as it was typed, and as the service is told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) typed: String,
    pub(crate) told: String,
}

impl Reference {
    /// Reads one; says what is wrong with one that cannot be meant.
    pub(crate) fn read(typed: &str) -> Result<Self, String> {
        Ok(Self {
            told: reference(typed)?,
            typed: typed.to_owned(),
        })
    }
}

impl Subject {
    /// Decides what is meant. A path that exists is a path, unless a reference is written so.
    pub(crate) fn read(text: &OsStr) -> Result<Self, String> {
        if text == "-" {
            return Ok(Self::Input);
        }
        let path = Path::new(text);
        // A link that leads nowhere is there, and so is what may not be looked at: the service says
        // what is wrong with it.
        let absent = |error: io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            )
        };
        let is_absent = fs::symlink_metadata(path).is_err_and(absent);
        match text.to_str() {
            Some(typed) if !is_absent && is_whole_reference(typed) => Err(format!(
                "it could mean two places: write `./{typed}` for what is there by that name, or \
                 `--reference {typed}` for the reference"
            )),
            Some(typed) if is_absent && names_registry_or_layout(typed) => {
                if may_be_file(typed) {
                    return Err(format!(
                        "there is no file {typed} here; if you mean a registry: `--reference {typed}`"
                    ));
                }
                Reference::read(typed).map(Self::Reference)
            }
            _ if fs::metadata(path).is_ok_and(|found| found.is_dir()) => {
                Ok(Self::Folder(path.to_owned()))
            }
            _ => Ok(Self::File(path.to_owned())),
        }
    }
}

/// Whether something that is not there is written as a reference is, rightly or not.
fn names_registry_or_layout(text: &str) -> bool {
    if text.starts_with("oci:") {
        return true;
    }
    if text.starts_with(['/', '.', '~']) {
        return false;
    }
    has_registry(text) || has_tag_or_digest(text)
}

/// Whether a text is written as a reference that says where, and which.
fn is_whole_reference(text: &str) -> bool {
    let is_path = text.starts_with(['/', '.', '~']);
    text.starts_with("oci:") || !is_path && has_registry(text) && has_tag_or_digest(text)
}

fn has_registry(text: &str) -> bool {
    let host = text.split_once('/').map(|(first, _)| first);
    host.is_some_and(|host| host == "localhost" || host.contains(['.', ':']))
}

fn has_tag_or_digest(text: &str) -> bool {
    let last = text.rsplit('/').next().unwrap_or_default();
    last.contains([':', '@'])
}

/// Whether a reference could be a file that was misspelt: it ends as artifacts do, and has neither
/// tag nor digest.
fn may_be_file(text: &str) -> bool {
    let last = text.rsplit('/').next().unwrap_or_default();
    !has_tag_or_digest(text) && is_named_as_artifact(OsStr::new(last))
}

/// Whether a file's name is one that artifacts have.
fn is_named_as_artifact(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    [".wasm", ".par", ".par.gz"].into_iter().any(|end| {
        name.len()
            .checked_sub(end.len())
            .is_some_and(|begin| name[begin..].eq_ignore_ascii_case(end.as_bytes()))
    })
}

/// The artifacts in a folder and the folders in it, by their names, in order. Links are not followed
/// into folders. Whatever has an artifact's name and is not a folder counts, so that nothing is
/// passed over in silence.
pub(crate) fn artifacts_in(folder: PathBuf) -> impl Iterator<Item = Result<PathBuf, Unreadable>> {
    let mut waiting = vec![(folder, true)];
    std::iter::from_fn(move || {
        while let Some((path, is_folder)) = waiting.pop() {
            if !is_folder {
                return Some(Ok(path));
            }
            match entries(&path) {
                Ok(mut found) => {
                    found.sort_unstable_by(|one, other| other.cmp(one));
                    waiting.append(&mut found);
                }
                Err(error) => return Some(Err(Unreadable { path, error })),
            }
        }
        None
    })
}

/// A folder that cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) path: PathBuf,
    pub(crate) error: io::Error,
}

/// Folders, and files with an artifact's name; whether each is a folder.
fn entries(folder: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        if is_folder || is_named_as_artifact(&entry.file_name()) {
            found.push((folder.join(entry.file_name()), is_folder));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_not_there_may_be_a_reference() {
        let file = |text: &str| Ok(Subject::File(text.into()));
        let check = |text: &str, expected: Result<Subject, &str>| match (
            Subject::read(OsStr::new(text)),
            expected,
        ) {
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{text}: {why}"),
            (read, expected) => assert_eq!(read, expected.map_err(str::to_owned), "{text}"),
        };
        let reference = |text: &str| Ok(Subject::Reference(Reference::read(text).unwrap()));
        check("-", Ok(Subject::Input));
        check("ghcr.io/acme/echo:1", reference("ghcr.io/acme/echo:1"));
        check("ghcr.io/acme/echo", reference("ghcr.io/acme/echo"));
        check("localhost/acme/echo", reference("localhost/acme/echo"));
        check("localhost:5000/echo:1", reference("localhost:5000/echo:1"));
        check("oci:absent:1", reference("oci:absent:1"));
        // Without a registry: the service says that one is missing.
        check("acme/echo:1", reference("acme/echo:1"));
        check("acme/echo@sha256:00", reference("acme/echo@sha256:00"));
        check(
            "ghcr.io/acme/echo.wasm:1",
            reference("ghcr.io/acme/echo.wasm:1"),
        );
        // It could be either.
        check(
            "build.out/echo.wasm",
            Err("--reference build.out/echo.wasm"),
        );
        check(
            "build.out/echo.par.gz",
            Err("--reference build.out/echo.par.gz"),
        );
        // Paths, which are missing.
        check("echo.wasm", file("echo.wasm"));
        check("target/echo.wasm", file("target/echo.wasm"));
        check("./ghcr.io/acme/echo:1", file("./ghcr.io/acme/echo:1"));
        check("../a.b/c:1", file("../a.b/c:1"));
        check("/ghcr.io/acme/echo:1", file("/ghcr.io/acme/echo:1"));
        check("", file(""));
    }

    #[test]
    fn a_path_that_is_there_is_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let here = |name: &str| folder.path().join(name);
        fs::create_dir_all(here("ghcr.io/acme")).unwrap();
        fs::write(here("ghcr.io/acme/echo:1"), "").unwrap();
        symlink("nowhere", here("dangling:1")).unwrap();
        symlink("ghcr.io", here("linked")).unwrap();
        let check = |name: &str, expected: fn(PathBuf) -> Subject| {
            let path = here(name);
            assert_eq!(Subject::read(path.as_os_str()), Ok(expected(path)));
        };
        check("ghcr.io/acme/echo:1", Subject::File);
        check("dangling:1", Subject::File);
        check("ghcr.io", Subject::Folder);
        check("linked", Subject::Folder);
    }

    #[test]
    fn only_what_says_where_and_which_could_be_both() {
        let check = |text: &str, expected: bool| {
            assert_eq!(is_whole_reference(text), expected, "{text}");
        };
        check("ghcr.io/acme/echo:1", true);
        check("localhost/echo@sha256:00", true);
        check("registry:5000/echo:1", true);
        check("oci:layout", true);
        // No registry, or no tag: it names nothing there.
        check("acme/echo:1", false);
        check("build.out/echo.wasm", false);
        check("./ghcr.io/acme/echo:1", false);
        check("/ghcr.io/acme/echo:1", false);
        check("~/x.y/echo:1", false);
        check("echo.wasm", false);
    }

    #[test]
    fn artifacts_in_folders_are_found_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let here = |name: &str| folder.path().join(name);
        fs::create_dir_all(here("b/deep.wasm/er")).unwrap();
        for name in [
            "c.wasm",
            "a.WASM",
            "b/x.par",
            "b/deep.wasm/er/y.par.gz",
            "b/notes.txt",
            "b/x.par.gz.sig",
            "wasm",
        ] {
            fs::write(here(name), "").unwrap();
        }
        // Into a circle; and to where nothing is.
        symlink("..", here("b/up")).unwrap();
        symlink("nowhere", here("z.wasm")).unwrap();
        let found: Vec<_> = artifacts_in(folder.path().to_owned())
            .map(|found| found.unwrap())
            .collect();
        let expected = [
            "a.WASM",
            "b/deep.wasm/er/y.par.gz",
            "b/x.par",
            "c.wasm",
            "z.wasm",
        ];
        assert_eq!(found, expected.map(here));
        let missing: Vec<_> = artifacts_in(here("absent")).collect();
        assert!(
            matches!(&missing[..], [Err(Unreadable { .. })]),
            "{missing:?}"
        );
    }
}
