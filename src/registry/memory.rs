//! How much memory all may take together that is fetched beside artifacts.
//!
//! A search has some bytes of its own, which is more than honest publishers need. For more it takes
//! one of a few rooms, once, and gives it back with the last of what it fetched. Whoever has a room
//! waits for nobody else's, so every wait ends: holders are bounded in time, and waiting is.
//! One registry has at most half of the rooms, however many searches there are.

use crate::{
    error::{Error, Result, error},
    progress::Progress,
};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, LazyLock, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{Mutex as Turnstile, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use vouch_protocol::ErrorKind;

/// What one search may take without a room, in bytes. How many searches there are at once is
/// bounded by the turns that the service gives.
pub(crate) const FREE: usize = 256 << 10;
/// What one may take with a room: all that it may keep, and what it reads on the way.
pub(crate) const ROOM: usize = 12 << 20;
/// How many rooms there are.
const ROOMS: usize = 4;
/// How many of them one registry may have.
const OF_ONE: usize = ROOMS / 2;
/// How long to wait for a room.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What searches share.
#[derive(Debug)]
pub(crate) struct Share {
    rooms: Arc<Semaphore>,
    /// The rooms of each registry that has some.
    places: Mutex<BTreeMap<String, Weak<Semaphore>>>,
    held: AtomicUsize,
    /// The most that was held.
    most: AtomicUsize,
}

static OF_THE_PROCESS: LazyLock<Arc<Share>> = LazyLock::new(|| Arc::new(Share::new()));

impl Share {
    fn new() -> Self {
        Self {
            rooms: Arc::new(Semaphore::new(ROOMS)),
            places: Mutex::default(),
            held: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }

    fn rooms_of(&self, place: &str) -> Arc<Semaphore> {
        let mut places = self.places.lock();
        if let Some(rooms) = places.get(place).and_then(Weak::upgrade) {
            return rooms;
        }
        places.retain(|_, rooms| rooms.strong_count() > 0);
        let rooms = Arc::new(Semaphore::new(OF_ONE));
        places.insert(place.to_owned(), Arc::downgrade(&rooms));
        rooms
    }

    fn count(&self, bytes: usize) {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.most.fetch_max(held, Ordering::Relaxed);
    }

    /// The most that all searches of this process have held at once, in bytes.
    #[cfg(test)]
    pub(crate) fn most() -> usize {
        OF_THE_PROCESS.most.load(Ordering::Relaxed)
    }
}

/// A room: given back when it is dropped.
#[derive(Debug)]
struct Room {
    _of_place: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// What one search holds of the share.
#[derive(Debug)]
pub(crate) struct Memory {
    share: Arc<Share>,
    place: String,
    held: AtomicUsize,
    /// Its room, as long as something is in it.
    room: Turnstile<Weak<Room>>,
    /// Whether it has waited for one in vain: it does not do so for each thing that it fetches.
    gave_up: AtomicBool,
}

impl Memory {
    /// Of a search at a registry or in a layout.
    pub(crate) fn at(place: &str) -> Arc<Self> {
        Self::of(&OF_THE_PROCESS, place)
    }

    fn of(share: &Arc<Share>, place: &str) -> Arc<Self> {
        Arc::new(Self {
            share: Arc::clone(share),
            place: place.to_owned(),
            held: AtomicUsize::new(0),
            room: Turnstile::default(),
            gave_up: AtomicBool::new(false),
        })
    }

    /// Bytes that need no room; nothing where these would.
    pub(crate) fn free(self: &Arc<Self>, bytes: usize) -> Option<Charge> {
        let more = |held: usize| held.checked_add(bytes).filter(|held| *held <= FREE);
        let order = Ordering::Relaxed;
        self.held.fetch_update(order, order, more).ok()?;
        Some(self.counted(bytes, None))
    }

    /// Makes sure that bytes may be held; waits for a room where they need one.
    pub(crate) async fn charge(self: &Arc<Self>, bytes: usize) -> Result<Charge> {
        if let Some(charge) = self.free(bytes) {
            return Ok(charge);
        }
        let patience = if self.gave_up.load(Ordering::Relaxed) {
            Duration::ZERO
        } else {
            PATIENCE
        };
        let room = timeout(patience, self.room()).await;
        let room = room.map_err(|_| {
            self.gave_up.store(true, Ordering::Relaxed);
            let seconds = PATIENCE.as_secs();
            error!(Busy: "the request waited {seconds} s for memory: too many others fetch large \
                          signatures")
            .help("Try again later; `vouch status` shows what is under way.")
        })??;
        let more = |held: usize| held.checked_add(bytes).filter(|held| *held <= ROOM);
        let order = Ordering::Relaxed;
        let charged = self.held.fetch_update(order, order, more);
        charged.map_err(|_| {
            let what = format!("what lies beside the artifact takes more than {ROOM} bytes");
            Error::new(ErrorKind::TooLarge, what)
        })?;
        Ok(self.counted(bytes, Some(room)))
    }

    /// As [`charge`](Self::charge), on a blocking thread, until the request is given up.
    pub(crate) fn wait(
        self: &Arc<Self>,
        runtime: &Handle,
        progress: &Progress,
        bytes: usize,
    ) -> Result<Charge> {
        if let Some(charge) = self.free(bytes) {
            return Ok(charge);
        }
        runtime.block_on(async {
            tokio::select! {
                () = progress.stopped() => Err(Error::cancelled()),
                charge = self.charge(bytes) => charge,
            }
        })
    }

    async fn room(&self) -> Result<Arc<Room>> {
        let mut known = self.room.lock().await;
        if let Some(room) = known.upgrade() {
            return Ok(room);
        }
        let lost = |_| Error::new(ErrorKind::Internal, "the rooms are lost");
        let of_place = self.share.rooms_of(&self.place).acquire_owned().await;
        let of_all = Arc::clone(&self.share.rooms).acquire_owned().await;
        let room = Arc::new(Room {
            _of_place: of_place.map_err(lost)?,
            _of_all: of_all.map_err(lost)?,
        });
        *known = Arc::downgrade(&room);
        Ok(room)
    }

    fn counted(self: &Arc<Self>, bytes: usize, room: Option<Arc<Room>>) -> Charge {
        self.share.count(bytes);
        Charge {
            memory: Arc::clone(self),
            bytes,
            _room: room,
        }
    }
}

/// Bytes that are held; given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    memory: Arc<Memory>,
    bytes: usize,
    _room: Option<Arc<Room>>,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.memory.held.fetch_sub(self.bytes, Ordering::Relaxed);
        let held = &self.memory.share.held;
        held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    /// What is charged at once, without waiting.
    fn now(memory: &Arc<Memory>, bytes: usize) -> Option<Charge> {
        memory.charge(bytes).now_or_never()?.ok()
    }

    #[tokio::test]
    async fn what_is_small_needs_no_room_and_what_is_large_shares() {
        let share = Arc::new(Share::new());
        let of = |place: &str| Memory::of(&share, place);
        let rooms = || share.rooms.available_permits();
        let small = of("a");
        let first = now(&small, FREE).unwrap();
        assert_eq!(rooms(), ROOMS);
        let second = now(&small, 1).unwrap();
        let third = now(&small, ROOM - FREE - 1).unwrap();
        assert_eq!(rooms(), ROOMS - 1, "one room for all that a search has");
        let refused = small.charge(1).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::TooLarge);
        drop((first, second));
        assert_eq!(rooms(), ROOMS - 1);
        assert_eq!(share.held.load(Ordering::Relaxed), ROOM - FREE - 1);
        drop(third);
        assert_eq!((rooms(), share.held.load(Ordering::Relaxed)), (ROOMS, 0));
        assert_eq!(share.most.load(Ordering::Relaxed), ROOM);
    }

    #[tokio::test]
    async fn one_registry_leaves_room_for_others_and_who_waits_has_the_next() {
        let share = Arc::new(Share::new());
        let of = |place: &str| Memory::of(&share, place);
        let hostile: Vec<_> = (0..8).map(|_| of("hostile")).collect();
        let held: Vec<_> = hostile
            .iter()
            .filter_map(|one| now(one, FREE + 1))
            .collect();
        assert_eq!(held.len(), OF_ONE);
        let others: Vec<_> = (0..OF_ONE).map(|n| of(&n.to_string())).collect();
        let mut theirs: Vec<_> = others
            .iter()
            .map(|one| now(one, FREE + 1).unwrap())
            .collect();
        let last = of("last");
        let mut waiting = Box::pin(last.charge(FREE + 1));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(now(&last, FREE).is_some(), "what is small waits for nobody");
        theirs.pop();
        assert!(waiting.await.is_ok());
        drop((held, theirs));
        assert!(share.rooms_of("hostile").available_permits() == OF_ONE);
        share.rooms_of("x");
        assert!(share.places.lock().len() <= 2, "nobody is remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends() {
        let share = Arc::new(Share::new());
        let memories: Vec<_> = (0..=ROOMS)
            .map(|n| Memory::of(&share, &n.to_string()))
            .collect();
        let held: Vec<_> = memories.iter().filter_map(|one| now(one, ROOM)).collect();
        assert_eq!(held.len(), ROOMS);
        let begun = tokio::time::Instant::now();
        for _ in 0..64 {
            let refused = memories[ROOMS].charge(ROOM).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Busy);
        }
        let waited = begun.elapsed();
        assert!(waited < 2 * PATIENCE, "it has waited {waited:?}");
        drop(held);
        assert!(memories[ROOMS].charge(ROOM).await.is_ok());
    }
}
