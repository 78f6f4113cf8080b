//! What may sign a manifest from beside it, as indexes and manifests say: OCI distribution
//! specification, "Listing Referrers", and what cosign 2 stored under a tag of its own.
//!
//! Nobody signs what they say. It orders the search and bounds it; whether something is a bundle,
//! and of what, its content tells.

use crate::{
    error::clean,
    name::Digest,
    signature::{self, Evidence, LARGEST_BUNDLE},
    trust::Layer,
};
use oci_distribution::manifest::{OciDescriptor, OciImageManifest};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{
    collections::{BTreeMap, HashSet},
    fmt,
};

/// Of so many, at most, each manifest and each layer is fetched.
pub(super) const MOST: usize = 64;
/// The largest of their manifests, in bytes.
pub(super) const LARGEST_MANIFEST: usize = 1 << 20;
/// The most bytes of all that are fetched for one artifact.
pub(super) const MOST_BYTES: usize = 8 << 20;

/// What bundles are called.
pub(super) const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// What the payloads are called that cosign 2 signs.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// What publishers say of a release.
const RELEASES: &[&str] = &[
    "https://sigstore.dev/cosign/sign/v1",
    "https://slsa.dev/provenance/v1",
];
/// What says nothing of what a manifest is. Some registries take these from its config.
const EMPTY: &[&str] = &[
    "",
    "application/vnd.oci.empty.v1+json",
    "application/vnd.oci.image.config.v1+json",
];

/// The tag that lists what refers to a manifest, where a registry has no list: OCI distribution
/// specification, "Referrers Tag Schema".
pub(super) fn fallback_tag(subject: Digest) -> String {
    format!("sha256-{}", subject.hex())
}

/// The tag under which cosign 2 stored signatures.
pub(super) fn signature_tag(subject: Digest) -> String {
    format!("sha256-{}.sig", subject.hex())
}

/// How likely a manifest is to hold a signature of a release, as its entry in an index says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Likelihood {
    Release,
    Unclear,
    Other,
}

/// The manifests that indexes list, the likeliest first.
#[derive(Debug)]
pub(super) struct Listed {
    /// No more of each likelihood than may be fetched.
    kept: BTreeMap<Likelihood, Vec<Digest>>,
    most: usize,
    /// How many there were.
    pub(super) all: usize,
    /// Those of whom somebody wants to know whether they are there, and that were not.
    pub(super) missing: HashSet<Digest>,
}

impl Listed {
    /// None so far; of those to come, so many are kept.
    pub(super) fn keeping(most: usize) -> Self {
        Self {
            kept: BTreeMap::new(),
            most,
            all: 0,
            missing: HashSet::new(),
        }
    }

    /// None so far; none is kept, and these are looked for.
    pub(super) fn seeking(these: impl IntoIterator<Item = Digest>) -> Self {
        Self {
            missing: these.into_iter().collect(),
            ..Self::keeping(0)
        }
    }

    /// Adds what an index lists; says why that cannot be read.
    pub(super) fn add(&mut self, index: &[u8]) -> Result<(), String> {
        let index: Index<'_> = serde_json::from_slice(index).map_err(|error| error.to_string())?;
        let list = index.manifests.get();
        // As Go writes an empty list.
        if list == "null" {
            return Ok(());
        }
        let mut list = serde_json::Deserializer::from_str(list);
        let read = list.deserialize_seq(Adding(self));
        read.map_err(|error| error.to_string())
    }

    fn put(&mut self, entry: &str) {
        self.all += 1;
        // One that makes no sense hides no other.
        let Ok(entry) = serde_json::from_str::<Entry>(entry) else {
            return;
        };
        let Ok(digest) = entry.digest.parse::<Digest>() else {
            return;
        };
        self.missing.remove(&digest);
        let kept = self.kept.entry(entry.likelihood()).or_default();
        if kept.len() < self.most && !kept.contains(&digest) {
            kept.push(digest);
        }
    }

    /// Those that are looked at.
    pub(super) fn digests(&self) -> Vec<Digest> {
        let kept = self.kept.values().flatten().copied();
        kept.take(self.most).collect()
    }
}

#[derive(Deserialize)]
struct Index<'a> {
    #[serde(borrow)]
    manifests: &'a RawValue,
}

/// An index may list millions: each is looked at on its own.
struct Adding<'a>(&'a mut Listed);

impl<'de> Visitor<'de> for Adding<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of manifests")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(entry) = list.next_element::<&RawValue>()? {
            self.0.put(entry.get());
        }
        Ok(())
    }
}

/// A manifest, as an index describes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    digest: String,
    artifact_type: Option<String>,
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
struct Annotations {
    #[serde(rename = "dev.sigstore.bundle.predicateType")]
    predicate: Option<String>,
}

