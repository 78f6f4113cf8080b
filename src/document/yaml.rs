//! YAML, and JSON, which is a part of it: a tree for each document of a text. What is broken is
//! healed, as it is broken whenever somebody types: the line of the error, or the one before it, is
//! read as if it were blank, in its own document alone.

use super::{
    position::Places,
    tree::{Builder, Id, Scalar, Style, Tree},
};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use std::{borrow::Cow, collections::HashMap, ops::Range};

/// How often the lines of one text are blanked.
const ATTEMPTS: usize = 128;
/// Bytes that may be read again to heal one text.
const AGAIN: usize = 2 * 1024 * 1024;

/// One document of a text.
pub(super) struct Part<'t> {
    pub(super) tree: Tree<'t>,
    /// Characters of the text before it.
    before: usize,
}

/// Reads each document of a text, as it was masked, and hands it on.
pub(super) fn each(masked: &str, mut read: impl FnMut(&Part<'_>)) {
    let mut left = Left {
        attempts: ATTEMPTS,
        bytes: AGAIN,
    };
    let (mut byte, mut before) = (0, 0);
    for piece in split(masked) {
        debug_assert_eq!(piece.start, byte);
        let text = &masked[piece.clone()];
        healed(text, before, &mut left, &mut read);
        before += text.chars().count();
        byte = piece.end;
    }
}

/// What is left of the work that healing may be.
struct Left {
    attempts: usize,
    bytes: usize,
}

fn healed(text: &str, before: usize, left: &mut Left, read: &mut impl FnMut(&Part<'_>)) {
    let (tree, error) = parse(text);
    let Some(mut at) = error else {
        return read(&Part { tree, before });
    };
    let mut best = text.to_owned();
    // Of the two lines that may be to blame, the one without which more can be read.
    loop {
        let lines = to_blame(&best, at);
        let mut further: Option<(usize, String)> = None;
        for line in lines {
            let cost = best.len();
            if left.attempts == 0 || left.bytes < cost {
                break;
            }
            left.attempts -= 1;
            left.bytes -= cost;
            let attempt = without(&best, line);
            let (tree, error) = parse(&attempt);
            let Some(reached) = error else {
                return read(&Part { tree, before });
            };
            if further.as_ref().is_none_or(|(other, _)| reached > *other) {
                further = Some((reached, attempt));
            }
        }
        match further {
            Some((reached, attempt)) if reached > at => (at, best) = (reached, attempt),
            _ => break,
        }
    }
    let (tree, _) = parse(&best);
    read(&Part { tree, before });
}

/// The lines that may be to blame for an error at that character: its own, and the last one before
/// it that says something.
fn to_blame(text: &str, character: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let byte = text
        .char_indices()
        .nth(character)
        .map_or(text.len(), |(byte, _)| byte);
    let says = |line: &Range<usize>| !text[line.clone()].trim().is_empty();
    let line_at = |byte: usize| {
        let start = text[..byte].rfind(['\n', '\r']).map_or(0, |end| end + 1);
        let end = text[byte..]
            .find(['\n', '\r'])
            .map_or(text.len(), |end| byte + end);
        start..end
    };
    let own = line_at(byte);
    let mut before = own.start;
    let before = std::iter::from_fn(|| {
        before = before.checked_sub(1)?;
        let line = line_at(before);
        before = line.start;
        Some(line)
    })
    .find(says);
    let own = Some(own).filter(says);
    own.into_iter().chain(before)
}

/// A text with a line of spaces in place of that one, as many as it has characters.
fn without(text: &str, line: Range<usize>) -> String {
    let mut blank = String::with_capacity(text.len());
    blank.push_str(&text[..line.start]);
    blank.extend(text[line.clone()].chars().map(|_| ' '));
    blank.push_str(&text[line.end..]);
    blank
}

/// Reads until the end or the first error, which is the character it is at.
fn parse(text: &str) -> (Tree<'_>, Option<usize>) {
    let mut builder = Builder::new();
    let mut anchors: HashMap<usize, Option<Id>> = HashMap::new();
    let mut parser = Parser::new_from_str(text);
    let mut error = None;
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok(event) => event,
            Err(why) => {
                error = Some(why.marker().index());
                break;
            }
        };
        let (anchor, id) = match event {
            Event::Scalar(value, style, anchor, _) => {
                (anchor, builder.scalar(scalar(value, style, span)))
            }
            Event::SequenceStart(anchor, _) => (anchor, builder.list()),
            Event::MappingStart(anchor, _) => (anchor, builder.map()),
            Event::SequenceEnd | Event::MappingEnd => {
                builder.end();
                continue;
            }
            Event::Alias(anchor) => {
                builder.alias(anchors.get(&anchor).copied().flatten());
                continue;
            }
            _ => continue,
        };
        if anchor != 0 {
            anchors.insert(anchor, id);
        }
    }
    (builder.finish(), error)
}

