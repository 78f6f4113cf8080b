//! The client: a connection, calls on it, and what becomes of them when the service is replaced.

use crate::{
    error::CallError,
    listeners::Listeners,
    rpc::{self, Params, Rpc, introduce, late},
    sent, socket,
    socket::default_socket,
    start::{self, Start},
};
use jsonrpsee::core::client::ClientT;
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
    time::{sleep, timeout},
};
use vouch_protocol::{
    ClientInfo, DocumentCheck, DocumentCheckParams, DocumentCheckResult, Exit, InitializeResult,
    Method, NoParams, Notification, Pull, PullParams, PullResult, Push, PushParams, PushResult,
    ServerStatus, ServerStatusResult, ServerStop, ServerStopResult, SessionList, SessionListResult,
    SessionLogin, SessionLoginParams, SessionLogout, SessionLogoutParams, SessionLogoutResult,
    SessionStatus, Shutdown, Verify, VerifyParams, VerifyResult,
};

/// A server has ten seconds to finish what is under way; this is a little more.
const GRACE: Duration = Duration::from_secs(15);

/// How often a call is retried with the next service: services are not replaced that often.
const REPLACEMENTS: u32 = 5;

/// How long a call waits before it is made once more, where the server was busy.
const BUSY_PAUSE: Duration = Duration::from_millis(250);

/// More would be answered `busy`: see "Limits" in the specification.
const UNDER_WAY: usize = 64;

/// A connection to vouchd. [The crate's page](crate) shows how to use it.
#[derive(Debug)]
pub struct Client {
    rpc: Mutex<Arc<Rpc>>,
    /// Where the next connection goes when this one's service has been replaced.
    origin: Option<Origin>,
    /// Held while the connection is being replaced.
    replacing: tokio::sync::Mutex<()>,
    under_way: Semaphore,
    pub(crate) listeners: Listeners,
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

    /// Connects to the service that listens on this socket, and starts one if none does: see
    /// [`Start`] for the program. The service gets this process's environment, has a session and a
    /// log file of its own, and ends after half an hour without clients. Clients that start at the
    /// same time share one service.
    ///
    /// None is started unless it is certain that nobody listens: another user's service, a file
    /// that is not a socket, or a folder that may not be entered is an error, as with
    /// [`Client::connect`].
    ///
    /// The client has introduced itself ([`Client::introduce`]); [`Client::server`] is what the
    /// service answered. When that service is replaced later (`server/restart`), calls go to the
    /// next one, and a call that the old service certainly did not receive is repeated there.
    pub async fn connect_or_start(
        path: impl AsRef<Path>,
        start: &Start,
    ) -> Result<Self, CallError> {
        let path = path.as_ref();
        let listeners = Listeners::default();
        let found = start::connect(path, start, &listeners).await?;
        Ok(Self::introduced(path, &start.client, found, listeners))
    }

    /// Connects to the service that listens on this socket, and introduces the client. If that
    /// service is just ending, the client waits for its successor, now and later, as with
    /// [`Client::connect_or_start`]. That nobody listens is an error
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
    /// another protocol refuses. One that does not answer within 30 seconds is an error.
    pub async fn introduce(&mut self, client: ClientInfo) -> Result<&InitializeResult, CallError> {
        let answered = introduce(&self.rpc(), client).await?;
        Ok(self.server.insert(answered))
    }

    /// What the service said of itself, once the client has introduced itself.
    pub fn server(&self) -> Option<&InitializeResult> {
        self.server.as_ref()
    }

    /// Connects to the service on the [`default_socket`].
    pub async fn connect_default() -> Result<Self, CallError> {
        Self::connect(default_socket()).await
    }

    /// Runs a server for this client alone, for example `vouchd --stdio`, and talks to it over its
    /// standard input and output. Dropping the client kills it; [`Client::shutdown`] ends it in good
    /// order.
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
        rpc::read(M::NAME, &result)
    }

    /// Calls a method by name. `params` is an object, or null for none; the result is what the
    /// server sent.
    pub async fn request(&self, method: &str, params: Value) -> Result<Value, CallError> {
        let result = self.send(method, Params::of(&params)?).await?;
        rpc::read(method, &result)
    }

    /// Sends a notification.
    pub async fn notify<N: Notification>(&self, params: N::Params) -> Result<(), CallError> {
        let params = Params::of(&params)?;
        Ok(self.rpc().notification(N::NAME, params).await?)
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        params: Params,
    ) -> Result<Box<RawValue>, CallError> {
        // The semaphore is never closed; without a permit the server would answer `busy`.
        let _permit = self.under_way.acquire().await;
        let mut rpc = self.rpc();
        let mut replacements = 0;
        let mut was_busy = false;
        loop {
            match rpc.request(method, params.clone()).await {
                Err(error) if sent::is_busy(&error) && !was_busy => {
                    was_busy = true;
                    sleep(BUSY_PAUSE).await;
                }
                Err(error) if sent::may_be_retried(&error) && replacements < REPLACEMENTS => {
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

    /// The connection to the service that replaced the one at the other end of `ended`.
    async fn replaced(&self, ended: &Arc<Rpc>) -> Option<Arc<Rpc>> {
        let origin = self.origin.as_ref()?;
        let _turn = self.replacing.lock().await;
        let now = self.rpc();
        if !Arc::ptr_eq(&now, ended) {
            return Some(now);
        }
        // The error that led here says more than one from here would.
        let found = start::settled(&origin.path, &origin.client, &self.listeners).await;
        let (rpc, _) = found.ok()??;
        let rpc = Arc::new(rpc);
        *self.rpc.lock().unwrap_or_else(PoisonError::into_inner) = rpc.clone();
        Some(rpc)
    }

    /// Judges an artifact by the signature rule. A refused artifact is a result, not an error.
    pub async fn verify(&self, params: VerifyParams) -> Result<VerifyResult, CallError> {
        self.call::<Verify>(params).await
    }

    /// Finds the references in a document, and judges what they name. A refused artifact is a part
    /// of the result, not an error.
    pub async fn document_check(
        &self,
        params: DocumentCheckParams,
    ) -> Result<DocumentCheckResult, CallError> {
        self.call::<DocumentCheck>(params).await
    }

    /// Verifies a file and publishes it.
    pub async fn push(&self, params: PushParams) -> Result<PushResult, CallError> {
        self.call::<Push>(params).await
    }

    /// Fetches an artifact, verifies it, and gives it its name.
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

    /// Lists the logins that the server keeps or has used.
    pub async fn sessions(&self) -> Result<SessionListResult, CallError> {
        self.call::<SessionList>(NoParams {}).await
    }

    /// What the server is doing.
    pub async fn status(&self) -> Result<ServerStatusResult, CallError> {
        self.call::<ServerStatus>(NoParams {}).await
    }

    /// Stops the server, whoever else it serves.
    pub async fn stop(&self) -> Result<ServerStopResult, CallError> {
        self.call::<ServerStop>(NoParams {}).await
    }

    /// Ends the connection in good order: what is under way may finish. A server of this client's
    /// own ([`Client::spawn`]) has ended then; one that takes more than 15 seconds is killed.
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
