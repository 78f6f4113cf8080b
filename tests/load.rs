//! Many clients, greedy ones, slow ones and dead ones, from outside: the others are served as
//! before, what is refused is told why, and what it cost is given back.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::pedantic
)]

#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/folder.rs"]
mod folder;
#[path = "support/forge.rs"]
mod forge;

#[path = "load/gone.rs"]
mod gone;
#[path = "load/handles.rs"]
mod handles;
#[path = "load/many.rs"]
mod many;
#[path = "load/scene.rs"]
mod scene;
#[path = "load/slow.rs"]
mod slow;
#[path = "support/wire.rs"]
mod wire;
