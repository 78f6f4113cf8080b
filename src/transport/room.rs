//! How much memory the messages of all connections may take that are being read or under way.
//! Small ones take it for granted: whoever sends little never waits for those who send much. And
//! what takes room has to be there soon: whoever stalls does not keep it from others. Nor does one
//! connection: of several messages it gets half of the room at most, and none of the last quarter.

use crate::error::{Error, Result, error};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
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
    total: usize,
    arrival: Duration,
}

/// What one connection has of it.
#[derive(Debug, Clone)]
pub(super) struct Share {
    room: Room,
    taken: Arc<AtomicUsize>,
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
            total: bytes,
            arrival,
        }
    }

    /// For another connection.
    pub(super) fn share(&self) -> Share {
        Share {
            room: self.clone(),
            taken: Arc::default(),
        }
    }

    /// What the only message of another connection takes of it: nothing yet.
    pub(super) fn charge(&self) -> Charge {
        self.share().charge()
    }
}

impl Share {
    /// What a message takes of it: nothing yet.
    pub(super) fn charge(&self) -> Charge {
        Charge {
            share: self.clone(),
            held: None,
            due: None,
        }
    }

    /// Whether a message that holds so much may take more, as far as the connection's others go.
    fn is_fair(&self, held: usize, more: usize) -> bool {
        let others = self.taken.load(Ordering::Relaxed).saturating_sub(held);
        let Room { bytes, total, .. } = &self.room;
        let stays_half = others + held + more <= total / 2;
        others == 0 || stays_half && bytes.available_permits() >= more + total / 4
    }
}

/// What a message takes of the room; it is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    share: Share,
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
        if !self.share.is_fair(held, missing) {
            return Err(
                error!(Busy: "the connection has too many long messages under way at once")
                    .help("Wait for an answer before you send another."),
            );
        }
        let room = &self.share.room;
        let permit = u32::try_from(missing)
            .ok()
            .and_then(|missing| Arc::clone(&room.bytes).try_acquire_many_owned(missing).ok());
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
        self.share.taken.fetch_add(missing, Ordering::Relaxed);
        self.due
            .get_or_insert_with(|| Instant::now() + room.arrival);
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

impl Drop for Charge {
    fn drop(&mut self) {
        let held = self.held.as_ref();
        let held = held.map_or(0, OwnedSemaphorePermit::num_permits);
        self.share.taken.fetch_sub(held, Ordering::Relaxed);
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

    #[test]
    fn no_connection_takes_all_of_it() {
        let room = Room::of(1 << 20, ARRIVAL);
        let one = room.share();
        let check = |charge: &mut Charge, kib: usize, expected: bool| {
            assert_eq!(charge.cover(kib << 10).is_ok(), expected, "{kib}");
        };
        let mut first = one.charge();
        check(&mut first, 256, true);
        let mut second = one.charge();
        check(&mut second, 128, true);
        // It grows, as any message does.
        check(&mut second, 256, true);
        check(&mut one.charge(), 17, false);
        let mut others = [room.charge(), room.charge()];
        check(&mut others[0], 256, true);
        drop(second);
        // The last quarter is for those who have nothing.
        check(&mut others[1], 256, true);
        check(&mut one.charge(), 128, false);
        check(&mut room.charge(), 256, true);
        drop(others);
        check(&mut one.charge(), 256, true);
        drop(first);
        // What is alone may be as long as there is room.
        check(&mut one.charge(), 1024, true);
        assert_eq!(one.taken.load(Ordering::Relaxed), 0);
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
