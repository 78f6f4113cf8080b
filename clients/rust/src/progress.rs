//! What the server tells of calls while they last.
//!
//! It is taken where it is read, before any answer that comes after it: so the last is there when
//! the answer is. Of what a caller has not looked at yet, a beginning, the latest report and an end
//! are kept and no more; the connection never waits for a caller.

use crate::{CallError, Client, rpc::Params};
use serde_json::{Map, Value, value::RawValue};
use std::{
    collections::HashMap,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Notify;
use vouch_protocol::{
    Method, ProgressParams, ProgressToken, Pull, PullParams, PullResult, Push, PushParams,
    PushResult, Verification, Verify, VerifyParams, WorkDone,
};

impl Client {
    /// Calls [`Verify`], [`Push`] or [`Pull`], and hands on what the server tells of it: once that
    /// it begins, now and then how far it is, and once that it has ended, before the result. Where
    /// `progress` is slow, it sees fewer reports, and later ones. It is called where the future is
    /// polled, so it should not block. Dropping the future cancels the call on the server.
    ///
    /// The token is the client's: one in the params is replaced.
    pub async fn call_with_progress<M: Method>(
        &self,
        params: M::Params,
        progress: impl FnMut(WorkDone),
    ) -> Result<M::Result, CallError> {
        let params = serde_json::to_value(params)
            .map_err(|error| CallError::Protocol(format!("the params are no JSON: {error}")))?;
        let result = self
            .request_with_progress(M::NAME, params, progress)
            .await?;
        serde_json::from_value(result).map_err(|error| {
            CallError::Protocol(format!("the result of {} is none: {error}", M::NAME))
        })
    }

    /// The same by name, as [`Client::request`] does it.
    pub async fn request_with_progress(
        &self,
        method: &str,
        params: Value,
        mut progress: impl FnMut(WorkDone),
    ) -> Result<Value, CallError> {
        let mut params = match params {
            Value::Object(members) => members,
            Value::Null => Map::new(),
            _ => return Err(CallError::Protocol("the params are no object".into())),
        };
        let listening = self.listeners.listen();
        params.insert("workDoneToken".into(), listening.token.into());
        let mut call = pin!(self.send(method, Params::of(&params)?));
        let result = loop {
            tokio::select! {
                biased;
                () = listening.told.changed.notified() => listening.told.hand_on(&mut progress),
                result = &mut call => break result,
            }
        };
        listening.told.hand_on(&mut progress);
        serde_json::from_str(result?.get())
            .map_err(|error| CallError::Protocol(format!("the result of {method}: {error}")))
    }

    /// [`Client::verify`] with [progress](Self::call_with_progress).
    pub async fn verify_with_progress(
        &self,
        params: VerifyParams,
        progress: impl FnMut(WorkDone),
    ) -> Result<Verification, CallError> {
        self.call_with_progress::<Verify>(params, progress).await
    }

    /// [`Client::push`] with [progress](Self::call_with_progress).
    pub async fn push_with_progress(
        &self,
        params: PushParams,
        progress: impl FnMut(WorkDone),
    ) -> Result<PushResult, CallError> {
        self.call_with_progress::<Push>(params, progress).await
    }

    /// [`Client::pull`] with [progress](Self::call_with_progress).
    pub async fn pull_with_progress(
        &self,
        params: PullParams,
        progress: impl FnMut(WorkDone),
    ) -> Result<PullResult, CallError> {
        self.call_with_progress::<Pull>(params, progress).await
    }
}

/// Who listens, by the tokens of their calls. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listeners(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    next: AtomicU64,
    calls: Mutex<HashMap<u64, Arc<Told>>>,
}

/// What was told of a call and not handed on.
#[derive(Debug, Default)]
struct Told {
    values: Mutex<Values>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Values {
    begin: Option<WorkDone>,
    report: Option<WorkDone>,
    end: Option<WorkDone>,
}

/// A call that listens, for as long as it lives.
struct Listening {
    listeners: Listeners,
    token: u64,
    told: Arc<Told>,
}

impl Listeners {
    fn calls(&self) -> MutexGuard<'_, HashMap<u64, Arc<Told>>> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self) -> Listening {
        let token = self.0.next.fetch_add(1, Ordering::Relaxed);
        let told = Arc::new(Told::default());
        self.calls().insert(token, Arc::clone(&told));
        Listening {
            listeners: self.clone(),
            token,
            told,
        }
    }

    /// Takes the params of a notification. Those that nobody waits for, or understands, are ignored,
    /// as the specification asks.
    pub(crate) fn tell(&self, params: Option<&RawValue>) {
        let read = |params: &RawValue| serde_json::from_str::<ProgressParams>(params.get()).ok();
        let Some(ProgressParams { token, value }) = params.and_then(read) else {
            return;
        };
        let ProgressToken::Number(token) = token else {
            return;
        };
        let Some(told) = self.calls().get(&token).cloned() else {
            return;
        };
        let mut values = told.values();
        match value {
            WorkDone::Begin { .. } => values.begin = Some(value),
            WorkDone::Report { .. } => values.report = Some(value),
            WorkDone::End { .. } => values.end = Some(value),
        }
        drop(values);
        told.changed.notify_one();
    }
}

impl Told {
    fn values(&self) -> MutexGuard<'_, Values> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_on(&self, progress: &mut impl FnMut(WorkDone)) {
        let Values { begin, report, end } = std::mem::take(&mut *self.values());
        [begin, report, end]
            .into_iter()
            .flatten()
            .for_each(progress);
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.listeners.calls().remove(&self.token);
    }
}
