//! Dependencies point one way, and one function only makes a file usable. The compiler does not
//! know; this test does.

#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each module may name those before it.
const ORDER: &[&str] = &[
    "error",
    "reference",
    "progress",
    "file",
    "artifact",
    "trust",
    "session",
    "registry",
    "config",
    "service",
    "transport",
    "demo",
    "logging",
    "main",
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file: its path within `src`, and its code without comments.
fn files() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).expect("the folder can be read") {
            let path = entry.expect("it has entries").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("it is text");
                let inside = path.strip_prefix(source()).expect("it is inside");
                found.push((inside.to_owned(), without_comments(&text)));
            }
        }
    }
    let mut found = Vec::new();
    walk(&source(), &mut found);
    assert!(found.len() > 10, "the sources were found");
    found
}

fn without_comments(text: &str) -> String {
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    text.lines().map(code).collect::<Vec<_>>().join("\n")
}

/// The module that a file belongs to, and how deep in the tree the file's own module is.
fn module(path: &Path) -> (String, usize) {
    let path = path.with_extension("");
    let mut names: Vec<_> = path
        .iter()
        .map(|name| name.to_str().expect("names are text").to_owned())
        .collect();
    if names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    (names[0].clone(), names.len())
}

/// The names that follow a path's prefix: one, or those of a group.
fn names_after(rest: &str) -> Vec<&str> {
    fn name(text: &str) -> &str {
        let text = text.trim_start();
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
        &text[..end.unwrap_or(text.len())]
    }
    let Some(group) = rest.trim_start().strip_prefix('{') else {
        return vec![name(rest)];
    };
    let mut names = vec![name(group)];
    let mut depth = 0_usize;
    for (index, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(&group[index + 1..])),
            _ => {}
        }
    }
    names
}

/// The names at the crate's root that a file's code uses.
fn root_names(code: &str, depth: usize) -> Vec<&str> {
    let up = "super::".repeat(depth);
    ["crate::", &up]
        .iter()
        .flat_map(|prefix| code.match_indices(*prefix))
        .flat_map(|(index, prefix)| names_after(&code[index + prefix.len()..]))
        .collect()
}

#[test]
fn no_module_names_one_to_its_right() {
    let place = |module: &str| ORDER.iter().position(|name| *name == module);
    for (path, code) in files() {
        let (own, depth) = module(&path);
        if own == "lib" {
            continue;
        }
        let here = place(&own).unwrap_or_else(|| panic!("{} has no place", path.display()));
        for name in root_names(&code, depth) {
            if let Some(there) = place(name) {
                let path = path.display();
                assert!(
                    there <= here,
                    "{path} names `{name}`, which is to its right"
                );
            }
        }
    }
}

#[test]
fn only_trust_gives_a_file_its_name() {
    for (path, code) in files() {
        let (own, _) = module(&path);
        if own == "trust" || own == "file" || !code.contains("Unnamed") {
            continue;
        }
        // Only that function of the name has arguments.
        let calls = code.match_indices(".name(").any(|(index, call)| {
            let arguments = code[index + call.len()..].trim_start();
            !arguments.starts_with(')')
        });
        assert!(
            !calls && !code.contains("Unnamed::name"),
            "{} names an unnamed file; only `trust` may",
            path.display()
        );
    }
}

#[test]
fn the_test_sees_what_it_looks_for() {
    let check = |code: &str, depth: usize, expected: &[&str]| {
        assert_eq!(root_names(code, depth), expected, "{code}");
    };
    check("use crate::service::Service;", 1, &["service"]);
    check(
        "use crate::{error::{Error, Result}, transport, file::Source};",
        1,
        &["error", "transport", "file"],
    );
    check("use crate::{\n    service,\n};", 1, &["service", ""]);
    check("use super::config;", 1, &["config"]);
    check("use super::config;", 2, &[]);
    check("use super::super::config;", 2, &["config"]);
    check("use super::{config, service};", 1, &["config", "service"]);
    assert_eq!(without_comments("a // crate::transport"), "a ");
    assert_eq!(module(Path::new("file/destination.rs")), ("file".into(), 2));
    assert_eq!(module(Path::new("service/mod.rs")), ("service".into(), 1));
}
