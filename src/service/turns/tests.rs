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
    assert!(turns.download.lock().is_empty());
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
    assert!(turns.local.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn every_wait_has_an_end() {
    let turns = turns();
    let held: Vec<_> = (0..8)
        .map(|one| take(&turns, Work::Local, one, "", 1))
        .collect();
    let error = turns.take(Work::Local, 9, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    drop(held);
    assert!(turns.local.lock().is_empty());
}

#[test]
fn there_are_no_more_turns_than_handles() {
    let check = |handles, expected: [usize; 4]| {
        let turns = Turns::on(8, handles);
        let works = [Work::Small, Work::Local, Work::Lookup, Work::Download];
        let all = works.map(|work| turns.line(work).lock().bounds().all);
        assert_eq!(all, expected, "{handles}");
    };
    check(528, [64, 32, 128, 32]);
    check(256, [60, 32, 60, 30]);
    check(128, [28, 28, 28, 14]);
    check(32, [4, 4, 4, 2]);
    check(0, [1, 1, 1, 1]);
}

/// The most requests that one connection has under way.
const REQUESTS: u64 = 64;

#[test]
fn many_who_wait_cost_each_no_more_than_few() {
    // All leave in the order in which they came, so that each turn goes to who is about to leave.
    // Only those are looked at who hold some, and a few of their waits; never all who wait.
    let most = 8 * LOOKUPS;
    let check = |why: &str, place: fn(u64, u64) -> String| {
        for connections in [20, 200] {
            let turns = turns();
            let keys = (0..connections).flat_map(|connection| {
                (0..REQUESTS).map(move |request| Key {
                    connection,
                    place: at(&place(connection, request)),
                })
            });
            let mut queue = turns.lookup.lock();
            let entered: Vec<_> = keys
                .map(|key| {
                    let (ticket, granted) = queue.enter(&key);
                    (key, ticket, granted)
                })
                .collect();
            for (key, ticket, _) in entered {
                queue.leave(&key, ticket);
            }
            assert!(queue.is_empty());
            let each = queue.steps.get() / usize::try_from(connections * REQUESTS).unwrap();
            assert!(each < most, "{why}: {each} steps each, of {connections}");
        }
    };
    check("one place", |_, _| "silent".to_owned());
    check("a place for each", |connection, request| {
        format!("{connection}/{request}")
    });
    check("a place for each connection", |connection, _| {
        connection.to_string()
    });
    check("the same places", |_, request| request.to_string());
}

/// Whose the next turn is, by looking at all who wait: what `Queue` does in fewer steps.
struct Plain {
    bounds: Bounds,
    held: Vec<(u64, u8)>,
    waiting: Vec<(u64, u8, usize)>,
}

impl Plain {
    fn grant(&mut self) -> Vec<usize> {
        let mut granted = Vec::new();
        let next = |this: &Self| {
            let ready = this.waiting.iter().enumerate();
            let ready = ready.filter_map(|(index, one)| Some((this.may(*one)?, index)));
            ready.min().map(|(_, index)| index)
        };
        while let Some(index) = next(self) {
            let (connection, place, number) = self.waiting.remove(index);
            self.held.push((connection, place));
            granted.push(number);
        }
        granted
    }

    fn may(&self, (connection, place, number): (u64, u8, usize)) -> Option<(usize, usize, usize)> {
        let count = |counts: &dyn Fn(&&(u64, u8)) -> bool| self.held.iter().filter(counts).count();
        let own = count(&|held| held.0 == connection);
        let there = count(&|held| held.1 == place);
        let both = count(&|held| **held == (connection, place));
        let Bounds {
            all,
            place: most,
            one,
        } = self.bounds;
        let left = all - self.held.len();
        let may = left > 0
            && own < one
            && (own == 0 || left > all / 4)
            && (own == 0 || there == 0 || left > all / 4 * 2)
            && there < if both == 0 { most } else { most - most / 4 };
        may.then_some((own, there, number))
    }
}

proptest::proptest! {
    #[test]
    fn the_next_is_who_it_would_be_if_all_were_looked_at(
        (all, one) in (1..12_usize, 1..8_usize),
        moves in proptest::collection::vec((0..6_u64, 0..4_u8, 0..3_usize), 1..120),
    ) {
        let bounds = Bounds { all, place: all.div_ceil(2), one };
        let mut queue = Queue::new(bounds);
        let mut plain = Plain { bounds, held: Vec::new(), waiting: Vec::new() };
        let mut here = Vec::new();
        for (number, (connection, place, leaving)) in moves.into_iter().enumerate() {
            let key = Key { connection, place: at(&place.to_string()) };
            let (ticket, granted) = queue.enter(&key);
            plain.waiting.push((connection, place, number));
            here.push((key, place, number, ticket, granted, false));
            for leaves in 0..=leaving {
                let mut expected = plain.grant();
                let mut told: Vec<_> = here.iter_mut().filter_map(|one| {
                    let now = one.4.try_recv().is_ok();
                    one.5 |= now;
                    now.then_some(one.2)
                }).collect();
                expected.sort_unstable();
                told.sort_unstable();
                assert_eq!(told, expected);
                if leaves == leaving || here.is_empty() {
                    break;
                }
                let (key, place, number, ticket, _, holds) = here.remove((number * 7) % here.len());
                queue.leave(&key, ticket);
                if holds {
                    let held = plain.held.iter().position(|held| *held == (key.connection, place));
                    plain.held.remove(held.unwrap());
                } else {
                    plain.waiting.retain(|wait| wait.2 != number);
                }
            }
        }
        for (key, _, _, ticket, ..) in here {
            queue.leave(&key, ticket);
        }
        assert!(queue.is_empty());
    }
}
