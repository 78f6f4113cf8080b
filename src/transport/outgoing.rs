//! What waits to be written to a client: answers, and reports of requests under way.

use super::room::Charge;
use crate::service::Taken;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// The most messages that wait for the writer; further answers wait in their requests, which
/// count against the connection.
pub(super) const QUEUE: usize = 16;

/// The way to the writer of a connection, held by whatever has something to send. Messages are
/// boxed: a channel reserves space for 32 of them, and most connections send one at a time.
pub(super) type Queue = mpsc::Sender<Box<Outgoing>>;

/// A message, with all that is given back once it is written.
pub(super) struct Outgoing {
    text: String,
    /// The ids that it answers.
    taken: Vec<Taken>,
    held: Held,
}

/// What a message holds until it is written: room among long answers to batches, room among
/// answers that were made while reading, and a mark by which others see that it still waits.
pub(super) type Held = (
    Option<Charge>,
    Option<OwnedSemaphorePermit>,
    Option<Arc<()>>,
);

impl Outgoing {
    /// An answer; its ids stay taken until it is about to be written.
    pub(super) fn answer(text: String, taken: Vec<Taken>, charge: Option<Charge>) -> Self {
        Self {
            text,
            taken,
            held: (charge, None, None),
        }
    }

    /// A notification.
    pub(super) fn notification(text: String, mark: Arc<()>) -> Self {
        Self {
            text,
            taken: Vec::new(),
            held: (None, None, Some(mark)),
        }
    }

    /// The same, holding this until it is written.
    pub(super) fn holding(mut self, unwritten: Option<OwnedSemaphorePermit>) -> Self {
        self.held.1 = unwritten;
        self
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Frees the ids, and hands out the text with what is to be held until it is written: once a
    /// client has read an answer, it may use the id again.
    pub(super) fn into_parts(self) -> (String, Held) {
        drop(self.taken);
        (self.text, self.held)
    }
}
