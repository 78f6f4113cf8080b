//! What a document's references name: from memory, or by asking as far as the document may have us
//! ask.
//!
//! A document is anybody's, and opening one must not have its words answered by requests to wherever
//! they lead. So registries are asked unasked only where the user has dealings with them: a login, a
//! rule of the trust policy that names them, or a permission until the service ends. The mirrors of a
//! registry are the owner's own words: they are asked where the registry may be. To link-local
//! addresses nothing is sent, whoever wants to know: those that are written out are refused here, and
//! the HTTP client leaves out those that names lead to.

use super::{
    memory::{Exhausted, Known, Memory, Noted},
    questions::{Heard, Judged, Question, What, refused, unexpected},
    state::{Settings, State},
    turns::Work,
};
use crate::{
    artifact,
    error::{Error, Result, error},
    name::{Digest, PlainHosts, Reference, Registry, RegistryReference},
    progress::Progress,
    registry::{self, Found},
    session::is_link_local,
    trust::{self, Layer, Now, Place, Published, Use, Verdict},
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::OwnedSemaphorePermit;
use vouch_protocol::{ErrorKind, Lookup, UnknownReason};

/// The largest artifact that is fetched unasked, and the most bytes of those of one document.
const SMALL: u64 = 4 << 20;
const OF_A_DOCUMENT: u64 = 32 << 20;
/// The most questions that one look at a document asks unasked.
const QUESTIONS: usize = 256;
/// How long an unasked question may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to believe what a tag named, and that there was nothing else beside an artifact, where
/// nobody asks.
const TAGS: Duration = Duration::from_secs(60);
const NOTHING_BESIDE: Duration = Duration::from_secs(300);

/// What is known of a reference.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) manifest: Option<Digest>,
    pub(super) layer: Option<Layer>,
    /// What the tag beside a digest names.
    pub(super) moved: Option<Digest>,
    pub(super) outcome: Outcome,
}

/// A verdict, or why there is none.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)] // most are the large one
pub(super) enum Outcome {
    Judged(Judged),
    Unknown(Unknown),
}

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

/// One look at a document: what it may cost, and whom it may ask.
#[derive(Debug)]
pub(super) struct Look {
    state: Arc<State>,
    settings: Arc<Settings>,
    connection: u64,
    how_far: Lookup,
    since: Instant,
    bytes: AtomicU64,
    questions: AtomicUsize,
    /// Whether there is a login, so that files are looked at once.
    logins: Mutex<HashMap<Registry, bool>>,
}

impl Look {
    pub(super) fn new(state: &Arc<State>, connection: u64, how_far: Lookup) -> Arc<Self> {
        Arc::new(Self {
            settings: state.settings(),
            state: Arc::clone(state),
            connection,
            how_far,
            since: Instant::now(),
            bytes: AtomicU64::new(OF_A_DOCUMENT),
            questions: AtomicUsize::new(QUESTIONS),
            logins: Mutex::default(),
        })
    }

    fn memory(&self) -> &Memory {
        &self.settings.memory
    }

    fn is_patient(&self) -> bool {
        self.how_far == Lookup::Full
    }

    /// What names mean under the owner's config.
    pub(super) fn plain_hosts(&self) -> &PlainHosts {
        self.settings.sessions.plain_hosts()
    }

    /// What all of it is judged by: the pins are read once.
    pub(super) fn now(&self) -> Now {
        let now = self.state.now();
        Now {
            pins: now.pins.once(),
            ..now
        }
    }

    /// Fails unless a reference may be asked about.
    pub(super) async fn may_ask(&self, reference: &RegistryReference) -> Result<(), Unknown> {
        let registry = &reference.registry;
        if is_link_local(registry) {
            return Err(refused(registry).into());
        }
        match self.how_far {
            Lookup::Full => Ok(()),
            Lookup::Allowed if self.is_allowed(reference).await => Ok(()),
            Lookup::Allowed => Err(Unknown::new(
                UnknownReason::NotAllowed,
                format!(
                    "{registry} was not asked: the user has no login there, and no rule names it"
                ),
                "Ask about this reference alone, or allow the registry.",
            )),
            Lookup::Memory => Err(Unknown::new(
                UnknownReason::NotRemembered,
                "it is not remembered, and nobody was to be asked",
                "`vouch verify` looks it up.",
            )),
        }
    }

