//! Which program comes after this process, and where none may.

use super::super::notify;
use crate::error::{Result, error};
use std::{
    env,
    ffi::OsString,
    fs, io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// How to start the process that takes over from this one.
#[derive(Debug, Clone)]
pub struct Successor {
    pub(super) program: PathBuf,
    arguments: Vec<OsString>,
    folder: PathBuf,
}

impl Successor {
    /// This process once more: what lies where its program was, with its arguments and this flag,
    /// in its folder. Ask early, before the folder is left and the program replaced.
    pub fn of_this_process(flag: &str) -> Result<Self> {
        let failed =
            |error| error!(Io: "cannot tell where this program lies: {error}").source(error);
        let mut arguments = env::args_os();
        let named = arguments.next();
        // The name by which it was called may be a link that an upgrade turns; the system knows
        // only where it led to.
        let program = match named.and_then(called).filter(|path| is_this(path)) {
            Some(program) => program,
            None => env::current_exe().map_err(failed)?,
        };
        let mut arguments: Vec<_> = arguments.filter(|argument| argument != flag).collect();
        arguments.push(flag.into());
        // Who starts in one that was removed names nothing in it.
        let folder = env::current_dir().unwrap_or_else(|_| "/".into());
        Ok(Self {
            program,
            arguments,
            folder,
        })
    }

    /// Starts it with this as standard input.
    pub(super) fn spawn(&self, stdin: OwnedFd) -> io::Result<Child> {
        // It may have been a folder for a moment's work, gone long since.
        let there = self.folder.is_dir();
        let folder = if there { &self.folder } else { Path::new("/") };
        Command::new(&self.program)
            .args(&self.arguments)
            .current_dir(folder)
            .stdin(stdin)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
    }
}

/// The program that a shell finds by this name.
fn called(name: OsString) -> Option<PathBuf> {
    let name = PathBuf::from(name);
    if name.components().count() > 1 {
        return std::path::absolute(name).ok();
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(&name))
        .find(|path| path.is_file())
}

/// Whether that is the program of this process.
fn is_this(path: &Path) -> bool {
    let identity = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        Some((found.dev(), found.ino()))
    };
    let own = identity(Path::new("/proc/self/exe"));
    own.is_some() && own == identity(path)
}

/// Why no other process may take this one's place.
pub(super) fn obstacle() -> Option<&'static str> {
    let process = std::process::id();
    if process == 1 {
        return Some("this is the first process, and everything would end with it");
    }
    // systemd.exec(5): it names the process that the manager has started. One that hears of no
    // other takes the end of this one for the service's, and kills the new one.
    let started = env::var("SYSTEMD_EXEC_PID").is_ok_and(|named| named == process.to_string());
    (started && env::var_os(notify::SOCKET).is_none()).then_some(
        "systemd started this process, and waits for the end of this one (`Type=notify` would do)",
    )
}
