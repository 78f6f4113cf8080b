//! A client of vouchd, the service that lets only signed WebAssembly artifacts pass.
//!
//! ```no_run
//! # async fn example() -> Result<(), vouch_client::CallError> {
//! use vouch_client::{Client, protocol::{Verification, VerifyParams}};
//!
//! let client = Client::connect_default().await?;
//! let verification = client
//!     .verify(VerifyParams::path("/home/ann/echo.wasm"))
//!     .await?;
//! if let Verification::Refused { refusal, .. } = verification {
//!     println!("{}", refusal.message);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Client::push_with_progress`] and its like tell how far a call is:
//!
//! ```no_run
//! # async fn example(client: vouch_client::Client) -> Result<(), vouch_client::CallError> {
//! use vouch_client::protocol::{PushParams, WorkDone};
//!
//! let params = PushParams {
//!     path: "/home/ann/echo.wasm".into(),
//!     reference: "ghcr.io/acme/echo:0.3.4".into(),
//!     ..Default::default()
//! };
//! let pushed = client
//!     .push_with_progress(params, |told| {
//!         if let WorkDone::Report { percentage: Some(percentage), .. } = told {
//!             println!("{percentage} %");
//!         }
//!     })
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Client::connect_or_start`] starts the service where none listens:
//!
//! ```no_run
//! # async fn example() -> Result<(), vouch_client::CallError> {
//! use vouch_client::{Client, Start, default_socket, protocol::ClientInfo};
//!
//! let start = Start::new(ClientInfo { name: "my-editor".into(), version: Some("1.2".into()) });
//! let client = Client::connect_or_start(default_socket(), &start).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Calls run side by side on one connection. Dropping a call cancels it on the server; dropping
//! the [`Client`] closes the connection, which cancels everything that it had under way. It must
//! never wait for ever on a server that died, nor read more of a reply than a reply may be.
//!
//! It needs a Tokio runtime with input, output and time.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod cancel;
mod error;
mod lines;
mod program;
mod progress;
mod rpc;
mod sent;
mod socket;
mod start;

pub use error::{CallError, ServerError};
pub use socket::default_socket;
pub use start::{Start, StartError};
/// The types of params and results.
pub use vouch_protocol as protocol;

use jsonrpsee::core::client::ClientT;
use progress::Listeners;
use rpc::{Params, Rpc, introduce, late};
use serde_json::{Value, value::RawValue};
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    process::{Child, Command},
    sync::Semaphore,
    time::timeout,
};
use vouch_protocol::{
    ClientInfo, Exit, InitializeResult, Method, NoParams, Notification, Pull, PullParams,
    PullResult, Push, PushParams, PushResult, ServerStatus, ServerStatusResult, ServerStop,
    ServerStopResult, SessionList, SessionListResult, SessionLogin, SessionLoginParams,
    SessionLogout, SessionLogoutParams, SessionLogoutResult, SessionStatus, Shutdown, Verification,
    Verify, VerifyParams,
};

/// What a server may take to finish what is under way (ten seconds), and some more.
const GRACE: Duration = Duration::from_secs(15);

/// How often a call is made again with the next service: services are not replaced that often.
const REPLACEMENTS: u32 = 5;

/// More would be answered `busy`: see "Limits" in the specification.
const UNDER_WAY: usize = 64;

/// A connection to vouchd.
#[derive(Debug)]
pub struct Client {
    rpc: Mutex<Arc<Rpc>>,
    /// Where a connection that is replaced leads to.
    origin: Option<Origin>,
    /// Held while it is replaced.
    replacing: tokio::sync::Mutex<()>,
    under_way: Semaphore,
    listeners: Listeners,
    child: Option<Child>,
    server: Option<InitializeResult>,
}

/// Where a service is, and who asks it.
#[derive(Debug)]
struct Origin {
    path: PathBuf,
    client: ClientInfo,
}

impl Client {
    /// Connects to the service that listens on this socket. A service that runs as another user,
    /// other than root, is refused.
    pub async fn connect(path: impl AsRef<Path>) -> Result<Self, CallError> {
        let (reader, writer) = socket::connect(path.as_ref()).await?.into_split();
        Ok(Self::over(reader, writer, None))
    }

