//! The methods: a file each, and the table that lists them. This is where params become types
//! and errors become RPC errors; it knows nothing of framings and sockets.

mod discover;
mod failure;
mod handles;
mod history;
mod idle;
mod initialize;
mod method;
mod pull;
mod push;
mod request;
mod restart;
mod session;
mod shutdown;
mod status;
mod stop;
#[cfg(test)]
mod testing;
mod turns;
mod verify;

pub use failure::failure;
pub use handles::Shares;
pub use request::Caller;
pub use restart::Asked;

use crate::{
    artifact::Cache,
    config::{Config, Idle},
    error::{Error, Result},
    progress::Progress,
    session::{Carried, Sessions},
    trust::Policy,
};
use futures_util::{FutureExt, future::BoxFuture};
use history::History;
use jsonrpsee::{
    ConnectionId, Extensions, MethodCallback, Methods, RpcModule,
    core::RegisterMethodError,
    types::{Id, Params},
};
use method::{answered, at_once, worked};
use request::{Request, UnderWay};
use restart::Restarts;
use serde_json::value::RawValue;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use turns::Turns;
use vouch_protocol::{
    Discover, ErrorKind, Initialize, Method, NoParams, Pull, Push, ServerRestart, ServerStatus,
    ServerStop, SessionList, SessionLogin, SessionLogout, Shutdown, Verify,
};

/// The longest response, in bytes.
const LONGEST_RESPONSE: usize = 8 << 20;

/// The service's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What tells builds of a version apart: a commit and its day. `build.rs` says where it is from.
pub const BUILD: Option<&str> = option_env!("VOUCHD_BUILD");

/// What the config decides. A request keeps what it began with, whole.
#[derive(Debug)]
struct Settings {
    /// But for its registries, which `sessions` has.
    config: Config,
    sessions: Sessions,
    policy: Policy,
    /// Of files that were found to be within the config's limits.
    cache: Arc<Cache>,
}

/// What the methods share.
#[derive(Debug)]
struct State {
    settings: RwLock<Arc<Settings>>,
    /// Why the config that was to be read again is not the one that holds.
    config_error: Mutex<Option<String>>,
    socket: Option<PathBuf>,
    /// The file that is logged to.
    log: Option<PathBuf>,
    started: Instant,
    turns: Turns,
    connections: AtomicU64,
    arrivals: AtomicU64,
    under_way: Mutex<BTreeMap<u64, UnderWay>>,
    history: History,
    /// When it ends by itself. What the service was started with may differ from its config.
    ends: Mutex<Idle>,
    /// When the last connection or request has ended.
    last: Mutex<Instant>,
    /// Wakes those who wait for the end of connections and requests.
    idle: Notify,
    stopping: CancellationToken,
    restarts: Restarts,
    /// Whether another process has taken over.
    leaving: AtomicBool,
}

impl State {
    /// What holds for a request that begins now.
    fn settings(&self) -> Arc<Settings> {
        let settings = self.settings.read();
        Arc::clone(&settings.unwrap_or_else(PoisonError::into_inner))
    }

