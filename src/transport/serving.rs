//! Serving a listening socket, from its first client to its end: somebody stops it, nobody has used
//! it for long, or a new process takes over. Whoever was let in is answered in each of these.

use super::{
    accept::Door,
    handover::{Given, Successor, give},
    notify,
    socket::{self, Socket},
    terms::{Patience, Terms},
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
    let terms = Terms {
        patience,
        ..Terms::default()
    };
    let door = Door::new(service, terms, most);
    let service = &door.service;
    let mut shutdown = pin!(shutdown);
    let mut asked = place.is_some().then(|| service.restarts());
    loop {
        let replaced = replaced(asked.as_mut(), &listener, place.as_ref(), service);
        tokio::select! {
            () = door.accept(&listener) => {}
            () = service.stopping() => break,
            () = &mut shutdown => break,
            () = service.unused(), if place.is_some() => {
                let goes_on = place
                    .as_mut()
                    .is_none_or(|place| goes_on(&mut listener, place, &door));
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
                door.terms.leaving.cancel();
                leave(given, &door, shutdown).await;
                return close(&door).await;
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
        for stream in late(&listener, &door) {
            door.let_in(stream);
        }
    }
    drop(listener);
    finish(service, patience).await;
    close(&door).await;
}

/// Closes all connections.
async fn close(door: &Door) {
    door.terms.closing.cancel();
    door.connections.close();
    // Each connection ends by itself; the limit is for what must not happen.
    let most = door.terms.patience.closing * 3;
    let _ = tokio::time::timeout(most, door.connections.wait()).await;
}

/// Whether a service goes on that nobody has used for long: somebody may have come in this very
/// moment. If it does not, it no longer listens.
fn goes_on(listener: &mut UnixListener, place: &mut Place, door: &Door) -> bool {
    if !door.service.is_unused() {
        return true;
    }
    // The queue of a socket that was passed stays with the manager, who starts another service.
    if place.socket.own().is_some() {
        let late = late(listener, door);
        if !late.is_empty() {
            for stream in late {
                door.let_in(stream);
            }
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
    let lost = door.service.lost_logins();
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
async fn leave(mut given: Given, door: &Door, shutdown: impl Future<Output = ()>) {
    let Door {
        service,
        terms: Terms { patience, .. },
        connections,
        ..
    } = door;
    let finished = async {
        let idle = tokio::time::timeout(patience.leaving, service.idle());
        if idle.await.is_err() {
            tracing::warn!("requests are still under way, and are given up");
            service.give_up();
        }
        // Each connection ends when it is answered, or its client takes nothing any more.
        connections.close();
        let last = patience.stalled + patience.closing;
        let _ = tokio::time::timeout(last, connections.wait()).await;
    };
    tokio::select! {
        () = finished => {}
        () = shutdown => finish(service, *patience).await,
        () = given.tell(service) => {}
    }
    if let Err(error) = given.tell_once(service).await {
        tracing::debug!(%error, "the new process has not heard the last of it");
    }
}

/// Lets what is under way finish, then gives it up.
pub(super) async fn finish(service: &Service, patience: Patience) {
    service.stop();
    if tokio::time::timeout(patience.stopping, service.idle())
        .await
        .is_err()
    {
        tracing::warn!("requests are still under way, and are given up");
        service.give_up();
        // A step that cannot be undone has begun: it shall have its chance.
        let _ = tokio::time::timeout(patience.closing, service.idle()).await;
    }
}

/// Closes a listening socket of our own. Whoever has connected is still answered.
fn late(listener: &UnixListener, door: &Door) -> Vec<UnixStream> {
    let late = socket::close(listener).into_iter();
    // One that cannot be waited for is refused, as where there are too many.
    late.filter_map(|stream| UnixStream::from_std(stream).ok())
        .filter(|stream| door.is_own(stream))
        .collect()
}
