//! Image layouts on disk: OCI image specification, "Image Layout".
//!
//! Writers exclude each other by a lock on the folder; readers need none, since files appear whole
//! and under their digest, and the index is replaced in one step. What others wrote into an index
//! stays. Everything but the two entrances blocks.

mod beside;
mod index;
mod kept;

use super::{
    Pushed,
    attached::{Attached, EMPTY},
    content::{Checkpoint, Content},
    lookup::Named,
    manifest::{Described, Fetched, LARGEST, Manifest},
};
use crate::{
    artifact::Limits,
    error::{Error, Result, error},
    file::{Destination, Source, Unnamed, is_temporary},
    name::{Digest, LayoutReference, Tag},
    progress::{Phase, Progress},
};
pub(super) use beside::beside;
use bytes::Bytes;
use index::{INDEX, LAYOUT, check_version, enter, invalid, look_up, read_index, small};
pub use kept::Whole;
pub(super) use kept::{Config as KeptConfig, keep, room};
use rustix::{
    fs::{FlockOperation, Mode, OFlags},
    io::Errno,
};
use serde_json::{Map, Value, json};
use std::{
    fs,
    io::{self, Write},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::task::spawn_blocking;
use vouch_protocol::ErrorKind;

const BLOBS: &str = "blobs/sha256";
const VERSION: &str = "1.0.0";

/// How long to wait for another writer.
const LOCK: Duration = Duration::from_secs(30);
const LOCK_STEP: Duration = Duration::from_millis(20);

/// Publishes blobs, then the manifest, then its line in the index.
pub(super) async fn push(
    content: Content,
    manifest: Manifest,
    reference: &LayoutReference,
    progress: &Progress,
) -> Result<Pushed> {
    let mut stop = StopOnDrop(Some(progress.clone()));
    let lock = lock(&reference.path).await?;
    let (reference, progress) = (reference.clone(), progress.clone());
    let pushed = spawn_blocking(move || {
        let _lock = lock;
        progress.enter(Phase::Sending);
        write(&content, &manifest, &reference, &progress)
    })
    .await;
    stop.0 = None;
    pushed?
}

/// Ends the blocking work of a request that nobody waits for any more.
struct StopOnDrop(Option<Progress>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some(progress) = &self.0 {
            progress.stop();
        }
    }
}

/// Looks a manifest up.
pub(super) async fn find(reference: &LayoutReference, limits: &Limits) -> Result<Named> {
    let (reference, limits) = (reference.clone(), limits.clone());
    spawn_blocking(move || read(&reference, &limits)).await?
}

/// The names in a layout's index, in its order.
pub(super) async fn tags(reference: &LayoutReference) -> Result<Vec<String>> {
    let root = reference.path.clone();
    spawn_blocking(move || {
        check_there(&root)?;
        index::names(&root)
    })
    .await?
}

fn write(
    content: &Content,
    manifest: &Manifest,
    reference: &LayoutReference,
    progress: &Progress,
) -> Result<Pushed> {
    let root = &reference.path;
    let attached = Attached::all(&content.bundles(), manifest.described())?;
    prepare(root)?;
    let mut index = read_index(root)?;
    let mut pushed = Pushed {
        manifest: manifest.digest,
        uploaded: 0,
        skipped: 0,
        bundles: attached.iter().map(Attached::pushed).collect(),
    };
    let mut count = |size: u64, written: bool| {
        if written {
            pushed.uploaded += size;
        } else {
            pushed.skipped += size;
        }
    };
    let failed = |error| Error::at(root, "write in", error);
    let written = write_blob(root, content.digest(), progress, content.size(), |file| {
        let take = |piece: Bytes| file.write_all(&piece).map(|()| true).map_err(failed);
        let read = content.read(&Checkpoint::start(), content.size(), progress, take);
        read.map(drop)
    })?;
    content.arrived(progress);
    count(content.size(), written);
    let mut small = vec![(&*manifest.config, true), (&*manifest.bytes, false)];
    if !attached.is_empty() {
        small.push((EMPTY, true));
    }
    for one in &attached {
        small.extend([(&*one.bundle, true), (&*one.manifest, false)]);
    }
    for (bytes, counts) in small {
        let (digest, size) = (Digest::of(bytes), bytes.len() as u64);
        let written = write_blob(root, digest, progress, size, |file| {
            file.write_all(bytes).map_err(failed)
        })?;
        if counts {
            count(size, written);
        }
    }
    enter(
        &mut index,
        &Described::of(&manifest.bytes),
        reference.tag.as_ref().map(Tag::as_str),
        &attached,
    )?;
    let index = index_bytes(root, &index)?;
    content.commit(progress)?;
    replace(root, INDEX, |file| file.write_all(&index).map_err(failed))?;
    Ok(pushed)
}

/// An index as it is written.
fn index_bytes(root: &Path, index: &Map<String, Value>) -> Result<Vec<u8>> {
    let index = serde_json::to_vec(index)
        .map_err(|error| error!(Internal: "an index could not be written").source(error))?;
    if index.len() > LARGEST {
        return Err(invalid(root, "its index would be too large"));
    }
    Ok(index)
}

/// Holds the folder for this writer alone, until it is dropped. No thread waits for it.
async fn lock(root: &Path) -> Result<OwnedFd> {
    let until = Instant::now() + LOCK;
    loop {
        let root = root.to_owned();
        if let Some(folder) = spawn_blocking(move || try_lock(&root)).await?? {
            return Ok(folder);
        }
        if Instant::now() > until {
            break;
        }
        tokio::time::sleep(LOCK_STEP).await;
    }
    Err(error!(Busy: "another writer holds {}", root.display()).help("Try again once it is done."))
}

