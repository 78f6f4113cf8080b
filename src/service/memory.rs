//! What published artifacts were found to be, by digest: facts, never decisions. Dates, trust and
//! pins are judged anew each time.
//!
//! A digest names its bytes for ever, so that facts do not grow old: which layer a manifest has, what
//! that layer is, and what a signature over it proves. What does is remembered with its time: which
//! manifest a tag names, what lies beside one, and that something could not be asked.

use crate::{
    artifact::Examined,
    error::Result,
    name::{Digest, RegistryReference},
    registry::Search,
    signature::Evidence,
    trust::{self, Layer, Memo, Now, Published, Use, Verdict},
};
use lru::LruCache;
use parking_lot::Mutex;
use std::{
    cell::Cell,
    hash::Hash,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

/// The most of each kind.
const MOST: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
/// The most bytes of artifacts' facts, and of what lies beside them.
const MOST_BYTES: usize = 4 << 20;
/// What is larger than this is asked for again each time, so that one artifact does not drive out a
/// hundred others.
const LARGEST: usize = 128 << 10;
/// So long nobody fetches such a one again unasked.
const HEAVY: Duration = Duration::from_secs(60);

/// A bounded memory of published artifacts.
#[derive(Debug)]
pub(super) struct Memory(Mutex<Remembered>);

#[derive(Debug)]
struct Remembered {
    /// Where they were read, by their manifests.
    manifests: Weighed<(String, Digest), Arc<Manifest>>,
    /// What they are, by their own digests.
    facts: Weighed<Digest, Arc<Examined<()>>>,
    /// Artifacts of which there is more to know than is remembered, and when they were read.
    heavy: LruCache<Digest, Instant>,
    /// What tags named, and when.
    tags: LruCache<RegistryReference, (Digest, Instant)>,
}

/// A manifest in a repository, and what lies beside it there.
#[derive(Debug)]
struct Manifest {
    layer: Layer,
    beside: Beside,
    /// When this service last put something beside it.
    attached: Option<Instant>,
    /// What was verified already.
    memo: Memo,
}

/// What was found beside an artifact, round by round.
#[derive(Debug, Clone, Default)]
pub(super) struct Beside {
    /// When the search began.
    began: Option<Instant>,
    rounds: Vec<Vec<Evidence>>,
    /// When nothing was left to find; nothing, where there may be more.
    whole: Option<Instant>,
}

impl Beside {
    fn size(&self) -> usize {
        self.rounds.iter().flatten().map(Evidence::size).sum()
    }
}

/// A verdict from memory.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) verdict: Verdict<()>,
    /// Whether what lies beside the artifact was needed to the last, and when that was looked for;
    /// nothing, where it was not needed or sufficed.
    pub(super) exhausted: Option<Exhausted>,
}

/// What is known of an artifact's surroundings, where that does not suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exhausted {
    /// There was nothing more then.
    Then(Instant),
    /// There may be more.
    MayBeMore,
}

impl Default for Memory {
    fn default() -> Self {
        Self(Mutex::new(Remembered {
            manifests: Weighed::default(),
            facts: Weighed::default(),
            heavy: LruCache::new(MOST),
            tags: LruCache::new(MOST),
        }))
    }
}

/// Where a manifest is, as far as what lies beside it may differ.
fn repository(reference: &RegistryReference) -> String {
    format!("{}/{}", reference.registry, reference.repository)
}

impl Memory {
    /// Remembers what a reference was found to name.
    pub(super) fn resolved(&self, reference: &RegistryReference, manifest: Digest, layer: Layer) {
        let mut memory = self.0.lock();
        if let Some(tag) = without_digest(reference) {
            memory.tags.put(tag, (manifest, Instant::now()));
        }
        let key = (repository(reference), manifest);
        if memory.manifests.get(&key).is_none() {
            memory.note(key, layer, Beside::default(), None);
        }
        // An index is named by another digest than its manifest.
        if let Some(named) = reference.digest.filter(|named| *named != manifest) {
            let index = RegistryReference {
                tag: None,
                digest: Some(named),
                ..reference.clone()
            };
            memory.tags.put(index, (manifest, Instant::now()));
        }
    }

