//! What one registry or mirror has beside a manifest: what it lists, and each thing of that.

use super::{
    candidates::{
        LARGEST_MANIFEST, Listed, MOST, MOST_BYTES, Referrer, Signed, fallback_tag, signatures,
    },
    endpoints::retries,
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
use parking_lot::Mutex;
use reqwest::{Method, Request, header};
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::time::{Instant, timeout_at};
use vouch_protocol::ErrorKind;

/// Pages of a registry's list that are read.
const PAGES: usize = 8;
/// What is under way then.
const LISTING: &str = "looking for signatures";

/// The registry or mirror that is asked, and what it may still cost.
#[derive(Debug)]
pub(super) struct Place {
    remote: Remote,
    is_mirror: bool,
    until: Mutex<Instant>,
    memory: Arc<Memory>,
    /// The bytes that may still be kept.
    bytes: AtomicUsize,
}

/// Why something was not fetched.
#[derive(Debug)]
pub(super) enum Missed {
    /// It is not there, or not what it should be.
    Wrong(String),
    /// It could not be asked for.
    Lost(Error),
    /// It was not asked for: what may be fetched here is used up.
    Left(String),
}

impl From<String> for Missed {
    fn from(why: String) -> Self {
        Self::Wrong(why)
    }
}

impl Place {
    /// From now on it has its time. Nothing may be kept yet.
    pub(super) fn new(remote: Remote, is_mirror: bool, memory: &Arc<Memory>) -> Self {
        let until = Instant::now() + remote.session.timeouts().beside;
        Self {
            remote,
            is_mirror,
            until: Mutex::new(until),
            memory: Arc::clone(memory),
            bytes: AtomicUsize::new(0),
        }
    }

    /// The same, and so many bytes may be kept.
    pub(super) fn keeping(self, bytes: usize) -> Self {
        Self {
            bytes: AtomicUsize::new(bytes),
            ..self
        }
    }

    /// The bytes that might still have been kept.
    pub(super) fn left(self) -> usize {
        self.bytes.into_inner()
    }

    /// The repository's address.
    pub(super) fn address(&self) -> Arc<str> {
        self.remote.url("").as_str().into()
    }

    /// The repository, as people write it.
    pub(super) fn name(&self) -> String {
        let Remote { session, scope } = &self.remote;
        format!("{}/{}", session.registry(), scope.repository)
    }

    pub(super) async fn in_time<T, E: From<Error>>(
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
    pub(super) async fn list(&self, subject: Digest) -> Result<Listed> {
        let mut listed = Listed::keeping(MOST);
        self.own_list(subject, &mut listed).await?;
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
        match self.get(LISTING, &get, LARGEST).await {
            // GitLab answers the artifact's own manifest, which lists nothing.
            Ok((index, _, _charge)) => drop(listed.add(&index)),
            Err(error) if has_none(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(listed)
    }

    /// The same, as the registry itself lists it; nothing where it has no such list.
    pub(super) async fn own_list(&self, subject: Digest, listed: &mut Listed) -> Result<()> {
        let mut query: Option<String> = None;
        for _ in 0..PAGES {
            let get = || {
                let mut url = self.remote.url(&format!("referrers/{subject}"));
                url.set_query(query.as_deref());
                request(Method::GET, url, [(header::ACCEPT, ACCEPT)])
            };
            let (page, follows, _charge) = match self.get(LISTING, &get, LARGEST).await {
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
        Ok(())
    }

    pub(super) async fn candidate(
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
    pub(super) async fn signatures(&self, tag: &str) -> Result<Option<Stored>, Missed> {
        let (manifest, charge) = match self.manifest(tag).await {
            Err(error) if has_none(&error) => return Ok(None),
            manifest => manifest?,
        };
        self.spend(manifest.len() as u64)?;
        let (signed, all) = signatures(&manifest)?;
        Ok(Some((signed, all, charge)))
    }

    pub(super) async fn payload(
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
            Missed::Left(why)
        })
    }

    async fn get(
        &self,
        action: &str,
        get: &impl Fn() -> Request,
        most: usize,
    ) -> Result<(Vec<u8>, Next, Charge)> {
        let mut retries = retries(&self.remote, self.is_mirror);
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
pub(super) type Stored = (Vec<Result<Signed, String>>, usize, Charge);

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
