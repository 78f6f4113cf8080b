//! What lies beside a published artifact, wherever that is, looked for as far as somebody asks.

use super::{layout, memory::Memory, referrers::Referrers};
use crate::{
    error::{Error, Result},
    name::Digest,
    progress::Progress,
    signature::Evidence,
};
use std::{path::PathBuf, sync::Arc};
use tokio::runtime::Handle;

/// Rounds of what may sign an artifact, the likeliest first; one fails where it is not known whether
/// there is anything, and is the last. To be used on a blocking thread.
#[derive(Debug)]
pub struct Search {
    runtime: Handle,
    progress: Progress,
    place: Option<Place>,
}

/// Where there may be something left to find.
#[derive(Debug)]
pub(super) enum Place {
    Registry(Box<Referrers>),
    /// The folder of a layout, the manifest, and what is held of it.
    Layout(PathBuf, Digest, Arc<Memory>),
}

impl Search {
    pub(super) fn new(runtime: Handle, progress: Progress, place: Place) -> Self {
        Self {
            runtime,
            progress,
            place: Some(place),
        }
    }
}

impl Iterator for Search {
    type Item = Result<Vec<Evidence>>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.place.take()? {
            Place::Registry(mut referrers) => {
                let stop = self.progress.clone();
                let round = self.runtime.block_on(async {
                    tokio::select! {
                        () = stop.stopped() => Err(Error::cancelled()),
                        round = referrers.round() => round,
                    }
                });
                let round = round.transpose()?;
                if round.is_ok() {
                    self.place = Some(Place::Registry(referrers));
                }
                Some(round)
            }
            Place::Layout(root, manifest, memory) => {
                let charge = |bytes| memory.wait(&self.runtime, &self.progress, bytes);
                Some(layout::beside(&root, manifest, &self.progress, &charge))
            }
        }
    }
}
