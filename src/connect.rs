//! `vouchd connect`: standard input and output joined to the service on the socket, which is started
//! where none runs. Bytes pass as they are, and nothing is sent twice: what a client was promised on a
//! connection ends with it.

use crate::arguments::{ConnectArguments, LoggingArguments};
use clap::ValueEnum;
use rustix::{net::sockopt::socket_peercred, process::geteuid};
use std::{
    collections::VecDeque,
    ffi::OsString,
    fs::File,
    io::{self, Read, Write},
    net::Shutdown,
    os::{fd::AsFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{ChildStderr, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};
use vouch_protocol::{EXIT_ALREADY_SERVED, ErrorKind, Exit, Notification, paths, peer};
use vouchd::{
    error::{Error, Result},
    transport::socket::usual_path,
};

/// The exit code where the service ended the connection: `EX_UNAVAILABLE` of sysexits(3).
pub(crate) const EXIT_ENDED: u8 = 69;

/// What is held of each direction, in bytes.
const BUFFER: usize = 64 << 10;
/// What is remembered of what the client sent last: an `exit`, with what may stand around it.
const LAST: usize = 512;
/// How long a service may take until it listens, and a full queue until it has room.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(5);
/// How long the client's own end is waited for after the service's: both may end at the same moment.
const MOMENT: Duration = Duration::from_millis(200);

/// Where the service is, and how it is started.
pub(crate) struct Place {
    socket: PathBuf,
    /// Arguments of the service that is started.
    passed_on: Vec<OsString>,
}

impl Place {
    pub(crate) fn new(
        arguments: ConnectArguments,
        config: Option<&Path>,
        logging: &LoggingArguments,
    ) -> Result<Self> {
        let named = || std::env::var_os(paths::SOCKET_VARIABLE).filter(|named| !named.is_empty());
        let socket = arguments.socket.or_else(|| named().map(PathBuf::from));
        let socket = socket.unwrap_or_else(usual_path);
        // The service runs in another folder.
        let socket = std::path::absolute(&socket).map_err(|it| Error::at(&socket, "find", it))?;
        let mut passed_on = Vec::new();
        let mut pass = |name: &str, value: Option<OsString>| {
            passed_on.extend(value.into_iter().flat_map(|value| [name.into(), value]));
        };
        pass("--config", config.map(Into::into));
        pass("--log", logging.log.clone().map(Into::into));
        pass("--log-file", logging.log_file.clone().map(Into::into));
        let format = logging.log_format.and_then(|it| it.to_possible_value());
        pass("--log-format", format.map(|it| it.get_name().into()));
        Ok(Self { socket, passed_on })
    }
}

/// Joins standard input and output to the service; answers the exit code.
pub(crate) fn run(place: &Place) -> Result<u8> {
    let service = reach(place)?;
    let client = handle(io::stdin().as_fd())?;
    let output = handle(io::stdout().as_fd())?;
    Ok(match splice(client, output, service)? {
        End::Clean => 0,
        End::Unread => 1,
        End::Service => {
            eprintln!("vouchd: the service ended the connection");
            eprintln!("help: Connect again: that starts the service where none runs.");
            EXIT_ENDED
        }
    })
}

fn handle(handle: impl AsFd) -> Result<File> {
    let own = handle.as_fd().try_clone_to_owned();
    own.map(File::from)
        .map_err(|error| failed("use standard input and output", error))
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The client was done, and has all its answers.
    Clean,
    /// Nobody reads standard output any more.
    Unread,
    /// The service stopped, was restarted, or closed the connection.
    Service,
}

/// Passes bytes on in both directions until the service's end. A client that has sent all it wants is
/// still answered.
fn splice(client: File, mut output: File, service: UnixStream) -> Result<End> {
    let no_more = |error| failed("use another file handle", error);
    let mut answers = service.try_clone().map_err(no_more)?;
    let sending = Arc::new(Sending::default());
    let of_thread = Arc::clone(&sending);
    // It waits for the client, and ends with the process.
    thread::Builder::new()
        .name("client".into())
        .stack_size(BUFFER * 2)
        .spawn(move || of_thread.run(client, service))
        .map_err(|error| failed("start a thread", error))?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match answers.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // A service that died leaves what it did not read.
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        let piece = buffer.get(..count).unwrap_or_default();
        if output
            .write_all(piece)
            .and_then(|()| output.flush())
            .is_err()
        {
            return Ok(End::Unread);
        }
    }
    let ended = Instant::now();
    while !sending.done.load(Ordering::Acquire) {
        if ended.elapsed() > MOMENT {
            return Ok(End::Service);
        }
        thread::sleep(LOOK);
    }
    Ok(End::Clean)
}

/// The client's direction.
#[derive(Default)]
struct Sending {
    /// Whether the client is done: its input ended, or it said `exit`.
    done: AtomicBool,
}

impl Sending {
    fn run(&self, mut client: File, mut service: UnixStream) {
        let mut buffer = vec![0; BUFFER];
        let mut last = Last::default();
        loop {
            let count = match client.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            let piece = buffer.get(..count).unwrap_or_default();
            // Before it is sent: the service may end at once.
            last.push(piece);
            self.done.store(last.is_exit(), Ordering::Release);
            if service.write_all(piece).is_err() {
                // The other direction says why.
                return;
            }
        }
        self.done.store(true, Ordering::Release);
        // Where it is closed already, nothing is left to be closed.
        let _ = service.shutdown(Shutdown::Write);
    }
}

/// The end of what the client sent.
#[derive(Default)]
struct Last(VecDeque<u8>);

impl Last {
    fn push(&mut self, piece: &[u8]) {
        let piece = piece
            .get(piece.len().saturating_sub(LAST)..)
            .unwrap_or_default();
        self.0.extend(piece);
        let excess = self.0.len().saturating_sub(LAST);
        self.0.drain(..excess);
    }

    /// Whether the last message is `exit`: then the service closes the connection because the client
    /// wants it.
    fn is_exit(&mut self) -> bool {
        #[derive(serde::Deserialize)]
        struct Message {
            method: String,
        }
        let text = self.0.make_contiguous().trim_ascii();
        let after = |end: &[u8]| {
            let mut places = text.windows(end.len());
            places
                .rposition(|place| place == end)
                .map(|at| at + end.len())
        };
        let start = after(b"\r\n\r\n").or_else(|| after(b"\n")).unwrap_or(0);
        let message = text.get(start..).unwrap_or_default();
        serde_json::from_slice(message).is_ok_and(|Message { method }| method == Exit::NAME)
    }
}

/// Connects to the service, and starts it where nobody listens.
fn reach(place: &Place) -> Result<UnixStream> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(service) = find(&place.socket, deadline)? {
            return Ok(service);
        }
        let status = start(place)?;
        let code = status.code();
        // Another process has the lock, or had it a moment ago.
        let lost = code == Some(i32::from(EXIT_ALREADY_SERVED));
        if !status.success() && !lost {
            let shown = place.socket.display();
            return Err(
                said(&format!("the service at {shown} did not start: {status}"))
                    .help("What it said stands above; `vouch log` may say more."),
            );
        }
        if let Some(service) = find(&place.socket, deadline)? {
            return Ok(service);
        }
        if Instant::now() >= deadline {
            let shown = place.socket.display();
            return Err(said(&format!(
                "nobody listens at {shown}, though a service was started"
            ))
            .help("`vouch log` may say why it ended."));
        }
        thread::sleep(LOOK);
    }
}

