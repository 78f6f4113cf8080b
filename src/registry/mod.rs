//! Manifests and transfer: remote registries and image layouts on disk.
//!
//! What is published comes from a `Vouched` and nothing else. A block of a file leaves this module
//! only after it hashed to what was verified; nothing is tagged before all of its blobs are there.
//! What is found is bounded and checked against its digests, and judged by others.
//!
//! | file | what it has |
//! |---|---|
//! | `content` | a vouched-for file on its way out: each block is checked before it leaves |
//! | `manifest` | manifests, as they are written and as they are read |
//! | `attached` | a bundle as a manifest that refers to another; indexes of such |
//! | `layout` | image layouts on disk |
//! | `remote` | a repository in a registry: addresses, and what its answers are worth |
//! | `link` | the link from one page of a list to the next |
//! | `push`, `upload`, `turns` | publishing: the order, a blob, and one upload of it at a time |
//! | `fallback` | the tag that lists what refers to a manifest, where the registry does not |
//! | `endpoints`, `lookup`, `download` | fetching: mirrors and the registry, a manifest, a blob |
//! | `memory` | how much memory that may take which is fetched beside artifacts |
//! | `candidates` | what may sign a manifest from beside it, as indexes and manifests say |
//! | `referrers`, `search` | fetching that: of a registry and its mirrors; of wherever an artifact is |
//! | `tags` | which tags a repository or a layout has |

mod attached;
mod candidates;
mod content;
mod download;
mod endpoints;
mod fallback;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod layout;
mod link;
mod lookup;
mod manifest;
mod memory;
mod push;
mod ranges;
mod referrers;
mod remote;
mod search;
mod tags;
mod turns;
mod upload;

use crate::{
    artifact::{Examined, Limits},
    error::{Error, Result, error},
    file::Source,
    name::{Digest, Reference},
    progress::{Phase, Progress},
    session::Sessions,
    trust::{Now, Place, Published, Vouched},
};
pub use attached::Attachment;
use content::Content;
pub use download::Download;
use endpoints::Endpoints;
use manifest::{Artifact, Manifest};
pub(crate) use memory::Memory;
pub use ranges::{NotInParts, Ranges};
use referrers::Referrers;
pub use search::Search;
use std::{collections::BTreeMap, path::PathBuf};
pub use tags::{Page, tags};
use tokio::runtime::Handle;
use vouch_protocol::{ErrorKind, Verification};

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The manifest's digest.
    pub manifest: Digest,
    /// Bytes of blobs that were sent.
    pub uploaded: u64,
    /// Bytes of blobs that were there already.
    pub skipped: u64,
    /// The bundles that are beside it.
    pub bundles: Vec<Attachment>,
}

/// The manifest that a file would be published by; none for what is not an artifact. It follows from
/// the file and the annotations alone.
pub fn manifest<F>(
    examined: &Examined<F>,
    annotations: &BTreeMap<String, String>,
) -> Result<Option<Digest>> {
    let Some(facts) = examined.facts() else {
        return Ok(None);
    };
    Ok(Some(
        Manifest::write(Artifact::of(&facts), annotations)?.digest,
    ))
}

/// Publishes a file that was vouched for, where that was vouched for. Each block is sent only after it
/// hashed to what was verified; nothing is tagged before every blob is there. Right before the
/// manifest is written, the file is judged again by what is in force then, and
/// `progress.commit()` is called. Counts the file's size once, whatever of it was there already,
/// and however often it was sent. The verdict is the one of when it was published. The bundles that
/// it was judged by are published with it.
pub async fn push(
    sessions: &Sessions,
    vouched: Vouched<Source>,
    now: impl Fn() -> Now + Send + Sync + 'static,
    annotations: &BTreeMap<String, String>,
    progress: &Progress,
) -> Result<(Pushed, Verification)> {
    let reference = vouched.to()?;
    let content = Content::new(vouched, now);
    let publishing = publish(sessions, content.clone(), &reference, annotations, progress);
    let pushed = publishing.await?;
    Ok((pushed, content.published().await?))
}

/// The part of [`push`] that needs no proof, because `Content` is one.
async fn publish(
    sessions: &Sessions,
    content: Content,
    reference: &Reference,
    annotations: &BTreeMap<String, String>,
    progress: &Progress,
) -> Result<Pushed> {
    let manifest = Manifest::write(content.artifact, annotations)?;
    content.check_manifest(manifest.digest)?;
    if let Some(named) = reference.digest()
        && named != manifest.digest
    {
        return Err(error!(
            InvalidReference: "{reference} names another manifest than the file's, which is {}",
            manifest.digest
        )
        .help("Push to a tag, or name the digest that the manifest will have."));
    }
    let work = async {
        match reference {
            Reference::Registry(reference) => {
                push::push(sessions, content, manifest, reference, progress).await
            }
            Reference::Layout(reference) => {
                layout::push(content, manifest, reference, progress).await
            }
        }
    };
    tokio::select! {
        // Never once it has committed.
        () = progress.stopped() => Err(Error::cancelled()),
        pushed = work => pushed,
    }
}

