//! The requests under way, of all connections, in one table.
//!
//! A request is in it for as long as anything works for it, which may be a thread that outlives its
//! answer, and for as long as its id is taken, which is until its answer is handed out.

use super::caller::Caller;
use crate::{
    error::{Result, error},
    progress::Progress,
};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Instant,
};
use tokio::sync::Notify;
use vouch_protocol::{ProgressToken, RequestId};

/// The most requests that one connection has under way at once.
pub(super) const MOST: usize = 64;

/// A request under way, as others see it.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) method: &'static str,
    pub(super) caller: Arc<Caller>,
    pub(super) since: Instant,
    pub(super) progress: Progress,
    /// What it is about, once that is known: a reference, in its canonical form.
    pub(super) reference: OnceLock<String>,
    /// The file that is read or written.
    pub(super) path: OnceLock<String>,
}

impl Running {
    pub(super) fn new(method: &'static str, caller: &Arc<Caller>) -> Arc<Self> {
        Arc::new(Self {
            method,
            caller: Arc::clone(caller),
            since: Instant::now(),
            progress: Progress::default(),
            reference: OnceLock::new(),
            path: OnceLock::new(),
        })
    }
}

/// What a request is known by to its client, while that is taken.
#[derive(Debug)]
struct Named {
    id: RequestId,
    token: Option<ProgressToken>,
    running: Arc<Running>,
}

/// The connection's number, and that of the request, which rises.
type Key = (u64, u64);

/// The requests under way, of all connections.
#[derive(Debug, Default)]
pub(super) struct UnderWay(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    arrived: u64,
    named: BTreeMap<Key, Named>,
    /// Those for which anything works, the oldest first.
    working: BTreeMap<u64, Arc<Running>>,
}

impl Table {
    /// The requests of a connection whose ids are taken.
    fn of(&self, caller: &Caller) -> impl Iterator<Item = &Named> {
        let number = caller.number();
        let own = self.named.range((number, 0)..=(number, u64::MAX));
        own.map(|(_, named)| named)
    }
}

/// Keeps a request's id and token taken. Dropped when its answer is handed out: a client that has
/// read an answer may use the id again.
#[derive(Debug)]
pub struct Taken {
    under_way: Arc<UnderWay>,
    caller: Arc<Caller>,
    key: Key,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut table = self.under_way.0.lock();
        table.named.remove(&self.key);
        if table.of(&self.caller).next().is_none() {
            self.caller.answered.notify_waiters();
        }
    }
}

/// Says that something works for a request, until it is [finished](UnderWay::finish).
#[derive(Debug)]
pub(super) struct Working(u64);

impl UnderWay {
    /// Enters a request. Fails if its id or its progress token is taken, or if its connection has
    /// too many.
    pub(super) fn enter(
        self: &Arc<Self>,
        running: &Arc<Running>,
        id: RequestId,
        token: Option<ProgressToken>,
    ) -> Result<(Working, Taken)> {
        let caller = &running.caller;
        let mut table = self.0.lock();
        let taken = |what: &str, help: &str| {
            error!(InvalidRequest: "this connection already has a request with this {what} under way")
                .help(help)
        };
        let mut count = 0;
        for other in table.of(caller) {
            if other.id == id {
                return Err(taken("id", "Use another id for each request."));
            }
            if token.is_some() && other.token == token {
                return Err(taken(
                    "`workDoneToken`",
                    "Use another token for each request.",
                ));
            }
            count += 1;
        }
        if count >= MOST {
            let error = error!(Busy: "this connection already has {MOST} requests under way");
            return Err(error.help("Wait for an answer, then try again."));
        }
        let arrival = table.arrived;
        table.arrived += 1;
        table.working.insert(arrival, Arc::clone(running));
        let key = (caller.number(), arrival);
        let running = Arc::clone(running);
        table.named.insert(key, Named { id, token, running });
        let taken = Taken {
            under_way: Arc::clone(self),
            caller: Arc::clone(caller),
            key,
        };
        Ok((Working(arrival), taken))
    }

