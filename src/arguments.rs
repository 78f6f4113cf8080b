//! What may be written behind `vouchd`.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use vouchd::config::LogFormat;

/// Lets only signed WebAssembly artifacts pass between your tools and OCI registries.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
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
}

/// What to do with the config.
#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say all that is wrong with the file and with the files that it names; ends with 1 then.
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
#[derive(Args)]
pub(crate) struct LoggingArguments {
    /// What to log to stderr: error, warn, info, debug, trace or off, or a filter with targets;
    /// without it, `$VOUCHD_LOG`, what the config file says, or info.
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,

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
}
