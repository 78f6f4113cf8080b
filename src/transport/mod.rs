//! How clients reach the service: framings, connections, the socket, stdio and HTTP. A client
//! that is malformed, slow, greedy or gone must cost nobody but itself.

mod connection;
mod dispatch;
mod framing;
mod http;
mod message;
mod patient;
mod queue;
mod reports;
mod room;
pub mod socket;
mod spare;
pub mod stdio;
#[cfg(test)]
mod tests;

use crate::{
    error::{Error, no_handles},
    service::{Service, Shares},
};
use connection::End;
use dispatch::{Client, refusal};
use framing::Framing;
use room::Room;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::AsFd,
};
use spare::Spare;
use std::{sync::Arc, time::Duration};
use tokio::net::{UnixListener, UnixStream, unix::OwnedReadHalf};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vouch_protocol::ErrorKind;

/// How long clients and requests are waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// With a client that takes nothing of what it is sent.
    stalled: Duration,
    /// With requests under way when the service is asked to stop.
    stopping: Duration,
    /// With answers that are left to write when a connection is closed.
    closing: Duration,
    /// With a client of HTTP that does not say what it wants.
    silent: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            stalled: Duration::from_secs(30),
            stopping: Duration::from_secs(10),
            closing: Duration::from_secs(1),
            silent: Duration::from_secs(30),
        }
    }
}

/// What all connections have in common.
#[derive(Debug, Clone, Default)]
struct Terms {
    patience: Patience,
    /// Is cancelled when the service closes its connections.
    closing: CancellationToken,
    /// For long messages, and for long answers to batches.
    room: Room,
    answers: Room,
}

/// Serves a listening socket until `shutdown` is ready or a client asks the service to stop; then
/// lets what is under way finish for a while, and closes all connections.
pub async fn serve(
    listener: UnixListener,
    service: Arc<Service>,
    shutdown: impl Future<Output = ()>,
) {
    // A handle each.
    let most = usize::try_from(Shares::of_this_process().connections).unwrap_or(usize::MAX);
    serve_with(Patience::default(), most, listener, service, shutdown).await;
}

async fn serve_with(
    patience: Patience,
    most: usize,
    listener: UnixListener,
    service: Arc<Service>,
    shutdown: impl Future<Output = ()>,
) {
    let connections = TaskTracker::new();
    let terms = Terms {
        patience,
        ..Terms::default()
    };
    let accepting = accept(&listener, &service, &terms, most, &connections);
    tokio::select! {
        () = accepting => {}
        () = service.stopping() => {}
        () = service.unused() => tracing::info!("nobody uses it; it ends by itself"),
        () = shutdown => {}
    }
    // Whoever connects now shall fail at once instead of waiting.
    drop(listener);
    finish(&service, patience).await;
    terms.closing.cancel();
    connections.close();
    // Each connection ends by itself; the limit is for what must not happen.
    let _ = tokio::time::timeout(patience.closing * 3, connections.wait()).await;
}

/// Lets what is under way finish, then cancels it.
async fn finish(service: &Service, patience: Patience) {
    service.stop();
    if tokio::time::timeout(patience.stopping, service.idle())
        .await
        .is_err()
    {
        tracing::warn!("requests were still under way, and are cancelled");
        service.cancel_all();
        // A step that cannot be undone has begun: it shall have its chance.
        let _ = tokio::time::timeout(patience.closing, service.idle()).await;
    }
}

async fn accept(
    listener: &UnixListener,
    service: &Arc<Service>,
    terms: &Terms,
    most: usize,
    connections: &TaskTracker,
) {
    let mut failing = false;
    let mut full = false;
    let mut spare = Spare::new();
    loop {
        spare.renew();
        match listener.accept().await {
            Ok((stream, _)) => {
                failing = false;
                if !is_own(&stream) {
                    continue;
                }
                if connections.len() < most {
                    full = false;
                    connections.spawn(connected(stream, service, terms));
                } else {
                    if !full {
                        tracing::warn!(most, "there are too many connections; more are refused");
                    }
                    full = true;
                    turn_away(&stream, "the server has all the connections that it takes");
                }
            }
            Err(error) => {
                // No file handles are left, or the client was gone at once: the next may do.
                if !failing {
                    tracing::warn!(%error, "cannot accept a connection");
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

/// Says why, and closes the connection. Nobody is waited for: a new socket takes a line.
fn turn_away(stream: &UnixStream, why: &str) {
    let error = Error::new(ErrorKind::Busy, why).help("Close some, or try again in a moment.");
    let line = Framing::Lines.frame(refusal(None, error).into_text());
    if let Err(error) = stream.try_write(line.as_bytes()) {
        tracing::debug!(%error, "a refused connection was not told why");
    }
}

/// The service serves its own user only, whatever the socket's permissions have become.
fn is_own(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) if peer.uid() == own => true,
        Ok(peer) => {
            tracing::warn!(uid = peer.uid(), "another user's connection was closed");
            false
        }
        // The client is gone already.
        Err(_) => false,
    }
}

fn connected(
    stream: UnixStream,
    service: &Arc<Service>,
    terms: &Terms,
) -> impl Future<Output = ()> + 'static {
    let service = Arc::clone(service);
    let terms = terms.clone();
    let (input, output) = stream.into_split();
    async move {
        let _connected = service.connected();
        let client = Client::new(Arc::clone(&service), terms.answers.clone());
        let input = framing::buffered(input);
        let hung_up = |input: &OwnedReadHalf| hung_up(input.as_ref() as &UnixStream);
        let end = connection::run(input, output, client, terms, hung_up).await;
        tracing::debug!(?end, "a connection ended");
    }
}

/// What [`stdio::serve`] ended with.
fn exit_code(end: End) -> u8 {
    match end {
        End::Input
        | End::Closed
        | End::Exit {
            after_shutdown: true,
        } => 0,
        End::Exit {
            after_shutdown: false,
        }
        | End::Broken => 1,
    }
}

/// Whether nobody is at the other end of a socket or pipe any more. A peer that has only closed
/// its writing side is there.
fn hung_up(handle: impl AsFd) -> bool {
    let mut polled = [PollFd::new(&handle, PollFlags::empty())];
    let looked = poll(&mut polled, Some(&Timespec::default()));
    let [polled] = polled;
    looked.is_ok() && polled.revents().intersects(PollFlags::HUP | PollFlags::ERR)
}
