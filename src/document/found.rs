//! What a document names, where, and how to write its digest there.

use super::{
    format::{Demands, Format},
    position::{Places, Position, Range},
    tree::{Scalar, Style},
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
    places: Vec<Place>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

/// A place where a digest is written, or may be.
#[derive(Debug, Clone)]
struct Place {
    range: Range,
    /// What stands there.
    is: String,
    /// What comes before the digest.
    before: String,
    demands: Demands,
}

impl Place {
    /// What is to stand there; nothing, where that is not known.
    fn text(&self, to: Resolved) -> Option<String> {
        let digest = match self.demands {
            Demands::Manifest => to.manifest.to_string(),
            Demands::ManifestHex => to.manifest.hex(),
            Demands::Content => to.content?.to_string(),
        };
        Some(format!("{}{digest}", self.before))
    }
}

impl Found {
    /// The changes that make the document name these very bytes: none, where it does already, where
    /// its format has no place for a digest, or where a digest is not known that it has to hold too.
    pub fn pin(&self, to: Resolved) -> Vec<Edit> {
        if !matches!(self.what, What::Reference(_)) {
            return Vec::new();
        }
        let texts = self.places.iter().map(|place| place.text(to));
        let Some(texts) = texts.collect::<Option<Vec<_>>>() else {
            return Vec::new();
        };
        let places = self.places.iter().zip(texts);
        let edits = places.filter(|(place, text)| *text != place.is);
        let edits = edits.map(|(place, text)| Edit {
            range: place.range,
            text,
        });
        edits.collect()
    }

    /// What tells it from all else in the document.
    pub(super) fn place(&self) -> (Position, Option<Demanded>, bool) {
        let is_malformed = matches!(self.what, What::Malformed(_));
        (self.range.start, self.demanded, is_malformed)
    }

    /// Whether the document says which very bytes it means.
    pub fn is_pinned(&self) -> bool {
        match &self.what {
            What::Reference(reference) => reference.digest.is_some() || self.demanded.is_some(),
            What::File(_) | What::Malformed(_) => false,
        }
    }
}

/// The longest value that is looked at, with all that belongs to it.
const LONGEST: usize = 16 * 1024;

/// A value in a text: the bytes where it is written, and what is meant once quotes and escapes are
/// undone.
#[derive(Clone)]
pub(super) struct Value<'v> {
    pub(super) piece: ops::Range<usize>,
    pub(super) meant: &'v str,
}

