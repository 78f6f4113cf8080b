//! Paths as clients send them: absolute, or as `file:` URIs.

use crate::error::{Error, Result, error};
use percent_encoding::percent_decode_str;
use std::{ffi::OsString, fmt::Write as _, os::unix::ffi::OsStringExt, path::PathBuf};

/// The longest path or URI that is looked at, in bytes. Linux stops at 4096; a URI may need three
/// characters for each.
const LONGEST: usize = 3 * 4096 + 16;

/// Parses an absolute path or a `file:` URI.
pub fn parse_path(text: &str) -> Result<PathBuf> {
    if text.len() > LONGEST {
        return Err(wrong(text, "is too long for a path", None));
    }
    let path = match text.split_at_checked(5) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("file:") => parse_uri(text, rest)?,
        _ => PathBuf::from(text),
    };
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(wrong(text, "contains a NUL", None));
    }
    if !path.is_absolute() {
        return Err(wrong(text, "is not an absolute path", None));
    }
    Ok(path)
}

/// RFC 8089, section 2: a host that is empty or `localhost`, and an absolute path. There is neither
/// a query nor a fragment. What a parser for the web would take out or turn into something else is
/// refused: the file would be another one.
fn parse_uri(text: &str, rest: &str) -> Result<PathBuf> {
    let path = match rest.strip_prefix("//") {
        Some(rest) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
                let meant = format!("`file:///{}`", escaped(rest));
                return Err(wrong(text, "names a file of another host", Some(&meant)));
            }
            path
        }
        None => rest,
    };
    let meant = || {
        let absolute = path.starts_with('/');
        absolute.then(|| format!("`file://{}`", escaped(path)))
    };
    if path.contains(|c: char| c.is_ascii_control() || matches!(c, '#' | '?' | '\\')) {
        let why = "has a character that a `file:` URI has to escape";
        return Err(wrong(text, why, meant().as_deref()));
    }
    let Some(bytes) = unescaped(path) else {
        let why = "has a `%` without two hex digits behind it";
        return Err(wrong(text, why, meant().as_deref()));
    };
    // No file's name has one, and the path would have more parts than the URI.
    if path.to_ascii_lowercase().contains("%2f") {
        return Err(wrong(text, "has an escaped `/`", None));
    }
    Ok(OsString::from_vec(bytes).into())
}

/// What a text means whose bytes may be percent-encoded; nothing where a `%` escapes nothing.
pub(crate) fn unescaped(text: &str) -> Option<Vec<u8>> {
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let all_escape = text.split('%').skip(1).all(is_escape);
    all_escape.then(|| percent_decode_str(text).collect())
}

/// A URI's path with all escaped that has to be, and a `%` that escapes nothing too.
fn escaped(path: &str) -> String {
    let is_escape = |at: usize| {
        let digits = path.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let mut uri = String::new();
    for (at, character) in path.char_indices() {
        match character {
            '%' if is_escape(at) => uri.push('%'),
            '#' | '?' | '\\' | '%' | '\0'..=' ' | '\x7f' => {
                // Writing to a text cannot fail.
                let _ = write!(uri, "%{:02X}", u32::from(character));
            }
            _ => uri.push(character),
        }
    }
    uri
}

fn wrong(text: &str, why: &str, meant: Option<&str>) -> Error {
    let shown: String = text.chars().take(200).collect();
    let error = error!(InvalidPath: "{shown:?} {why}");
    match meant.filter(|meant| meant.len() <= 300) {
        Some(meant) => error.help(format!("Write {meant} if that is the file.")),
        None => error.help(
            "Send an absolute path, or a `file:` URI. The server does not know the folder you are in.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    use vouch_protocol::ErrorKind;
    use vouch_testing::seeds::seed;

    #[test]
    fn paths_and_uris() {
        let check = |text: &str, expected: Option<&str>| {
            seed("path", text);
            assert_eq!(parse_path(text).ok(), expected.map(PathBuf::from), "{text}");
        };
        check("/tmp/a b.wasm", Some("/tmp/a b.wasm"));
        // Of a plain path every character is what it is.
        check("/D/c#/a?b\\c%20\t", Some("/D/c#/a?b\\c%20\t"));
        check("file:///tmp/a%20b.wasm", Some("/tmp/a b.wasm"));
        check("file:///tmp/a b.wasm", Some("/tmp/a b.wasm"));
        check("file:///tmp/%c3%A9/é", Some("/tmp/é/é"));
        check("file:///D/c%23/a%3Fb%5cc%09", Some("/D/c#/a?b\\c\t"));
        check("file:///a%2520", Some("/a%20"));
        // Where links lead is for the system to see, as of a plain path.
        check("file:///tmp/../a/./b", Some("/tmp/../a/./b"));
        check("FILE:///tmp/a", Some("/tmp/a"));
        check("file:/tmp/a", Some("/tmp/a"));
        check("file://localhost/tmp/a", Some("/tmp/a"));
        check("file://LOCALHOST/tmp/a", Some("/tmp/a"));
        check("file://elsewhere/tmp/a", None);
        check("file://", None);
        check("file:", None);
        check("file:a", None);
        check("file:///tmp/a%00b", None);
        check("file:///tmp/a%2Fb", None);
        check("relative.wasm", None);
        check("~/echo.wasm", None);
        check("http://ghcr.io/a", None);
        check("/tmp/a\0b", None);
        check("", None);
        check(&"/".repeat(LONGEST + 1), None);
    }

    #[test]
    fn the_right_spelling_is_told() {
        let check = |text: &str, expected: &str| {
            let error = parse_path(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::InvalidPath);
            let help = error.data().help.expect("it helps");
            assert!(help.contains(&format!("`{expected}`")), "{help}");
            assert!(parse_path(expected).is_ok(), "{expected}");
        };
        check("file:///D/c#/echo.wasm", "file:///D/c%23/echo.wasm");
        check("file:///a?b.wasm", "file:///a%3Fb.wasm");
        check("file:///a\tb", "file:///a%09b");
        check("file:///a\nb", "file:///a%0Ab");
        check("file:///a\x7fb", "file:///a%7Fb");
        check("file:///a\\b%20c", "file:///a%5Cb%20c");
        check("file:///100%", "file:///100%25");
        check("file:///100%zz", "file:///100%25zz");
        check("file://tmp/a.wasm", "file:///tmp/a.wasm");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(file:/{0,3})?\\PC{0,100}") {
            let _ = parse_path(&text);
        }

        /// What is escaped is what it was, whatever bytes a path has.
        #[test]
        fn a_uri_is_its_path(bytes in prop::collection::vec(1_u8.., 0..60)) {
            let mut uri = "file:///".to_owned();
            for byte in &bytes {
                if *byte == b'/' {
                    uri.push('/');
                } else {
                    let _ = write!(uri, "%{byte:02x}");
                }
            }
            let path = parse_path(&uri).expect("it is a URI");
            let expected = [b"/".as_slice(), &bytes].concat();
            prop_assert_eq!(path.as_os_str(), OsStr::from_bytes(&expected));
        }
    }
}
