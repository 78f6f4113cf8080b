//! Other people's words, as they are shown and logged.

use crate::session::clean_to;

/// The longest reference or path that is shown or logged, in characters.
const SUBJECT: usize = 300;

/// A reference or path without what needs escaping; of a long one the end, which tells it from
/// others.
pub(super) fn ending(text: &str) -> String {
    let length = text.chars().count();
    if length <= SUBJECT {
        return clean_to(text, SUBJECT);
    }
    let end: String = text.chars().skip(length - SUBJECT).collect();
    format!("…{}", clean_to(&end, SUBJECT))
}

/// The beginning of a text, at most that many bytes.
pub(super) fn shortened(text: &str, longest: usize) -> &str {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_path_the_end_is_shown() {
        assert_eq!(ending("/a/\u{1b}[2Jb\n.wasm"), "/a/[2Jb.wasm");
        let shown = ending(&format!("/{}/echo.wasm", "ü".repeat(1000)));
        assert_eq!(shown.chars().count(), SUBJECT + 1);
        assert!(shown.starts_with("…ü") && shown.ends_with("ü/echo.wasm"));
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let check = |text: &str, longest, expected| {
            assert_eq!(shortened(text, longest), expected);
        };
        check("", 3, "");
        check("abc", 3, "abc");
        check("abcd", 3, "abc");
        check("ab\u{fc}", 3, "ab");
        check("\u{1f600}", 3, "");
    }
}