impl<'v> Value<'v> {
    /// That of a scalar, whose reader says where it is.
    pub(super) fn of(
        scalar: &'v Scalar<'_>,
        content: &dyn Fn(&Scalar<'_>) -> ops::Range<usize>,
    ) -> Option<Self> {
        if scalar.span().len() > LONGEST {
            return None;
        }
        let (piece, meant) = (content(scalar), scalar.value.trim());
        // A plain value runs on over lines that stand deeper: what is broken runs into it. No
        // reference holds space.
        Some(match meant.split_once(char::is_whitespace) {
            Some((first, _)) if scalar.style == Style::Plain => Self {
                piece: piece.start..piece.start + first.len(),
                meant: first,
            },
            _ => Self { piece, meant },
        })
    }
}

/// What a document names at a value. Nothing, where that is not for this service: it is empty, or
/// comes from a template, or is somewhere else.
pub(super) fn found(
    places: &Places<'_>,
    plain: &PlainHosts,
    format: Format,
    value: &Value<'_>,
    composed: Option<&str>,
    digest: Option<(Demands, Value<'_>)>,
) -> Option<Found> {
    let written = &places.text()[value.piece.clone()];
    let meant = composed.unwrap_or(value.meant);
    let is_template = |text: &str| TEMPLATES.iter().any(|mark| text.contains(mark));
    let is_nothing = meant.is_empty() || matches!(meant, "null" | "~");
    let is_elsewhere = ELSEWHERE.iter().any(|scheme| meant.starts_with(scheme));
    if is_nothing || is_elsewhere || is_template(written) || is_template(meant) {
        return None;
    }
    let mut found = Found {
        format,
        range: places.range(value.piece.clone()),
        written: written.to_owned(),
        what: What::File(String::new()),
        demanded: None,
        places: Vec::new(),
    };
    if let Some(path) = meant.strip_prefix("file://") {
        found.what = What::File(path.to_owned());
        return Some(found);
    }
    let digest = digest.filter(|(_, value)| {
        let written = &places.text()[value.piece.clone()];
        !value.meant.is_empty() && !is_template(written)
    });
    found.what = match demanded(digest.as_ref()) {
        Err(error) => What::Malformed(error),
        Ok(demanded) => {
            found.demanded = demanded;
            match reference(without_scheme(meant), plain) {
                Ok(reference) => agreed(reference, demanded),
                Err(error) => What::Malformed(error),
            }
        }
    };
    let is_pinned = matches!(&found.what, What::Reference(reference) if reference.digest.is_some());
    // Where a digest stands beside, it need not be in the reference too.
    if composed.is_none() && (is_pinned || digest.is_none()) {
        found.places.push(in_reference(places, value));
    }
    found.places.extend(digest.map(|(demands, value)| Place {
        range: places.range(value.piece.clone()),
        is: value.meant.to_owned(),
        before: String::new(),
        demands,
    }));
    Some(found)
}

/// A reference, unless another digest is demanded of its manifest than its own: no artifact has both.
fn agreed(reference: RegistryReference, demanded: Option<Demanded>) -> What {
    match (reference.digest, demanded) {
        (Some(own), Some(Demanded::Manifest(beside))) if own != beside => {
            let error = error!(
                DigestMismatch: "the reference says {own}, and {beside} is demanded beside it"
            );
            What::Malformed(
                error.help("Find out which of them is right, and write it in both places."),
            )
        }
        _ => What::Reference(reference),
    }
}

/// Where the digest of a reference stands, or is to stand.
fn in_reference(places: &Places<'_>, value: &Value<'_>) -> Place {
    let written = &places.text()[value.piece.clone()];
    let (name, digest) = value
        .meant
        .split_at(value.meant.find('@').unwrap_or(value.meant.len()));
    let before = |name: &str| format!("{name}@");
    let (start, is, before) = if written == value.meant {
        (value.piece.start + name.len(), digest, before(""))
    } else {
        // It holds escapes, which references have no need of.
        (value.piece.start, value.meant, before(name))
    };
    Place {
        range: places.range(start..value.piece.end),
        is: is.to_owned(),
        before,
        demands: Demands::Manifest,
    }
}

fn demanded(digest: Option<&(Demands, Value<'_>)>) -> Result<Option<Demanded>> {
    let Some((demands, value)) = digest else {
        return Ok(None);
    };
    Ok(Some(match demands {
        Demands::Manifest => Demanded::Manifest(value.meant.parse()?),
        Demands::ManifestHex => Demanded::Manifest(format!("sha256:{}", value.meant).parse()?),
        Demands::Content => Demanded::Content(value.meant.parse()?),
    }))
}

/// What templates begin with: Helm's, and those that put an environment's variables in.
const TEMPLATES: [&str; 3] = ["{{", "${", "$("];
/// What is not in a registry, and not a file either.
const ELSEWHERE: [&str; 3] = ["wasmcloud+builtin://", "http://", "https://"];
/// What programs write before a reference.
const SCHEMES: [&str; 2] = ["oci://", "registry://"];

/// A reference without what programs write before it.
pub(super) fn without_scheme(written: &str) -> &str {
    let mut without = SCHEMES
        .iter()
        .filter_map(|scheme| written.strip_prefix(scheme));
    without.next().unwrap_or(written)
}

fn reference(text: &str, plain: &PlainHosts) -> Result<RegistryReference> {
    match plain.reference(text)? {
        Reference::Registry(reference) => Ok(reference),
        Reference::Layout(_) => Err(
            error!(InvalidReference: "{text:?} is not a reference to a registry")
                .help("A document names registries alone: `registry/repository:tag`."),
        ),
    }
}
