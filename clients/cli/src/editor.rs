//! The service's program, run as `vouchd trust`: it changes the config and the signers that are
//! remembered, and says which key signs. It knows what a config may say.

use crate::failure::Failure;
use serde_json::Value;
use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tokio::{task::spawn_blocking, time::timeout};
use vouch_client::service_program;

/// How long an answer may take. A change waits for another one, which waits for the service.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take to end, and how often it is looked at.
const LAST: Duration = Duration::from_secs(5);
const EACH: Duration = Duration::from_millis(5);
/// The longest answer that is read, in bytes: a list of all signers that may be remembered.
const LONGEST: u64 = 128 << 20;

/// `vouchd trust`, which answers lines of JSON.
pub(crate) struct Editor {
    process: Child,
    /// Nothing after an answer that did not come in time.
    talk: Option<Talk>,
    patience: Duration,
}

/// Both ends of the talk with it.
struct Talk {
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Talk {
    /// Says a line, and hears the next. Blocks until then, or until the program ends.
    fn ask(&mut self, line: &str) -> io::Result<String> {
        // One that has ended has said why.
        let _ = writeln!(self.to, "{line}");
        let mut said = String::new();
        (&mut self.from).take(LONGEST).read_line(&mut said)?;
        Ok(said)
    }
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
        let cannot = |error| Failure::new(format!("cannot start {}: {error}", program.display()));
        Self::run(command, PATIENCE).map_err(cannot)
    }

    fn run(mut command: Command, patience: Duration) -> io::Result<Self> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It signs nothing.
            .env_remove("VOUCH_KEY_FILE")
            .env_remove("SSH_AUTH_SOCK")
            // Ctrl-C must not end it while the file is changed.
            .process_group(0)
            .spawn()?;
        let ends = process.stdin.take().zip(process.stdout.take());
        let talk = ends.map(|(to, from)| Talk {
            to,
            from: BufReader::new(from),
        });
        Ok(Self {
            process,
            talk,
            patience,
        })
    }

    /// Says a line, and hears the answer.
    pub(crate) async fn ask(&mut self, line: &Value) -> Result<Value, Failure> {
        let none = || {
            Failure::new("`vouchd trust` did not answer")
                .help("vouch and vouchd may be different versions: run `vouch restart`.")
        };
        let (mut talk, line) = (self.talk.take().ok_or_else(none)?, line.to_string());
        let asked = spawn_blocking(move || (talk.ask(&line), talk));
        let Ok(asked) = timeout(self.patience, asked).await else {
            // That ends the thread that waits for it, too.
            let _ = self.process.kill();
            let seconds = self.patience.as_secs();
            let message = format!("`vouchd trust` did not answer within {seconds} s");
            return Err(Failure::new(message)
                .help("Another `vouch trust` may be waiting for an answer; then try again."));
        };
        let (said, talk) = asked.map_err(io::Error::other)?;
        self.talk = Some(talk);
        let answer: Value = serde_json::from_str(&said?).map_err(|_| none())?;
        let Some(error) = answer.get("error") else {
            return Ok(answer);
        };
        let failure = Failure::new(error["message"].as_str().unwrap_or_default());
        let failure = if error["usage"] == true {
            failure.usage()
        } else {
            failure
        };
        Err(match error["help"].as_str() {
            Some(help) => failure.help(help),
            None => failure,
        })
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.talk.take());
        let begun = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) {
            if begun.elapsed() > LAST {
                let _ = self.process.kill();
                let _ = self.process.wait();
                return;
            }
            thread::sleep(EACH);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A program that does this with its input, and may take as long as that to answer.
    fn editor(script: &str, patience: Duration) -> Editor {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Editor::run(command, patience).unwrap()
    }

    #[tokio::test]
    async fn answers_come_in_time_or_not_at_all() {
        let mut echo = editor("cat", PATIENCE);
        for line in [json!({"list": {}}), json!("write")] {
            assert_eq!(echo.ask(&line).await.unwrap(), line);
        }
        let why = |failure: Failure| failure.message;
        let mut mute = editor("exec sleep 600", Duration::from_millis(50));
        let late = mute.ask(&json!("write")).await.map_err(why);
        assert_eq!(late, Err("`vouchd trust` did not answer within 0 s".into()));
        let after = mute.ask(&json!("undo")).await.map_err(why);
        assert_eq!(after, Err("`vouchd trust` did not answer".into()));
        for script in ["exit 0", "read line; echo nonsense; cat"] {
            let ended = editor(script, PATIENCE).ask(&json!({})).await.map_err(why);
            assert_eq!(
                ended,
                Err("`vouchd trust` did not answer".into()),
                "{script}"
            );
        }
        let said = r#"read line; echo '{"error": {"message": "no", "help": "yes"}}'"#;
        let failure = editor(said, PATIENCE).ask(&json!({})).await.unwrap_err();
        assert_eq!(
            (failure.message, failure.help),
            ("no".into(), Some("yes".into()))
        );
    }
}
