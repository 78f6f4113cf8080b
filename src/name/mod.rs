//! Names, each parsed once where it enters: registries, repositories, tags, references, digests.
//!
//! A place has one name: two spellings of one place parse to one value, and what a name prints
//! parses to the same value again. A registry's host is in lower case, its port is a decimal number
//! without leading zeros, an IP address is written as the URL standard prints it, Docker Hub is
//! `docker.io`, and `:443` is left out. Sessions, config, logs and messages know a registry by that
//! name alone.
//!
//! **`:443`** is TLS's default port, so it says nothing where a host is spoken to over TLS. Where
//! the owner's config says `plain-http` of a host, the host without a port is at port 80, and
//! `host:443` is another place. A name does not know the config, and must not change with it later.
//! So it is the parsing that is told: [`PlainHosts`] are the hosts for which the config says so, and
//! it alone makes a [`Registry`] of a [`HostPort`]. What comes out is one value that needs no
//! config to be compared, printed or remembered. (On loopback hosts, where plain HTTP is the
//! default, `:443` always stays. A host without a dot always keeps its port: without one it could be
//! the first part of a repository.)
//!
//! | file | what it has |
//! |---|---|
//! | `registry` | [`Registry`], [`HostPort`], [`PlainHosts`]: hosts, ports, and Docker Hub's names |
//! | `repository` | [`Repository`] and [`Tag`] |
//! | `digest` | [`Digest`] |
//! | `reference` | [`Reference`]: a place in a registry, or in an image layout on disk |

mod digest;
mod reference;
mod registry;
mod repository;

pub use digest::Digest;
pub use reference::{LayoutReference, Reference, RegistryReference};
pub use registry::{HostPort, PlainHosts, Registry};
pub use repository::{Repository, Tag};

/// Enough of what a client sent as a name to recognise it by. A URL may hold a password before its
/// `@`, and a signature in its query: both are left out.
pub(crate) fn without_secrets(text: &str) -> String {
    let mut shown = text.to_owned();
    // A path may have both.
    if !text.starts_with("oci:") || text.starts_with("oci://") {
        if let Some((before, _)) = shown.split_once('?') {
            shown = format!("{before}?…");
        }
        let end = shown.rfind("@sha256:").unwrap_or(shown.len());
        if let Some(at) = shown.get(..end).and_then(|name| name.rfind('@')) {
            shown.replace_range(..at, "…");
        }
    }
    shortened(&shown, 200).to_owned()
}

/// The beginning of a text, at most that many bytes.
pub(crate) fn shortened(text: &str, longest: usize) -> &str {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
