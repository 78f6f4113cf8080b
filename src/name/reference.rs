//! References: a place in a registry, or in an image layout on disk.
//!
//! A reference always writes its registry out: nothing may be sent to a default that nobody named.

use super::{Digest, PlainHosts, Registry, Repository, Tag, without_secrets};
use crate::error::{Error, Result, error};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// The longest reference that is looked at, in bytes: a registry's name, a repository of 255, a
/// tag of 128 and a digest fit well; a layout may have a long path.
const LONGEST: usize = 5 * 1024;

/// Where an artifact is published: in a registry, or in an OCI image layout on disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// `registry/repository[:tag][@digest]`
    Registry(RegistryReference),
    /// `oci:/path/to/layout[:tag][@digest]`
    Layout(LayoutReference),
}

/// A place in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RegistryReference {
    /// Where the repository is.
    pub registry: Registry,
    /// The repository's name.
    pub repository: Repository,
    /// The tag, if one was written.
    pub tag: Option<Tag>,
    /// The manifest's digest, if one was written.
    pub digest: Option<Digest>,
}

/// A place in an image layout.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LayoutReference {
    /// The layout's folder: absolute, without `.`, empty parts and a `/` at its end.
    pub path: PathBuf,
    /// The tag, if one was written.
    pub tag: Option<Tag>,
    /// The manifest's digest, if one was written.
    pub digest: Option<Digest>,
}

impl Reference {
    /// The tag, if one was written.
    pub fn tag(&self) -> Option<&Tag> {
        match self {
            Self::Registry(reference) => reference.tag.as_ref(),
            Self::Layout(reference) => reference.tag.as_ref(),
        }
    }

    /// The manifest's digest, if one was written.
    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::Registry(reference) => reference.digest,
            Self::Layout(reference) => reference.digest,
        }
    }

    /// The same place, naming a manifest for ever.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        let mut reference = self.clone();
        match &mut reference {
            Self::Registry(reference) => reference.digest = Some(digest),
            Self::Layout(reference) => reference.digest = Some(digest),
        }
        reference
    }

    /// Refuses what moves under its users' feet: `latest`, or neither tag nor digest. A digest is
    /// always enough.
    pub fn pinned(self, allow_latest: bool) -> Result<Self> {
        let tag = self.tag().map(Tag::as_str);
        let moves = self.digest().is_none() && matches!(tag, None | Some("latest"));
        if moves && !allow_latest {
            return Err(
                error!(LatestNotAllowed: "{self} does not name a fixed version")
                    .help("Name a tag other than `latest`, or a digest; or set `allowLatest`."),
            );
        }
        Ok(self)
    }

    /// Refuses to publish under a tag where clients look for what signs another manifest: it would
    /// take the place of that.
    pub fn destination(self) -> Result<Self> {
        let Some(of) = self.tag().and_then(Tag::beside) else {
            return Ok(self);
        };
        Err(error!(
            InvalidReference: "{self} is where clients look for what signs {of}: an artifact there \
                               would take the place of that"
        )
        .help("Name another tag. What signs an artifact gets there by the push of the artifact."))
    }

    /// A file name for what the reference names: the last part of the repository or layout.
    pub fn file_stem(&self) -> &str {
        let name = match self {
            Self::Registry(reference) => reference.repository.as_str().rsplit('/').next(),
            Self::Layout(reference) => reference.path.file_name().and_then(|name| name.to_str()),
        };
        name.unwrap_or("artifact")
    }
}

impl PlainHosts {
    /// Parses a reference.
    pub fn reference(&self, text: &str) -> Result<Reference> {
        if text.len() > LONGEST {
            return Err(invalid(text, "it is too long"));
        }
        match text.strip_prefix("oci:") {
            Some(layout) => parse_layout(text, layout).map(Reference::Layout),
            None => parse_registry(text, text, self).map(Reference::Registry),
        }
    }
}

