//! How often something is tried, and how long to pause between.

use super::{failure::Failure, host::Timeouts};
use crate::error::{Error, Result};
use std::time::Duration;

/// The attempts of one task, and the pauses between them.
#[derive(Debug)]
pub(crate) struct Retries {
    timeouts: Timeouts,
    failed: u32,
    waited: Duration,
}

impl Retries {
    pub(crate) fn new(timeouts: &Timeouts) -> Self {
        Self {
            timeouts: timeouts.clone(),
            failed: 0,
            waited: Duration::ZERO,
        }
    }

    /// One attempt and no more: there is another place to ask.
    pub(crate) fn none(timeouts: &Timeouts) -> Self {
        let timeouts = Timeouts {
            attempts: 1,
            ..timeouts.clone()
        };
        Self::new(&timeouts)
    }

    /// Something got further: the attempts count anew, the waits do not.
    pub(crate) fn progressed(&mut self) {
        self.failed = 0;
    }

    /// Tries until something succeeds, or fails for good.
    pub(crate) async fn again<T, A: Future<Output = Result<T, Failure>>>(
        &mut self,
        attempt: impl Fn() -> A,
    ) -> Result<T> {
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(failure) => self.wait(failure).await?,
            }
        }
    }

    /// Pauses before the next attempt, or fails with what went wrong if there is to be none.
    pub(crate) async fn wait(&mut self, failure: Failure) -> Result<(), Error> {
        let Some(asked) = failure.again else {
            return Err(failure.error);
        };
        self.failed += 1;
        if self.failed >= self.timeouts.attempts {
            return Err(failure.error);
        }
        let doubled = 1 << (self.failed - 1).min(16);
        let pause = asked.max((self.timeouts.backoff * doubled).mul_f64(jitter()));
        // To wait less than the registry asks for would only add to its load.
        if self.waited.saturating_add(pause) > self.timeouts.retry_after {
            return Err(failure.error);
        }
        tracing::debug!(error = %failure.error, ?pause, "trying again");
        self.waited += pause;
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// Between a half and one, so that clients that failed together do not come back together.
pub(crate) fn jitter() -> f64 {
    use ring::rand::SecureRandom;
    let mut random = [0; 1];
    // Without randomness there is no jitter, which does no harm.
    let _ = ring::rand::SystemRandom::new().fill(&mut random);
    0.5 + f64::from(random[0]) / 512.0
}
