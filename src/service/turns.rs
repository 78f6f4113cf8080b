//! Turns: work that holds a thread, memory and file handles first waits for its turn.
//!
//! Each kind of work has a bounded number of turns. They are shared out so that nobody waits for
//! others' slow work: the last turns are for connections that hold none, those before them for
//! registries that hold none, one registry can hold half of all, and the next turn goes to whoever
//! holds the fewest. Local files never wait for registries, nor small files for large ones. Every
//! wait ends after two minutes.

use crate::error::{Error, Result};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    thread::available_parallelism,
    time::Duration,
};
use tokio::sync::oneshot;
use vouch_protocol::ErrorKind;

/// The most uploads at once. One connection holds a quarter of them, and a quarter of the downloads.
const UPLOADS: usize = 64;

/// The most downloads at once: fewer, as the HTTP client may hold three buffers of 400 KiB for each.
const DOWNLOADS: usize = 32;

/// The most lookups at once. Those in layouts hold a thread each.
const LOOKUPS: usize = 128;

/// Handles of those kept for requests that the service itself uses: its log, socket, runtime.
const OWN_HANDLES: u64 = 16;

/// How long to wait for a turn.
const WAIT: Duration = Duration::from_secs(120);

/// The size of the largest small file, in bytes: it is read in about a millisecond.
pub(super) const SMALL: u64 = 1 << 20;

/// What takes turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Reading a small file of this machine.
    Small,
    /// Reading a larger one.
    Local,
    /// Asking a registry or layout what it has.
    Lookup,
    /// Reading what a registry or layout sends.
    Download,
    /// Sending to a registry, or writing a layout.
    Upload,
}

impl Work {
    fn name(self) -> &'static str {
        match self {
            Self::Small | Self::Local => "read files",
            Self::Lookup => "ask registries",
            Self::Download => "download",
            Self::Upload => "upload",
        }
    }
}

/// The turns of the service, by kind of work.
#[derive(Debug)]
pub(super) struct Turns {
    small: Arc<Line>,
    local: Arc<Line>,
    lookup: Arc<Line>,
    download: Arc<Line>,
    upload: Arc<Line>,
}

impl Turns {
    /// As many turns as this machine's cores and the handles that are kept for requests allow: a
    /// request that waits for a turn gets one, but a request without a handle would fail.
    pub(super) fn new(handles: u64) -> Self {
        Self::on(available_parallelism().map_or(2, usize::from), handles)
    }

    fn on(cores: usize, handles: u64) -> Self {
        // A file takes one handle, and so does a lookup; a transfer takes a file and a connection.
        let quarter = usize::try_from(handles.saturating_sub(OWN_HANDLES) / 4);
        let quarter = quarter.unwrap_or(usize::MAX);
        let local = |all: usize| {
            let all = all.min(quarter).max(1);
            Bounds {
                all,
                place: all,
                one: all.div_ceil(2),
            }
        };
        let remote = |all: usize, one| Bounds {
            all: all.max(1),
            place: all.div_ceil(2).max(1),
            one,
        };
        let transfers = |most: usize| remote(most.min(quarter / 2), most / 4);
        let line = |bounds| {
            Arc::new(Line {
                bounds,
                queue: Mutex::default(),
            })
        };
        Self {
            small: line(local((8 * cores).clamp(16, 64))),
            local: line(local((4 * cores).clamp(8, 32))),
            lookup: line(remote(LOOKUPS.min(quarter), LOOKUPS)),
            download: line(transfers(DOWNLOADS)),
            upload: line(transfers(UPLOADS)),
        }
    }

    fn line(&self, work: Work) -> &Arc<Line> {
        match work {
            Work::Small => &self.small,
            Work::Local => &self.local,
            Work::Lookup => &self.lookup,
            Work::Download => &self.download,
            Work::Upload => &self.upload,
        }
    }

