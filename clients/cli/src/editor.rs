//! The service's program, run as `vouchd trust`: it changes the config and the signers that are
//! remembered, and says which key signs. It knows what a config may say.

use crate::failure::Failure;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};
use vouch_client::service_program;

/// `vouchd trust`, which answers lines of JSON.
pub(crate) struct Editor {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Editor {
    /// On this config, else the user's own; and on these pins.
    pub(crate) fn start(config: Option<&Path>, pins: Option<&Path>) -> Result<Self, Failure> {
        let program = service_program().map_err(Failure::new)?;
        let mut command = Command::new(&program);
        command.arg("trust");
        for (option, file) in [("--config", config), ("--pins", pins)] {
            if let Some(file) = file {
                command.arg(option).arg(file);
            }
        }
        let started = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It signs nothing.
            .env_remove("VOUCH_KEY_FILE")
            .env_remove("SSH_AUTH_SOCK")
            // Ctrl-C must not end it while the file is changed.
            .process_group(0)
            .spawn();
        let cannot = |error| Failure::new(format!("cannot start {}: {error}", program.display()));
        let mut process = started.map_err(cannot)?;
        match process.stdout.take() {
            Some(said) => Ok(Self {
                process,
                said: BufReader::new(said),
            }),
            None => Err(Failure::new("vouchd has no standard output")),
        }
    }

    /// Says a line, and hears the answer.
    pub(crate) fn ask(&mut self, line: &Value) -> Result<Value, Failure> {
        if let Some(stdin) = &mut self.process.stdin {
            // One that has ended has said why.
            let _ = writeln!(stdin, "{line}");
        }
        let mut said = String::new();
        self.said.read_line(&mut said)?;
        let answer: Value = serde_json::from_str(&said).map_err(|_| {
            Failure::new("`vouchd trust` did not answer")
                .help("vouch and vouchd may be of different versions.")
        })?;
        let Some(error) = answer.get("error") else {
            return Ok(answer);
        };
        let failure = Failure::new(error["message"].as_str().unwrap_or_default());
        Err(match error["help"].as_str() {
            Some(help) => failure.help(help),
            None => failure,
        })
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
