//! What YAML, JSON and TOML have in common: scalars, lists and maps. A tree is bounded in its nodes
//! and depth, and in the steps that looking into it takes: an alias names a node again and costs
//! nothing, and a list of aliases to lists ends with the steps.

use std::{borrow::Cow, cell::Cell, collections::HashSet, ops};

/// Nodes of one tree; what is further behind is not looked at.
const NODES: usize = 100_000;
/// How deep a node may lie.
const DEPTH: usize = 64;
/// Steps that looking into one tree may take.
const STEPS: usize = 2_000_000;

/// A node of a tree.
pub(super) type Id = usize;

/// A value with where it stands in the text, quotes not included.
pub(super) struct Scalar<'t> {
    pub(super) value: Cow<'t, str>,
    /// In whatever the reader that made it counts in.
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) style: Style,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    /// Literal or folded.
    Block,
}

enum Node<'t> {
    Scalar(Scalar<'t>),
    List(Vec<Id>),
    Map(Vec<(Id, Id)>),
}

/// A tree of nodes.
pub(super) struct Tree<'t> {
    nodes: Vec<Node<'t>>,
    root: Option<Id>,
    whole: bool,
    steps: Cell<usize>,
}

/// Makes a tree from a walk over what is written.
pub(super) struct Builder<'t> {
    tree: Tree<'t>,
    /// The containers that are open; `None` for those that are left out.
    open: Vec<Option<Id>>,
    /// The key that waits for its value, for each open container.
    keys: Vec<Option<Id>>,
}

impl<'t> Builder<'t> {
    pub(super) fn new() -> Self {
        let tree = Tree {
            nodes: Vec::new(),
            root: None,
            whole: true,
            steps: Cell::new(STEPS),
        };
        Self {
            tree,
            open: Vec::new(),
            keys: Vec::new(),
        }
    }

    pub(super) fn scalar(&mut self, scalar: Scalar<'t>) -> Option<Id> {
        let id = self.add(Node::Scalar(scalar));
        self.put(id);
        id
    }

    pub(super) fn list(&mut self) -> Option<Id> {
        self.begin(Node::List(Vec::new()))
    }

    pub(super) fn map(&mut self) -> Option<Id> {
        self.begin(Node::Map(Vec::new()))
    }

    fn begin(&mut self, node: Node<'t>) -> Option<Id> {
        let id = if self.open.len() < DEPTH {
            self.add(node)
        } else {
            self.tree.whole = false;
            None
        };
        self.put(id);
        self.open.push(id);
        self.keys.push(None);
        id
    }

    /// Ends the list or map that was begun last.
    pub(super) fn end(&mut self) {
        self.open.pop();
        self.keys.pop();
    }

    /// Names a node again.
    pub(super) fn alias(&mut self, to: Option<Id>) {
        self.put(to);
    }

    /// The tree of what was written so far.
    pub(super) fn finish(self) -> Tree<'t> {
        self.tree
    }

    fn add(&mut self, node: Node<'t>) -> Option<Id> {
        // What lies in something that is left out is left out.
        if self.open.last().is_some_and(Option::is_none) {
            return None;
        }
        if self.tree.nodes.len() >= NODES {
            self.tree.whole = false;
            return None;
        }
        self.tree.nodes.push(node);
        Some(self.tree.nodes.len() - 1)
    }

    fn put(&mut self, id: Option<Id>) {
        let Some(within) = self.open.last() else {
            self.tree.root = self.tree.root.or(id);
            return;
        };
        let Some(within) = *within else { return };
        // A key that is left out still takes its turn.
        const LEFT_OUT: Id = usize::MAX;
        match &mut self.tree.nodes[within] {
            Node::Scalar(_) => {}
            Node::List(nodes) => nodes.extend(id),
            Node::Map(entries) => {
                let Some(waiting) = self.keys.last_mut() else {
                    return;
                };
                match (waiting.take(), id) {
                    (None, key) => *waiting = Some(key.unwrap_or(LEFT_OUT)),
                    (Some(key), Some(value)) if key != LEFT_OUT => entries.push((key, value)),
                    (Some(_), _) => {}
                }
            }
        }
    }
}

impl<'t> Tree<'t> {
    /// Its first node, if there is any.
    pub(super) fn root(&self) -> Option<At<'_, 't>> {
        Some(At {
            tree: self,
            id: self.root?,
        })
    }

    /// Whether all that is written was, and could be, looked at.
    pub(super) fn is_whole(&self) -> bool {
        self.whole && self.steps.get() > 0
    }

    fn node(&self, id: Id) -> Option<&Node<'t>> {
        let left = self.steps.get().checked_sub(1)?;
        self.steps.set(left);
        self.nodes.get(id)
    }
}

/// A node in its tree.
#[derive(Clone, Copy)]
pub(super) struct At<'a, 't> {
    tree: &'a Tree<'t>,
    id: Id,
}

impl<'a, 't> At<'a, 't> {
    /// The value of a key, the last one where it stands there twice.
    pub(super) fn get(self, key: &str) -> Option<Self> {
        self.entries()
            .filter(|(name, _)| name.text() == Some(key))
            .map(|(_, value)| value)
            .last()
    }

    /// The value at a path of keys.
    pub(super) fn path(self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self, |at, key| at.get(key))
    }

    /// What is in a list, each once.
    pub(super) fn each(self) -> impl Iterator<Item = Self> + use<'a, 't> {
        let nodes = match self.tree.node(self.id) {
            Some(Node::List(nodes)) => nodes.as_slice(),
            _ => &[],
        };
        let mut seen = HashSet::new();
        let tree = self.tree;
        nodes
            .iter()
            .filter(move |id| tree.node(**id).is_some() && seen.insert(**id))
            .map(move |id| At { tree, id: *id })
    }

    /// What is in a map; what it merges from others (`<<`) comes first.
    pub(super) fn entries(self) -> impl Iterator<Item = (Self, Self)> + use<'a, 't> {
        let merged = self
            .own_entries()
            .filter(|(key, _)| key.text() == Some("<<"))
            .flat_map(|(_, from)| from.each().chain([from]))
            .flat_map(Self::own_entries);
        merged.chain(self.own_entries())
    }

    fn own_entries(self) -> impl Iterator<Item = (Self, Self)> + use<'a, 't> {
        let entries = match self.tree.node(self.id) {
            Some(Node::Map(entries)) => entries.as_slice(),
            _ => &[],
        };
        let tree = self.tree;
        let at = move |id| At { tree, id };
        entries
            .iter()
            .map(move |(key, value)| (at(*key), at(*value)))
    }

    /// The text of a scalar.
    pub(super) fn text(self) -> Option<&'a str> {
        self.scalar().map(|scalar| scalar.value.as_ref())
    }

    /// The text of the scalar of a key.
    pub(super) fn text_of(self, key: &str) -> Option<&'a str> {
        self.get(key)?.text()
    }

    /// The scalar, if it is one.
    pub(super) fn scalar(self) -> Option<&'a Scalar<'t>> {
        match self.tree.node(self.id)? {
            Node::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }
}

impl Scalar<'_> {
    /// Where it stands, in whatever its reader counts in.
    pub(super) fn span(&self) -> ops::Range<usize> {
        self.from..self.to
    }
}
