//! `vouchd serve` and `vouchd --stdio`: the process around the service: its runtime, signals and end.

use crate::{arguments::ServeArguments, detach, reload::on_hangup};
use rustix::process::{DumpableBehavior, Resource, getrlimit, set_dumpable_behavior, setrlimit};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use vouchd::{
    config::Config,
    error::{Error, Result},
    service::Service,
    transport::{
        self, Place,
        handover::{Successor, Takeover},
        notify,
        socket::Socket,
        stdio,
    },
};

/// The most threads for work that blocks, and how long an idle one stays. Whatever holds a thread
/// while it waits for something else takes a turn first, and there are fewer turns than threads
/// (see `service`): some are always left for work that ends by itself, such as looking up a name.
const BLOCKING_THREADS: usize = 384;
const BLOCKING_IDLE: Duration = Duration::from_secs(2);

/// How the process is told that it takes over from another.
const TAKE_OVER: &str = "--take-over";

/// Serves clients on a socket, until it is stopped. `read` reads the config again.
pub(crate) fn serve(
    config: Config,
    read: impl Fn() -> Result<Config> + Send + Sync + 'static,
    arguments: &ServeArguments,
) -> Result<u8> {
    keep_memory_secret();
    // Before the folder is left, and an upgrade replaces the program.
    let successor = Successor::of_this_process(TAKE_OVER)?;
    // Before the runtime has threads, as the environment is changed.
    let (listener, mut socket, takeover) = if arguments.take_over {
        let (listener, socket, takeover) = Takeover::begin()?;
        (listener, socket, Some(takeover))
    } else {
        match Socket::open(config.socket.as_deref())? {
            Ok((listener, socket)) => (listener, socket, None),
            // Whoever wants a service in the background has one.
            Err(served) if arguments.detach => return Ok(detach::is_served(&served)),
            Err(served) => return Err(served.into()),
        }
    };
    raise_handle_limit();
    let service = Arc::new(Service::new(config, socket.path().map(Path::to_owned)));
    let runtime = runtime()?;
    runtime.block_on(async {
        let shutdown = signals()?;
        on_hangup(&service, read)?;
        let listener = listener
            .set_nonblocking(true)
            .and_then(|()| tokio::net::UnixListener::from_std(listener))
            .map_err(|error| cannot("use the socket", error))?;
        match takeover {
            Some(takeover) => {
                let following = takeover.finish(&service, &mut socket)?;
                tokio::spawn(following.follow(Arc::clone(&service)));
                if arguments.detach {
                    detach::keep_nothing().map_err(|error| cannot("detach", error))?;
                }
            }
            None if arguments.detach => detach::let_go()?,
            None => {}
        }
        notify::ready(socket.path());
        let shown = socket.path().map(|path| path.display().to_string());
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            socket = shown,
            "vouchd is ready"
        );
        let place = Place { socket, successor };
        let shutdown = shutdown.cancelled_owned();
        transport::serve(listener, Some(place), service, shutdown).await;
        Ok::<_, Error>(())
    })?;
    tracing::info!("vouchd has stopped");
    // What still blocks a thread has been cancelled, and must not delay the end.
    runtime.shutdown_background();
    Ok(0)
}

/// Serves one client on standard input and output; answers the exit code.
pub(crate) fn serve_stdio(
    config: Config,
    read: impl Fn() -> Result<Config> + Send + Sync + 'static,
) -> Result<u8> {
    keep_memory_secret();
    let service = Arc::new(Service::new(config, None));
    let runtime = runtime()?;
    let code = runtime.block_on(async {
        let shutdown = signals()?;
        on_hangup(&service, read)?;
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
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(BLOCKING_IDLE)
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
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit of file handles stays");
    }
}

/// The memory holds passwords and tokens. Neither a core file nor another process of the same user
/// shall have them, as far as the system can keep it from them. Whoever looks for a fault can attach
/// as root.
fn keep_memory_secret() {
    // What this process starts inherits it.
    let mut limit = getrlimit(Resource::Core);
    limit.current = Some(0);
    if let Err(error) = setrlimit(Resource::Core, limit) {
        tracing::warn!(%error, "a crash may leave secrets in a file");
    }
    // Tests of a service look at its files in /proc, which are hidden with the memory.
    if cfg!(debug_assertions) && std::env::var_os("VOUCHD_DUMPABLE").is_some() {
        return;
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "other processes of this user may read this one's memory");
    }
}
