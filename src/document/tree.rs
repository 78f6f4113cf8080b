//! What YAML, JSON and TOML have in common: scalars, lists and maps. A tree is bounded in its nodes
//! and depth, and in the steps that looking into it takes: an alias names a node again and costs
//! nothing, and a list of aliases to lists ends with the steps.

use std::{borrow::Cow, cell::Cell, collections::HashSet, ops};

/// Nodes of one tree; what is further behind is not looked at.
const NODES: usize = 100_000;
/// Steps that looking into one tree may take.
const STEPS: usize = 1_000_000;

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

impl<'t> Tree<'t> {
    pub(super) fn new() -> Self {
        Self {
            nodes: Vec::new(),
            root: None,
            whole: true,
            steps: Cell::new(STEPS),
        }
    }

    pub(super) fn scalar(&mut self, scalar: Scalar<'t>) -> Option<Id> {
        self.add(Node::Scalar(scalar))
    }

    pub(super) fn list(&mut self) -> Option<Id> {
        self.add(Node::List(Vec::new()))
    }

    pub(super) fn map(&mut self) -> Option<Id> {
        self.add(Node::Map(Vec::new()))
    }

    fn add(&mut self, node: Node<'t>) -> Option<Id> {
        if self.nodes.len() >= NODES {
            self.whole = false;
            return None;
        }
        self.nodes.push(node);
        Some(self.nodes.len() - 1)
    }

    pub(super) fn make_root(&mut self, id: Id) {
        self.root = Some(id);
    }

    /// Puts a node at the end of a list.
    pub(super) fn push(&mut self, list: Id, node: Id) {
        if let Some(Node::List(nodes)) = self.nodes.get_mut(list) {
            nodes.push(node);
        }
    }

    /// Sets a key of a map.
    pub(super) fn set(&mut self, map: Id, key: Id, value: Id) {
        if let Some(Node::Map(entries)) = self.nodes.get_mut(map) {
            entries.push((key, value));
        }
    }

    /// What is added last to a list.
    pub(super) fn last_of(&self, list: Id) -> Option<Id> {
        match self.nodes.get(list)? {
            Node::List(nodes) => nodes.last().copied(),
            _ => None,
        }
    }

    pub(super) fn is_map(&self, id: Id) -> bool {
        matches!(self.nodes.get(id), Some(Node::Map(_)))
    }

    /// Its first node, if there is any.
    pub(super) fn root(&self) -> Option<At<'_, 't>> {
        Some(At {
            tree: self,
            id: self.root?,
        })
    }

    /// Something is left out.
    pub(super) fn leave_out(&mut self) {
        self.whole = false;
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

    /// The values at a path of keys: all of them where a key stands there twice, as readers differ
    /// in which they take, and broken texts run into each other.
    pub(super) fn all<const N: usize>(self, keys: [&'static str; N]) -> Vec<Self> {
        keys.into_iter().fold(vec![self], |found, key| {
            let values = found.into_iter().flat_map(Self::entries);
            values
                .filter(|(name, _)| name.text() == Some(key))
                .map(|(_, value)| value)
                .collect()
        })
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
