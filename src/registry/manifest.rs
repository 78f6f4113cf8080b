//! Manifests: the shapes that are written, and those that are read.
//!
//! One artifact is one layer. What else a manifest may be is refused by name; what the artifact is,
//! its content alone says.

use super::content::Content;
use crate::{
    artifact::{ArtifactKind, Limits},
    error::{Error, Result},
    name::Digest,
};
use oci_distribution::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_CONFIG_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciDescriptor,
    OciImageManifest, WASM_CONFIG_MEDIA_TYPE, WASM_LAYER_MEDIA_TYPE,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vouch_protocol::ErrorKind;

/// Manifests are at most that large; registries take no larger ones.
pub(super) const LARGEST: usize = 4 << 20;

/// What is asked for, so that a registry sends what is there and not what it would convert it to.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// The CNCF's "Wasm OCI Artifact layout".
const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
const WASM_LAYER: &str = "application/wasm";
/// wasmCloud's provider archives.
const PROVIDER_CONFIG: &str = "application/vnd.wasmcloud.provider.archive.config";
const PROVIDER_LAYER: &str = "application/vnd.wasmcloud.provider.archive.layer.v1+par";

/// The shapes that hold one artifact: the config's media type and the layer's.
const SHAPES: &[(&str, &str)] = &[
    (WASM_CONFIG, WASM_LAYER),
    (PROVIDER_CONFIG, PROVIDER_LAYER),
    // wasmCloud's actors, 2020 to 2023.
    (
        "application/vnd.wasmcloud.actor.archive.config",
        "application/vnd.module.wasm.content.layer.v1+wasm",
    ),
    // wasm-to-oci.
    (WASM_CONFIG_MEDIA_TYPE, WASM_LAYER_MEDIA_TYPE),
];

/// A manifest has at most so many annotations from the caller, this long all together.
const ANNOTATIONS: usize = 64;
const ANNOTATION_BYTES: usize = 64 << 10;

/// A manifest that is about to be published, and its config.
#[derive(Debug, Clone)]
pub(super) struct Manifest {
    pub(super) bytes: Vec<u8>,
    pub(super) digest: Digest,
    pub(super) config: Vec<u8>,
}

impl Manifest {
    /// The manifest of a file; the same file and annotations make the same manifest, always.
    pub(super) fn write(content: &Content, annotations: &BTreeMap<String, String>) -> Result<Self> {
        check(annotations)?;
        let wasm = |os| serde_json::to_vec(&WasmConfig::new(content, os)).map_err(unwritten);
        let (config_type, layer_type, config) = match content.kind {
            ArtifactKind::Module => (WASM_CONFIG, WASM_LAYER, wasm("wasip1")?),
            ArtifactKind::Component => (WASM_CONFIG, WASM_LAYER, wasm("wasip2")?),
            ArtifactKind::Provider => (PROVIDER_CONFIG, PROVIDER_LAYER, b"{}".to_vec()),
        };
        let descriptor = |media_type: &str, digest: Digest, size: u64| {
            Ok::<_, Error>(OciDescriptor {
                media_type: media_type.to_owned(),
                digest: digest.to_string(),
                size: i64::try_from(size)
                    .map_err(|_| Error::new(ErrorKind::TooLarge, "no blob is that large"))?,
                ..OciDescriptor::default()
            })
        };
        let manifest = OciImageManifest {
            media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
            config: descriptor(config_type, Digest::of(&config), config.len() as u64)?,
            layers: vec![descriptor(layer_type, content.digest, content.size)?],
            annotations: (!annotations.is_empty()).then(|| annotations.clone()),
            ..OciImageManifest::default()
        };
        let bytes = serde_json::to_vec(&manifest).map_err(unwritten)?;
        Ok(Self {
            digest: Digest::of(&bytes),
            bytes,
            config,
        })
    }
}

/// The CNCF's config. A type and no map: its bytes are part of what a manifest's digest covers, so
/// their order must not depend on how maps are built.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WasmConfig {
    /// When it was signed, so that nothing depends on when it is pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [String; 1],
}

impl WasmConfig {
    fn new(content: &Content, os: &'static str) -> Self {
        let created = i64::try_from(content.signed)
            .ok()
            .and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0))
            // RFC 3339 has four digits for the year.
            .filter(|date| date.timestamp() < 253_402_300_800)
            .map(|date| date.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
        Self {
            created,
            architecture: "wasm",
            os,
            layer_digests: [content.digest.to_string()],
        }
    }
}

fn unwritten(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::Internal, "a manifest could not be written").source(error)
}

