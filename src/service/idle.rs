//! When a service that nobody uses ends by itself.
//!
//! Its timeout is measured by a clock that stops while the machine sleeps: nobody could have connected
//! then. The timeout of logins goes on, as their tokens' lifetimes do. The service must not end while
//! anybody is connected, a request is under way, or a login would be lost before its time.

use super::state::State;
use crate::config::{Idle, Timeout};
use std::time::{Duration, Instant};
use vouch_protocol::{IdleKeeper, IdleStatus};

impl State {
    /// Notes that a connection or a request has ended.
    pub(super) fn used(&self) {
        *self.last.lock() = Instant::now();
        self.idle.notify_waiters();
    }

    /// Which of connections and requests keeps the service alive, apart from that many of its own.
    pub(super) fn users(&self, own: usize) -> Option<IdleKeeper> {
        let connections = self.connections.load(std::sync::atomic::Ordering::Relaxed);
        if self.under_way.count() > own {
            Some(IdleKeeper::Requests)
        } else if connections > own as u64 {
            Some(IdleKeeper::Connections)
        } else {
            None
        }
    }

    fn ends(&self) -> Idle {
        self.ends.lock().clone()
    }

    /// How much longer logins keep it alive.
    fn logins(&self) -> Option<Duration> {
        let limit = self.ends().logins.0;
        let left = |(_, unused)| limit.checked_sub(unused).filter(|left| !left.is_zero());
        self.settings()
            .sessions
            .in_memory()
            .into_iter()
            .filter_map(left)
            .max()
    }

    /// When it ends, for `server/status`, whose own connection and request do not count.
    pub(super) fn idle_status(&self) -> Option<IdleStatus> {
        let Some(Timeout::After(timeout)) = self.ends().timeout else {
            return None;
        };
        let logins = self.logins();
        let users = self.users(1);
        let ends = users
            .is_none()
            .then(|| timeout.max(logins.unwrap_or_default()));
        Some(IdleStatus {
            timeout_seconds: timeout.as_secs(),
            logins_seconds: self.ends().logins.0.as_secs(),
            kept_by: users.or(logins.map(|_| IdleKeeper::Logins)),
            ends_in_seconds: ends.map(|left| left.as_secs()),
        })
    }

    /// How much longer to wait for a client; nothing if the service is in use or never ends.
    pub(super) fn left(&self) -> Option<Duration> {
        let Some(Timeout::After(timeout)) = self.ends().timeout else {
            return None;
        };
        if self.users(0).is_some() {
            return None;
        }
        let last = *self.last.lock();
        let left = timeout.saturating_sub(last.elapsed());
        // Logins are looked at only when they matter: there may be many.
        if !left.is_zero() {
            return Some(left);
        }
        Some(self.logins().unwrap_or_default())
    }
}
