//! The old process's side: it starts the new one, hands over, and leaves; or it stays.

use super::{
    super::{notify, socket::Socket},
    FromNew, FromOld, HEAD, Handed, PATIENCE, Successor, length, message, parse, room_for, strange,
    successor::obstacle,
};
use crate::{
    error::{Error, Result, clean_to, error},
    progress::Progress,
    service::Service,
    session::Carried,
};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, send, sendmsg};
use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream as Pair,
    },
    process::{Child, ExitStatus},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::{UnixStream, unix::pipe},
};
use vouch_protocol::{ErrorKind, ServerRestartResult};
use zeroize::Zeroizing;

/// What the new process may say before it is ready.
const LONGEST_HELLO: usize = 4096;
/// How much is kept of what it said last, in bytes.
const LAST_WORDS: usize = 2000;
/// How long the last words are waited for when it has failed.
const LAST: Duration = Duration::from_secs(1);
/// How often logins are looked at while the last requests end.
const LOOK: Duration = Duration::from_millis(50);

/// The connection to the process that has taken over.
pub(in crate::transport) struct Given {
    stream: UnixStream,
    told: Vec<Carried>,
}

/// Starts a new process, and hands everything over to it. When this fails, nothing has changed.
pub(in crate::transport) async fn give(
    successor: &Successor,
    listener: BorrowedFd<'_>,
    socket: &Socket,
    service: &Service,
    progress: &Progress,
) -> Result<(ServerRestartResult, Given)> {
    if let Some(why) = obstacle() {
        return Err(
            Error::new(ErrorKind::RestartFailed, why).help("Restart it where it was started from.")
        );
    }
    // The end of the stream is what the new process takes for the end of this one. So it outlives
    // that process wherever this one stays: locals are dropped in the reverse order.
    let (mut stream, mut new, mut errors) = start(successor.clone()).await?;
    let mut words = Vec::new();
    let outcome = {
        let talking = tokio::time::timeout(
            PATIENCE,
            talk(&mut stream, listener, socket, service, progress, &mut new),
        );
        tokio::pin!(talking);
        loop {
            tokio::select! {
                biased;
                outcome = &mut talking => break outcome.unwrap_or_else(|_| Err(silent())),
                () = progress.stopped() => break Err(Error::cancelled()),
                read = hear(&mut errors, &mut words) => if !read {
                    break talking.await.unwrap_or_else(|_| Err(silent()));
                },
            }
        }
    };
    let error = match outcome {
        Ok((new, told)) => {
            let said = shown(&words);
            if !said.is_empty() {
                tracing::info!(said, "the new process has begun");
            }
            return Ok((new, Given { stream, told }));
        }
        Err(error) if error.kind() == ErrorKind::Cancelled => {
            new.kill();
            return Err(error);
        }
        Err(error) => error,
    };
    // What it still has to say is said when it ends.
    let last = async { while hear(&mut errors, &mut words).await {} };
    let ended = tokio::time::timeout(LAST, last).await.is_ok();
    let status = if ended { new.status().await } else { None };
    new.kill();
    let program = successor.program.display();
    let mut text = format!(
        "the new process of {program} did not take over: {}",
        error.message()
    );
    if let Some(status) = status {
        text = format!("the new process of {program} ended: {status}");
    }
    let said = shown(&words);
    if !said.is_empty() {
        text = format!("{text}; it said: {said}");
    }
    Err(Error::new(ErrorKind::RestartFailed, text)
        .help("The service goes on as it was. Fix what the new process reports, then try again."))
}

/// The new process until it has taken over. Dropping it kills it.
struct New {
    child: Option<Child>,
    /// Our end of the stream once more.
    stream: Pair,
}

impl New {
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A script that started it may be all that is killed.
            if let Err(error) = self.say_stay() {
                tracing::debug!(%error, "the new process was not told to end");
            }
            // It may be gone already. Once it is killed, it is not long to wait for.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Says it without waiting: who has not read what was said before will not take over anyway.
    fn say_stay(&self) -> Result<()> {
        let message = message(&FromOld::Stay, 0)?;
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        send(&self.stream, &message, flags).map_err(|error| broken(error.into()))?;
        Ok(())
    }

    /// How it ended, if it has.
    async fn status(&mut self) -> Option<ExitStatus> {
        for _ in 0..20 {
            match self.child.as_mut()?.try_wait() {
                Ok(None) => tokio::time::sleep(LOOK).await,
                ended => return ended.ok().flatten(),
            }
        }
        None
    }

    /// From now on it lives for itself.
    fn let_go(&mut self) {
        self.child = None;
    }
}

