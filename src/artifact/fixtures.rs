//! Artifacts for tests; the same forge serves the tests from outside.

#[path = "../../tests/support/forge.rs"]
mod forge;

pub(crate) use forge::*;