    /// Waits for a turn of a connection, at a registry or layout if it is about one.
    pub(super) async fn take(
        &self,
        work: Work,
        connection: u64,
        place: Option<Arc<str>>,
    ) -> Result<Turn> {
        let (turn, mut granted) = self.line(work).enter(Key { connection, place });
        if granted.try_recv().is_ok() {
            return Ok(turn);
        }
        if tokio::time::timeout(WAIT, granted).await.is_ok() {
            return Ok(turn);
        }
        let message = format!(
            "the request waited {} s for its turn: too many other requests {}",
            WAIT.as_secs(),
            work.name()
        );
        let error = Error::new(ErrorKind::Busy, message);
        Err(error.help("Try again later; `vouch status` shows what is under way."))
    }
}

/// How many turns there are.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    all: usize,
    /// Of one registry or layout.
    place: usize,
    /// Of one connection.
    one: usize,
}

/// Who takes a turn, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    connection: u64,
    place: Option<Arc<str>>,
}

/// The turns of one kind of work.
#[derive(Debug)]
struct Line {
    bounds: Bounds,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    tickets: u64,
    held: HashMap<Of, usize>,
    /// The longest wait of a key comes first.
    waiting: HashMap<Key, VecDeque<(u64, oneshot::Sender<()>)>>,
}

/// Whose turns are counted. Local files are all in one place.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Of {
    All,
    Connection(u64),
    Place(Option<Arc<str>>),
    Both(Key),
}

/// A request's turn, or its wait for one: dropping it ends either.
#[derive(Debug)]
pub(super) struct Turn {
    line: Arc<Line>,
    key: Key,
    ticket: u64,
}

impl Line {
    fn enter(self: &Arc<Self>, key: Key) -> (Turn, oneshot::Receiver<()>) {
        let (grant, granted) = oneshot::channel();
        let mut queue = self.queue.lock();
        queue.tickets += 1;
        let ticket = queue.tickets;
        // Whoever waits may have no turn now: nobody else's may have become free by this. So who
        // comes need not look at all who wait.
        if !queue.waiting.contains_key(&key) && queue.may(&key, self.bounds).is_some() {
            queue.hold(&key);
            // It is received by whoever asked.
            let _ = grant.send(());
        } else {
            let waiting = queue.waiting.entry(key.clone()).or_default();
            waiting.push_back((ticket, grant));
        }
        drop(queue);
        let turn = Turn {
            line: Arc::clone(self),
            key,
            ticket,
        };
        (turn, granted)
    }
}

impl Queue {
    fn held(&self, of: &Of) -> usize {
        self.held.get(of).copied().unwrap_or_default()
    }

    /// Grants all turns that can be had now.
    fn grant(&mut self, bounds: Bounds) {
        while let Some(key) = self.next(bounds) {
            self.hold(&key);
            if let Some(waiting) = self.waiting.get_mut(&key) {
                if let Some((_, grant)) = waiting.pop_front() {
                    // If nobody receives it, the `Turn` is about to be dropped, and frees it.
                    let _ = grant.send(());
                }
                if waiting.is_empty() {
                    self.waiting.remove(&key);
                }
            }
        }
    }

    /// Who is next: of those that may have a turn, who holds the fewest, then whose registry does,
    /// then who has waited longest.
    fn next(&self, bounds: Bounds) -> Option<Key> {
        // However many wait, they are looked at only where one may go on.
        if self.held(&Of::All) >= bounds.all {
            return None;
        }
        let ready = self.waiting.iter().filter_map(|(key, waiting)| {
            let (own, there) = self.may(key, bounds)?;
            let (ticket, _) = waiting.front()?;
            Some(((own, there, *ticket), key))
        });
        ready
            .min_by_key(|(order, _)| *order)
            .map(|(_, key)| key.clone())
    }

    /// What a connection and a registry hold, where they may have a turn.
    fn may(&self, key: &Key, bounds: Bounds) -> Option<(usize, usize)> {
        let quarter = bounds.all / 4;
        let all = self.held(&Of::All);
        let own = self.held(&Of::Connection(key.connection));
        // The last quarter is for those that hold none. This is soon told, and where many wait it
        // holds for most.
        let kept = if own == 0 { 0 } else { quarter };
        if own >= bounds.one || all + kept >= bounds.all {
            return None;
        }
        let there = self.held(&Of::Place(key.place.clone()));
        let own_there = self.held(&Of::Both(key.clone()));
        if own > 0 && there > 0 && all >= bounds.all - 2 * quarter {
            return None;
        }
        let most_there = match own_there {
            0 => bounds.place,
            _ => bounds.place - bounds.place / 4,
        };
        (there < most_there).then_some((own, there))
    }

