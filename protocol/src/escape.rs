//! Other people's words: names in claims, messages of registries, references of other clients.

/// Whether a character can do more in a line or on a terminal than be shown: control characters,
/// line breaks, direction marks, invisible ones. Escape them before a person sees the text.
pub fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A text whose characters do no more than be shown: what needs it is escaped as Rust does it,
/// `\n` or `\u{202e}`. One that was escaped stays as it is.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if needs_escape(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_escaped_once() {
        let once = escaped("a\u{1b}[2J\n\u{202e}bü\\");
        assert_eq!(once, "a\\u{1b}[2J\\n\\u{202e}bü\\");
        assert_eq!(escaped(&once), once);
    }

    #[test]
    fn what_needs_escaping() {
        for c in
            "\0\n\r\t\u{1b}\u{7f}\u{9b}\u{61c}\u{200b}\u{202e}\u{2066}\u{feff}\u{e0041}".chars()
        {
            assert!(needs_escape(c), "{c:?}");
        }
        for c in " az09–ü✓\u{fffd}\u{a0}".chars() {
            assert!(!needs_escape(c), "{c:?}");
        }
    }
}