    /// Whether the user has dealings with a registry.
    async fn is_allowed(&self, reference: &RegistryReference) -> bool {
        let registry = &reference.registry;
        let policy = self.settings.policy.as_ref();
        if self.state.look_ups.allowed.lock().contains(registry)
            || policy.is_ok_and(|policy| policy.names_registry(registry))
        {
            return true;
        }
        let sessions = &self.settings.sessions;
        let asked = self.logins.lock().get(registry).copied();
        if let Some(known) = asked {
            return known;
        }
        let known = sessions.has_login(registry, &reference.repository).await;
        self.logins.lock().insert(registry.clone(), known);
        known
    }

    /// What is remembered of a reference, where this look needs to know no more. Blocks.
    pub(super) fn remembered(&self, reference: &RegistryReference, now: &Now) -> Option<Seen> {
        // The digest decides, but its tag may have moved on.
        let moves = reference.digest.is_some() && reference.tag.is_some();
        let asks = self.how_far != Lookup::Memory;
        if moves && asks && self.tag(reference, self.how_far).is_none() {
            return None;
        }
        self.believed(reference, now, self.how_far)
    }

    /// What is remembered of a reference, where that is recent enough for a look that goes so far.
    /// Blocks.
    fn believed(&self, reference: &RegistryReference, now: &Now, how_far: Lookup) -> Option<Seen> {
        let manifest = self.resolved(reference, how_far)?;
        let known = self.known(reference, manifest, now)?;
        let suffices = known.as_ref().map_or(true, |known| match known.exhausted {
            None => true,
            Some(Exhausted::Then(then)) => self.is_fresh(then, NOTHING_BESIDE, how_far),
            Some(Exhausted::MayBeMore) => false,
        });
        if !suffices {
            return None;
        }
        let outcome = match known {
            Ok(known) => Outcome::Judged(judged(known.verdict, reference)),
            Err(error) => Outcome::Unknown(error.into()),
        };
        let tag = self.tag(reference, how_far);
        Some(Seen {
            manifest: Some(manifest),
            layer: self.memory().layer(reference, manifest),
            moved: tag.filter(|tag| *tag != manifest),
            outcome,
        })
    }

    fn is_fresh(&self, then: Instant, within: Duration, how_far: Lookup) -> bool {
        match how_far {
            Lookup::Memory => true,
            Lookup::Allowed => then.elapsed() < within,
            Lookup::Full => then >= self.since,
        }
    }

    /// What the tag beside a digest names.
    fn tag(&self, reference: &RegistryReference, how_far: Lookup) -> Option<Digest> {
        let tag = tag_alone(reference).filter(|_| reference.digest.is_some())?;
        let (manifest, then) = self.memory().named(&tag)?;
        self.is_fresh(then, TAGS, how_far).then_some(manifest)
    }

    /// The manifest that a reference names.
    fn resolved(&self, reference: &RegistryReference, how_far: Lookup) -> Option<Digest> {
        let Some(digest) = reference.digest else {
            let (manifest, then) = self.memory().named(reference)?;
            return self.is_fresh(then, TAGS, how_far).then_some(manifest);
        };
        if self.memory().layer(reference, digest).is_some() {
            return Some(digest);
        }
        // A digest names the same for ever, that of an index too.
        let index = RegistryReference {
            tag: None,
            ..reference.clone()
        };
        self.memory().named(&index).map(|(manifest, _)| manifest)
    }

    fn known(
        &self,
        reference: &RegistryReference,
        manifest: Digest,
        now: &Now,
    ) -> Option<Result<Known>> {
        let layer = self.memory().layer(reference, manifest)?;
        let from = Reference::Registry(reference.clone());
        let place = Place::Repository(reference.registry.clone(), reference.repository.clone());
        let published = Published {
            from,
            place,
            manifest,
            layer,
        };
        self.memory().judge(published, now)
    }

