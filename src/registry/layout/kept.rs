//! An artifact that is pulled into a layout, together with its manifest and its config as they were
//! published, and with the bundles that sign it.
//!
//! What arrives has no name until all of it was judged, and the layout changes in one step at the end:
//! who is killed on the way leaves nothing that a reader sees.

use super::{
    BLOBS, StopOnDrop, check_usable, index::enter, index_bytes, lock, prepare, read_index, replace,
    write_blob,
};
use crate::{
    error::{Error, Result, error},
    file::{self, Destination},
    name::{Digest, LayoutReference, Tag},
    progress::Progress,
    registry::{
        Attachment, Described,
        attached::{Attached, EMPTY},
    },
    trust::{Layer, Now, Unnamed, Vouched},
};
use std::{ffi::OsStr, io::Write, path::Path};
use tokio::task::spawn_blocking;
use vouch_protocol::Verification;

/// What an artifact has beside it where it is published, as it is there.
#[derive(Debug)]
pub struct Whole {
    pub(in crate::registry) manifest: Vec<u8>,
    pub(in crate::registry) config: Config,
}

/// A config that was published.
#[derive(Debug)]
pub(in crate::registry) enum Config {
    /// What everybody has who has none.
    Known(&'static [u8]),
    Fetched(Digest, file::Unnamed<()>),
}

/// Where what arrives for a layout is written, without a name: in its folder; where that is not
/// there yet, beside it. Fails where there can be no layout. Blocks.
pub(in crate::registry) fn room(root: &Path) -> Result<Destination> {
    if root.exists() {
        if !root.is_dir() {
            return Err(super::invalid(root, "it is not a folder"));
        }
        check_usable(root)?;
        let blobs = root.join(BLOBS);
        return Destination::at(if blobs.is_dir() { &blobs } else { root });
    }
    let parent = root.parent().unwrap_or(root);
    if !parent.is_dir() {
        let parent = parent.display();
        return Err(
            error!(FileNotFound: "there is no folder {parent}").help(format!(
                "Make it first: more than the layout's own folder, {}, is not made.",
                root.display()
            )),
        );
    }
    Destination::at(parent)
}

/// Puts it there, and then its line into the index; right before, it is judged again, and
/// `progress.commit()` is called. Answers the bundles that are beside it.
pub(in crate::registry) async fn keep(
    vouched: Vouched<Unnamed>,
    whole: Whole,
    with_bundles: bool,
    into: &LayoutReference,
    now: impl Fn() -> Now + Send + 'static,
    progress: &Progress,
) -> Result<(Vec<Attachment>, Verification)> {
    let mut stop = StopOnDrop(Some(progress.clone()));
    let lock = lock(&into.path).await?;
    let (into, progress) = (into.clone(), progress.clone());
    let kept = spawn_blocking(move || {
        let _lock = lock;
        let bundles = if with_bundles {
            vouched.bundles_of_manifest()?
        } else {
            Vec::new()
        };
        let described = Layer {
            digest: Digest::of(&whole.manifest),
            size: whole.manifest.len() as u64,
        };
        let attached = Attached::all(&bundles, described)?;
        let verification = write(vouched, whole, &attached, &into, &now, &progress)?;
        Ok((
            attached.iter().map(Attached::pushed).collect(),
            verification,
        ))
    })
    .await;
    stop.0 = None;
    kept?
}

fn write(
    vouched: Vouched<Unnamed>,
    whole: Whole,
    attached: &[Attached],
    into: &LayoutReference,
    now: &dyn Fn() -> Now,
    progress: &Progress,
) -> Result<Verification> {
    let root = &into.path;
    prepare(root)?;
    let mut index = read_index(root)?;
    let described = Described::of(&whole.manifest);
    enter(
        &mut index,
        &described,
        into.tag.as_ref().map(Tag::as_str),
        attached,
    )?;
    let index = index_bytes(root, &index)?;

    let failed = |error| Error::at(root, "write in", error);
    let blobs = Destination::at(&root.join(BLOBS))?;
    let mut small = vec![&*whole.manifest];
    match whole.config {
        Config::Known(config) => small.push(config),
        Config::Fetched(digest, config) => {
            let config = config.bound_for(&blobs.named(digest.hex().into())?)?;
            config.give_name(OsStr::new(""), true, || Ok(()))?;
        }
    }
    if !attached.is_empty() {
        small.push(EMPTY);
    }
    for one in attached {
        small.extend([&*one.bundle, &*one.manifest]);
    }
    for bytes in small {
        write_blob(
            root,
            Digest::of(bytes),
            progress,
            bytes.len() as u64,
            |file| file.write_all(bytes).map_err(failed),
        )?;
    }
    let enter = || {
        replace(root, super::INDEX, |file| {
            file.write_all(&index).map_err(failed)
        })
    };
    progress.commit()?;
    vouched.store(&blobs, now, enter)
}