    /// Connects to the service that listens on this socket, and starts one where none does: see
    /// [`Start`] for the program. It gets this process's environment, has a session and a log file
    /// of its own, and ends by itself after half an hour without clients. Clients that come at the
    /// same time end up with one service.
    ///
    /// None is started where it is not certain that nobody listens: another user's service, a
    /// file that is no socket or a folder that may not be entered is an error, as with
    /// [`Client::connect`].
    ///
    /// The client has introduced itself ([`Client::introduce`]), and the service has answered:
    /// [`Client::server`] tells what. Where that service is replaced later (`server/restart`), calls
    /// go to the next one: one that the old service has certainly not received is made again there.
    pub async fn connect_or_start(
        path: impl AsRef<Path>,
        start: &Start,
    ) -> Result<Self, CallError> {
        let path = path.as_ref();
        let listeners = Listeners::default();
        let found = start::connect(path, start, &listeners).await?;
        Ok(Self::introduced(path, &start.client, found, listeners))
    }

    /// Connects to the service that listens on this socket, and introduces the client. A service
    /// that is on its way out is waited for, and who takes its place is taken, now and later as with
    /// [`Client::connect_or_start`]. Where nobody listens, that is an error
    /// ([`std::io::ErrorKind::NotFound`]).
    pub async fn connect_as(
        path: impl AsRef<Path>,
        client: &ClientInfo,
    ) -> Result<Self, CallError> {
        let path = path.as_ref();
        let listeners = Listeners::default();
        let found = start::settled(path, client, &listeners).await?;
        let found = found.ok_or_else(|| {
            let message = format!("no service listens on {}", path.display());
            CallError::Connection(std::io::Error::new(std::io::ErrorKind::NotFound, message))
        })?;
        Ok(Self::introduced(path, client, found, listeners))
    }

    fn introduced(
        path: &Path,
        client: &ClientInfo,
        (rpc, server): (Rpc, InitializeResult),
        listeners: Listeners,
    ) -> Self {
        Self {
            origin: Some(Origin {
                path: path.to_owned(),
                client: client.clone(),
            }),
            server: Some(server),
            ..Self::of(rpc, listeners, None)
        }
    }

    /// Introduces the client (`initialize`, which may be sent once). A service that speaks
    /// another protocol refuses; one that does not answer within 30 seconds is given up.
    pub async fn introduce(&mut self, client: ClientInfo) -> Result<&InitializeResult, CallError> {
        let answered = introduce(&self.rpc(), client).await?;
        Ok(self.server.insert(answered))
    }

    /// What the service told of itself, where the client has introduced itself.
    pub fn server(&self) -> Option<&InitializeResult> {
        self.server.as_ref()
    }

    /// Connects to the service on the [`default_socket`].
    pub async fn connect_default() -> Result<Self, CallError> {
        Self::connect(default_socket()).await
    }

