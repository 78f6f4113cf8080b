//! Manifests: those that are written, and those that are read.
//!
//! An artifact is the one layer of its manifest, whatever config and media types surround it: what
//! it is, its content alone says. An index of one manifest stands for that manifest.

use crate::{
    artifact::{ArtifactKind, Facts, Limits},
    error::{Error, Result, clean, error},
    name::Digest,
    signature::{self, Beside},
    trust::Layer,
};
use oci_distribution::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_CONFIG_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciDescriptor,
    OciImageIndex, OciImageManifest,
};
use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Registries take no larger manifests.
pub(super) const LARGEST: usize = 4 << 20;

/// What is asked for, so that a registry sends what it has, and converts nothing.
pub(super) const ACCEPT: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json",
);

/// The CNCF's "Wasm OCI Artifact layout".
const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
const WASM_LAYER: &str = "application/wasm";
/// wasmCloud's provider archives.
const PROVIDER_CONFIG: &str = "application/vnd.wasmcloud.provider.archive.config";
const PROVIDER_LAYER: &str = "application/vnd.wasmcloud.provider.archive.layer.v1+par";

/// What manifests and indexes are called.
const IMAGE_TYPES: &[&str] = &[OCI_IMAGE_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE];
const INDEX_TYPES: &[&str] = &[OCI_IMAGE_INDEX_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE];

/// Container images call their configs and layers so.
const CONTAINER_CONFIGS: &[&str] = &[IMAGE_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_CONFIG_MEDIA_TYPE];
const CONTAINER_LAYERS: &[&str] = &[
    "application/vnd.oci.image.layer.",
    "application/vnd.docker.image.rootfs.",
];

/// The manifests of larger indexes are not listed.
const LISTED: usize = 16;

/// Callers may add that many annotations, of that many bytes in all.
const ANNOTATIONS: usize = 64;
const ANNOTATION_BYTES: usize = 64 << 10;

/// What a manifest says of a file: nothing but what follows from its bytes, so that who signs the
/// manifest may do so before it is published.
#[derive(Debug, Clone, Copy)]
pub(super) struct Artifact {
    pub(super) kind: ArtifactKind,
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// When it was signed, as its token says; without one, 0. Seconds since 1970-01-01T00:00:00Z.
    pub(super) signed: u64,
}

impl Artifact {
    pub(super) fn of(facts: &Facts) -> Self {
        let looked = signature::signatures(facts, Beside::nothing());
        let token = looked.signatures.ok();
        let token = token.as_ref().and_then(|held| held.first());
        Self {
            kind: facts.kind,
            digest: facts.digest,
            size: facts.size,
            signed: token
                .and_then(|token| token.dates().signed_at)
                .unwrap_or_default(),
        }
    }
}

/// A manifest that is about to be published, and its config.
#[derive(Debug, Clone)]
pub(super) struct Manifest {
    pub(super) bytes: Vec<u8>,
    pub(super) digest: Digest,
    pub(super) config: Vec<u8>,
}

impl Manifest {
    /// The manifest of a file; the same file and annotations make the same manifest, always.
    pub(super) fn write(
        artifact: Artifact,
        annotations: &BTreeMap<String, String>,
    ) -> Result<Self> {
        check(annotations)?;
        let wasm = |os| serde_json::to_vec(&WasmConfig::new(artifact, os)).map_err(unwritten);
        let (config_type, layer_type, config) = match artifact.kind {
            ArtifactKind::Module => (WASM_CONFIG, WASM_LAYER, wasm("wasip1")?),
            ArtifactKind::Component => (WASM_CONFIG, WASM_LAYER, wasm("wasip2")?),
            ArtifactKind::Provider => (PROVIDER_CONFIG, PROVIDER_LAYER, b"{}".to_vec()),
        };
        let descriptor = |media_type: &str, digest: Digest, size: u64| {
            Ok::<_, Error>(OciDescriptor {
                media_type: media_type.to_owned(),
                digest: digest.to_string(),
                size: i64::try_from(size)
                    .map_err(|_| error!(TooLarge: "a blob is too large for a manifest"))?,
                ..OciDescriptor::default()
            })
        };
        let manifest = OciImageManifest {
            media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
            config: descriptor(config_type, Digest::of(&config), config.len() as u64)?,
            layers: vec![descriptor(layer_type, artifact.digest, artifact.size)?],
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

    /// As others name it.
    pub(super) fn described(&self) -> Layer {
        Layer {
            digest: self.digest,
            size: self.bytes.len() as u64,
        }
    }
}

/// The CNCF's config. A type and no map: its bytes are part of what a manifest's digest covers, so
/// their order must not depend on how maps are built.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WasmConfig {
    /// When it was signed, so that nothing depends on when it is pushed. Readers want one, also of
    /// what has no token.
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [String; 1],
}

impl WasmConfig {
    fn new(artifact: Artifact, os: &'static str) -> Self {
        let created = i64::try_from(artifact.signed)
            .ok()
            .and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0))
            // RFC 3339 has four digits for the year.
            .filter(|date| date.timestamp() < 253_402_300_800)
            .map(|date| date.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
        Self {
            created,
            architecture: "wasm",
            os,
            layer_digests: [artifact.digest.to_string()],
        }
    }
}

