//! References and digests, parsed once where they enter.
//!
//! A reference always writes its registry out: nothing may be sent to a default that nobody named.

use crate::error::{Error, Result};
use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};
use vouch_protocol::ErrorKind;

/// The longest reference that is looked at, in bytes: a registry's name, a repository of 255, a
/// tag of 128 and a digest fit well; a layout may have a long path.
const LONGEST: usize = 5 * 1024;

/// A SHA-256 digest, as OCI writes it: `sha256:` and 64 lower-case hex digits. Other algorithms
/// are not taken, since nothing in this field uses them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// A digest of these 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest of bytes that are in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self::finish(&ring::digest::digest(&ring::digest::SHA256, bytes))
    }

    /// The digest that a SHA-256 ended with.
    pub(crate) fn finish(digest: &ring::digest::Digest) -> Self {
        let mut bytes = [0; 32];
        // SHA-256 is 32 bytes long; another length would leave zeros, which match nothing.
        for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }

    /// The 64 lower-case hex digits.
    pub fn hex(&self) -> String {
        use fmt::Write as _;
        self.0
            .iter()
            .fold(String::with_capacity(64), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            })
    }

    /// The 64 upper-case hex digits, as wascap's claims write hashes.
    pub fn claim(&self) -> String {
        self.hex().to_ascii_uppercase()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(
                ErrorKind::InvalidReference,
                format!("{:?} is no SHA-256 digest", shortened(text)),
            )
            .help("A digest is `sha256:` and 64 lower-case hex digits.")
        };
        let hex = text.strip_prefix("sha256:").ok_or_else(wrong)?;
        let digits = hex.as_bytes();
        if digits.len() != 64
            || !digits
                .iter()
                .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

/// Where an artifact is published: in a registry, or in an OCI image layout on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `registry/repository[:tag][@digest]`
    Registry(RegistryReference),
    /// `oci:/path/to/layout[:tag][@digest]`
    Layout(LayoutReference),
}

/// A place in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryReference {
    /// Host and port, as written: `ghcr.io`, `127.0.0.1:5000`.
    pub registry: String,
    /// The repository's name, for example `acme/echo`.
    pub repository: String,
    /// The tag, if one was written.
    pub tag: Option<String>,
    /// The manifest's digest, if one was written.
    pub digest: Option<Digest>,
}

/// A place in an image layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutReference {
    /// The layout's folder, absolute.
    pub path: PathBuf,
    /// The tag, if one was written.
    pub tag: Option<String>,
    /// The manifest's digest, if one was written.
    pub digest: Option<Digest>,
}

impl Reference {
    /// The tag, if one was written.
    pub fn tag(&self) -> Option<&str> {
        match self {
            Self::Registry(reference) => reference.tag.as_deref(),
            Self::Layout(reference) => reference.tag.as_deref(),
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
        let moves = self.digest().is_none() && matches!(self.tag(), None | Some("latest"));
        if moves && !allow_latest {
            return Err(Error::new(
                ErrorKind::LatestNotAllowed,
                format!("{self} names no fixed version"),
            )
            .help("Name a tag other than `latest`, or a digest; or set `allowLatest`."));
        }
        Ok(self)
    }

    /// A file name for what the reference names: the last part of the repository or layout.
    pub fn file_stem(&self) -> &str {
        let name = match self {
            Self::Registry(reference) => reference.repository.rsplit('/').next(),
            Self::Layout(reference) => reference.path.file_name().and_then(|name| name.to_str()),
        };
        name.unwrap_or("artifact")
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.len() > LONGEST {
            return Err(invalid(text, "it is too long"));
        }
        match text.strip_prefix("oci:") {
            Some(layout) => parse_layout(text, layout).map(Self::Layout),
            None => parse_registry(text).map(Self::Registry),
        }
    }
}

fn parse_registry(text: &str) -> Result<RegistryReference> {
    let Some((registry, _)) = text.split_once('/') else {
        return Err(invalid(text, "it names no registry"));
    };
    // The grammar that docker uses to tell a registry from a repository's first part.
    if !(registry == "localhost" || registry.contains(['.', ':'])) {
        return Err(invalid(text, "it names no registry"));
    }
    let parsed = oci_distribution::Reference::try_from(text)
        .map_err(|error| invalid(text, &error.to_string()).source(error))?;
    let digest = parsed.digest().map(str::parse).transpose()?;
    // The parser adds `latest` where nothing was written; that is for `pinned` to judge.
    let path = text.split_once('@').map_or(text, |(name, _)| name);
    let written = path
        .rsplit('/')
        .next()
        .is_some_and(|last| last.contains(':'));
    Ok(RegistryReference {
        registry: parsed.registry().to_owned(),
        repository: parsed.repository().to_owned(),
        tag: parsed.tag().filter(|_| written).map(ToOwned::to_owned),
        digest,
    })
}

fn parse_layout(text: &str, layout: &str) -> Result<LayoutReference> {
    let (layout, digest) = match layout.rsplit_once('@') {
        Some((before, digest)) if digest.starts_with("sha256:") => (before, Some(digest.parse()?)),
        _ => (layout, None),
    };
    let (folder, last) = layout
        .rsplit_once('/')
        .ok_or_else(|| invalid(text, "a layout is an absolute path"))?;
    let (path, tag) = match last.rsplit_once(':') {
        Some((name, tag)) => (format!("{folder}/{name}"), Some(tag)),
        None => (layout.to_owned(), None),
    };
    let path = PathBuf::from(path);
    if !path.is_absolute() || path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(invalid(text, "a layout is an absolute path"));
    }
    if let Some(tag) = tag
        && !is_tag(tag)
    {
        return Err(invalid(text, "the tag has characters that no tag has"));
    }
    Ok(LayoutReference {
        path,
        tag: tag.map(ToOwned::to_owned),
        digest,
    })
}

