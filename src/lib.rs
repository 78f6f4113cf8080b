//! vouchd lets only signed WebAssembly artifacts pass between a developer's tools and registries.
//!
//! It is a local service that speaks JSON-RPC: see the crate `vouch-protocol` for what it says.
//! This crate is the service. Its modules depend on each other in one direction; none names one
//! further down this list:
//!
//! | module | what it is for |
//! |---|---|
//! | [`error`] | the one error: what went wrong, what to do |
//! | [`name`] | registries, repositories, references and digests, each parsed once |
//! | [`progress`] | how far a request is, and whether it should go on |
//! | [`file`](mod@file) | files opened without surprises and named atomically |
//! | [`artifact`] | what is this file, whole and well formed? makes an [`Examined`](artifact::Examined) |
//! | [`signature`] | who signed it? the methods, a file each |
//! | [`trust`] | may it be used so, now? makes a [`Vouched`](trust::Vouched) |
//! | [`session`] | registry logins, and the one way requests go out |
//! | [`registry`] | manifests and transfer, for registries and layouts on disk |
//! | [`config`] | the config file |
//! | [`document`] | references in other programs' manifests and lock files |
//! | [`service`] | the methods, a file each |
//! | [`transport`] | framing, connections, the socket, stdio, HTTP |
//!
//! A request's way is connection, method table, `service/push.rs`, then `artifact`, `signature`,
//! `trust` and `registry`, reply. Two types carry the rule: an `Examined` owns a file and the facts
//! about its bytes, and [`trust::judge`] alone makes a `Vouched` of it, which owns that file and a
//! permission for one use. A registry takes nothing but a `Vouched`, and nothing else gets a name.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::cast_possible_truncation,
        clippy::too_many_lines
    )
)]

pub mod artifact;
pub mod config;
pub mod document;
pub mod error;
pub mod file;
pub mod name;
pub mod progress;
pub mod registry;
pub mod service;
pub mod session;
pub mod signature;
pub mod transport;
pub mod trust;