    /// What is to be known of a reference that is not remembered: asks, as far as this look may.
    pub(super) async fn look_up(self: &Arc<Self>, reference: &RegistryReference) -> Seen {
        let mut seen = Seen {
            manifest: self.resolved(reference, self.how_far).or(reference.digest),
            layer: None,
            moved: self.tag(reference, self.how_far),
            outcome: Outcome::Unknown(unexpected().into()),
        };
        if let Err(unknown) = self.ask_about(reference, &mut seen).await {
            // Where nobody may be asked, what was true a while ago is better than nothing.
            let old = match unknown.why {
                UnknownReason::NotAllowed => self.in_memory(reference, Lookup::Memory).await,
                _ => None,
            };
            return old.unwrap_or(Seen {
                outcome: Outcome::Unknown(unknown),
                ..seen
            });
        }
        seen
    }

    async fn in_memory(
        self: &Arc<Self>,
        reference: &RegistryReference,
        how_far: Lookup,
    ) -> Option<Seen> {
        let (look, reference) = (Arc::clone(self), reference.clone());
        let believed = move || look.believed(&reference, &look.state.now(), how_far);
        tokio::task::spawn_blocking(believed).await.ok().flatten()
    }

    async fn ask_about(
        self: &Arc<Self>,
        reference: &RegistryReference,
        seen: &mut Seen,
    ) -> Result<(), Unknown> {
        self.may_ask(reference).await?;
        if let Some(tag) = tag_alone(reference).filter(|_| reference.digest.is_some()) {
            // A tag beside a digest may be gone: the digest is what counts.
            if seen.moved.is_none()
                && let Ok(heard) = self.manifest(&tag).await
            {
                seen.moved = Some(heard.found()?.published.manifest);
            }
        }
        let known = self.resolved(reference, self.how_far);
        let known = known.and_then(|manifest| {
            let layer = self.memory().layer(reference, manifest)?;
            Some((manifest, layer))
        });
        let (manifest, layer, heard) = if let Some((manifest, layer)) = known {
            (manifest, layer, None)
        } else {
            let heard = self.manifest(reference).await?;
            let Published {
                manifest, layer, ..
            } = heard.found()?.published;
            (manifest, layer, Some(heard))
        };
        seen.manifest = Some(manifest);
        seen.layer = Some(layer);
        seen.moved = seen.moved.filter(|moved| *moved != manifest);
        if self.memory().facts(layer).is_some() {
            let pinned = pinned(reference, manifest);
            if let Some(known) = self.in_memory(&pinned, self.how_far).await {
                seen.outcome = known.outcome;
                return Ok(());
            }
        } else if !self.is_patient() {
            self.spend(layer)?;
        }
        // Of all tags of one manifest, one asks.
        let question = RegistryReference {
            tag: None,
            ..pinned(reference, manifest)
        };
        let judged = self.artifact(&question, reference, heard).await?;
        let own = pinned(reference, manifest);
        seen.outcome = match self.in_memory(&own, self.how_far).await {
            // It may have been judged under another's name.
            Some(known) => known.outcome,
            None => Outcome::Judged(judged),
        };
        Ok(())
    }

    /// Takes an artifact's bytes from what the document may still cost.
    fn spend(&self, layer: Layer) -> Result<(), Unknown> {
        let too_much = |what: String| {
            let help = "Ask for this reference alone.";
            Err(Unknown::new(UnknownReason::TooMuch, what, help))
        };
        if layer.size > SMALL {
            return too_much(format!(
                "it has {} bytes, and no more than {SMALL} are fetched unasked",
                layer.size
            ));
        }
        let take = |left: u64| left.checked_sub(layer.size);
        let order = Ordering::Relaxed;
        match self.bytes.fetch_update(order, order, take) {
            Ok(_) => Ok(()),
            Err(_) => too_much(format!(
                "the document names more than {OF_A_DOCUMENT} bytes, and no more are fetched unasked"
            )),
        }
    }

