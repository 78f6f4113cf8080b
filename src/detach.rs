//! `vouchd serve --detach`: a service that outlives the terminal and the client that started it.
//! Until it serves, what goes wrong is said on standard error, so that whoever starts it hears it.

use crate::allocator;
use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    process::{getpid, setsid},
    stdio::{dup2_stderr, dup2_stdin, dup2_stdout},
};
use std::{
    env,
    io::{self, Read, Write},
    process::{Command, Stdio},
};
use vouchd::{
    error::{Error, Result},
    transport::socket::Served,
};

/// How the process in the background is told that it is the one.
const BACKGROUND: &str = "--background";

/// Starts the same once more, in the background, waits until that one serves or has failed, and
/// returns the exit code. So it is nobody's child that would have to be waited for, and a
/// session can be begun, which the leader of a group, such as a job of a shell, cannot.
pub(crate) fn start_again() -> Result<u8> {
    let failed = |error| failed("start it in the background", error);
    let program = env::current_exe().map_err(failed)?;
    // A script's lock, or a pipe that somebody reads to its end, must not be kept for as long as
    // the service lives.
    close_fds::set_fds_cloexec(3, &[]);
    let mut service = allocator::told(&mut Command::new(program))
        .args(env::args_os().skip(1))
        .arg(BACKGROUND)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut said = String::new();
    if let Some(stdout) = service.stdout.take() {
        // It ends when it serves, or has failed.
        stdout.take(100).read_to_string(&mut said).map_err(failed)?;
    }
    if said.is_empty() {
        let status = service.wait().map_err(failed)?;
        return Ok(status
            .code()
            .and_then(|code| code.try_into().ok())
            .unwrap_or(1));
    }
    say(&said);
    Ok(0)
}

/// Begins a session of its own, which no terminal's hang-up reaches.
pub(crate) fn leave_session() -> Result<()> {
    match setsid() {
        // Who leads a group has one already, if no shell started it.
        Ok(_) | Err(Errno::PERM) => Ok(()),
        Err(error) => Err(failed("begin a session", error.into())),
    }
}

/// Says which process serves, on standard output, and lets go of whoever started it: of its
/// folder and of its standard streams.
pub(crate) fn let_go() -> Result<()> {
    say(&format!("{}\n", getpid().as_raw_nonzero()));
    keep_nothing().map_err(|error| failed("detach", error))
}

/// The same without saying anything.
pub(crate) fn keep_nothing() -> io::Result<()> {
    env::set_current_dir("/")?;
    let nothing = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    dup2_stderr(&nothing)?;
    Ok(())
}

/// Says that another process serves already, and which; returns the exit code.
pub(crate) fn is_served(served: &Served) -> u8 {
    eprintln!("vouchd: {served}");
    say(&format!("{}\n", served.process));
    0
}

fn say(text: &str) {
    let mut stdout = io::stdout();
    // Who does not want to know has closed it.
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

fn failed(action: &str, error: io::Error) -> Error {
    let message = format!("cannot {action}: {error}");
    Error::new(vouch_protocol::ErrorKind::Io, message).source(error)
}
