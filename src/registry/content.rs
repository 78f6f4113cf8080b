//! A vouched-for file on its way out: each block leaves only after it hashed, together with all
//! before it, to what was verified.

use super::manifest::Artifact;
use crate::{
    artifact::{BLOCK, Buffers},
    error::{Error, Result, error},
    file::Source,
    name::Digest,
    progress::Progress,
    signature::Bundle,
    trust::{Now, Vouched},
};
use bytes::Bytes;
use ring::digest::{Context, SHA256};
use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{sync::SetOnce, task::spawn_blocking};
use vouch_protocol::Verification;

/// A file that was vouched for. Clones share it.
#[derive(Clone)]
pub(super) struct Content {
    pub(super) artifact: Artifact,
    blocks: Arc<[Digest]>,
    file: Arc<File>,
    /// How far it was sent: what is sent again counts once.
    furthest: Arc<AtomicU64>,
    /// Set once all of it was seen to be what was verified, or is at its destination.
    checked: Arc<SetOnce<()>>,
}

enum File {
    /// With what it is judged by right before its manifest is written.
    Vouched(Box<Vouched<Source>>, Box<dyn Fn() -> Now + Send + Sync>),
    #[cfg(test)]
    Unverified(Source, Vec<Bundle>),
}

impl Content {
    pub(super) fn new(
        vouched: Vouched<Source>,
        now: impl Fn() -> Now + Send + Sync + 'static,
    ) -> Self {
        Self {
            artifact: Artifact::of(vouched.facts()),
            blocks: vouched.blocks().into(),
            file: Arc::new(File::Vouched(Box::new(vouched), Box::new(now))),
            furthest: Arc::default(),
            checked: Arc::default(),
        }
    }

    fn source(&self) -> &Source {
        match &*self.file {
            File::Vouched(vouched, _) => vouched.source(),
            #[cfg(test)]
            File::Unverified(source, _) => source,
        }
    }

    pub(super) fn digest(&self) -> Digest {
        self.artifact.digest
    }

    pub(super) fn size(&self) -> u64 {
        self.artifact.size
    }

    /// The bundles that it was judged by: they are published with it.
    pub(super) fn bundles(&self) -> Vec<Bundle> {
        match &*self.file {
            File::Vouched(vouched, _) => vouched.bundles().cloned().collect(),
            #[cfg(test)]
            File::Unverified(_, bundles) => bundles.clone(),
        }
    }

    /// Fails unless it was judged as what that manifest names.
    pub(super) fn check_manifest(&self, manifest: Digest) -> Result<()> {
        match &*self.file {
            File::Vouched(vouched, _) if vouched.manifest() != Some(manifest) => Err(error!(
                Internal: "it was judged for another manifest than {manifest}"
            )),
            #[cfg(not(test))]
            File::Vouched(..) => Ok(()),
            #[cfg(test)]
            File::Vouched(..) | File::Unverified(..) => Ok(()),
        }
    }

    /// Fails unless the file may still be published.
    fn confirm(&self) -> Result<()> {
        match &*self.file {
            File::Vouched(vouched, now) => {
                vouched.confirm(&now(), vouched.source().path().display())
            }
            #[cfg(test)]
            File::Unverified(..) => Ok(()),
        }
    }

    /// The same, off the runtime's threads: what is pinned is a file.
    pub(super) async fn confirm_aside(&self) -> Result<()> {
        let content = self.clone();
        spawn_blocking(move || content.confirm()).await?
    }

    /// Begins the step that cannot be undone, if the file may still be published.
    pub(super) fn commit(&self, progress: &Progress) -> Result<()> {
        self.confirm()?;
        progress.commit()
    }

    /// The same, off the runtime's threads.
    pub(super) async fn commit_aside(&self, progress: &Progress) -> Result<()> {
        let (content, progress) = (self.clone(), progress.clone());
        spawn_blocking(move || content.commit(&progress)).await?
    }

    /// What is said of it once the registry has it: see [`Vouched::published`].
    pub(super) async fn published(&self) -> Result<Verification> {
        let file = Arc::clone(&self.file);
        spawn_blocking(move || match &*file {
            File::Vouched(vouched, now) => Ok(vouched.published(&now())),
            #[cfg(test)]
            File::Unverified(..) => Err(error!(Internal: "nobody vouched for it")),
        })
        .await?
    }

    /// What a file would be verified to be, without a check.
    #[cfg(test)]
    pub(super) fn unverified(kind: crate::artifact::ArtifactKind, path: &std::path::Path) -> Self {
        Self::bundled(kind, path, Vec::new())
    }

