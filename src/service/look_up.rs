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
    asking::{Asking, Patience, Unknown, judged},
    memory::{Exhausted, Known, Memory},
    questions::{Judged, refused, unexpected},
    state::State,
};
use crate::{
    error::Result,
    name::{Digest, PlainHosts, Reference, Registry, RegistryReference},
    session::is_link_local,
    trust::{Layer, Now, Place, Published},
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use vouch_protocol::{Lookup, UnknownReason};

/// The largest artifact that is fetched unasked, and the most bytes of those of one document.
const SMALL: u64 = 4 << 20;
const OF_A_DOCUMENT: u64 = 32 << 20;
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

/// One look at a document: what it may cost, and whom it may ask.
#[derive(Debug)]
pub(super) struct Look {
    asking: Arc<Asking>,
    how_far: Lookup,
    bytes: AtomicU64,
    /// Whether there is a login, so that files are looked at once.
    logins: Mutex<HashMap<Registry, bool>>,
}

impl Look {
    pub(super) fn new(state: &Arc<State>, connection: u64, how_far: Lookup) -> Arc<Self> {
        let patience = match how_far {
            Lookup::Full => Patience::BY_HAND,
            Lookup::Allowed | Lookup::Memory => Patience::UNASKED,
        };
        Self::within(Asking::new(state, connection, patience), how_far)
    }

    fn within(asking: Arc<Asking>, how_far: Lookup) -> Arc<Self> {
        Arc::new(Self {
            asking,
            how_far,
            bytes: AtomicU64::new(OF_A_DOCUMENT),
            logins: Mutex::default(),
        })
    }

    fn memory(&self) -> &Memory {
        &self.asking.settings.memory
    }

    /// What names mean under the owner's config.
    pub(super) fn plain_hosts(&self) -> &PlainHosts {
        self.asking.settings.sessions.plain_hosts()
    }

    /// What all of it is judged by: the pins are read once.
    pub(super) fn now(&self) -> Now {
        let now = self.asking.state.now();
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
        let policy = self.asking.settings.policy.as_ref();
        if self.asking.state.look_ups.allowed.lock().contains(registry)
            || policy.is_ok_and(|policy| policy.names_registry(registry))
        {
            return true;
        }
        let sessions = &self.asking.settings.sessions;
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
            Lookup::Full => then >= self.asking.since,
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
        let asked = self.in_time(self.ask_about(reference, &mut seen));
        if let Err(unknown) = asked.await {
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

    /// Waits no longer than a document may have us wait.
    async fn in_time(
        &self,
        asking: impl Future<Output = Result<(), Unknown>>,
    ) -> Result<(), Unknown> {
        let Asking {
            patience, since, ..
        } = &*self.asking;
        let Some(whole) = patience.whole else {
            return asking.await;
        };
        let asked = tokio::time::timeout_at((*since + whole).into(), asking).await;
        asked.unwrap_or_else(|_| {
            let what = format!("the document names more than could be looked up within {whole:?}");
            let help = "Ask for this reference alone, or look again.";
            Err(Unknown::new(UnknownReason::TooMuch, what, help))
        })
    }

    async fn in_memory(
        self: &Arc<Self>,
        reference: &RegistryReference,
        how_far: Lookup,
    ) -> Option<Seen> {
        let (look, reference) = (Arc::clone(self), reference.clone());
        let believed = move || look.believed(&reference, &look.asking.state.now(), how_far);
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
                && let Ok(heard) = self.asking.manifest(&tag).await
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
            let heard = self.asking.manifest(reference).await?;
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
        } else if !self.asking.patience.by_hand {
            self.spend(layer)?;
        }
        // Of all tags of one manifest, one asks.
        let question = RegistryReference {
            tag: None,
            ..pinned(reference, manifest)
        };
        let judged = self.asking.artifact(&question, reference, heard).await?;
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
        if self.memory().is_heavy(layer) {
            return too_much(
                "it has too many imports to be remembered, and was fetched a moment ago".into(),
            );
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

#[cfg(test)]
pub(super) mod tests;
