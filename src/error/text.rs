//! What others wrote, fit to be shown: in a message, in a check, in an editor.

use vouch_protocol::needs_escape;

/// The most characters of a stranger's text that are shown.
const LONGEST: usize = 300;

/// A stranger's text: short, on one line, and without characters that control a terminal, turn the
/// text round or cannot be seen.
pub(crate) fn clean(text: &str) -> String {
    clean_to(text, LONGEST)
}

/// The same, with at most `longest` characters.
pub(crate) fn clean_to(text: &str, longest: usize) -> String {
    let mut clean: String = text
        .trim()
        .chars()
        .filter_map(|c| match c {
            _ if !needs_escape(c) => Some(c),
            // What it separates stays separate.
            _ if c.is_whitespace() => Some(' '),
            _ => None,
        })
        .take(longest + 1)
        .collect();
    if let Some((end, _)) = clean.char_indices().nth(longest) {
        clean.truncate(end);
        clean.push('…');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_bounded_and_tame() {
        let check = |text: &str, expected: &str| assert_eq!(clean_to(text, 4), expected);
        check("a\u{202e}b\u{2066}c\u{61c}d\u{200b}", "abcd");
        check("a\u{1b}\u{9b}\u{7f}\u{feff}\u{e0041}b", "ab");
        check("\na\nb\u{2028}\n", "a b");
        check("née", "née");
        check("néeuu", "néeu…");
        check("néeuu\u{202e}", "néeu…");
        assert_eq!(clean(&"x".repeat(LONGEST + 9)).chars().count(), LONGEST + 1);
    }
}
