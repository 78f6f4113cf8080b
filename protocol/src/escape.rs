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

#[cfg(test)]
mod tests {
    use super::*;

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
