//! One client's requests under way: what its messages start, and what they answer. Every framing
//! comes through here.

use super::{
    message::{Entry, Message},
    queue::Queue,
    reports::Reports,
    room::{Charge, Room},
};
use crate::{
    error::Error,
    progress::Progress,
    service::{Answer, Caller, Service, failure},
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use jsonrpsee::types::Id;
use serde_json::value::RawValue;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;
use vouch_protocol::{
    Cancel, CancelParams, ErrorKind, Exit, Notification, ProgressToken, RequestId,
};

/// So many requests of one connection are under way at once.
pub(super) const MOST_UNDER_WAY: usize = 64;

/// The longest answer to a batch, in bytes; the entries that do not fit answer an error.
const LONGEST_BATCH_RESPONSE: usize = 8 << 20;

/// What an entry of a batch may answer, in bytes, without asking for room: what changes something
/// answers less, and is never told to try again after it was done.
const SHORT: usize = 4 << 10;

/// A client, and what it has under way.
pub(super) struct Client {
    service: Arc<Service>,
    caller: Arc<Caller>,
    under_way: Mutex<HashMap<RequestId, UnderWay>>,
    /// What long answers to batches take, of all clients.
    answers: Room,
    /// Wakes those who wait for the last answer.
    answered: Notify,
}

/// A request whose id is taken.
struct UnderWay {
    progress: Progress,
    /// The token by which its client is told of it.
    token: Option<ProgressToken>,
}

/// What a message leads to.
pub(super) enum Received {
    /// It wants no answer.
    Nothing,
    /// The client is done.
    Exit,
    /// An answer that is there already.
    Now(Reply),
    /// The same to what is no JSON at all.
    NoJson(Reply),
    /// An answer that takes its time, with so many bytes of it that are there already.
    Later {
        reply: BoxFuture<'static, Reply>,
        made: usize,
    },
}

/// An answer. The ids that it answers stay taken for as long as it lives.
pub(super) struct Reply {
    text: String,
    _taken: Vec<Taken>,
    charge: Option<Charge>,
}

impl Reply {
    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Gives the ids free, and hands out the text to be sent: once a client has read an answer,
    /// it may use the id again.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// The same, with what the text takes of the room for long answers until it is written.
    pub(super) fn into_parts(self) -> (String, Option<Charge>) {
        (self.text, self.charge)
    }
}

/// A taken id of a client.
struct Taken {
    client: Arc<Client>,
    id: RequestId,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut under_way = self.client.under_way();
        under_way.remove(&self.id);
        if under_way.is_empty() {
            self.client.answered.notify_waiters();
        }
    }
}

/// What an entry of a batch, or all there is, answers.
enum Part {
    Now(Box<RawValue>),
    Later(BoxFuture<'static, Box<RawValue>>, Taken),
}

impl Client {
    pub(super) fn new(service: Arc<Service>, answers: Room) -> Arc<Self> {
        Arc::new(Self {
            service,
            answers,
            caller: Arc::default(),
            under_way: Mutex::default(),
            answered: Notify::new(),
        })
    }

    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<RequestId, UnderWay>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing is under way.
    pub(super) async fn is_answered(&self) {
        loop {
            let answered = self.answered.notified();
            tokio::pin!(answered);
            // Listen before looking, or the last answer may be given in between.
            answered.as_mut().enable();
            if self.under_way().is_empty() {
                return;
            }
            answered.await;
        }
    }

    /// Cancels all that is under way and has not committed.
    pub(super) fn cancel_all(&self) {
        for request in self.under_way().values() {
            request.progress.stop();
        }
    }

    /// Takes a message. What answers later has been entered as under way when this returns, but
    /// runs only while it is awaited. What is told of it goes into the queue, where there is one.
    pub(super) fn receive(self: &Arc<Self>, message: &[u8], queue: Option<&Queue>) -> Received {
        match Message::parse(message) {
            Message::Broken(error) if error.kind() == ErrorKind::ParseError => {
                Received::NoJson(refusal(None, error))
            }
            Message::Broken(error) => Received::Now(refusal(None, error)),
            Message::Single(entry) => match self.take(entry, queue) {
                Ok(None) => Received::Nothing,
                Err(Finished) => Received::Exit,
                Ok(Some(Part::Now(response))) => Received::Now(Reply {
                    text: String::from(Box::<str>::from(response)),
                    _taken: Vec::new(),
                    charge: None,
                }),
                Ok(Some(Part::Later(response, taken))) => Received::Later {
                    reply: response
                        .map(|response| Reply {
                            text: String::from(Box::<str>::from(response)),
                            _taken: vec![taken],
                            charge: None,
                        })
                        .boxed(),
                    made: 0,
                },
            },
            Message::Batch(entries) => self.receive_batch(entries, queue),
        }
    }

    fn receive_batch(self: &Arc<Self>, entries: Vec<Entry<'_>>, queue: Option<&Queue>) -> Received {
        let mut parts = Vec::with_capacity(entries.len());
        let mut made = 0;
        let mut charge = self.answers.charge();
        for entry in entries {
            let id = entry.id().cloned();
            match self.take(entry, queue) {
                Ok(None) => {}
                Ok(Some(Part::Now(mut response))) => {
                    let length = response.get().len();
                    if made + length > LONGEST_BATCH_RESPONSE {
                        response = no_room(id.clone());
                    } else if length > SHORT && charge.cover(made + length).is_err() {
                        response = unread(id.clone());
                    }
                    made += response.get().len();
                    parts.push((id, Part::Now(response)));
                }
                Ok(Some(later)) => parts.push((id, later)),
                Err(Finished) => return Received::Exit,
            }
        }
        if parts.is_empty() {
            return Received::Nothing;
        }
        if parts.iter().all(|(_, part)| matches!(part, Part::Now(_))) {
            let parts = parts.into_iter().filter_map(|(id, part)| match part {
                Part::Now(response) => Some((id, response, None)),
                Part::Later(..) => None,
            });
            return Received::Now(together(parts, charge));
        }
        let parts = parts.into_iter().map(|(id, part)| async {
            match part {
                Part::Now(response) => (id, response, None),
                Part::Later(response, taken) => (id, response.await, Some(taken)),
            }
        });
        Received::Later {
            reply: join_all(parts).map(|parts| together(parts, charge)).boxed(),
            made,
        }
    }