fn check(annotations: &BTreeMap<String, String>) -> Result<()> {
    let wrong = |why: String| Err(Error::new(ErrorKind::InvalidParams, why));
    if annotations.len() > ANNOTATIONS {
        return wrong(format!("more than {ANNOTATIONS} annotations"));
    }
    let bytes: usize = annotations.iter().map(|(k, v)| k.len() + v.len()).sum();
    if bytes > ANNOTATION_BYTES {
        return wrong(format!("annotations of more than {ANNOTATION_BYTES} bytes"));
    }
    if annotations.keys().any(|key| key.trim().is_empty()) {
        return wrong("an annotation without a name".into());
    }
    Ok(())
}

/// The one layer of a published artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// What all kinds of manifests share; read first, to say what something is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    schema_version: serde_json::Number,
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    layers: Option<Vec<serde::de::IgnoredAny>>,
}

impl Layer {
    /// Reads a manifest; `media_type` is what the registry or layout calls it.
    pub(super) fn read(manifest: &[u8], media_type: Option<&str>, limits: &Limits) -> Result<Self> {
        let invalid =
            |why: String| Error::new(ErrorKind::InvalidManifest, format!("the manifest {why}"));
        let json = |error: serde_json::Error| {
            let why = crate::session::clean(&error.to_string());
            invalid(format!("is not of the form that it should be: {why}"))
        };
        if manifest.len() > limits.manifest {
            return Err(invalid(format!("is larger than {} bytes", limits.manifest)));
        }
        let outline: Outline = serde_json::from_slice(manifest).map_err(json)?;
        if outline.schema_version.as_u64() != Some(2) {
            let version = crate::session::clean(&outline.schema_version.to_string());
            return Err(unsupported(
                &format!("is of schema version {version}"),
                "Only version 2 is supported: push the artifact again with a present tool.",
            ));
        }
        let called = outline.media_type.as_deref().or(media_type);
        let is_index = |media_type| {
            media_type == OCI_IMAGE_INDEX_MEDIA_TYPE || media_type == IMAGE_MANIFEST_LIST_MEDIA_TYPE
        };
        if outline.manifests.is_some()
            || called.is_some_and(is_index)
            || media_type.is_some_and(is_index)
        {
            return Err(unsupported(
                "is an index of several manifests",
                "Name one of its manifests by digest.",
            ));
        }
        if let Some(other) = called
            && other != OCI_IMAGE_MEDIA_TYPE
            && other != IMAGE_MANIFEST_MEDIA_TYPE
        {
            return Err(unsupported(
                &format!("has the media type {}", crate::session::clean(other)),
                "Only image manifests are supported.",
            ));
        }
        let layers = outline.layers.as_ref().map_or(0, Vec::len);
        if layers > 1 {
            return Err(unsupported(
                &format!("has {layers} layers"),
                "One signed artifact is one layer: container images and Spin applications are none.",
            ));
        }
        let manifest: OciImageManifest = serde_json::from_slice(manifest).map_err(json)?;
        let Some(layer) = manifest.layers.first() else {
            return Err(unsupported(
                "has no layer",
                "It holds no artifact: it may be a signature or an attestation of one.",
            ));
        };
        recognise(&manifest.config.media_type, &layer.media_type)?;
        let digest = layer
            .digest
            .parse()
            .map_err(|error: Error| invalid(format!("names a layer wrongly: {error}")))?;
        let size = u64::try_from(layer.size).unwrap_or(0);
        if size == 0 {
            return Err(invalid(format!("gives its layer {} bytes", layer.size)));
        }
        if size > limits.artifact {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "the artifact has {size} bytes, over the limit of {}",
                    limits.artifact
                ),
            )
            .help("The owner of the server may raise `artifact` in the config's [limits]."));
        }
        Ok(Self { digest, size })
    }
}

/// Fails, with a word on what it is, where a pair of media types is no shape of ours.
fn recognise(config: &str, layer: &str) -> Result<()> {
    if SHAPES.contains(&(config, layer)) {
        return Ok(());
    }
    let is_image = config == IMAGE_DOCKER_CONFIG_MEDIA_TYPE
        || (config == IMAGE_CONFIG_MEDIA_TYPE && !layer.contains("wasm"));
    if is_image {
        return Err(unsupported(
            "is a container image's",
            "Pull it with docker; only signed WebAssembly artifacts pass here.",
        ));
    }
    let (config, layer) = (crate::session::clean(config), crate::session::clean(layer));
    Err(unsupported(
        &format!(
            "has a config of type {config} and a layer of type {layer}, which is no known shape"
        ),
        "Push the artifact again with this tool, wash or wkg.",
    ))
}

fn unsupported(what: &str, help: &str) -> Error {
    Error::new(
        ErrorKind::UnsupportedManifest,
        format!("the manifest {what}"),
    )
    .help(help)
}

#[cfg(test)]
mod tests;
