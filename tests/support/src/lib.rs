//! What the tests of the workspace share.
//!
//! [`process`] finds the built programs, runs them and waits for what they do; [`daemon`] is the
//! service as a process of its own, and [`wire`] a client of it. [`registry`] starts real
//! registries, [`token_server`] issues their tokens, [`proxy`] stands before one, and [`faulty`]
//! answers what no registry should. [`forge`] makes artifacts, signed rightly and wrongly, and
//! [`sigstore`] bundles beside them, [`publisher`] publishes both as others do; [`real_modules`] fetches some that others have made, and [`seeds`] are for fuzzing.

// A test that cannot go on panics.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::pedantic
)]

pub mod daemon;
mod der;
pub mod faulty;
pub mod folder;
pub mod forge;
pub mod process;
pub mod proxy;
pub mod publisher;
pub mod real_modules;
pub mod registry;
pub mod seeds;
pub mod sigstore;
pub mod token_server;
pub mod wire;
