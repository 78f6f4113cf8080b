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
//! | `layout` | image layouts on disk, and pulling into one |
//! | `remote` | a repository in a registry: addresses, and what its answers are worth |
//! | `link` | the link from one page of a list to the next |
//! | `push`, `upload`, `turns` | publishing: the order, a blob, and one upload of it at a time |
//! | `fallback` | the tag that lists what refers to a manifest, where the registry does not |
//! | `endpoints`, `lookup`, `download` | fetching: mirrors and the registry, a manifest, a blob |
//! | `ranges` | fetching parts of a large blob, which are not verified |
//! | `memory` | how much memory that may take which is fetched beside artifacts |
//! | `candidates` | what may sign a manifest from beside it, as indexes and manifests say |
//! | `beside` | what one registry or mirror lists of that, and each thing of it |
//! | `referrers`, `search` | fetching that in rounds: of a registry and its mirrors; of wherever an artifact is |
//! | `tags` | which tags a repository or a layout has |

mod attached;
mod beside;
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
    file::{Destination, Source},
    name::{Digest, LayoutReference, Reference},
    progress::{Phase, Progress},
    session::Sessions,
    trust::{Layer, Now, Place, Published, Unnamed, Vouched},
};
pub use attached::Attachment;
use content::Content;
pub use download::Download;
use endpoints::Endpoints;
use layout::KeptConfig;
pub use layout::Whole;
use manifest::{Artifact, Described, Manifest};
pub(crate) use memory::Memory;
pub use ranges::{NotInParts, Ranges};
use referrers::Referrers;
use ring::digest::{Context, SHA256};
pub use search::Search;
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    path::{Path, PathBuf},
};
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
    check_named(reference, manifest.digest)?;
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

/// Fails where a reference names another manifest than the one that goes there.
fn check_named(to: &Reference, manifest: Digest) -> Result<()> {
    match to.digest() {
        Some(named) if named != manifest => Err(error!(
            InvalidReference: "{to} names another manifest than the file's, which is {manifest}"
        )
        .help("Name a tag, or the digest that the manifest will have.")),
        _ => Ok(()),
    }
}

/// A published artifact that was found, and whose manifest was checked.
#[derive(Debug)]
pub struct Found {
    /// What it is judged as, for a pull or a look.
    pub published: Published,
    /// What else the manifest says, but for its reference.
    pub described: Box<vouch_protocol::Manifest>,
    /// The manifest's very bytes, unless they are many.
    manifest: Option<Vec<u8>>,
    origin: Origin,
    runtime: Handle,
}

/// Where the bytes of a found artifact come from.
#[derive(Debug)]
enum Origin {
    Registry(Endpoints),
    /// A layout's folder.
    Layout(PathBuf),
}

/// Looks a reference up: in the mirrors of its registry first, then in the registry.
pub async fn find(sessions: &Sessions, reference: &Reference, limits: &Limits) -> Result<Found> {
    let (place, resolved) = place(reference).await?;
    let (named, origin) = match &resolved {
        Reference::Registry(reference) => {
            let (named, endpoints) = lookup::find(sessions, reference, limits).await?;
            (named, Origin::Registry(endpoints))
        }
        Reference::Layout(reference) => {
            let named = layout::find(reference, limits).await?;
            (named, Origin::Layout(reference.path.clone()))
        }
    };
    Ok(Found {
        published: Published {
            from: reference.clone(),
            place,
            manifest: named.digest,
            layer: named.layer,
        },
        described: Box::new(named.described),
        manifest: named.bytes,
        origin,
        runtime: Handle::current(),
    })
}

/// An image layout into which an artifact may be pulled.
#[derive(Debug, Clone)]
pub struct Keep(LayoutReference);

impl Keep {
    /// Fails where there is no such layout, and none can be made. Makes nothing. Blocks.
    pub fn at(reference: &LayoutReference) -> Result<Self> {
        let reference = Reference::Layout(reference.clone());
        match Place::of(&reference)?.resolve(&reference) {
            Reference::Layout(layout) => {
                layout::room(&layout.path)?;
                Ok(Self(layout))
            }
            Reference::Registry(_) => Err(error!(Internal: "a layout leads to a registry")),
        }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.0.path
    }

