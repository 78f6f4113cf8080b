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
//! | [`artifact`] | is this artifact signed? makes a [`Verified`](artifact::Verified) |
//! | [`trust`] | is it trusted, here and now? makes a [`Vouched`](trust::Vouched) |
//! | [`session`] | registry logins, and the one way requests go out |
//! | [`registry`] | manifests and transfer, for registries and layouts on disk |
//! | [`config`] | the config file |
//! | [`service`] | the methods, a file each |
//! | [`transport`] | framing, connections, the socket, stdio, HTTP |
//!
//! A request's way is connection, method table, `service/push.rs`, `artifact` and `registry`,
//! reply. Two types carry the rule: only [`artifact::examine`] makes a `Verified`, which is a fact
//! about bytes, and only [`trust::Policy::judge`] makes a `Vouched` of it, which is a permission.
//! A registry takes nothing but a `Vouched`, and nothing else gives a file its name.

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
pub mod error;
pub mod file;
pub mod name;
pub mod progress;
pub mod registry;
pub mod service;
pub mod session;
pub mod transport;
pub mod trust;