fn unwritten(error: serde_json::Error) -> Error {
    error!(Internal: "a manifest could not be written").source(error)
}

fn check(annotations: &BTreeMap<String, String>) -> Result<()> {
    let wrong = |why: String| Err(error!(InvalidParams: "{why}"));
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

/// A manifest as an index describes it.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) media_type: &'static str,
}

impl Described {
    /// Of one that was read.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let read: Result<OciImageManifest, _> = serde_json::from_slice(bytes);
        let called = read.ok().and_then(|manifest| manifest.media_type);
        let mut known = IMAGE_TYPES.iter();
        let known = known.find(|name| Some(**name) == called.as_deref());
        Self {
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            media_type: known.copied().unwrap_or(OCI_IMAGE_MEDIA_TYPE),
        }
    }
}

/// The config that a manifest names. There are empty ones.
pub(super) fn config(bytes: &[u8], limits: &Limits) -> Result<Layer> {
    let manifest: OciImageManifest = serde_json::from_slice(bytes).map_err(malformed)?;
    let OciDescriptor { digest, size, .. } = manifest.config;
    let wrong = |error: Error| invalid(&format!("names its config by a bad digest: {error}"));
    let config = Layer {
        digest: digest.parse().map_err(wrong)?,
        size: u64::try_from(size).map_err(|_| invalid("says that its config has no size"))?,
    };
    if config.size > limits.manifest as u64 {
        return Err(error!(
            TooLarge: "the artifact's config has {} bytes, over the limit of {}",
            config.size, limits.manifest
        )
        .help("The owner of the server may raise `manifest` in the config's [limits]."));
    }
    Ok(config)
}

/// A manifest that was fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetched {
    /// An image manifest, with its one layer: the artifact.
    Image(Layer),
    /// An index, with the digest of its one manifest.
    Index(Digest),
}

/// What all kinds of manifests share; read first, to say what something is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    schema_version: serde_json::Number,
    media_type: Option<String>,
    manifests: Option<Vec<serde::de::IgnoredAny>>,
    layers: Option<Vec<serde::de::IgnoredAny>>,
}

impl Fetched {
    /// Reads a manifest or an index; `media_type` is what the registry or layout calls it.
    pub(super) fn read(bytes: &[u8], media_type: Option<&str>, limits: &Limits) -> Result<Self> {
        if bytes.len() > limits.manifest {
            return Err(invalid(&format!(
                "is larger than {} bytes",
                limits.manifest
            )));
        }
        let outline: Outline = serde_json::from_slice(bytes).map_err(malformed)?;
        if outline.schema_version.as_u64() != Some(2) {
            let version = clean(&outline.schema_version.to_string());
            return Err(unsupported(&format!("has schema version {version}")).help(
                "Only version 2 is supported: push the artifact again with a current tool.",
            ));
        }
        let names = [outline.media_type.as_deref(), media_type];
        let is_known = |name: &&str| IMAGE_TYPES.contains(name) || INDEX_TYPES.contains(name);
        // Its own word counts first: some servers call everything by a name of their own.
        if let Some(other) = names
            .into_iter()
            .flatten()
            .next()
            .filter(|name| !is_known(name))
        {
            return Err(unsupported(&format!("has the media type {}", clean(other)))
                .help("Only image manifests and indexes are supported."));
        }
        let called = || names.into_iter().flatten().filter(is_known);
        let calls_itself = |types: &[&str]| called().all(|name| types.contains(&name));
        match (outline.manifests, outline.layers) {
            (Some(manifests), None) if calls_itself(INDEX_TYPES) => only(bytes, manifests.len()),
            (None, layers) if calls_itself(IMAGE_TYPES) => {
                one_layer(bytes, layers.map_or(0, |layers| layers.len()), limits)
            }
            // Others may take it for the other one, and see another artifact.
            _ => Err(invalid(
                "could be read as an image manifest and as an index",
            )),
        }
    }

    /// The artifact. An index within an index is not followed.
    pub(super) fn layer(self) -> Result<Layer> {
        match self {
            Self::Image(layer) => Ok(layer),
            Self::Index(inner) => Err(unsupported("is an index within an index")
                .help(format!("Name the manifest itself: look into {inner}."))),
        }
    }
}