    /// Fails where it names another manifest.
    pub fn check(&self, manifest: Digest) -> Result<()> {
        check_named(&Reference::Layout(self.0.clone()), manifest)
    }

    /// Where what arrives is written, without a name. Blocks.
    pub fn room(&self) -> Result<Destination> {
        layout::room(&self.0.path)
    }

    /// Puts an artifact that was pulled into the layout, with the bundles that sign it where these are
    /// wanted, and answers the reference that it has there, and those bundles.
    pub async fn keep(
        self,
        vouched: Vouched<Unnamed>,
        whole: Whole,
        with_bundles: bool,
        now: impl Fn() -> Now + Send + 'static,
        progress: &Progress,
    ) -> Result<(Reference, Vec<Attachment>, Verification)> {
        let manifest = Digest::of(&whole.manifest);
        let work = layout::keep(vouched, whole, with_bundles, &self.0, now, progress);
        let (bundles, verification) = tokio::select! {
            // Never once it has committed.
            () = progress.stopped() => return Err(Error::cancelled()),
            kept = work => kept?,
        };
        let reference = Reference::Layout(self.0).with_digest(manifest);
        Ok((reference, bundles, verification))
    }
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
        read: impl FnMut(Download) -> Result<T>,
    ) -> Result<T> {
        let layer = self.published.layer;
        progress.expect(layer.size);
        progress.enter(Phase::Receiving);
        self.read(layer, progress, read)
    }

    /// Fetches what else is published of it, into the folder of that destination; to be called on a
    /// blocking thread.
    pub fn whole(&self, limits: &Limits, into: &Destination, progress: &Progress) -> Result<Whole> {
        let digest = self.published.manifest;
        let manifest = match (&self.manifest, &self.origin) {
            (Some(bytes), _) => bytes.clone(),
            (None, Origin::Layout(root)) => layout::manifest(root, digest, limits)?,
            (None, Origin::Registry(endpoints)) => self.runtime.block_on(async {
                tokio::select! {
                    () = progress.stopped() => Err(Error::cancelled()),
                    again = lookup::again(endpoints.clone(), digest, limits) => again,
                }
            })?,
        };
        let config = manifest::config(&manifest, limits)?;
        let known = [&b""[..], attached::EMPTY];
        let known = known
            .into_iter()
            .find(|known| Digest::of(known) == config.digest);
        let config = match known {
            Some(known) => KeptConfig::Known(known),
            None => self.read(config, progress, |mut download| {
                let mut file = into.create()?;
                copy(&mut download, &mut file, config)?;
                Ok(KeptConfig::Fetched(config.digest, file))
            })?,
        };
        Ok(Whole { manifest, config })
    }

    /// Has a blob read as it arrives: see [`receive`](Self::receive).
    fn read<T>(
        &self,
        layer: Layer,
        progress: &Progress,
        mut read: impl FnMut(Download) -> Result<T>,
    ) -> Result<T> {
        let endpoints = match &self.origin {
            Origin::Registry(endpoints) => endpoints,
            Origin::Layout(root) => {
                let path = layout::blob(root, layer.digest);
                return read(download::file(&path, layer, progress.clone())?);
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
            Origin::Layout(root) => search::Place::Layout(root.clone(), manifest, memory),
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

/// Writes a blob as it arrives. Fails with `digestMismatch` where it is another one.
fn copy(from: &mut impl Read, to: &mut impl Write, blob: Layer) -> Result<()> {
    let failed = |error| Error::from_io(error, Path::new("the config"), "download");
    let mut hash = Context::new(&SHA256);
    let mut piece = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut piece).map_err(failed)?;
        if read == 0 {
            break;
        }
        hash.update(&piece[..read]);
        to.write_all(&piece[..read]).map_err(failed)?;
    }
    let digest = Digest::finish(&hash.finish());
    if digest == blob.digest {
        return Ok(());
    }
    Err(error!(
        DigestMismatch: "the manifest names its config {}, but other bytes came, which hash to {digest}",
        blob.digest
    )
    .help("Try again. If it stays so, the registry's copy is broken: push the artifact again."))
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;
