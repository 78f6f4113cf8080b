//! How questions are put to registries: each when it is its turn there, and each with a limit in time.
//! What failed a moment ago is not asked again.

use super::{
    memory::Noted,
    questions::{Heard, Judged, Question, What, unexpected},
    state::{Settings, State},
    turns::{Turn, Work},
};
use crate::{
    artifact,
    error::{Error, Result, error},
    name::{Reference, Registry, RegistryReference},
    progress::Progress,
    registry::{self, Found},
    trust::{self, Layer, Published, Use, Verdict},
};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::OwnedSemaphorePermit;
use vouch_protocol::{ErrorKind, UnknownReason};

/// The most questions that one look at a document asks unasked.
pub(super) const QUESTIONS: usize = 256;
/// The bytes of an artifact for which a second more is waited.
const PACE: u64 = 64 << 10;

/// Why there is no verdict.
#[derive(Debug, Clone)]
pub(super) struct Unknown {
    pub(super) why: UnknownReason,
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) kind: Option<ErrorKind>,
}

impl From<Error> for Unknown {
    fn from(error: Error) -> Self {
        Self {
            why: UnknownReason::Failed,
            message: error.message().to_owned(),
            help: error.data().help,
            kind: Some(error.kind()),
        }
    }
}

impl Unknown {
    pub(super) fn new(why: UnknownReason, message: impl Into<String>, help: &str) -> Self {
        Self {
            why,
            message: message.into(),
            help: Some(help.to_owned()),
            kind: None,
        }
    }
}

/// How long registries are waited for, and whether a person waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) by_hand: bool,
    /// For what a reference names.
    pub(super) manifest: Duration,
    /// For an artifact and what lies beside it; longer for each [`PACE`] bytes.
    pub(super) artifact: Duration,
    /// For all that a document names.
    pub(super) whole: Option<Duration>,
}

impl Patience {
    /// Where nobody asked.
    pub(super) const UNASKED: Self = Self {
        by_hand: false,
        manifest: Duration::from_secs(10),
        artifact: Duration::from_secs(30),
        whole: Some(Duration::from_secs(120)),
    };

    /// Where a person did, who can give up themselves.
    pub(super) const BY_HAND: Self = Self {
        by_hand: true,
        manifest: Duration::from_secs(60),
        artifact: Duration::from_secs(300),
        whole: None,
    };

    /// For an artifact that is so large.
    fn artifact(self, layer: Layer) -> Duration {
        self.artifact + Duration::from_secs(layer.size / PACE)
    }
}

/// Who asks for a document, and what that may still cost.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) state: Arc<State>,
    pub(super) settings: Arc<Settings>,
    pub(super) patience: Patience,
    pub(super) since: Instant,
    connection: u64,
    questions: AtomicUsize,
}

impl Asking {
    pub(super) fn new(state: &Arc<State>, connection: u64, patience: Patience) -> Arc<Self> {
        Arc::new(Self {
            settings: state.settings(),
            state: Arc::clone(state),
            patience,
            since: Instant::now(),
            connection,
            questions: AtomicUsize::new(QUESTIONS),
        })
    }

    /// Asks what a reference names.
    pub(super) async fn manifest(
        self: &Arc<Self>,
        reference: &RegistryReference,
    ) -> Result<Arc<Heard>, Unknown> {
        let asked = reference.clone();
        self.ask(reference, What::Manifest, move |asking, _| async move {
            asking.find(&asked).await.map(Heard::Manifest)
        })
        .await
    }

    async fn find(&self, reference: &RegistryReference) -> Result<Found> {
        let named = Reference::Registry(reference.clone());
        let (sessions, limits) = (&self.settings.sessions, &self.settings.config.limits);
        let finding = registry::find(sessions, &named, limits);
        let found = in_time(&reference.registry, self.patience.manifest, finding).await?;
        let Published {
            manifest, layer, ..
        } = found.published;
        self.settings.memory.resolved(reference, manifest, layer);
        Ok(found)
    }

    /// Fetches what a pinned reference names, as far as it is not remembered, and judges it as what
    /// was asked for.
    pub(super) async fn artifact(
        self: &Arc<Self>,
        pinned: &RegistryReference,
        asked: &RegistryReference,
        heard: Option<Arc<Heard>>,
    ) -> Result<Judged, Unknown> {
        let (reference, asked) = (pinned.clone(), asked.clone());
        let heard = self.ask(pinned, What::Artifact, move |asking, progress| async move {
            let heard = match heard {
                Some(heard) => heard,
                None => Arc::new(Heard::Manifest(asking.find(&reference).await?)),
            };
            let place = reference.registry.as_str().into();
            let turns = &asking.state.turns;
            let turn = turns
                .take(Work::Download, asking.connection, Some(place))
                .await?;
            let patience = asking.patience.artifact(heard.found()?.published.layer);
            let fetch = move || {
                let _turn = turn;
                asking.fetch(heard.found()?, &asked, &progress)
            };
            // The thread ends with the question, as its progress does.
            let fetching = async { tokio::task::spawn_blocking(fetch).await? };
            let judged = in_time(&reference.registry, patience, fetching).await?;
            Ok(Heard::Artifact(judged))
        });
        match &*heard.await? {
            Heard::Artifact(judged) => Ok(judged.clone()),
            Heard::Manifest(_) => Err(unexpected().into()),
        }
    }

