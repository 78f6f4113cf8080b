//! A bundle as registries and layouts keep it: a manifest that refers to what it signs, and that
//! manifest's entry in an index.
//!
//! The same bundle beside the same artifact makes the same manifest, always: one that is published
//! again is there once.

use super::manifest::LARGEST;
use crate::{
    error::{Error, Result, error},
    name::Digest,
    signature::Bundle,
    trust::Layer,
};
use bytes::Bytes;
use oci_distribution::manifest::{OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE};
use oci_distribution::manifest::{OciDescriptor, OciImageManifest};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use vouch_protocol::{PlainJson, PublishedBundle};

/// The config of a manifest that has none: OCI image specification, "Guidance for an Empty
/// Descriptor".
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
pub(super) const EMPTY: &[u8] = b"{}";

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

/// An index of manifests, of which nothing is lost that others wrote.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Index(Map<String, Value>);

impl Index {
    pub(super) fn empty() -> Self {
        let mut members = Map::new();
        members.insert("schemaVersion".into(), 2.into());
        members.insert("mediaType".into(), OCI_IMAGE_INDEX_MEDIA_TYPE.into());
        members.insert("manifests".into(), json!([]));
        Self(members)
    }

    /// Nothing where it is not one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let index: Map<String, Value> = serde_json::from_slice::<PlainJson>(bytes)
            .and_then(|_| serde_json::from_slice(bytes))
            .ok()?;
        let is_index = index.get("manifests").is_some_and(Value::is_array)
            && index.get("schemaVersion") == Some(&json!(2))
            && !index.contains_key("layers");
        is_index.then_some(Self(index))
    }

    pub(super) fn entries(&self) -> &[Value] {
        let entries = self.0.get("manifests").and_then(Value::as_array);
        entries.map_or(&[], Vec::as_slice)
    }

    /// Adds those that it does not have; answers whether there were any.
    pub(super) fn add<'a>(&mut self, entries: impl IntoIterator<Item = &'a Value>) -> bool {
        let mut added = false;
        for entry in entries {
            let is_there = self
                .entries()
                .iter()
                .any(|one| one["digest"] == entry["digest"]);
            if let Some(list) = self.0.get_mut("manifests").and_then(Value::as_array_mut)
                && !is_there
            {
                list.push(entry.clone());
                added = true;
            }
        }
        added
    }

    /// Nothing where it is larger than registries take.
    pub(super) fn written(&self) -> Option<Vec<u8>> {
        let bytes = serde_json::to_vec(&self.0).ok()?;
        (bytes.len() <= LARGEST).then_some(bytes)
    }
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

    #[test]
    fn an_index_keeps_what_others_wrote() {
        let check = |there: &str, expected: Option<usize>| {
            let index = Index::read(there.as_bytes());
            let entries = index.map(|mut index| {
                let entry = json!({"digest": "a"});
                index.add([&entry, &entry]);
                assert!(!index.add([&entry]), "{there}");
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
        let mut index = Index::read(br#"{"schemaVersion":2,"manifests":[],"x":{"y":1}}"#).unwrap();
        index.add([&json!({"digest": "a"})]);
        let written: Value = serde_json::from_slice(&index.written().unwrap()).unwrap();
        assert_eq!(written["x"]["y"], 1);
    }
}
