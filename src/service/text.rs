//! Other people's words, as they are shown and logged.

use crate::error::clean_to;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_path_the_end_is_shown() {
        assert_eq!(ending("/a/\u{1b}[2Jb\n.wasm"), "/a/[2Jb .wasm");
        let shown = ending(&format!("/{}/echo.wasm", "ü".repeat(1000)));
        assert_eq!(shown.chars().count(), SUBJECT + 1);
        assert!(shown.starts_with("…ü") && shown.ends_with("ü/echo.wasm"));
    }
}
