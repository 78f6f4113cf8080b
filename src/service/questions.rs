//! The questions that documents ask, of the whole service: each is asked once, however many documents
//! have it, few at a time of one registry, and only for as long as somebody waits for the answer. What
//! failed is not asked again for a moment.

use crate::{
    error::{Error, Result, error},
    name::{Registry, RegistryReference},
    registry::Found,
    session::{Flight, is_link_local},
};
use lru::LruCache;
use parking_lot::Mutex;
use std::{
    collections::{BTreeSet, HashMap},
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Semaphore, watch};
use vouch_protocol::{ErrorKind, Verification};

/// Questions that are asked of one registry at once.
pub(super) const AT_ONCE: usize = 4;
/// How long something that failed is left alone.
const REST: Duration = Duration::from_secs(30);
/// The most failures and permissions that are remembered, and registries whose questions are counted.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
/// Questions that are noted before those that were answered are forgotten.
const NOTED: usize = 256;

/// All questions that are asked, and what is remembered of those who were.
#[derive(Debug)]
pub(super) struct LookUps {
    pub(super) asking: Mutex<HashMap<Question, Flight<Answer>>>,
    registries: Mutex<LruCache<Registry, Arc<Semaphore>>>,
    failed: Mutex<LruCache<Asked, Failed>>,
    /// Registries that somebody has allowed, until the service ends.
    pub(super) allowed: Mutex<BTreeSet<Registry>>,
    /// Rises when verdicts may have changed.
    generation: watch::Sender<u64>,
}

/// What is asked, and how patiently.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) reference: RegistryReference,
    pub(super) what: What,
    pub(super) patient: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    Manifest,
    Artifact,
}

/// Who or what could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Asked {
    Registry(Registry),
    Reference(RegistryReference, What),
}

pub(super) type Answer = Result<Arc<Heard>>;

/// What was answered.
#[derive(Debug)]
pub(super) enum Heard {
    Manifest(Found),
    Artifact(Judged),
}

impl Heard {
    pub(super) fn found(&self) -> Result<&Found> {
        match self {
            Self::Manifest(found) => Ok(found),
            Self::Artifact(_) => Err(unexpected()),
        }
    }
}

/// A verdict, and what would mend it.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) verification: Verification,
    /// The command that would have the artifact accepted.
    pub(super) command: Option<String>,
}

impl Default for LookUps {
    fn default() -> Self {
        Self {
            asking: Mutex::default(),
            registries: Mutex::new(LruCache::new(REMEMBERED)),
            failed: Mutex::new(LruCache::new(REMEMBERED)),
            allowed: Mutex::default(),
            generation: watch::Sender::new(0),
        }
    }
}

impl LookUps {
    /// Has a registry asked unasked until the service ends.
    pub(super) fn allow(&self, registry: Registry) -> Result<()> {
        if is_link_local(&registry) {
            return Err(refused(&registry));
        }
        let mut allowed = self.allowed.lock();
        if allowed.len() >= REMEMBERED.get() && !allowed.contains(&registry) {
            return Err(error!(Busy: "{REMEMBERED} registries are already allowed")
                .help("Restart the service to begin anew: `vouch restart`."));
        }
        allowed.insert(registry);
        drop(allowed);
        self.changed();
        Ok(())
    }

    /// Says that verdicts may have changed. What failed may succeed now.
    pub(super) fn changed(&self) {
        self.failed.lock().clear();
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Rises when verdicts may have changed.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    pub(super) fn semaphore(&self, registry: &Registry) -> Arc<Semaphore> {
        let mut registries = self.registries.lock();
        let new = || Arc::new(Semaphore::new(AT_ONCE));
        Arc::clone(registries.get_or_insert(registry.clone(), new))
    }

    /// Why something is not asked again, if it failed since then.
    pub(super) fn failure(&self, question: &Question, since: Option<Instant>) -> Option<Error> {
        let mut failed = self.failed.lock();
        let asked = [
            Asked::Registry(question.reference.registry.clone()),
            Asked::Reference(question.reference.clone(), question.what),
        ];
        asked.iter().find_map(|asked| {
            let failure = failed.get(asked)?;
            let counts = match since {
                Some(since) => failure.at >= since,
                None => failure.is_recent(REST),
            };
            counts.then(|| failure.error.clone())
        })
    }

    pub(super) fn fail(&self, question: &Question, error: &Error) {
        let asked = match error.kind() {
            ErrorKind::Cancelled => return,
            ErrorKind::RegistryUnreachable
            | ErrorKind::RegistryTimeout
            | ErrorKind::RateLimited
            | ErrorKind::InsecureRegistry
            | ErrorKind::CredentialUnusable => Asked::Registry(question.reference.registry.clone()),
            _ => Asked::Reference(question.reference.clone(), question.what),
        };
        self.failed.lock().put(asked, Failed::now(error.clone()));
    }

    /// The answer to a question, which is asked if nobody is asking it.
    pub(super) async fn ask<W>(&self, question: Question, ask: impl FnOnce() -> W) -> Answer
    where
        W: Future<Output = Answer> + Send + 'static,
    {
        let answer = {
            let mut asking = self.asking.lock();
            if asking.len() > NOTED {
                asking.retain(|_, flight| flight.is_under_way());
            }
            asking.entry(question).or_default().join(ask)
        };
        answer.await
    }
}

pub(super) fn refused(registry: &Registry) -> Error {
    error!(InsecureRegistry: "{registry} is a link-local address, which no document may have asked")
        .help("Clouds keep the secrets of machines at such addresses.")
}

pub(super) fn unexpected() -> Error {
    error!(Internal: "a question was answered by something else")
}

/// Somebody could not be asked a moment ago.
#[derive(Debug, Clone)]
struct Failed {
    error: Error,
    at: Instant,
}

impl Failed {
    fn now(error: Error) -> Self {
        Self {
            error,
            at: Instant::now(),
        }
    }

    /// Whether that still says something.
    fn is_recent(&self, within: Duration) -> bool {
        self.at.elapsed() < within
    }
}
