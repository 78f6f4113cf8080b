//! The turns of one kind of work: who holds them, who waits, and whose the next one is.
//!
//! However many wait, a step costs about the same: connections that hold no turn wait by place, in
//! an order that names the next at once. Those that hold some are looked at one by one: there
//! are at most as many of them as turns.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};
use tokio::sync::oneshot;

/// How many turns there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) all: usize,
    /// Of one registry or layout.
    pub(super) place: usize,
    /// Of one connection.
    pub(super) one: usize,
}

/// A registry or layout. Local files are all in one place.
pub(super) type Place = Option<Arc<str>>;

/// Who takes a turn, and where.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) connection: u64,
    pub(super) place: Place,
}

/// A number for each turn and each wait: who came earlier has the lower one.
pub(super) type Ticket = u64;

#[derive(Debug)]
pub(super) struct Queue {
    bounds: Bounds,
    tickets: Ticket,
    held: usize,
    /// The connections that hold turns or wait.
    connections: HashMap<u64, Connection>,
    /// Those that hold turns, by how many.
    holders: BTreeSet<(usize, u64)>,
    /// The places where turns are held, or where connections wait that hold none anywhere.
    places: HashMap<Place, There>,
    /// The latter by how many turns are held there, then by who has waited longest.
    wanted: BTreeMap<(usize, Ticket), Place>,
    /// How many entries have been looked at, so that a test can tell.
    pub(super) steps: Cell<usize>,
}

#[derive(Debug, Default)]
struct Connection {
    held: usize,
    places: HashMap<Place, Own>,
    /// The places where it waits, by which of its waits there is the longest.
    order: BTreeMap<Ticket, Place>,
}

/// A connection's turns and waits at a place.
#[derive(Debug, Default)]
struct Own {
    held: usize,
    waiting: BTreeMap<Ticket, oneshot::Sender<()>>,
}

impl Connection {
    /// Changes what it has at a place.
    fn at<T>(&mut self, place: &Place, change: impl FnOnce(&mut Own) -> T) -> T {
        let own = self.places.entry(place.clone()).or_default();
        if let Some((longest, _)) = own.waiting.first_key_value() {
            self.order.remove(longest);
        }
        let changed = change(own);
        if let Some((longest, _)) = own.waiting.first_key_value() {
            self.order.insert(*longest, place.clone());
        } else if own.held == 0 {
            self.places.remove(place);
        }
        changed
    }
}

#[derive(Debug, Default)]
struct There {
    held: usize,
    /// The waits of connections that hold no turn anywhere.
    waiting: BTreeMap<Ticket, u64>,
}

impl There {
    fn rank(&self) -> Option<(usize, Ticket)> {
        let (ticket, _) = self.waiting.first_key_value()?;
        Some((self.held, *ticket))
    }
}

