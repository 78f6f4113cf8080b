//! How clients reach the service: framings, connections, the socket, stdio and HTTP. A client
//! that is malformed, slow, greedy or gone must cost nobody but itself.

mod connection;
mod cut;
mod dispatch;
mod framing;
pub mod handover;
mod http;
mod message;
pub mod notify;
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
    service::{Asked, Service, Shares},
};
use connection::End;
use cut::Cut;
use dispatch::{Client, refusal};
use framing::Framing;
use handover::{Given, Successor, give};
use room::Room;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::AsFd,
};
use socket::Socket;
use spare::Spare;
use std::{future::pending, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::mpsc,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vouch_protocol::ErrorKind;

/// How long clients and requests are waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// With a client that takes nothing of what it is sent.
    stalled: Duration,
    /// With requests under way when the service is asked to stop.
    stopping: Duration,
    /// With requests under way when another process has taken over.
    leaving: Duration,
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
            leaving: Duration::from_secs(60 * 60),
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
    /// Is cancelled when another process has taken over: connections end when they are answered.
    leaving: CancellationToken,
    /// For long messages, and for long answers to batches.
    room: Room,
    answers: Room,
}

/// Where a service listens, and how to start the one that takes over.
#[derive(Debug)]
pub struct Place {
    /// The listening socket's place in the file system.
    pub socket: Socket,
    /// What takes over at a restart.
    pub successor: Successor,
}

/// Serves a listening socket until `shutdown` is ready or a client asks the service to stop; then
/// lets what is under way finish for a while, and closes all connections. With a place, it can be
/// taken over by a new process, and ends by itself where the config says so.
pub async fn serve(
    listener: UnixListener,
    place: Option<Place>,
    service: Arc<Service>,
    shutdown: impl Future<Output = ()>,
) {
    // A handle each.
    let most = usize::try_from(Shares::of_this_process().connections).unwrap_or(usize::MAX);
    serve_with(
        Patience::default(),
        most,
        listener,
        place,
        service,
        shutdown,
    )
    .await;
}

async fn serve_with(
    patience: Patience,
    most: usize,
    mut listener: UnixListener,
    mut place: Option<Place>,
    service: Arc<Service>,
    shutdown: impl Future<Output = ()>,
) {
    let connections = TaskTracker::new();
    let terms = Terms {
        patience,
        ..Terms::default()
    };
    let mut shutdown = pin!(shutdown);
    let mut asked = place.is_some().then(|| service.restarts());
    loop {
        let replaced = replaced(asked.as_mut(), &listener, place.as_ref(), &service);
        tokio::select! {
            () = accept(&listener, &service, &terms, most, &connections) => {}
            () = service.stopping() => break,
            () = &mut shutdown => break,
            () = service.unused(), if place.is_some() => {
                let goes_on = place.as_mut().is_none_or(|place| {
                    end_unused(&mut listener, place, |late| {
                        connections.spawn(connected(late, &service, &terms));
                    }, &service)
                });
                if !goes_on {
                    break;
                }
            }
            given = replaced => {
                drop(listener);
                if let Some(place) = place {
                    place.socket.leave();
                }
                terms.leaving.cancel();
                leave(given, &service, &connections, patience, shutdown).await;
                return close(&terms, &connections).await;
            }
        }
    }
    notify::stopping();
    // Whoever connects now shall fail at once instead of waiting.
    if place
        .as_ref()
        .is_some_and(|place| place.socket.own().is_some())
    {
        for stream in late(&listener) {
            connections.spawn(connected(stream, &service, &terms));
        }
    }
    drop(listener);
    finish(&service, patience).await;
    close(&terms, &connections).await;
}

/// Closes all connections.
async fn close(terms: &Terms, connections: &TaskTracker) {
    terms.closing.cancel();
    connections.close();
    // Each connection ends by itself; the limit is for what must not happen.
    let _ = tokio::time::timeout(terms.patience.closing * 3, connections.wait()).await;
}