impl Entry {
    fn likelihood(&self) -> Likelihood {
        let called = self.artifact_type.as_deref().unwrap_or_default();
        let annotations = self.annotations.as_ref();
        let predicate = annotations.and_then(|annotations| annotations.predicate.as_deref());
        match predicate {
            _ if EMPTY.contains(&called) => Likelihood::Unclear,
            _ if !called.starts_with(BUNDLE) => Likelihood::Other,
            Some(other) if !RELEASES.contains(&other) => Likelihood::Unclear,
            _ => Likelihood::Release,
        }
    }
}

/// What a manifest has that refers to another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Referrer {
    /// What it refers to.
    pub(super) subject: Option<Digest>,
    /// What may be a bundle; or why nothing is.
    pub(super) layer: Result<Typed, String>,
}

/// A layer, and what it is called.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Typed {
    pub(super) layer: Layer,
    media_type: String,
}

impl Referrer {
    /// Reads a manifest.
    pub(super) fn read(manifest: &[u8]) -> Result<Self, String> {
        let manifest = read(manifest)?;
        let subject = manifest.subject.and_then(|it| it.digest.parse().ok());
        let layer = match manifest.layers.as_slice() {
            [one] => layer(one).map(|layer| Typed {
                layer,
                media_type: one.media_type.clone(),
            }),
            layers => Err(format!("it has {} layers", layers.len())),
        };
        Ok(Self { subject, layer })
    }

    /// The layer, if it refers to that manifest.
    pub(super) fn of(self, subject: Digest) -> Result<Typed, String> {
        match self.subject {
            Some(other) if other == subject => self.layer,
            Some(other) => Err(format!("it refers to {other}, not to this artifact")),
            None => Err("it refers to nothing".into()),
        }
    }
}

impl Typed {
    /// What was fetched, if it may be a bundle.
    pub(super) fn evidence(&self, from: &str, bytes: Vec<u8>) -> Evidence {
        const MEMBER: &[u8] = b"\"verificationMaterial\"";
        let has_material = || bytes.windows(MEMBER.len()).any(|bytes| bytes == MEMBER);
        if self.media_type.starts_with(BUNDLE) || has_material() {
            return Evidence::bundle(from, bytes);
        }
        let called = clean(&self.media_type);
        Evidence::unread(from, &format!("it is not a Sigstore bundle but {called}"))
    }
}

/// What cosign 2 stored: a payload, and what is annotated.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) payload: Layer,
    annotations: BTreeMap<String, String>,
}

/// The signatures in a manifest of cosign 2, and how many there are; each, or why it cannot be
/// fetched.
pub(super) fn signatures(manifest: &[u8]) -> Result<(Vec<Result<Signed, String>>, usize), String> {
    let manifest = read(manifest)?;
    let mut signed = manifest.layers;
    signed.retain(|layer| layer.media_type == PAYLOAD);
    let all = signed.len();
    let signed = signed.into_iter().take(MOST).map(|descriptor| {
        Ok(Signed {
            payload: layer(&descriptor)?,
            annotations: descriptor.annotations.unwrap_or_default(),
        })
    });
    Ok((signed.collect(), all))
}

impl Signed {
    pub(super) fn evidence(mut self, from: &str, payload: Vec<u8>) -> Evidence {
        let mut take = |name: &str| self.annotations.remove(name);
        let Some(signature) = take("dev.cosignproject.cosign/signature") else {
            return Evidence::unread(from, "it has no signature");
        };
        let layer = signature::Layer {
            payload,
            signature,
            certificate: take("dev.sigstore.cosign/certificate"),
            chain: take("dev.sigstore.cosign/chain"),
            bundle: take("dev.sigstore.cosign/bundle"),
        };
        Evidence::layer(from, layer)
    }
}

/// That more is there than was looked at. What is listed twice, or names nothing that could be
/// fetched, is mentioned; past the bound, nobody knows whose that is.
pub(super) fn told(at: &str, looked_at: usize, all: usize) -> Option<Evidence> {
    let why = format!("{looked_at} of {all} were looked at, and no more");
    (all > looked_at).then(|| match looked_at {
        MOST.. => Evidence::left(at, all - looked_at, &why),
        _ => Evidence::unread(at, &why),
    })
}

fn read(manifest: &[u8]) -> Result<OciImageManifest, String> {
    let read = serde_json::from_slice(manifest);
    read.map_err(|error| format!("its manifest is not valid: {}", clean(&error.to_string())))
}

fn layer(of: &OciDescriptor) -> Result<Layer, String> {
    let digest = of.digest.parse();
    let digest = digest.map_err(|_| "it names its layer by a bad digest".to_owned())?;
    match u64::try_from(of.size) {
        Ok(size) if size <= LARGEST_BUNDLE as u64 => Ok(Layer { digest, size }),
        _ => Err(format!("it is larger than {LARGEST_BUNDLE} bytes")),
    }
}

#[cfg(test)]
mod tests;
