//! The built `vouch` from outside: what it prints, asks for, draws and starts.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod bundles;
mod cli;
mod keys;
mod log;
mod progress;
mod service;
mod sessions;
mod sign;
mod spawn;
mod status;
mod terminal;
mod trust;
mod verify;
mod versions;