/// The grammar of the distribution project's `reference` package, with a registry that is written
/// out. `oci_distribution::Reference` knows it too, by an expression that takes 13 MB and the first
/// request's patience to compile; a test holds the two together.
fn parse_registry(text: &str, place: &str, plain: &PlainHosts) -> Result<RegistryReference> {
    let (name, digest) = match place.split_once('@') {
        Some((name, digest)) => (name, Some(digest.parse()?)),
        None => (place, None),
    };
    let (registry, rest) = name
        .split_once('/')
        .ok_or_else(|| invalid(text, "it does not name a registry"))?;
    let registry = plain
        .parse(registry)
        .map_err(|why| invalid(text, &format!("its first part is not a registry: {why}")))?;
    let (repository, tag) = match rest.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (rest, None),
    };
    let in_library = registry.is_docker_hub() && !repository.contains('/');
    let namespace = if in_library { "library/" } else { "" };
    let repository = format!("{namespace}{repository}").parse().map_err(|_| {
        let why = "a repository is at most 255 lower-case letters and digits, joined by `/`, `.`, `_`, `__` or dashes";
        invalid(text, why)
    })?;
    Ok(RegistryReference {
        registry,
        repository,
        tag: parse_tag(text, tag)?,
        digest,
    })
}

/// A layout's path ends where its tag or its digest begins, and both are looked for behind its last
/// `/` alone: the digest from `@sha256:` on, the tag from the last `:` before it on. So a folder
/// whose own name holds a `:`, or ends in `@sha256`, is written with a `/` behind it.
fn parse_layout(text: &str, layout: &str) -> Result<LayoutReference> {
    // Others write registries like this.
    let (place, path) = match layout.strip_prefix("//") {
        Some(place) => (place, format!("oci:/{place}")),
        None => (layout, "oci:/path/to/layout:tag".to_owned()),
    };
    let is_relative = !place.starts_with('/');
    if is_relative && parse_registry(text, place, &PlainHosts::default()).is_ok() {
        return Err(
            error!(InvalidReference: "`{text}` could mean two places").help(format!(
                "Write `{place}` for the registry, or `{path}` for an image layout on disk."
            )),
        );
    }
    if is_relative || place.len() != layout.len() {
        return Err(invalid(text, "a layout is an absolute path behind `oci:`"));
    }
    let name = layout.rfind('/').map_or(0, |slash| slash + 1);
    let (path, digest) = match layout.rfind("@sha256:").filter(|at| *at >= name) {
        Some(at) => (&layout[..at], Some(layout[at + 1..].parse()?)),
        None => (layout, None),
    };
    let (path, tag) = match path.rfind(':').filter(|at| *at >= name) {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    };
    if path.contains('\0') {
        return Err(invalid(text, "its path contains a NUL"));
    }
    Ok(LayoutReference {
        // Without what two spellings of one path differ by.
        path: Path::new(path).components().collect(),
        tag: parse_tag(text, tag)?,
        digest,
    })
}

fn parse_tag(text: &str, tag: Option<&str>) -> Result<Option<Tag>> {
    tag.map(str::parse)
        .transpose()
        .map_err(|error: Error| invalid(text, error.message()))
}

fn invalid(text: &str, why: &str) -> Error {
    error!(InvalidReference: "{:?} is not a reference: {why}", without_secrets(text)).help(
        "Write `registry/repository:tag`, with the registry (`docker.io/acme/echo:1`), \
         or `oci:/path/to/layout:tag`.",
    )
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => {
                write!(f, "{}/{}", reference.registry, reference.repository)?;
            }
            Self::Layout(reference) => {
                let path = reference.path.to_string_lossy();
                let name = path.rsplit('/').next().unwrap_or_default();
                // Without a `/` behind it, a part of the name would be read as tag or digest.
                let unlike_its_name = name.contains("@sha256:")
                    || match reference.tag {
                        Some(_) => name.ends_with("@sha256"),
                        None => name.contains(':'),
                    };
                write!(f, "oci:{path}{}", if unlike_its_name { "/" } else { "" })?;
            }
        }
        if let Some(tag) = self.tag() {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = self.digest() {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}
