//! What was fetched beside an artifact, to judge it by: bytes, of which nothing is verified; and
//! what of that holds, which may be kept beside it.

use crate::name::Digest;
use std::{any::Any, sync::Arc};

/// One thing that may sign an artifact from beside it, and where it came from.
#[derive(Debug, Clone)]
pub struct Evidence {
    from: Arc<str>,
    /// The registry, mirror or layout that has it; nothing where it was named, or is a file.
    pub(super) place: Option<Arc<str>>,
    pub(super) what: What,
    /// What the memory is counted by that its bytes take.
    held: Vec<Arc<dyn Any + Send + Sync>>,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// A Sigstore bundle, in JSON.
    Bundle(Arc<[u8]>),
    /// What cosign 2 stored.
    Layer(Arc<Layer>),
    /// Why it could not be read, or was not.
    Unread(Arc<str>),
    /// How many more there are than were looked at.
    Left(usize, Arc<str>),
}

impl Evidence {
    /// A Sigstore bundle. `from` says where it was found, for people: a reference, or a path.
    pub fn bundle(from: &str, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self {
            from: from.into(),
            place: None,
            what: What::Bundle(bytes.into()),
            held: Vec::new(),
        }
    }

    /// A layer of the tag that cosign 2 made.
    pub fn layer(from: &str, layer: Layer) -> Self {
        Self {
            from: from.into(),
            place: None,
            what: What::Layer(Arc::new(layer)),
            held: Vec::new(),
        }
    }

    /// What was not read, and why: it is told, and counts for nothing.
    pub fn unread(from: &str, why: &str) -> Self {
        Self {
            from: from.into(),
            place: None,
            what: What::Unread(why.into()),
            held: Vec::new(),
        }
    }

    /// That a place has more than was looked at: it is told, and counts for nothing.
    pub fn left(from: &str, more: usize, why: &str) -> Self {
        Self {
            from: from.into(),
            place: None,
            what: What::Left(more, why.into()),
            held: Vec::new(),
        }
    }

    /// The same, of the place that has it. Each has a bound of its own on how much is looked at.
    #[must_use]
    pub fn at(mut self, place: &Arc<str>) -> Self {
        self.place = Some(Arc::clone(place));
        self
    }

    /// Keeps something until the last copy of this is dropped: what counts the memory of its bytes.
    #[must_use]
    pub fn holding(mut self, held: Arc<dyn Any + Send + Sync>) -> Self {
        self.held.push(held);
        self
    }

    /// The same for who counts its bytes otherwise.
    #[must_use]
    pub fn held_elsewhere(&self) -> Self {
        Self {
            held: Vec::new(),
            ..self.clone()
        }
    }

    /// The bytes that it takes, about.
    pub fn size(&self) -> usize {
        let more = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let what = match &self.what {
            What::Bundle(bytes) => bytes.len(),
            What::Layer(layer) => {
                let texts = [&layer.certificate, &layer.chain, &layer.bundle];
                layer.payload.len() + layer.signature.len() + texts.map(more).iter().sum::<usize>()
            }
            What::Unread(why) | What::Left(_, why) => why.len(),
        };
        size_of::<Self>() + self.from.len() + what
    }

    /// Where it was found.
    pub fn from(&self) -> &str {
        &self.from
    }
}

/// A layer of cosign 2's tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The layer's bytes: what was signed.
    pub payload: Vec<u8>,
    /// The annotation `dev.cosignproject.cosign/signature`.
    pub signature: String,
    /// The annotation `dev.sigstore.cosign/certificate`, where there is one.
    pub certificate: Option<String>,
    /// The annotation `dev.sigstore.cosign/chain`, where there is one.
    pub chain: Option<String>,
    /// The annotation `dev.sigstore.cosign/bundle`, where there is one.
    pub bundle: Option<String>,
}

/// What signs an artifact from beside it, and holds. Only the check makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// A Sigstore bundle.
    Bundle(Bundle),
    /// What cosign 2 stored.
    Layer(Arc<Layer>),
}

/// A bundle that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    pub(super) bytes: Arc<[u8]>,
    pub(super) media_type: &'static str,
    pub(super) predicate: Option<String>,
    pub(super) subject: Digest,
}

impl Bundle {
    /// The very bytes that were verified.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// What it is called in a registry.
    pub fn media_type(&self) -> &'static str {
        self.media_type
    }

    /// What its statement says of its subjects; nothing where it signs bytes.
    pub fn predicate(&self) -> Option<&str> {
        self.predicate.as_deref()
    }

    /// What it signs: the file, or the manifest that names it.
    pub fn subject(&self) -> Digest {
        self.subject
    }

    /// One that nobody verified.
    #[cfg(test)]
    pub(crate) fn unverified(bytes: &[u8], subject: Digest) -> Self {
        Self {
            bytes: bytes.into(),
            media_type: "application/vnd.dev.sigstore.bundle.v0.3+json",
            predicate: Some("https://sigstore.dev/cosign/sign/v1".into()),
            subject,
        }
    }
}
