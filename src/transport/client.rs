//! One client: what its messages start, and what they are answered. Every framing comes through
//! here.

use super::{
    dropped::dropped,
    message::{Entry, Message},
    outgoing::{Outgoing, Queue},
    reports::Reports,
    room::{Charge, Room, Share},
};
use crate::{
    error::{Error, error},
    service::{Answer, Caller, Dropped, Service, Taken, Unsent, failure},
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use serde_json::value::RawValue;
use std::sync::Arc;
use tokio::sync::mpsc;
use vouch_protocol::{
    Cancel, CancelParams, ErrorKind, Exit, Initialize, Method, Notification, RequestId,
};

/// The longest answer to a batch, in bytes; entries that do not fit answer an error.
const LONGEST_BATCH_RESPONSE: usize = 8 << 20;

/// What an entry of a batch may answer, in bytes, without asking for room: what changes something
/// answers less, and is never told to try again after it was done.
const SHORT: usize = 4 << 10;

/// A client, and what it has under way.
pub(super) struct Client {
    service: Arc<Service>,
    caller: Arc<Caller>,
    /// What long answers to batches take.
    answers: Share,
}

/// What a message leads to.
pub(super) enum Received {
    /// It wants no answer.
    Nothing,
    /// The client is done.
    Exit,
    /// An answer that is there already.
    Now(Outgoing),
    /// The same to something that is not JSON.
    NotJson(Outgoing),
    /// An answer that takes its time, with as many bytes of it as are there already.
    Later {
        answer: BoxFuture<'static, Outgoing>,
        made: usize,
    },
}

impl Client {
    pub(super) fn new(service: Arc<Service>, answers: &Room) -> Arc<Self> {
        Arc::new(Self {
            service,
            answers: answers.share(),
            caller: Arc::default(),
        })
    }

    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whether it is an editor, whose messages may carry whole documents.
    pub(super) fn is_editor(&self) -> bool {
        self.caller.is_editor()
    }

    /// Hears that a message of it was dropped, and what that was about.
    pub(super) fn drops(&self, dropped: Dropped) {
        self.service.dropped(&self.caller, dropped);
    }

    /// Forgets what it has open, as it is gone.
    pub(super) fn gone(&self) {
        self.service.gone(&self.caller);
    }

    /// Waits until nothing is under way.
    pub(super) async fn all_answered(&self) {
        self.service.answered(&self.caller).await;
    }

    /// Cancels all that is under way and has not committed.
    pub(super) fn cancel_all(&self) {
        self.service.cancel_of(&self.caller);
    }

    /// Starts what a message asks for. What answers later has been entered as under way when this
    /// returns, but runs only while it is awaited. Reports on it go into the queue, if there is
    /// one.
    pub(super) fn receive(self: &Arc<Self>, message: &[u8], queue: Option<&Queue>) -> Received {
        let parsed = Message::parse(message);
        if self.is_editor() && matches!(parsed, Message::Broken(_)) {
            self.drops(dropped(message));
        }
        match parsed {
            Message::Broken(error) if error.kind() == ErrorKind::ParseError => {
                Received::NotJson(refusal(None, &error))
            }
            Message::Broken(error) => Received::Now(refusal(None, &error)),
            Message::Single(entry) => match self.start(entry, queue) {
                Ok(None) => Received::Nothing,
                Err(Finished) => Received::Exit,
                Ok(Some(Answer::Now(response))) => Received::Now(single(response, Vec::new())),
                Ok(Some(Answer::Later(pending))) => {
                    let taken = vec![pending.taken];
                    let answer = pending.response.map(|response| single(response, taken));
                    Received::Later {
                        answer: answer.boxed(),
                        made: 0,
                    }
                }
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
            match self.start(entry, queue) {
                Ok(None) => {}
                Ok(Some(Answer::Now(mut response))) => {
                    let length = response.get().len();
                    if made + length > LONGEST_BATCH_RESPONSE {
                        response = no_room(id.clone());
                    } else if length > SHORT && charge.cover(made + length).is_err() {
                        response = unread(id.clone());
                    }
                    made += response.get().len();
                    parts.push((id, Answer::Now(response)));
                }
                Ok(Some(later)) => parts.push((id, later)),
                Err(Finished) => return Received::Exit,
            }
        }
        if parts.is_empty() {
            return Received::Nothing;
        }
        let all_there = parts.iter().all(|(_, part)| matches!(part, Answer::Now(_)));
        let parts = parts.into_iter().map(|(id, part)| async {
            match part {
                Answer::Now(response) => (id, response, None),
                Answer::Later(pending) => (id, pending.response.await, Some(pending.taken)),
            }
        });
        let mut answer = join_all(parts).map(|parts| together(parts, charge)).boxed();
        if all_there && let Some(answer) = (&mut answer).now_or_never() {
            return Received::Now(answer);
        }
        Received::Later { answer, made }
    }

    fn start(&self, entry: Entry<'_>, queue: Option<&Queue>) -> Result<Option<Answer>, Finished> {
        match entry {
            // A server that asks nothing is answered nothing; an error with the same id would be
            // taken for the answer to one of the client's own requests.
            Entry::Response => Ok(None),
            Entry::Invalid { id, error } => Ok(Some(Answer::Now(failure(id, &error)))),
            Entry::Notification { method, params } => {
                self.notified(&method, params)?;
                Ok(None)
            }
            Entry::Request { id, method, params } => {
                Ok(Some(self.begin(id, &method, params, queue)))
            }
        }
    }

    /// Others than these are for editors' documents, or mean nothing.
    fn notified(&self, method: &str, params: Option<&RawValue>) -> Result<(), Finished> {
        match method {
            Exit::NAME => return Err(Finished),
            Cancel::NAME => {
                let params = params.map(|params| serde_json::from_str(params.get()));
                if let Some(Ok(CancelParams { id })) = params {
                    self.service.cancel(&self.caller, &id);
                }
            }
            _ => self.service.notified(&self.caller, method, params),
        }
        Ok(())
    }

    fn begin(
        &self,
        id: RequestId,
        method: &str,
        params: Option<&RawValue>,
        queue: Option<&Queue>,
    ) -> Answer {
        let answer = self.service.call(&self.caller, id, method, params);
        if method == Initialize::NAME
            && let Some(queue) = queue
            && let Some(unsent) = self.service.unsent(&self.caller)
        {
            tokio::spawn(pass_on(unsent, queue.downgrade()));
        }
        match (answer, queue) {
            (Answer::Later(mut pending), Some(queue)) => {
                if let Some(reporting) = pending.reporting.take() {
                    let reports = Reports::new(reporting, queue);
                    pending.response = reports.during(pending.response).boxed();
                }
                Answer::Later(pending)
            }
            (answer, _) => answer,
        }
    }
}

/// Passes on what an editor is sent unasked. It keeps no connection open: the queue ends with the last
/// answer.
async fn pass_on(mut unsent: mpsc::Receiver<Unsent>, queue: mpsc::WeakSender<Box<Outgoing>>) {
    while let Some((text, room)) = unsent.recv().await {
        let Some(queue) = queue.upgrade() else {
            return;
        };
        let notification = Outgoing::notification(text, Arc::default()).holding(Some(room));
        if queue.send(Box::new(notification)).await.is_err() {
            return;
        }
    }
}

/// The client has sent `exit`.
struct Finished;

/// The answer to something that is not a request.
pub(super) fn refusal(id: Option<RequestId>, error: &Error) -> Outgoing {
    single(failure(id, error), Vec::new())
}

fn single(response: Box<RawValue>, taken: Vec<Taken>) -> Outgoing {
    Outgoing::answer(Box::<str>::from(response).into(), taken, None)
}

/// The answer to an entry of a batch whose own does not fit.
fn no_room(id: Option<RequestId>) -> Box<RawValue> {
    let error = error!(ResponseTooLarge: "the answers to the batch are together longer than 8 MiB")
        .help("Send smaller batches.");
    failure(id, &error)
}

/// The answer to an entry of a batch where all room is taken by those that nobody reads.
fn unread(id: Option<RequestId>) -> Box<RawValue> {
    let error = error!(Busy: "too many long answers are waiting to be read")
        .help("Read them, or send the request again in a moment, outside of a batch.");
    failure(id, &error)
}

/// The answer to a batch.
fn together(
    parts: impl IntoIterator<Item = (Option<RequestId>, Box<RawValue>, Option<Taken>)>,
    charge: Charge,
) -> Outgoing {
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
    Outgoing::answer(text, ids, Some(charge))
}