    fn fetch(
        &self,
        found: &Found,
        asked: &RegistryReference,
        progress: &Progress,
    ) -> Result<Judged> {
        let Published {
            manifest, layer, ..
        } = found.published;
        let mut beside = Noted::new(found.beside(progress));
        let judge = |examined, beside: &mut Noted| {
            // Named as it is in what is judged from memory: the same is said each time.
            let published = Published {
                from: Reference::Registry(RegistryReference {
                    digest: Some(manifest),
                    ..asked.clone()
                }),
                ..found.published.clone()
            };
            let usage = Use::Verify(Some(published));
            trust::judge(examined, beside, usage, None, &self.state.now())
        };
        let (known, verdict) = if let Some(facts) = self.settings.memory.facts(layer) {
            (facts.share(), judge(facts, &mut beside)?)
        } else {
            let name = found.published.from.to_string();
            let limits = &self.settings.config.limits;
            found.receive(progress, |download| {
                let examined = artifact::inspect(download, layer.size, limits)
                    .map_err(|error| Error::from_io(error, Path::new(&name), "download"))?;
                beside = Noted::new(found.beside(progress));
                Ok((examined.share(), judge(examined, &mut beside)?))
            })?
        };
        if let Reference::Registry(reference) = &found.published.from {
            let memory = &self.settings.memory;
            memory.found(reference, manifest, layer, known, Some(beside.found()));
        }
        Ok(judged(verdict, asked))
    }

    /// Asks a question, unless somebody else is asking it, or it failed a moment ago.
    async fn ask<W>(
        self: &Arc<Self>,
        reference: &RegistryReference,
        what: What,
        ask: impl FnOnce(Arc<Self>, Progress) -> W + Send + 'static,
    ) -> Result<Arc<Heard>, Unknown>
    where
        W: Future<Output = Result<Heard>> + Send + 'static,
    {
        let question = Question {
            reference: reference.clone(),
            what,
            patient: self.patience.by_hand,
        };
        // Who asks by hand wants it tried, once.
        let since = self.patience.by_hand.then_some(self.since);
        let look_ups = &self.state.look_ups;
        if let Some(error) = look_ups.failure(&question, since) {
            return Err(error.into());
        }
        let order = Ordering::Relaxed;
        let left = |left: usize| left.checked_sub(1);
        if !self.patience.by_hand && self.questions.fetch_update(order, order, left).is_err() {
            let what = format!("the document asks more than {QUESTIONS} questions");
            let help = "Ask for this reference alone, or look again.";
            return Err(Unknown::new(UnknownReason::TooMuch, what, help));
        }
        let (asking, asked) = (Arc::clone(self), question.clone());
        let answer = look_ups.ask(question, move || async move {
            let stop = Stop::default();
            let answer = asking.in_turn(&asked, since, ask(Arc::clone(&asking), stop.0.clone()));
            answer.await.map(Arc::new)
        });
        answer.await.map_err(Unknown::from)
    }

    /// Asks when it is its turn at the registry. Others may have failed meanwhile.
    async fn in_turn(
        &self,
        question: &Question,
        since: Option<Instant>,
        ask: impl Future<Output = Result<Heard>>,
    ) -> Result<Heard> {
        let look_ups = &self.state.look_ups;
        let _turn = self.turn(question).await?;
        if let Some(error) = look_ups.failure(question, since) {
            return Err(error);
        }
        let heard = ask.await;
        if let Err(error) = &heard {
            look_ups.fail(question, error);
        }
        heard
    }

    async fn turn(&self, question: &Question) -> Result<(OwnedSemaphorePermit, Turn)> {
        let registry = &question.reference.registry;
        let semaphore = self.state.look_ups.semaphore(registry);
        let permit = semaphore.acquire_owned().await;
        let permit = permit.map_err(|_| Error::cancelled())?;
        let turns = &self.state.turns;
        let place = Some(registry.as_str().into());
        let turn = turns.take(Work::Lookup, self.connection, place).await?;
        Ok((permit, turn))
    }
}

/// Ends what reads for a question when nobody waits for its answer any more.
#[derive(Debug, Default)]
struct Stop(Progress);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Waits for what a registry does, for so long.
async fn in_time<T>(
    registry: &Registry,
    patience: Duration,
    doing: impl Future<Output = Result<T>>,
) -> Result<T> {
    let done = tokio::time::timeout(patience, doing).await;
    done.unwrap_or_else(|_| {
        let error = error!(RegistryTimeout: "{registry} was not done within {patience:?}");
        Err(error.registry(registry.as_str()))
    })
}

/// A verdict as clients see it.
pub(super) fn judged(verdict: Verdict<()>, reference: &RegistryReference) -> Judged {
    let name = Reference::Registry(reference.clone()).to_string();
    match verdict {
        Ok(vouched) => Judged {
            verification: vouched.verification(),
            command: None,
        },
        Err(refused) => Judged {
            command: refused.refusal.command(&name),
            verification: refused.verification(&name),
        },
    }
}