/// A published artifact that was found, and whose manifest was checked.
#[derive(Debug)]
pub struct Found {
    /// What it is judged as, for a pull or a look.
    pub published: Published,
    /// What else the manifest says, but for its reference.
    pub described: Box<vouch_protocol::Manifest>,
    origin: Origin,
    runtime: Handle,
}

/// Where the bytes of a found artifact come from.
#[derive(Debug)]
enum Origin {
    Registry(Endpoints),
    /// A layout's folder, and the file in it.
    Layout(PathBuf, PathBuf),
}

/// Looks a reference up: in the mirrors of its registry first, then in the registry.
pub async fn find(sessions: &Sessions, reference: &Reference, limits: &Limits) -> Result<Found> {
    let (place, resolved) = place(reference).await?;
    let ((manifest, layer, described), origin) = match &resolved {
        Reference::Registry(reference) => {
            let (named, endpoints) = lookup::find(sessions, reference, limits).await?;
            (named, Origin::Registry(endpoints))
        }
        Reference::Layout(reference) => {
            let (named, path) = layout::find(reference, limits).await?;
            (named, Origin::Layout(reference.path.clone(), path))
        }
    };
    Ok(Found {
        published: Published {
            from: reference.clone(),
            place,
            manifest,
            layer,
        },
        described: Box::new(described),
        origin,
        runtime: Handle::current(),
    })
}

/// Where a reference leads, once: what is read there is judged as being from there.
async fn place(reference: &Reference) -> Result<(Place, Reference)> {
    let reference = reference.clone();
    let look = move || {
        let place = Place::of(&reference)?;
        let resolved = place.resolve(&reference);
        Ok((place, resolved))
    };
    tokio::task::spawn_blocking(look).await?
}

impl Found {
    /// Has `read` read the artifact's bytes as they arrive; to be called on a blocking thread.
    /// Where it fails with `digestMismatch` and a mirror may have sent the wrong bytes, it reads
    /// once more, from the registry itself: what came says nothing about what was published.
    ///
    /// The reader that `read` gets counts the bytes, ends the transfer when it is dropped, and
    /// fails where more bytes come than the manifest says, with our own `Error` inside the
    /// `io::Error`.
    pub fn receive<T>(
        &self,
        progress: &Progress,
        mut read: impl FnMut(Download) -> Result<T>,
    ) -> Result<T> {
        let layer = self.published.layer;
        progress.expect(layer.size);
        progress.enter(Phase::Receiving);
        let endpoints = match &self.origin {
            Origin::Registry(endpoints) => endpoints,
            Origin::Layout(_, path) => {
                return read(download::file(path, layer, progress.clone())?);
            }
        };
        let from = |endpoints| download::remote(&self.runtime, endpoints, layer, progress.clone());
        match (read(from(endpoints.clone())), endpoints.past_mirrors()) {
            (Err(error), Some(registry)) if error.kind() == ErrorKind::DigestMismatch => {
                tracing::warn!(%error, "a mirror sent other bytes than the manifest's");
                read(from(registry))
            }
            (result, _) => result,
        }
    }

    /// Looks for what may sign it from beside it. Nothing is asked before the first round.
    pub fn beside(&self, progress: &Progress) -> Search {
        let manifest = self.published.manifest;
        let memory = Memory::at(&match &self.published.from {
            Reference::Registry(reference) => reference.registry.as_str().to_owned(),
            Reference::Layout(reference) => reference.path.display().to_string(),
        });
        let place = match &self.origin {
            Origin::Registry(endpoints) => {
                let referrers = Referrers::of(manifest, endpoints.clone(), memory);
                search::Place::Registry(Box::new(referrers))
            }
            Origin::Layout(root, _) => search::Place::Layout(root.clone(), manifest, memory),
        };
        Search::new(self.runtime.clone(), progress.clone(), place)
    }

    /// Reads parts of the artifact's bytes; nothing of a layout, where all are at hand.
    pub fn ranges(&self, progress: &Progress) -> Option<Ranges> {
        let Origin::Registry(endpoints) = &self.origin else {
            return None;
        };
        let (runtime, endpoints) = (self.runtime.clone(), endpoints.clone());
        let layer = self.published.layer;
        Some(Ranges::new(runtime, endpoints, layer, progress.clone()))
    }
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;
