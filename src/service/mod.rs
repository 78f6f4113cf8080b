//! The methods: a file each, and the table that lists them. This is where params become types
//! and errors become RPC errors; it knows nothing of framings and sockets.
//!
//! | file | what it is for |
//! |---|---|
//! | `method` | the table: reads params, runs a method, ends the request |
//! | `request` | what a method gets beside its params |
//! | `turns` | who may read, ask, download and upload when |
//! | `under_way` | the requests under way, of all connections |
//! | `opened` | what an editor has open |
//! | `caller` | one connection |
//! | `state` | what the methods share; settings that a reload replaces |
//! | `restarts` | who is asked for a new process |
//! | `history`, `idle`, `handles` | what was answered; when the service ends; file handles |
//! | `beside` | what lies beside a file that is judged |
//! | `into_layout` | a `pull` into an image layout |
//! | `memory` | what published artifacts were found to be |
//! | `questions` | what documents have asked: each once, few at a time |
//! | `asking` | how they are put to registries |
//! | `look_up` | what a document's references name, asked as far as one may have us ask |
//! | `documents` | documents: their references, and what could be done about them |
//! | `failure`, `text` | responses; other people's words |
//! | `verify`, `push`, … | a method each |
//! | `editor` | the Language Server Protocol's methods |

mod asking;
mod beside;
mod caller;
mod discover;
mod document_check;
mod documents;
mod editor;
mod failure;
mod handles;
mod history;
mod idle;
mod initialize;
mod inspect;
mod into_layout;
mod look_up;
mod memory;
mod method;
mod opened;
mod pull;
mod push;
mod questions;
mod request;
mod restart;
mod restarts;
mod session;
mod shutdown;
mod sign_complete;
mod sign_prepare;
mod state;
mod status;
mod stop;
mod tags;
#[cfg(test)]
mod testing;
mod text;
mod turns;
mod under_way;
mod verify;

pub use caller::Caller;
pub use editor::Dropped;
pub use failure::failure;
pub use handles::Shares;
pub use opened::Unsent;
pub use restarts::Asked;
pub use under_way::Taken;

use crate::{
    config::{Config, Idle},
    error::{Error, Result, error},
    progress::Progress,
    session::{Carried, Sessions},
    trust::Pins,
};
use futures_util::{FutureExt, future::BoxFuture};
use history::History;
use method::Table;
use opened::Room;
use parking_lot::{Mutex, RwLock};
use questions::LookUps;
use request::Request;
use restarts::Restarts;
use serde_json::value::RawValue;
use state::{Reading, Settings, State};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use turns::Turns;
use under_way::until;
use vouch_protocol::{
    Discover, DocumentCheck, Initialize, Inspect, ProgressToken, Pull, Push, RequestId,
    ServerRestart, ServerStatus, ServerStop, SessionList, SessionLogin, SessionLogout, Shutdown,
    SignComplete, SignPrepare, Tags, Verify,
};

/// The service's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Tells builds of one version apart: a commit and its day. `build.rs` says where it comes from.
pub const BUILD: Option<&str> = option_env!("VOUCHD_BUILD");

/// The service: its state and its methods.
pub struct Service {
    state: Arc<State>,
    methods: Table,
    /// Those that only editors know.
    of_editors: Table,
}

/// The answer to a request: a JSON-RPC response.
pub enum Answer {
    /// It is known already.
    Now(Box<RawValue>),
    /// It takes its time.
    Later(Pending),
}

/// A request that takes its time.
pub struct Pending {
    /// The response. It comes while this is awaited. Dropping it does not undo what has begun:
    /// [cancel](Service::cancel) the request and await it.
    pub response: BoxFuture<'static, Box<RawValue>>,
    /// Keeps the request's id taken.
    pub taken: Taken,
    /// How far it is, if its client wants to know.
    pub reporting: Option<Reporting>,
}

/// A request whose client wants to know how far it is.
pub struct Reporting {
    /// What the request does, for people: `Verifying`.
    pub title: &'static str,
    /// What its client calls it.
    pub token: ProgressToken,
    /// How far it is.
    pub progress: Progress,
}

