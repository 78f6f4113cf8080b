//! What time it is. Tests move it.

use rustix::time::{ClockId, clock_gettime};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};
use tokio::sync::Notify;

/// A clock that never goes back, and that counts the hours in which the machine slept: a token
/// does not live longer because of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock(Arc<Moved>);

#[derive(Debug, Default)]
struct Moved {
    seconds: AtomicU64,
    moved: Notify,
}

impl Clock {
    /// Since some moment that is always the same.
    pub(crate) fn now(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
        Duration::new(seconds, nanoseconds) + self.offset()
    }

    /// Seconds since 1970, as tokens count them.
    pub(crate) fn unix(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        (since.unwrap_or_default() + self.offset()).as_secs()
    }

    /// Waits until then.
    pub(crate) async fn sleep_until(&self, then: Duration) {
        loop {
            let moved = self.0.moved.notified();
            let left = then.saturating_sub(self.now());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                // The timer does not count the machine's sleep: look again now and then.
                () = tokio::time::sleep(left.min(Duration::from_secs(60))) => {}
                () = moved => {}
            }
        }
    }

    fn offset(&self) -> Duration {
        Duration::from_secs(self.0.seconds.load(Ordering::Relaxed))
    }

    /// Lets time pass.
    #[cfg(test)]
    pub(crate) fn advance(&self, seconds: u64) {
        self.0.seconds.fetch_add(seconds, Ordering::Relaxed);
        self.0.moved.notify_waiters();
    }
}