fn try_lock(root: &Path) -> Result<Option<OwnedFd>> {
    if root.exists() && !root.is_dir() {
        return Err(invalid(root, "it is not a folder"));
    }
    match fs::create_dir(root) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            let failed = Error::at(root, "make the folder", error);
            // More than one folder is not made: who is mistaken about the path, or means a
            // registry, shall be told.
            return Err(match root.parent().filter(|parent| !parent.is_dir()) {
                Some(parent) => {
                    let parent = parent.display();
                    failed.help(format!("There is no folder {parent}: make it first."))
                }
                None => failed,
            });
        }
    }
    let failed = |error: Errno| Error::at(root, "lock", error.into());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(root, flags, Mode::empty()).map_err(failed)?;
    match rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(folder)),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Makes a layout of an empty folder.
fn prepare(root: &Path) -> Result<()> {
    check_usable(root)?;
    if !root.join(LAYOUT).exists() {
        let marker = json!({ "imageLayoutVersion": VERSION }).to_string();
        replace(root, LAYOUT, |file| {
            let written = file.write_all(marker.as_bytes());
            written.map_err(|error| Error::at(root, "write in", error))
        })?;
    }
    let blobs = root.join(BLOBS);
    fs::create_dir_all(&blobs).map_err(|error| Error::at(&blobs, "make the folder", error))
}

/// Fails unless the folder is a layout, or one can be made of it.
fn check_usable(root: &Path) -> Result<()> {
    if root.join(LAYOUT).exists() {
        check_version(root)?;
    } else {
        let failed = |error| Error::at(root, "read the folder", error);
        for entry in fs::read_dir(root).map_err(failed)? {
            // A writer that died at its very start left no more than this.
            if !is_temporary(entry.map_err(failed)?.file_name().as_bytes()) {
                let why = "it has other files in it, and no `oci-layout`";
                return Err(invalid(root, why));
            }
        }
    }
    let blobs = root.join(BLOBS);
    for folder in [blobs.parent().unwrap_or(root), &blobs] {
        // What is written, and what is swept, stays in the layout.
        if fs::symlink_metadata(folder).is_ok_and(|metadata| metadata.is_symlink()) {
            return Err(invalid(root, "its folder of blobs is a symbolic link"));
        }
    }
    Ok(())
}

/// Writes a blob, unless it is there; answers whether it did.
fn write_blob(
    root: &Path,
    digest: Digest,
    progress: &Progress,
    size: u64,
    fill: impl FnOnce(&mut Unnamed<()>) -> Result<()>,
) -> Result<bool> {
    let (blobs, name) = (root.join(BLOBS), digest.hex());
    // One that is there may have been cut off while others wrote it.
    if let Ok(there) = Source::open(&blobs.join(&name))
        && there.holds(digest, size, progress)?
    {
        return Ok(false);
    }
    replace(&blobs, &name, fill)?;
    Ok(true)
}

/// Gives a file its name once it is whole, in place of what had that name.
fn replace(
    folder: &Path,
    name: &str,
    fill: impl FnOnce(&mut Unnamed<()>) -> Result<()>,
) -> Result<()> {
    let mut file = Destination::at(folder)?.create()?;
    fill(&mut file)?;
    // It takes no permit: what is in a layout was checked as it was written.
    file.give_name(name.as_ref(), true, || Ok(())).map(drop)
}

fn read(reference: &LayoutReference, limits: &Limits) -> Result<Named> {
    let root = &reference.path;
    check_there(root)?;
    let digest = match reference.digest {
        Some(digest) => digest,
        None => look_up(root, reference.tag.as_ref().map(Tag::as_str))?,
    };
    let (body, fetched) = match get(root, digest, reference.digest, limits)? {
        (_, Fetched::Index(inner)) => get(root, inner, None, limits)?,
        image => image,
    };
    Ok(Named::of(fetched.layer()?, body))
}

/// A manifest among the blobs, once more. Blocks.
pub(super) fn manifest(root: &Path, digest: Digest, limits: &Limits) -> Result<Vec<u8>> {
    Ok(get(root, digest, None, limits)?.0)
}

/// The path of a blob.
pub(super) fn blob(root: &Path, digest: Digest) -> PathBuf {
    root.join(BLOBS).join(digest.hex())
}

/// Fails where there is no layout.
fn check_there(root: &Path) -> Result<()> {
    if !root.is_dir() {
        return Err(
            error!(NotFound: "there is no image layout {}", root.display())
                .help("Check the path. `vouch push` makes a layout."),
        );
    }
    check_version(root)
}

/// A manifest among the blobs; `asked` is what the caller named, rather than the layout.
fn get(
    root: &Path,
    digest: Digest,
    asked: Option<Digest>,
    limits: &Limits,
) -> Result<(Vec<u8>, Fetched)> {
    let path = root.join(BLOBS).join(digest.hex());
    let manifest = small(&path, limits.manifest).map_err(|error| match error.kind() {
        ErrorKind::FileNotFound if asked == Some(digest) => {
            error!(NotFound: "{} has no manifest {digest}", root.display())
        }
        ErrorKind::FileNotFound => invalid(root, &format!("it lacks its manifest {digest}")),
        _ => error,
    })?;
    let found = Digest::of(&manifest);
    if found != digest {
        return Err(error!(
            InvalidManifest: "a manifest in {} hashes to {found}, not to {digest}",
            root.display()
        ));
    }
    let fetched = Fetched::read(&manifest, None, limits)?;
    Ok((manifest, fetched))
}

#[cfg(test)]
mod tests;
