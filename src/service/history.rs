//! What the service has done since it started, for `server/status`: how many requests had which
//! outcome, and the newest errors. Its size is bounded, whatever clients ask for.

use super::caller::Caller;
use crate::error::{Error, clean_to};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};
use vouch_protocol::{ErrorKind, LastError};

/// How many errors are kept.
const ERRORS: usize = 16;
/// The longest message and the longest name of a method, in characters.
const MESSAGE: usize = 1000;
const METHOD: usize = 100;

/// The outcomes and the newest errors.
#[derive(Debug, Default)]
pub(super) struct History(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    outcomes: BTreeMap<&'static str, u64>,
    /// The oldest first, each with when it last happened.
    errors: VecDeque<(Instant, LastError)>,
}

impl History {
    /// Counts a request that was answered with a result.
    pub(super) fn count(&self, outcome: &'static str) {
        *self.0.lock().outcomes.entry(outcome).or_default() += 1;
    }

    /// Counts a request that failed, and keeps the error, unless the request was cancelled.
    pub(super) fn failed(&self, method: &str, caller: &Caller, error: &Error) {
        self.count(error.kind().name());
        if error.kind() != ErrorKind::Cancelled {
            let client = caller.name().map(|name| clean_to(name, METHOD));
            self.keep(Some(clean_to(method, METHOD)), client, error);
        }
    }

    /// Keeps an error that did not happen in a request.
    pub(super) fn report(&self, error: &Error) {
        self.keep(None, None, error);
    }

    fn keep(&self, method: Option<String>, client: Option<String>, error: &Error) {
        let mut entry = LastError {
            seconds_ago: 0,
            method,
            client,
            kind: error.kind(),
            message: clean_to(error.message(), MESSAGE),
            times: 0,
        };
        let mut kept = self.0.lock();
        // An error that keeps happening must not displace all others.
        let same = kept.errors.iter().position(|(_, other)| {
            entry.times = other.times;
            *other == entry
        });
        let before = same.and_then(|index| kept.errors.remove(index));
        entry.times = before.map_or(0, |(_, before)| before.times) + 1;
        if kept.errors.len() >= ERRORS {
            kept.errors.pop_front();
        }
        kept.errors.push_back((Instant::now(), entry));
    }

    /// How many requests had each outcome.
    pub(super) fn outcomes(&self) -> BTreeMap<String, u64> {
        let kept = self.0.lock();
        let outcomes = kept.outcomes.iter();
        outcomes
            .map(|(outcome, times)| ((*outcome).to_owned(), *times))
            .collect()
    }

    /// The errors, the newest first.
    pub(super) fn errors(&self) -> Vec<LastError> {
        let kept = self.0.lock();
        let errors = kept.errors.iter().rev().map(|(when, error)| LastError {
            seconds_ago: when.elapsed().as_secs(),
            ..error.clone()
        });
        errors.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_errors_are_kept_and_the_same_once() {
        let history = History::default();
        let caller = Caller::new();
        for number in 0..20 {
            let error = Error::new(ErrorKind::Io, format!("number {number}"));
            history.failed("push", &caller, &error);
            history.report(&Error::new(ErrorKind::Busy, "again"));
        }
        history.failed("push", &caller, &Error::cancelled());
        let errors = history.errors();
        assert_eq!(errors.len(), 16);
        assert_eq!((errors[0].message.as_str(), errors[0].times), ("again", 20));
        assert_eq!(errors[1].message, "number 19");
        assert_eq!(errors[15].message, "number 5");
        let expected = [("cancelled", 1), ("io", 20)];
        let expected = expected.map(|(outcome, times)| (outcome.to_owned(), times));
        assert_eq!(history.outcomes(), BTreeMap::from(expected));
    }

    #[test]
    fn what_strangers_say_is_bounded_and_tame() {
        let history = History::default();
        let long = format!("\u{1b}[2J\n{}", "x".repeat(1 << 20));
        let error = Error::new(ErrorKind::Io, long.clone());
        history.failed(&long, &Caller::new(), &error);
        let errors = history.errors();
        let method = errors[0].method.as_deref().unwrap();
        assert!(method.starts_with("[2J xx") && method.chars().count() == METHOD + 1);
        assert_eq!(errors[0].message.chars().count(), MESSAGE + 1);
    }
}