    /// Nothing works for a request any more. Says whether it was the last one.
    pub(super) fn finish(&self, Working(arrival): &Working) -> bool {
        let mut table = self.0.lock();
        table.working.remove(arrival);
        table.working.is_empty()
    }

    /// How many requests anything works for.
    pub(super) fn count(&self) -> usize {
        self.0.lock().working.len()
    }

    /// The oldest of them.
    pub(super) fn oldest(&self, most: usize) -> Vec<Arc<Running>> {
        let table = self.0.lock();
        table.working.values().take(most).cloned().collect()
    }

    /// Cancels a request of a connection, if it is under way and has not committed.
    pub(super) fn cancel(&self, caller: &Caller, id: &RequestId) {
        let table = self.0.lock();
        let mut own = table.of(caller);
        if let Some(request) = own.find(|request| request.id == *id) {
            request.running.progress.stop();
        }
    }

    /// The same of all requests of a connection.
    pub(super) fn cancel_of(&self, caller: &Caller) {
        self.0
            .lock()
            .of(caller)
            .for_each(|request| request.running.progress.stop());
    }

    /// The same of all requests there are.
    pub(super) fn cancel_all(&self) {
        for running in self.0.lock().working.values() {
            running.progress.stop();
        }
    }

    /// Waits until no id of a connection is taken.
    pub(super) async fn answered(&self, caller: &Caller) {
        until(&caller.answered, || {
            self.0.lock().of(caller).next().is_none()
        })
        .await;
    }
}

/// Waits until a look finds something.
pub(super) async fn until(notify: &Notify, found: impl Fn() -> bool) {
    loop {
        let notified = notify.notified();
        tokio::pin!(notified);
        // Listen before looking, or what is waited for may happen in between.
        notified.as_mut().enable();
        if found() {
            return;
        }
        notified.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vouch_protocol::ErrorKind;

    fn enter(
        under_way: &Arc<UnderWay>,
        caller: &Arc<Caller>,
        id: u64,
        token: Option<u64>,
    ) -> Result<(Working, Taken)> {
        let token = token.map(ProgressToken::Number);
        let running = Running::new("m", caller);
        under_way.enter(&running, RequestId::Number(id), token)
    }

    #[test]
    fn ids_and_tokens_are_each_used_once_at_a_time() {
        let under_way = Arc::<UnderWay>::default();
        let [one, other] = [(); 2].map(|()| Arc::new(Caller::new()));
        let (working, taken) = enter(&under_way, &one, 1, Some(1)).unwrap();
        let check = |caller, id, token, expected: Option<ErrorKind>| {
            let entered = enter(&under_way, caller, id, token).map(|(working, _)| {
                under_way.finish(&working);
            });
            assert_eq!(entered.err().map(|error| error.kind()), expected);
        };
        let invalid = Some(ErrorKind::InvalidRequest);
        check(&one, 1, None, invalid);
        check(&one, 2, Some(1), invalid);
        check(&one, 2, Some(2), None);
        check(&other, 1, Some(1), None);
        // Its work may outlive its answer, and then its id is free.
        drop(taken);
        check(&one, 1, Some(1), None);
        assert_eq!(under_way.count(), 1);
        assert!(under_way.finish(&working));
        assert!(under_way.0.lock().named.is_empty());
    }

    #[test]
    fn a_connection_has_so_many_and_another_its_own() {
        let under_way = Arc::<UnderWay>::default();
        let [one, other] = [(); 2].map(|()| Arc::new(Caller::new()));
        let held: Vec<_> = (0..MOST as u64)
            .map(|id| enter(&under_way, &one, id, None).unwrap())
            .collect();
        let error = enter(&under_way, &one, 99, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        let (late, _taken) = enter(&under_way, &other, 99, None).unwrap();
        let seen = under_way.oldest(usize::MAX);
        assert_eq!(seen.len(), MOST + 1);
        let last = seen.last().map(|running| running.caller.number());
        assert_eq!(last, Some(other.number()));
        for (working, _) in &held {
            assert!(!under_way.finish(working));
        }
        assert!(under_way.finish(&late));
        // Answers that nobody took hold their ids, and no more.
        assert_eq!(under_way.count(), 0);
        assert!(enter(&under_way, &one, 0, None).is_err());
    }
}