/// Runs `vouchd serve --detach`, which ends when the service listens. What it says about a failure
/// is said again on our standard error.
fn start(place: &Place) -> Result<std::process::ExitStatus> {
    let failed = |error| failed("start the service", error);
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command
        .args(["serve", "--detach", "--socket"])
        .arg(&place.socket)
        .args(&place.passed_on)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    for name in peer::NOT_PASSED_ON {
        command.env_remove(name);
    }
    let mut starting = command.stderr(Stdio::piped()).spawn().map_err(failed)?;
    let (heard, words) = mpsc::channel();
    if let Some(stderr) = starting.stderr.take() {
        // It reads to the end, so that the service never waits for a reader.
        thread::spawn(move || heard.send(first_words(stderr)));
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = starting.try_wait().map_err(failed)? {
            let lost = status.code() == Some(i32::from(EXIT_ALREADY_SERVED));
            if !status.success() && !lost {
                // Who started in its place may hold the pipe.
                eprint!("{}", words.recv_timeout(MOMENT).unwrap_or_default());
            }
            return Ok(status);
        }
        if Instant::now() >= deadline {
            // It is left alone: it may serve the next who asks.
            let shown = place.socket.display();
            return Err(said(&format!(
                "the service at {shown} did not start within {PATIENCE:?}"
            ))
            .help("`vouch log` may say what it waits for."));
        }
        thread::sleep(LOOK);
    }
}

/// The first of what a service says before it serves or fails.
fn first_words(mut stderr: ChildStderr) -> String {
    let mut words = Vec::new();
    // What cannot be read is not there to be shown.
    let _ = (&mut stderr).take(4096).read_to_end(&mut words);
    let _ = io::copy(&mut stderr, &mut io::sink());
    String::from_utf8_lossy(&words).into_owned()
}

/// Connects, and checks who runs the service before a byte is sent; nothing if it is certain that
/// nobody listens.
fn find(path: &Path, deadline: Instant) -> Result<Option<UnixStream>> {
    let refused = |error: io::Error| {
        let too_long = error.kind() == io::ErrorKind::InvalidInput;
        let error = Error::at(path, "connect to the service at", error);
        if too_long {
            error.help("Name a shorter path with `--socket` or `VOUCHD_SOCKET`.")
        } else {
            error
        }
    };
    let own = geteuid().as_raw();
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => {
                let owner = socket_peercred(&stream).map_err(|error| refused(error.into()))?;
                peer::check_owner(path, owner.uid.as_raw(), own).map_err(refused)?;
                return Ok(Some(stream));
            }
            // Its queue is full.
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline =>
            {
                thread::sleep(LOOK);
            }
            Err(error) => {
                return peer::nobody_listens(path, error, own)
                    .map(|()| None)
                    .map_err(refused);
            }
        }
    }
}

fn failed(action: &str, error: io::Error) -> Error {
    said(&format!("cannot {action}: {error}")).source(error)
}

fn said(what: &str) -> Error {
    Error::new(ErrorKind::Io, what.to_owned())
}

#[cfg(test)]
mod tests;
