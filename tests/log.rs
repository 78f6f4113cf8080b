//! The log file from outside: the built service, several of them, hostile clients and registries.

mod lines;
mod place;
mod room;
mod status;

use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use vouch_testing::{
    daemon::Daemon,
    faulty::{Answer, Faulty},
    process::{Detached, binary, ended, program, until},
    wire::{Framing, Wire},
};

/// A service that logs as the arguments say; more can be said to the command.
fn start(arguments: &[&str], more: impl FnOnce(&mut Command, &Path)) -> Daemon {
    Daemon::with(|folder, command| {
        command.args(arguments);
        more(command, folder);
    })
}

/// Asks, whatever the answer is.
fn ask(client: &mut Wire, method: &str, params: &Value) {
    let _ = client.call(method, params);
}

/// The same with a config.
fn configured(config: &str, arguments: &[&str]) -> Daemon {
    Daemon::with(|folder, command| {
        fs::write(folder.join("config.toml"), config).unwrap();
        command.args(arguments);
    })
}
