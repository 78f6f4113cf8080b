//! YAML, and JSON, which is a part of it: a tree for each document of a text. What is broken is
//! healed, as it is broken whenever somebody types: the line of the error, or the one before it, is
//! read as if it were blank, in its own document alone.

use super::{
    position::Places,
    tree::{Id, Scalar, Style, Tree},
};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use std::{borrow::Cow, collections::HashMap, ops::Range};

/// How often the lines of one text are blanked.
const ATTEMPTS: usize = 128;
/// Bytes that may be read again to heal one text.
const AGAIN: usize = 2 * 1024 * 1024;

/// How deep a node may lie.
const DEPTH: usize = 64;

/// One document of a text.
pub(super) struct Part<'t> {
    pub(super) tree: Tree<'t>,
    /// Characters of the text before it.
    before: usize,
}

/// Reads each document of a text, and answers at which character it is first not YAML as every reader
/// takes it. Where a document is broken it is healed in two ways, and the one in which more is found
/// counts. Where more than so much is found, the rest is left.
pub(super) fn each<T>(
    reading: &str,
    most: usize,
    left: &mut Left,
    mut read: impl FnMut(&Part<'_>) -> Vec<T>,
) -> (Vec<T>, Option<usize>) {
    let mut all = Vec::new();
    let mut unclear = breaks_elsewhere(reading);
    let mut before = 0;
    for piece in split(reading) {
        if all.len() > most {
            break;
        }
        let text = &reading[piece];
        let (tree, error) = parse(text);
        let found = match error {
            None => read(&Part { tree, before }),
            Some(at) => {
                drop(tree);
                unclear = Some(unclear.map_or(before + at, |other| other.min(before + at)));
                let ways = [Way::Furthest, Way::Own].into_iter().map(|way| {
                    let healed = healed(text, at, way, left);
                    let (tree, _) = parse(&healed);
                    read(&Part { tree, before })
                });
                // Of two that are alike, the first.
                ways.reduce(|one, other| if other.len() > one.len() { other } else { one })
                    .unwrap_or_default()
            }
        };
        all.extend(found);
        before += text.chars().count();
    }
    (all, unclear)
}

/// The first character that ends a line in YAML 1.1 alone: what stands behind it in a comment is none
/// for most readers (<https://yaml.org/spec/1.2.2/#54-line-break-characters>).
fn breaks_elsewhere(text: &str) -> Option<usize> {
    let is_break = |char| matches!(char, '\u{85}' | '\u{2028}' | '\u{2029}');
    let byte = text.find(is_break)?;
    Some(text[..byte].chars().count())
}

/// What is left of the work that healing a text may be.
pub(super) struct Left {
    attempts: usize,
    bytes: usize,
}

impl Default for Left {
    fn default() -> Self {
        Self {
            attempts: ATTEMPTS,
            bytes: AGAIN,
        }
    }
}

/// Which lines are blanked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Of those that may be to blame, the one without which more can be read.
    Furthest,
    /// The one that the error is in.
    Own,
}

/// A text that can be read to its end, or as far as it can be healed, which is broken at that
/// character.
fn healed(text: &str, mut at: usize, way: Way, left: &mut Left) -> String {
    let mut best = text.to_owned();
    loop {
        let mut further: Option<(usize, String)> = None;
        for (line, keeps_dash) in to_blame(&best, at) {
            if left.attempts == 0 || left.bytes < best.len() {
                return best;
            }
            left.attempts -= 1;
            left.bytes -= best.len();
            let attempt = without(&best, line, keeps_dash);
            let Some(reached) = parse(&attempt).1 else {
                return attempt;
            };
            if further.as_ref().is_none_or(|(other, _)| reached > *other) {
                further = Some((reached, attempt));
            }
            if way == Way::Own && reached > at {
                break;
            }
        }
        match further {
            Some((reached, attempt)) if reached > at => (at, best) = (reached, attempt),
            _ => return best,
        }
    }
}

