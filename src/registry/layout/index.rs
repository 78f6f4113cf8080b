//! A layout's three small files: its marker, its index, and manifests among its blobs.

use super::{Attached, Described};
use crate::{
    error::{Error, Result, error},
    file::Source,
    name::Digest,
    registry::{candidates::BUNDLE, manifest::LARGEST},
};
use oci_distribution::annotations::ORG_OPENCONTAINERS_IMAGE_REF_NAME;
use oci_spec::image::{Descriptor, OciLayout};
use serde_json::{Map, Value, json};
use std::{collections::HashSet, path::Path};
use vouch_protocol::{ErrorKind, PlainJson};

pub(super) const LAYOUT: &str = "oci-layout";
pub(super) const INDEX: &str = "index.json";
const EMPTY: &[u8] = br#"{
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.index.v1+json",
    "manifests": []
}"#;

/// Puts a manifest into an index, and what refers to it; the tag, if there is one, moves to it.
pub(super) fn enter(
    index: &mut Map<String, Value>,
    manifest: &Described,
    tag: Option<&str>,
    attached: &[Attached],
) -> Result<()> {
    let digest = manifest.digest.to_string();
    let mut descriptor = json!({
        "mediaType": manifest.media_type,
        "digest": digest,
        "size": manifest.size,
    });
    if let Some(tag) = tag {
        descriptor["annotations"] = json!({ ORG_OPENCONTAINERS_IMAGE_REF_NAME: tag });
    }
    let entries = index
        .entry("manifests")
        .or_insert_with(|| json!([]))
        .as_array_mut()
        .ok_or_else(|| error!(InvalidLayout: "the index lists no manifests"))?;
    match tag {
        Some(tag) => {
            entries.retain(|entry| ref_name(entry) != Some(tag));
            entries.push(descriptor);
        }
        None if entries.iter().any(|entry| entry["digest"] == digest) => {}
        None => entries.push(descriptor),
    }
    let listed = entries.iter().filter_map(|entry| entry["digest"].as_str());
    let listed: HashSet<_> = listed.map(ToOwned::to_owned).collect();
    let mut added = HashSet::new();
    for one in attached {
        let digest = one.digest.to_string();
        if !listed.contains(&digest) && added.insert(digest) {
            entries.push(one.entry.clone());
        }
    }
    Ok(())
}

/// An index without a list lists nothing.
fn listed(index: &Map<String, Value>) -> &[Value] {
    let manifests = index.get("manifests").and_then(Value::as_array);
    manifests.map_or(&[], Vec::as_slice)
}

fn ref_name(entry: &Value) -> Option<&str> {
    entry["annotations"][ORG_OPENCONTAINERS_IMAGE_REF_NAME].as_str()
}

/// Whether it is called a bundle, and has no name of its own.
fn is_bundle(entry: &Value) -> bool {
    let called = entry["artifactType"].as_str().unwrap_or_default();
    called.starts_with(BUNDLE) && ref_name(entry).is_none()
}

/// The names of manifests, in order; one that is there twice names nothing, and is told once.
pub(super) fn names(root: &Path) -> Result<Vec<String>> {
    let index = read_index(root)?;
    let entries = listed(&index);
    let mut seen = HashSet::new();
    let names = entries.iter().filter_map(ref_name);
    let names = names.filter(|name| seen.insert(*name));
    Ok(names.map(ToOwned::to_owned).collect())
}

/// The manifest that a tag names, or the only one there is.
pub(super) fn look_up(root: &Path, tag: Option<&str>) -> Result<Digest> {
    let index = read_index(root)?;
    let entries = listed(&index);
    let named: Vec<_> = entries
        .iter()
        .filter(|entry| match tag {
            Some(_) => ref_name(entry) == tag,
            // What signs another is not what is meant.
            None => !is_bundle(entry),
        })
        .collect();
    let not_found = |what: &str| error!(NotFound: "the layout {} {what}", root.display());
    let entry = match (named.as_slice(), tag) {
        ([entry], _) => *entry,
        ([], Some(tag)) => return Err(not_found(&format!("has no tag {tag}"))),
        ([], None) => return Err(not_found("is empty")),
        (_, Some(tag)) => return Err(invalid(root, &format!("its tag {tag} is there twice"))),
        (_, None) => {
            return Err(not_found("has several manifests").help("Name a tag or a digest."));
        }
    };
    let wrong = || invalid(root, "its index has an entry that is not a descriptor");
    let descriptor: Descriptor = serde_json::from_value(entry.clone()).map_err(|_| wrong())?;
    descriptor.digest().to_string().parse().map_err(|_| wrong())
}

/// The index, or an empty one.
pub(super) fn read_index(root: &Path) -> Result<Map<String, Value>> {
    let path = root.join(INDEX);
    let text = match small(&path, LARGEST) {
        // As it is between a layout's making and its first manifest.
        Err(error) if error.kind() == ErrorKind::FileNotFound => EMPTY.to_vec(),
        text => text?,
    };
    let index: Map<String, Value> = serde_json::from_slice::<PlainJson>(&text)
        .and_then(|_| serde_json::from_slice(&text))
        .map_err(|error| invalid(root, "its index is not a JSON object").source(error))?;
    let listed = index.get("manifests").is_none_or(Value::is_array);
    if !listed || index.get("schemaVersion") != Some(&json!(2)) {
        return Err(invalid(root, "its index is not of schema version 2"));
    }
    Ok(index)
}

/// Fails unless the folder is a layout of version 1.
pub(super) fn check_version(root: &Path) -> Result<()> {
    let path = root.join(LAYOUT);
    let text = small(&path, LARGEST).map_err(|error| match error.kind() {
        ErrorKind::FileNotFound => invalid(root, "it has no `oci-layout`"),
        _ => error,
    })?;
    let layout = OciLayout::from_reader(text.as_slice())
        .map_err(|error| invalid(root, "its `oci-layout` is broken").source(error))?;
    if !layout.image_layout_version().starts_with("1.") {
        return Err(invalid(root, "its version is not 1"));
    }
    Ok(())
}

/// Reads a file of at most `limit` bytes.
pub(super) fn small(path: &Path, limit: usize) -> Result<Vec<u8>> {
    let bytes = Source::open(path)?.whole(limit as u64)?;
    bytes.ok_or_else(|| error!(InvalidLayout: "{} is larger than {limit} bytes", path.display()))
}

/// A folder that is not a layout, or a broken one.
pub(super) fn invalid(root: &Path, why: &str) -> Error {
    let path = root.display();
    error!(InvalidLayout: "{path} cannot be used as an image layout: {why}")
        .help("Name an image layout, or a folder that is empty or not there yet.")
}
