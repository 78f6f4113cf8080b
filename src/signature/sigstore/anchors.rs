//! All that bundles are verified by: the roots that the service brings along, and the roots and
//! keys of its owner.

use super::{root::Root, verifier::PublicKey};
use crate::{
    name::Digest,
    signature::identity::{GITHUB_ROOT, PUBLIC_ROOT},
};
use std::sync::{Arc, LazyLock};

/// Made when the first bundle asks for it: a service that sees none pays nothing.
type Embedded = LazyLock<Result<Arc<Root>, String>>;

static EMBEDDED: [(&str, Embedded); 2] = [
    (
        PUBLIC_ROOT,
        LazyLock::new(|| embedded(PUBLIC_ROOT, include_bytes!("roots/public-good.json"))),
    ),
    (
        GITHUB_ROOT,
        LazyLock::new(|| embedded(GITHUB_ROOT, include_bytes!("roots/github.json"))),
    ),
];

fn embedded(name: &str, text: &[u8]) -> Result<Arc<Root>, String> {
    Root::parse(name, text).map(Arc::new)
}

/// Roots and keys.
#[derive(Debug, Clone, Default)]
pub struct Anchors {
    own: Vec<Arc<Root>>,
    keys: Vec<Key>,
}

/// A key of the owner's, and the root whose log its signatures stand in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) key: PublicKey,
    pub(super) root: String,
}

impl Anchors {
    /// The roots that the service brings along, and no key.
    pub const fn new() -> Self {
        Self {
            own: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// Adds a root of the owner's. It replaces one that the service brought along and that has its
    /// name.
    pub fn add_root(&mut self, name: &str, text: &[u8]) -> Result<(), String> {
        self.own.push(Arc::new(Root::parse(name, text)?));
        Ok(())
    }

    /// Adds a key in PEM, and answers SHA-256 of it; its signatures stand in the log of a root.
    pub fn add_key(&mut self, pem: &[u8], root: Option<&str>) -> Result<Digest, String> {
        let text = std::str::from_utf8(pem).map_err(|_| "it is not text")?;
        let key = PublicKey::of_pem(text)?;
        let fingerprint = key.fingerprint();
        let key = Key {
            key,
            root: root.unwrap_or(PUBLIC_ROOT).to_owned(),
        };
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
        Ok(fingerprint)
    }

    /// All roots that count, or why one that the service brought along cannot be used.
    pub fn roots(&self) -> impl Iterator<Item = Result<&Arc<Root>, &str>> {
        let replaced = |name: &str| self.own.iter().any(|root| root.name() == name);
        let embedded = EMBEDDED.iter().filter(move |(name, _)| !replaced(name));
        let embedded = embedded.map(|(_, root)| root.as_ref().map_err(String::as_str));
        embedded.chain(self.own.iter().map(Ok))
    }

    /// The root that the service brings along by that name, if there is one; or why it cannot be
    /// used.
    pub fn brought_along(name: &str) -> Option<Result<&'static Arc<Root>, &'static str>> {
        let (_, root) = EMBEDDED.iter().find(|(own, _)| *own == name)?;
        Some(root.as_ref().map_err(String::as_str))
    }

    /// The names of the roots that the service brings along.
    pub fn built_in() -> impl Iterator<Item = &'static str> {
        EMBEDDED.iter().map(|(name, _)| *name)
    }

    /// The root that counts by that name.
    pub fn root(&self, name: &str) -> Option<&Arc<Root>> {
        let mut roots = self.roots().flatten();
        roots.find(|root| root.name() == name)
    }

    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }
}

/// They are the same where they are of the same texts.
impl PartialEq for Anchors {
    fn eq(&self, other: &Self) -> bool {
        let of = |anchors: &Self| -> Vec<_> {
            let roots = anchors.own.iter();
            roots
                .map(|root| (root.name().to_owned(), root.digest()))
                .collect()
        };
        self.keys == other.keys && of(self) == of(other)
    }
}

impl Eq for Anchors {}
