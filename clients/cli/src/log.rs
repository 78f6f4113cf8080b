//! `vouch log`: the last lines of the service's log file, and those that follow. It is read as a file,
//! so that it can be read when the service is gone. Memory is bounded whatever is in it, and no
//! control character in it reaches a terminal.

use crate::{
    call::ask,
    failure::{Failure, Outcome},
    show::{Screen, escaped, escaped_json},
};
use clap::Args;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
};
use serde_json::{Map, Value, json};
use std::{
    env,
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

/// A service that does not say in time where its log is has other troubles.
const ANSWER: Duration = Duration::from_secs(3);
/// How often the file is looked at.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};
/// How much is read at a time.
const BLOCK: usize = 64 << 10;
/// The longest line; what is longer is shown in pieces.
const LONGEST_LINE: usize = 64 << 10;
/// The most files that a service puts aside.
const MOST_ASIDE: u32 = 100;

#[derive(Debug, Args)]
pub(crate) struct LogArguments {
    /// Keep showing what is logged, until interrupted
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How many of the last lines to show first
    #[arg(short = 'n', long, value_name = "LINES", default_value_t = 40)]
    pub(crate) lines: u64,
}

pub(crate) async fn log(
    socket: &Path,
    arguments: &LogArguments,
    screen: &mut Screen,
) -> io::Result<Outcome> {
    let path = match file_of(socket).await {
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
    let mut output = Output::new(screen.is_json());
    for file in &mut last {
        output.rest_of(file)?;
    }
    output.rest_of(&mut file)?;
    if !arguments.follow {
        // The last line may have no end.
        if !output.line.is_empty() {
            output.end()?;
        }
        return Ok(Outcome::Success);
    }
    // Until an interrupt ends the process: there is nothing to tidy up.
    while output.wait()? {
        follow(&path, &mut file, &mut output)?;
    }
    Ok(Outcome::Success)
}

/// The file that the running service names, else the usual one.
async fn file_of(socket: &Path) -> Result<PathBuf, Failure> {
    let asked = timeout(ANSWER, async {
        let client = Client::connect(socket).await?;
        ask::<ServerStatus>(&client, NoParams {}).await
    });
    if let Ok(Ok(status)) = asked.await {
        return match status.get("log").and_then(Value::as_str) {
            Some(path) => Ok(path.into()),
            None => Err(Failure::new(format!(
                "the service on {} logs to its standard error, not to a file",
                socket.display()
            ))
            .help(
                "Look where it was started. Under systemd, `journalctl --user -u vouchd` shows the log. \
                 With `--log-file` the service logs to a file.",
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

/// How long the usual log is at a moment, to tell what was added since.
pub(crate) struct Mark {
    path: PathBuf,
    /// Device, inode and length; none if there is no file yet.
    at: Option<(u64, u64, u64)>,
}

impl Mark {
    /// The log where `VOUCHD_LOG_FILE` or the XDG folders say; none if that is not known.
    pub(crate) fn now() -> Option<Self> {
        let named = env::var_os("VOUCHD_LOG_FILE").filter(|named| !named.is_empty());
        let path = named.map(PathBuf::from).or_else(paths::log_file)?;
        let found = open(&path).and_then(|file| file.metadata()).ok();
        let at = found.map(|found| (found.dev(), found.ino(), found.len()));
        Some(Self { path, at })
    }

    /// The newest lines that were added since, as far as they can be read.
    pub(crate) fn newest_lines(&self, count: usize) -> Vec<String> {
        self.added(count).unwrap_or_default()
    }

    fn added(&self, count: usize) -> io::Result<Vec<String>> {
        let mut file = open(&self.path)?;
        back(&mut file, count as u64)?;
        let found = file.metadata()?;
        // Another file was begun since, unless it is the one of before.
        if let Some((device, inode, length)) = self.at
            && (device, inode) == (found.dev(), found.ino())
            && file.stream_position()? < length
        {
            file.seek(SeekFrom::Start(length))?;
        }
        let mut text = Vec::new();
        file.take(BLOCK as u64).read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        Ok(text.lines().take(count).map(ToOwned::to_owned).collect())
    }
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
    Err(io::Error::other("it is not a file"))
}

fn aside(path: &Path, number: u32) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(format!(".{number}"));
    name.into()
}

/// The files that were put aside and hold some of the last lines, oldest first, and the log file. Each
/// is at the position where these lines begin.
fn tail(path: &Path, mut file: File, lines: u64) -> io::Result<(Vec<File>, File)> {
    let mut missing = lines - back(&mut file, lines)?;
    let mut older = Vec::new();
    for number in 1..=MOST_ASIDE {
        if missing == 0 {
            break;
        }
        let Ok(mut file) = open(&aside(path, number)) else {
            break;
        };
        missing -= back(&mut file, missing)?;
        older.push(file);
    }
    older.reverse();
    Ok((older, file))
}

/// Goes to where the last lines of a file begin, and returns how many there are.
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
            // The newline at the end does not begin a line.
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

/// Shows what has been added, and goes on with the file that has the name now.
fn follow(path: &Path, file: &mut File, output: &mut Output) -> io::Result<()> {
    let own = file.metadata()?;
    if own.len() < file.stream_position()? {
        // It was truncated, as with `keep = 0`.
        file.seek(SeekFrom::Start(0))?;
    }
    output.rest_of(file)?;
    let is_ours = |found: &fs::Metadata| (found.dev(), found.ino()) == (own.dev(), own.ino());
    // It may be about to be replaced.
    let Ok(mut newest) = open(path) else {
        return Ok(());
    };
    if is_ours(&newest.metadata()?) {
        return Ok(());
    }
    // What was added between our reading and its renaming.
    output.rest_of(file)?;
    // Several may have been put aside since.
    let mut between = Vec::new();
    for number in 1..=MOST_ASIDE {
        match open(&aside(path, number)) {
            Ok(file) if !is_ours(&file.metadata()?) => between.push(file),
            Ok(_) => {
                for file in between.iter_mut().rev() {
                    output.rest_of(file)?;
                }
                break;
            }
            // Ours is gone: which of the others are newer cannot be told.
            Err(_) => break,
        }
    }
    output.rest_of(&mut newest)?;
    *file = newest;
    Ok(())
}

/// Standard output.
struct Output {
    form: Form,
    /// A line whose end has not come yet.
    line: Vec<u8>,
}

/// How lines are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As they are.
    Plain,
    /// For a terminal: escaped.
    Escaped,
    /// Each as a JSON object.
    Json,
}

impl Output {
    fn new(json: bool) -> Self {
        let form = if json {
            Form::Json
        } else if io::stdout().is_terminal() {
            Form::Escaped
        } else {
            Form::Plain
        };
        Self {
            form,
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
        if self.form == Form::Plain {
            return io::stdout().write_all(bytes);
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            let whole = self.line.pop_if(|last| *last == b'\n').is_some();
            if whole || self.line.len() > LONGEST_LINE {
                self.end()?;
            }
        }
        Ok(())
    }

    /// Shows the line so far.
    fn end(&mut self) -> io::Result<()> {
        let line = String::from_utf8_lossy(&self.line);
        let shown = match self.form {
            Form::Json => escaped_json(&json_of(&line).to_string()),
            Form::Escaped | Form::Plain => escaped(&line),
        };
        self.line.clear();
        writeln!(io::stdout(), "{shown}")
    }

    /// Waits a moment; returns whether anybody still reads.
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

/// A line of the log as an object: itself, where the service logs in JSON.
fn json_of(line: &str) -> Value {
    match serde_json::from_str::<Map<String, Value>>(line) {
        Ok(members) => Value::Object(members),
        Err(_) => json!({ "line": line }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_since_a_moment_is_told_from_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mark = |at: Option<fs::Metadata>| Mark {
            path: path.clone(),
            at: at.map(|found| (found.dev(), found.ino(), found.len())),
        };
        assert_eq!(mark(None).newest_lines(2), [""; 0]);
        fs::write(&path, "old 1\nold 2\n").unwrap();
        let marked = mark(Some(fs::metadata(&path).unwrap()));
        assert_eq!(marked.newest_lines(2), [""; 0]);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        writeln!(file, "new 1").unwrap();
        assert_eq!(marked.newest_lines(2), ["new 1"]);
        writeln!(file, "new 2\nnew 3").unwrap();
        assert_eq!(marked.newest_lines(2), ["new 2", "new 3"]);
        // There was none; and another one has the name.
        assert_eq!(
            mark(None).newest_lines(4),
            ["old 2", "new 1", "new 2", "new 3"]
        );
        fs::rename(&path, folder.path().join("log.1")).unwrap();
        fs::write(&path, "new 4\n").unwrap();
        assert_eq!(marked.newest_lines(4), ["new 4"]);
    }

    #[test]
    fn lines_become_objects() {
        let check = |line: &str, expected: Value| assert_eq!(json_of(line), expected, "{line}");
        check("", json!({"line": ""}));
        check("  WARN \"x\"", json!({"line": "  WARN \"x\""}));
        check(r#"{"level":"INFO"}"#, json!({"level": "INFO"}));
        check("7", json!({"line": "7"}));
    }

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
