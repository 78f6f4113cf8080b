//! vouchd: lets only signed WebAssembly artifacts pass between a developer's tools and registries.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod artifact;
pub mod config;
pub mod error;
pub mod file;
pub mod progress;
pub mod reference;
pub mod registry;
pub mod service;
pub mod session;
pub mod transport;
pub mod trust;
