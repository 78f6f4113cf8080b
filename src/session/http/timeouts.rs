//! How long to wait.

use std::time::Duration;

/// How long to wait for registries, and how often to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the next byte, in either direction.
    pub idle: Duration,
    /// For the head of a response once the request was sent, and for a small body as a whole.
    pub answer: Duration,
    /// Before the second attempt; twice as long before each further one, less some jitter.
    pub backoff: Duration,
    /// The longest `Retry-After` that is waited for, and the most that all waits of one request
    /// may add up to.
    pub retry_after: Duration,
    /// Attempts in all, while nothing gets any further.
    pub attempts: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            answer: Duration::from_secs(60),
            backoff: Duration::from_millis(250),
            retry_after: Duration::from_secs(60),
            attempts: 5,
        }
    }
}
