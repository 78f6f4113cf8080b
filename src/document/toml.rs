//! TOML: a tree of a text. What is broken is left out, and the rest is read. Of errors the first is kept,
//! as there may be one for each byte.

use super::tree::{Id, Scalar, Style, Tree};
use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
};
use toml_parser::{
    ErrorSink, ParseError, Raw, Source, Span,
    decoder::Encoding,
    parser::{EventReceiver, parse_document},
};

/// The longest text that is read: its words take more room than itself.
const LONGEST: usize = 256 * 1024;
/// How deep arrays and inline tables may lie in each other, and how many parts a key may have.
const DEPTH: usize = 32;

/// Reads a text, and answers at which byte it is first not TOML. Its tree counts in bytes.
pub(super) fn read(text: &str) -> (Tree<'_>, Option<usize>) {
    let short = crate::name::shortened(text, LONGEST);
    let mut tree = Tree::new();
    if short.len() < text.len() {
        tree.leave_out();
    }
    let root = tree.map();
    if let Some(root) = root {
        tree.make_root(root);
    }
    let mut reader = Reader {
        text: short,
        tree,
        root,
        here: root,
        values: HashMap::new(),
        keys: Vec::new(),
        is_dotted: false,
        open: Vec::new(),
    };
    let tokens = Source::new(short).lex().into_vec();
    let mut error: Option<ParseError> = None;
    parse_document(&tokens, &mut reader, &mut error);
    let at = error.map(|error| {
        let span = error.unexpected().or(error.context());
        span.map_or(0, |span| span.start())
    });
    (reader.tree, at)
}

struct Reader<'t> {
    text: &'t str,
    tree: Tree<'t>,
    root: Option<Id>,
    /// The table that keys are set in; nothing where that is left out.
    here: Option<Id>,
    /// What the keys of tables have.
    values: HashMap<(Id, Cow<'t, str>), Id>,
    /// The parts of the key that was read last.
    keys: Vec<Scalar<'t>>,
    /// Whether a dot came behind the last part.
    is_dotted: bool,
    /// The arrays and inline tables that are open; nothing for those that are left out.
    open: Vec<Option<Id>>,
}

impl<'t> Reader<'t> {
    fn raw(&self, span: Span, encoding: Option<Encoding>) -> Raw<'t> {
        let text = self.text.get(span.start()..span.end()).unwrap_or_default();
        Raw::new_unchecked(text, encoding, span)
    }

    /// A table or value within a table, which is made where it is not there.
    fn within(
        &mut self,
        table: Id,
        key: Scalar<'t>,
        new: fn(&mut Tree<'t>) -> Option<Id>,
    ) -> Option<Id> {
        match self.values.entry((table, key.value.clone())) {
            Entry::Occupied(there) => Some(*there.get()),
            Entry::Vacant(free) => {
                let value = new(&mut self.tree)?;
                let key = self.tree.scalar(key)?;
                self.tree.set(table, key, value);
                Some(*free.insert(value))
            }
        }
    }

    /// The table that a key's first parts lead to, and its last part.
    fn table(&mut self, from: Option<Id>) -> Option<(Id, Scalar<'t>)> {
        let mut keys = std::mem::take(&mut self.keys);
        self.is_dotted = false;
        if keys.len() > DEPTH {
            self.tree.leave_out();
            return None;
        }
        let last = keys.pop()?;
        let mut table = from?;
        for key in keys {
            let found = self.within(table, key, Tree::map)?;
            table = self.tree.last_of(found).unwrap_or(found);
        }
        self.tree.is_map(table).then_some((table, last))
    }

    /// Puts a value where it was met.
    fn put(&mut self, value: Option<Id>) {
        let within = self.open.last().copied().unwrap_or(self.here);
        let is_list = within.is_some_and(|within| !self.tree.is_map(within));
        match (within, value) {
            (Some(list), Some(value)) if is_list => self.tree.push(list, value),
            (_, value) => {
                let Some((table, key)) = self.table(within) else {
                    return;
                };
                let name = key.value.clone();
                if let (Some(key), Some(value)) = (self.tree.scalar(key), value) {
                    self.tree.set(table, key, value);
                    self.values.insert((table, name), value);
                }
            }
        }
    }

    fn begin(&mut self, new: fn(&mut Tree<'t>) -> Option<Id>) -> bool {
        let may_enter = self.open.len() < DEPTH;
        let id = if may_enter { new(&mut self.tree) } else { None };
        if !may_enter {
            self.tree.leave_out();
        }
        self.put(id);
        self.open.push(id);
        may_enter
    }

    fn header(&mut self, is_array: bool) {
        let found = self.table(self.root);
        self.here = found.and_then(|(table, key)| {
            if !is_array {
                let found = self.within(table, key, Tree::map)?;
                return Some(self.tree.last_of(found).unwrap_or(found));
            }
            let list = self.within(table, key, Tree::list)?;
            let table = self.tree.map()?;
            self.tree.push(list, table);
            Some(table)
        });
    }
}

impl EventReceiver for Reader<'_> {
    fn std_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.keys.clear();
        self.open.clear();
    }

    fn std_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.header(false);
    }

    fn array_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.keys.clear();
        self.open.clear();
    }

    fn array_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.header(true);
    }

    fn inline_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) -> bool {
        self.begin(Tree::map)
    }

    fn inline_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.open.pop();
        self.keys.clear();
    }

    fn array_open(&mut self, _: Span, _: &mut dyn ErrorSink) -> bool {
        self.begin(Tree::list)
    }

    fn array_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.open.pop();
        self.keys.clear();
    }

    fn simple_key(&mut self, span: Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        // A key that nothing came behind was not finished.
        if !std::mem::take(&mut self.is_dotted) {
            self.keys.clear();
        }
        if self.keys.len() > DEPTH {
            return;
        }
        let mut value = Cow::Borrowed("");
        self.raw(span, encoding).decode_key(&mut value, error);
        self.keys.push(Scalar {
            value,
            from: span.start(),
            to: span.end(),
            style: Style::Plain,
        });
    }

    fn key_sep(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.is_dotted = true;
    }

    fn scalar(&mut self, span: Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        let raw = self.raw(span, encoding);
        let mut value = Cow::Borrowed("");
        let _kind = raw.decode_scalar(&mut value, error);
        let quotes = match encoding {
            None => "",
            Some(Encoding::LiteralString) => "'",
            Some(Encoding::BasicString) => "\"",
            Some(Encoding::MlLiteralString) => "'''",
            Some(Encoding::MlBasicString) => "\"\"\"",
        };
        let text = raw.as_str();
        let inner = text.strip_prefix(quotes).unwrap_or(text);
        let from = span.start() + text.len() - inner.len();
        // A line break behind the opening quotes of several lines is not part of the value.
        let breaks = if quotes.len() == 3 {
            inner.len() - inner.trim_start_matches(['\r', '\n']).len()
        } else {
            0
        };
        let inner = &inner[breaks..];
        let inner = inner.strip_suffix(quotes).unwrap_or(inner);
        let from = from + breaks;
        let id = self.tree.scalar(Scalar {
            value,
            from,
            to: from + inner.len(),
            style: Style::Plain,
        });
        self.put(id);
    }
}
