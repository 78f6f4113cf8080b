//! The table of methods. A method is its type in the protocol and a function here; the table parses
//! the params, once, catches panics, and ends the request.

use super::{
    failure::{failure, panicked, success},
    request::Request,
    text::shortened,
};
use crate::{
    error::{Error, Result, error},
    progress::Phase,
};
use futures_util::{FutureExt, future::BoxFuture};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};
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
    pub(super) run: Run,
}

/// What a call does: it makes the response to a request.
pub(super) enum Run {
    /// It waits for nothing.
    AtOnce(Made<Response>),
    /// It takes its time.
    InTime(Made<BoxFuture<'static, Response>>),
}

type Made<R> = Box<dyn FnOnce(Arc<Request>, RequestId) -> R>;

type Response = Box<RawValue>;

impl Table {
    /// Lists a method that answers without waiting for anything.
    pub(super) fn at_once<M>(self, method: fn(&Request, M::Params) -> Result<M::Result>) -> Self
    where
        M: Method<Params: 'static, Result: Clone + 'static> + 'static,
    {
        self.answered::<M, M::Result>(method)
    }

    /// The same for a method whose answer exists already, and need not be of the protocol's type.
    pub(super) fn answered<M, R>(self, method: fn(&Request, M::Params) -> Result<R>) -> Self
    where
        M: Method<Params: 'static> + 'static,
        R: Serialize + Clone + 'static,
    {
        self.list::<M>(move |params| {
            Run::AtOnce(Box::new(move |request, id| {
                let work = || request.span().in_scope(|| method(&request, params));
                let outcome = catch_unwind(AssertUnwindSafe(work))
                    .unwrap_or_else(|panic| Err(panicked(M::NAME, &*panic)));
                end(&request, id, outcome)
            }))
        })
    }

    /// Lists a method that takes its time, and can be cancelled.
    pub(super) fn in_time<M, F, W>(self, method: F) -> Self
    where
        M: Method<Params: Send + 'static, Result: Clone + Send + 'static> + 'static,
        F: Fn(Arc<Request>, M::Params) -> W + Copy + Send + Sync + 'static,
        W: Future<Output = Result<M::Result>> + Send + 'static,
    {
        self.list::<M>(move |params| {
            Run::InTime(Box::new(move |request, id| {
                let answer = async move {
                    let work = async { method(Arc::clone(&request), params).await };
                    let work = work.instrument(request.span().clone());
                    let outcome = tokio::select! {
                        biased;
                        () = request.progress().stopped() => Err(Error::cancelled()),
                        outcome = AssertUnwindSafe(work).catch_unwind() => {
                            outcome.unwrap_or_else(|panic| Err(panicked(M::NAME, &*panic)))
                        }
                    };
                    end(&request, id, outcome)
                };
                answer.boxed()
            }))
        })
    }

    fn list<M: Method + 'static>(
        mut self,
        run: impl Fn(M::Params) -> Run + Send + Sync + 'static,
    ) -> Self {
        let parse = move |params: Option<&RawValue>| {
            let declaration = Declaration::of::<M>();
            match parse::<M::Params>(params) {
                Ok(params) => {
                    let reporting = M::PROGRESS.and_then(|reporting| {
                        let token = (reporting.token)(&params)?;
                        Some((reporting.title, token.clone()))
                    });
                    Call {
                        declaration,
                        reporting,
                        run: run(params),
                    }
                }
                Err(error) => Call {
                    declaration,
                    reporting: None,
                    run: Run::AtOnce(Box::new(|request, id| end::<()>(&request, id, Err(error)))),
                },
            }
        };
        self.0.insert(M::NAME, Box::new(parse));
        self
    }

    /// Reads the params of a call; nothing if there is no such method.
    pub(super) fn read(&self, method: &str, params: Option<&RawValue>) -> Option<Call> {
        self.0.get(method).map(|parse| parse(params))
    }
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
        error!(InvalidParams: "{}", shortened(&error.to_string(), 400))
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
