//! `vouch log`: the service's log file, its last lines and what follows. It is read as a file, so
//! that it can be read when the service is gone; memory is bounded whatever stands in it, and a
//! terminal sees no control character of it.

use crate::{
    arguments::LogArguments,
    commands::ask,
    failure::{Failure, Outcome},
    show::{Screen, escaped},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, IsTerminal, Read, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::timeout;
use vouch_client::{
    Client,
    protocol::{NoParams, ServerStatus, paths},
};

/// A service that does not say where its log is within this time has other troubles.
const ANSWER: Duration = Duration::from_secs(3);
/// How often the file is looked at.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};
/// So much is read at a time.
const BLOCK: usize = 64 << 10;
/// The longest line that waits for its end.
const LONGEST_LINE: usize = 64 << 10;
/// No service puts more files aside.
const MOST_ASIDE: u32 = 100;

pub(crate) async fn log(
    socket: &Path,
    arguments: &LogArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let path = match place(socket).await {
        Ok(path) => path,
        Err(failure) => return screen.failure(&failure),
    };
    let unreadable =
        |error: &io::Error| Failure::new(format!("cannot read {}: {error}", path.display()));
    let (mut last, mut file) = match open(&path).and_then(|file| tail(&path, file, arguments.lines))
    {
        Ok(found) => found,
        Err(error) => return screen.failure(&unreadable(&error)),
    };
    let mut output = Output::new();
    for file in &mut last {
        output.rest_of(file)?;
    }
    output.rest_of(&mut file)?;
    if !arguments.follow {
        output.end()?;
        return Ok(Outcome::Success);
    }
    // For ever: an interrupt ends the process, and nothing has to be tidied up.
    while output.wait()? {
        follow(&path, &mut file, &mut output)?;
    }
    Ok(Outcome::Success)
}

/// The file that the running service names, else the one that it would log to.
async fn place(socket: &Path) -> Result<PathBuf, Failure> {
    let asked = timeout(ANSWER, async {
        let client = Client::connect(socket).await?;
        ask::<ServerStatus>(&client, NoParams {}).await
    });
    if let Ok(Ok(status)) = asked.await {
        return match status.get("log").and_then(serde_json::Value::as_str) {
            Some(path) => Ok(path.into()),
            None => Err(Failure::new(format!(
                "the service on {} logs to its standard error, not to a file",
                socket.display()
            ))
            .help(
                "Look where it was started; with systemd, `journalctl --user -u vouchd` shows it. \
                 Started with `--log-file`, it logs to a file.",
            )),
        };
    }
    let nobody = format!("no service answers on {}", socket.display());
    match paths::log_file() {
        Some(path) if path.exists() => Ok(path),
        Some(path) => Err(Failure::new(format!(
            "{nobody}, and there is no log at {}",
            path.display()
        ))),
        None => Err(Failure::new(nobody)),
    }
}

/// The newest lines of the usual log, as far as there are any and they can be read.
pub(crate) fn newest_lines(count: usize) -> Vec<String> {
    let newest = || -> Option<Vec<String>> {
        let path = paths::log_file()?;
        let mut file = open(&path).ok()?;
        back(&mut file, count as u64).ok()?;
        let mut text = Vec::new();
        file.take(BLOCK as u64).read_to_end(&mut text).ok()?;
        let text = String::from_utf8_lossy(&text);
        Some(text.lines().take(count).map(ToOwned::to_owned).collect())
    };
    newest().unwrap_or_default()
}

fn open(path: &Path) -> io::Result<File> {
    let nonblocking = OFlags::NONBLOCK.bits();
    let file = OpenOptions::new()
        .read(true)
        // A pipe without a writer would block.
        .custom_flags(i32::try_from(nonblocking).unwrap_or_default())
        .open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::other("it is no file"))
}

fn aside(path: &Path, place: u32) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(format!(".{place}"));
    name.into()
}

/// Files that were put aside and hold some of the last lines, the oldest first, and the log file;
/// each stands where these lines begin.
fn tail(path: &Path, mut file: File, lines: u64) -> io::Result<(Vec<File>, File)> {
    let mut missing = lines - back(&mut file, lines)?;
    let mut older = Vec::new();
    for place in 1..=MOST_ASIDE {
        if missing == 0 {
            break;
        }
        let Ok(mut file) = open(&aside(path, place)) else {
            break;
        };
        missing -= back(&mut file, missing)?;
        older.push(file);
    }
    older.reverse();
    Ok((older, file))
}

/// Goes to where the last lines of a file begin, and answers how many there are, at most so many.
fn back(file: &mut File, lines: u64) -> io::Result<u64> {
    let mut block = vec![0; BLOCK];
    let end = file.metadata()?.len();
    let mut start = end;
    let mut found = 0;
    while start > 0 && lines > 0 {
        let from = start.saturating_sub(BLOCK as u64);
        let length = usize::try_from(start - from).unwrap_or(BLOCK);
        let block = block.get_mut(..length).unwrap_or_default();
        file.read_exact_at(block, from)?;
        for (index, byte) in block.iter().enumerate().rev() {
            let after = from + index as u64 + 1;
            // The newline at the end begins no line.
            if *byte == b'\n' && after < end {
                found += 1;
                if found == lines {
                    file.seek(SeekFrom::Start(after))?;
                    return Ok(found);
                }
            }
        }
        start = from;
    }
    file.seek(SeekFrom::Start(start))?;
    // The first line has no newline before it.
    Ok(if start == 0 && end > 0 { found + 1 } else { 0 })
}