    /// Remembers what an artifact is, if its bytes are those that its manifest names, and what lies
    /// beside it.
    pub(super) fn found(
        &self,
        reference: &RegistryReference,
        manifest: Digest,
        layer: Layer,
        examined: Examined<()>,
        beside: Option<Beside>,
    ) {
        self.resolved(reference, manifest, layer);
        let mut memory = self.0.lock();
        // One that is over a limit was not read to its end, and has no digest.
        if examined.digest() == Some(layer.digest) && examined.size() == layer.size {
            let weight = examined.weight();
            if weight > LARGEST {
                memory.heavy.put(layer.digest, Instant::now());
            }
            memory.facts.put(layer.digest, Arc::new(examined), weight);
        }
        if let Some(beside) = beside {
            let key = (repository(reference), manifest);
            let attached = memory.manifests.get(&key).and_then(|one| one.attached);
            // Who looked before there was more may not have seen it.
            let beside = if attached >= beside.began {
                Beside::default()
            } else {
                beside
            };
            memory.note(key, layer, beside, attached);
        }
    }

    /// Forgets what lay beside a manifest there: there is more now.
    pub(super) fn attached(&self, reference: &RegistryReference, manifest: Digest) {
        let key = (repository(reference), manifest);
        let mut memory = self.0.lock();
        if let Some(layer) = memory.manifests.get(&key).map(|manifest| manifest.layer) {
            let now = Some(Instant::now());
            memory.note(key, layer, Beside::default(), now);
        }
    }

    /// Which manifest a tag named, and when that was seen; or an index.
    pub(super) fn named(&self, reference: &RegistryReference) -> Option<(Digest, Instant)> {
        self.0.lock().tags.get(reference).copied()
    }

    /// The layer of a manifest in a repository.
    pub(super) fn layer(&self, reference: &RegistryReference, manifest: Digest) -> Option<Layer> {
        let key = (repository(reference), manifest);
        let mut memory = self.0.lock();
        memory.manifests.get(&key).map(|manifest| manifest.layer)
    }

    /// What an artifact is.
    pub(super) fn facts(&self, layer: Layer) -> Option<Examined<()>> {
        let mut memory = self.0.lock();
        let facts = memory.facts.get(&layer.digest)?;
        (facts.size() == layer.size).then(|| facts.share())
    }

    /// Whether an artifact was read a moment ago, and is too much to be remembered.
    pub(super) fn is_heavy(&self, layer: Layer) -> bool {
        let then = self.0.lock().heavy.get(&layer.digest).copied();
        then.is_some_and(|then| then.elapsed() < HEAVY)
    }

    /// Judges what is remembered of an artifact; nothing, where too little is. Blocks.
    pub(super) fn judge(&self, published: Published, now: &Now) -> Option<Result<Known>> {
        let crate::name::Reference::Registry(reference) = &published.from else {
            return None;
        };
        let key = (repository(reference), published.manifest);
        let manifest = Arc::clone(self.0.lock().manifests.get(&key)?);
        let examined = self.facts(manifest.layer)?;
        let exhausted = Cell::new(None);
        let beside = manifest.beside.rounds.iter().cloned().map(Ok);
        let beside = beside.chain(std::iter::from_fn(|| {
            exhausted.set(Some(match manifest.beside.whole {
                Some(then) => Exhausted::Then(then),
                None => Exhausted::MayBeMore,
            }));
            None
        }));
        let usage = Use::Verify(Some(published));
        let verdict = trust::judge_known(examined, &manifest.memo, beside, usage, now);
        Some(verdict.map(|verdict| Known {
            // Also where it is accepted: whether a first use is clear, all that lies there tells.
            exhausted: exhausted.get(),
            verdict,
        }))
    }

    /// Manifests and artifacts that are remembered.
    #[cfg(test)]
    pub(super) fn fill(&self) -> (usize, usize) {
        let memory = self.0.lock();
        (memory.manifests.len(), memory.facts.len())
    }
}