/// OCI distribution specification, "Pulling manifests": `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
fn is_tag(tag: &str) -> bool {
    let mut characters = tag.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric() || first == '_')
        && tag.len() <= 128
        && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

fn invalid(text: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::InvalidReference,
        format!("{:?} is no reference: {why}", shortened(text)),
    )
    .help(
        "Write `registry/repository:tag`, with the registry (`docker.io/acme/echo:1`), \
         or `oci:/path/to/layout:tag`.",
    )
}

/// Enough of a hostile text to recognise it by.
fn shortened(text: &str) -> &str {
    let mut end = text.len().min(200);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => {
                write!(f, "{}/{}", reference.registry, reference.repository)?;
            }
            Self::Layout(reference) => write!(f, "oci:{}", Path::display(&reference.path))?,
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn what_is_written_is_what_is_meant() {
        let check = |text: &str| {
            let reference: Reference = text.parse().expect(text);
            assert_eq!(reference.to_string(), text);
        };
        check("ghcr.io/acme/echo:0.3.4");
        check("ghcr.io/acme/echo");
        check("localhost/echo:1");
        check("127.0.0.1:5000/a/b/c:1");
        check("Registry.Example:443/echo:V1");
        check(&format!("ghcr.io/acme/echo@sha256:{HEX}"));
        check(&format!("ghcr.io/acme/echo:1@sha256:{HEX}"));
        check("oci:/tmp/layout:1");
        check("oci:/tmp/lay:out/x");
        check(&format!("oci:/tmp/layout:1@sha256:{HEX}"));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        let check = |text: &str, why: &str| {
            let error = text.parse::<Reference>().expect_err(why);
            assert_eq!(error.kind(), ErrorKind::InvalidReference, "{why}");
        };
        check("", "nothing");
        check("echo:1", "no registry");
        check("acme/echo:1", "docker would send it to a default");
        check("ghcr.io/", "no repository");
        check("ghcr.io/Acme/Echo:1", "repositories are lower case");
        check("ghcr.io/acme/../etc:1", "no path");
        check("https://ghcr.io/acme/echo:1", "no URL");
        check("ghcr.io/acme/echo:", "an empty tag");
        check("ghcr.io/acme/echo:a b", "white space");
        check("ghcr.io/acme/echo@sha256:00", "a short digest");
        check("ghcr.io/acme/echo@md5:00", "another algorithm");
        check("oci:relative/layout:1", "a relative layout");
        check("oci:/tmp/layout:", "an empty tag");
        check("oci:/tmp/layout:a b", "white space in a tag");
        check("oci:/tmp/lay\0out:1", "a NUL");
        check(&"a".repeat(LONGEST + 1), "too long");
    }

    #[test]
    fn a_moving_reference_needs_to_be_allowed() {
        let check = |text: &str, pinned: bool| {
            let reference: Reference = text.parse().expect(text);
            assert_eq!(reference.clone().pinned(false).is_ok(), pinned, "{text}");
            assert!(reference.pinned(true).is_ok());
        };
        check("ghcr.io/acme/echo", false);
        check("ghcr.io/acme/echo:latest", false);
        check("oci:/tmp/layout", false);
        check("ghcr.io/acme/echo:1", true);
        check(&format!("ghcr.io/acme/echo@sha256:{HEX}"), true);
        check(&format!("ghcr.io/acme/echo:latest@sha256:{HEX}"), true);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,300}") {
            let _ = text.parse::<Reference>();
            let _ = text.parse::<Digest>();
        }

        #[test]
        fn what_parses_prints_as_it_was(text in "(oci:/)?[a-z.:/@]{0,40}(:[a-z]{1,3})?") {
            if let Ok(reference) = text.parse::<Reference>() {
                let again: Reference = reference.to_string().parse().expect("it printed it");
                prop_assert_eq!(again, reference);
            }
        }

        #[test]
        fn a_digest_prints_as_it_was(bytes in any::<[u8; 32]>()) {
            let digest = Digest::new(bytes);
            prop_assert_eq!(digest.to_string().parse::<Digest>().expect("it printed it"), digest);
        }
    }
}
