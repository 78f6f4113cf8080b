//! What the server reports of calls under way, until their callers look at it.
//!
//! A report is taken where it is read, before any answer that comes after it: so the last one is
//! there when the answer is. Of what a caller has not looked at yet, the beginning, the latest
//! report and the end are kept and no more; the connection never waits for a caller.

use serde_json::value::RawValue;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Notify;
use vouch_protocol::{ProgressParams, ProgressToken, WorkDone};

/// The calls that wait for reports, by their tokens. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listeners(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    next: AtomicU64,
    calls: Mutex<HashMap<u64, Arc<Unseen>>>,
}

/// What was reported of a call, and its caller has not looked at.
#[derive(Debug, Default)]
pub(crate) struct Unseen {
    values: Mutex<Values>,
    pub(crate) changed: Notify,
}

#[derive(Debug, Default)]
struct Values {
    begin: Option<WorkDone>,
    report: Option<WorkDone>,
    end: Option<WorkDone>,
}

/// A call that waits for reports, for as long as this lives.
pub(crate) struct Subscription {
    listeners: Listeners,
    pub(crate) token: u64,
    pub(crate) unseen: Arc<Unseen>,
}

impl Listeners {
    fn calls(&self) -> MutexGuard<'_, HashMap<u64, Arc<Unseen>>> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn subscribe(&self) -> Subscription {
        let token = self.0.next.fetch_add(1, Ordering::Relaxed);
        let unseen = Arc::new(Unseen::default());
        self.calls().insert(token, Arc::clone(&unseen));
        Subscription {
            listeners: self.clone(),
            token,
            unseen,
        }
    }

    /// Keeps what a `$/progress` says. One that no call waits for, or that cannot be read, is
    /// ignored, as the specification asks.
    pub(crate) fn report(&self, params: Option<&RawValue>) {
        let read = |params: &RawValue| serde_json::from_str::<ProgressParams>(params.get()).ok();
        let Some(ProgressParams { token, value }) = params.and_then(read) else {
            return;
        };
        let ProgressToken::Number(token) = token else {
            return;
        };
        let Some(unseen) = self.calls().get(&token).cloned() else {
            return;
        };
        let mut values = unseen.values();
        match value {
            WorkDone::Begin { .. } => values.begin = Some(value),
            WorkDone::Report { .. } => values.report = Some(value),
            WorkDone::End { .. } => values.end = Some(value),
        }
        drop(values);
        unseen.changed.notify_one();
    }
}

impl Unseen {
    fn values(&self) -> MutexGuard<'_, Values> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn pass_to(&self, progress: &mut impl FnMut(WorkDone)) {
        let Values { begin, report, end } = std::mem::take(&mut *self.values());
        [begin, report, end]
            .into_iter()
            .flatten()
            .for_each(progress);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.listeners.calls().remove(&self.token);
    }
}