    fn hold(&mut self, key: &Key) {
        for of in key.counts() {
            *self.held.entry(of).or_default() += 1;
        }
    }

    fn free(&mut self, key: &Key) {
        for of in key.counts() {
            let held = self.held(&of);
            if held > 1 {
                self.held.insert(of, held - 1);
            } else {
                self.held.remove(&of);
            }
        }
    }

    /// Ends a wait; nothing where it has been granted.
    fn leave(&mut self, key: &Key, ticket: u64) -> bool {
        let Some(waiting) = self.waiting.get_mut(key) else {
            return false;
        };
        let Ok(index) = waiting.binary_search_by_key(&ticket, |(ticket, _)| *ticket) else {
            return false;
        };
        waiting.remove(index);
        if waiting.is_empty() {
            self.waiting.remove(key);
        }
        true
    }
}

impl Key {
    fn counts(&self) -> [Of; 4] {
        [
            Of::All,
            Of::Connection(self.connection),
            Of::Place(self.place.clone()),
            Of::Both(self.clone()),
        ]
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut queue = self.line.queue.lock();
        if !queue.leave(&self.key, self.ticket) {
            queue.free(&self.key);
            queue.grant(self.line.bounds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    /// Turns of two cores, with all handles that there can be.
    fn turns() -> Turns {
        Turns::on(2, u64::MAX)
    }

    fn at(place: &str) -> Option<Arc<str>> {
        Some(place.into()).filter(|place: &Arc<str>| !place.is_empty())
    }

    /// Takes what can be had at once, up to that many.
    fn take(turns: &Turns, work: Work, connection: u64, place: &str, wanted: usize) -> Vec<Turn> {
        let take = || turns.take(work, connection, at(place)).now_or_never();
        std::iter::from_fn(take).flatten().take(wanted).collect()
    }

    #[tokio::test]
    async fn slow_work_of_some_holds_up_no_other() {
        let check = |work, places: &[&str], place: &str, why: &str| {
            let turns = turns();
            let slow: Vec<_> = (1..=4)
                .flat_map(|client| {
                    let share = 16 / places.len();
                    let at = move |place: &&str| (client, (*place).to_owned(), share);
                    places.iter().map(at).collect::<Vec<_>>()
                })
                .flat_map(|(client, place, share)| take(&turns, work, client, &place, share))
                .collect();
            assert!(slow.len() >= 4, "{why}: each has at least one");
            assert_eq!(take(&turns, work, 5, place, 1).len(), 1, "{why}");
        };
        check(Work::Download, &["slow"], "other", "another registry");
        check(Work::Download, &["slow"], "slow", "the same registry");
        check(Work::Upload, &["a", "b", "c", "d"], "e", "four registries");
        let many: Vec<String> = (0..16).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        check(
            Work::Download,
            &many,
            "other",
            "as many registries as turns",
        );
        check(Work::Lookup, &["silent"], "other", "lookups");
        check(Work::Local, &[""], "", "local files");
        check(Work::Small, &[""], "", "small files");
    }

    #[tokio::test]
    async fn no_kind_of_work_waits_for_another() {
        let turns = turns();
        let _large: Vec<_> = (0..99)
            .flat_map(|client| take(&turns, Work::Local, client, "", 99))
            .collect();
        let _slow: Vec<_> = (0..99)
            .flat_map(|client| take(&turns, Work::Download, client, "slow", 99))
            .collect();
        assert!(take(&turns, Work::Local, 100, "", 1).is_empty());
        assert_eq!(take(&turns, Work::Small, 100, "", 1).len(), 1);
        assert_eq!(take(&turns, Work::Upload, 100, "slow", 1).len(), 1);
        // Nobody takes more of a registry's than there are, and others have theirs.
        assert!(take(&turns, Work::Download, 100, "slow", 1).is_empty());
        assert_eq!(take(&turns, Work::Download, 100, "other", 1).len(), 1);
    }

    #[tokio::test]
    async fn a_connection_has_its_bound_and_gets_it_back() {
        let turns = turns();
        let mut held = take(&turns, Work::Download, 1, "a", 99);
        assert_eq!(held.len(), DOWNLOADS / 4);
        assert!(take(&turns, Work::Download, 1, "b", 1).is_empty());
        held.pop();
        assert_eq!(take(&turns, Work::Download, 1, "b", 1).len(), 1);
        drop(held);
        let queue = turns.download.queue.lock();
        assert!(queue.held.is_empty() && queue.waiting.is_empty());
    }

    #[tokio::test]
    async fn the_next_turn_goes_to_who_holds_the_fewest() {
        let turns = turns();
        let mut held: Vec<_> = (0..8)
            .map(|one| take(&turns, Work::Local, one, "", 1))
            .collect();
        // The first two hold one each, and wait for another; the last holds none.
        let mut waits: Vec<_> = [0, 1, 9]
            .map(|one| Box::pin(turns.take(Work::Local, one, None)))
            .into();
        for wait in &mut waits {
            assert!(wait.now_or_never().is_none());
        }
        held.pop();
        let next: Vec<_> = waits
            .iter_mut()
            .map(|wait| wait.now_or_never().is_some())
            .collect();
        assert_eq!(next, [false, false, true]);
    }

    #[tokio::test]
    async fn who_waits_no_longer_takes_no_turn() {
        let turns = turns();
        let held: Vec<_> = (0..8)
            .map(|one| take(&turns, Work::Local, one, "", 1))
            .collect();
        let mut gone = Box::pin(turns.take(Work::Local, 8, None));
        let mut stays = Box::pin(turns.take(Work::Local, 9, None));
        assert!(gone.as_mut().now_or_never().is_none());
        assert!(stays.as_mut().now_or_never().is_none());
        drop(held);
        // Both were granted; the first is dropped before it is received.
        drop(gone);
        assert!(stays.as_mut().now_or_never().is_some());
        drop(stays);
        assert!(turns.local.queue.lock().held.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn every_wait_has_an_end() {
        let turns = turns();
        let _held: Vec<_> = (0..8)
            .map(|one| take(&turns, Work::Local, one, "", 1))
            .collect();
        let error = turns.take(Work::Local, 9, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(turns.local.queue.lock().waiting.is_empty());
    }

    #[test]
    fn there_are_no_more_turns_than_handles() {
        let check = |handles, expected: [usize; 4]| {
            let turns = Turns::on(8, handles);
            let works = [Work::Small, Work::Local, Work::Lookup, Work::Download];
            let all = works.map(|work| turns.line(work).bounds.all);
            assert_eq!(all, expected, "{handles}");
        };
        check(528, [64, 32, 128, 32]);
        check(256, [60, 32, 60, 30]);
        check(128, [28, 28, 28, 14]);
        check(32, [4, 4, 4, 2]);
        check(0, [1, 1, 1, 1]);
    }

    #[tokio::test]
    async fn many_who_wait_cost_others_nothing() {
        let turns = turns();
        let held = take(&turns, Work::Lookup, 1, "silent", 999);
        // Were each compared with all others, this would take minutes.
        let mut waits: Vec<_> = (0..20_000)
            .map(|place| {
                let mut wait = Box::pin(turns.take(Work::Lookup, 1, at(&format!("{place}"))));
                let _ = wait.as_mut().now_or_never();
                wait
            })
            .collect();
        assert_eq!(take(&turns, Work::Lookup, 2, "other", 1).len(), 1);
        while waits.pop().is_some() {}
        drop(held);
        let queue = turns.lookup.queue.lock();
        assert!(queue.held.is_empty() && queue.waiting.is_empty());
    }
}