/// Shows what has come since, and goes on with the file that has the name now.
fn follow(path: &Path, file: &mut File, output: &mut Output) -> io::Result<()> {
    let own = file.metadata()?;
    if own.len() < file.stream_position()? {
        // It was cut, as with `keep = 0`.
        file.seek(SeekFrom::Start(0))?;
    }
    output.rest_of(file)?;
    let is_ours = |found: &fs::Metadata| (found.dev(), found.ino()) == (own.dev(), own.ino());
    // It may be about to be made again.
    let Ok(mut newest) = open(path) else {
        return Ok(());
    };
    if is_ours(&newest.metadata()?) {
        return Ok(());
    }
    // What came between the reading and the moving.
    output.rest_of(file)?;
    // Several may have been put aside since.
    let mut between = Vec::new();
    for place in 1..=MOST_ASIDE {
        match open(&aside(path, place)) {
            Ok(file) if !is_ours(&file.metadata()?) => between.push(file),
            Ok(_) => {
                for file in between.iter_mut().rev() {
                    output.rest_of(file)?;
                }
                break;
            }
            // Ours is gone, and what came after it cannot be told from what was before.
            Err(_) => break,
        }
    }
    output.rest_of(&mut newest)?;
    *file = newest;
    Ok(())
}

/// Standard output: on a terminal line by line and escaped, else as it is.
struct Output {
    terminal: bool,
    /// A line whose end is to come.
    line: Vec<u8>,
}

impl Output {
    fn new() -> Self {
        Self {
            terminal: io::stdout().is_terminal(),
            line: Vec::new(),
        }
    }

    /// Shows a file from where it stands to its end as it is now: it may grow faster than that.
    fn rest_of(&mut self, file: &mut File) -> io::Result<()> {
        let left = file
            .metadata()?
            .len()
            .saturating_sub(file.stream_position()?);
        let mut rest = file.take(left);
        let mut block = vec![0; BLOCK];
        loop {
            let read = rest.read(&mut block)?;
            if read == 0 {
                return io::stdout().flush();
            }
            self.write(block.get(..read).unwrap_or_default())?;
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if !self.terminal {
            return out.write_all(bytes);
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            let whole = self.line.pop_if(|last| *last == b'\n').is_some();
            if whole || self.line.len() > LONGEST_LINE {
                writeln!(out, "{}", escaped(&String::from_utf8_lossy(&self.line)))?;
                self.line.clear();
            }
        }
        Ok(())
    }

    /// Shows a line that will not be ended.
    fn end(&mut self) -> io::Result<()> {
        if self.line.is_empty() {
            return Ok(());
        }
        self.write(b"\n")
    }

    /// Waits a moment; answers whether there is still somebody who reads.
    #[allow(clippy::unused_self)]
    fn wait(&self) -> io::Result<bool> {
        let out = io::stdout();
        let mut polled = [PollFd::new(&out, PollFlags::empty())];
        match poll(&mut polled, Some(&LOOK)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [polled] = polled;
        let gone = PollFlags::ERR | PollFlags::HUP;
        Ok(!polled.revents().intersects(gone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_found_from_behind() {
        let check = |text: &str, lines: u64, expected: &str, found: u64| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            assert_eq!(back(&mut file, lines).unwrap(), found, "{lines}");
            let mut rest = String::new();
            file.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, expected, "{lines}");
        };
        check("", 3, "", 0);
        check("a\n", 3, "a\n", 1);
        check("a\nb\nc\n", 2, "b\nc\n", 2);
        check("a\nb\nc\n", 3, "a\nb\nc\n", 3);
        check("a\nb\nc", 1, "c", 1);
        check("a\n\n\n", 2, "\n\n", 2);
        check("a\nb\n", 0, "", 0);
        let long = format!("{}\n{}\nend\n", "x".repeat(BLOCK), "y".repeat(2 * BLOCK));
        let last = long.split_once('\n').unwrap().1;
        check(&long, 2, last, 2);
        check(&long, 9, &long, 3);
    }

    #[test]
    fn lines_that_were_put_aside_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(aside(&path, 2), "1\n2\n").unwrap();
        fs::write(aside(&path, 1), "3\n4\n").unwrap();
        fs::write(&path, "5\n").unwrap();
        let check = |lines: u64, expected: &str| {
            let (older, newest) = tail(&path, open(&path).unwrap(), lines).unwrap();
            let mut text = String::new();
            for mut file in older.into_iter().chain([newest]) {
                file.read_to_string(&mut text).unwrap();
            }
            assert_eq!(text, expected, "{lines}");
        };
        check(0, "");
        check(1, "5\n");
        check(2, "4\n5\n");
        check(4, "2\n3\n4\n5\n");
        check(u64::MAX, "1\n2\n3\n4\n5\n");
    }
}
