//! What may be written behind `vouch`. Each command's own arguments are beside it.

use crate::{
    check::CheckArguments,
    commands::{PullArguments, PushArguments, RpcArguments},
    hints::hinted,
    inspect::InspectArguments,
    keys::KeysCommand,
    log::LogArguments,
    manual::after_help,
    par::ParCommand,
    sessions::{LoginArguments, LogoutArguments},
    sign::SignArguments,
    status::StatusArguments,
    tags::TagsArguments,
    trust::TrustCommand,
    verify::VerifyArguments,
};
use clap::{CommandFactory, Parser, Subcommand, error::ErrorKind};
use std::path::PathBuf;
use vouch_pages::Shell;

/// The heading of options that each command has.
const GLOBAL: &str = "Global options";

/// Sign, verify, push and pull WebAssembly artifacts through vouchd
#[derive(Debug, Parser)]
#[command(name = "vouch", version = env!("VOUCHD_VERSION"), after_help = after_help())]
pub(crate) struct Cli {
    /// The service's socket [default: `$VOUCHD_SOCKET`, `vouchd/vouchd.sock` in `$XDG_RUNTIME_DIR`,
    /// or `/tmp/vouchd-$UID/vouchd.sock`]
    #[arg(long, global = true, value_name = "PATH", help_heading = GLOBAL)]
    pub(crate) socket: Option<PathBuf>,
    /// Do not start a service if none listens; the same as VOUCH_NO_SPAWN=1
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) no_spawn: bool,
    /// Print what the service answered as JSON, one object per line
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) wanted: Wanted,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Wanted {
    #[command(flatten)]
    Service(Command),
    /// Make, list and show keys that sign
    ///
    /// They are in ssh-agent, in files of your own, and in folders that the config names. The service
    /// never sees them.
    // Behind `par`, in front of `push`.
    #[command(
        display_order = 8,
        after_help = "Examples:
  vouch keys list
  vouch keys new acme
  vouch keys show ssh:ann@laptop"
    )]
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Show the service's log file
    ///
    /// With --json each line is an object: as it was logged if the service logs in JSON, else with
    /// the text as `line`.
    #[command(after_help = "Example:\n  vouch log -f -n 100")]
    Log(LogArguments),
    /// Print the completions for a shell
    #[command(after_help = "Example:\n  source <(vouch completions bash)")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the man pages to a folder
    #[command(after_help = "Example:\n  vouch man ~/.local/share/man/man1")]
    Man {
        /// The folder, which is created if it does not exist
        folder: PathBuf,
    },
}