/// What a manifest or an index names: OCI image specification, "Content Descriptors".
fn named(digest: &str, size: i64) -> Result<Layer> {
    let digest = digest
        .parse()
        .map_err(|error: Error| invalid(&format!("names something by a bad digest: {error}")))?;
    let size = u64::try_from(size).unwrap_or(0);
    if size == 0 {
        return Err(invalid(&format!("says that {digest} is empty")));
    }
    Ok(Layer { digest, size })
}

/// The only manifest of an index.
fn only(bytes: &[u8], manifests: usize) -> Result<Fetched> {
    let several = unsupported(&format!("is an index of {manifests} manifests"));
    if manifests > LISTED {
        return Err(several.help("Name one of its manifests by digest."));
    }
    let index: OciImageIndex = serde_json::from_slice(bytes).map_err(malformed)?;
    if let [only] = index.manifests.as_slice() {
        return Ok(Fetched::Index(named(&only.digest, only.size)?.digest));
    }
    let listed = index.manifests.iter().map(|entry| {
        let digest = clean(&entry.digest);
        let platform = entry.platform.as_ref();
        platform.map_or(digest.clone(), |platform| {
            let (os, architecture) = (platform.os.to_string(), platform.architecture.to_string());
            format!("{digest} ({}/{})", clean(&os), clean(&architecture))
        })
    });
    let listed: Vec<_> = listed.collect();
    Err(match listed.len() {
        0 => several.help("There is nothing in it."),
        _ => several.help(format!(
            "Name one of them by digest: {}.",
            listed.join(", ")
        )),
    })
}

/// The only layer of an image manifest. What it is, its content says.
fn one_layer(bytes: &[u8], layers: usize, limits: &Limits) -> Result<Fetched> {
    if layers > 1 {
        return Err(unsupported(&format!("has {layers} layers")).help(
            "A signed artifact is one layer; container images and Spin applications are not supported.",
        ));
    }
    let manifest: OciImageManifest = serde_json::from_slice(bytes).map_err(malformed)?;
    let Some(layer) = manifest.layers.first() else {
        return Err(unsupported("has no layer")
            .help("It holds no artifact: it may be a signature or an attestation of one."));
    };
    // Its config and its layer both say so, and it may be large.
    if CONTAINER_CONFIGS.contains(&manifest.config.media_type.as_str())
        && CONTAINER_LAYERS
            .iter()
            .any(|prefix| layer.media_type.starts_with(prefix))
    {
        return Err(unsupported("is a container image's")
            .help("Pull it with docker; only signed WebAssembly artifacts pass here."));
    }
    let layer = named(&layer.digest, layer.size)?;
    if layer.size > limits.artifact {
        return Err(error!(
            TooLarge: "the artifact has {} bytes, over the limit of {}",
            layer.size, limits.artifact
        )
        .help("The owner of the server may raise `artifact` in the config's [limits]."));
    }
    Ok(Fetched::Image(layer))
}

/// What else an image manifest says, for people: the words of whoever pushed it. One that cannot be
/// read says nothing.
pub(super) fn describe(bytes: &[u8]) -> vouch_protocol::Manifest {
    let Ok(manifest) = serde_json::from_slice::<OciImageManifest>(bytes) else {
        return vouch_protocol::Manifest::default();
    };
    let short = |text: &str| clean(text);
    let descriptor = |of: Option<&OciDescriptor>| {
        let of = of.cloned().unwrap_or_default();
        vouch_protocol::Descriptor {
            media_type: short(&of.media_type),
            digest: short(&of.digest),
            size: u64::try_from(of.size).unwrap_or(0),
        }
    };
    let (mut annotations, mut bytes_told, mut left_out) = (BTreeMap::new(), 0, 0);
    for (key, value) in manifest.annotations.unwrap_or_default() {
        bytes_told += key.len() + value.len();
        if bytes_told > ANNOTATION_BYTES {
            left_out += 1;
        } else {
            annotations.insert(key, value);
        }
    }
    vouch_protocol::Manifest {
        reference: String::new(),
        digest: Digest::of(bytes).to_string(),
        media_type: manifest.media_type.as_deref().map(short),
        artifact_type: manifest.artifact_type.as_deref().map(short),
        config: descriptor(Some(&manifest.config)),
        layer: descriptor(manifest.layers.first()),
        annotations,
        annotations_left_out: (left_out > 0).then_some(left_out),
    }
}

fn invalid(why: &str) -> Error {
    error!(InvalidManifest: "the manifest {why}")
}

fn malformed(error: serde_json::Error) -> Error {
    let why = clean(&error.to_string());
    invalid(&format!("is not valid: {why}")).source(error)
}

fn unsupported(what: &str) -> Error {
    error!(UnsupportedManifest: "the manifest {what}")
}

#[cfg(test)]
mod tests;
