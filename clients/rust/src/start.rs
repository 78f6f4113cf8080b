//! Starting a service where none listens. Clients that come at the same time must end up with
//! one: each starts a process, all but one of those find the socket's lock taken and end, and
//! their clients connect to the one that has it.
//!
//! Only where nobody can be there is one started: a socket of another user, a file in its place
//! or a folder that may not be entered is an error.

use crate::{
    CallError, program,
    progress::Listeners,
    rpc::{self, Rpc, introduce, late},
    socket,
};
use std::{
    collections::VecDeque,
    env, fmt, io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, ChildStderr, Command},
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};
use vouch_protocol::{ClientInfo, EXIT_ALREADY_SERVED, ErrorKind, InitializeResult};

/// How long a service may take until it answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first pause between two looks at the socket; the next is twice as long, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// How often a service is looked for again that ends before it answers.
const LOOKS: u32 = 10;

/// So long after another process had the socket's lock, and still nobody listens, that process
/// was on its way out, not in.
const WINNER: Duration = Duration::from_millis(300);

/// What a process that ended may still have in its pipe, is there by then.
const LAST_READ: Duration = Duration::from_millis(500);

/// What is kept of what a service says at its start: lines, and bytes.
const LAST_LINES: usize = 10;
const LAST_BYTES: usize = 4096;

/// What tells a process what its service manager wants of it. It was said to us, or to whoever
/// started us, and not to the service.
const NOT_PASSED_ON: [&str; 6] = [
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// How to start a service where none listens: see [`Client::connect_or_start`](crate::Client::connect_or_start).
#[derive(Debug, Clone)]
pub struct Start {
    pub(crate) client: ClientInfo,
    program: Option<PathBuf>,
    patience: Duration,
}

impl Start {
    /// `client` is what the service shows and logs as who asks.
    pub fn new(client: ClientInfo) -> Self {
        Self {
            client,
            program: None,
            patience: PATIENCE,
        }
    }

    /// The program to start. Without it, it is what `VOUCHD` names in the environment, else
    /// `vouchd` in the folder of this process's own program, else `vouchd` on `PATH`.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// How long it may take until the service answers; five seconds without it.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn found_program(&self) -> Result<PathBuf, String> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        program::found(
            env::var_os("VOUCHD"),
            env::current_exe().ok().as_deref(),
            env::var_os("PATH").as_ref(),
        )
    }
}

/// Why no service could be started where none listens.
#[derive(Debug)]
pub struct StartError {
    /// The socket.
    pub socket: PathBuf,
    /// The program that was started, or should have been; absent where there is none that can.
    pub program: Option<PathBuf>,
    /// What happened.
    pub message: String,
    /// The last lines that the program wrote to standard error; ten at most.
    pub last_words: Vec<String>,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no service listens on {}, and none could be started: {}",
            self.socket.display(),
            self.message
        )
    }
}

