//! Logins that live in memory only: which they are.

use super::{Session, Sessions, lock};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

impl Sessions {
    /// The registries whose logins would be lost with this process, and how long ago each was
    /// used. These are the logins of `session/login`, and those whose refresh token a registry
    /// has replaced since their file was written.
    pub(crate) fn in_memory(&self) -> Vec<(String, Duration)> {
        let used = |session: &Arc<Session>| (session.registry().to_owned(), session.unused());
        let mut found: Vec<_> = self.logins.sessions().iter().map(used).collect();
        let others = lock(&self.others.0);
        let rotated = others.iter().map(|(_, session)| session);
        found.extend(rotated.filter(|session| session.has_rotated()).map(used));
        found
    }
}

impl Session {
    /// How long ago it was used. The hours in which the machine slept count.
    fn unused(&self) -> Duration {
        let used = Duration::from_secs(self.used.load(Ordering::Relaxed));
        self.clock.now().saturating_sub(used)
    }
}