    /// The same, with what is published beside it.
    #[cfg(test)]
    pub(super) fn bundled(
        kind: crate::artifact::ArtifactKind,
        path: &std::path::Path,
        bundles: Vec<Bundle>,
    ) -> Self {
        let source = Source::open(path).unwrap();
        let bytes = std::fs::read(path).unwrap();
        let mut hash = Context::new(&SHA256);
        let blocks = bytes.chunks(BLOCK).map(|block| {
            hash.update(block);
            Digest::finish(&hash.clone().finish())
        });
        Self {
            artifact: Artifact {
                kind,
                digest: Digest::of(&bytes),
                size: bytes.len() as u64,
                signed: 1_644_843_743,
            },
            blocks: blocks.collect(),
            file: Arc::new(File::Unverified(source, bundles)),
            furthest: Arc::default(),
            checked: Arc::default(),
        }
    }

    /// Reads the bytes from a checkpoint up to `end` and hands them on in pieces; answers the
    /// checkpoint at `end`, or nothing if `take` wants no more. `end` is the file's or a block's.
    pub(super) fn read(
        &self,
        from: &Checkpoint,
        end: u64,
        progress: &Progress,
        mut take: impl FnMut(Bytes) -> Result<bool>,
    ) -> Result<Option<Checkpoint>> {
        let modified = || {
            error!(
                ContentModified: "{} changed after it was verified",
                self.source().path().display()
            )
            .help("Nothing of the new content was sent. Push again once nobody writes to it.")
        };
        let failed = |error| Error::at(self.source().path(), "read", error);
        let mut at = from.clone();
        let mut buffers = Buffers::new(Some(self.artifact.size));
        while at.offset < end {
            progress.check()?;
            let length = (self.artifact.size - at.offset).min(BLOCK as u64);
            let last = at.offset + length == self.artifact.size;
            let mut block = buffers.chunk().map_err(failed)?;
            let mut reader = self.source().reader_at(at.offset).take(length);
            loop {
                match block.read(&mut reader) {
                    Ok(Some(read)) if read > 0 => {}
                    Ok(_) => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(failed(error)),
                }
            }
            at.hash.update(&block);
            let index = usize::try_from(at.offset / BLOCK as u64).ok();
            let verified = index.and_then(|index| self.blocks.get(index));
            if block.len() as u64 != length
                || verified != Some(&Digest::finish(&at.hash.clone().finish()))
                // It still ends where it did.
                || last && self.source().reader_at(self.artifact.size).read(&mut [0]).map_err(failed)? > 0
            {
                return Err(modified());
            }
            if last {
                // It may be checked once more, for another attempt.
                let _ = self.checked.set(());
            }
            at.offset += length;
            if !take(Bytes::from_owner(block))? {
                return Ok(None);
            }
            self.reached(at.offset, progress);
        }
        Ok(Some(at))
    }

    /// Counts what was not counted before.
    fn reached(&self, offset: u64, progress: &Progress) {
        let before = self.furthest.fetch_max(offset, Ordering::Relaxed);
        progress.advance(offset.saturating_sub(before));
    }

    /// Counts all of it as sent: it is there, whoever brought it.
    pub(super) fn arrived(&self, progress: &Progress) {
        self.reached(self.artifact.size, progress);
        let _ = self.checked.set(());
    }

    /// Waits until all of it was checked, or arrived.
    pub(super) async fn checked(&self) {
        self.checked.wait().await;
    }

    /// All of it, checked. For what is one block.
    pub(super) async fn whole(&self, progress: &Progress) -> Result<Bytes> {
        let (content, progress) = (self.clone(), progress.clone());
        let read = spawn_blocking(move || {
            let mut all = Vec::new();
            content.read(
                &Checkpoint::start(),
                content.artifact.size,
                &progress,
                |piece| {
                    all.extend_from_slice(&piece);
                    Ok(true)
                },
            )?;
            Ok(all.into())
        });
        read.await?
    }

    /// The next place after `offset` where sending may stop and go on, at least `step` further.
    pub(super) fn stop_after(&self, offset: u64, step: u64) -> u64 {
        let step = step.max(1).next_multiple_of(BLOCK as u64);
        offset.saturating_add(step).min(self.artifact.size)
    }
}

/// How far a file was sent, and its hash up to there. It lies at a block's start, or the end.
#[derive(Clone)]
pub(super) struct Checkpoint {
    pub(super) offset: u64,
    hash: Context,
}

impl Checkpoint {
    pub(super) fn start() -> Self {
        Self {
            offset: 0,
            hash: Context::new(&SHA256),
        }
    }

    /// Behind bytes that are in memory.
    pub(super) fn after(bytes: &[u8]) -> Self {
        let mut at = Self::start();
        at.offset = bytes.len() as u64;
        at.hash.update(bytes);
        at
    }
}
