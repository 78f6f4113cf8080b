//! Remembers what files were found to be: facts, never decisions. Dates and trust are judged anew
//! each time, and a push reads its file again.
//!
//! A file is known by device, inode, size and times. A store through a mapping moves the times only
//! when the page is written back or the mapping is synced: until then a changed file may be
//! answered for as it was. That is why a push never asks here.

use super::{Examination, Limits, Verified, examine};
use crate::{
    error::{Error, Result},
    file::{Identity, Source},
    progress::Progress,
};
use lru::LruCache;
use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

const CAPACITY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);
/// What claims more than this is read anew each time: 16 MiB are the most that is remembered.
const LARGEST_CLAIMS: usize = 16 << 10;

/// A bounded memory of files that were examined.
#[derive(Debug)]
pub struct Cache(Mutex<LruCache<Identity, Arc<Examination>>>);

impl Default for Cache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }
}

impl Cache {
    /// Examines a file, or remembers what it was found to be while its identity is the same.
    /// What comes from memory has no [`Verified::blocks`]. Blocks.
    pub fn examine(
        &self,
        source: &Source,
        limits: &Limits,
        progress: &Progress,
    ) -> Result<Arc<Examination>> {
        let identity = source.identity();
        if let Some(known) = self.lock().get(&identity) {
            return Ok(known.clone());
        }
        let started = SystemTime::now();
        let examination = examine(progress.watch(source.reader()), limits)
            .map_err(|error| Error::from_io(error, source.path(), "read"))?;
        let examination = Arc::new(without_blocks(examination));
        // A change after the reading began would have moved a settled file's times.
        if identity.settled(started)
            && source.unchanged()
            && claimed(&examination) <= LARGEST_CLAIMS
        {
            self.lock().put(identity, examination.clone());
        }
        Ok(examination)
    }

    /// Files that are remembered, and files that can be.
    pub fn fill(&self) -> (usize, usize) {
        (self.lock().len(), CAPACITY.get())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<Identity, Arc<Examination>>> {
        // What another thread left behind when it panicked is a whole entry or none.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn without_blocks(examination: Examination) -> Examination {
    Examination {
        verdict: examination.verdict.map(|verified| {
            Arc::new(Verified {
                blocks: Vec::new(),
                claims: verified.claims.clone(),
                targets: verified.targets.clone(),
                ..*verified
            })
        }),
        ..examination
    }
}

fn claimed(examination: &Examination) -> usize {
    examination
        .verdict
        .as_ref()
        .map_or(0, |verified| verified.token_size)
}
