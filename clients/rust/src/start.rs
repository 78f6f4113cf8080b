//! Starting a service if none listens. Clients that start at the same time must end up with one
//! service: each starts a process, all but one of these find the socket's lock taken and end, and
//! their clients connect to the one that holds it.
//!
//! One is started only if it is certain that nobody listens: another user's socket, a file that is
//! not a socket, or a folder that may not be entered is an error.

use crate::{
    error::{CallError, StartError},
    listeners::Listeners,
    program,
    rpc::{self, Rpc, introduce, late},
    socket,
};
use std::{
    collections::VecDeque,
    env, io,
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
use vouch_protocol::{
    ClientInfo, EXIT_ALREADY_SERVED, ErrorKind, InitializeResult, peer::NOT_PASSED_ON,
};

/// How long a service may take until it answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first pause between two looks at the socket; the next is twice as long, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LAST_PAUSE: Duration = Duration::from_millis(50);

/// How often to look again after a service that ended before it answered.
const LOOKS: u32 = 10;

/// If nobody listens this long after another process held the socket's lock, that process was
/// ending, not starting.
const WINNER: Duration = Duration::from_millis(300);

/// What a process that ended has written to its pipe has arrived by then.
const LAST_READ: Duration = Duration::from_millis(500);

/// What is kept of what a service says when it starts: lines, and bytes.
const LAST_LINES: usize = 10;
const LAST_BYTES: usize = 4096;

/// How to start a service if none listens: see [`Client::connect_or_start`](crate::Client::connect_or_start).
#[derive(Debug, Clone)]
pub struct Start {
    pub(crate) client: ClientInfo,
    program: Option<PathBuf>,
    patience: Duration,
}

impl Start {
    /// `client` is the name that the service shows and logs for this client.
    pub fn new(client: ClientInfo) -> Self {
        Self {
            client,
            program: None,
            patience: PATIENCE,
        }
    }

    /// The program to start. The default is what `VOUCHD` names in the environment, else `vouchd` in
    /// the folder of this process's own program, else `vouchd` on `PATH`.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// How long the service may take until it answers; the default is five seconds.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn found_program(&self) -> Result<PathBuf, String> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        service_program()
    }
}

/// The service's program: what `VOUCHD` names in the environment, else `vouchd` in the folder of this
/// process's own program, else `vouchd` on `PATH`; or why there is none.
pub fn service_program() -> Result<PathBuf, String> {
    program::found(
        env::var_os("VOUCHD"),
        env::current_exe().ok().as_deref(),
        env::var_os("PATH").as_ref(),
    )
}

/// Connects to the service on this socket, or starts one. It has answered `initialize`.
pub(crate) async fn connect(
    path: &Path,
    start: &Start,
    listeners: &Listeners,
) -> Result<(Rpc, InitializeResult), CallError> {
    if let Some(found) = settled(path, &start.client, listeners).await? {
        return Ok(found);
    }
    // The service runs in another folder.
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
            // A missing file, or one that may not be run, counts as no program.
            let unusable = matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            );
            not_started(
                (!unusable).then(|| program.clone()),
                format!("cannot start {}: {error}", program.display()),
                Vec::new(),
            )
        })?;
        // Until when to wait for the process that won the race for the lock.
        let mut lost_until = None;
        let mut pause = FIRST_PAUSE;
        loop {
            // First the process, then the socket: a process that has ended did so before we looked.
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
                            "another process holds its lock and does not listen".into(),
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

/// The service that listens there, once it is certain whether there is one: a service that ends
/// before it answers may have a successor.
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

/// Who listens on a socket.
enum Found {
    /// A service, and its answer to `initialize`.
    Service(Box<(Rpc, InitializeResult)>),
    /// Certainly nobody.
    Nobody,
    /// A service that ended before it answered.
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
            // The caller says what it was waiting for.
            Err(_) => return Ok(Found::Gone(late("the service does not answer"))),
        },
    };
    match answered {
        Ok(answer) => Ok(Found::Service(Box::new((rpc, answer)))),
        // An `initialize` that was lost changed nothing: it may be sent again.
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

/// The process of a service that is starting. It lives on when this is dropped.
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
            // A pipe, not a file: a program that goes on writing cannot fill a disk.
            .stderr(Stdio::piped());
        for name in NOT_PASSED_ON {
            command.env_remove(name);
        }
        let mut child = command.spawn()?;
        let words = Arc::<Mutex<LastWords>>::default();
        // It reads to the end even when this is dropped, so that the program never blocks on it.
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
            // A process that it started may hold the pipe open: then what has come so far is all.
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
    // Nothing more comes from a pipe that cannot be read.
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        words
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(&buffer[..count]);
    }
}

/// The end of what a process wrote.
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
