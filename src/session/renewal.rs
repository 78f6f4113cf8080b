//! Tokens in use are renewed before they expire, so that no request waits for one. What nobody has
//! used for a while is left alone.

use super::{Session, clock::Clock};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long to wait before a failed renewal is tried again.
const AGAIN: Duration = Duration::from_secs(30);

impl Session {
    /// Sees to it that the tokens are renewed.
    pub(super) fn keep_fresh(self: &Arc<Self>) {
        if self.tokens.begin_renewing() {
            tokio::spawn(renewing(
                // A session that nobody knows any more is not kept alive by this.
                Arc::downgrade(self),
                self.clock.clone(),
                self.end.clone(),
                Arc::clone(&self.tokens.changed),
            ));
        } else {
            self.tokens.changed.notify_one();
        }
    }

    async fn renew_what_is_due(self: &Arc<Self>) {
        let now = self.clock.now();
        let mut due = self.tokens.to_renew(now);
        due.retain(|(_, renew)| *renew <= now);
        let confirmed = self.confirm().await;
        for (key, _) in due {
            let renewed = match &confirmed {
                Ok(()) => self.renew(&key).await.map_err(|failure| failure.error),
                Err(error) => Err(super::failure::copied(error)),
            };
            if let Err(error) = renewed {
                tracing::debug!(registry = self.registry(), %error, "a token was not renewed");
                // What may go better later is tried again, for as long as the token is in use.
                let later = error.kind().retryable().then(|| now + AGAIN);
                self.tokens.put_off(&key, later);
            }
        }
    }
}

async fn renewing(
    session: Weak<Session>,
    clock: Clock,
    end: CancellationToken,
    changed: Arc<Notify>,
) {
    loop {
        let next = {
            let Some(session) = session.upgrade() else {
                return;
            };
            let due = session.tokens.to_renew(clock.now());
            due.into_iter().map(|(_, renew)| renew).min()
        };
        let Some(next) = next else {
            return;
        };
        tokio::select! {
            () = end.cancelled() => return,
            () = changed.notified() => continue,
            () = clock.sleep_until(next) => {}
        }
        let Some(session) = session.upgrade() else {
            return;
        };
        session.renew_what_is_due().await;
    }
}
