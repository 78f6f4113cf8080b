//! How a method of the protocol is listed: its params parsed, its outcome logged, its panics
//! caught.

use super::{
    failure::panicked,
    request::{Request, shortened},
};
use crate::{
    error::{Error, Result},
    progress::Phase,
};
use futures_util::FutureExt;
use jsonrpsee::{
    RpcModule,
    core::RegisterMethodError,
    types::{ErrorObjectOwned, Params},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};
use tracing::Instrument;
use vouch_protocol::{ErrorKind, LogLevel, Method};

/// Lists a method that answers without waiting for anything.
pub(super) fn at_once<M, F>(
    module: &mut RpcModule<()>,
    method: F,
) -> Result<(), RegisterMethodError>
where
    M: Method<Params: 'static, Result: Clone + 'static>,
    F: Fn(&Request, M::Params) -> Result<M::Result> + Send + Sync + 'static,
{
    answered(module, M::NAME, M::LOG, method)
}

/// The same for a method whose answer is made already, and need not be of the protocol's type.
pub(super) fn answered<P, R, F>(
    module: &mut RpcModule<()>,
    name: &'static str,
    level: LogLevel,
    method: F,
) -> Result<(), RegisterMethodError>
where
    P: DeserializeOwned + 'static,
    R: Serialize + Clone + 'static,
    F: Fn(&Request, P) -> Result<R> + Send + Sync + 'static,
{
    module.register_method(name, move |params, (), extensions| {
        let request = Request::of(extensions)?;
        let outcome = parse(&params).and_then(|params| {
            let work = || request.span().in_scope(|| method(&request, params));
            catch_unwind(AssertUnwindSafe(work))
                .unwrap_or_else(|panic| Err(panicked(name, &*panic)))
        });
        request.log(level, outcome.as_ref().err());
        outcome.map_err(ErrorObjectOwned::from)
    })?;
    Ok(())
}

/// Lists a method that takes its time, and can be cancelled.
pub(super) fn worked<M, F, W>(
    module: &mut RpcModule<()>,
    method: F,
) -> Result<(), RegisterMethodError>
where
    M: Method<Params: Send + 'static, Result: Clone + Send + 'static>,
    F: Fn(Arc<Request>, M::Params) -> W + Copy + Send + Sync + 'static,
    W: Future<Output = Result<M::Result>> + Send,
{
    module.register_async_method(M::NAME, move |params, _, extensions| async move {
        let request = Request::of(&extensions)?;
        let outcome = match parse(&params) {
            Err(error) => Err(error),
            Ok(params) => {
                let work = async { method(Arc::clone(&request), params).await };
                let work = work.instrument(request.span().clone());
                tokio::select! {
                    biased;
                    () = request.progress().stopped() => Err(Error::cancelled()),
                    outcome = AssertUnwindSafe(work).catch_unwind() => {
                        outcome.unwrap_or_else(|panic| Err(panicked(M::NAME, &*panic)))
                    }
                }
            }
        };
        request
            .progress()
            .enter(end(&outcome, request.progress().phase()));
        request.log(M::LOG, outcome.as_ref().err());
        outcome.map_err(ErrorObjectOwned::from)
    })?;
    Ok(())
}

/// How a request ended. A `verify` that refuses has said so, and answers a result.
fn end<T>(outcome: &Result<T>, phase: Phase) -> Phase {
    match outcome {
        Ok(_) if phase == Phase::Refused => Phase::Refused,
        Ok(_) => Phase::Done,
        Err(error) => match error.kind() {
            kind if kind.is_refusal() => Phase::Refused,
            ErrorKind::Cancelled => Phase::Cancelled,
            _ => Phase::Failed,
        },
    }
}

/// Params are given by name; null and absent mean none.
fn parse<P: DeserializeOwned>(params: &Params<'_>) -> Result<P> {
    let text = match params.as_str() {
        None | Some("null") => "{}",
        Some(text) if text.starts_with('{') => text,
        Some(_) => {
            return Err(Error::new(ErrorKind::InvalidParams, "params are no object")
                .help("Give params by name, in an object."));
        }
    };
    serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        Error::new(ErrorKind::InvalidParams, shortened(&message, 400))
    })
}