/// The lines that may be to blame for an error at that character: its own, and the last one before
/// it that says something. Of one that begins a list's item, the item may be left where it is.
fn to_blame(text: &str, character: usize) -> Vec<(Range<usize>, bool)> {
    let byte = text
        .char_indices()
        .nth(character)
        .map_or(text.len(), |(byte, _)| byte);
    let own = line_at(text, byte);
    let mut before = own.start;
    let says = |line: &Range<usize>| !matches!(text[line.clone()].trim(), "" | "-");
    let before = std::iter::from_fn(|| {
        let line = line_at(text, before.checked_sub(1)?);
        before = line.start;
        Some(line)
    })
    .find(says);
    let mut blamed = Vec::new();
    for line in [Some(own).filter(says), before].into_iter().flatten() {
        if text[line.clone()].trim_start().starts_with("- ") {
            blamed.push((line.clone(), true));
        }
        blamed.push((line, false));
    }
    blamed
}

fn line_at(text: &str, byte: usize) -> Range<usize> {
    let start = text[..byte].rfind(['\n', '\r']).map_or(0, |end| end + 1);
    let end = text[byte..]
        .find(['\n', '\r'])
        .map_or(text.len(), |end| byte + end);
    start..end
}

/// A text with a line of spaces in place of that one, as many as it has characters; the dash that
/// it begins with may stay.
fn without(text: &str, line: Range<usize>, keeps_dash: bool) -> String {
    let mut blank = String::with_capacity(text.len());
    blank.push_str(&text[..line.start]);
    let mut keeps_dash = keeps_dash;
    blank.extend(text[line.clone()].chars().map(|char| {
        let is_dash = char == '-' && std::mem::take(&mut keeps_dash);
        if is_dash { '-' } else { ' ' }
    }));
    blank.push_str(&text[line.end..]);
    blank
}

/// Reads until the end or the first error, which is the character it is at.
fn parse(text: &str) -> (Tree<'_>, Option<usize>) {
    let mut walk = Walk {
        tree: Tree::new(),
        open: Vec::new(),
    };
    let mut anchors: HashMap<usize, Option<Id>> = HashMap::new();
    let mut parser = Parser::new_from_str(text);
    let mut error = None;
    #[cfg(test)]
    READ.with(|read| read.set(read.get() + text.len()));
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok(event) => event,
            Err(why) => {
                error = Some(why.marker().index());
                break;
            }
        };
        let (anchor, id) = match event {
            // It stands for other text than is written.
            Event::Scalar(_, _, _, Some(tag)) if tag.suffix.ends_with("binary") => {
                error = Some(span.start.index());
                break;
            }
            Event::Scalar(value, style, anchor, _) => {
                (anchor, walk.leaf(scalar(value, style, span)))
            }
            Event::SequenceStart(anchor, _) => (anchor, walk.begin(Tree::list)),
            Event::MappingStart(anchor, _) => (anchor, walk.begin(Tree::map)),
            Event::SequenceEnd | Event::MappingEnd => {
                walk.open.pop();
                continue;
            }
            Event::Alias(anchor) => {
                walk.put(anchors.get(&anchor).copied().flatten());
                continue;
            }
            _ => continue,
        };
        if anchor != 0 {
            anchors.insert(anchor, id);
        }
    }
    (walk.tree, error)
}

#[cfg(test)]
thread_local! {
    /// Bytes that were read, those that were read again too.
    pub(super) static READ: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Makes a tree from what is met on the way through a text.
struct Walk<'t> {
    tree: Tree<'t>,
    /// The lists and maps that are open.
    open: Vec<Open>,
}

struct Open {
    /// Nothing, where it is left out with all that is in it.
    id: Option<Id>,
    /// The key that waits for its value, in a map; nothing in it is a key that is left out.
    #[allow(clippy::option_option)]
    key: Option<Option<Id>>,
}

impl<'t> Walk<'t> {
    fn leaf(&mut self, scalar: Scalar<'t>) -> Option<Id> {
        let id = self.is_kept().then(|| self.tree.scalar(scalar)).flatten();
        self.put(id);
        id
    }

