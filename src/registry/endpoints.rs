//! Where a published artifact can be fetched: the registry's mirrors, in the order of the owner's
//! config, and the registry itself last. What a mirror sends is checked like everything else. If
//! it fails in any way, the next endpoint is asked.

use super::remote::Remote;
use crate::{
    error::{Error, Result},
    name::RegistryReference,
    session::{Action, Retries, Sessions},
};
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::OnceCell;
use vouch_protocol::ErrorKind;

/// The endpoints of one artifact that are left to ask.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    sessions: Sessions,
    mirrors: VecDeque<Arc<Endpoint>>,
    registry: Arc<Endpoint>,
}

/// A mirror, or the registry itself. Its session is looked up when it is first asked.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// What the artifact is called there.
    pub(super) reference: RegistryReference,
    pub(super) is_mirror: bool,
    remote: OnceCell<Remote>,
}

impl Endpoints {
    /// All endpoints of what a reference names.
    pub(super) fn of(sessions: &Sessions, reference: &RegistryReference) -> Self {
        let endpoint = |reference, is_mirror| {
            Arc::new(Endpoint {
                reference,
                is_mirror,
                remote: OnceCell::new(),
            })
        };
        let mirrors = sessions.mirrors(&reference.registry, &reference.repository);
        let mirrors = mirrors
            .into_iter()
            .map(|(registry, repository)| RegistryReference {
                registry,
                repository,
                ..reference.clone()
            });
        Self {
            sessions: sessions.clone(),
            mirrors: mirrors.map(|mirror| endpoint(mirror, true)).collect(),
            registry: endpoint(reference.clone(), false),
        }
    }

    /// Asks one endpoint after the other. Answers what the first one gave that did not fail, with
    /// the endpoints from there on. If all mirrors fail, the registry's own answer counts.
    pub(super) async fn first<T, A: Future<Output = Result<T>>>(
        mut self,
        ask: impl Fn(Arc<Endpoint>, Remote) -> A,
    ) -> Result<(T, Self)> {
        loop {
            let endpoint = self.mirrors.front().unwrap_or(&self.registry);
            let asked = async {
                let remote = endpoint.remote(&self.sessions).await?;
                ask(Arc::clone(endpoint), remote.clone()).await
            };
            match asked.await {
                Err(error) if !self.mirrors.is_empty() => self.skip_mirror(&error),
                answer => return Ok((answer?, self)),
            }
        }
    }

    fn skip_mirror(&mut self, error: &Error) {
        let Some(mirror) = self.mirrors.pop_front() else {
            return;
        };
        let mirror = &mirror.reference.registry;
        match error.kind() {
            // A mirror need not have everything.
            ErrorKind::NotFound => tracing::info!(%mirror, %error, "the mirror was skipped"),
            kind => {
                tracing::warn!(%mirror, %error, "the mirror was skipped");
                if matches!(
                    kind,
                    ErrorKind::RegistryUnreachable | ErrorKind::RegistryTimeout
                ) {
                    self.sessions.rest(mirror);
                }
            }
        }
    }

    /// Those behind the first, if there are any.
    pub(super) fn past_this(&self) -> Option<Self> {
        let mut others = self.clone();
        others.mirrors.pop_front().map(|_| others)
    }

    /// The registry itself alone, if there was a mirror before it.
    pub(super) fn past_mirrors(&self) -> Option<Self> {
        let only = || Self {
            mirrors: VecDeque::new(),
            ..self.clone()
        };
        (!self.mirrors.is_empty()).then(only)
    }
}

impl Endpoint {
    /// How often it is tried.
    pub(super) fn retries(&self, remote: &Remote) -> Retries {
        retries(remote, self.is_mirror)
    }

    async fn remote(&self, sessions: &Sessions) -> Result<&Remote> {
        let begin = || Remote::new(sessions, &self.reference, Action::Pull);
        self.remote.get_or_try_init(begin).await
    }
}

/// How often something is tried: in place of a mirror, another endpoint can be asked.
pub(super) fn retries(remote: &Remote, is_mirror: bool) -> Retries {
    let timeouts = remote.session.timeouts();
    if is_mirror {
        Retries::none(timeouts)
    } else {
        Retries::new(timeouts)
    }
}
