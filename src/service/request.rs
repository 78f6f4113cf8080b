//! A request under way, and who asks.

use super::{
    Settings, State,
    turns::{self, Turn, Turns, Work},
};
use crate::{
    artifact::Limits,
    error::{Error, Result},
    progress::{Phase, Progress},
};
use jsonrpsee::Extensions;
use rustix::{
    io::Errno,
    process::{Pid, test_kill_process},
};
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};
use tracing::Span;
use vouch_protocol::{ClientInfo, ErrorKind, InitializeParams};

/// Who asks: one connection.
#[derive(Debug)]
pub struct Caller {
    introduction: OnceLock<(Option<ClientInfo>, Option<Pid>)>,
    shut_down: AtomicBool,
    turns: Turns,
}

impl Default for Caller {
    fn default() -> Self {
        Self::new()
    }
}

impl Caller {
    /// A connection that has said nothing yet.
    pub fn new() -> Self {
        Self {
            introduction: OnceLock::new(),
            shut_down: AtomicBool::new(false),
            turns: Turns::of_one(),
        }
    }

    /// The client's name, as it introduced itself.
    pub fn name(&self) -> Option<&str> {
        let (client, _) = self.introduction.get()?;
        client.as_ref().map(|client| client.name.as_str())
    }

    /// The client's process, where it named one that could be seen.
    pub fn process(&self) -> Option<Pid> {
        self.introduction.get()?.1
    }

    /// Keeps what the client says about itself; fails the second time.
    pub(super) fn introduce(&self, params: InitializeParams) -> Result<()> {
        let client = params.client_info.map(|mut client| {
            client.name = shortened(&client.name, 100).to_owned();
            client
        });
        // Looked at now, while the client waits for its answer: later it may have ended, and look
        // like one that cannot be seen from here.
        let process = params
            .process_id
            .and_then(|process| i32::try_from(process).ok())
            .and_then(Pid::from_raw)
            .filter(|process| test_kill_process(*process) != Err(Errno::SRCH));
        self.introduction.set((client, process)).map_err(|_| {
            Error::new(
                ErrorKind::InvalidRequest,
                "this connection was initialized already",
            )
        })
    }

    /// Whether the client has asked to take no more requests from it.
    pub fn has_shut_down(&self) -> bool {
        self.shut_down.load(Ordering::Acquire)
    }

    pub(super) fn shut_down(&self) {
        self.shut_down.store(true, Ordering::Release);
    }
}

/// An entry of the list of requests under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) method: &'static str,
    pub(super) caller: Arc<Caller>,
    pub(super) since: Instant,
    pub(super) progress: Progress,
}

/// What a method gets beside its params. The request is under way for as long as it lives.
#[derive(Debug)]
pub(super) struct Request {
    state: Arc<State>,
    settings: Arc<Settings>,
    caller: Arc<Caller>,
    progress: Progress,
    span: Span,
    method: &'static str,
    arrival: u64,
    since: Instant,
}

impl Request {
    pub(super) fn begin(
        state: &Arc<State>,
        method: &'static str,
        caller: &Arc<Caller>,
        progress: &Progress,
    ) -> Self {
        let request = Self {
            state: Arc::clone(state),
            settings: state.settings(),
            caller: Arc::clone(caller),
            progress: progress.clone(),
            span: tracing::info_span!("request", method, client = caller.name()),
            method,
            arrival: state.arrivals.fetch_add(1, Ordering::Relaxed),
            since: Instant::now(),
        };
        let entry = UnderWay {
            method,
            caller: Arc::clone(caller),
            since: request.since,
            progress: progress.clone(),
        };
        state.under_way().insert(request.arrival, entry);
        request
    }

    /// The request that a method is called for; [`Service::call`](super::Service::call) puts it
    /// there.
    pub(super) fn of(extensions: &Extensions) -> Result<Arc<Self>> {
        extensions
            .get()
            .cloned()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a call without a request"))
    }

