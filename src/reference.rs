//! References and digests, parsed once where they enter.
//!
//! A reference always writes its registry out: nothing may be sent to a default that nobody named.

mod digest;

pub use digest::Digest;

use crate::error::{Error, Result};
use std::{
    fmt,
    net::Ipv6Addr,
    path::{Path, PathBuf},
    str::FromStr,
};
use vouch_protocol::ErrorKind;

/// The longest reference that is looked at, in bytes: a registry's name, a repository of 255, a
/// tag of 128 and a digest fit well; a layout may have a long path.
const LONGEST: usize = 5 * 1024;

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

/// The grammar of the distribution project's `reference` package, with a registry that is written
/// out. `oci_distribution::Reference` knows it too, by an expression that takes 13 MB and the first
/// request's patience to compile; a test holds the two together.
fn parse_registry(text: &str) -> Result<RegistryReference> {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest.parse()?)),
        None => (text, None),
    };
    // What docker tells a registry from a repository's first part by.
    let (registry, rest) = name
        .split_once('/')
        .filter(|(registry, _)| *registry == "localhost" || registry.contains(['.', ':']))
        .ok_or_else(|| invalid(text, "it names no registry"))?;
    if !is_registry(registry) {
        return Err(invalid(
            text,
            "its registry is no host: write `ghcr.io` or `localhost:5000`",
        ));
    }
    let (repository, tag) = match rest.split_once(':') {
        Some((repository, tag)) => (repository, Some(tag)),
        None => (rest, None),
    };
    if !is_repository(repository) {
        let why = "a repository is made of lower-case letters and digits, joined by `/`, `.`, `_`, `__` or dashes";
        return Err(invalid(text, why));
    }
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err(invalid(text, "its tag has characters that no tag has"));
    }
    // Docker Hub has two names, and a folder for what has none.
    let hub = matches!(registry, "docker.io" | "index.docker.io");
    let library = hub && !repository.contains('/');
    Ok(RegistryReference {
        registry: if hub { "docker.io" } else { registry }.to_owned(),
        repository: format!("{}{repository}", if library { "library/" } else { "" }),
        tag: tag.map(ToOwned::to_owned),
        digest,
    })
}

/// A host name or address, and perhaps a port.
pub(crate) fn is_registry(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            let port = rest.strip_prefix(':');
            if address.parse::<Ipv6Addr>().is_err() || (port.is_none() && !rest.is_empty()) {
                return false;
            }
            (None, port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        },
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.is_none_or(|host| host.len() <= 253 && host.split('.').all(is_label))
        && port.is_none_or(|port| {
            port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
        })
}

/// OCI distribution specification, "Pulling manifests": parts of lower-case letters and digits, with
/// one `.`, one or two `_`, or any number of `-` between.
pub(crate) fn is_repository(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_part = |part: &str| {
        let words = part.as_bytes();
        let starts_and_ends = words.first().is_some_and(|byte| is_word(*byte))
            && words.last().is_some_and(|byte| is_word(*byte));
        starts_and_ends
            && words
                .split(|byte| is_word(*byte))
                .all(|between| match between {
                    b"" | b"." | b"_" | b"__" => true,
                    dashes => dashes.iter().all(|byte| *byte == b'-'),
                })
    };
    text.len() <= 255 && text.split('/').all(is_part)
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
        format!("{:?} is no reference: {why}", recognisable(text)),
    )
    .help(
        "Write `registry/repository:tag`, with the registry (`docker.io/acme/echo:1`), \
         or `oci:/path/to/layout:tag`.",
    )
}

/// Enough of what a client sent as a reference to recognise it by. A URL may hold a password before
/// its `@`, and a signature in its query: what may be one is left out.
pub(crate) fn recognisable(text: &str) -> String {
    let mut shown = text.to_owned();
    // A path may have both.
    if !text.starts_with("oci:") {
        if let Some((before, _)) = shown.split_once('?') {
            shown = format!("{before}?…");
        }
        let end = shown.rfind("@sha256:").unwrap_or(shown.len());
        if let Some(at) = shown.get(..end).and_then(|name| name.rfind('@')) {
            shown.replace_range(..at, "…");
        }
    }
    let mut end = shown.len().min(200);
    while !shown.is_char_boundary(end) {
        end -= 1;
    }
    shown.truncate(end);
    shown
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
        check("[::1]:5000/echo:1");
        check("127.0.0.1:5000/a__b/c.d/e---f:v1.0_x-y");
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
        check("ghcr.io//echo:1", "an empty part");
        check("ghcr.io/a..b:1", "two dots");
        check("ghcr.io/a___b:1", "three underscores");
        check("ghcr.io/-a:1", "a part that starts with a dash");
        check("-ghcr.io/a:1", "a host that starts with a dash");
        check("ghcr.io:/a:1", "an empty port");
        check("ghcr.io:65536/a:1", "a port that is none");
        check("ghcr.io:+80/a:1", "a port with a sign");
        check("[::1/a:1", "half an address");
        check("[::1]x/a:1", "an address and more");
        check("ann@ghcr.io/a:1", "a user");
        check("ghcr.io/a:é", "a tag of other letters");
        check(&format!("ghcr.io/a:{}", "x".repeat(129)), "a long tag");
        check(
            &format!("ghcr.io/{}:1", "x".repeat(256)),
            "a long repository",
        );
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
    fn docker_hub_has_one_name() {
        for text in ["docker.io/echo:1", "index.docker.io/library/echo:1"] {
            let reference: Reference = text.parse().expect(text);
            assert_eq!(reference.to_string(), "docker.io/library/echo:1");
        }
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

        /// What we take, the reference implementation takes, and means the same by it.
        #[test]
        fn we_read_what_others_read(
            text in "[a-zA-Z0-9.-]{1,8}(:[0-9]{1,4})?(/[a-z0-9._-]{1,6}){1,3}(:[a-zA-Z0-9._-]{1,5})?"
        ) {
            let theirs = oci_distribution::Reference::try_from(text.as_str());
            let first = text.split('/').next().unwrap_or_default();
            let named = first == "localhost" || first.contains(['.', ':']);
            match text.parse::<Reference>() {
                Ok(Reference::Registry(ours)) => {
                    let theirs = theirs.expect("they take it too");
                    prop_assert_eq!(theirs.registry(), ours.registry);
                    prop_assert_eq!(theirs.repository(), ours.repository);
                    prop_assert_eq!(theirs.tag(), Some(ours.tag.as_deref().unwrap_or("latest")));
                }
                _ => prop_assert!(theirs.is_err() || !named, "{text} is theirs alone"),
            }
        }
    }

    #[test]
    fn what_may_be_a_password_is_not_shown() {
        let check = |text: &str, expected: &str| assert_eq!(recognisable(text), expected);
        check("ghcr.io/acme/Echo:1", "ghcr.io/acme/Echo:1");
        check("ghcr.io/Echo@sha256:ab", "ghcr.io/Echo@sha256:ab");
        check("https://ann:pass@ghcr.io/x", "…@ghcr.io/x");
        check("ann:p@ss/word@ghcr.io/x@sha256:ab", "…@ghcr.io/x@sha256:ab");
        check("https://ghcr.io/x?sig=pass@word", "https://ghcr.io/x?…");
        check("oci:a@b?c", "oci:a@b?c");
        check(&"é".repeat(200), &"é".repeat(100));
        let error = "https://ann:pass@ghcr.io/x"
            .parse::<Reference>()
            .unwrap_err();
        assert!(!error.message().contains("pass"), "{error}");
    }
}
