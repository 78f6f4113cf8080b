//! Calls that report how far they are.

use crate::{
    client::Client,
    error::CallError,
    rpc::{self, Params},
};
use serde_json::{Map, Value};
use std::pin::pin;
use vouch_protocol::{
    Method, Pull, PullParams, PullResult, Push, PushParams, PushResult, Verify, VerifyParams,
    VerifyResult, WorkDone,
};

impl Client {
    /// Calls [`Verify`], [`Push`] or [`Pull`] and passes on what the server reports: once that the
    /// call begins, now and then how far it is, and once that it has ended, before the result. A
    /// slow `progress` sees fewer reports, and later ones. It is called where the future is polled,
    /// so it should not block. Dropping the future cancels the call on the server.
    ///
    /// The client chooses the token: one in the params is replaced.
    pub async fn call_with_progress<M: Method>(
        &self,
        params: M::Params,
        progress: impl FnMut(WorkDone),
    ) -> Result<M::Result, CallError> {
        let params = serde_json::to_value(params).map_err(|error| {
            CallError::Protocol(format!("the params cannot be written as JSON: {error}"))
        })?;
        let result = self
            .request_with_progress(M::NAME, params, progress)
            .await?;
        serde_json::from_value(result).map_err(|error| {
            CallError::Protocol(format!("cannot read the result of {}: {error}", M::NAME))
        })
    }

    /// The same by name, as with [`Client::request`].
    pub async fn request_with_progress(
        &self,
        method: &str,
        params: Value,
        mut progress: impl FnMut(WorkDone),
    ) -> Result<Value, CallError> {
        let mut params = match params {
            Value::Object(members) => members,
            Value::Null => Map::new(),
            _ => return Err(CallError::Protocol("the params are not an object".into())),
        };
        let subscription = self.listeners.subscribe();
        params.insert("workDoneToken".into(), subscription.token.into());
        let mut call = pin!(self.send(method, Params::of(&params)?));
        let result = loop {
            tokio::select! {
                biased;
                () = subscription.unseen.changed.notified() => {
                    subscription.unseen.pass_to(&mut progress);
                },
                result = &mut call => break result,
            }
        };
        subscription.unseen.pass_to(&mut progress);
        rpc::read(method, &result?)
    }

    /// [`Client::verify`] with [progress](Self::call_with_progress).
    pub async fn verify_with_progress(
        &self,
        params: VerifyParams,
        progress: impl FnMut(WorkDone),
    ) -> Result<VerifyResult, CallError> {
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