    /// Runs a server of one's own, for example `vouchd --stdio`, and talks to it over its standard
    /// input and output. It is killed when the client is dropped; [`Client::shutdown`] is kinder.
    pub fn spawn(mut command: Command) -> Result<Self, CallError> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(CallError::Connection)?;
        match (child.stdout.take(), child.stdin.take()) {
            (Some(reader), Some(writer)) => Ok(Self::over(reader, writer, Some(child))),
            _ => Err(CallError::Protocol("the server has no pipes".into())),
        }
    }

    fn over<R, W>(reader: R, writer: W, child: Option<Child>) -> Self
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let listeners = Listeners::default();
        Self::of(rpc::over(reader, writer, &listeners), listeners, child)
    }

    fn of(rpc: Rpc, listeners: Listeners, child: Option<Child>) -> Self {
        Self {
            rpc: Mutex::new(Arc::new(rpc)),
            origin: None,
            replacing: tokio::sync::Mutex::default(),
            under_way: Semaphore::new(UNDER_WAY),
            listeners,
            child,
            server: None,
        }
    }

    fn rpc(&self) -> Arc<Rpc> {
        self.rpc
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Calls a method. Dropping the future cancels the call on the server.
    pub async fn call<M: Method>(&self, params: M::Params) -> Result<M::Result, CallError> {
        let result = self.send(M::NAME, Params::of(&params)?).await?;
        serde_json::from_str(result.get()).map_err(|error| {
            CallError::Protocol(format!("the result of {} is none: {error}", M::NAME))
        })
    }

    /// Calls a method by name, and takes what comes. `params` is an object, or null for none.
    pub async fn request(&self, method: &str, params: Value) -> Result<Value, CallError> {
        let result = self.send(method, Params::of(&params)?).await?;
        serde_json::from_str(result.get())
            .map_err(|error| CallError::Protocol(format!("the result of {method}: {error}")))
    }

    /// Sends a notification.
    pub async fn notify<N: Notification>(&self, params: N::Params) -> Result<(), CallError> {
        let params = Params::of(&params)?;
        Ok(self.rpc().notification(N::NAME, params).await?)
    }

    async fn send(&self, method: &str, params: Params) -> Result<Box<RawValue>, CallError> {
        // The semaphore is never closed; without a permit the server would answer `busy`.
        let _permit = self.under_way.acquire().await;
        let mut rpc = self.rpc();
        let mut replacements = 0;
        loop {
            match rpc.request(method, params.clone()).await {
                Err(error) if sent::may_be_made_again(&error) && replacements < REPLACEMENTS => {
                    rpc = match self.replaced(&rpc).await {
                        Some(next) => next,
                        None => return Err(error.into()),
                    };
                    replacements += 1;
                }
                answered => return Ok(answered?),
            }
        }
    }

    /// The connection to the service that took the place of the one at the other end of `ended`.
    async fn replaced(&self, ended: &Arc<Rpc>) -> Option<Arc<Rpc>> {
        let origin = self.origin.as_ref()?;
        let _turn = self.replacing.lock().await;
        let now = self.rpc();
        if !Arc::ptr_eq(&now, ended) {
            return Some(now);
        }
        // What fails here says less than the error that led here.
        let found = start::settled(&origin.path, &origin.client, &self.listeners).await;
        let (rpc, _) = found.ok()??;
        let rpc = Arc::new(rpc);
        *self.rpc.lock().unwrap_or_else(PoisonError::into_inner) = rpc.clone();
        Some(rpc)
    }

    /// Judges an artifact by the signature rule. A refused artifact is a result, not an error.
    pub async fn verify(&self, params: VerifyParams) -> Result<Verification, CallError> {
        self.call::<Verify>(params).await
    }

    /// Verifies a file and publishes it.
    pub async fn push(&self, params: PushParams) -> Result<PushResult, CallError> {
        self.call::<Push>(params).await
    }

    /// Fetches an artifact, verifies it and places it.
    pub async fn pull(&self, params: PullParams) -> Result<PullResult, CallError> {
        self.call::<Pull>(params).await
    }

    /// Checks a login with its registry and has the server keep it.
    pub async fn login(&self, params: SessionLoginParams) -> Result<SessionStatus, CallError> {
        self.call::<SessionLogin>(params).await
    }

    /// Forgets a login that [`Client::login`] had kept, and ends what is under way with it.
    pub async fn logout(
        &self,
        registry: impl Into<String>,
    ) -> Result<SessionLogoutResult, CallError> {
        let registry = registry.into();
        self.call::<SessionLogout>(SessionLogoutParams { registry })
            .await
    }

    /// Lists the logins that the server keeps or uses.
    pub async fn sessions(&self) -> Result<SessionListResult, CallError> {
        self.call::<SessionList>(NoParams {}).await
    }

    /// Tells what the server is doing.
    pub async fn status(&self) -> Result<ServerStatusResult, CallError> {
        self.call::<ServerStatus>(NoParams {}).await
    }

    /// Stops the server, whoever else it serves.
    pub async fn stop(&self) -> Result<ServerStopResult, CallError> {
        self.call::<ServerStop>(NoParams {}).await
    }

    /// Ends the connection in good order: what is under way may finish. A server of one's own
    /// ([`Client::spawn`]) has then ended; one that takes more than 15 seconds is killed.
    pub async fn shutdown(self) -> Result<(), CallError> {
        let asked = timeout(GRACE, async {
            self.call::<Shutdown>(NoParams {}).await?;
            self.notify::<Exit>(NoParams {}).await?;
            // The notification is only on its way until the server has closed the connection.
            self.rpc().on_disconnect().await;
            Ok(())
        })
        .await
        .unwrap_or_else(|_| Err(late("the server did not end the connection")));
        let Self { rpc, child, .. } = self;
        drop(rpc);
        let Some(mut child) = child else {
            return asked;
        };
        match timeout(GRACE, child.wait()).await {
            Ok(Ok(status)) if status.success() => asked,
            Ok(Ok(status)) => asked.and(Err(CallError::Protocol(format!(
                "the server ended with {status}"
            )))),
            Ok(Err(error)) => Err(CallError::Connection(error)),
            Err(_) => {
                child.kill().await.map_err(CallError::Connection)?;
                asked.and(Err(late("the server did not end and was killed")))
            }
        }
    }
}
