//! A request under way, and who asks.

use super::{
    Settings, State,
    turns::{self, Turn, Turns, Work},
};
use crate::{
    artifact::Limits,
    error::{Error, Result},
    name::Reference,
    progress::{Phase, Progress},
    session::clean_to,
};
use jsonrpsee::Extensions;
use rustix::{
    io::Errno,
    process::{Pid, test_kill_process},
};
use std::{
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};
use tracing::{Span, field::Empty};
use vouch_protocol::{ClientInfo, ErrorKind, InitializeParams, LogLevel};

/// The longest reference or path, and the longest message of an error, that is shown or logged, in
/// characters.
const SUBJECT: usize = 300;
const MESSAGE: usize = 1000;

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

/// What a request is about, as far as its params are understood by now.
#[derive(Debug, Default)]
pub(super) struct Subject {
    /// A reference, in the form that all of them have in common.
    pub(super) reference: OnceLock<String>,
    /// The file that is read or written.
    pub(super) path: OnceLock<String>,
}

/// An entry of the list of requests under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) method: &'static str,
    pub(super) caller: Arc<Caller>,
    pub(super) subject: Arc<Subject>,
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
    subject: Arc<Subject>,
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
            subject: Arc::default(),
            // Of the highest level, so that what is logged within always says where it was.
            span: tracing::error_span!(
                "request",
                method,
                client = caller.name(),
                reference = Empty,
                path = Empty
            ),
            method,
            arrival: state.arrivals.fetch_add(1, Ordering::Relaxed),
            since: Instant::now(),
        };
        let entry = UnderWay {
            method,
            caller: Arc::clone(caller),
            subject: Arc::clone(&request.subject),
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

    /// Parses a reference, as names are meant under the owner's config.
    pub(super) fn reference(&self, text: &str) -> Result<Reference> {
        self.settings.sessions.plain_hosts().reference(text)
    }

    /// Says which reference it is about: to whoever asks for the status, and in the log. What was
    /// parsed holds no credential.
    pub(super) fn concerns(&self, reference: &Reference) {
        let shown = ending(&reference.to_string());
        self.span.record("reference", &*shown);
        // The first one counts, and a request has but one.
        let _ = self.subject.reference.set(shown);
    }

    /// The same of the file that it reads or writes.
    pub(super) fn touches(&self, path: &Path) {
        let shown = ending(&path.display().to_string());
        self.span.record("path", &*shown);
        let _ = self.subject.path.set(shown);
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

    /// Says how the request ended, and counts it; of what it asked for, only which artifact and
    /// where.
    pub(super) fn log(&self, level: LogLevel, error: Option<&Error>) {
        let milliseconds = (self.since.elapsed().as_secs_f64() * 1e4).round() / 10.0;
        let history = &self.state.history;
        let outcome = match error {
            None if self.progress.phase() == Phase::Refused => "refused",
            None => "ok",
            Some(error) => error.kind().name(),
        };
        match error {
            None => history.count(outcome),
            Some(error) => history.failed(self.method, &self.caller, error),
        }
        let notable = level == LogLevel::Info;
        let failed = error.filter(|error| error.kind() != ErrorKind::Cancelled);
        let _inside = self.span.enter();
        match (notable, failed) {
            (true, None) => tracing::info!(outcome, milliseconds),
            (false, None) => tracing::debug!(outcome, milliseconds),
            (notable, Some(error)) => {
                let message = clean_to(error.message(), MESSAGE);
                if notable {
                    tracing::warn!(outcome, milliseconds, "{message}");
                } else {
                    tracing::debug!(outcome, milliseconds, "{message}");
                }
            }
        }
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

/// A reference or path as it is shown: without what acts on a terminal, and of a long one the end,
/// which tells it from others.
fn ending(text: &str) -> String {
    let length = text.chars().count();
    if length <= SUBJECT {
        return clean_to(text, SUBJECT);
    }
    let end: String = text.chars().skip(length - SUBJECT).collect();
    format!("…{}", clean_to(&end, SUBJECT))
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
    fn of_a_long_path_the_end_is_shown() {
        assert_eq!(ending("/a/\u{1b}[2Jb\n.wasm"), "/a/[2Jb.wasm");
        let shown = ending(&format!("/{}/echo.wasm", "ü".repeat(1000)));
        assert_eq!(shown.chars().count(), SUBJECT + 1);
        assert!(shown.starts_with("…ü") && shown.ends_with("ü/echo.wasm"));
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
