//! What a registry and its mirrors have beside a manifest that may sign it: what refers to it, and
//! last what cosign 2 stored. Each is fetched by its digest and checked against it. All of that is
//! bounded, in number, bytes and time, whatever a registry says; what cannot be read is told, and
//! counts for nothing.
//!
//! They come in rounds, the likeliest first. Most artifacts have one bundle, and nobody asks for a
//! second round.

use super::{
    candidates::{
        LARGEST_MANIFEST, Listed, MOST, MOST_BYTES, Referrer, Signed, fallback_tag, signature_tag,
        signatures, told,
    },
    endpoints::{Endpoint, Endpoints},
    link::{Next, next},
    manifest::{ACCEPT, LARGEST},
    memory::{Charge, Memory, PATIENCE},
    remote::Remote,
};
use crate::{
    error::{Error, Result},
    name::Digest,
    session::{Failure, bounded, request},
    signature::Evidence,
    trust::Layer,
};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use reqwest::{Method, Request, header};
use std::{
    collections::HashSet,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::time::{Instant, timeout_at};
use vouch_protocol::ErrorKind;

/// So many are fetched before the others.
const FIRST: usize = 8;
/// So many at once.
const AT_ONCE: usize = 4;
/// Pages of a registry's list that are read.
const PAGES: usize = 8;

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
    /// Fetching what it says to have: these, then those.
    Fetch(Place, Vec<Digest>, Vec<Digest>),
    /// Looking for what cosign 2 stored there.
    Signatures(Place),
    End,
}

/// The registry or mirror that is asked, and what it may still cost.
#[derive(Debug)]
struct Place {
    endpoint: Arc<Endpoint>,
    remote: Remote,
    behind: Option<Endpoints>,
    until: Mutex<Instant>,
    memory: Arc<Memory>,
    /// The bytes that may still be kept.
    bytes: AtomicUsize,
}

/// Why something was not fetched.
#[derive(Debug)]
enum Missed {
    /// It is not there, or not what it should be.
    Wrong(String),
    /// It could not be asked for.
    Lost(Error),
}

impl From<String> for Missed {
    fn from(why: String) -> Self {
        Self::Wrong(why)
    }
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
                Step::Fetch(place, these, those) => {
                    let round = self.fetch(&place, these).await;
                    self.step = if those.is_empty() {
                        Step::Signatures(place)
                    } else {
                        Step::Fetch(place, those, Vec::new())
                    };
                    round
                }
                Step::Signatures(place) => {
                    let round = self.signatures(&place).await;
                    if let Some(others) = place.behind {
                        // What a mirror did not use, others may.
                        self.left += place.bytes.into_inner();
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
            let until = Instant::now() + remote.session.timeouts().beside;
            let place = Place {
                endpoint,
                remote,
                behind: None,
                until: Mutex::new(until),
                memory: Arc::clone(memory),
                bytes: AtomicUsize::new(0),
            };
            let listed = place.in_time(place.list(subject)).await?;
            Ok((place, listed))
        };
        let ((place, listed), endpoints) = endpoints.first(list).await?;
        let mut left = listed.digests();
        let told = told(&place.name(), left.len(), listed.all);
        left.retain(|digest| *digest != subject && !self.fetched.contains(digest));
        let those = left.split_off(FIRST.min(left.len()));
        let behind = endpoints.past_this();
        // A mirror leaves some for those behind it.
        let bytes = self.left / if behind.is_some() { 2 } else { 1 };
        self.left -= bytes;
        let bytes = AtomicUsize::new(bytes);
        let place = Place {
            behind,
            bytes,
            ..place
        };
        self.step = Step::Fetch(place, left, those);
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
        let place: Arc<str> = place.remote.url("").as_str().into();
        let read = fetched.into_iter().map(|(from, fetched)| match fetched {
            Ok(evidence) => evidence.at(&place),
            Err(Missed::Wrong(why)) => Evidence::unread(&from, &why),
            Err(Missed::Lost(error)) => {
                let unread = Evidence::unread(&from, error.message());
                self.lost.get_or_insert(error);
                unread
            }
        });
        read.collect()
    }
}

impl Place {
    /// The repository, as people write it.
    fn name(&self) -> String {
        let Remote { session, scope } = &self.remote;
        format!("{}/{}", session.registry(), scope.repository)
    }

