//! The client against servers of the tests' own, and against the built service.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod client;
mod peer;
mod progress;
#[cfg(feature = "signing")]
mod signing;
mod start;
