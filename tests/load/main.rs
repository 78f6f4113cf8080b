//! Many clients, greedy ones, slow ones and dead ones, from outside: the others are served as
//! before, what is refused is told why, and what it cost is given back.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::pedantic
)]

mod gone;
mod handles;
mod many;
mod scene;
mod slow;
