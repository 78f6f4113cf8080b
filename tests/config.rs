//! The config from outside: `vouchd config`, SIGHUP, client certificates and mirrors, with the
//! built service and Debian's docker-registry.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

#[path = "config/certificates.rs"]
mod certificates;
#[path = "config/commands.rs"]
mod commands;
#[path = "support/daemon.rs"]
mod daemon;
#[path = "support/faulty.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic)]
mod faulty;
#[path = "support/folder.rs"]
mod folder;
#[path = "support/forge.rs"]
mod forge;
#[path = "config/mirrors.rs"]
mod mirrors;
#[path = "support/proxy.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic)]
mod proxy;
#[path = "support/registry.rs"]
#[allow(dead_code, unreachable_pub, clippy::pedantic)]
mod registry;
#[path = "config/reload.rs"]
mod reload;

use daemon::{kind, pull, push};
use folder::Folder;
use forge::{Signer, component};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A signed component in a folder.
fn signed(folder: &Folder) -> PathBuf {
    folder.write("echo.wasm", &Signer::default().wasm(&component()))
}