fn scalar<'t>(value: Cow<'t, str>, style: ScalarStyle, span: Span) -> Scalar<'t> {
    Scalar {
        value,
        from: span.start.index(),
        to: span.end.index(),
        style: match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        },
    }
}

/// The pieces of a text that are documents: each begins at its `---`, or at the directives before
/// it. Such a line ends whatever is open, so no quotes and no block hide one.
fn split(text: &str) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    // Whether the piece has nothing yet but directives and comments.
    let mut is_head = true;
    for line in text.split_inclusive('\n') {
        let content = line.trim_start_matches('\u{feff}').trim_end();
        let marks = |mark: &str| {
            content
                .strip_prefix(mark)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
        };
        if marks("---") {
            if !is_head {
                pieces.push(start..at);
                start = at;
            }
            is_head = false;
        } else if !content.is_empty() && !content.starts_with(['#', '%']) {
            is_head = false;
        }
        at += line.len();
        if marks("...") {
            pieces.push(start..at);
            start = at;
            is_head = true;
        }
    }
    if start < at {
        pieces.push(start..at);
    }
    pieces
}

/// A text in which what templates put there (`{{ … }}`, as Helm has it) is blank where it has its
/// lines for itself, and a word elsewhere. It has as many characters as before.
pub(super) fn masked(text: &str) -> Cow<'_, str> {
    let templates = templates(text);
    if templates.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut templates = templates.into_iter().peekable();
    let (mut start, mut blank, mut word) = (0, String::new(), String::new());
    for line in text.split_inclusive('\n') {
        (blank.clear(), word.clear());
        for (at, char) in line.char_indices() {
            let at = start + at;
            let is_over = |template: &Range<usize>| template.end <= at;
            while templates.next_if(is_over).is_some() {}
            let is_masked = templates
                .peek()
                .is_some_and(|template| template.start <= at);
            let is_masked = is_masked && !matches!(char, '\r' | '\n');
            blank.push(if is_masked { ' ' } else { char });
            word.push(if is_masked { 'x' } else { char });
        }
        let is_alone = blank.trim().is_empty();
        masked.push_str(if is_alone { &blank } else { &word });
        start += line.len();
    }
    Cow::Owned(masked)
}

/// Where templates are. One that another begins in is not closed yet: it is being typed.
fn templates(text: &str) -> Vec<Range<usize>> {
    let (mut found, mut open, mut at) = (Vec::new(), None, 0);
    while let Some(pair) = text.as_bytes().get(at..at + 2) {
        match (pair, open) {
            (b"{{", _) => open = Some(at),
            (b"}}", Some(start)) => {
                found.push(start..at + 2);
                open = None;
            }
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
    }
    found
}

impl Part<'_> {
    /// Where the value of a scalar stands in the text: without quotes, anchors, tags, comments and
    /// the marks of blocks.
    pub(super) fn content(&self, places: &Places<'_>, scalar: &Scalar<'_>) -> Range<usize> {
        let span = scalar.span();
        let start = places.byte(self.before + span.start);
        let end = places.byte(self.before + span.end);
        let text = &places.text()[start..end];
        let from = start + properties(text);
        let text = &places.text()[from..end];
        match scalar.style {
            Style::Plain => from..from + text.trim_end().len(),
            Style::Single | Style::Double => {
                let length = quoted(text);
                from + 1..from + 1 + length
            }
            Style::Block => {
                let value = scalar.value.trim();
                match text.find(value) {
                    Some(at) => from + at..from + at + value.len(),
                    None => from..from + text.trim_end().len(),
                }
            }
        }
    }
}

/// How long what stands before a node's own text is: its anchor, its tag, space and comments.
fn properties(text: &str) -> usize {
    let mut rest = text.trim_start();
    while rest.starts_with(['&', '!', '#']) {
        let end = if rest.starts_with('#') {
            rest.find(['\n', '\r'])
        } else {
            rest.find(char::is_whitespace)
        };
        rest = rest[end.unwrap_or(rest.len())..].trim_start();
    }
    text.len() - rest.len()
}

/// How long what stands between a text's first quote and the one that closes it is.
fn quoted(text: &str) -> usize {
    let mut chars = text.char_indices();
    let Some((_, quote)) = chars.next() else {
        return 0;
    };
    while let Some((at, char)) = chars.next() {
        let is_doubled = quote == '\'' && text[at + 1..].starts_with(quote);
        if char == '\\' && quote == '"' || char == quote && is_doubled {
            chars.next();
        } else if char == quote {
            return at - 1;
        }
    }
    text.len().saturating_sub(1)
}