impl Service {
    /// Makes the service. `socket` and the log file of the config are what `server/status` shows.
    pub fn new(mut config: Config, socket: Option<PathBuf>) -> Self {
        let ends = Mutex::new(config.idle.clone());
        let log = config.log.path().map(std::path::Path::to_owned);
        let sessions = Sessions::new(std::mem::take(&mut config.registry));
        let settings = Settings::new(config, sessions, Arc::default(), Arc::default());
        let reading = Mutex::new(Reading {
            times: 1,
            error: settings.policy.as_ref().err().map(ToString::to_string),
        });
        let state = Arc::new(State {
            settings: RwLock::new(Arc::new(settings)),
            pins: Pins::of_this_user(),
            reading,
            socket,
            log,
            started: Instant::now(),
            turns: Turns::new(Shares::of_this_process().requests),
            look_ups: LookUps::default(),
            texts: Room::of_all(),
            connections: AtomicU64::new(0),
            under_way: Arc::default(),
            history: History::default(),
            ends,
            last: Mutex::new(Instant::now()),
            idle: Notify::new(),
            stopping: CancellationToken::new(),
            restarts: Restarts::default(),
            leaving: AtomicBool::new(false),
            gives_up: AtomicBool::new(false),
        });
        Self {
            state,
            methods: table(),
            of_editors: editor::table(),
        }
    }

    /// Adopts another config, if it could be read and can be used. Its limits and registries hold for
    /// requests that begin from now on; what is under way keeps those it began with. Otherwise the
    /// config before it stays, and `server/status` says why. Blocks.
    pub fn reload(&self, config: Result<Config>) -> Result<()> {
        let adopted = config.and_then(|config| self.adopt(config));
        if let Err(error) = &adopted {
            self.report(error);
        }
        let mut reading = self.state.reading.lock();
        reading.times += 1;
        reading.error = adopted.as_ref().err().map(ToString::to_string);
        adopted
    }

    fn adopt(&self, mut config: Config) -> Result<()> {
        if let Some(problem) = config.problems().into_iter().next() {
            return Err(problem.into());
        }
        let before = self.state.settings();
        let sessions = before.sessions.under(std::mem::take(&mut config.registry));
        let (cache, memory) = if config.limits == before.config.limits {
            (Arc::clone(&before.cache), Arc::clone(&before.memory))
        } else {
            Default::default()
        };
        for key in before.config.waits(&config) {
            tracing::warn!("`{key}` in the config takes effect after a restart: `vouch restart`");
        }
        *self.state.settings.write() = Arc::new(Settings::new(config, sessions, cache, memory));
        self.state.look_ups.changed();
        Ok(())
    }

    /// Calls a method. Its id is taken until it is answered.
    pub fn call(
        &self,
        caller: &Arc<Caller>,
        id: RequestId,
        method: &str,
        params: Option<&RawValue>,
    ) -> Answer {
        let begun = self.admit(caller).and_then(|()| {
            let call = self.methods.read(method, params);
            let editor = || {
                caller
                    .opened()
                    .and_then(|_| self.of_editors.read(method, params))
            };
            let call = call.or_else(editor);
            let call = call.ok_or_else(|| failure::unknown(method))?;
            let token = call.reporting.as_ref().map(|(_, token)| token.clone());
            let (state, id) = (&self.state, id.clone());
            let begun = Request::begin(state, caller, call.declaration, id, token)?;
            Ok((call, begun))
        });
        let (call, (request, taken)) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                self.state.history.failed(method, caller, &error);
                return Answer::Now(failure(Some(id), &error));
            }
        };
        let reporting = call.reporting.map(|(title, token)| Reporting {
            title,
            token,
            progress: request.progress().clone(),
        });
        let mut response = (call.run)(Arc::new(request), id);
        if call.at_once
            && let Some(response) = (&mut response).now_or_never()
        {
            return Answer::Now(response);
        }
        Answer::Later(Pending {
            response,
            taken,
            reporting,
        })
    }

    fn admit(&self, caller: &Caller) -> Result<()> {
        if caller.has_shut_down() {
            return Err(error!(
                InvalidRequest: "this connection was shut down: it takes nothing but `exit`"
            )
            .help("Open another connection."));
        }
        if self.state.leaving.load(Ordering::Acquire) {
            return Err(error!(
                ShuttingDown: "the server was restarted, and another process serves this socket now"
            )
            .help("Connect again, and send the request again."));
        }
        if self.state.stopping.is_cancelled() {
            return Err(error!(ShuttingDown: "the server is stopping")
                .help("Send the request again once the service runs again: `vouch` starts it."));
        }
        Ok(())
    }

    /// Hears what a client notifies.
    pub fn notified(&self, caller: &Arc<Caller>, method: &str, params: Option<&RawValue>) {
        if !caller.has_shut_down() {
            editor::notified(&self.state, caller, method, params);
        }
    }

    /// Hears of a message of a client that was dropped.
    pub fn dropped(&self, caller: &Arc<Caller>, dropped: Dropped) {
        editor::dropped(&self.state, caller, dropped);
    }

    /// What is to be sent to an editor unasked; the first time.
    pub fn unsent(&self, caller: &Caller) -> Option<mpsc::Receiver<Unsent>> {
        caller.opened()?.unsent()
    }

    /// Forgets what an editor has open that is gone.
    pub fn gone(&self, caller: &Caller) {
        if let Some(opened) = caller.opened() {
            opened.close_all();
        }
    }

    /// Notes an error that did not happen in a request, for `server/status`.
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

    /// Takes over the logins that the process before this one had, or has received since.
    pub fn take_logins(&self, logins: Vec<Carried>) {
        self.state.settings().sessions.arrive(logins);
    }

    /// Waits until somebody asks the service to stop.
    pub async fn stopping(&self) {
        self.state.stopping.cancelled().await;
    }

    /// Receives the requests for a new process. Until this is called, `server/restart` is refused.
    pub fn restarts(&self) -> mpsc::Receiver<Asked> {
        self.state.restarts.listen()
    }

    /// Waits until no request is under way.
    pub async fn idle(&self) {
        until(&self.state.idle, || self.state.under_way.count() == 0).await;
    }

    /// Cancels a request of a connection, if it is under way and has not committed.
    pub fn cancel(&self, caller: &Caller, id: &RequestId) {
        self.state.under_way.cancel(caller, id);
    }

    /// The same of all requests of a connection.
    pub fn cancel_of(&self, caller: &Caller) {
        self.state.under_way.cancel_of(caller);
    }

    /// Gives up every request under way that has not committed: they answer `shuttingDown`.
    pub fn give_up(&self) {
        self.state.gives_up.store(true, Ordering::Release);
        self.state.under_way.cancel_all();
    }

    /// Waits until all answers to a connection have been handed out.
    pub async fn answered(&self, caller: &Caller) {
        self.state.under_way.answered(caller).await;
    }

    /// Counts a connection for as long as the value lives.
    pub fn connected(&self) -> Connected {
        self.state.connections.fetch_add(1, Ordering::Relaxed);
        Connected(Arc::clone(&self.state))
    }
}

