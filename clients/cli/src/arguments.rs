//! What may be written behind `vouch`.

use crate::{
    hints::hinted,
    subject::{Reference, Subject},
};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueHint, error::ErrorKind};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt::Write as _,
    io::{self, IsTerminal as _, Read},
    path::{Path, PathBuf},
};
use vouch_pages::{Manual, Shell};

/// What `--help` and the man pages say beside the arguments.
pub(crate) const MANUAL: Manual = Manual {
    exit_status: &[
        ("0", "accepted, or done"),
        ("1", "refused: the artifact or its signature does not pass"),
        ("2", "anything else that failed, such as no service to ask"),
        ("64", "wrong usage"),
    ],
    environment: &[
        (
            "VOUCHD_SOCKET",
            "The service's socket, unless --socket names one.",
        ),
        (
            "VOUCHD",
            "The program to start if no service listens. The default is vouchd beside vouch, or on \
             PATH.",
        ),
        (
            "VOUCH_NO_SPAWN",
            "Anything but 0, false and no: start no service, as with --no-spawn.",
        ),
        (
            "VOUCH_START_TIMEOUT",
            "How many seconds a service that is started may take until it answers; the default is 5.",
        ),
        (
            "XDG_RUNTIME_DIR",
            "The folder of the usual socket; see FILES.",
        ),
        (
            "XDG_STATE_HOME",
            "The folder of the service's log; see FILES.",
        ),
        (
            "TMPDIR",
            "Where `vouch verify -` keeps standard input while it is verified.",
        ),
        (
            "NO_COLOR, CLICOLOR_FORCE",
            "Use no colours; use them even if the output is not a terminal.",
        ),
    ],
    files: &[
        ("$XDG_RUNTIME_DIR/vouchd/vouchd.sock", "The usual socket."),
        (
            "/tmp/vouchd-$UID/vouchd.sock",
            "The usual socket without XDG_RUNTIME_DIR.",
        ),
        (
            "$XDG_STATE_HOME/vouchd/vouchd.log",
            "The usual log; ~/.local/state stands for XDG_STATE_HOME if that is not set.",
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
Examples:
  vouch verify target/                         # all artifacts below a folder
  vouch push echo.wasm ghcr.io/acme/echo:1.0.0
  vouch pull ghcr.io/acme/echo:1.0.0 -o echo.wasm

If no service listens on the socket, one is started. `vouch help COMMAND` says more."
}

/// The most JSON that is read from standard input, in bytes: what a request may have.
const LONGEST_INPUT: u64 = 1024 * 1024;

/// The heading of options that each command has.
const GLOBAL: &str = "Global options";

/// Verify, push and pull signed WebAssembly artifacts through vouchd
#[derive(Debug, Parser)]
#[command(name = "vouch", version = env!("VOUCHD_VERSION"), after_help = after_help())]
pub(crate) struct Cli {
    /// The service's socket; the default is $VOUCHD_SOCKET, else vouchd/vouchd.sock in
    /// $XDG_RUNTIME_DIR, else /tmp/vouchd-$UID/vouchd.sock
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
        /// The folder, which is made if it is missing
        folder: PathBuf,
    },
}

/// What the service is asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say whether artifacts are signed, and by whom
    ///
    /// Each is a file, a folder, a reference, or `-` for standard input. What exists as a path is a
    /// path. In folders, and in those inside them, *.wasm, *.par and *.par.gz are verified; their
    /// content decides what they are.
    #[command(after_help = "Examples:
  vouch verify echo.wasm ghcr.io/acme/echo:1.0.0
  vouch verify -q target/             # only what is not accepted
  vouch verify --explain --for ghcr.io/acme/echo:1.0.1 echo.wasm
  curl -s https://example.org/echo.wasm | vouch verify -")]
    Verify(VerifyArguments),
    /// Show all that is known of an artifact, and who says so
    ///
    /// Of a large one in a registry no more is read than its signature needs: then nobody vouches
    /// for its bytes.
    #[command(after_help = "Examples:
  vouch inspect echo.wasm
  vouch inspect ghcr.io/acme/echo:1.0.0")]
    Inspect(InspectArguments),
    /// Verify a file and publish it
    #[command(after_help = "Examples:
  vouch push echo.wasm ghcr.io/acme/echo:1.0.0
  vouch push echo.wasm oci:layout:1.0.0        # into an image layout on disk")]
    Push(PushArguments),
    /// Fetch an artifact, verify it, and only then give it its name
    #[command(after_help = "Examples:
  vouch pull ghcr.io/acme/echo:1.0.0
  vouch pull ghcr.io/acme/echo:1.0.0 --signer acme   # in CI, where each use is the first
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
    /// Say whose signatures are accepted, and where
    ///
    /// Edits the section [trust] of the config that the service reads, and the signers that it
    /// remembers. What would change is shown, and asked for on a terminal.
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

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// Files, folders, references, or `-` for standard input
    #[arg(
        value_name = "ARTIFACT",
        required_unless_present = "references",
        value_hint = ValueHint::AnyPath
    )]
    given: Vec<OsString>,
    /// A reference, even if it could be a path; may be given several times
    #[arg(long = "reference", value_name = "REFERENCE", value_parser = Reference::read)]
    references: Vec<Reference>,
    /// Show only what is not accepted
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Show every check: what was found, and what has to be
    #[arg(long)]
    pub(crate) explain: bool,
    /// Accept this signer alone: a name of the service's config, or an account (`A…`)
    #[arg(long, value_name = "SIGNER")]
    pub(crate) signer: Option<String>,
    /// Say whether files might be pushed there; nothing is sent
    #[arg(long = "for", value_name = "REFERENCE", value_parser = Reference::read)]
    pub(crate) destination: Option<Reference>,
    #[arg(skip)]
    pub(crate) subjects: Vec<Subject>,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// A file, a reference, or `-` for standard input
    #[arg(value_name = "ARTIFACT", value_hint = ValueHint::AnyPath, value_parser = inspected)]
    pub(crate) subject: Subject,
}