    fn begin(&mut self, add: impl Fn(&mut Tree<'t>) -> Option<Id>) -> Option<Id> {
        let mut id = None;
        if self.open.len() >= DEPTH {
            self.tree.leave_out();
        } else if self.is_kept() {
            id = add(&mut self.tree);
        }
        self.put(id);
        self.open.push(Open { id, key: None });
        id
    }

    fn is_kept(&self) -> bool {
        self.open.last().is_none_or(|within| within.id.is_some())
    }

    /// Puts a node where it was met; nothing, where it is left out.
    fn put(&mut self, id: Option<Id>) {
        let Some(within) = self.open.last_mut() else {
            if self.tree.root().is_some() {
                self.tree.leave_out();
            } else if let Some(id) = id {
                self.tree.make_root(id);
            }
            return;
        };
        let Some(container) = within.id else { return };
        if !self.tree.is_map(container) {
            if let Some(id) = id {
                self.tree.push(container, id);
            }
            return;
        }
        match within.key.take() {
            None => within.key = Some(id),
            Some(key) => {
                if let (Some(key), Some(value)) = (key, id) {
                    self.tree.set(container, key, value);
                }
            }
        }
    }
}

fn scalar(value: Cow<'_, str>, style: ScalarStyle, span: Span) -> Scalar<'_> {
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
    for line in text.split_inclusive(['\n', '\r']) {
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

/// The ways to read a text: what is found in any of them counts. The first is the one that has to be
/// clear: the text as it is, or where that is not YAML, without what templates put there.
pub(super) fn readings(text: &str) -> Vec<Cow<'_, str>> {
    let all = templates(text);
    if all.is_empty() {
        return vec![Cow::Borrowed(text)];
    }
    let clear = split(text)
        .into_iter()
        .all(|piece| parse(&text[piece]).1.is_none());
    let first = if clear {
        Cow::Borrowed(text)
    } else {
        let mut head = 0;
        let innocent = all.iter().filter(|at| {
            let is_head = is_before_all(&text[head..at.start]);
            head = if is_head { at.end } else { head };
            is_head || !may_hide(&text[(*at).clone()])
        });
        masked(text, innocent.cloned().collect())
    };
    let without = masked(text, all);
    if without == first {
        vec![first]
    } else {
        vec![first, without]
    }
}

/// Whether a template begins its line, and only comments stand before it: nothing that it could be a
/// part of is open there. Charts begin so, with a licence.
fn is_before_all(before: &str) -> bool {
    let (lines, own) = before.rsplit_once('\n').unwrap_or(("", before));
    let is_content =
        |line: &str| !matches!(line.trim(), "" | "---") && !line.trim().starts_with('#');
    own.trim().is_empty() && !lines.lines().any(is_content)
}

/// Whether a template may hide something from this reader that one who knows no templates reads: two
/// braces in a comment and two more further down are not a template for that one. What names an artifact
/// stands in a map, behind a key.
fn may_hide(template: &str) -> bool {
    let inner = template.trim_matches(['{', '}']);
    let inner = inner.strip_prefix('-').unwrap_or(inner);
    let inner = inner.strip_suffix('-').unwrap_or(inner);
    let has_key = inner.match_indices(':').any(|(at, _)| {
        let is_quoted = inner[..at].ends_with(['"', '\'']);
        let behind = inner[at + 1..].chars().next();
        is_quoted || behind.is_none_or(char::is_whitespace)
    });
    if !inner.contains(['\n', '\r']) {
        // Without quotes to end, or braces, it is all one comment, or one key.
        return has_key && inner.contains(['"', '\'', '{', '}']);
    }
    let mut lines = inner.split(['\n', '\r']).skip(1);
    let is_word_s_end = |char: char| char.is_whitespace() || "\"'`[]{},".contains(char);
    has_key
        || inner.contains('\\')
        || lines.any(|line| line.trim_start().starts_with(['-', '?', '.']))
        || inner.split(is_word_s_end).any(may_name)
}

/// Whether a word may be a reference to a registry.
fn may_name(word: &str) -> bool {
    let Some((host, _)) = word.split_once('/') else {
        return false;
    };
    let is_page = matches!(host, "http:" | "https:");
    !is_page && (host == "localhost" || host.contains(['.', ':']))
}

/// A text in which these templates (`{{ … }}`, as Helm has them) are blank where they have their lines
/// for themselves, and a word elsewhere. It has as many characters as before.
fn masked(text: &str, templates: Vec<Range<usize>>) -> Cow<'_, str> {
    if templates.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut templates = templates.into_iter().peekable();
    let (mut start, mut blank, mut word) = (0, String::new(), String::new());
    for line in text.split_inclusive('\n') {
        blank.clear();
        word.clear();
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
        // Of a quote alone it is known that the next character begins behind its first byte.
        let is_doubled = || quote == '\'' && text[at + 1..].starts_with(quote);
        if char == '\\' && quote == '"' || char == quote && is_doubled() {
            chars.next();
        } else if char == quote {
            return at - 1;
        }
    }
    text.len().saturating_sub(1)
}
