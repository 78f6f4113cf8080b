//! Where a published artifact can be had: the registry's mirrors, in the order that the owner's
//! config gives them, and the registry itself last. What a mirror sends is checked like everything
//! else; where it fails, however it does, the next one is asked.

use super::remote::Blobs;
use crate::{
    error::{Error, Result},
    reference::RegistryReference,
    session::{Action, Sessions},
};
use std::sync::Arc;
use tokio::sync::OnceCell;
use vouch_protocol::ErrorKind;

/// The places of one artifact that are left to ask.
#[derive(Debug, Clone)]
pub(super) struct Places {
    sessions: Sessions,
    left: Vec<Arc<Place>>,
}

/// A place, and its session as soon as it was needed.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) reference: RegistryReference,
    /// What is called by another name than the one that was asked for.
    pub(super) is_mirror: bool,
    blobs: OnceCell<Blobs>,
}

impl Places {
    /// All places of what a reference names.
    pub(super) fn of(sessions: &Sessions, reference: &RegistryReference) -> Self {
        let place = |reference, is_mirror| {
            Arc::new(Place {
                reference,
                is_mirror,
                blobs: OnceCell::new(),
            })
        };
        let mirrors = sessions.mirrors(&reference.registry).into_iter();
        let mirrors = mirrors.map(|mirror| RegistryReference {
            registry: mirror.registry().to_owned(),
            repository: mirror.repository(&reference.repository),
            ..reference.clone()
        });
        Self {
            sessions: sessions.clone(),
            left: mirrors
                .map(|mirror| place(mirror, true))
                .chain([place(reference.clone(), false)])
                .collect(),
        }
    }

    /// Asks one place after the other, and answers what the first one has that has it, with the
    /// places from there on. The registry itself has the last word.
    pub(super) async fn first<T, A: Future<Output = Result<T>>>(
        mut self,
        ask: impl Fn(Arc<Place>, Blobs) -> A,
    ) -> Result<(T, Self)> {
        loop {
            let Some(place) = self.left.first().cloned() else {
                return Err(Error::new(ErrorKind::Internal, "there is no place to ask"));
            };
            let asked = async {
                let blobs = place.blobs(&self.sessions).await?;
                ask(Arc::clone(&place), blobs.clone()).await
            };
            match asked.await {
                Err(error) if place.is_mirror => self.pass_over(&place, &error),
                answer => return Ok((answer?, self)),
            }
        }
    }

    fn pass_over(&mut self, place: &Place, error: &Error) {
        let mirror = &place.reference.registry;
        match error.kind() {
            // It has not all that there is; that is how mirrors are.
            ErrorKind::NotFound => tracing::info!(mirror, %error, "a mirror was passed over"),
            kind => {
                tracing::warn!(mirror, %error, "a mirror was passed over");
                if matches!(
                    kind,
                    ErrorKind::RegistryUnreachable | ErrorKind::RegistryTimeout
                ) {
                    self.sessions.rest(mirror);
                }
            }
        }
        self.left.remove(0);
    }

    /// The registry itself alone, if there was a mirror before it.
    pub(super) fn past_mirrors(&self) -> Option<Self> {
        let itself = self.left.last().filter(|_| self.left.len() > 1)?;
        Some(Self {
            sessions: self.sessions.clone(),
            left: vec![Arc::clone(itself)],
        })
    }
}

impl Place {
    async fn blobs(&self, sessions: &Sessions) -> Result<&Blobs> {
        let begin = || Blobs::new(sessions, &self.reference, Action::Pull);
        self.blobs.get_or_try_init(begin).await
    }
}
