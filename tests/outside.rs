//! The built service from outside: as clients, service managers and registries see it. Each module
//! is a subject; [`vouch_testing`] has what they share.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::pedantic
)]

mod binary;
mod bundles;
mod cancel;
mod check;
mod commands;
mod config;
mod connect;
mod editor;
mod editors;
mod gate;
mod idle;
mod inspect;
mod log;
mod over;
mod package;
mod pages;
mod progress;
mod protocol;
mod registry;
mod restart;
mod sessions;
mod sign;
mod socket;
mod trust;
mod vscode;