    /// What is logged on behalf of it says so.
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What the config said when it began.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.settings.config.limits
    }

    /// Waits until it is the request's turn.
    pub(super) async fn turn(&self, work: Work) -> Result<Turn> {
        self.progress.enter(Phase::Waiting);
        turns::take(&self.caller.turns, &self.state.turns, work).await
    }

    /// Runs what reads and hashes an artifact off the runtime's threads, when it is its turn.
    /// Dropping the future ends the waiting; it ends the work only through the request's progress.
    pub(super) async fn examine<T: Send + 'static>(
        self: &Arc<Self>,
        work: Work,
        examine: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = self.turn(work).await?;
        // The thread holds the turn, as it may outlive the future.
        self.blocking(move |request| {
            let _turn = turn;
            examine(request)
        })
        .await
    }

    /// Runs what looks at a few files off the runtime's threads, without taking turns.
    pub(super) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let request = Arc::clone(self);
        let thread = tokio::task::spawn_blocking(move || {
            let span = request.span.clone();
            span.in_scope(|| work(&request))
        });
        thread.await.unwrap_or_else(|failed| {
            Err(match failed.try_into_panic() {
                Ok(panic) => super::failure::panicked(self.method, &*panic),
                Err(_) => Error::cancelled(),
            })
        })
    }

    /// Says how the request ended; never what it asked for.
    pub(super) fn log(&self, error: Option<&Error>) {
        let outcome = error.map_or("ok", |error| error.kind().name());
        let milliseconds = self.since.elapsed().as_secs_f64() * 1e3;
        self.span.in_scope(|| {
            // What moves artifacts is worth a line in everybody's log.
            if matches!(self.method, "push" | "pull") {
                tracing::info!(outcome, milliseconds);
            } else {
                tracing::debug!(outcome, milliseconds);
            }
        });
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let mut under_way = self.state.under_way();
        under_way.remove(&self.arrival);
        if under_way.is_empty() {
            self.state.used();
        }
    }
}

/// Enough of a text from outside to recognise it by.
pub(super) fn shortened(text: &str, longest: usize) -> &str {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, service::Service};
    use std::sync::{Mutex, atomic::AtomicUsize};

    fn request(service: &Service, caller: &Arc<Caller>) -> Arc<Request> {
        let progress = Progress::default();
        Arc::new(Request::begin(&service.state, "verify", caller, &progress))
    }

    // Held on purpose: the lock is what the blocking threads wait for.
    #[allow(clippy::await_holding_lock)]
    #[tokio::test]
    async fn one_connection_does_not_take_every_turn() {
        let service = Service::new(Config::default(), None).unwrap();
        let greedy = Arc::new(Caller::new());
        let begun = Arc::new(AtomicUsize::new(0));
        let door = Arc::new(Mutex::new(()));
        let closed = door.lock().unwrap();
        let work: Vec<_> = (0..=turns::FOR_ONE)
            .map(|_| {
                let request = request(&service, &greedy);
                let (begun, door) = (Arc::clone(&begun), Arc::clone(&door));
                tokio::spawn(async move {
                    let examined = request.examine(Work::Local, move |_| {
                        begun.fetch_add(1, Ordering::Relaxed);
                        drop(door.lock());
                        Ok(())
                    });
                    examined.await
                })
            })
            .collect();
        while begun.load(Ordering::Relaxed) < turns::FOR_ONE {
            tokio::task::yield_now().await;
        }
        let other = request(&service, &Arc::new(Caller::new()));
        other.examine(Work::Local, |_| Ok(())).await.unwrap();
        assert_eq!(begun.load(Ordering::Relaxed), turns::FOR_ONE);
        drop(closed);
        for work in work {
            work.await.unwrap().unwrap();
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let check = |text: &str, longest, expected| {
            assert_eq!(shortened(text, longest), expected);
        };
        check("", 3, "");
        check("abc", 3, "abc");
        check("abcd", 3, "abc");
        check("ab\u{fc}", 3, "ab");
        check("\u{1f600}", 3, "");
    }
}