    fn config_error(&self) -> Option<String> {
        let error = self.config_error.lock();
        error.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn under_way(&self) -> MutexGuard<'_, BTreeMap<u64, UnderWay>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The service: its state and its methods.
#[derive(Debug)]
pub struct Service {
    state: Arc<State>,
    methods: Methods,
}

/// The answer of a method: a JSON-RPC response.
pub enum Answer {
    /// It is known already.
    Now(Box<RawValue>),
    /// It takes its time. Dropping the future does not undo what has begun: stop the request's
    /// [`Progress`] and await it.
    Later(BoxFuture<'static, Box<RawValue>>),
}

impl Service {
    /// Makes the service. `socket` is what `server/status` tells about where it listens, and the
    /// log file of the config is where it says that the log is.
    pub fn new(mut config: Config, socket: Option<PathBuf>) -> Result<Self> {
        let ends = Mutex::new(config.idle.clone());
        let sessions = Sessions::new(std::mem::take(&mut config.registry))?;
        let log = config.log.file.clone();
        let settings = Settings {
            config,
            sessions,
            policy: Policy::default(),
            cache: Arc::default(),
        };
        let state = Arc::new(State {
            settings: RwLock::new(Arc::new(settings)),
            config_error: Mutex::default(),
            socket,
            log,
            started: Instant::now(),
            turns: Turns::of_all(Shares::of_this_process().requests),
            connections: AtomicU64::new(0),
            arrivals: AtomicU64::new(0),
            under_way: Mutex::default(),
            history: History::default(),
            ends,
            last: Mutex::new(Instant::now()),
            idle: Notify::new(),
            stopping: CancellationToken::new(),
            restarts: Restarts::default(),
            leaving: AtomicBool::new(false),
        });
        let methods = table().map_err(|error| {
            Error::new(ErrorKind::Internal, "the method table is broken").source(error)
        })?;
        Ok(Self { state, methods })
    }

    /// Takes another config, if it could be read and can be used: limits and registries count for
    /// requests that begin from now on; what is under way goes on under those it began with.
    /// Otherwise the one before stays, and `server/status` says why. Blocks.
    pub fn reload(&self, config: Result<Config>) -> Result<()> {
        let taken = config.and_then(|config| self.take(config));
        if let Err(error) = &taken {
            self.report(error);
        }
        let last = self.state.config_error.lock();
        *last.unwrap_or_else(PoisonError::into_inner) =
            taken.as_ref().err().map(ToString::to_string);
        taken
    }

    fn take(&self, mut config: Config) -> Result<()> {
        if let Some(problem) = config.problems().into_iter().next() {
            return Err(problem.into());
        }
        let before = self.state.settings();
        let registries = std::mem::take(&mut config.registry);
        let sessions = before.sessions.under(registries)?;
        let cache = if config.limits == before.config.limits {
            Arc::clone(&before.cache)
        } else {
            Arc::default()
        };
        for key in before.config.waits(&config) {
            tracing::warn!("what the config says of `{key}` counts after a restart");
        }
        let settings = self.state.settings.write();
        *settings.unwrap_or_else(PoisonError::into_inner) = Arc::new(Settings {
            config,
            sessions,
            policy: Policy::default(),
            cache,
        });
        Ok(())
    }

    /// Calls a method. What it answers, it answers to `id`.
    pub fn call(
        &self,
        caller: &Arc<Caller>,
        progress: &Progress,
        id: Id<'static>,
        method: &str,
        params: Option<&RawValue>,
    ) -> Answer {
        let refused = |error| {
            self.state.history.failed(method, caller, &error);
            Answer::Now(failure(id.clone(), error))
        };
        if let Err(error) = self.admit(caller) {
            return refused(error);
        }
        let Some((method, callback)) = self.methods.method_with_name(method) else {
            return refused(failure::unknown(method));
        };
        let request = Request::begin(&self.state, method, caller, progress);
        let mut extensions = Extensions::new();
        extensions.insert(Arc::new(request));
        let params = Params::new(params.map(RawValue::get)).into_owned();
        match callback {
            MethodCallback::Sync(callback) => {
                let response = callback(id.clone(), params, LONGEST_RESPONSE, extensions);
                Answer::Now(failure::bounded(id, response))
            }
            MethodCallback::Async(callback) => {
                let connection = ConnectionId(0);
                let response =
                    callback(id.clone(), params, connection, LONGEST_RESPONSE, extensions);
                Answer::Later(
                    response
                        .map(|response| failure::bounded(id, response))
                        .boxed(),
                )
            }
            // Nothing of the table is of these kinds.
            MethodCallback::Subscription(_) | MethodCallback::Unsubscription(_) => {
                Answer::Now(failure(id, failure::unknown(method)))
            }
        }
    }

    fn admit(&self, caller: &Caller) -> Result<()> {
        if caller.has_shut_down() {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "this connection was shut down, and takes only `exit`",
            )
            .help("Open another connection."));
        }
        if self.state.leaving.load(Ordering::Acquire) {
            return Err(Error::new(
                ErrorKind::ShuttingDown,
                "another process serves this socket now, as the server was restarted",
            )
            .help("Connect again, and ask that one."));
        }
        if self.state.stopping.is_cancelled() {
            return Err(
                Error::new(ErrorKind::ShuttingDown, "the server is stopping")
                    .help("Try again when it has been started again."),
            );
        }
        Ok(())
    }

    /// Notes what went wrong apart from any request, for `server/status`.
    pub fn report(&self, error: &Error) {
        self.state.history.report(error);
    }

    /// Begins to stop: requests under way go on, new ones are refused.
    pub fn stop(&self) {
        self.state.stopping.cancel();
    }

    /// Leaves the socket to another process: requests under way go on, new ones are sent there.
    pub fn leave(&self) {
        self.state.leaving.store(true, Ordering::Release);
    }

    /// The logins that live in this memory only, for the process that takes over.
    pub fn logins(&self) -> Vec<Carried> {
        self.state.settings().sessions.carry()
    }

    /// Takes what the process before this one had of them, or has got since.
    pub fn take_logins(&self, logins: Vec<Carried>) {
        self.state.settings().sessions.arrive(logins);
    }

    /// Waits until somebody asks the service to stop.
    pub async fn stopping(&self) {
        self.state.stopping.cancelled().await;
    }

    /// What asks for a new process from now on. Until somebody listens, `server/restart` is
    /// refused.
    pub fn restarts(&self) -> mpsc::Receiver<Asked> {
        self.state.restarts.listen()
    }

    /// Waits until no request is under way.
    pub async fn idle(&self) {
        loop {
            let notified = self.state.idle.notified();
            tokio::pin!(notified);
            // Listen before looking, or the last request may end in between.
            notified.as_mut().enable();
            if self.state.under_way().is_empty() {
                return;
            }
            notified.await;
        }
    }

    /// Cancels every request under way that has not committed.
    pub fn cancel_all(&self) {
        for request in self.state.under_way().values() {
            request.progress.stop();
        }
    }

    /// Counts a connection for as long as the value lives.
    pub fn connected(&self) -> Connected {
        self.state.connections.fetch_add(1, Ordering::Relaxed);
        Connected(Arc::clone(&self.state))
    }
}

/// See [`Service::connected`].
#[derive(Debug)]
pub struct Connected(Arc<State>);

impl Drop for Connected {
    fn drop(&mut self) {
        if self.0.connections.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.used();
        }
    }
}

/// The methods of this server.
fn table() -> Result<Methods, RegisterMethodError> {
    let mut module = RpcModule::new(());
    // What changes or ends a connection is answered in order, before the next message is read.
    at_once::<Initialize, _>(&mut module, initialize::initialize)?;
    at_once::<Shutdown, _>(&mut module, shutdown::shutdown)?;
    at_once::<ServerStatus, _>(&mut module, status::status)?;
    worked::<ServerRestart, _, _>(&mut module, restart::restart)?;
    at_once::<ServerStop, _>(&mut module, stop::stop)?;
    answered::<NoParams, _, _>(
        &mut module,
        Discover::NAME,
        Discover::LOG,
        discover::discover,
    )?;
    worked::<Verify, _, _>(&mut module, verify::verify)?;
    worked::<Push, _, _>(&mut module, push::push)?;
    worked::<Pull, _, _>(&mut module, pull::pull)?;
    worked::<SessionLogin, _, _>(&mut module, session::login)?;
    at_once::<SessionLogout, _>(&mut module, session::logout)?;
    worked::<SessionList, _, _>(&mut module, session::list)?;
    #[cfg(test)]
    testing::register(&mut module)?;
    Ok(module.into())
}
