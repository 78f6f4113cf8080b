//! What waits to be written to a client: answers, and what is told of requests under way.

use super::dispatch::Reply;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// So many messages wait for the writer; further answers wait in their requests, which count.
pub(super) const QUEUE: usize = 16;

/// The way to the writer of a connection. It is held by whatever has something to say.
pub(super) type Queue = mpsc::Sender<Queued>;

/// A message that waits to be written.
pub(super) enum Queued {
    /// An answer, and what it takes of the room for those that are made while reading.
    Answer {
        reply: Reply,
        room: Option<OwnedSemaphorePermit>,
    },
    /// A notification. Whoever shares the mark sees whether it still waits.
    Notice { text: String, mark: Arc<()> },
}
