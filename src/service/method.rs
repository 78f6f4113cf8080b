//! The table of methods. A method is its type in the protocol and a function here; the table parses
//! the params, once, catches panics, and ends the request.

use super::{
    failure::{failure, panicked, success},
    request::Request,
};
use crate::{
    error::{Error, Result, clean_to, error},
    progress::Phase,
};
use futures_util::{FutureExt, future::BoxFuture};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc};
use tracing::Instrument;
use vouch_protocol::{Declaration, ErrorKind, Method, ProgressToken, RequestId};

/// The methods, by their names.
#[derive(Default)]
pub(super) struct Table(HashMap<&'static str, Parse>);

/// Makes a call of params.
type Parse = Box<dyn Fn(Option<&RawValue>) -> Call + Send + Sync>;

/// A call whose params have been read.
pub(super) struct Call {
    pub(super) declaration: Declaration,
    /// The title and token by which it reports its progress, if it is asked to.
    pub(super) reporting: Option<(&'static str, ProgressToken)>,
    /// Whether it waits for nothing.
    pub(super) at_once: bool,
    /// Makes the response to a request.
    pub(super) run: Box<dyn FnOnce(Arc<Request>, RequestId) -> BoxFuture<'static, Response>>,
}

type Response = Box<RawValue>;

impl Table {
    /// Lists a method that answers without waiting for anything. Where its answer exists already, it
    /// need not be of the protocol's type.
    pub(super) fn at_once<M, R>(self, method: fn(&Request, M::Params) -> Result<R>) -> Self
    where
        M: Method<Params: Send + 'static> + 'static,
        R: Serialize + Clone + Send + 'static,
    {
        let method = move |request: Arc<Request>, params| async move { method(&request, params) };
        self.list::<M, R, _, _>(true, method)
    }

    /// Lists a method that takes its time, and can be cancelled.
    pub(super) fn in_time<M, F, W>(self, method: F) -> Self
    where
        M: Method<Params: Send + 'static, Result: Clone + Send + 'static> + 'static,
        F: Fn(Arc<Request>, M::Params) -> W + Copy + Send + Sync + 'static,
        W: Future<Output = Result<M::Result>> + Send + 'static,
    {
        self.list::<M, M::Result, F, W>(false, method)
    }

    /// The same, of one that looks at its connection as it is when the request arrives: it begins
    /// before the next message is read.
    pub(super) fn when_read<M, F, W>(self, method: F) -> Self
    where
        M: Method<Params: Send + 'static, Result: Clone + Send + 'static> + 'static,
        F: Fn(Arc<Request>, M::Params) -> W + Copy + Send + Sync + 'static,
        W: Future<Output = Result<M::Result>> + Send + 'static,
    {
        self.list::<M, M::Result, F, W>(true, method)
    }

    fn list<M, R, F, W>(mut self, at_once: bool, method: F) -> Self
    where
        M: Method<Params: Send + 'static> + 'static,
        R: Serialize + Clone + Send + 'static,
        F: Fn(Arc<Request>, M::Params) -> W + Copy + Send + Sync + 'static,
        W: Future<Output = Result<R>> + Send + 'static,
    {
        let read = move |params: Option<&RawValue>| {
            let params = parse::<M::Params>(params);
            let reporting = M::PROGRESS.and_then(|reporting| {
                let token = (reporting.token)(params.as_ref().ok()?)?;
                Some((reporting.title, token.clone()))
            });
            Call {
                declaration: Declaration::of::<M>(),
                reporting,
                at_once: at_once || params.is_err(),
                run: Box::new(move |request, id| {
                    let work = async move |request| method(request, params?).await;
                    answer(M::NAME, request, id, work).boxed()
                }),
            }
        };
        self.0.insert(M::NAME, Box::new(read));
        self
    }

    /// Reads the params of a call; nothing if there is no such method.
    pub(super) fn read(&self, method: &str, params: Option<&RawValue>) -> Option<Call> {
        self.0.get(method).map(|parse| parse(params))
    }
}

/// Runs a method to the response of its request, whatever becomes of it.
async fn answer<R: Serialize + Clone, W: Future<Output = Result<R>>>(
    name: &'static str,
    request: Arc<Request>,
    id: RequestId,
    work: impl FnOnce(Arc<Request>) -> W,
) -> Response {
    let work = async { work(Arc::clone(&request)).await };
    let work = work.instrument(request.span().clone());
    let outcome = tokio::select! {
        biased;
        () = request.progress().stopped() => Err(Error::cancelled()),
        outcome = AssertUnwindSafe(work).catch_unwind() => {
            outcome.unwrap_or_else(|panic| Err(panicked(name, &*panic)))
        }
    };
    end(&request, id, outcome)
}

/// Ends a request with its response.
fn end<R: Serialize + Clone>(request: &Request, id: RequestId, outcome: Result<R>) -> Response {
    let outcome = outcome.map_err(|error| request.given_up(error));
    let phase = match &outcome {
        // A `verify` that refuses has said so, and answers a result.
        Ok(_) if request.progress().phase() == Phase::Refused => Phase::Refused,
        Ok(_) => Phase::Done,
        Err(error) => match error.kind() {
            kind if kind.is_refusal() => Phase::Refused,
            ErrorKind::Cancelled => Phase::Cancelled,
            _ => Phase::Failed,
        },
    };
    request.progress().enter(phase);
    request.log(outcome.as_ref().err());
    match outcome {
        Ok(result) => success(id, result),
        Err(error) => failure(Some(id), &error),
    }
}

/// Params are given by name. Clients have many ways to say that there are none: nothing, null, an
/// empty array (Lua, PHP), an array of one null (vscode-jsonrpc).
fn parse<P: DeserializeOwned>(params: Option<&RawValue>) -> Result<P> {
    let text = match params.map(RawValue::get) {
        None | Some("null") => "{}",
        Some(text) if text.starts_with('{') => text,
        Some(text) if is_nothing(text) => "{}",
        Some(_) => {
            return Err(error!(InvalidParams: "the params are not an object")
                .help("Pass params by name, in an object."));
        }
    };
    serde_json::from_str(text).map_err(|error| {
        error!(InvalidParams: "{}", clean_to(&error.to_string(), 400))
            .help("`rpc.discover` shows the params of each method.")
    })
}

fn is_nothing(text: &str) -> bool {
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    inner.is_some_and(|inner| matches!(inner.trim_ascii(), "" | "null"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vouch_protocol::NoParams;

    #[test]
    fn many_ways_to_say_that_there_are_no_params() {
        let check = |text: Option<&str>, expected: bool| {
            let params = text.map(|text| RawValue::from_string(text.into()).unwrap());
            let read = parse::<NoParams>(params.as_deref());
            assert_eq!(read.is_ok(), expected, "{text:?}");
        };
        check(None, true);
        check(Some("null"), true);
        check(Some("{}"), true);
        check(Some("[]"), true);
        check(Some("[ ]"), true);
        check(Some("[null]"), true);
        check(Some("[ null\n]"), true);
        check(Some("[null,null]"), false);
        check(Some("[[]]"), false);
        check(Some("[0]"), false);
        check(Some("0"), false);
        check(Some("\"\""), false);
        check(Some("{\"a\":1}"), false);
    }

    #[test]
    fn who_gives_a_token_is_told() {
        let table = crate::service::table();
        let check = |method, params: &str, told: bool| {
            let params = RawValue::from_string(params.into()).unwrap();
            let call = table.read(method, Some(&params)).unwrap();
            assert_eq!(call.reporting.is_some(), told, "{method} {params}");
        };
        check("verify", r#"{"workDoneToken":0,"path":"/a"}"#, true);
        check("verify", r#"{"path":"/a"}"#, false);
        check("verify", r#"{"path":"/a","workDoneToken":null}"#, false);
        check("verify", r#"{"path":"/a","workDoneToken":-1}"#, false);
        // Params that do not fit are refused before anything begins.
        check("verify", r#"{"workDoneToken":0}"#, false);
        let both = r#"{"workDoneToken":"a","path":"/a","reference":"b"}"#;
        check("verify", both, false);
        let push = r#"{"workDoneToken":"a","path":"/a","reference":"b"}"#;
        check("push", push, true);
        let pull = r#"{"workDoneToken":"a","destination":"/a","reference":"b"}"#;
        check("pull", pull, true);
        assert!(table.read("nope", None).is_none());
    }
}