#[derive(Debug, Args)]
pub(crate) struct PushArguments {
    /// The file to publish
    pub(crate) file: PathBuf,
    /// Where to: `registry/repository:tag`, or `oci:FOLDER:tag` for an image layout
    #[arg(value_parser = Reference::read)]
    pub(crate) reference: Reference,
    /// Annotate the manifest; may be given several times
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = annotation)]
    given: Vec<(String, String)>,
    #[arg(skip)]
    pub(crate) annotations: BTreeMap<String, String>,
    /// Allow the tag `latest`, or no tag
    #[arg(long)]
    pub(crate) allow_latest: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PullArguments {
    /// Where from: `registry/repository[:tag][@digest]`, or `oci:FOLDER:tag` for an image layout
    #[arg(value_parser = Reference::read)]
    pub(crate) reference: Reference,
    /// The file to write, or the folder to write to
    #[arg(short, long, value_name = "PATH", default_value = ".")]
    pub(crate) output: PathBuf,
    /// Replace a regular file that exists, or a symbolic link itself; nothing else is ever replaced
    #[arg(short = 'f', long, alias = "force")]
    pub(crate) overwrite: bool,
    /// Write only this target of a provider archive, for example `x86_64-linux`
    #[arg(long)]
    pub(crate) target: Option<String>,
    /// Accept this signer alone: a name of the service's config, or an account (`A…`)
    #[arg(long, value_name = "SIGNER")]
    pub(crate) signer: Option<String>,
    /// Allow the tag `latest`, or no tag
    #[arg(long)]
    pub(crate) allow_latest: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TagsArguments {
    /// `registry/repository`, or `oci:FOLDER` for an image layout
    #[arg(value_parser = Reference::read)]
    pub(crate) repository: Reference,
    /// List at most so many; without this, all
    #[arg(
        short = 'n',
        long,
        value_name = "TAGS",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) limit: Option<u32>,
    /// Begin behind this tag
    #[arg(long, value_name = "TAG")]
    pub(crate) last: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LoginArguments {
    /// The registry, such as `ghcr.io` or `localhost:5000`
    #[arg(value_parser = registry)]
    pub(crate) registry: String,
    /// Who logs in; asked for on a terminal
    #[arg(short, long)]
    pub(crate) username: Option<String>,
    /// Read the password from standard input; without this, it is asked for on a terminal
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// Log in with an OAuth2 refresh token in place of a password
    #[arg(long)]
    pub(crate) identity_token: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogoutArguments {
    /// The registry, as at the login
    #[arg(value_parser = registry)]
    pub(crate) registry: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// List signers, rules, and the signers that are remembered
    #[command(after_help = "Example:\n  vouch trust list")]
    List,
    /// Name a signer, and accept them under scopes
    ///
    /// A scope is a registry, alone or with the first parts of a repository's name; `oci:` and a
    /// folder; `files` for local files; or `*` for all but those.
    #[command(after_help = "Examples:
  vouch trust add acme --account A… --scope ghcr.io/acme
  vouch trust add ann --ssh-key ~/.ssh/id_ed25519.pub --scope files
  vouch trust add acme --scope docker.io/acme   # a name that is known
  vouch trust add acme --revoked                # nothing of theirs is accepted any more")]
    Add(TrustAdd),
    /// Accept a signer no more: under scopes, or at all
    ///
    /// A rule that is left without signers accepts nobody.
    #[command(after_help = "Example:\n  vouch trust remove acme --scope ghcr.io/acme")]
    Remove {
        /// What the config calls the signer
        name: String,
        /// Only under this scope; may be given several times
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        #[command(flatten)]
        agreed: Agreed,
    },
    /// Accept a further signer of a repository whose signers are remembered
    #[command(after_help = "Example:\n  vouch trust accept ghcr.io/acme/echo --signer A…")]
    Accept {
        /// The repository, or the image layout as `oci:FOLDER`
        #[arg(value_parser = Reference::read)]
        repository: Reference,
        /// The signer: an account nkey, or a name of the config
        #[arg(long, value_name = "SIGNER")]
        signer: String,
        #[command(flatten)]
        agreed: Agreed,
    },
    /// Forget the signers of a repository that are remembered, or one of them
    #[command(after_help = "Example:\n  vouch trust forget ghcr.io/acme/echo --signer A…")]
    Forget {
        /// The repository, or the image layout as `oci:FOLDER`
        #[arg(value_parser = Reference::read)]
        repository: Reference,
        /// Only this signer: an account nkey, or a name of the config
        #[arg(long, value_name = "SIGNER")]
        signer: Option<String>,
        #[command(flatten)]
        agreed: Agreed,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TrustAdd {
    /// What to call the signer
    pub(crate) name: String,
    /// Their account nkey, which issues their tokens
    #[arg(long, value_name = "A…", conflicts_with = "ssh_key")]
    pub(crate) account: Option<String>,
    /// The same key as SSH has it: a line `ssh-ed25519 AAAA…`, or a file with one
    #[arg(long, value_name = "LINE|FILE")]
    pub(crate) ssh_key: Option<String>,
    /// Where to accept them; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// Accept nothing that they signed any more, under any name and any rule
    #[arg(long)]
    pub(crate) revoked: bool,
    #[command(flatten)]
    pub(crate) agreed: Agreed,
}

/// Whether there is nothing to ask.
#[derive(Debug, Args)]
pub(crate) struct Agreed {
    /// Do not ask; needed where there is no terminal
    #[arg(short, long)]
    pub(crate) yes: bool,
}

impl TrustCommand {
    /// Whether the change is agreed to; a list needs nobody's agreement.
    pub(crate) fn is_agreed(&self) -> bool {
        match self {
            Self::List => true,
            Self::Add(TrustAdd { agreed, .. })
            | Self::Remove { agreed, .. }
            | Self::Accept { agreed, .. }
            | Self::Forget { agreed, .. } => agreed.yes,
        }
    }

    fn complete(&mut self) -> Result<(), String> {
        if !self.is_agreed() && !io::stdin().is_terminal() {
            return Err("there is no terminal to ask: use --yes".to_owned());
        }
        let Self::Add(add) = self else { return Ok(()) };
        let is_file = |key: &String| !key.contains(char::is_whitespace);
        if let Some(file) = add.ssh_key.clone().filter(is_file) {
            add.ssh_key = Some(public_key(Path::new(&file))?);
        }
        Ok(())
    }
}

/// The line in a file such as `id_ed25519.pub`.
fn public_key(file: &Path) -> Result<String, String> {
    let cannot = |error| format!("cannot read {}: {error}", file.display());
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(16 << 10).read_to_string(&mut text))
        .map_err(cannot)?;
    if text.contains("PRIVATE KEY") {
        return Err(format!(
            "{0} is a private key: the public one is in {0}.pub",
            file.display()
        ));
    }
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match (lines.next(), lines.next()) {
        (Some(line), None) => Ok(line.to_owned()),
        _ => Err(format!(
            "{} does not hold one line with a public key",
            file.display()
        )),
    }
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Show it again every second, until interrupted
    #[arg(short, long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogArguments {
    /// Go on with what is logged from now on, until interrupted
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
            Command::Push(push) => ("push", push.complete()),
            Command::Login(login) => ("login", login.complete()),
            Command::Rpc(rpc) => ("rpc", rpc.complete()),
            Command::Trust { command } => ("trust", command.complete()),
            Command::Inspect(_)
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

impl VerifyArguments {
    fn complete(&mut self) -> Result<(), String> {
        for text in &self.given {
            if text.is_empty() {
                return Err("a path cannot be empty".to_owned());
            }
            self.subjects.push(Subject::read(text)?);
        }
        let references = self.references.drain(..).map(Subject::Reference);
        self.subjects.extend(references);
        let is_input = |subject: &&Subject| **subject == Subject::Input;
        if self.subjects.iter().filter(is_input).count() > 1 {
            return Err("standard input can be read only once".to_owned());
        }
        let is_published = |subject: &Subject| matches!(subject, Subject::Reference(_));
        if self.destination.is_some() && self.subjects.iter().any(is_published) {
            return Err("--for asks about files, not about references".to_owned());
        }
        Ok(())
    }
}

impl InspectArguments {
    /// Its subject, as it was typed.
    pub(crate) fn name(&self) -> String {
        match &self.subject {
            Subject::File(path) | Subject::Folder(path) => path.to_string_lossy().into_owned(),
            Subject::Reference(reference) => reference.typed.clone(),
            Subject::Input => "standard input".to_owned(),
        }
    }
}

impl PushArguments {
    fn complete(&mut self) -> Result<(), String> {
        // Other tools have the reference first.
        let swapped = Path::new(&self.reference.typed);
        if swapped.is_file() && !self.file.exists() {
            return Err(format!(
                "the file comes first: `vouch push {} {}`",
                swapped.display(),
                self.file.display()
            ));
        }
        for (name, value) in std::mem::take(&mut self.given) {
            if self.annotations.contains_key(&name) {
                return Err(format!("the annotation {name:?} is given twice"));
            }
            self.annotations.insert(name, value);
        }
        Ok(())
    }
}

impl LoginArguments {
    fn complete(&mut self) -> Result<(), String> {
        // Both come from the terminal, or neither does.
        if self.password_stdin && self.username.is_none() && !self.identity_token {
            return Err("--password-stdin needs --username".to_owned());
        }
        if !self.password_stdin && !io::stdin().is_terminal() {
            return Err(
                "there is no terminal to ask for the login: use --username and --password-stdin"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

impl RpcArguments {
    fn complete(&mut self) -> Result<(), String> {
        self.params = match self.given.as_deref() {
            None => Value::Null,
            Some("-") => input(io::stdin().lock())?,
            Some(text) => serde_json::from_str(text)
                .map_err(|error| format!("the params are not JSON: {error}"))?,
        };
        Ok(())
    }
}

/// Checks a registry's name before anybody is asked for a password. The service has the last word.
fn registry(text: &str) -> Result<String, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let host = rest.split('/').next().unwrap_or_default();
    let is_host = host == "localhost" || host.contains(['.', ':']);
    let odd =
        |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | ':' | '[' | ']' | '_');
    if !is_host || host.contains(odd) {
        return Err("a registry is a host, such as `ghcr.io` or `localhost:5000`".to_owned());
    }
    if !scheme.is_empty() || host != rest {
        return Err(format!("write the host alone: `{host}`"));
    }
    Ok(text.to_owned())
}

fn inspected(text: &str) -> Result<Subject, String> {
    if text.is_empty() {
        return Err("a path cannot be empty".to_owned());
    }
    Subject::read(text.as_ref())
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
    serde_json::from_slice(&text).map_err(|error| format!("standard input is not JSON: {error}"))
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
    fn a_registry_is_a_host() {
        let check = |text: &str, expected: Option<&str>| {
            let hint = registry(text).err();
            assert_eq!(hint.is_some(), expected.is_some(), "{text}: {hint:?}");
            let (hint, expected) = (hint.unwrap_or_default(), expected.unwrap_or_default());
            assert!(hint.contains(expected), "{text}: {hint}");
        };
        check("ghcr.io", None);
        check("localhost", None);
        check("localhost:5000", None);
        check("[::1]:5000", None);
        check("https://ghcr.io", Some("alone: `ghcr.io`"));
        check(
            "https://index.docker.io/v1/",
            Some("alone: `index.docker.io`"),
        );
        check("ghcr.io/acme", Some("alone: `ghcr.io`"));
        check("ann", Some("is a host"));
        check("", Some("is a host"));
        check("ghcr .io", Some("is a host"));
        check("ann@ghcr.io", Some("is a host"));
    }

    #[test]
    fn each_command_has_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string);
            let example = format!("vouch {}", command.get_name());
            assert!(
                help.is_some_and(|help| help.contains(&example)),
                "{example}"
            );
        }
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
        check("sign", "wash 0.43.0");
        // Not by how it is spelt.
        check("logs", "`vouch log`");
        check("logs", "tip");
        check("verfy", "'verify'");
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
