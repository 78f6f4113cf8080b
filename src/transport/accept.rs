//! Lets clients in: those of the service's own user, and no more than there are file handles for.

use super::{
    client::{Client, refusal},
    connection,
    cut::Cut,
    framing::Framing,
    spare::Spare,
    terms::{Terms, hung_up},
};
use crate::{
    error::{Error, error, no_handles},
    service::Service,
};
use parking_lot::Mutex;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::task::TaskTracker;

/// How often connections of other users are logged, at most.
const FOREIGN: Duration = Duration::from_secs(60);

/// What it takes to let a client in.
pub(super) struct Door {
    pub(super) service: Arc<Service>,
    pub(super) terms: Terms,
    pub(super) connections: TaskTracker,
    /// The most connections at once.
    most: usize,
    /// When another user's connection was logged last, and how many came since.
    foreign: Mutex<(Option<Instant>, u64)>,
}

impl Door {
    pub(super) fn new(service: Arc<Service>, terms: Terms, most: usize) -> Self {
        Self {
            service,
            terms,
            connections: TaskTracker::new(),
            most,
            foreign: Mutex::default(),
        }
    }

    /// Lets clients in, for ever.
    pub(super) async fn accept(&self, listener: &UnixListener) {
        let mut failing = false;
        let mut full = false;
        let mut spare = Spare::new();
        loop {
            spare.renew();
            match listener.accept().await {
                Ok((stream, _)) => {
                    failing = false;
                    if !self.is_own(&stream) {
                        continue;
                    }
                    if self.connections.len() < self.most {
                        full = false;
                        self.let_in(stream);
                        continue;
                    }
                    if !full {
                        let most = self.most;
                        self.warn(&error!(Busy: "there are {most} connections; more are refused"));
                    }
                    full = true;
                    turn_away(&stream, "the server has reached its connection limit");
                }
                Err(error) => {
                    // No file handles are left, or the client was gone at once: the next may do.
                    if !failing {
                        self.warn(&error!(Io: "cannot accept a connection: {error}"));
                    }
                    failing = true;
                    if no_handles(&error)
                        && let Some(stream) = spare.accept(listener)
                    {
                        turn_away(&stream, "the server has no file handle left");
                        continue;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn warn(&self, error: &Error) {
        tracing::warn!("{error}");
        self.service.report(error);
    }

    /// Serves a client that has connected.
    pub(super) fn let_in(&self, stream: UnixStream) {
        self.connections
            .spawn(connected(stream, &self.service, &self.terms));
    }

    /// The service serves its own user only, whatever the socket's permissions have become.
    pub(super) fn is_own(&self, stream: &UnixStream) -> bool {
        let own = rustix::process::geteuid().as_raw();
        match stream.peer_cred() {
            Ok(peer) if peer.uid() == own => true,
            Ok(peer) => {
                let mut foreign = self.foreign.lock();
                foreign.1 += 1;
                // They come as often as they like, and must not fill the log.
                if foreign.0.is_none_or(|last| last.elapsed() >= FOREIGN) {
                    let (uid, connections) = (peer.uid(), foreign.1);
                    tracing::warn!(uid, connections, "connections of another user were closed");
                    *foreign = (Some(Instant::now()), 0);
                }
                false
            }
            // The client is gone already.
            Err(_) => false,
        }
    }
}

/// Says why, and closes the connection. Nobody is waited for: a new socket has room for a line.
fn turn_away(stream: &UnixStream, why: &str) {
    let error = error!(Busy: "{why}").help("Close some, or try again in a moment.");
    let (text, _) = refusal(None, &error).into_parts();
    if let Err(error) = stream.try_write(Framing::Lines.frame(text).as_bytes()) {
        tracing::debug!(%error, "a refused connection was not told why");
    }
}

/// Serves one connection to its end.
pub(super) fn connected(
    stream: UnixStream,
    service: &Arc<Service>,
    terms: &Terms,
) -> impl Future<Output = ()> + 'static {
    // From now on, not when its task first runs: the service might end in between.
    let counted = service.connected();
    let client = Client::new(Arc::clone(service), &terms.answers);
    let terms = terms.clone();
    let (input, output) = stream.into_split();
    let input = Arc::new(input);
    async move {
        let _counted = counted;
        let (answered, leaving) = (Arc::clone(&client), terms.leaving.clone());
        let looked_at = Arc::clone(&input);
        let input = Cut::when(input, async move {
            leaving.cancelled_owned().await;
            answered.all_answered().await;
        });
        let hung_up = move || hung_up((*looked_at).as_ref());
        let end = connection::run(input, output, client, terms, hung_up).await;
        tracing::debug!(?end, "a connection ended");
    }
}