    fn take(
        self: &Arc<Self>,
        entry: Entry<'_>,
        queue: Option<&Queue>,
    ) -> Result<Option<Part>, Finished> {
        match entry {
            Entry::Invalid { id, error } => Ok(Some(Part::Now(failure(response_id(id), error)))),
            Entry::Notification { method, params } => {
                self.notice(&method, params)?;
                Ok(None)
            }
            Entry::Request { id, method, params } => {
                Ok(Some(self.begin(id, &method, params, queue)))
            }
        }
    }

    fn notice(&self, method: &str, params: Option<&RawValue>) -> Result<(), Finished> {
        match method {
            Exit::NAME => return Err(Finished),
            Cancel::NAME => {
                let id = params.and_then(|params| {
                    serde_json::from_str::<CancelParams>(params.get())
                        .ok()
                        .map(|params| params.id)
                });
                if let Some(id) = id
                    && let Some(request) = self.under_way().get(&id)
                {
                    request.progress.stop();
                }
            }
            // Others mean nothing here, `initialized` included.
            _ => {}
        }
        Ok(())
    }

    fn begin(
        self: &Arc<Self>,
        id: RequestId,
        method: &str,
        params: Option<&RawValue>,
        queue: Option<&Queue>,
    ) -> Part {
        let progress = Progress::default();
        let told = queue.and_then(|queue| Reports::of(method, params, &progress, queue));
        let token = told.as_ref().map(Reports::token);
        let refused = {
            let mut under_way = self.under_way();
            if under_way.contains_key(&id) {
                Some(
                    Error::new(
                        ErrorKind::InvalidRequest,
                        "a request with this id is under way",
                    )
                    .help("Use another id for each request."),
                )
            } else if token.is_some_and(|token| {
                let mut taken = under_way.values();
                taken.any(|request| request.token.as_ref() == Some(token))
            }) {
                Some(
                    Error::new(
                        ErrorKind::InvalidRequest,
                        "a request with this `workDoneToken` is under way",
                    )
                    .help("Use another token for each request."),
                )
            } else if under_way.len() >= MOST_UNDER_WAY {
                Some(
                    Error::new(
                        ErrorKind::Busy,
                        format!("this connection has {MOST_UNDER_WAY} requests under way"),
                    )
                    .help("Wait for an answer, then try again."),
                )
            } else {
                let request = UnderWay {
                    progress: progress.clone(),
                    token: token.cloned(),
                };
                under_way.insert(id.clone(), request);
                None
            }
        };
        if let Some(error) = refused {
            return Part::Now(failure(response_id(Some(id)), error));
        }
        let taken = Taken {
            client: Arc::clone(self),
            id: id.clone(),
        };
        let id = response_id(Some(id));
        match self
            .service
            .call(&self.caller, &progress, id, method, params)
        {
            Answer::Now(response) => Part::Now(response),
            Answer::Later(response) => {
                let response = match told {
                    Some(told) => told.during(response).boxed(),
                    None => response,
                };
                Part::Later(response, taken)
            }
        }
    }
}

/// The client has sent `exit`.
struct Finished;

/// The answer to something that is no request.
pub(super) fn refusal(id: Option<RequestId>, error: Error) -> Reply {
    Reply {
        text: String::from(Box::<str>::from(failure(response_id(id), error))),
        _taken: Vec::new(),
        charge: None,
    }
}

fn response_id(id: Option<RequestId>) -> Id<'static> {
    match id {
        None => Id::Null,
        Some(RequestId::Number(number)) => Id::Number(number),
        Some(RequestId::Text(text)) => Id::Str(text.into()),
    }
}

/// The answer to an entry of a batch whose own does not fit.
fn no_room(id: Option<RequestId>) -> Box<RawValue> {
    let error = Error::new(
        ErrorKind::ResponseTooLarge,
        "the answers to the batch are together longer than 8 MiB",
    )
    .help("Send smaller batches.");
    failure(response_id(id), error)
}

/// The answer to an entry of a batch where all room is taken by those that nobody reads.
fn unread(id: Option<RequestId>) -> Box<RawValue> {
    let error = Error::new(
        ErrorKind::Busy,
        "the server has too many long answers that wait to be read",
    )
    .help("Read them, or send the request again in a moment, outside of a batch.");
    failure(response_id(id), error)
}

/// The answer to a batch.
fn together(
    parts: impl IntoIterator<Item = (Option<RequestId>, Box<RawValue>, Option<Taken>)>,
    charge: Charge,
) -> Reply {
    let mut text = String::from("[");
    let mut ids = Vec::new();
    for (id, response, taken) in parts {
        if text.len() > 1 {
            text.push(',');
        }
        if text.len() + response.get().len() < LONGEST_BATCH_RESPONSE {
            text.push_str(response.get());
        } else {
            text.push_str(no_room(id).get());
        }
        ids.extend(taken);
    }
    text.push(']');
    Reply {
        text,
        _taken: ids,
        charge: Some(charge),
    }
}
