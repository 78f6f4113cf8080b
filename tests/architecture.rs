//! Dependencies point one way. The compiler does not know; this test does.

#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Each module may name those before it.
const ORDER: &[&str] = &[
    "error",
    "name",
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
    "arguments",
    "settings",
    "reload",
    "detach",
    "serve",
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

/// The code alone: comments are left out, and of strings their quotes are kept. What stands in
/// either is no code.
fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = string(rest, code.chars().last()) {
            code.push_str("\"\"");
            length
        } else if let Some(length) = character(rest) {
            code.push_str("' '");
            length
        } else {
            code.push(first);
            first.len_utf8()
        };
        rest = &rest[skipped..];
    }
    code
}

/// The length of a block comment, others within it included.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut index = 0;
    while index < text.len() {
        let rest = &text.as_bytes()[index..];
        if rest.starts_with(b"/*") {
            depth += 1;
            index += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            index += 2;
            if depth == 0 {
                break;
            }
        } else {
            index += 1;
        }
    }
    index
}

/// The length of the string that begins here, where one does: plain, raw, of bytes, or of C.
fn string(text: &str, before: Option<char>) -> Option<usize> {
    // Within a name its letters are no prefix.
    let within = before.is_some_and(|before| before.is_alphanumeric() || before == '_');
    if within && !text.starts_with('"') {
        return None;
    }
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| {
            let hashes: &[_] = if prefix.ends_with('r') { &['#'] } else { &[] };
            rest.trim_start_matches(hashes).starts_with('"')
        })
    })?;
    let after = &text[prefix.len()..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    let begin = prefix.len() + hashes + 1;
    if prefix.ends_with('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        let found = text[begin..].find(&end)?;
        return Some(begin + found + end.len());
    }
    let mut escaped = false;
    for (index, character) in text[begin..].char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(begin + index + 1),
            _ => {}
        }
    }
    None
}

/// The length of the character that begins here, where it is one and no lifetime.
fn character(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    let mut characters = inside.chars();
    let length = match characters.next()? {
        // The character behind the backslash may be a quote itself.
        '\\' => {
            let escape = characters.next()?.len_utf8();
            1 + escape + inside[1 + escape..].find('\'')?
        }
        first => first.len_utf8(),
    };
    inside[length..].starts_with('\'').then_some(length + 2)
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

/// What a module must never name, by whatever way it came there.
#[test]
fn some_things_are_for_some_modules_only() {
    let check = |module: &str, forbidden: &[&str]| {
        let mut seen = 0;
        for (path, code) in files() {
            let part = |name: &str| path.iter().any(|part| part == name);
            let tests = part("tests") || part("tests.rs");
            if tests || !(path.starts_with(module) || path == Path::new(module)) {
                continue;
            }
            seen += 1;
            let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap();
            for word in forbidden {
                let path = path.display();
                assert!(!code.contains(word), "{path} names `{word}`");
            }
        }
        assert!(seen > 0, "there is no {module}");
    };
    // How clients come and in what form they speak is the transport's.
    let sockets = [
        "UnixListener",
        "UnixStream",
        "AsyncRead",
        "AsyncWrite",
        "tokio::net",
    ];
    check("service", &sockets);
    // It judges bytes, wherever they come from, and waits for nothing.
    let runtime = [
        "async ", ".await", "tokio", "reqwest", "std::net", "std::fs",
    ];
    check("artifact", &runtime);
    check("trust.rs", &runtime);
    // One place alone speaks to registries, so that none is asked without its session.
    check("registry", &["Client::builder", "Client::new"]);
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
    let check = |text: &str, expected: &str| {
        assert_eq!(without_comments(text), expected, "{text}");
    };
    check("a // crate::transport", "a ");
    check("a // b\nc", "a \nc");
    check("/*/ a */ b /* c", " b ");
    check("a /* b /* c */ d */ e", "a  e");
    check("let a = \"https://b\"; c", "let a = \"\"; c");
    check("\"\\\"//\" a", "\"\" a");
    check("r\"\\\" a", "\"\" a");
    check("br##\"\"#//\"## a", "\"\" a");
    check("for\"//\" a", "for\"\" a");
    check(
        "['\"', b'\\'', '\\u{22}', '/'] // a",
        "[' ', b' ', ' ', ' '] ",
    );
    check("fn f<'a>(x: &'a str) // b", "fn f<'a>(x: &'a str) ");
    assert_eq!(module(Path::new("file/destination.rs")), ("file".into(), 2));
    assert_eq!(module(Path::new("service/mod.rs")), ("service".into(), 1));
}
