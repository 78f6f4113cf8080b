//! What may be written behind `vouch`.

use crate::reference::reference;
use clap::{Args, CommandFactory, Parser, Subcommand, error::ErrorKind};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Read},
    path::PathBuf,
};
use vouch_pages::{Manual, Shell};

/// What `--help` and the man pages say beside the arguments.
pub(crate) const MANUAL: Manual = Manual {
    exit_status: &[
        ("0", "accepted, or done"),
        (
            "1",
            "refused: what the artifact is, or its signature, does not pass",
        ),
        (
            "2",
            "anything else; also where no service listens, and none could be started",
        ),
        ("64", "wrong usage"),
    ],
    environment: &[
        (
            "VOUCHD_SOCKET",
            "The service's socket, where --socket does not say.",
        ),
        (
            "VOUCHD",
            "The program that is started where no service listens. Without it, vouchd beside vouch \
             itself, or on PATH.",
        ),
        (
            "VOUCH_NO_SPAWN",
            "Anything but 0, false and no: start no service, as with --no-spawn.",
        ),
        (
            "VOUCH_START_TIMEOUT",
            "How many seconds a service that is started may take until it answers; 5 without it.",
        ),
        (
            "XDG_RUNTIME_DIR",
            "The folder of the usual socket; see FILES.",
        ),
        (
            "NO_COLOR, CLICOLOR_FORCE",
            "Use no colours, or use them elsewhere than on a terminal too.",
        ),
    ],
    files: &[
        ("$XDG_RUNTIME_DIR/vouchd/vouchd.sock", "The usual socket."),
        (
            "/tmp/vouchd-$UID/vouchd.sock",
            "The same, where there is no XDG_RUNTIME_DIR.",
        ),
    ],
    see_also: &["vouchd(1)"],
};

fn after_help() -> String {
    let mut text = "Exit codes:\n".to_owned();
    for (code, meaning) in MANUAL.exit_status {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  {code:<3} {meaning}");
    }
    text + "
The service is looked for at --socket, else $VOUCHD_SOCKET, else
$XDG_RUNTIME_DIR/vouchd/vouchd.sock, else /tmp/vouchd-$UID/vouchd.sock.
Where none listens, one is started: $VOUCHD, else the vouchd beside this
program or on $PATH."
}

/// The most JSON that is read from standard input, in bytes: what a request may have.
const LONGEST_INPUT: u64 = 1024 * 1024;

/// Verify, push and pull signed WebAssembly artifacts, by way of vouchd
#[derive(Debug, Parser)]
#[command(name = "vouch", version = env!("VOUCHD_VERSION"), after_help = after_help())]
pub(crate) struct Cli {
    /// The service's socket
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Start no service where none listens; the same as VOUCH_NO_SPAWN=1
    #[arg(long, global = true)]
    pub(crate) no_spawn: bool,
    /// Print JSON, one object a line: what the service answered
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) wanted: Wanted,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Wanted {
    #[command(flatten)]
    Service(Command),
    /// Show the service's log file
    Log(LogArguments),
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the man pages to a folder
    Man {
        /// For example `~/.local/share/man/man1`
        folder: PathBuf,
    },
}

/// What the service is asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Judge artifacts by the signature rule
    Verify(VerifyArguments),
    /// Verify a file and publish it
    Push(PushArguments),
    /// Fetch an artifact, verify it and place it
    Pull(PullArguments),
    /// Log in to a registry, until `vouch logout` or the service's end
    Login(LoginArguments),
    /// Forget a login of `vouch login`, and end what is under way with it
    Logout(LogoutArguments),
    /// List the logins that are kept or in use
    Sessions,
    /// Tell what the service is doing
    Status(StatusArguments),
    /// Stop the service
    Stop,
    /// Have the service replaced by the vouchd that is installed, without refusing anybody
    ///
    /// The new one takes over the socket and the logins. The old one finishes what is under way.
    Restart,
    /// Call a method of the protocol and print its result
    Rpc(RpcArguments),
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// Files to judge
    #[arg(value_name = "FILE", required_unless_present = "references")]
    pub(crate) files: Vec<PathBuf>,
    /// Judge what a reference names; may be given several times
    #[arg(long = "reference", value_name = "REFERENCE", value_parser = reference)]
    pub(crate) references: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PushArguments {
    /// The file to publish
    pub(crate) file: PathBuf,
    /// Where to: `registry/repository:tag`, or `oci:/path/to/layout:tag`
    #[arg(value_parser = reference)]
    pub(crate) reference: String,
    /// Annotate the manifest; may be given several times
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = annotation)]
    given: Vec<(String, String)>,
    #[arg(skip)]
    pub(crate) annotations: BTreeMap<String, String>,
    /// Allow the tag `latest`, or none
    #[arg(long)]
    pub(crate) allow_latest: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PullArguments {
    /// Where from: `registry/repository[:tag][@digest]`, or `oci:/path/to/layout:tag`
    #[arg(value_parser = reference)]
    pub(crate) reference: String,
    /// The file or folder to write to
    #[arg(short, long, value_name = "FILE", default_value = ".")]
    pub(crate) output: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Place only this target of a provider archive, for example `x86_64-linux`
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// Allow the tag `latest`, or none
    #[arg(long)]
    pub(crate) allow_latest: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LoginArguments {
    /// The registry: `ghcr.io`, `localhost:5000`
    pub(crate) registry: String,
    /// Who logs in; asked for on a terminal
    #[arg(short, long)]
    pub(crate) username: Option<String>,
    /// Read the password from standard input; without this it is asked for on a terminal
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// What is read is an OAuth2 refresh token in place of a password
    #[arg(long)]
    pub(crate) identity_token: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogoutArguments {
    /// The registry, as it was logged in to
    pub(crate) registry: String,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Tell it again each second, until it is interrupted
    #[arg(short, long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogArguments {
    /// Go on with what is logged from now on, until it is interrupted
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How many of the last lines to show first
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 40)]
    pub(crate) lines: u64,
}

