//! What a registry and its mirrors have beside a manifest that may sign it: what refers to it, and
//! last what cosign 2 stored. Each is fetched by its digest and checked against it. All of that is
//! bounded, in number, bytes and time, whatever a registry says; what cannot be read is told, and
//! counts for nothing.
//!
//! They come in rounds, the likeliest first. Most artifacts have one bundle, and nobody asks for a
//! second round.

use super::{
    beside::{Missed, Place},
    candidates::{MOST_BYTES, Signed, signature_tag, told},
    endpoints::{Endpoint, Endpoints},
    memory::Memory,
    remote::Remote,
};
use crate::{
    error::{Error, Result},
    name::Digest,
    signature::Evidence,
};
use futures_util::{StreamExt, stream};
use std::{collections::HashSet, sync::Arc};

/// So many are fetched before the others.
const FIRST: usize = 8;
/// So many at once.
const AT_ONCE: usize = 4;

/// A search for them.
#[derive(Debug)]
pub(super) struct Referrers {
    subject: Digest,
    step: Step,
    /// What was fetched from a mirror is not fetched again.
    fetched: HashSet<Digest>,
    /// Why something could not be asked for that may count.
    lost: Option<Error>,
    /// What all of it takes in memory.
    memory: Arc<Memory>,
    /// The bytes that may still be kept.
    left: usize,
}

/// What comes next.
#[derive(Debug)]
enum Step {
    /// Asking the first of these what it has.
    List(Endpoints),
    /// Fetching what one says to have: these, then those; and the others after that.
    Fetch(Place, Vec<Digest>, Vec<Digest>, Option<Endpoints>),
    /// Looking for what cosign 2 stored there.
    Signatures(Place, Option<Endpoints>),
    End,
}

impl Referrers {
    /// Nothing is asked yet. The endpoints are those that may have the manifest.
    pub(super) fn of(subject: Digest, endpoints: Endpoints, memory: Arc<Memory>) -> Self {
        Self {
            subject,
            step: Step::List(endpoints),
            fetched: HashSet::new(),
            lost: None,
            memory,
            left: MOST_BYTES,
        }
    }

    /// The next that were found; nothing at the end. Fails where it is not known whether there are
    /// any. A mirror that has none is not the last word.
    pub(super) async fn round(&mut self) -> Result<Option<Vec<Evidence>>> {
        loop {
            let round = match std::mem::replace(&mut self.step, Step::End) {
                Step::List(endpoints) => self.list(endpoints).await?,
                Step::Fetch(place, these, those, others) => {
                    let round = self.fetch(&place, these).await;
                    self.step = if those.is_empty() {
                        Step::Signatures(place, others)
                    } else {
                        Step::Fetch(place, those, Vec::new(), others)
                    };
                    round
                }
                Step::Signatures(place, others) => {
                    let round = self.signatures(&place).await;
                    if let Some(others) = others {
                        // What a mirror did not use, others may.
                        self.left += place.left();
                        self.step = Step::List(others);
                    }
                    round
                }
                Step::End => return self.lost.take().map_or(Ok(None), Err),
            };
            if !round.is_empty() {
                return Ok(Some(round));
            }
        }
    }

    async fn list(&mut self, endpoints: Endpoints) -> Result<Vec<Evidence>> {
        // What a mirror could not say, others can.
        self.lost = None;
        let subject = self.subject;
        let memory = &self.memory;
        let list = |endpoint: Arc<Endpoint>, remote: Remote| async move {
            let place = Place::new(remote, endpoint.is_mirror, memory);
            let listed = place.in_time(place.list(subject)).await?;
            Ok((place, listed))
        };
        let ((place, listed), endpoints) = endpoints.first(list).await?;
        let mut left = listed.digests();
        let told = told(&place.name(), left.len(), listed.all);
        left.retain(|digest| *digest != subject && !self.fetched.contains(digest));
        let those = left.split_off(FIRST.min(left.len()));
        let others = endpoints.past_this();
        // A mirror leaves some for those behind it.
        let bytes = self.left / if others.is_some() { 2 } else { 1 };
        self.left -= bytes;
        self.step = Step::Fetch(place.keeping(bytes), left, those, others);
        Ok(told.into_iter().collect())
    }

    async fn fetch(&mut self, place: &Place, these: Vec<Digest>) -> Vec<Evidence> {
        let subject = self.subject;
        let fetch = |digest: &Digest| {
            let digest = *digest;
            async move {
                let from = format!("{}@{digest}", place.name());
                let candidate = place.candidate(&from, digest, subject);
                let fetched = place.in_time(candidate).await;
                (from, fetched)
            }
        };
        let fetched = outcomes(these.iter().map(fetch)).await;
        for (digest, (_, fetched)) in these.iter().zip(&fetched) {
            if fetched.is_ok() {
                self.fetched.insert(*digest);
            }
        }
        self.read(place, fetched)
    }

    async fn signatures(&mut self, place: &Place) -> Vec<Evidence> {
        let tag = signature_tag(self.subject);
        let from = format!("{}:{tag}", place.name());
        let (signed, all, charge) = match place.in_time(place.signatures(&tag)).await {
            Ok(Some(signed)) => signed,
            Ok(None) => return Vec::new(),
            Err(missed) => return self.read(place, vec![(from, Err(missed))]),
        };
        // What is annotated is kept.
        let charge = &Arc::new(charge);
        let told = told(&from, signed.len(), all);
        let fetch = |(at, signed): (usize, Result<Signed, String>)| {
            let from = format!("{from} (layer {})", at + 1);
            async move {
                let fetched = place.in_time(place.payload(&from, signed)).await;
                let fetched = fetched.map(|evidence| evidence.holding(Arc::clone(charge) as _));
                (from, fetched)
            }
        };
        let fetched = outcomes(signed.into_iter().enumerate().map(fetch)).await;
        let mut round = self.read(place, fetched);
        round.extend(told);
        round
    }

    fn read(
        &mut self,
        place: &Place,
        fetched: Vec<(String, Result<Evidence, Missed>)>,
    ) -> Vec<Evidence> {
        // A mirror has another address, and the same names.
        let place = place.address();
        let read = fetched.into_iter().map(|(from, fetched)| match fetched {
            Ok(evidence) => evidence.at(&place),
            Err(Missed::Wrong(why)) => Evidence::unread(&from, &why),
            Err(Missed::Left(why)) => Evidence::left(&from, 1, &why).at(&place),
            Err(Missed::Lost(error)) => {
                let unread = Evidence::unread(&from, error.message());
                self.lost.get_or_insert(error);
                unread
            }
        });
        read.collect()
    }
}

/// The outcomes of some requests, in their order.
async fn outcomes<T>(requests: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    stream::iter(requests).buffered(AT_ONCE).collect().await
}