/// Connects to the service on this socket, or starts one; it has answered an `initialize`.
pub(crate) async fn connect(
    path: &Path,
    start: &Start,
    listeners: &Listeners,
) -> Result<(Rpc, InitializeResult), CallError> {
    if let Some(found) = settled(path, &start.client, listeners).await? {
        return Ok(found);
    }
    // The service works in another folder.
    let path = &std::path::absolute(path).map_err(CallError::Connection)?;
    let not_started = |program: Option<PathBuf>, message: String, last_words: Vec<String>| {
        CallError::NotStarted(StartError {
            socket: path.clone(),
            program,
            message,
            last_words,
        })
    };
    let program = match start.found_program() {
        Ok(program) => program,
        Err(message) => return Err(not_started(None, message, Vec::new())),
    };
    let failed = |message: String, words| not_started(Some(program.clone()), message, words);
    let deadline = Instant::now() + start.patience;
    loop {
        let mut starting = Starting::begin(&program, path).map_err(|error| {
            // One that is not there, or may not be run, is no program.
            let is_none = matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            );
            not_started(
                (!is_none).then(|| program.clone()),
                format!("cannot start {}: {error}", program.display()),
                Vec::new(),
            )
        })?;
        // Until when a process that lost the race waits for the winner.
        let mut lost_until = None;
        let mut pause = FIRST_PAUSE;
        loop {
            // First the process, then the socket: one that has ended did so before we looked.
            let ended = starting.ended()?;
            let found = look(path, &start.client, listeners, Some(deadline)).await?;
            if let Found::Service(found) = found {
                return Ok(*found);
            }
            let now = Instant::now();
            match ended {
                Some(status) if lost(status) => {
                    let until = *lost_until.get_or_insert(now + WINNER);
                    if now >= deadline {
                        return Err(failed(
                            "another process has its lock, and does not listen".into(),
                            starting.last_words().await,
                        ));
                    }
                    if now >= until {
                        break;
                    }
                }
                Some(status) => {
                    let message = format!("{} ended: {status}", program.display());
                    return Err(failed(message, starting.last_words().await));
                }
                None if now >= deadline => {
                    let message = format!(
                        "{} did not answer in {:?}",
                        program.display(),
                        start.patience
                    );
                    return Err(failed(message, starting.last_words().await));
                }
                None => {}
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }
}

/// The service that listens there, when it is certain whether one does: one that ends before it
/// answers is followed by another, or by nobody.
pub(crate) async fn settled(
    path: &Path,
    client: &ClientInfo,
    listeners: &Listeners,
) -> Result<Option<(Rpc, InitializeResult)>, CallError> {
    let mut looks = 0;
    loop {
        match look(path, client, listeners, None).await? {
            Found::Service(found) => return Ok(Some(*found)),
            Found::Nobody => return Ok(None),
            Found::Gone(error) if looks == LOOKS => return Err(error),
            Found::Gone(_) => sleep(LAST_PAUSE).await,
        }
        looks += 1;
    }
}

/// Who is at a socket.
enum Found {
    /// A service, and what it has answered.
    Service(Box<(Rpc, InitializeResult)>),
    /// Certainly nobody.
    Nobody,
    /// Somebody who went before it answered.
    Gone(CallError),
}

async fn look(
    path: &Path,
    client: &ClientInfo,
    listeners: &Listeners,
    deadline: Option<Instant>,
) -> Result<Found, CallError> {
    let Some(stream) = socket::find(path).await? else {
        return Ok(Found::Nobody);
    };
    let (reader, writer) = stream.into_split();
    let rpc = rpc::over(reader, writer, listeners);
    let introduced = introduce(&rpc, client.clone());
    let answered = match deadline {
        None => introduced.await,
        Some(deadline) => match timeout_at(deadline, introduced).await {
            Ok(answered) => answered,
            // It is for the caller to say what was waited for.
            Err(_) => return Ok(Found::Gone(late("the service does not answer"))),
        },
    };
    match answered {
        Ok(told) => Ok(Found::Service(Box::new((rpc, told)))),
        // An `initialize` that got lost has done nothing: it may be sent again.
        Err(CallError::Connection(error)) if error.kind() != io::ErrorKind::TimedOut => {
            Ok(Found::Gone(CallError::Connection(error)))
        }
        Err(CallError::Refused(error)) if error.known_kind() == Some(ErrorKind::ShuttingDown) => {
            Ok(Found::Gone(CallError::Refused(error)))
        }
        Err(error) => Err(error),
    }
}

fn lost(status: ExitStatus) -> bool {
    status.code() == Some(i32::from(EXIT_ALREADY_SERVED))
}

/// A service's process, from its start until it is known what becomes of it. It goes on when this
/// is dropped.
struct Starting {
    child: Child,
    reading: Option<JoinHandle<()>>,
    words: Arc<Mutex<LastWords>>,
}

impl Starting {
    fn begin(program: &Path, socket: &Path) -> io::Result<Self> {
        let mut command = Command::new(program);
        command
            .args(["serve", "--detach", "--socket"])
            .arg(socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // A pipe, and no file: a program that goes on writing there fills no disk.
            .stderr(Stdio::piped());
        for name in NOT_PASSED_ON {
            command.env_remove(name);
        }
        let mut child = command.spawn()?;
        let words = Arc::<Mutex<LastWords>>::default();
        // It reads to the end, also when this is dropped: nobody is to wait for a reader.
        let reading = child
            .stderr
            .take()
            .map(|stderr| tokio::spawn(listen(stderr, words.clone())));
        Ok(Self {
            child,
            reading,
            words,
        })
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, CallError> {
        self.child.try_wait().map_err(CallError::Connection)
    }

    async fn last_words(mut self) -> Vec<String> {
        if let Some(reading) = self.reading.take() {
            // What it started may hold the pipe open: then what came until now is all.
            let _ = timeout(LAST_READ, reading).await;
        }
        self.words
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .lines()
    }
}

async fn listen(mut stderr: ChildStderr, words: Arc<Mutex<LastWords>>) {
    let mut buffer = [0; 1024];
    // A pipe that cannot be read has no more to say.
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        words
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(&buffer[..count]);
    }
}

/// The end of what was said.
#[derive(Default)]
struct LastWords(VecDeque<u8>);

impl LastWords {
    fn push(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        let excess = self.0.len().saturating_sub(LAST_BYTES);
        self.0.drain(..excess);
    }

    fn lines(&self) -> Vec<String> {
        let bytes: Vec<u8> = self.0.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
        let first = lines.len().saturating_sub(LAST_LINES);
        lines[first..].iter().map(|&line| line.to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_bounded() {
        let check = |said: &[&str], expected: &[&str]| {
            let mut words = LastWords::default();
            for said in said {
                words.push(said.as_bytes());
            }
            assert_eq!(words.lines(), expected);
        };
        check(&[], &[]);
        check(&["a\nb"], &["a", "b"]);
        check(&["vou", "chd: x\n\nhelp: y\n"], &["vouchd: x", "help: y"]);
        let many = (0..100).fold(String::new(), |all, number| format!("{all}{number}\n"));
        check(
            &[&many],
            &["90", "91", "92", "93", "94", "95", "96", "97", "98", "99"],
        );
        let mut words = LastWords::default();
        for _ in 0..100 {
            words.push(&[b'x'; 1000]);
        }
        assert_eq!(words.lines()[0].len(), LAST_BYTES);
    }
}