#[derive(Debug, Args)]
pub(crate) struct RpcArguments {
    /// For example `server/status`
    pub(crate) method: String,
    /// The params, a JSON object; `-` reads them from standard input
    #[arg(value_name = "JSON", allow_hyphen_values = true)]
    given: Option<String>,
    #[arg(skip)]
    pub(crate) params: Value,
}

impl Command {
    /// Whether a service is started for it, where none listens. What there is to tell about none,
    /// or to do to it, needs none.
    pub(crate) fn starts_service(&self) -> bool {
        !matches!(self, Self::Status(_) | Self::Stop | Self::Restart)
    }
}

impl Cli {
    /// Reads and checks what clap cannot.
    pub(crate) fn complete(mut self) -> Result<Self, clap::Error> {
        // With the usage of the command that is wrong, not of the program.
        let wrong = |name: &str, text: String| {
            let mut program = Self::command();
            program.build();
            match program.find_subcommand_mut(name) {
                Some(command) => command.error(ErrorKind::ValueValidation, text),
                None => program.error(ErrorKind::ValueValidation, text),
            }
        };
        let Wanted::Service(command) = &mut self.wanted else {
            return Ok(self);
        };
        match command {
            Command::Push(push) => {
                for (name, value) in std::mem::take(&mut push.given) {
                    if push.annotations.insert(name.clone(), value).is_some() {
                        return Err(wrong(
                            "push",
                            format!("the annotation {name:?} is given twice"),
                        ));
                    }
                }
            }
            Command::Rpc(rpc) => {
                rpc.params = match rpc.given.as_deref() {
                    None => Ok(Value::Null),
                    Some("-") => input(io::stdin().lock()),
                    Some(text) => serde_json::from_str(text)
                        .map_err(|error| format!("the params are no JSON: {error}")),
                }
                .map_err(|text| wrong("rpc", text))?;
            }
            Command::Login(login) => {
                // Both come from the terminal, or neither does.
                if login.password_stdin && login.username.is_none() && !login.identity_token {
                    return Err(wrong(
                        "login",
                        "--password-stdin needs --username".to_owned(),
                    ));
                }
            }
            Command::Verify(_)
            | Command::Pull(_)
            | Command::Logout(_)
            | Command::Sessions
            | Command::Status(_)
            | Command::Stop
            | Command::Restart => {}
        }
        Ok(self)
    }
}

fn input(reader: impl Read) -> Result<Value, String> {
    let mut text = Vec::new();
    reader
        .take(LONGEST_INPUT + 1)
        .read_to_end(&mut text)
        .map_err(|error| format!("cannot read standard input: {error}"))?;
    if text.len() as u64 > LONGEST_INPUT {
        return Err(format!(
            "standard input has more than {LONGEST_INPUT} bytes"
        ));
    }
    serde_json::from_slice(&text).map_err(|error| format!("standard input is no JSON: {error}"))
}

fn annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn annotations_have_a_name() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let read = annotation(text).ok();
            assert_eq!(read, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
        };
        check("a=b", Some(("a", "b")));
        check("a=", Some(("a", "")));
        check("a=b=c", Some(("a", "b=c")));
        check("a", None);
        check("=b", None);
    }

    #[test]
    fn standard_input_is_bounded() {
        assert_eq!(input(&b"{}"[..]).unwrap(), serde_json::json!({}));
        assert!(input(&b"{"[..]).is_err());
        assert!(input(io::repeat(b' ')).unwrap_err().contains("more than"));
    }
}