impl Drop for New {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts it off the runtime's threads, as its program may lie on a slow disk.
async fn start(successor: Successor) -> Result<(UnixStream, New, pipe::Receiver)> {
    let program = successor.program.clone();
    let failed = |error: io::Error| {
        error!(RestartFailed: "cannot start {}: {error}", program.display())
            .help("The service goes on as it was. Install the program there, then try again.")
            .source(error)
    };
    let started = tokio::task::spawn_blocking(move || {
        let (ours, theirs) = Pair::pair()?;
        ours.set_nonblocking(true)?;
        let stream = ours.try_clone()?;
        let mut child = successor.spawn(theirs.into())?;
        let errors = child.stderr.take();
        let child = Some(child);
        Ok((ours, New { child, stream }, errors))
    });
    let (ours, new, errors) = started
        .await
        .map_err(|error| failed(io::Error::other(error)))?
        .map_err(failed)?;
    let stream = UnixStream::from_std(ours).map_err(failed)?;
    let errors = errors.ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
    let errors = pipe::Receiver::from_owned_fd(errors.into()).map_err(failed)?;
    Ok((stream, new, errors))
}

async fn talk(
    stream: &mut UnixStream,
    listener: BorrowedFd<'_>,
    socket: &Socket,
    service: &Service,
    progress: &Progress,
    new: &mut New,
) -> Result<(ServerRestartResult, Vec<Carried>)> {
    let FromNew::Hello(hello) = read(stream).await? else {
        return Err(strange());
    };
    // As late as this, so that they are as they are now.
    let logins = service.logins();
    let (own, lock) = match socket.own() {
        Some((inode, lock)) => (Some(inode), Some(lock)),
        None => (None, None),
    };
    let handed = Handed {
        own,
        logins: logins.clone(),
    };
    let longest = room_for(&logins);
    let message = message(&FromOld::Take(handed), longest)?;
    let stderr = io::stderr();
    let mut handles = vec![listener, stderr.as_fd()];
    handles.extend(lock);
    let (head, body) = message.split_at(HEAD);
    send_with(stream, head, &handles).await.map_err(broken)?;
    stream.write_all(body).await.map_err(broken)?;
    let FromNew::Ready = read(stream).await? else {
        return Err(strange());
    };
    // It cannot be undone from here on, and nothing is waited for.
    progress.commit()?;
    write(stream, &FromOld::Go, 0).await?;
    new.let_go();
    notify::succeeded_by(hello.process_id);
    Ok((hello, logins))
}

impl Given {
    /// Tells the new process what becomes of logins here, for ever or until it is gone.
    pub(in crate::transport) async fn tell(&mut self, service: &Service) {
        while self.tell_once(service).await.is_ok() {
            tokio::time::sleep(LOOK).await;
        }
        std::future::pending::<()>().await;
    }

    /// Tells it what has changed since the last time.
    pub(in crate::transport) async fn tell_once(&mut self, service: &Service) -> Result<()> {
        let now = service.logins();
        let mut changed = now.clone();
        changed.retain(|login| !self.told.contains(login));
        if !changed.is_empty() {
            let longest = room_for(&changed);
            let logins = FromOld::Logins(changed);
            tokio::time::timeout(PATIENCE, write(&mut self.stream, &logins, longest))
                .await
                .map_err(|_| silent())??;
        }
        self.told = now;
        Ok(())
    }
}

async fn read(stream: &mut UnixStream) -> Result<FromNew> {
    let mut head = [0; HEAD];
    stream.read_exact(&mut head).await.map_err(broken)?;
    let length = length(head)?;
    if length > LONGEST_HELLO {
        return Err(strange());
    }
    let mut text = vec![0; length];
    stream.read_exact(&mut text).await.map_err(broken)?;
    parse(&text)
}

async fn write(stream: &mut UnixStream, content: &FromOld, longest: usize) -> Result<()> {
    let message: Zeroizing<Vec<u8>> = message(content, longest)?;
    stream.write_all(&message).await.map_err(broken)
}

/// Sends bytes, all of them, with handles.
async fn send_with(
    stream: &UnixStream,
    bytes: &[u8],
    handles: &[BorrowedFd<'_>],
) -> io::Result<()> {
    loop {
        stream.writable().await?;
        let sent = stream.try_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(handles)) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let slices = [IoSlice::new(bytes)];
            Ok(sendmsg(stream, &slices, &mut control, SendFlags::NOSIGNAL)?)
        });
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // A few bytes on a fresh socket go at once or not at all.
            Ok(sent) if sent < bytes.len() => return Err(io::ErrorKind::WriteZero.into()),
            sent => return sent.map(drop),
        }
    }
}

/// Reads what it says on standard error; of much only the end is kept. Answers whether there may
/// be more.
async fn hear(errors: &mut pipe::Receiver, words: &mut Vec<u8>) -> bool {
    let mut piece = [0; 1024];
    let Ok(read @ 1..) = errors.read(&mut piece).await else {
        return false;
    };
    words.extend_from_slice(piece.get(..read).unwrap_or_default());
    let excess = words.len().saturating_sub(LAST_WORDS);
    words.drain(..excess);
    true
}

/// Its words in one line, without what acts on a terminal.
fn shown(words: &[u8]) -> String {
    let text = String::from_utf8_lossy(words);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines.collect::<Vec<_>>().join(" / ");
    // A line break has become three characters.
    clean_to(&line, 3 * LAST_WORDS)
}

fn broken(error: io::Error) -> Error {
    let why = match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => "it ended".into(),
        _ => error.to_string(),
    };
    Error::new(ErrorKind::RestartFailed, why).source(error)
}

fn silent() -> Error {
    error!(RestartFailed: "it was not ready after {} seconds", PATIENCE.as_secs())
}