/// A connection that [`Service::connected`] counts.
#[derive(Debug)]
pub struct Connected(Arc<State>);

impl Drop for Connected {
    fn drop(&mut self) {
        if self.0.connections.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.used();
        }
    }
}

/// The timer does not count the machine's sleep: look at logins again now and then.
const LOOK: Duration = Duration::from_secs(60);

impl Service {
    /// Sets when it ends, whatever its config says.
    pub fn end_when(&self, idle: Idle) {
        *self.state.ends.lock() = idle;
        self.state.idle.notify_waiters();
    }

    /// Waits until nobody has used the service for as long as its owner says.
    pub async fn unused(&self) {
        loop {
            let notified = self.state.idle.notified();
            tokio::pin!(notified);
            // Listen before looking, or the last user may go in between.
            notified.as_mut().enable();
            match self.state.left() {
                Some(Duration::ZERO) => return,
                Some(left) => {
                    // Whether the time is over or a client has gone, look again.
                    let _ = tokio::time::timeout(left.min(LOOK), notified).await;
                }
                None => notified.await,
            }
        }
    }

    /// Whether the service is still unused.
    pub fn is_unused(&self) -> bool {
        self.state.users(0).is_none()
    }

    /// The registries whose logins end with this process.
    pub fn lost_logins(&self) -> Vec<String> {
        let logins = self.state.settings().sessions.in_memory();
        logins.into_iter().map(|(registry, _)| registry).collect()
    }
}

/// The methods of this server.
fn table() -> Table {
    let table = Table::default()
        // What changes or ends a connection is answered before the next message is read.
        .at_once::<Initialize, _>(initialize::initialize)
        .at_once::<Shutdown, _>(shutdown::shutdown)
        .at_once::<ServerStatus, _>(status::status)
        .in_time::<ServerRestart, _, _>(restart::restart)
        .at_once::<ServerStop, _>(stop::stop)
        .at_once::<Discover, _>(discover::discover)
        .in_time::<Verify, _, _>(verify::verify)
        .in_time::<Inspect, _, _>(inspect::inspect)
        .in_time::<Push, _, _>(push::push)
        .in_time::<Pull, _, _>(pull::pull)
        .in_time::<Tags, _, _>(tags::tags)
        .in_time::<DocumentCheck, _, _>(document_check::check)
        .in_time::<SignPrepare, _, _>(sign_prepare::prepare)
        .in_time::<SignComplete, _, _>(sign_complete::complete)
        .in_time::<SessionLogin, _, _>(session::login)
        .at_once::<SessionLogout, _>(session::logout)
        .in_time::<SessionList, _, _>(session::list);
    #[cfg(test)]
    let table = testing::register(table);
    table
}
