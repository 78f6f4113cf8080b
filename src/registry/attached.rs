//! A bundle as registries and layouts keep it: a manifest that refers to what it signs, and that
//! manifest's entry in an index.
//!
//! The same bundle beside the same artifact makes the same manifest, always: one that is published
//! again is there once.

use crate::{
    error::{Error, Result, error},
    name::Digest,
    signature::Bundle,
    trust::Layer,
};
use bytes::Bytes;
use oci_distribution::manifest::{OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE};
use oci_distribution::manifest::{OciDescriptor, OciImageManifest};
use serde::{
    Deserialize, Deserializer as _,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::{Value, json, value::RawValue};
use std::{
    collections::{BTreeMap, HashSet},
    fmt,
};
use vouch_protocol::{PlainJson, PublishedBundle};

/// The config of a manifest that has none: OCI image specification, "Guidance for an Empty
/// Descriptor".
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
pub(super) const EMPTY: &[u8] = b"{}";

/// How many manifests the tag of an artifact may list, and in how many bytes. Whoever signs has a few
/// there; each push reads all of them, and writes them again.
pub(super) const MOST_LISTED: usize = 1000;
pub(super) const LARGEST_LIST: usize = 1 << 20;

/// A bundle that is there beside an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attachment {
    /// Of the manifest that refers to the artifact's.
    pub manifest: Digest,
    /// Of the bundle.
    pub bundle: Digest,
}

impl From<Attachment> for PublishedBundle {
    fn from(attachment: Attachment) -> Self {
        Self {
            digest: attachment.bundle.to_string(),
            manifest: attachment.manifest.to_string(),
        }
    }
}

/// A bundle beside an artifact.
#[derive(Debug, Clone)]
pub(super) struct Attached {
    pub(super) manifest: Bytes,
    pub(super) digest: Digest,
    pub(super) bundle: Bytes,
    /// In an index.
    pub(super) entry: Value,
}

impl Attached {
    /// Of bundles, beside the manifest that is so described.
    pub(super) fn all(bundles: &[Bundle], subject: Layer) -> Result<Vec<Self>> {
        let attached = bundles.iter().map(|bundle| Self::of(bundle, subject));
        attached.collect()
    }

    /// What is said of it once it is there.
    pub(super) fn pushed(&self) -> Attachment {
        Attachment {
            manifest: self.digest,
            bundle: Digest::of(&self.bundle),
        }
    }

    fn of(bundle: &Bundle, subject: Layer) -> Result<Self> {
        let called = bundle.media_type();
        let content = match bundle.predicate() {
            Some(_) => "dsse-envelope",
            None => "message-signature",
        };
        let mut annotations =
            BTreeMap::from([("dev.sigstore.bundle.content".to_owned(), content.to_owned())]);
        if let Some(predicate) = bundle.predicate() {
            let name = "dev.sigstore.bundle.predicateType".to_owned();
            annotations.insert(name, predicate.to_owned());
        }
        let bytes = Bytes::from_owner(std::sync::Arc::clone(bundle.bytes()));
        let manifest = OciImageManifest {
            media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
            artifact_type: Some(called.to_owned()),
            config: descriptor(EMPTY_TYPE, Digest::of(EMPTY), EMPTY.len() as u64)?,
            layers: vec![descriptor(called, Digest::of(&bytes), bytes.len() as u64)?],
            subject: Some(descriptor(
                OCI_IMAGE_MEDIA_TYPE,
                subject.digest,
                subject.size,
            )?),
            annotations: Some(annotations.clone()),
            ..OciImageManifest::default()
        };
        let manifest = Bytes::from(serde_json::to_vec(&manifest).map_err(unwritten)?);
        let digest = Digest::of(&manifest);
        Ok(Self {
            digest,
            bundle: bytes,
            entry: json!({
                "mediaType": OCI_IMAGE_MEDIA_TYPE,
                "digest": digest.to_string(),
                "size": manifest.len(),
                "artifactType": called,
                "annotations": annotations,
            }),
            manifest,
        })
    }
}

