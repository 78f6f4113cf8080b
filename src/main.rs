//! The binary: which command runs, and what its end tells. Its modules come after the library's, in
//! the same one direction:
//!
//! | module | what it is for |
//! |---|---|
//! | `demo` | `vouchd demo`: the whole way of an artifact, with a service of its own |
//! | `logging` | the log, on standard error or in a file |
//! | `arguments` | the command line |
//! | `settings` | `vouchd config` |
//! | `reload` | SIGHUP |
//! | `detach` | a service in the background |
//! | `serve` | the process around a service: its runtime, signals and end |

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod arguments;
mod demo;
mod detach;
mod logging;
mod reload;
mod serve;
mod settings;

use arguments::{Arguments, Command, LoggingArguments};
use clap::{CommandFactory, Parser};
use logging::LogFile;
use std::{
    ffi::OsString,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};
use vouch_protocol::{EXIT_ALREADY_SERVED, ErrorKind};
use vouchd::{
    config::Config,
    error::{Error, Result},
};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("vouchd: {error}");
            for line in error.data().help.iter().flat_map(|help| help.lines()) {
                eprintln!("help: {line}");
            }
            match error.kind() {
                ErrorKind::Busy => ExitCode::from(EXIT_ALREADY_SERVED),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Runs a command, and answers the exit code.
fn run(arguments: Arguments) -> Result<u8> {
    let Arguments {
        stdio,
        config,
        logging,
        command,
    } = arguments;
    let named = config.or_else(|| variable("VOUCHD_CONFIG").map(PathBuf::from));
    // It may be read again, when the process is in another folder.
    let named = named.map(|path| std::path::absolute(&path).unwrap_or(path));
    let read = |detached| {
        let (named, logging) = (named.clone(), logging.clone());
        move || settle(Config::load(named.as_deref())?, &logging, detached)
    };
    match (command, stdio) {
        (Some(_), true) => Ok(misused(
            "`--stdio` takes no command",
            "Leave one of them away.",
        )),
        (None, false) => Ok(misused(
            "there is nothing to do",
            "Say `vouchd serve` or `vouchd --stdio`; `vouchd --help` says more.",
        )),
        (Some(Command::Demo { keep }), false) => {
            let config = settle(Config::default(), &logging, false)?;
            logged(config, |_| run_demo(keep.as_deref()))
        }
        (Some(Command::Config { command }), false) => {
            settings::run(command, named, &logging, &mut std::io::stdout().lock())
        }
        (Some(Command::Completions { shell }), false) => {
            let script = vouch_pages::completions(Arguments::command(), shell);
            // A shell that has read enough is no failure.
            match std::io::stdout().write_all(&script) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    Err(Error::at(Path::new("standard output"), "write", error))
                }
                _ => Ok(0),
            }
        }
        (Some(Command::Man { folder }), false) => {
            vouch_pages::write_man(Arguments::command(), &arguments::MANUAL, &folder)
                .map_err(|error| Error::at(&folder, "write the man pages to", error))?;
            Ok(0)
        }
        (Some(Command::Serve(arguments)), false) => {
            // One that takes over is in the session of the one before.
            if arguments.detach && !arguments.take_over {
                if !arguments.background {
                    return detach::start_again();
                }
                detach::leave_session()?;
            }
            let read = read(arguments.detach);
            logged(read()?, |config| serve::serve(config, read, arguments))
        }
        (None, true) => {
            let read = read(false);
            logged(read()?, |config| serve::serve_stdio(config, read))
        }
    }
}

/// The same config with what is said elsewhere about the log: the command line goes before the
/// environment, and that before the config. A process is `detached` where nobody sees its standard
/// error.
fn settle(mut config: Config, arguments: &LoggingArguments, detached: bool) -> Result<Config> {
    let variable = variable("VOUCHD_LOG").map(|filter| filter.to_string_lossy().into_owned());
    let said = arguments.log.clone().or(variable);
    config.log.file = log_file(arguments, &config, detached)?;
    config.log.format = arguments.log_format.or(config.log.format);
    if said.is_some() {
        config.log.level = said;
    }
    Ok(config)
}

/// Runs what logs, as the config says.
fn logged(config: Config, work: impl FnOnce(Config) -> Result<u8>) -> Result<u8> {
    let filter = config.log.level.as_deref().unwrap_or(logging::USUAL);
    let file = config
        .log
        .file
        .as_deref()
        .map(|path| {
            LogFile::open(path, config.log.size, config.log.keep).map_err(|error| {
                Error::at(path, "log to", error)
                    .help("Name another `--log-file`, or `-` for standard error.")
            })
        })
        .transpose()?;
    let log = match logging::begin(filter, config.log.format.unwrap_or_default(), file) {
        Ok(log) => log,
        Err(error) => {
            return Ok(misused(
                &format!("cannot log {filter:?}: {error}"),
                "Say error, warn, info, debug, trace or off, or `target=level`.",
            ));
        }
    };
    // What a request panics with is that request's failure; the service goes on.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(target: "vouchd", "{panic}");
    }));
    let to_file = config.log.file.is_some();
    let ended = work(config);
    if let Err(error) = &ended
        && to_file
    {
        // Nobody may see it elsewhere.
        tracing::error!("{error}");
    }
    log.flush();
    ended
}

/// Where the log goes: to the file that is named, where none is and nobody sees standard error to
/// the usual one, and else to standard error, which `-` names.
fn log_file(
    arguments: &LoggingArguments,
    config: &Config,
    detached: bool,
) -> Result<Option<PathBuf>> {
    let named = arguments
        .log_file
        .clone()
        .or_else(|| variable("VOUCHD_LOG_FILE").map(PathBuf::from))
        .or_else(|| config.log.file.clone());
    let path = match named {
        Some(path) if path == Path::new("-") => return Ok(None),
        Some(path) => path,
        None if detached => match vouch_protocol::paths::log_file() {
            Some(path) => path,
            None => return Ok(None),
        },
        None => return Ok(None),
    };
    let absolute = std::path::absolute(&path);
    absolute
        .map(Some)
        .map_err(|error| Error::at(&path, "log to", error))
}

/// Says what is wrong with the command line; answers the exit code for that.
fn misused(what: &str, help: &str) -> u8 {
    eprintln!("vouchd: {what}");
    eprintln!("help: {help}");
    2
}

/// What the environment says, unless that is nothing.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn run_demo(keep: Option<&Path>) -> Result<u8> {
    let failed = |error| {
        let message = format!("the demo failed: {error}");
        Error::new(ErrorKind::Internal, message)
    };
    let out = &mut std::io::stdout().lock();
    match keep {
        Some(folder) => demo::keep(folder, out),
        None => demo::run(out),
    }
    .map_err(failed)?;
    Ok(0)
}
