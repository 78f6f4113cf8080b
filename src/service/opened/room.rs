//! How much of the documents that editors have open is kept.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// What all texts of an editor may have, and all of all editors, in bytes.
const OF_AN_EDITOR: usize = 16 << 20;
const OF_ALL: usize = 64 << 20;

/// Room for texts.
#[derive(Debug)]
pub(in crate::service) struct Room {
    taken: AtomicUsize,
    most: usize,
}

impl Room {
    fn of(most: usize) -> Arc<Self> {
        let taken = AtomicUsize::new(0);
        Arc::new(Self { taken, most })
    }

    /// For the texts of all editors.
    pub(in crate::service) fn of_all() -> Arc<Self> {
        Self::of(OF_ALL)
    }

    /// For those of one.
    pub(super) fn of_an_editor() -> Arc<Self> {
        Self::of(OF_AN_EDITOR)
    }

    fn take(&self, bytes: usize) -> bool {
        let order = Ordering::Relaxed;
        let more = |taken: usize| taken.checked_add(bytes).filter(|it| *it <= self.most);
        self.taken.fetch_update(order, order, more).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What one text takes of it.
#[derive(Debug)]
pub(super) struct Share {
    rooms: [Arc<Room>; 2],
    bytes: usize,
}

impl Share {
    pub(super) fn new(rooms: [Arc<Room>; 2]) -> Self {
        Self { rooms, bytes: 0 }
    }

    /// Takes as much as this, where there is room for it; else nothing.
    pub(super) fn resize(&mut self, bytes: usize) -> bool {
        self.leave();
        let [one, other] = &self.rooms;
        if !one.take(bytes) {
            return false;
        }
        if !other.take(bytes) {
            one.give_back(bytes);
            return false;
        }
        self.bytes = bytes;
        true
    }

    fn leave(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        for room in &self.rooms {
            room.give_back(bytes);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_share_room_and_give_it_back() {
        let (all, own) = (Room::of(10), Room::of(8));
        let other = Room::of(8);
        let mut one = Share::new([Arc::clone(&own), Arc::clone(&all)]);
        let mut two = Share::new([other, Arc::clone(&all)]);
        let check = |share: &mut Share, bytes, expected: bool, left: usize| {
            assert_eq!(share.resize(bytes), expected, "{bytes}");
            assert_eq!(all.taken.load(Ordering::Relaxed), left, "after {bytes}");
        };
        check(&mut one, 9, false, 0);
        check(&mut one, 8, true, 8);
        check(&mut two, 3, false, 8);
        check(&mut two, 2, true, 10);
        check(&mut one, 4, true, 6);
        check(&mut two, usize::MAX, false, 4);
        drop(one);
        assert_eq!(all.taken.load(Ordering::Relaxed), 0);
    }
}
