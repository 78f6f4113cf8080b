//! `$/progress`: tells a client how far its request is, for as long as the request lasts. It looks
//! at the request's counters ten times a second; the request knows nothing of it.
//!
//! A beginning and an end wait for the writer, as answers do, so they are lost only with the
//! connection. A report never waits: while what was told before it is unwritten, there is none.

use super::outgoing::{Outgoing, Queue};
use crate::{progress::Phase, service::Reporting};
use jsonrpsee::types;
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use vouch_protocol::{Notification, Progress as ProgressNotification, ProgressParams, WorkDone};

/// How long after a report the next may follow.
const PAUSE: Duration = Duration::from_millis(100);

/// What is reported of one request.
pub(super) struct Reports {
    of: Reporting,
    queue: Queue,
    /// Shared with what waits to be written of it.
    mark: Arc<()>,
}

impl Reports {
    pub(super) fn new(of: Reporting, queue: &Queue) -> Self {
        Self {
            of,
            queue: queue.clone(),
            mark: Arc::new(()),
        }
    }

    /// Awaits the request's answer, and tells how far it is meanwhile. The request begins when it
    /// was told that it does; it does so without that where nobody listens any more, as whoever
    /// closes a connection cancels its requests.
    pub(super) async fn during<T>(self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        self.say(WorkDone::Begin {
            title: self.of.title.into(),
            cancellable: true,
            message: Some(Phase::Waiting.name().into()),
            percentage: Some(0),
            bytes: 0,
            total: None,
        })
        .await;
        let mut ticks = interval_at(Instant::now() + PAUSE, PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = None;
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut answer => break answer,
                _ = ticks.tick() => self.report(&mut last),
            }
        };
        self.say(WorkDone::End {
            message: Some(self.of.progress.phase().name().into()),
        })
        .await;
        answer
    }

    /// Tells what has changed since it was told last, if there is room for it.
    fn report(&self, last: &mut Option<(Phase, u64)>) {
        let count = self.of.progress.count();
        let now = (self.of.progress.phase(), count.bytes);
        if *last == Some(now) || Arc::strong_count(&self.mark) > 1 {
            return;
        }
        let value = WorkDone::Report {
            message: Some(now.0.name().into()),
            percentage: count.percentage(),
            bytes: count.bytes,
            total: count.total,
        };
        if let Ok(room) = self.queue.try_reserve() {
            room.send(Box::new(self.notice(value)));
            *last = Some(now);
        }
    }

    /// Waits until there is room for it.
    async fn say(&self, value: WorkDone) {
        // It fails when the connection is gone, and nobody misses it.
        let _ = self.queue.send(Box::new(self.notice(value))).await;
    }

    fn notice(&self, value: WorkDone) -> Outgoing {
        let token = self.of.token.clone();
        let params = ProgressParams { token, value };
        let message = types::Notification::new(ProgressNotification::NAME.into(), params);
        // Names, numbers and texts are always JSON.
        let text = serde_json::to_string(&message).unwrap_or_default();
        Outgoing::notification(text, Arc::clone(&self.mark))
    }
}

#[cfg(test)]
mod tests;
