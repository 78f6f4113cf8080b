//! The log, on standard error or in a file: what is logged, and that the service never waits for
//! whoever reads or keeps it. An editor may start the service with a pipe there and forget it; a
//! disk may be full.
//!
//! Much of what is logged are the words of strangers: clients, registries, artifacts. Each event
//! stays one line, and nothing in it acts on a terminal.

mod file;
mod text;

pub(crate) use file::LogFile;

use parking_lot::{Condvar, Mutex};
use std::{
    io::{self, IsTerminal, Write},
    sync::{Arc, OnceLock},
    time::Duration,
};
use tracing::{Level, Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, Registry,
    filter::{FilterExt, Targets, filter_fn},
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};
use vouchd::config::LogFormat;

/// What is logged unless something else is said.
pub(crate) const USUAL: &str = "info";

/// The most bytes that wait for the reader; further lines are dropped, and counted.
const MOST_WAITING: usize = 256 << 10;
/// How long the last lines are waited for when the process ends.
const LAST: Duration = Duration::from_secs(1);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Logs from now on. Keep the log until the process ends, and then [`flush`](Log::flush) it.
pub(crate) fn begin(filter: &str, format: LogFormat, file: Option<LogFile>) -> Result<Log> {
    let (levels, change) = reload::Layer::new(parse(filter)?);
    let filter = levels.and(filter_fn(is_ours_or_warns));
    let log = Log::default();
    let written = log.clone();
    let colours = file.is_none() && io::stderr().is_terminal();
    let mut output: Box<dyn Write + Send> = match file {
        Some(file) => Box::new(file),
        None => Box::new(io::stderr()),
    };
    std::thread::Builder::new()
        .name("vouchd-log".into())
        .spawn(move || written.write_to(&mut output))?;
    let lines = log.clone();
    let layer = tracing_subscriber::fmt::layer();
    let layer = match format {
        LogFormat::Text => layer
            .with_writer(move || lines.clone())
            .with_ansi(colours)
            .fmt_fields(text::fields())
            .boxed(),
        LogFormat::Json => layer
            .with_writer(move || text::Json(lines.clone()))
            .json()
            // A request has one span, which each of its lines names already.
            .with_span_list(false)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init()?;
    // There is one log in a process, as `try_init` has just made sure.
    let _ = LEVELS.set(change);
    Ok(log)
}

/// What the log is filtered by.
static LEVELS: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Filters the log by something else from now on.
pub(crate) fn change(filter: &str) -> Result<()> {
    let filter = parse(filter)?;
    if let Some(levels) = LEVELS.get() {
        levels.reload(filter)?;
    }
    Ok(())
}

/// A word alone is a level. The library takes another one for a target, and logs nothing else.
pub(crate) fn parse(filter: &str) -> Result<Targets> {
    for word in filter.split(',').map(str::trim) {
        let alone = !word.is_empty() && !word.contains(['=', '[', ']', '{', '}']);
        if alone && word.parse::<LevelFilter>().is_err() {
            return Err(format!("{word:?} is not a level").into());
        }
    }
    Ok(filter.parse()?)
}

/// Whether an event may be logged whatever the filter says: our own crates' may, others' only
/// when they warn. Theirs print bodies and headers, passwords and tokens included.
fn is_ours_or_warns(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let ours = target == "vouchd" || target.starts_with("vouchd::");
    ours || *metadata.level() <= Level::WARN
}

/// The lines that wait to be written.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<(Mutex<Waiting>, Condvar)>);

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// How many lines were dropped since that was last logged.
    dropped: u64,
    writing: bool,
}

impl Log {
    /// Writes what waits, for ever. It blocks where nobody reads, and it alone.
    fn write_to(&self, output: &mut impl Write) {
        loop {
            let mut waiting = self.0.0.lock();
            self.0
                .1
                .wait_while(&mut waiting, |waiting| waiting.lines.is_empty());
            let lines = std::mem::take(&mut waiting.lines);
            let dropped = std::mem::take(&mut waiting.dropped);
            waiting.writing = true;
            drop(waiting);
            if dropped > 0 {
                tracing::warn!(dropped, "lines were dropped, as nobody took them in time");
            }
            // Where it cannot be written there is nobody to be told; a file counts what it loses.
            let _ = output.write_all(&lines);
            self.0.0.lock().writing = false;
            self.0.1.notify_all();
        }
    }

    /// Waits until all is written, but not for ever.
    pub(crate) fn flush(&self) {
        let unwritten = |waiting: &mut Waiting| waiting.writing || !waiting.lines.is_empty();
        // Whether it was written or is given up, the process ends.
        let mut waiting = self.0.0.lock();
        self.0.1.wait_while_for(&mut waiting, unwritten, LAST);
    }
}

/// Takes a line at once, whole or not at all.
impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.0.lock();
        if line.len() > file::LONGEST_LINE || waiting.lines.len() + line.len() > MOST_WAITING {
            waiting.dropped += 1;
        } else {
            waiting.lines.extend_from_slice(line);
            self.0.1.notify_all();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let check = |filter: &str, expected: bool| {
            assert_eq!(parse(filter).is_ok(), expected, "{filter:?}");
        };
        check("info", true);
        check("WARN", true);
        check("off", true);
        check("info,vouchd::session=debug", true);
        // Levels are by target alone.
        check("vouchd[request{method=push}]=debug", false);
        check("info, debug,", true);
        check("bogus", false);
        check("vouchd::session", false);
        check("info,bogus", false);
        check("vouchd=bogus", false);
    }

    #[test]
    fn a_line_that_is_too_long_is_counted() {
        let mut log = Log::default();
        log.write_all(&vec![b'x'; file::LONGEST_LINE]).unwrap();
        log.write_all(&vec![b'x'; file::LONGEST_LINE + 1]).unwrap();
        let waiting = log.0.0.lock();
        assert_eq!((waiting.lines.len(), waiting.dropped), (16 << 10, 1));
    }

    #[test]
    fn what_nobody_reads_is_dropped_in_whole_lines() {
        let mut log = Log::default();
        let line = [b'x'; 1000];
        for _ in 0..300 {
            assert!(matches!(log.write(&line), Ok(1000)));
        }
        let waiting = log.0.0.lock();
        assert_eq!(waiting.lines.len(), 262_000);
        assert_eq!(waiting.dropped, 38);
    }
}