    async fn manifest(
        self: &Arc<Self>,
        reference: &RegistryReference,
    ) -> Result<Arc<Heard>, Unknown> {
        let asked = reference.clone();
        self.ask(reference, What::Manifest, move |look, _| async move {
            look.find(&asked).await.map(Heard::Manifest)
        })
        .await
    }

    async fn find(&self, reference: &RegistryReference) -> Result<Found> {
        let named = Reference::Registry(reference.clone());
        let (sessions, limits) = (&self.settings.sessions, &self.settings.config.limits);
        let found = registry::find(sessions, &named, limits).await?;
        let Published {
            manifest, layer, ..
        } = found.published;
        self.memory().resolved(reference, manifest, layer);
        Ok(found)
    }

    /// Fetches what a pinned reference names, as far as it is not remembered, and judges it as what
    /// was asked for.
    async fn artifact(
        self: &Arc<Self>,
        pinned: &RegistryReference,
        asked: &RegistryReference,
        heard: Option<Arc<Heard>>,
    ) -> Result<Judged, Unknown> {
        let (reference, asked) = (pinned.clone(), asked.clone());
        let heard = self.ask(pinned, What::Artifact, move |look, progress| async move {
            let heard = match heard {
                Some(heard) => heard,
                None => Arc::new(Heard::Manifest(look.find(&reference).await?)),
            };
            let place = reference.registry.as_str().into();
            let turns = &look.state.turns;
            let turn = turns
                .take(Work::Download, look.connection, Some(place))
                .await?;
            let fetch = move || {
                let _turn = turn;
                look.fetch(heard.found()?, &asked, &progress)
            };
            let judged = tokio::task::spawn_blocking(fetch).await??;
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
            let usage = Use::Verify(Some(found.published.clone()));
            trust::judge(examined, beside, usage, None, &self.state.now())
        };
        let (known, verdict) = if let Some(facts) = self.memory().facts(layer) {
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
            let memory = self.memory();
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
            patient: self.is_patient(),
        };
        // Who asks by hand wants it tried, once.
        let since = self.is_patient().then_some(self.since);
        let look_ups = &self.state.look_ups;
        if let Some(error) = look_ups.failure(&question, since) {
            return Err(error.into());
        }
        let order = Ordering::Relaxed;
        let left = |left: usize| left.checked_sub(1);
        if !self.is_patient() && self.questions.fetch_update(order, order, left).is_err() {
            let what = format!("the document asks more than {QUESTIONS} questions");
            let help = "Ask for this reference alone, or look again.";
            return Err(Unknown::new(UnknownReason::TooMuch, what, help));
        }
        let (look, asked) = (Arc::clone(self), question.clone());
        let answer = look_ups.ask(question, move || async move {
            let stop = Stop::default();
            let answer = look.in_turn(&asked, since, ask(Arc::clone(&look), stop.0.clone()));
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
        let heard = if question.patient || question.what == What::Artifact {
            ask.await
        } else {
            let in_time = tokio::time::timeout(PATIENCE, ask);
            in_time.await.unwrap_or_else(|_| {
                let registry = &question.reference.registry;
                Err(
                    error!(RegistryTimeout: "{registry} did not answer within {PATIENCE:?}")
                        .registry(registry.as_str()),
                )
            })
        };
        if let Err(error) = &heard {
            look_ups.fail(question, error);
        }
        heard
    }

    async fn turn(
        &self,
        question: &Question,
    ) -> Result<(OwnedSemaphorePermit, super::turns::Turn)> {
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

fn pinned(reference: &RegistryReference, manifest: Digest) -> RegistryReference {
    RegistryReference {
        digest: Some(manifest),
        ..reference.clone()
    }
}

/// The same reference without its digest, where it has a tag.
fn tag_alone(reference: &RegistryReference) -> Option<RegistryReference> {
    reference.tag.as_ref()?;
    Some(RegistryReference {
        digest: None,
        ..reference.clone()
    })
}

/// A verdict as clients see it.
fn judged(verdict: Verdict<()>, reference: &RegistryReference) -> Judged {
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

#[cfg(test)]
pub(super) mod tests;