fn descriptor(media_type: &str, digest: Digest, size: u64) -> Result<OciDescriptor> {
    Ok(OciDescriptor {
        media_type: media_type.to_owned(),
        digest: digest.to_string(),
        size: i64::try_from(size)
            .map_err(|_| error!(TooLarge: "a blob is too large for a manifest"))?,
        ..OciDescriptor::default()
    })
}

fn unwritten(error: serde_json::Error) -> Error {
    error!(Internal: "a manifest could not be written").source(error)
}

/// An index of manifests, of which nothing is lost that others wrote. What it lists stays as it is
/// written, and is told apart by what it names: adding to it costs the same however much it lists.
#[derive(Debug)]
pub(super) struct Index {
    /// All but the list.
    members: BTreeMap<String, Box<RawValue>>,
    entries: Vec<Box<RawValue>>,
    /// What the entries name.
    named: HashSet<String>,
}

/// Why something is not an index that can be added to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is something else.
    Other,
    /// It lists more than [`MOST_LISTED`].
    TooLong,
}

impl Index {
    pub(super) fn empty() -> Self {
        let raw = |value: Value| serde_json::value::to_raw_value(&value).ok();
        let members = [
            ("schemaVersion", raw(2.into())),
            ("mediaType", raw(OCI_IMAGE_INDEX_MEDIA_TYPE.into())),
        ];
        let members = members.into_iter();
        Self {
            members: members
                .filter_map(|(name, raw)| Some((name.to_owned(), raw?)))
                .collect(),
            entries: Vec::new(),
            named: HashSet::new(),
        }
    }

    pub(super) fn read(bytes: &[u8]) -> std::result::Result<Self, Unfit> {
        let mut members: BTreeMap<String, Box<RawValue>> =
            serde_json::from_slice::<PlainJson>(bytes)
                .and_then(|_| serde_json::from_slice(bytes))
                .map_err(|_| Unfit::Other)?;
        let version = members.get("schemaVersion").map(|raw| raw.get());
        if version != Some("2") || members.contains_key("layers") {
            return Err(Unfit::Other);
        }
        let listed = members.remove("manifests").ok_or(Unfit::Other)?;
        let mut listed = serde_json::Deserializer::from_str(listed.get());
        let listed = listed.deserialize_seq(Counted).map_err(|_| Unfit::Other)?;
        let listed = listed.ok_or(Unfit::TooLong)?;
        let mut index = Self {
            members,
            entries: Vec::new(),
            named: HashSet::new(),
        };
        for entry in listed {
            index.named.insert(named(entry));
            index.entries.push(entry.to_owned());
        }
        Ok(index)
    }

    pub(super) fn entries(self) -> Vec<Box<RawValue>> {
        self.entries
    }

    /// Adds those that it does not have; answers whether there were any.
    pub(super) fn add<'a>(&mut self, entries: impl IntoIterator<Item = &'a RawValue>) -> bool {
        let before = self.entries.len();
        for entry in entries {
            if self.named.insert(named(entry)) {
                self.entries.push(entry.to_owned());
            }
        }
        self.entries.len() > before
    }

    /// Nothing where it is larger, or lists more, than is read again.
    pub(super) fn written(&self) -> Option<Vec<u8>> {
        let manifests = serde_json::value::to_raw_value(&self.entries).ok()?;
        let mut members: BTreeMap<&str, &RawValue> = BTreeMap::new();
        members.extend(self.members.iter().map(|(name, raw)| (&**name, &**raw)));
        members.insert("manifests", &manifests);
        let bytes = serde_json::to_vec(&members).ok()?;
        (bytes.len() <= LARGEST_LIST && self.entries.len() <= MOST_LISTED).then_some(bytes)
    }
}

/// A list, unless it is longer than is read: of that one, nothing is kept.
struct Counted;

impl<'de> Visitor<'de> for Counted {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of manifests")
    }

    fn visit_seq<A: SeqAccess<'de>>(
        self,
        mut list: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < MOST_LISTED {
            let Some(entry) = list.next_element()? else {
                return Ok(Some(kept));
            };
            kept.push(entry);
        }
        let mut more = false;
        while list.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok((!more).then_some(kept))
    }
}

