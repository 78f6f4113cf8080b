//! What may be written behind `vouchd`.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use vouch_pages::{Manual, Shell};
use vouchd::config::{LogFormat, Timeout};

/// What the man pages say beside the arguments.
pub(crate) const MANUAL: Manual = Manual {
    exit_status: &[
        ("0", "It was stopped, or has done what it should."),
        ("1", "It failed; standard error says why."),
        ("2", "Wrong usage."),
        ("75", "Another process serves the socket already."),
        (
            "130, 143",
            "It was asked by SIGINT or SIGTERM for the second time, and ended at once.",
        ),
    ],
    environment: &[
        ("VOUCHD_SOCKET", "The socket, where --socket does not say."),
        (
            "VOUCHD_CONFIG",
            "The config file, where --config does not say.",
        ),
        ("VOUCHD_LOG", "What to log, where --log does not say."),
        (
            "VOUCHD_LOG_FILE",
            "The file to log to, where --log-file does not say.",
        ),
        (
            "XDG_RUNTIME_DIR, XDG_CONFIG_HOME, XDG_STATE_HOME",
            "The folders of socket, config and log; see FILES.",
        ),
        (
            "REGISTRY_AUTH_FILE, DOCKER_CONFIG",
            "Where logins of podman and docker are.",
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
            "Where a service manager wants to hear that it is ready: see sd_notify(3).",
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

/// Lets only signed WebAssembly artifacts pass between your tools and OCI registries.
#[derive(Parser)]
#[command(name = "vouchd", version = env!("VOUCHD_VERSION"), arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// Serve one client on stdin and stdout, as editors start it.
    #[arg(long)]
    pub(crate) stdio: bool,

    /// The config file; without it, `$VOUCHD_CONFIG`, or `vouchd/config.toml` in
    /// `$XDG_CONFIG_HOME` or `~/.config`.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) logging: LoggingArguments,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve clients on a Unix socket.
    Serve(ServeArguments),
    /// Look at the config: is the file right, what holds, what may be written in it.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Show what it does, in a few seconds and without leaving anything behind.
    Demo {
        /// Write the demo's artifacts to this folder instead, signed and not, to try things with
        #[arg(long, value_name = "FOLDER")]
        keep: Option<PathBuf>,
    },
    /// Print the completions for a shell.
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the man pages to a folder.
    Man {
        /// For example `~/.local/share/man/man1`
        folder: PathBuf,
    },
}

/// What to do with the config.
#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say all that is wrong with the file, then with the files that it names; ends with 1 then.
    Check {
        /// The file; without it, the one that the service would read
        file: Option<PathBuf>,
    },
    /// Show what holds and where it comes from, as a config file that says the same.
    Show {
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON schema of the file, for editors.
    Schema,
}

/// What is logged, and how.
#[derive(Clone, Args)]
pub(crate) struct LoggingArguments {
    /// What to log: error, warn, info, debug, trace or off, or a filter with targets;
    /// without it, `$VOUCHD_LOG`, what the config file says, or info.
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,

    /// The file to log to in place of stderr, which `-` names; without it, `$VOUCHD_LOG_FILE`, or
    /// what the config file says. It is put aside when it gets too long.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,

    /// How to log; without it, what the config file says, or text.
    #[arg(long, global = true, value_enum)]
    pub(crate) log_format: Option<LogFormat>,
}

/// How to serve a socket.
#[derive(Args)]
pub(crate) struct ServeArguments {
    /// The socket; without it, `$VOUCHD_SOCKET`, what the config file says, `vouchd/vouchd.sock` in
    /// `$XDG_RUNTIME_DIR`, or `/tmp/vouchd-$UID/vouchd.sock`.
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,

    /// End after so long without a client, such as `30m`, or `never`; without it, what the config
    /// file says, or never. Logins of `session/login` keep it alive for longer.
    #[arg(long, value_name = "DURATION")]
    pub(crate) idle_timeout: Option<Timeout>,

    /// Go on in the background, in a session of its own, as clients start it; it has said its
    /// process on stdout and serves when this command ends. Where nothing else is said, it ends
    /// after 30m without a client.
    #[arg(long)]
    pub(crate) detach: bool,

    /// Be the one in the background.
    #[arg(long, hide = true, requires = "detach")]
    pub(crate) background: bool,

    /// Take over from the service at the other end of stdin: how that one restarts.
    #[arg(long, hide = true)]
    pub(crate) take_over: bool,
}
