//! What a document names, where, and how to write its digest there.

use super::{
    format::Format,
    position::{Places, Range},
};
use crate::{
    error::{Error, Result, error},
    name::{Digest, PlainHosts, Reference, RegistryReference},
};
use std::ops;

/// Something that a document names.
#[derive(Debug, Clone)]
pub struct Found {
    /// The kind of document.
    pub format: Format,
    /// Where it is written, quotes not included.
    pub range: Range,
    /// The text there.
    pub written: String,
    /// What it names.
    pub what: What,
    /// The digest that the document demands of it, other than in the reference.
    pub demanded: Option<Demanded>,
    pub(super) place: Place,
}

/// What is named.
#[derive(Debug, Clone)]
pub enum What {
    /// A place in a registry. Never an image layout: a document does not choose folders here.
    Reference(RegistryReference),
    /// A file, by the path behind `file://`, as it is written.
    File(String),
    /// Something that ought to be a reference.
    Malformed(Error),
}

/// A digest that a document demands, and of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demanded {
    /// Of the manifest.
    Manifest(Digest),
    /// Of the artifact, which is the manifest's layer.
    Content(Digest),
}

/// What a reference resolves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolved {
    /// The manifest's digest.
    pub manifest: Digest,
    /// The artifact's own digest, if it is known.
    pub content: Option<Digest>,
}

/// A change of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced: nothing, where something is put in.
    pub range: Range,
    /// What comes there.
    pub text: String,
}

/// Where a digest is written.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// Behind the reference, as `@sha256:…`: what is replaced, and what comes before the digest.
    Reference(Range, String),
    /// Nowhere.
    Nowhere,
}

/// What is at a piece of a text, whose value it is once quotes and escapes are undone. Nothing
/// where that is not for this service: it is empty, or comes from a template, or is somewhere else.
pub(super) fn found(
    places: &Places<'_>,
    plain: &PlainHosts,
    format: Format,
    piece: ops::Range<usize>,
    value: &str,
) -> Option<Found> {
    let written = &places.text()[piece.clone()];
    let is_template = TEMPLATES.iter().any(|mark| written.contains(mark));
    let is_nothing = value.is_empty() || matches!(value, "null" | "~");
    if is_nothing || is_template || ELSEWHERE.iter().any(|scheme| value.starts_with(scheme)) {
        return None;
    }
    let mut place = Place::Nowhere;
    let what = if let Some(path) = value.strip_prefix("file://") {
        What::File(path.to_owned())
    } else {
        match reference(format.without_scheme(value), plain) {
            Ok(reference) => {
                let (name, _) = value.split_once('@').unwrap_or((value, ""));
                place = if written == value {
                    let digest = piece.start + name.len()..piece.end;
                    Place::Reference(places.range(digest), String::new())
                } else {
                    Place::Reference(places.range(piece.clone()), name.to_owned())
                };
                What::Reference(reference)
            }
            Err(error) => What::Malformed(error),
        }
    };
    Some(Found {
        format,
        range: places.range(piece),
        written: written.to_owned(),
        what,
        demanded: None,
        place,
    })
}

/// What templates begin with.
const TEMPLATES: [&str; 3] = ["{{", "${", "$("];
/// What is not in a registry, and not a file either.
const ELSEWHERE: [&str; 3] = ["wasmcloud+builtin://", "http://", "https://"];

fn reference(text: &str, plain: &PlainHosts) -> Result<RegistryReference> {
    match plain.reference(text)? {
        Reference::Registry(reference) => Ok(reference),
        Reference::Layout(_) => Err(
            error!(InvalidReference: "{text:?} is not a reference to a registry")
                .help("A document names registries alone: `registry/repository:tag`."),
        ),
    }
}

impl Found {
    /// The change that makes the document name these very bytes. Nothing, where it does already, or
    /// where its format has no place for a digest.
    pub fn pin(&self, to: Resolved) -> Option<Edit> {
        let What::Reference(reference) = &self.what else {
            return None;
        };
        match &self.place {
            Place::Reference(range, name) if reference.digest != Some(to.manifest) => Some(Edit {
                range: *range,
                text: format!("{name}@{}", to.manifest),
            }),
            Place::Reference(..) | Place::Nowhere => None,
        }
    }

    /// Whether the document says which very bytes it means.
    pub fn is_pinned(&self) -> bool {
        match &self.what {
            What::Reference(reference) => reference.digest.is_some() || self.demanded.is_some(),
            What::File(_) | What::Malformed(_) => false,
        }
    }
}
