//! How much memory the messages of all connections may take that are being read or under way.
//! Small ones take it for granted: whoever sends little never waits for those who send much. And
//! what takes room has to be there soon: whoever stalls does not keep it from others.

use crate::error::{Error, Result, error};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// What a message may take without asking, in bytes.
const FREE: usize = 16 << 10;
/// What all others may take together, in bytes.
const TOTAL: usize = 64 << 20;
/// How long a message may take to arrive from when it takes room on.
const ARRIVAL: Duration = Duration::from_secs(30);

/// The room that connections share.
#[derive(Debug, Clone)]
pub(super) struct Room {
    bytes: Arc<Semaphore>,
    arrival: Duration,
}

impl Default for Room {
    fn default() -> Self {
        Self::of(TOTAL, ARRIVAL)
    }
}

impl Room {
    pub(super) fn of(bytes: usize, arrival: Duration) -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(bytes)),
            arrival,
        }
    }

    /// What a message takes of it: nothing yet.
    pub(super) fn charge(&self) -> Charge {
        Charge {
            room: self.clone(),
            held: None,
            due: None,
        }
    }
}

/// What a message takes of the room; it is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    room: Room,
    held: Option<OwnedSemaphorePermit>,
    /// When a message that takes room has to be there.
    due: Option<Instant>,
}

impl Charge {
    /// Makes room for a message of that many bytes in all; `busy` if there is none.
    pub(super) fn cover(&mut self, bytes: usize) -> Result<()> {
        let held = self
            .held
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        if bytes <= FREE.max(held) {
            return Ok(());
        }
        // A buffer grows by doubling.
        let missing = bytes.next_power_of_two() - held;
        let permit = u32::try_from(missing).ok().and_then(|missing| {
            Arc::clone(&self.room.bytes)
                .try_acquire_many_owned(missing)
                .ok()
        });
        let Some(permit) = permit else {
            return Err(
                error!(Busy: "the server is reading too many long messages at once")
                    .help("Try again in a moment."),
            );
        };
        match &mut self.held {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        self.due
            .get_or_insert_with(|| Instant::now() + self.room.arrival);
        Ok(())
    }

    /// Waits for what arrives of the message; fails once it takes room and is late.
    pub(super) async fn wait<T>(&self, arriving: impl Future<Output = T>) -> Result<T> {
        let Some(due) = self.due else {
            return Ok(arriving.await);
        };
        timeout_at(due, arriving).await.map_err(|_| late())
    }
}

/// Why a message is given up that does not arrive.
pub(super) fn late() -> Error {
    error!(InvalidRequest: "the rest of a long request did not arrive within 30 s")
        .help("Send a request only once it is complete.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use vouch_protocol::ErrorKind;

    #[test]
    fn small_messages_are_free_and_long_ones_share() {
        let room = Room::of(96 << 10, ARRIVAL);
        let mut one = room.charge();
        let mut other = room.charge();
        let check = |charge: &mut Charge, bytes: usize, left: usize| {
            charge.cover(bytes).unwrap();
            assert_eq!(room.bytes.available_permits(), left << 10, "after {bytes}");
        };
        check(&mut one, FREE, 96);
        check(&mut one, FREE + 1, 64);
        check(&mut one, 32 << 10, 64);
        check(&mut one, (32 << 10) + 1, 32);
        check(&mut other, 20 << 10, 0);
        check(&mut room.charge(), FREE, 0);
        let refused = room.charge().cover(FREE + 1).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Busy);
        drop(one);
        check(&mut other, FREE, 64);
    }

    #[tokio::test]
    async fn what_takes_room_must_arrive_and_what_takes_none_may_take_its_time() {
        let room = Room::of(96 << 10, Duration::ZERO);
        let mut charge = room.charge();
        charge.wait(tokio::task::yield_now()).await.unwrap();
        charge.cover(FREE + 1).unwrap();
        let never = std::future::pending::<()>();
        let refused = charge.wait(never).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidRequest);
    }
}