/// Ends the listening, as nobody has used the service for long, and answers whether it goes on:
/// somebody may have come in this very moment.
fn end_unused(
    listener: &mut UnixListener,
    place: &mut Place,
    serve: impl Fn(UnixStream),
    service: &Service,
) -> bool {
    if !service.is_unused() {
        return true;
    }
    // The queue of a socket that was passed stays with the manager, who starts another service.
    if place.socket.own().is_some() {
        let late = late(listener);
        if !late.is_empty() {
            late.into_iter().for_each(serve);
            let again = place.socket.listen_again().and_then(|again| {
                again
                    .set_nonblocking(true)
                    .and_then(|()| UnixListener::from_std(again))
                    .map_err(|error| Error::new(ErrorKind::Io, error.to_string()))
            });
            return match again {
                Ok(again) => {
                    *listener = again;
                    true
                }
                Err(error) => {
                    tracing::error!(%error, "cannot go on listening");
                    false
                }
            };
        }
    }
    let lost = service.lost_logins();
    if lost.is_empty() {
        tracing::info!("nobody has used it for long: it ends by itself");
    } else {
        let registries = lost.join(", ");
        tracing::warn!(
            registries,
            "nobody has used it for long: it ends, and logins with it"
        );
    }
    false
}

/// Waits until a new process has taken over, for ever where none may.
async fn replaced(
    asked: Option<&mut mpsc::Receiver<Asked>>,
    listener: &UnixListener,
    place: Option<&Place>,
    service: &Service,
) -> Given {
    let (Some(asked), Some(place)) = (asked, place) else {
        return pending().await;
    };
    while let Some(Asked { progress, answer }) = asked.recv().await {
        let Place { socket, successor } = place;
        match give(successor, listener.as_fd(), socket, service, &progress).await {
            Ok((new, given)) => {
                let (process, version) = (new.process_id, &new.version);
                tracing::info!(process, version, "a new process has taken over");
                service.leave();
                // Nobody waits for it if the client has gone.
                let _ = answer.send(Ok(new));
                return given;
            }
            Err(error) => {
                tracing::warn!(%error, "no new process has taken over");
                let _ = answer.send(Err(error));
            }
        }
    }
    pending().await
}

/// Finishes what is under way while another process serves the socket.
async fn leave(
    mut given: Given,
    service: &Service,
    connections: &TaskTracker,
    patience: Patience,
    shutdown: impl Future<Output = ()>,
) {
    let finished = async {
        let idle = tokio::time::timeout(patience.leaving, service.idle());
        if idle.await.is_err() {
            tracing::warn!("requests were still under way, and are cancelled");
            service.cancel_all();
        }
        // Each connection ends when it is answered, or its client takes nothing any more.
        connections.close();
        let last = patience.stalled + patience.closing;
        let _ = tokio::time::timeout(last, connections.wait()).await;
    };
    tokio::select! {
        () = finished => {}
        () = shutdown => finish(service, patience).await,
        () = given.tell(service) => {}
    }
    if let Err(error) = given.tell_once(service).await {
        tracing::debug!(%error, "the new process has not heard the last of it");
    }
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
                        let message = format!("there are {most} connections; more are refused");
                        tracing::warn!("{message}");
                        service.report(&Error::new(ErrorKind::Busy, message));
                    }
                    full = true;
                    turn_away(&stream, "the server has all the connections that it takes");
                }
            }
            Err(error) => {
                // No file handles are left, or the client was gone at once: the next may do.
                if !failing {
                    let message = format!("cannot accept a connection: {error}");
                    tracing::warn!("{message}");
                    service.report(&Error::new(ErrorKind::Io, message));
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
    // From now on, not when its task first runs: the service might end in between.
    let counted = service.connected();
    let client = Client::new(Arc::clone(service), terms.answers.clone());
    let terms = terms.clone();
    let (input, output) = stream.into_split();
    async move {
        let _counted = counted;
        let (answered, leaving) = (Arc::clone(&client), terms.leaving.clone());
        let input = Cut::when(input, async move {
            leaving.cancelled_owned().await;
            answered.is_answered().await;
        });
        let input = framing::buffered(input);
        let hung_up = |input: &Cut<_>| hung_up(input.stream());
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

/// Closes a listening socket of our own. Who has connected is answered still.
fn late(listener: &UnixListener) -> Vec<UnixStream> {
    let late = socket::close(listener).into_iter();
    // One that cannot be waited for is refused, as where there are too many.
    late.filter_map(|stream| UnixStream::from_std(stream).ok())
        .filter(is_own)
        .collect()
}

/// Whether nobody is at the other end of a socket or pipe any more. A peer that has only closed
/// its writing side is there.
fn hung_up(handle: impl AsFd) -> bool {
    let mut polled = [PollFd::new(&handle, PollFlags::empty())];
    let looked = poll(&mut polled, Some(&Timespec::default()));
    let [polled] = polled;
    looked.is_ok() && polled.revents().intersects(PollFlags::HUP | PollFlags::ERR)
}
