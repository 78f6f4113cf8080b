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

/// A text with the letters and slashes that its escapes in YAML or JSON stand for, and lines that go on
/// joined: enough to look for a name in it. Other escapes, such as a line break's, are letters here.
pub fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        plain.push_str(before);
        let digits = match behind.bytes().next() {
            Some(b'x') => 2,
            Some(b'u') => 4,
            Some(b'U') => 8,
            _ => 0,
        };
        let number = behind.get(1..=digits).filter(|_| digits > 0);
        let number = number.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        rest = match number.and_then(char::from_u32) {
            Some(char) => {
                plain.push(char);
                &behind[1 + digits..]
            }
            // It goes on in the next line.
            None if behind.starts_with(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) => {
                behind.trim_start()
            }
            // What stands for itself; no other escape is a part of a name.
            None => {
                let mut chars = behind.chars();
                plain.extend(chars.next());
                chars.as_str()
            }
        };
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_as_far_as_names_need_it() {
        let check = |text: &str, expected: &str| assert_eq!(unescaped(text), expected);
        check("plain", "plain");
        check(r"oci:\/\/a", "oci://a");
        check(r"\u0061\x62\U00000063", "abc");
        check("a\\\n  b\\\u{2028} c", "abc");
        check(r"\ud83d \u12 \xü", "ud83d u12 xü");
        check("\\", "");
    }

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