/// What the service is asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say whether artifacts are signed, and by whom
    ///
    /// Each is a file, a folder, a reference, or `-` for standard input. An argument that exists as a
    /// path is treated as one, unless it is also written as a reference: then write `./NAME` or
    /// `--reference NAME`. Folders are searched recursively for *.wasm, *.par and *.par.gz; what a
    /// file holds decides its kind, not its name. Exits with 1 if one is refused, else with 2 if one
    /// could not be judged.
    #[command(after_help = "Examples:
  vouch verify echo.wasm ghcr.io/acme/echo:1.0.0
  vouch verify -q target/             # only what is not accepted
  vouch verify --explain --for ghcr.io/acme/echo:1.0.1 echo.wasm
  curl -s https://example.org/echo.wasm | vouch verify -")]
    Verify(VerifyArguments),
    /// Check the artifacts named in manifests, lock files and configs
    ///
    /// Folders are searched recursively for YAML, JSON and the lock files of wkg, wasm and Spin, except
    /// .git, node_modules and target. Every registry that they name is asked, unless --offline is
    /// given. `-` is standard input, a manifest in YAML or JSON. Exits with 1 if an artifact is refused,
    /// else with 2 if one could not be checked.
    #[command(after_help = "Examples:
  vouch check deploy/ wkg.lock
  helm template chart | vouch check -
  vouch check --offline -q .               # asks no registry
  vouch check --format sarif . > vouch.sarif")]
    Check(CheckArguments),
    /// Show all that is known of an artifact, and who says so
    ///
    /// Of a large module in a registry only its token and the heads of its sections are fetched: its
    /// bytes are not checked against the signature.
    #[command(after_help = "Examples:
  vouch inspect echo.wasm
  vouch inspect ghcr.io/acme/echo:1.0.0")]
    Inspect(InspectArguments),
    /// Sign files with a key of yours
    ///
    /// The service reads each file, says what is to be signed, and puts the token in; it never sees
    /// the key. What is going to be signed is shown first. An existing token is replaced; another
    /// signer's only after you confirm, or with --replace.
    #[command(after_help = "Examples:
  vouch sign echo.wasm
  vouch sign target/wasm32-wasip2/release/*.wasm --expires-in 90d
  vouch sign echo.wasm --key ssh:ann@laptop -o signed/
  VOUCH_KEY_FILE=/run/secrets/key vouch sign echo.wasm   # in CI")]
    Sign(Box<SignArguments>),
    /// Make provider archives, or list what one holds
    #[command(after_help = "Examples:
  vouch par create -o kv.par.gz --vendor acme --target x86_64-linux=target/release/kv
  vouch par list kv.par.gz")]
    Par {
        #[command(subcommand)]
        command: ParCommand,
    },
    /// Verify a file and publish it
    #[command(after_help = "Examples:
  vouch push echo.wasm ghcr.io/acme/echo:1.0.0
  vouch push echo.wasm oci:layout:1.0.0        # into an image layout on disk")]
    Push(PushArguments),
    /// Fetch an artifact, and write the file only if it verifies
    #[command(after_help = "Examples:
  vouch pull ghcr.io/acme/echo:1.0.0
  vouch pull ghcr.io/acme/echo:1.0.0 --signer acme   # in CI, where each use is the first
  vouch pull -q ghcr.io/acme/echo:1                  # prints the reference to pin
  vouch pull ghcr.io/acme/http:0.2.0 --target x86_64-linux -o http")]
    Pull(PullArguments),
    /// List the tags of a repository
    ///
    /// They come in the order in which the registry or the image layout has them.
    #[command(after_help = "Examples:
  vouch tags ghcr.io/acme/echo
  vouch tags oci:layout -n 10")]
    Tags(TagsArguments),
    /// Log in to a registry, until `vouch logout` or the service's end
    ///
    /// Logins of docker and podman are used without this.
    #[command(after_help = "Example:\n  vouch login ghcr.io -u ann --password-stdin < token.txt")]
    Login(LoginArguments),
    /// Forget a login of `vouch login`, and end what is under way with it
    #[command(after_help = "Example:\n  vouch logout ghcr.io")]
    Logout(LogoutArguments),
    /// List the logins that are kept or were used
    #[command(after_help = "Example:\n  vouch sessions")]
    Sessions,
    /// Manage whose signatures are accepted, and where
    ///
    /// Edits the section [trust] of the config that the service reads, and the signers that it
    /// remembers. What would change is shown first; on a terminal you are asked.
    #[command(after_help = "Examples:
  vouch trust add acme --account A… --scope ghcr.io/acme
  vouch trust list")]
    Trust {
        #[command(subcommand)]
        command: TrustCommand,
    },
    /// Show what the service is doing
    #[command(after_help = "Example:\n  vouch status --watch")]
    Status(StatusArguments),
    /// Stop the service
    #[command(after_help = "Example:\n  vouch stop")]
    Stop,
    /// Replace the service with the vouchd that is installed now
    ///
    /// The new process takes over the socket and the logins, and no client is refused. The old one
    /// finishes what is under way.
    #[command(after_help = "Example:\n  vouch restart")]
    Restart,
    /// Call a method of the protocol and print its result
    #[command(after_help = "Example:\n  vouch rpc verify '{\"path\": \"/home/ann/echo.wasm\"}'")]
    Rpc(RpcArguments),
}

impl Command {
    /// Whether a service is started for it if none listens. These are about one that runs.
    pub(crate) fn starts_service(&self) -> bool {
        !matches!(self, Self::Status(_) | Self::Stop | Self::Restart)
    }
}

impl Cli {
    /// Reads the command line, and checks what clap cannot.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        Self::try_parse().map_err(hinted).and_then(Self::complete)
    }

    fn complete(mut self) -> Result<Self, clap::Error> {
        let Wanted::Service(command) = &mut self.wanted else {
            return Ok(self);
        };
        let (name, completed) = match command {
            Command::Verify(verify) => ("verify", verify.complete()),
            Command::Sign(sign) => ("sign", sign.complete()),
            Command::Par { command } => ("par", command.complete()),
            Command::Push(push) => ("push", push.complete()),
            Command::Login(login) => ("login", login.complete()),
            Command::Rpc(rpc) => ("rpc", rpc.complete()),
            Command::Trust { command } => ("trust", command.complete()),
            Command::Check(_)
            | Command::Inspect(_)
            | Command::Pull(_)
            | Command::Tags(_)
            | Command::Logout(_)
            | Command::Sessions
            | Command::Status(_)
            | Command::Stop
            | Command::Restart => return Ok(self),
        };
        match completed {
            Ok(()) => Ok(self),
            Err(text) => {
                // With the usage of this command, not of the program.
                let mut program = Self::command();
                program.build();
                Err(match program.find_subcommand_mut(name) {
                    Some(command) => command.error(ErrorKind::ValueValidation, text),
                    None => program.error(ErrorKind::ValueValidation, text),
                })
            }
        }
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
    fn what_signs_stands_together() {
        let help = Cli::command().render_help().to_string();
        let at = |name: &str| help.find(&format!("\n  {name} ")).unwrap();
        let order = ["verify", "inspect", "sign", "par", "keys", "push", "pull"];
        assert!(order.is_sorted_by_key(|name| at(name)), "{help}");
    }

    #[test]
    fn each_command_has_an_example() {
        fn check(of: &clap::Command, path: &str) {
            for command in of.get_subcommands() {
                let example = format!("{path} {}", command.get_name());
                let help = command.get_after_help().map(ToString::to_string);
                let has = help.is_some_and(|help| help.contains(&example));
                assert!(has, "{example}");
                check(command, &example);
            }
        }
        check(&Cli::command(), "vouch");
    }

    #[test]
    fn unknown_commands_get_a_hint_and_known_ones_need_none() {
        let known: Vec<_> = Cli::command()
            .get_subcommands()
            .map(|command| command.get_name().to_owned())
            .collect();
        for word in crate::hints::MEANT.iter().flat_map(|(words, _)| *words) {
            assert!(!known.contains(&(*word).to_owned()), "{word} is a command");
        }
        let check = |word: &str, expected: &str| {
            let error = Cli::try_parse_from(["vouch", word])
                .map_err(hinted)
                .unwrap_err();
            let text = error.to_string();
            assert!(text.contains(expected), "{word}: {text}");
        };
        check("validate", "`vouch verify`");
        check("keygen", "`vouch keys new NAME`");
        // Not by how it is spelt.
        check("logs", "`vouch log`");
        check("logs", "tip");
        check("verfy", "'verify'");
    }
}
