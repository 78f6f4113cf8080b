//! Paths as they were typed. The service is told absolute ones, and so it answers with these; people
//! are shown what they wrote.

use std::path::Path;

/// What was typed for what the service was told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spelling(Vec<Pair>);

#[derive(Debug, Clone)]
struct Pair {
    told: String,
    typed: String,
}

impl Spelling {
    /// A path, and the absolute one that the service was told.
    pub(crate) fn path(typed: &Path, told: &str) -> Self {
        let typed = typed.to_string_lossy().into_owned();
        // What lies in the current folder needs no folder before its name. The root has none to
        // take away.
        if typed == "." && told != "/" {
            return Self::of(&format!("{told}/"), "").and(Self::of(told, "."));
        }
        Self::of(told, &typed)
    }

    /// A reference, and the one with an absolute folder that the service was told.
    pub(crate) fn reference(typed: &str, told: &str) -> Self {
        match (layout(typed), layout(told)) {
            (Some(typed), Some(told)) => Self::of(told, typed),
            _ => Self::default(),
        }
    }

    /// Standard input, which the service knows as a file.
    pub(crate) fn input(told: &str) -> Self {
        // Commands want a file in its place, whose name nobody knows.
        let command = Self::of(&format!("`vouch sign {told}`"), "`vouch sign FILE`");
        let quoted = Self::of(&format!("`vouch sign '{told}'`"), "`vouch sign FILE`");
        command.and(quoted).and(Self::of(told, "standard input"))
    }

    fn of(told: &str, typed: &str) -> Self {
        if told.is_empty() || told == "/" || told == typed {
            return Self::default();
        }
        Self(vec![Pair {
            told: told.to_owned(),
            typed: typed.to_owned(),
        }])
    }

    /// Both.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// A text of the service, with the paths as they were typed.
    pub(crate) fn restore(&self, text: &str) -> String {
        self.0
            .iter()
            .fold(text.to_owned(), |text, pair| pair.restore(&text))
    }
}

/// The folder of a layout's reference, without tag and digest.
fn layout(reference: &str) -> Option<&str> {
    repository(reference).strip_prefix("oci:")
}

impl Pair {
    fn restore(&self, text: &str) -> String {
        let mut restored = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(found) = rest.find(&self.told) {
            let (before, at) = rest.split_at(found);
            let after = &at[self.told.len()..];
            restored.push_str(before);
            let whole = !restored.ends_with(is_name) && (self.told.ends_with('/') || ends(after));
            if whole {
                restored.push_str(&self.typed);
            } else {
                restored.push_str(&self.told);
            }
            rest = after;
        }
        restored + rest
    }
}

/// Whether a character goes on with a path's name.
fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '%' | '/')
}

/// Whether a path ends before this text: a slash begins the name of something inside it.
fn ends(after: &str) -> bool {
    let mut characters = after.chars();
    match characters.next() {
        None | Some('/') => true,
        // A full stop, or the beginning of an extension.
        Some('.') => characters.next().is_none_or(char::is_whitespace),
        Some(c) => !is_name(c),
    }
}

/// A reference without tag and digest.
pub(crate) fn repository(reference: &str) -> &str {
    // The colon of `oci:` begins no tag.
    let scheme = if reference.starts_with("oci:") { 4 } else { 0 };
    let name = reference
        .split_once('@')
        .map_or(reference, |(name, _)| name);
    match name.rfind(':').filter(|colon| *colon >= scheme) {
        // A port has a repository behind it, and a folder's part may have one inside.
        Some(colon) if !name[colon..].contains('/') => &name[..colon],
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_as_they_were_typed() {
        let check = |typed: &str, told: &str, text: &str, expected: &str| {
            let spelling = Spelling::path(Path::new(typed), told);
            assert_eq!(spelling.restore(text), expected, "{typed}");
        };
        let told = "/home/ann/a.wasm";
        check(
            "a.wasm",
            told,
            "/home/ann/a.wasm is not signed",
            "a.wasm is not signed",
        );
        check(
            "./a.wasm",
            told,
            "There is no /home/ann/a.wasm.",
            "There is no ./a.wasm.",
        );
        check(
            "a.wasm",
            told,
            "`/home/ann/a.wasm`: and (/home/ann/a.wasm)",
            "`a.wasm`: and (a.wasm)",
        );
        // Other paths that begin or end like it.
        for other in [
            "/home/ann/a.wasm.bak",
            "/home/ann/a.wasmer",
            "/mnt/home/ann/a.wasm",
            "/home/ann/a.wasm-2",
        ] {
            check("a.wasm", told, other, other);
        }
        check(
            "out",
            "/home/ann/out",
            "/home/ann/out/echo.wasm",
            "out/echo.wasm",
        );
        check(
            "out/",
            "/home/ann/out/",
            "/home/ann/out/echo.wasm",
            "out/echo.wasm",
        );
        check(".", "/home/ann", "/home/ann/echo.wasm", "echo.wasm");
        check(".", "/home/ann", "/home/ann is a folder", ". is a folder");
        check(".", "/", "/echo.wasm", "/echo.wasm");
        check("/a", "/a", "/a", "/a");
    }

    #[test]
    fn standard_input_is_shown_as_such() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Spelling::input("/tmp/vouch-x").restore(text), expected);
        };
        check("/tmp/vouch-x is not signed", "standard input is not signed");
        check(
            "Sign it: `vouch sign /tmp/vouch-x`.",
            "Sign it: `vouch sign FILE`.",
        );
        check(
            "Sign it: `vouch sign '/tmp/vouch-x'`.",
            "Sign it: `vouch sign FILE`.",
        );
    }

    #[test]
    fn layouts_are_shown_as_they_were_typed() {
        let check = |typed: &str, told: &str, text: &str, expected: &str| {
            assert_eq!(
                Spelling::reference(typed, told).restore(text),
                expected,
                "{typed}"
            );
        };
        let told = "oci:/home/ann/layout:1";
        check(
            "oci:layout:1",
            told,
            "oci:/home/ann/layout:1@sha256:00",
            "oci:layout:1@sha256:00",
        );
        check(
            "oci:layout:1",
            told,
            "/home/ann/layout is not a layout",
            "layout is not a layout",
        );
        check(
            "oci:./l",
            "oci:/h/l",
            "/h/l/index.json is missing",
            "./l/index.json is missing",
        );
        check(
            "oci:l@sha256:00",
            "oci:/h/l@sha256:00",
            "oci:/h/l@sha256:00",
            "oci:l@sha256:00",
        );
        check("oci:a:1/b", "oci:/h/a:1/b", "oci:/h/a:1/b", "oci:a:1/b");
        check(
            "ghcr.io/a/b:1",
            "ghcr.io/a/b:1",
            "ghcr.io/a/b:1",
            "ghcr.io/a/b:1",
        );
    }
}
