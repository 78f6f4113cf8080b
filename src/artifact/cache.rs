//! Remembers what files were found to be: facts, never decisions. Dates and trust are judged again
//! each time, and a push reads its file again.
//!
//! A file is known by device, inode, size and times. A store through a mapping moves the times only
//! when the page is written back or the mapping is synced: until then a changed file may be
//! answered for as it was. That is why a push never asks here.

use super::{Covered, Examined, Limits, read};
use crate::{
    error::{Error, Result},
    file::{Identity, Source},
    progress::Progress,
};
use lru::LruCache;
use parking_lot::Mutex;
use std::{num::NonZeroUsize, path::Path, time::SystemTime};

const CAPACITY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);
/// What carries more than this is read again each time, so that a full memory stays small.
const LARGEST_TOKEN: usize = 8 << 10;
const MOST_ENTRIES: usize = 32;
const LARGEST_IMPORTS: usize = 16 << 10;
/// What any facts weigh, and an archive's entry, in bytes: about.
const LEAST: usize = 512;
const AN_ENTRY: usize = 256;

/// A bounded memory of files that were examined.
#[derive(Debug)]
pub struct Cache(Mutex<LruCache<Identity, Known>>);

/// What is remembered of a file.
#[derive(Debug)]
struct Known {
    examined: Examined<()>,
    /// Whether nobody but this machine changes it.
    local: bool,
}

impl Default for Cache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }
}

impl<F> Examined<F> {
    /// The same facts once more, without the file.
    pub(crate) fn share(&self) -> Examined<()> {
        Examined {
            file: (),
            found: self.found.clone(),
            blocks: Vec::new(),
        }
    }

    /// About as many bytes as the facts take.
    pub(crate) fn weight(&self) -> usize {
        let Ok(facts) = &self.found else {
            return LEAST;
        };
        let token = facts.token.as_ref().map_or(0, |token| token.bytes().len());
        let entries = match &facts.covered {
            Covered::Entries(entries) => entries.hashes.len(),
            Covered::Rest(_) => 0,
        };
        LEAST + token + facts.imports.size() + entries * AN_ENTRY
    }
}

impl Examined<()> {
    fn is_small(&self) -> bool {
        let Ok(facts) = &self.found else {
            return true;
        };
        let token = facts.token.as_ref().map_or(0, |token| token.bytes().len());
        let entries = match &facts.covered {
            Covered::Entries(entries) => entries.hashes.len(),
            Covered::Rest(_) => 0,
        };
        token <= LARGEST_TOKEN && entries <= MOST_ENTRIES && facts.imports.size() <= LARGEST_IMPORTS
    }
}

impl Cache {
    /// What a file is remembered to be, where that can be told without waiting for anything.
    pub fn at_hand(&self, path: &Path) -> Option<Examined<()>> {
        let identity = Identity::at_hand(path)?;
        let mut files = self.0.lock();
        let known = files.get(&identity).filter(|known| known.local)?;
        Some(known.examined.share())
    }

    /// Examines a file, or remembers what it was found to be while its identity is the same.
    /// Blocks.
    pub fn examine(
        &self,
        source: &Source,
        limits: &Limits,
        progress: &Progress,
    ) -> Result<Examined<()>> {
        let identity = source.identity();
        if let Some(known) = self.0.lock().get(&identity) {
            return Ok(known.examined.share());
        }
        let started = SystemTime::now();
        let found = read(
            progress.watch(source.reader()),
            source.size(),
            false,
            limits,
            None,
        )
        .map_err(|error| Error::from_io(error, source.path(), "read"))?;
        let examined = Examined::of((), found);
        // A change after the reading began would have moved a settled file's times.
        if identity.settled(started) && source.unchanged() && examined.is_small() {
            let known = Known {
                examined: examined.share(),
                local: source.is_local(),
            };
            self.0.lock().put(identity, known);
        }
        Ok(examined)
    }

    /// Files that are remembered, and files that can be.
    pub fn fill(&self) -> (usize, usize) {
        (self.0.lock().len(), CAPACITY.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, sync::Arc, time::Duration};
    use vouch_testing::forge::{Signer, custom, module};

    fn same(a: &Examined<()>, b: &Examined<()>) -> bool {
        Arc::ptr_eq(a.found.as_ref().unwrap(), b.found.as_ref().unwrap())
    }

    fn look(cache: &Cache, path: &Path) -> Examined<()> {
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
        assert!(look(&cache, &path).found.is_ok());
        assert_eq!(cache.fill().0, 0, "it was written just now");

        settle();
        let first = look(&cache, &path);
        assert_eq!(cache.fill().0, 1);
        assert!(same(&first, &look(&cache, &path)));
        let local = Source::open(&path).unwrap().is_local();
        // Whoever renames something in this moment makes the kernel look twice.
        let at_hand = || {
            (0..1000)
                .find_map(|_| cache.at_hand(&path))
                .is_some_and(|known| same(&first, &known))
        };
        assert_eq!(at_hand(), local, "another's file may have changed");

        // The same size, and the old time of change put back.
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        let mut tampered = signed;
        tampered[14] ^= 1;
        fs::write(&path, &tampered).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(before).unwrap();
        assert!(!at_hand());
        let again = look(&cache, &path);
        assert_ne!(again.digest(), first.digest());
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
    fn what_carries_much_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let token = custom("jwt", &[b'x'; LARGEST_TOKEN + 1]);
        let names: Vec<_> = (0..=MOST_ENTRIES).map(|n| format!("t{n}.bin")).collect();
        let entries: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), &b"x"[..]))
            .collect();
        let files = [
            ("a.wasm", [module(), token].concat()),
            ("b.par", Signer::default().archive(&entries)),
        ];
        for (name, bytes) in &files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        settle();
        let cache = Cache::default();
        for (name, _) in &files {
            assert!(look(&cache, &folder.path().join(name)).found.is_ok());
        }
        assert_eq!(cache.fill().0, 0);
    }
}
