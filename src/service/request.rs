//! A request under way, as its method sees it.

use super::{
    caller::Caller,
    failure::panicked,
    memory::Noted,
    state::{Settings, State},
    text::ending,
    turns::{SMALL, Turn, Work},
    under_way::{Running, Taken, Working},
};
use crate::{
    artifact::{Examined, Limits},
    error::{Error, Result, clean_to, error},
    file::Source,
    name::Reference,
    progress::{Phase, Progress},
    registry::{self, Found, Pushed},
    trust::{Layer, Now, Published},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};
use tracing::{Span, field::Empty};
use vouch_protocol::{Declaration, ErrorKind, LogLevel, ProgressToken, RequestId};

/// The longest message of an error that is logged, in characters.
const MESSAGE: usize = 1000;

/// What a method gets beside its params. It is under way for as long as it lives.
#[derive(Debug)]
pub(super) struct Request {
    state: Arc<State>,
    settings: Arc<Settings>,
    running: Arc<Running>,
    /// The registry or layout that it is about.
    place: OnceLock<Arc<str>>,
    span: Span,
    declaration: Declaration,
    working: Working,
}

impl Request {
    /// Begins a request. Fails if its id or its progress token is taken, or if its connection has
    /// too many.
    pub(super) fn begin(
        state: &Arc<State>,
        caller: &Arc<Caller>,
        declaration: Declaration,
        id: RequestId,
        token: Option<ProgressToken>,
    ) -> Result<(Self, Taken)> {
        let method = declaration.name;
        let running = Running::new(method, caller);
        let (working, taken) = state.under_way.enter(&running, id, token)?;
        let request = Self {
            state: Arc::clone(state),
            settings: state.settings(),
            running,
            place: OnceLock::new(),
            // Of the highest level, so that what is logged within always says where it was.
            span: tracing::error_span!(
                "request",
                method,
                client = caller.name(),
                reference = Empty,
                path = Empty
            ),
            declaration,
            working,
        };
        Ok((request, taken))
    }

    /// The span in which everything is logged that happens for this request.
    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    /// Parses a reference, as names are meant under the owner's config.
    pub(super) fn reference(&self, text: &str) -> Result<Reference> {
        self.settings.sessions.plain_hosts().reference(text)
    }

    /// Notes which reference it is about, for the log and `server/status`. A reference that was
    /// parsed holds no credential.
    pub(super) fn concerns(&self, reference: &Reference) {
        let shown = ending(&reference.to_string());
        self.span.record("reference", &*shown);
        // The first one counts, and a request has but one.
        let _ = self.running.reference.set(shown);
        let place = match reference {
            Reference::Registry(reference) => reference.registry.as_str().to_owned(),
            Reference::Layout(reference) => reference.path.display().to_string(),
        };
        let _ = self.place.set(place.into());
    }

    /// Notes which file it reads or writes.
    pub(super) fn touches(&self, path: &Path) {
        let shown = ending(&path.display().to_string());
        self.span.record("path", &*shown);
        let _ = self.running.path.set(shown);
    }

    pub(super) fn state(&self) -> &Arc<State> {
        &self.state
    }

    pub(super) fn caller(&self) -> &Caller {
        &self.running.caller
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.running.progress
    }

    /// What the config said when it began.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.settings.config.limits
    }

    /// What is judged by, whenever it is asked: what the config says then, not when the request
    /// began.
    pub(super) fn clock(&self) -> impl Fn() -> Now + Send + Sync + use<> {
        let state = Arc::clone(&self.state);
        move || state.now()
    }

    /// Looks a reference up, when it is the request's turn.
    pub(super) async fn find(&self, reference: &Reference) -> Result<Found> {
        let _turn = self.turn(Work::Lookup).await?;
        self.progress().enter(Phase::Asking);
        registry::find(&self.settings.sessions, reference, self.limits()).await
    }

    /// Remembers what a published artifact was found to be, and what lies beside it.
    pub(super) fn remember(&self, published: &Published, known: Examined<()>, beside: Noted) {
        if let Reference::Registry(reference) = &published.from {
            let (manifest, layer) = (published.manifest, published.layer);
            let memory = &self.settings.memory;
            memory.found(reference, manifest, layer, known, Some(beside.found()));
        }
    }

    /// Remembers what was published, and has documents judged again.
    pub(super) fn published(&self, to: &Reference, pushed: &Pushed, known: Examined<()>) {
        let manifest = pushed.manifest;
        if let (Reference::Registry(to), Some(digest)) = (to, known.digest()) {
            let size = known.size();
            let layer = Layer { digest, size };
            let memory = &self.settings.memory;
            memory.found(to, manifest, layer, known, None);
            if !pushed.bundles.is_empty() {
                // A reload may have made another meanwhile.
                self.state.settings().memory.attached(to, manifest);
            }
        }
        self.state.look_ups.changed();
    }

    /// Waits until it is the request's turn.
    pub(super) async fn turn(&self, work: Work) -> Result<Turn> {
        self.progress().enter(Phase::Waiting);
        let place = match work {
            Work::Small | Work::Local => None,
            Work::Lookup | Work::Download | Work::Upload => self.place.get().cloned(),
        };
        let turns = &self.state.turns;
        turns.take(work, self.caller().number(), place).await
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

    /// Opens a file and examines it off the runtime's threads, when it is its turn: a small file
    /// does not wait for large ones.
    pub(super) async fn examine_file<T: Send + 'static>(
        self: &Arc<Self>,
        path: PathBuf,
        examine: impl FnOnce(&Self, Source) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let looked = self.examine(Work::Small, move |request| {
            let source = Source::open(&path)?;
            if source.size() <= SMALL {
                return examine(request, source).map(Ok);
            }
            // It is opened again: who waits holds no file handle.
            Ok(Err((path, examine)))
        });
        let (path, examine) = match looked.await? {
            Ok(examined) => return Ok(examined),
            Err(large) => large,
        };
        self.examine(Work::Local, move |request| {
            examine(request, Source::open(&path)?)
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
                Ok(panic) => panicked(self.declaration.name, &*panic),
                Err(_) => Error::cancelled(),
            })
        })
    }

    /// The error to answer: `shuttingDown` if the service itself gave the request up.
    pub(super) fn given_up(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Cancelled || !self.state.gives_up() {
            return error;
        }
        error!(ShuttingDown: "the server is stopping, and the request took too long to be finished")
            .help("Send it again once the service runs again: `vouch` starts it.")
    }

    /// Logs and counts how the request ended. Of its params only the reference and the path are
    /// logged.
    pub(super) fn log(&self, error: Option<&Error>) {
        let Declaration { name, log, .. } = self.declaration;
        // A declaration that lacks an error misleads whoever writes a client.
        debug_assert!(
            error.is_none_or(|error| self.declaration.answers(error.kind())),
            "the declaration of `{name}` lacks {error:?}"
        );
        let milliseconds = (self.running.since.elapsed().as_secs_f64() * 1e4).round() / 10.0;
        let history = &self.state.history;
        let outcome = match error {
            None if self.progress().phase() == Phase::Refused => "refused",
            None => "ok",
            Some(error) => error.kind().name(),
        };
        match error {
            None => history.count(outcome),
            Some(error) => history.failed(name, self.caller(), error),
        }
        let notable = log == LogLevel::Info;
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
        if self.state.under_way.finish(&self.working) {
            self.state.used();
        }
    }
}
