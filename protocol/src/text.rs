//! Words of strangers: names in claims, messages of registries, references of other clients.

/// Whether a character could do more to a terminal or a line than stand there: control characters,
/// line breaks, marks of direction, invisible ones. Escape them before people see a text.
pub fn acts(c: char) -> bool {
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
    fn what_does_more_than_stand_there() {
        for c in
            "\0\n\r\t\u{1b}\u{7f}\u{9b}\u{61c}\u{200b}\u{202e}\u{2066}\u{feff}\u{e0041}".chars()
        {
            assert!(acts(c), "{c:?}");
        }
        for c in " az09–ü✓\u{fffd}\u{a0}".chars() {
            assert!(!acts(c), "{c:?}");
        }
    }
}
