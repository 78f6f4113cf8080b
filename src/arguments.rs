//! The command line of `vouchd`.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use vouch_pages::{Manual, Shell};
use vouchd::config::{LogFormat, Timeout};

/// What the man pages say beside the arguments.
pub(crate) const MANUAL: Manual = Manual {
    exit_status: &[
        ("0", "stopped, or done"),
        ("1", "failed; standard error says why"),
        ("64", "wrong usage"),
        (
            "69",
            "`vouchd connect`: the service ended the connection, because it stopped, was restarted, or died",
        ),
        ("75", "another process already serves the socket"),
        ("130, 143", "ended at once by a second SIGINT or SIGTERM"),
    ],
    environment: &[
        ("VOUCHD_SOCKET", "The socket, unless --socket names one."),
        (
            "VOUCHD_CONFIG",
            "The config file, unless --config names one.",
        ),
        ("VOUCHD_LOG", "What to log, unless --log says."),
        (
            "VOUCHD_LOG_FILE",
            "The file to log to, unless --log-file names one.",
        ),
        (
            "XDG_RUNTIME_DIR, XDG_CONFIG_HOME, XDG_STATE_HOME",
            "The folders of socket, config and log; see FILES.",
        ),
        (
            "REGISTRY_AUTH_FILE, DOCKER_CONFIG",
            "Where the logins of podman and docker are.",
        ),
        (
            "HTTPS_PROXY, HTTP_PROXY, NO_PROXY",
            "The proxies on the way to registries.",
        ),
        (
            "LISTEN_FDS, LISTEN_PID",
            "Set by a service manager that hands over a socket: see sd_listen_fds(3).",
        ),
        (
            "NOTIFY_SOCKET",
            "Where a service manager expects to be told that it is ready: see sd_notify(3).",
        ),
    ],
    files: &[
        ("$XDG_RUNTIME_DIR/vouchd/vouchd.sock", "The usual socket."),
        (
            "/tmp/vouchd-$UID/vouchd.sock",
            "The same, where there is no XDG_RUNTIME_DIR.",
        ),
        (
            "$XDG_CONFIG_HOME/vouchd/config.toml",
            "The config, with ~/.config where there is no XDG_CONFIG_HOME.",
        ),
        (
            "$XDG_STATE_HOME/vouchd/vouchd.log",
            "The log of a service that a client started, with ~/.local/state where there is no \
             XDG_STATE_HOME.",
        ),
    ],
    see_also: &["vouch(1)"],
};

/// The heading of options that every command takes.
const GLOBAL: &str = "Global options";

/// Pass only signed WebAssembly artifacts between your tools and OCI registries
#[derive(Parser)]
#[command(
    name = "vouchd",
    version = env!("VOUCHD_VERSION"),
    arg_required_else_help = true,
    after_help = "Examples:\n  vouchd demo             # show what it does\n  vouchd serve --detach   # serve in the background"
)]
pub(crate) struct Arguments {
    /// Serve one client on standard input and output
    #[arg(long)]
    pub(crate) stdio: bool,

    /// The config file [default: `$VOUCHD_CONFIG`, or `vouchd/config.toml` in `$XDG_CONFIG_HOME` or
    /// `~/.config`]
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL)]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) logging: LoggingArguments,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve clients on a Unix socket
    #[command(after_help = "Example:\n  vouchd serve --detach --idle-timeout 2h")]
    Serve(ServeArguments),
    /// Connect standard input and output to the service, for editors and scripts
    ///
    /// Starts the service if none runs. The global options apply to a service that it starts.
    #[command(after_help = "Example, as an editor's language server:\n  vouchd connect")]
    Connect(ConnectArguments),
    /// Check or show the config, or print its schema
    #[command(after_help = "Example:\n  vouchd config check")]
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Change the trust policy and the pins, for `vouch trust`
    #[command(hide = true)]
    Trust {
        /// The file of pins
        #[arg(long, value_name = "FILE")]
        pins: Option<PathBuf>,
    },
    /// Show what vouchd does, in a few seconds and without leaving anything behind
    #[command(after_help = "Example:\n  vouchd demo --keep samples")]
    Demo {
        /// Write the demo's artifacts to this folder instead, signed and unsigned, to try things with
        #[arg(long, value_name = "FOLDER")]
        keep: Option<PathBuf>,
    },
    /// Print the completions for a shell
    #[command(
        after_help = "Example:\n  vouchd completions bash > ~/.local/share/bash-completion/completions/vouchd"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the man pages to a folder
    #[command(after_help = "Example:\n  vouchd man ~/.local/share/man/man1")]
    Man {
        /// The folder, which is created if it does not exist
        folder: PathBuf,
    },
}

/// What to do with the config.
#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// List everything that is wrong with the file and the files that it names; exits with 1 if
    /// anything is
    #[command(after_help = "Example:\n  vouchd config check new.toml")]
    Check {
        /// The file [default: the one that the service would read]
        file: Option<PathBuf>,
    },
    /// Show the effective settings and where each comes from, as a config file
    #[command(after_help = "Example:\n  vouchd config show --json")]
    Show {
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON schema of the file, for editors
    #[command(after_help = "Example:\n  vouchd config schema > schema.json")]
    Schema,
}

/// What is logged, and how.
#[derive(Clone, Args)]
#[command(next_help_heading = GLOBAL)]
pub(crate) struct LoggingArguments {
    /// What to log: error, warn, info, debug, trace or off, or a filter with targets [default:
    /// `$VOUCHD_LOG`, the config file, or info]
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,

    /// The file to log to; `-` is standard error. A file that gets too long is put aside [default:
    /// `$VOUCHD_LOG_FILE`, the config file, or standard error]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,

    /// How to log [default: the config file, or text]
    #[arg(long, global = true, value_enum)]
    pub(crate) log_format: Option<LogFormat>,
}

/// Which service to join.
#[derive(Clone, Args)]
pub(crate) struct ConnectArguments {
    /// The socket [default: `$VOUCHD_SOCKET`, `vouchd/vouchd.sock` in `$XDG_RUNTIME_DIR`, or
    /// `/tmp/vouchd-$UID/vouchd.sock`]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
}

/// How to serve a socket.
#[derive(Clone, Args)]
pub(crate) struct ServeArguments {
    /// The socket [default: `$VOUCHD_SOCKET`, the config file, `vouchd/vouchd.sock` in
    /// `$XDG_RUNTIME_DIR`, or `/tmp/vouchd-$UID/vouchd.sock`]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,

    /// End after this long without a client: `30m`, for example, or `never`. Logins made with
    /// `session/login` keep it alive for longer [default: the config file, or never]
    #[arg(long, value_name = "DURATION")]
    pub(crate) idle_timeout: Option<Timeout>,

    /// Go on in the background, in a session of its own, as clients start it. When this command
    /// ends, the service is ready, and its process id is on standard output; if one already serves,
    /// its. It ends after 30m without a client unless set otherwise
    #[arg(long)]
    pub(crate) detach: bool,

    /// Be the one in the background
    #[arg(long, hide = true, requires = "detach")]
    pub(crate) background: bool,

    /// Take over from the service at the other end of stdin: how that one restarts
    #[arg(long, hide = true)]
    pub(crate) take_over: bool,
}
