//! The new process's side: it takes over from the one at the other end of standard input.

use super::{
    super::socket::Socket, FromNew, FromOld, HEAD, Handed, PATIENCE, length, message, parse,
    strange,
};
use crate::{
    error::{Error, Result, error},
    service::{BUILD, Service, VERSION},
};
use rustix::{
    fs::{Mode, OFlags},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
    stdio::{dup2_stderr, dup2_stdin},
};
use std::{
    fs::File,
    io::{self, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    net::Shutdown,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    sync::Arc,
};
use tokio::io::AsyncReadExt;
use vouch_protocol::ServerRestartResult;
use zeroize::Zeroizing;

/// What was handed over, until the old process lets go.
#[derive(Debug)]
pub struct Takeover {
    stream: UnixStream,
    handed: Handed,
    /// The socket's file and lock. They are the old process's until that one lets go: who fails
    /// before then must not remove the file.
    own: Option<((u64, u64), File)>,
    stderr: OwnedFd,
}

/// The connection to the old process, while that one finishes what it has under way.
#[derive(Debug)]
pub struct Following(UnixStream);

impl Takeover {
    /// Says to the process at the other end of standard input that this one runs, and takes what
    /// that one hands over. Blocks, for some seconds at most.
    pub fn begin() -> Result<(UnixListener, Socket, Self)> {
        let stream = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
        let mut stream = UnixStream::from(stream);
        // What this process starts shall not have it.
        nothing()
            .and_then(|nothing| Ok(dup2_stdin(nothing)?))
            .map_err(failed)?;
        for set in [UnixStream::set_read_timeout, UnixStream::set_write_timeout] {
            set(&stream, Some(PATIENCE)).map_err(failed)?;
        }
        let hello = FromNew::Hello(ServerRestartResult {
            process_id: std::process::id(),
            version: VERSION.into(),
            build: BUILD.map(Into::into),
        });
        stream.write_all(&message(&hello, 0)?).map_err(failed)?;
        let (head, handles) = receive(&stream).map_err(failed)?;
        let FromOld::Take(handed) = parse(&body(&mut stream, head)?)? else {
            return Err(strange());
        };
        let mut handles = handles.into_iter();
        let (Some(listener), Some(stderr)) = (handles.next(), handles.next()) else {
            return Err(strange());
        };
        let own = match (handed.own, handles.next()) {
            (Some(inode), Some(lock)) => Some((inode, File::from(lock))),
            (None, None) => None,
            _ => return Err(strange()),
        };
        let listener = UnixListener::from(listener);
        let socket = Socket::taken(&listener);
        let takeover = Self {
            stream,
            handed,
            own,
            stderr,
        };
        Ok((listener, socket, takeover))
    }

    /// Takes the logins over, says that this process is ready, and waits until it is the service.
    /// Blocks, for some seconds at most.
    pub fn finish(mut self, service: &Service, socket: &mut Socket) -> Result<Following> {
        service.take_logins(std::mem::take(&mut self.handed.logins));
        self.stream
            .write_all(&message(&FromNew::Ready, 0)?)
            .map_err(failed)?;
        let mut head = [0; HEAD];
        match self.stream.read_exact(&mut head) {
            Ok(()) => {}
            // It died, and what it had is here.
            Err(error) if is_end(&error) => {}
            Err(_) => {
                // Either it has said it until now, or it can never say it any more.
                self.stream.shutdown(Shutdown::Read).map_err(failed)?;
                self.stream.read_exact(&mut head).map_err(|_| stays())?;
            }
        }
        if head != [0; HEAD] {
            match parse(&body(&mut self.stream, head)?)? {
                FromOld::Go => {}
                FromOld::Stay => return Err(stays()),
                FromOld::Take(_) | FromOld::Logins(_) => return Err(strange()),
            }
        }
        socket.take(self.own.take());
        dup2_stderr(&self.stderr).map_err(|error| failed(error.into()))?;
        if let Err(error) = socket.sign() {
            tracing::warn!(%error, "the lock names the process before this one");
        }
        Ok(Following(self.stream))
    }
}

impl Following {
    /// Takes what becomes of logins in the process before this one, until that one has ended.
    pub async fn follow(self, service: Arc<Service>) {
        let stream = self.0;
        let followed = async {
            stream.set_nonblocking(true)?;
            let mut stream = tokio::net::UnixStream::from_std(stream)?;
            loop {
                let mut head = [0; HEAD];
                stream.read_exact(&mut head).await?;
                let length = length(head).map_err(io::Error::other)?;
                let mut text = Zeroizing::new(vec![0; length]);
                stream.read_exact(&mut text).await?;
                match parse(&text).map_err(io::Error::other)? {
                    FromOld::Logins(logins) => service.take_logins(logins),
                    FromOld::Take(_) | FromOld::Go | FromOld::Stay => {}
                }
            }
        };
        let Err::<(), io::Error>(error) = followed.await else {
            return;
        };
        if is_end(&error) {
            tracing::debug!("the process before this one has ended");
        } else {
            tracing::warn!(%error, "the process before this one is not heard any more");
        }
    }
}

fn stays() -> Error {
    error!(RestartFailed: "the process before this one did not let go")
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
    )
}

/// The message behind a head.
fn body(stream: &mut UnixStream, head: [u8; HEAD]) -> Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(vec![0; length(head)?]);
    stream.read_exact(&mut text).map_err(failed)?;
    Ok(text)
}

/// The head of a message, and the handles that came with it.
fn receive(stream: &UnixStream) -> io::Result<([u8; HEAD], Vec<OwnedFd>)> {
    let mut head = [0; HEAD];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut head)];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
    let received = recvmsg(stream, &mut slices, &mut control, flags)?;
    let mut handles = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            handles.extend(rights);
        }
    }
    if received.bytes < HEAD {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((head, handles))
}

fn nothing() -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(
        "/dev/null",
        OFlags::RDWR | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

fn failed(error: io::Error) -> Error {
    error!(RestartFailed: "cannot take over from the process at the other end of stdin: {error}")
        .help("`--take-over` is how a service restarts itself: run `vouch restart`.")
        .source(error)
}