impl Remembered {
    fn note(
        &mut self,
        key: (String, Digest),
        layer: Layer,
        beside: Beside,
        attached: Option<Instant>,
    ) {
        let size = beside.size();
        // What it proves weighs about as much.
        let weight = 2 * size + key.0.len() + size_of::<Manifest>();
        let beside = if weight > LARGEST {
            Beside::default()
        } else {
            beside
        };
        let manifest = Manifest {
            layer,
            beside,
            attached,
            memo: Memo::default(),
        };
        self.manifests
            .put(key, Arc::new(manifest), weight.min(LARGEST));
    }
}

fn without_digest(reference: &RegistryReference) -> Option<RegistryReference> {
    // With a digest, the tag was not asked for.
    reference.digest.is_none().then(|| reference.clone())
}

/// The latest of what fits into so many bytes.
#[derive(Debug)]
struct Weighed<K: Hash + Eq, V> {
    kept: LruCache<K, (V, usize)>,
    bytes: usize,
}

impl<K: Hash + Eq, V> Default for Weighed<K, V> {
    fn default() -> Self {
        Self {
            kept: LruCache::unbounded(),
            bytes: 0,
        }
    }
}

impl<K: Hash + Eq, V> Weighed<K, V> {
    fn get(&mut self, key: &K) -> Option<&V> {
        self.kept.get(key).map(|(value, _)| value)
    }

    fn put(&mut self, key: K, value: V, weight: usize) {
        if weight > LARGEST {
            return;
        }
        self.bytes += weight;
        if let Some((_, before)) = self.kept.put(key, (value, weight)) {
            self.bytes -= before;
        }
        while self.kept.len() > MOST.get() || self.bytes > MOST_BYTES {
            let Some((_, (_, weight))) = self.kept.pop_lru() else {
                break;
            };
            self.bytes -= weight;
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.kept.len()
    }
}

/// A search that notes what it finds.
#[derive(Debug)]
pub(super) struct Noted {
    search: Search,
    found: Beside,
}

impl Noted {
    pub(super) fn new(search: Search) -> Self {
        Self {
            search,
            found: Beside {
                began: Some(Instant::now()),
                ..Beside::default()
            },
        }
    }

    /// What was found.
    pub(super) fn found(self) -> Beside {
        self.found
    }
}

impl Iterator for Noted {
    type Item = Result<Vec<Evidence>>;

    fn next(&mut self) -> Option<Self::Item> {
        let round = self.search.next();
        match &round {
            Some(Ok(round)) => {
                // What counts the memory of searches gets it back: this memory has its own bounds.
                let round = round.iter().map(Evidence::held_elsewhere);
                self.found.rounds.push(round.collect());
            }
            // It is not known whether there is more.
            Some(Err(_)) => {}
            None => self.found.whole = Some(Instant::now()),
        }
        round
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        artifact::{Limits, inspect},
        name::{Reference, testing},
    };

    #[test]
    fn a_search_that_began_before_a_push_does_not_outlive_it() {
        let memory = Memory::default();
        let Reference::Registry(echo) = testing::reference("ghcr.io/acme/echo:1") else {
            panic!()
        };
        let bytes = vouch_testing::forge::module();
        let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
        let (manifest, layer) = (Digest::of(b"manifest"), Layer { digest, size });
        let found = |began| {
            let examined = inspect(&bytes[..], size, &Limits::default()).unwrap();
            let beside = Beside {
                began: Some(began),
                rounds: Vec::new(),
                whole: Some(Instant::now()),
            };
            memory.found(&echo, manifest, layer, examined, Some(beside));
            let mut memory = memory.0.lock();
            let key = (repository(&echo), manifest);
            memory.manifests.get(&key).unwrap().beside.whole.is_some()
        };
        let before = Instant::now();
        assert!(found(before), "there is nothing more");
        memory.attached(&echo, manifest);
        assert!(!found(before), "there may be more");
        assert!(found(before + Duration::from_secs(3600)));
    }
}
