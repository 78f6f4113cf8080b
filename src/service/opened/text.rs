//! Edits as editors send them: lines, and UTF-16 code units within a line.

use ropey::{Rope, RopeSlice};
use vouch_protocol::{Position, Range};

/// The longest text that is kept, in bytes.
pub(super) const LONGEST: usize = 1 << 20;

/// A text that would be longer than is kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Replaces a part of a text.
pub(super) fn edit(text: &mut Rope, range: Range, new: &str) -> Result<(), TooLong> {
    let (one, other) = (place(text, range.start), place(text, range.end));
    // Some clients have them the other way round.
    let (start, end) = (one.min(other), one.max(other));
    let bytes = |at: usize| text.try_char_to_byte(at).unwrap_or(text.len_bytes());
    let removed = bytes(end) - bytes(start);
    if text.len_bytes() - removed + new.len() > LONGEST {
        return Err(TooLong);
    }
    // Both stand within the text.
    text.remove(start..end);
    text.insert(start, new);
    Ok(())
}

/// Where a position stands, in characters. One beyond the end of a line means that end; one beyond
/// the last line, the end of the text; one within a character, its beginning.
fn place(text: &Rope, position: Position) -> usize {
    let line = usize::try_from(position.line).unwrap_or(usize::MAX);
    let (Some(slice), Ok(start)) = (text.get_line(line), text.try_line_to_char(line)) else {
        return text.len_chars();
    };
    let end = slice.char_to_utf16_cu(length(slice));
    let wanted = usize::try_from(position.character).unwrap_or(usize::MAX);
    start + slice.utf16_cu_to_char(wanted.min(end))
}

/// How many characters a line has, without its line break.
fn length(line: RopeSlice<'_>) -> usize {
    let all = line.len_chars();
    let before = |count: usize| {
        let at = all.checked_sub(count)?;
        line.get_char(at)
    };
    match (before(2), before(1)) {
        (Some('\r'), Some('\n')) => all - 2,
        (_, Some('\r' | '\n')) => all - 1,
        _ => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(start: (u32, u32), end: (u32, u32)) -> Range {
        let position = |(line, character)| Position { line, character };
        Range {
            start: position(start),
            end: position(end),
        }
    }

    #[test]
    #[rustfmt::skip] // a row of the table is a line
    fn edits_count_lines_and_utf_16() {
        let check = |text: &str, start, end, new: &str, expected: &str, why: &str| {
            let mut rope = Rope::from_str(text);
            edit(&mut rope, range(start, end), new).unwrap();
            assert_eq!(rope.to_string(), expected, "{why}");
        };
        check("", (0, 0), (0, 0), "a", "a", "an empty text");
        check("ab\ncd", (0, 1), (1, 1), "-", "a-d", "over a line break");
        check("ab\r\ncd", (0, 9), (0, 9), "-", "ab-\r\ncd", "before both characters of a line break");
        check("ab\rcd", (1, 0), (1, 1), "", "ab\rd", "an old Macintosh's");
        check("ab\n", (1, 0), (1, 0), "c", "ab\nc", "behind the last line break");
        check("ab", (7, 3), (9, 0), "c", "abc", "behind the last line");
        check("a\u{2028}b\u{b}c\u{85}d", (0, 3), (0, 4), "", "a\u{2028}b\u{c}d".replace('\u{c}', "c\u{85}").as_str(), "what only Unicode calls a line break");
        check("😀é", (0, 2), (0, 3), "e", "😀e", "two units for one character");
        check("😀é", (0, 1), (0, 1), "-", "-😀é", "within a character");
        check("abc", (0, 2), (0, 1), "-", "a-c", "the wrong way round");
        check("abc", (0, u32::MAX), (u32::MAX, u32::MAX), "-", "abc-", "far beyond");
    }

    #[test]
    fn a_text_stays_within_its_bounds() {
        let full = "x".repeat(LONGEST);
        let mut rope = Rope::from_str(&full);
        assert_eq!(edit(&mut rope, range((0, 0), (0, 0)), "y"), Err(TooLong));
        assert_eq!(edit(&mut rope, range((0, 0), (0, 1)), "y"), Ok(()));
        assert_eq!(rope.len_bytes(), LONGEST);
    }

    /// The same by the simplest way there is.
    fn simple(text: &str, range: Range, new: &str) -> String {
        let units: Vec<u16> = text.encode_utf16().collect();
        let place = |position: Position| {
            let (mut at, mut line) = (0, 0);
            while line < position.line {
                match units.get(at) {
                    None => return at,
                    Some(13) if units.get(at + 1) == Some(&10) => (at, line) = (at + 2, line + 1),
                    Some(10 | 13) => (at, line) = (at + 1, line + 1),
                    Some(_) => at += 1,
                }
            }
            let mut left = position.character;
            while left > 0 && !matches!(units.get(at), None | Some(10 | 13)) {
                (at, left) = (at + 1, left - 1);
            }
            // Within a character.
            if matches!(units.get(at), Some(0xdc00..0xe000)) {
                at -= 1;
            }
            at
        };
        let (one, other) = (place(range.start), place(range.end));
        let (start, end) = (one.min(other), one.max(other));
        let mut all = units.clone();
        all.splice(start..end, new.encode_utf16());
        String::from_utf16(&all).unwrap()
    }

    proptest! {
        #[test]
        fn edits_are_what_the_simplest_way_makes_of_them(
            text in "[a😀é\r\n\u{2028}]{0,40}",
            edits in prop::collection::vec(
                (((0u32..8), (0u32..8)), ((0u32..8), (0u32..8)), "[b😀\r\n]{0,5}"), 0..20),
        ) {
            let mut rope = Rope::from_str(&text);
            let mut expected = text;
            for (start, end, new) in edits {
                let range = range(start, end);
                expected = simple(&expected, range, &new);
                edit(&mut rope, range, &new).unwrap();
                prop_assert_eq!(rope.to_string(), expected.as_str());
            }
        }
    }
}
