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
mod serving;
pub mod socket;
mod spare;
pub mod stdio;
#[cfg(test)]
mod tests;

pub use serving::{Place, serve};

use crate::{
    error::{Error, no_handles},
    service::Service,
};
use connection::End;
use cut::Cut;
use dispatch::{Client, refusal};
use framing::Framing;
use room::Room;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::AsFd,
};
use spare::Spare;
use std::{sync::Arc, time::Duration};
use tokio::net::{UnixListener, UnixStream};
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

/// Whether nobody is at the other end of a socket or pipe any more. A peer that has only closed
/// its writing side is there.
fn hung_up(handle: impl AsFd) -> bool {
    let mut polled = [PollFd::new(&handle, PollFlags::empty())];
    let looked = poll(&mut polled, Some(&Timespec::default()));
    let [polled] = polled;
    looked.is_ok() && polled.revents().intersects(PollFlags::HUP | PollFlags::ERR)
}
