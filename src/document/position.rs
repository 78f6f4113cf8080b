//! Places in a text, as editors count them: zero-based lines, and UTF-16 code units in a line.

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The line, from zero. Lines end with `\n`, `\r\n` or `\r`.
    pub line: u32,
    /// UTF-16 code units from the line's start.
    pub character: u32,
}

/// A piece of a text; its end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Range {
    /// Where it starts.
    pub start: Position,
    /// Where it ends.
    pub end: Position,
}

/// Characters between two marks.
const STEP: usize = 64;

/// Where a text's lines and characters are. Finding a place costs a search and at most [`STEP`]
/// characters, so that a text of one long line costs no more than another.
pub(super) struct Places<'t> {
    text: &'t str,
    /// The first byte of each line.
    lines: Vec<usize>,
    /// Of every [`STEP`]th character: its byte, and the UTF-16 code units before it.
    marks: Vec<(usize, usize)>,
}

impl<'t> Places<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut lines = vec![0];
        let mut marks = Vec::with_capacity(text.len() / STEP + 1);
        let mut units = 0;
        for (count, (byte, char)) in text.char_indices().enumerate() {
            if count % STEP == 0 {
                marks.push((byte, units));
            }
            units += char.len_utf16();
            let next = byte + char.len_utf8();
            if char == '\n' || (char == '\r' && !text[next..].starts_with('\n')) {
                lines.push(next);
            }
        }
        Self { text, lines, marks }
    }

    /// The text.
    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// The byte of a character; the text's end for those behind it.
    pub(super) fn byte(&self, character: usize) -> usize {
        let Some((byte, _)) = self.marks.get(character / STEP) else {
            return self.text.len();
        };
        let mut rest = self.text[*byte..].char_indices();
        rest.nth(character % STEP)
            .map_or(self.text.len(), |(further, _)| byte + further)
    }

    /// The place of a byte, which is a character's first.
    pub(super) fn position(&self, byte: usize) -> Position {
        let line = self.line_of(byte);
        let start = self.lines.get(line).copied().unwrap_or_default();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Position {
            line: number(line),
            character: number(self.units(byte) - self.units(start)),
        }
    }

    /// The places of a piece's ends.
    pub(super) fn range(&self, piece: std::ops::Range<usize>) -> Range {
        Range {
            start: self.position(piece.start),
            end: self.position(piece.end),
        }
    }

    /// The byte at a place: the line's end for places behind it, nothing where there is no such
    /// line. A place within a pair of code units is the pair's start.
    pub(super) fn at(&self, position: Position) -> Option<usize> {
        let line = position.line as usize;
        let start = *self.lines.get(line)?;
        let end = self.line_end(line);
        let wanted = self.units(start) + position.character as usize;
        let mark = self.marks.partition_point(|(_, units)| *units <= wanted);
        let Some((byte, mut units)) = mark.checked_sub(1).map(|mark| self.marks[mark]) else {
            return Some(start);
        };
        for (further, char) in self.text[byte..].char_indices() {
            units += char.len_utf16();
            if units > wanted || byte + further >= end {
                return Some((byte + further).min(end));
            }
        }
        Some(end)
    }

    /// The line that a byte is in.
    pub(super) fn line_of(&self, byte: usize) -> usize {
        self.lines
            .partition_point(|start| *start <= byte)
            .saturating_sub(1)
    }

    /// A line without its end.
    pub(super) fn line(&self, line: usize) -> std::ops::Range<usize> {
        self.lines
            .get(line)
            .map_or(0..0, |start| *start..self.line_end(line))
    }

    fn line_end(&self, line: usize) -> usize {
        let start = self.lines.get(line).copied().unwrap_or(self.text.len());
        let next = self.lines.get(line + 1).copied().unwrap_or(self.text.len());
        start + self.text[start..next].trim_end_matches(['\r', '\n']).len()
    }

    /// UTF-16 code units before a byte.
    fn units(&self, byte: usize) -> usize {
        let mark = self.marks.partition_point(|(marked, _)| *marked <= byte);
        let Some((marked, units)) = mark.checked_sub(1).map(|mark| self.marks[mark]) else {
            return 0;
        };
        let between = self.text.get(marked..byte).unwrap_or_default();
        units + between.chars().map(char::len_utf16).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn places_are_counted_as_editors_do() {
        let check = |text: &str, byte: usize, line: u32, character: u32| {
            let places = Places::new(text);
            assert_eq!(
                places.position(byte),
                place(line, character),
                "{text:?} {byte}"
            );
            assert_eq!(
                places.at(place(line, character)),
                Some(byte),
                "{text:?} {byte}"
            );
        };
        check("", 0, 0, 0);
        check("ab", 2, 0, 2);
        check("a\nb", 2, 1, 0);
        check("a\r\nb", 3, 1, 0);
        check("a\rb", 2, 1, 0);
        check("a\n", 2, 1, 0);
        check("ä𝄞x", 2, 0, 1);
        check("ä𝄞x", 6, 0, 3);
        check("\u{feff}a", 3, 0, 1);
        let long = "𝄞".repeat(1000);
        check(&long, 4 * 777, 0, 2 * 777);
    }

    #[test]
    fn a_place_that_is_not_there_is_the_nearest_before() {
        let places = Places::new("a𝄞\r\nb");
        assert_eq!(places.at(place(0, 2)), Some(1), "within a pair");
        assert_eq!(places.at(place(0, 9)), Some(5), "behind the line");
        assert_eq!(places.at(place(1, 9)), Some(8), "behind the last line");
        assert_eq!(places.at(place(2, 0)), None, "no such line");
    }

    proptest! {
        #[test]
        fn each_character_has_one_place(text in "[a\\r\\n𝄞ä]{0,200}") {
            let places = Places::new(&text);
            for (count, (byte, char)) in text.char_indices().enumerate() {
                prop_assert_eq!(places.byte(count), byte);
                // What ends a line is behind it for an editor.
                if !matches!(char, '\r' | '\n') {
                    prop_assert_eq!(places.at(places.position(byte)), Some(byte));
                }
            }
        }
    }
}