    async fn in_time<T, E: From<Error>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut work = pin!(work);
        loop {
            let until = *self.until.lock();
            if let Ok(done) = timeout_at(until, work.as_mut()).await {
                return done;
            }
            // A wait for memory is not the registry's fault.
            if *self.until.lock() <= until {
                let what = "takes too long to say what lies beside the artifact";
                let session = &self.remote.session;
                return Err(session.fault(ErrorKind::RegistryTimeout, what).into());
            }
        }
    }

    /// Makes sure that so many bytes may be held. What that takes is not counted as the registry's
    /// time.
    async fn charge(&self, bytes: usize) -> Result<Charge> {
        if let Some(charge) = self.memory.free(bytes) {
            return Ok(charge);
        }
        let begun = Instant::now();
        *self.until.lock() += PATIENCE;
        let charge = self.memory.charge(bytes).await;
        let mut until = self.until.lock();
        *until = *until - PATIENCE + begun.elapsed().min(PATIENCE);
        charge
    }

    /// What refers to a manifest, as the registry lists it; where it has no such list or nothing in
    /// it, as the fallback tag does.
    async fn list(&self, subject: Digest) -> Result<Listed> {
        const ACTION: &str = "looking for signatures";
        let mut listed = Listed::keeping(MOST);
        let mut query: Option<String> = None;
        for _ in 0..PAGES {
            let get = || {
                let mut url = self.remote.url(&format!("referrers/{subject}"));
                url.set_query(query.as_deref());
                request(Method::GET, url, [(header::ACCEPT, ACCEPT)])
            };
            let (page, follows, _charge) = match self.get(ACTION, &get, LARGEST).await {
                Ok(page) => page,
                Err(error) if has_none(&error) => break,
                Err(error) => return Err(error),
            };
            // A web page, say.
            if listed.add(&page).is_err() {
                break;
            }
            match follows {
                Next::Query(next) => query = Some(next),
                Next::None | Next::Elsewhere => break,
            }
        }
        if listed.all > 0 {
            return Ok(listed);
        }
        let path = format!("manifests/{}", fallback_tag(subject));
        let get = || {
            request(
                Method::GET,
                self.remote.url(&path),
                [(header::ACCEPT, ACCEPT)],
            )
        };
        match self.get(ACTION, &get, LARGEST).await {
            // GitLab answers the artifact's own manifest, which lists nothing.
            Ok((index, _, _charge)) => drop(listed.add(&index)),
            Err(error) if has_none(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(listed)
    }

    async fn candidate(
        &self,
        from: &str,
        digest: Digest,
        subject: Digest,
    ) -> Result<Evidence, Missed> {
        let (manifest, charge) = self.manifest(&digest.to_string()).await?;
        self.spend(manifest.len() as u64)?;
        check(&manifest, digest)?;
        let bundle = Referrer::read(&manifest)?.of(subject)?;
        drop((manifest, charge));
        let (bytes, charge) = self.blob(bundle.layer).await?;
        Ok(bundle.evidence(from, bytes).holding(Arc::new(charge)))
    }

    /// What cosign 2 stored; nothing where there is no such tag.
    async fn signatures(&self, tag: &str) -> Result<Option<Stored>, Missed> {
        let (manifest, charge) = match self.manifest(tag).await {
            Err(error) if has_none(&error) => return Ok(None),
            manifest => manifest?,
        };
        self.spend(manifest.len() as u64)?;
        let (signed, all) = signatures(&manifest)?;
        Ok(Some((signed, all, charge)))
    }

    async fn payload(
        &self,
        from: &str,
        signed: Result<Signed, String>,
    ) -> Result<Evidence, Missed> {
        let signed = signed?;
        let (payload, charge) = self.blob(signed.payload).await?;
        Ok(signed.evidence(from, payload).holding(Arc::new(charge)))
    }

    async fn manifest(&self, name: &str) -> Result<(Vec<u8>, Charge)> {
        let path = format!("manifests/{name}");
        let get = || {
            request(
                Method::GET,
                self.remote.url(&path),
                [(header::ACCEPT, ACCEPT)],
            )
        };
        let got = self.get("reading a signature's manifest", &get, LARGEST_MANIFEST);
        let (manifest, _, charge) = got.await?;
        Ok((manifest, charge))
    }

    async fn blob(&self, layer: Layer) -> Result<(Vec<u8>, Charge), Missed> {
        self.spend(layer.size)?;
        let get = || self.remote.get_blob(layer.digest, None);
        let most = usize::try_from(layer.size).unwrap_or_default();
        let (bytes, _, charge) = self.get("reading a signature", &get, most).await?;
        check(&bytes, layer.digest)?;
        Ok((bytes, charge))
    }

    /// Counts bytes that are held in memory until the artifact is judged.
    fn spend(&self, bytes: u64) -> Result<(), Missed> {
        let spent = |left: usize| left.checked_sub(usize::try_from(bytes).ok()?);
        let order = Ordering::Relaxed;
        let spent = self.bytes.fetch_update(order, order, spent);
        spent.map(drop).map_err(|_| {
            let why = format!("no more than {MOST_BYTES} bytes are fetched beside an artifact");
            Missed::Wrong(why)
        })
    }

    async fn get(
        &self,
        action: &str,
        get: &impl Fn() -> Request,
        most: usize,
    ) -> Result<(Vec<u8>, Next, Charge)> {
        let mut retries = self.endpoint.retries(&self.remote);
        let fetch = || async {
            let response = self.remote.attempt(action, get).await?;
            let follows = next(response.url(), response.headers());
            let session = &self.remote.session;
            let over = ErrorKind::TooLarge;
            // Of what does not say how large it is, the most.
            let size = response.content_length().map(usize::try_from);
            let size = size.and_then(Result::ok).unwrap_or(most).min(most);
            let charge = self.charge(size).await?;
            // No more comes than it says.
            let body = bounded(session, action, response, most, over).await?;
            Ok::<_, Failure>((body, follows, charge))
        };
        retries.again(fetch).await
    }
}

/// What cosign 2 stored, how much of that there is, and what that takes.
type Stored = (Vec<Result<Signed, String>>, usize, Charge);

/// The outcomes of some requests, in their order.
async fn outcomes<T>(requests: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    stream::iter(requests).buffered(AT_ONCE).collect().await
}

impl From<Error> for Missed {
    fn from(error: Error) -> Self {
        if has_none(&error) || error.kind() == ErrorKind::TooLarge {
            Self::Wrong(error.message().to_owned())
        } else {
            Self::Lost(error)
        }
    }
}

/// Whether a registry says that it has no such thing, or knows of no such things: any refusal that
/// another attempt or login would not change.
fn has_none(error: &Error) -> bool {
    let status = error.data().status;
    status.is_some_and(|status| match status {
        401 | 408 | 429 => false,
        status => (400..500).contains(&status) || status == 501,
    })
}

fn check(bytes: &[u8], named: Digest) -> Result<(), String> {
    let digest = Digest::of(bytes);
    if digest == named {
        return Ok(());
    }
    Err(format!(
        "other bytes came than {named}: they hash to {digest}"
    ))
}
