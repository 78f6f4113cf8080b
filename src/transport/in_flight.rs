//! The requests of one client that are under way, by their ids.

use crate::{
    error::{Error, Result},
    progress::Progress,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;
use vouch_protocol::{ErrorKind, ProgressToken, RequestId};

/// The most requests that one connection has under way at once.
pub(super) const MOST: usize = 64;

/// See the module.
#[derive(Default)]
pub(super) struct InFlight {
    requests: Mutex<HashMap<RequestId, UnderWay>>,
    /// Wakes those who wait for the last answer.
    answered: Notify,
}

struct UnderWay {
    progress: Progress,
    /// The token by which its client is told of it.
    token: Option<ProgressToken>,
}

/// A request's place among those under way: its id is free again when this is dropped.
pub(super) struct Taken {
    requests: Arc<InFlight>,
    id: RequestId,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut requests = self.requests.lock();
        requests.remove(&self.id);
        if requests.is_empty() {
            self.requests.answered.notify_waiters();
        }
    }
}

impl InFlight {
    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, UnderWay>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a request. Fails where its id or its progress token is in use, or where there are
    /// too many.
    pub(super) fn enter(
        self: &Arc<Self>,
        id: RequestId,
        progress: &Progress,
        token: Option<&ProgressToken>,
    ) -> Result<Taken> {
        let mut requests = self.lock();
        let taken = |what: &str, help: &str| {
            let message = format!("a request with this {what} is under way");
            Err(Error::new(ErrorKind::InvalidRequest, message).help(help))
        };
        if requests.contains_key(&id) {
            return taken("id", "Use another id for each request.");
        }
        if token.is_some() && requests.values().any(|other| other.token.as_ref() == token) {
            return taken("`workDoneToken`", "Use another token for each request.");
        }
        if requests.len() >= MOST {
            let message = format!("this connection has {MOST} requests under way");
            let error = Error::new(ErrorKind::Busy, message);
            return Err(error.help("Wait for an answer, then try again."));
        }
        let request = UnderWay {
            progress: progress.clone(),
            token: token.cloned(),
        };
        requests.insert(id.clone(), request);
        Ok(Taken {
            requests: Arc::clone(self),
            id,
        })
    }

    /// Cancels a request, if it is under way and has not committed.
    pub(super) fn cancel(&self, id: &RequestId) {
        if let Some(request) = self.lock().get(id) {
            request.progress.stop();
        }
    }

    /// Cancels all that is under way and has not committed.
    pub(super) fn cancel_all(&self) {
        for request in self.lock().values() {
            request.progress.stop();
        }
    }

    /// Waits until nothing is under way.
    pub(super) async fn all_answered(&self) {
        loop {
            let answered = self.answered.notified();
            tokio::pin!(answered);
            // Listen before looking, or the last answer may be given in between.
            answered.as_mut().enable();
            if self.lock().is_empty() {
                return;
            }
            answered.await;
        }
    }
}
