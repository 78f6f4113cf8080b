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
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

const CAPACITY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);
/// What claims more than this is read anew each time: 16 MiB are the most that is remembered.
const LARGEST_CLAIMS: usize = 16 << 10;

/// A bounded memory of files that were examined.
#[derive(Debug)]
pub struct Cache(Mutex<LruCache<Identity, Known>>);

/// What is remembered of a file.
#[derive(Debug)]
struct Known {
    examination: Arc<Examination>,
    /// Whether nobody but this machine changes it.
    local: bool,
}

impl Default for Cache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }
}

impl Cache {
    /// What a file is remembered to be, where that can be told without waiting for anything.
    pub fn at_hand(&self, path: &Path) -> Option<Arc<Examination>> {
        let identity = Identity::at_hand(path)?;
        let mut files = self.lock();
        let known = files.get(&identity).filter(|known| known.local)?;
        Some(known.examination.clone())
    }

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
            return Ok(known.examination.clone());
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
            let known = Known {
                examination: examination.clone(),
                local: source.is_local(),
            };
            self.lock().put(identity, known);
        }
        Ok(examination)
    }

    /// Files that are remembered, and files that can be.
    pub fn fill(&self) -> (usize, usize) {
        (self.lock().len(), CAPACITY.get())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<Identity, Known>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, time::Duration};
    use vouch_protocol::ErrorKind;
    use vouch_testing::forge::{Signer, module};

    fn look(cache: &Cache, path: &Path) -> Arc<Examination> {
        let source = Source::open(path).unwrap();
        cache
            .examine(&source, &Limits::default(), &Progress::default())
            .unwrap()
    }

    /// The kernel sets a file's times, so the 2 s have to pass.
    fn settle() {
        std::thread::sleep(Duration::from_millis(2100));
    }

    #[test]
    fn only_a_settled_file_is_remembered_and_a_change_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("echo.wasm");
        let signed = Signer::default().wasm(&module());
        fs::write(&path, &signed).unwrap();
        let cache = Cache::default();
        assert!(look(&cache, &path).verdict.is_ok());
        assert_eq!(cache.fill().0, 0, "it was written just now");

        settle();
        let first = look(&cache, &path);
        assert_eq!(cache.fill().0, 1);
        assert!(Arc::ptr_eq(&first, &look(&cache, &path)));
        let local = Source::open(&path).unwrap().is_local();
        // Whoever renames something in this moment makes the kernel look twice.
        let at_hand = || {
            (0..1000)
                .find_map(|_| cache.at_hand(&path))
                .is_some_and(|known| Arc::ptr_eq(&first, &known))
        };
        assert_eq!(at_hand(), local, "another's file may have changed");
        let verified = first.verdict.as_ref().unwrap();
        assert!(verified.blocks().is_empty(), "nothing to push by");

        // The same size, and the old time of change put back.
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        let mut tampered = signed;
        tampered[14] ^= 1;
        fs::write(&path, &tampered).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(before).unwrap();
        assert!(!at_hand());
        let refusal = look(&cache, &path).verdict.clone().unwrap_err();
        assert_eq!(refusal.kind, ErrorKind::HashMismatch);
    }

    #[test]
    fn a_file_that_changes_while_it_is_read_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("echo.wasm");
        fs::write(&path, Signer::default().wasm(&module())).unwrap();
        settle();
        let source = Source::open(&path).unwrap();
        // Between the opening and the reading is between two reads as well.
        fs::File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .set_modified(SystemTime::now())
            .unwrap();
        let cache = Cache::default();
        cache
            .examine(&source, &Limits::default(), &Progress::default())
            .unwrap();
        assert_eq!(cache.fill().0, 0);
    }

    #[test]
    fn large_claims_are_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("echo.wasm");
        let signer = Signer::default();
        let mut claims = signer.wasm_claims(&module());
        claims["wascap"]["name"] = "x".repeat(LARGEST_CLAIMS).into();
        let token = signer.jwt(&claims.to_string());
        let section = vouch_testing::forge::custom("jwt", token.as_bytes());
        fs::write(&path, [module(), section].concat()).unwrap();
        settle();
        let cache = Cache::default();
        assert!(look(&cache, &path).verdict.is_ok());
        assert_eq!(cache.fill().0, 0);
    }
}
