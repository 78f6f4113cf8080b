//! The config from outside: `vouchd config`, SIGHUP, client certificates and mirrors, with the
//! built service and Debian's docker-registry.

mod certificates;
mod commands;
mod mirrors;
mod reload;
mod trust;

use serde_json::{Value, json};
use std::path::PathBuf;
use vouch_testing::{
    daemon::{kind, pull, push},
    folder::Folder,
    forge::{Signer, component},
};

/// A signed component in a folder.
fn signed(folder: &Folder) -> PathBuf {
    folder.write("echo.wasm", &Signer::default().wasm(&component()))
}