impl Queue {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            tickets: 0,
            held: 0,
            connections: HashMap::new(),
            holders: BTreeSet::new(),
            places: HashMap::new(),
            wanted: BTreeMap::new(),
            steps: Cell::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Whether no turn is held, and nobody waits.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let nobody = self.connections.is_empty() && self.holders.is_empty();
        let nowhere = self.places.is_empty() && self.wanted.is_empty();
        nobody && nowhere && self.held == 0
    }

    /// Takes a turn, or waits for one: the receiver hears when it is granted.
    pub(super) fn enter(&mut self, key: &Key) -> (Ticket, oneshot::Receiver<()>) {
        let (grant, granted) = oneshot::channel();
        self.tickets += 1;
        let ticket = self.tickets;
        // Whoever waits may have no turn now: nobody else's may have become free by this. So who
        // comes need not look at all who wait.
        if self.may(key).is_some() {
            self.hold(key);
            // It is received by whoever asked.
            let _ = grant.send(());
        } else {
            let connection = self.connections.entry(key.connection).or_default();
            connection.at(&key.place, |own| own.waiting.insert(ticket, grant));
            if connection.held == 0 {
                self.at(&key.place, |there| {
                    there.waiting.insert(ticket, key.connection);
                });
            }
        }
        (ticket, granted)
    }

    /// Ends a wait, or a turn that was granted: others may have it.
    pub(super) fn leave(&mut self, key: &Key, ticket: Ticket) {
        if self.end_wait(key, ticket).is_none() {
            self.free(key);
            while let Some((key, ticket)) = self.next() {
                let grant = self.end_wait(&key, ticket);
                self.hold(&key);
                // If nobody receives it, the turn is about to be dropped, and freed.
                let _ = grant.map(|grant| grant.send(()));
            }
        }
    }

    /// Ends a wait; nothing where it has been granted.
    fn end_wait(&mut self, key: &Key, ticket: Ticket) -> Option<oneshot::Sender<()>> {
        let connection = self.connections.get_mut(&key.connection)?;
        let grant = connection.at(&key.place, |own| own.waiting.remove(&ticket))?;
        if connection.held == 0 {
            if connection.places.is_empty() {
                self.connections.remove(&key.connection);
            }
            self.at(&key.place, |there| {
                there.waiting.remove(&ticket);
            });
        }
        Some(grant)
    }

    /// Who is next: of those that may have a turn, who holds the fewest, then whose registry does,
    /// then who has waited longest.
    fn next(&self) -> Option<(Key, Ticket)> {
        if !self.may_hold(1) {
            return None;
        }
        if let Some((&(there, ticket), place)) = self.wanted.first_key_value()
            && there < self.bounds.place
        {
            self.steps(1);
            let connection = *self.places.get(place)?.waiting.get(&ticket)?;
            let place = place.clone();
            return Some((Key { connection, place }, ticket));
        }
        let mut best: Option<((usize, usize, Ticket), u64, &Place)> = None;
        for &(held, number) in &self.holders {
            self.steps(1);
            if best.is_some_and(|((fewest, ..), ..)| held > fewest) || !self.may_hold(held + 1) {
                break;
            }
            let connection = self.connections.get(&number)?;
            for (&ticket, place) in &connection.order {
                self.steps(1);
                let Some(there) = self.may_at(connection, place) else {
                    continue;
                };
                let order = (held, there, ticket);
                if best.is_none_or(|(least, ..)| order < least) {
                    best = Some((order, number, place));
                }
                if there == 0 {
                    break;
                }
            }
        }
        let ((.., ticket), connection, place) = best?;
        let place = place.clone();
        Some((Key { connection, place }, ticket))
    }

    /// What is held at the place of somebody who may have a turn.
    fn may(&self, key: &Key) -> Option<usize> {
        self.steps(1);
        let nobody = Connection::default();
        let connection = self.connections.get(&key.connection).unwrap_or(&nobody);
        self.may_hold(connection.held + 1)
            .then(|| self.may_at(connection, &key.place))?
    }

    /// Whether a connection may hold that many turns now. The last quarter is for the first ones.
    fn may_hold(&self, turns: usize) -> bool {
        let kept = if turns > 1 { self.bounds.all / 4 } else { 0 };
        turns <= self.bounds.one && self.held + kept < self.bounds.all
    }

    /// What is held at a place, if a connection may have a turn there.
    fn may_at(&self, connection: &Connection, place: &Place) -> Option<usize> {
        let there = self.places.get(place).map_or(0, |there| there.held);
        // The quarter before the last is for registries that hold none.
        let kept = self.bounds.all / 4 * 2;
        if connection.held > 0 && there > 0 && self.held + kept >= self.bounds.all {
            return None;
        }
        let own = connection.places.get(place).map_or(0, |own| own.held);
        let kept = if own == 0 { 0 } else { self.bounds.place / 4 };
        (there + kept < self.bounds.place).then_some(there)
    }

    fn hold(&mut self, key: &Key) {
        self.held += 1;
        self.count(key.connection, |connection| {
            connection.held += 1;
            connection.at(&key.place, |own| own.held += 1);
        });
        self.at(&key.place, |there| there.held += 1);
    }

    fn free(&mut self, key: &Key) {
        self.held -= 1;
        self.count(key.connection, |connection| {
            connection.held -= 1;
            connection.at(&key.place, |own| own.held -= 1);
        });
        self.at(&key.place, |there| there.held -= 1);
    }

    /// Changes what a connection holds. Its waits, of which there are few, go to where those wait
    /// that hold none, or away from there.
    fn count(&mut self, number: u64, change: impl FnOnce(&mut Connection)) {
        let mut connection = self.connections.remove(&number).unwrap_or_default();
        let before = connection.held;
        change(&mut connection);
        let now = connection.held;
        self.holders.remove(&(before, number));
        if now > 0 {
            self.holders.insert((now, number));
        }
        if (before == 0) != (now == 0) {
            for (place, own) in &connection.places {
                self.at(place, |there| {
                    for &ticket in own.waiting.keys() {
                        if now == 0 {
                            there.waiting.insert(ticket, number);
                        } else {
                            there.waiting.remove(&ticket);
                        }
                    }
                });
                self.steps(own.waiting.len());
            }
        }
        if !connection.places.is_empty() {
            self.connections.insert(number, connection);
        }
    }

    /// Changes what is held and waited for at a place.
    fn at(&mut self, place: &Place, change: impl FnOnce(&mut There)) {
        let there = self.places.entry(place.clone()).or_default();
        if let Some(rank) = there.rank() {
            self.wanted.remove(&rank);
        }
        change(there);
        if let Some(rank) = there.rank() {
            self.wanted.insert(rank, place.clone());
        } else if there.held == 0 {
            self.places.remove(place);
        }
    }

    fn steps(&self, looked_at: usize) {
        self.steps.set(self.steps.get().wrapping_add(looked_at));
    }
}
