//! The binary: arguments, logging, signals and exit codes.

mod demo;
mod logging;

use clap::{Parser, Subcommand};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use vouchd::{
    config::Config,
    error::{Error, Result},
    service::Service,
    transport::{self, socket::Socket, stdio},
};

/// Lets only signed WebAssembly artifacts pass between your tools and OCI registries.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    /// Serve one client on stdin and stdout, as editors start it.
    #[arg(long)]
    stdio: bool,

    /// The config file; without it, `$VOUCHD_CONFIG`, or `vouchd/config.toml` in
    /// `$XDG_CONFIG_HOME` or `~/.config`.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// What to log to stderr: error, warn, info, debug, trace or off, or a filter with targets;
    /// without it, `$VOUCHD_LOG`, or info.
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,

    /// How to log.
    #[arg(long, global = true, value_enum, default_value = "text")]
    log_format: logging::Format,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve clients on a Unix socket.
    Serve {
        /// The socket; without it, `$VOUCHD_SOCKET`, or `vouchd/vouchd.sock` in
        /// `$XDG_RUNTIME_DIR`, or `/tmp/vouchd-$UID/vouchd.sock`.
        #[arg(long, value_name = "PATH")]
        socket: Option<PathBuf>,
    },
    /// Show what it does, in a few seconds and without leaving anything behind.
    Demo {
        /// Write the demo's artifacts to this folder instead, signed and not, to try things with
        #[arg(long, value_name = "FOLDER")]
        keep: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = arguments
        .log
        .or_else(|| variable("VOUCHD_LOG").map(|filter| filter.to_string_lossy().into_owned()))
        .unwrap_or_else(|| "info".into());
    let log = match logging::begin(&filter, arguments.log_format) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("vouchd: cannot log {filter:?}: {error}");
            eprintln!("help: Say error, warn, info, debug, trace or off, or `target=level`.");
            return ExitCode::from(2);
        }
    };
    // What a request panics with is that request's failure; the service goes on.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(target: "vouchd", "{panic}");
    }));
    let config = arguments
        .config
        .or_else(|| variable("VOUCHD_CONFIG").map(PathBuf::from));
    let config = config.as_deref();
    let ended = match (arguments.command, arguments.stdio) {
        (Some(_), true) => {
            eprintln!("vouchd: `--stdio` takes no command");
            return ExitCode::from(2);
        }
        (Some(Command::Demo { keep }), false) => run_demo(keep.as_deref()),
        (Some(Command::Serve { socket }), false) => {
            let socket = socket.or_else(|| variable("VOUCHD_SOCKET").map(PathBuf::from));
            serve(config, socket.as_deref())
        }
        (None, true) => serve_stdio(config),
        (None, false) => {
            eprintln!("vouchd: there is nothing to do");
            eprintln!("help: Say `vouchd serve` or `vouchd --stdio`; `vouchd --help` says more.");
            return ExitCode::from(2);
        }
    };
    log.flush();
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("vouchd: {error}");
            for line in error.data().help.iter().flat_map(|help| help.lines()) {
                eprintln!("help: {line}");
            }
            ExitCode::FAILURE
        }
    }
}

/// What the environment says, unless that is nothing.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn run_demo(keep: Option<&Path>) -> Result<u8> {
    let failed = |error| {
        let message = format!("the demo failed: {error}");
        Error::new(vouch_protocol::ErrorKind::Internal, message)
    };
    let out = &mut std::io::stdout().lock();
    match keep {
        Some(folder) => demo::keep(folder, out),
        None => demo::run(out),
    }
    .map_err(failed)?;
    Ok(0)
}

fn serve(config: Option<&Path>, path: Option<&Path>) -> Result<u8> {
    let config = Config::load(config)?;
    // Before the runtime has threads, as the environment is changed.
    let (listener, socket) = Socket::open(path)?;
    raise_handle_limit();
    let service = Arc::new(Service::new(config, socket.path().map(Path::to_owned))?);
    let runtime = runtime()?;
    runtime.block_on(async {
        let shutdown = signals()?;
        let listener = listener
            .set_nonblocking(true)
            .and_then(|()| tokio::net::UnixListener::from_std(listener))
            .map_err(|error| cannot("use the socket", error))?;
        let shown = socket.path().map(|path| path.display().to_string());
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            socket = shown,
            "vouchd is ready"
        );
        transport::serve(listener, service, shutdown.cancelled_owned()).await;
        Ok::<_, Error>(())
    })?;
    drop(socket);
    tracing::info!("vouchd has stopped");
    // What still blocks a thread has been cancelled, and must not delay the end.
    runtime.shutdown_background();
    Ok(0)
}

fn serve_stdio(config: Option<&Path>) -> Result<u8> {
    let config = Config::load(config)?;
    let service = Arc::new(Service::new(config, None)?);
    let runtime = runtime()?;
    let code = runtime.block_on(async {
        let shutdown = signals()?;
        Ok::<_, Error>(stdio::serve(service, shutdown.cancelled_owned()).await)
    })?;
    // The thread that reads stdin cannot be woken.
    runtime.shutdown_background();
    Ok(code)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    let threads = std::thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 8));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("vouchd")
        .enable_all()
        .build()
        .map_err(|error| cannot("start the runtime", error))
}

/// SIGTERM and SIGINT stop the service; the second one ends the process at once.
fn signals() -> Result<CancellationToken> {
    let listen = |kind| signal(kind).map_err(|error| cannot("listen to signals", error));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let asked = CancellationToken::new();
    let stop = asked.clone();
    tokio::spawn(async move {
        loop {
            let code = tokio::select! {
                _ = terminate.recv() => 128 + 15,
                _ = interrupt.recv() => 128 + 2,
            };
            if stop.is_cancelled() {
                std::process::exit(code);
            }
            tracing::info!("asked to stop; asked again, it ends at once");
            stop.cancel();
        }
    });
    Ok(asked)
}

fn cannot(action: &str, error: std::io::Error) -> Error {
    Error::new(
        vouch_protocol::ErrorKind::Io,
        format!("cannot {action}: {error}"),
    )
    .source(error)
}

/// Each client needs a file handle, and so does each file: take as many as the system allows.
fn raise_handle_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit of file handles stays");
    }
}
