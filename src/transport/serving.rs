//! Serving a listening socket, from its first client to its end: somebody stops it, nobody has used
//! it for long, or a new process takes over. Whoever was let in is answered in each of these.

use super::{
    Patience, Terms, accept, connected,
    handover::{Given, Successor, give},
    is_own, notify,
    socket::{self, Socket},
};
use crate::{
    error::Error,
    service::{Asked, Service, Shares},
};
use std::{future::pending, os::fd::AsFd, pin::pin, sync::Arc};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::mpsc,
};
use tokio_util::task::TaskTracker;
use vouch_protocol::ErrorKind;

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

pub(super) async fn serve_with(
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
                drop(asked);
                if let Some(place) = place {
                    place.socket.leave();
                }
                terms.leaving.cancel();
                leave(given, &service, &connections, patience, shutdown).await;
                return close(&terms, &connections).await;
            }
        }
    }
    // Nobody is replaced any more: whoever still asks for it is told so.
    drop(asked);
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
pub(super) async fn finish(service: &Service, patience: Patience) {
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

/// Closes a listening socket of our own. Who has connected is answered still.
fn late(listener: &UnixListener) -> Vec<UnixStream> {
    let late = socket::close(listener).into_iter();
    // One that cannot be waited for is refused, as where there are too many.
    late.filter_map(|stream| UnixStream::from_std(stream).ok())
        .filter(is_own)
        .collect()
}