/// What an entry names; one that names nothing stands for itself.
fn named(entry: &RawValue) -> String {
    #[derive(Deserialize)]
    struct Named {
        digest: String,
    }
    let read = serde_json::from_str::<Named>(entry.get());
    read.map_or_else(|_| entry.get().to_owned(), |named| named.digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_s_manifest_is_as_others_write_it_and_always_the_same() {
        let subject = Layer {
            digest: Digest::of(b"manifest"),
            size: 8,
        };
        let bundle = Bundle::unverified(b"{}", subject.digest);
        let attached = Attached::all(&[bundle.clone(), bundle], subject).unwrap();
        assert_eq!(attached[0].digest, attached[1].digest);
        let manifest: Value = serde_json::from_slice(&attached[0].manifest).unwrap();
        let called = "application/vnd.dev.sigstore.bundle.v0.3+json";
        let empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        let expected = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": called,
            "config": {"mediaType": EMPTY_TYPE, "digest": empty, "size": 2},
            "layers": [{"mediaType": called, "digest": empty, "size": 2}],
            "subject": {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": subject.digest.to_string(),
                "size": 8,
            },
            "annotations": {
                "dev.sigstore.bundle.content": "dsse-envelope",
                "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1",
            },
        });
        assert_eq!(manifest, expected);
        assert_eq!(attached[0].entry["artifactType"], called);
        assert_eq!(attached[0].entry["annotations"], expected["annotations"]);
    }

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn an_index_keeps_what_others_wrote() {
        let check = |there: &str, expected: Option<usize>| {
            let index = Index::read(there.as_bytes()).ok();
            let entries = index.map(|mut index| {
                let entry = raw(r#"{"digest":"a"}"#);
                index.add([&*entry, &*entry]);
                assert!(!index.add([&*entry]), "{there}");
                index.entries().len()
            });
            assert_eq!(entries, expected, "{there}");
        };
        check(r#"{"schemaVersion":2,"manifests":[]}"#, Some(1));
        check(
            r#"{"schemaVersion":2,"manifests":[{"digest":"a"}]}"#,
            Some(1),
        );
        check(
            r#"{"schemaVersion":2,"manifests":[{"digest":"b","x":1},7]}"#,
            Some(3),
        );
        // Not one, or not only one.
        check(r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#, None);
        check(r#"{"schemaVersion":2,"layers":[]}"#, None);
        check(r#"{"schemaVersion":1,"manifests":[]}"#, None);
        check(r#"{"schemaVersion":2,"manifests":{}}"#, None);
        check("[]", None);
        check("<html>", None);
        let text = r#"{"schemaVersion":2,"manifests":[{"digest":"b","x":1.50}],"x":{"y":1}}"#;
        let mut index = Index::read(text.as_bytes()).unwrap();
        index.add([&*raw(r#"{"digest":"a"}"#)]);
        let written = String::from_utf8(index.written().unwrap()).unwrap();
        let expected = r#"{"manifests":[{"digest":"b","x":1.50},{"digest":"a"}],"schemaVersion":2,"x":{"y":1}}"#;
        assert_eq!(written, expected);
    }

    #[test]
    fn no_more_is_listed_than_is_read() {
        let listing = |most: usize| {
            let entries: Vec<_> = (0..most)
                .map(|n| format!(r#"{{"digest":"{n}"}}"#))
                .collect();
            let entries = entries.join(",");
            format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#)
        };
        let full = listing(MOST_LISTED);
        let mut full = Index::read(full.as_bytes()).unwrap();
        assert!(full.written().is_some());
        assert!(full.add([&*raw(r#"{"digest":"a"}"#)]));
        assert!(full.written().is_none());
        let over = listing(MOST_LISTED + 1);
        assert_eq!(Index::read(over.as_bytes()).unwrap_err(), Unfit::TooLong);
        let large = format!(r#"{{"digest":"a","x":"{}"}}"#, "x".repeat(LARGEST_LIST));
        let mut index = Index::empty();
        index.add([&*raw(&large)]);
        assert!(index.written().is_none());
    }
}
