//! The binary: which command runs, and what its end tells. Its modules come after the library's, in
//! the same one direction:
//!
//! | module | what it is for |
//! |---|---|
//! | `demo` | `vouchd demo`: the whole way of an artifact, with a service of its own |
//! | `logging` | the log, on standard error or in a file |
//! | `arguments` | the command line |
//! | `options` | command line, environment, config: which of them counts |
//! | `settings` | `vouchd config` |
//! | `policy` | `vouchd trust`, which edits files for `vouch trust` |
//! | `reload` | SIGHUP |
//! | `allocator` | what the memory allocator is told |
//! | `detach` | a service in the background |
//! | `connect` | `vouchd connect`: standard input and output joined to the service |
//! | `serve` | the process around a service: its runtime, signals and end |

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod allocator;
mod arguments;
mod connect;
mod demo;
mod detach;
mod logging;
mod options;
mod policy;
mod reload;
mod serve;
mod settings;

use arguments::{Arguments, Command};
use clap::{CommandFactory, Parser, error::ErrorKind as Misuse};
use logging::LogFile;
use options::{Options, variable};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};
use vouch_protocol::{EXIT_ALREADY_SERVED, ErrorKind};
use vouchd::{
    config::Config,
    error::{Error, Result},
};

/// The exit code for wrong usage: `EX_USAGE` of sysexits.h(3).
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Where nobody reads it, there is nothing to be done.
            let _ = error.print();
            return match error.kind() {
                Misuse::DisplayHelp | Misuse::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(EXIT_USAGE),
            };
        }
    };
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

/// Runs a command, and returns the exit code.
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
    let reading = |serve| {
        let (named, logging) = (named.clone(), logging.clone());
        let options = Options { logging, serve };
        move || options.settle(Config::load(named.as_deref())?)
    };
    match (command, stdio) {
        (Some(_), true) => Ok(misused(
            "`--stdio` takes no command",
            "Leave one of them out.",
        )),
        (None, false) => Ok(misused(
            "no command was given",
            "Use `vouchd serve` or `vouchd --stdio`; `vouchd --help` lists all commands.",
        )),
        (Some(Command::Demo { keep }), false) => {
            let options = Options {
                logging,
                serve: None,
            };
            let config = options.settle(Config::default())?;
            logged(config, |_| run_demo(keep.as_deref()))
        }
        (Some(Command::Config { command }), false) => settings::run(
            command,
            named.as_deref(),
            reading(None),
            &mut std::io::stdout().lock(),
        ),
        (Some(Command::Trust { pins }), false) => {
            let usual = || vouch_protocol::paths::config_file();
            match named.clone().or_else(usual) {
                Some(file) => policy::run(&file, pins.as_deref()),
                None => Ok(misused(
                    "there is no home folder for a config",
                    "Name one with `--config`.",
                )),
            }
        }
        (Some(Command::Completions { shell }), false) => {
            let script = vouch_pages::completions(Arguments::command(), shell);
            // A shell that has read enough is not a failure.
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
        (Some(Command::Connect(arguments)), false) => {
            let place = connect::Place::new(arguments, named.as_deref(), &logging)?;
            connect::run(&place)
        }
        (Some(Command::Serve(arguments)), false) => {
            // One that takes over is in the session of the one before.
            if arguments.detach && !arguments.take_over {
                if !arguments.background {
                    return detach::start_again();
                }
                detach::leave_session()?;
            }
            allocator::settle();
            let read = reading(Some(arguments.clone()));
            logged(read()?, |config| serve::serve(config, read, &arguments))
        }
        (None, true) => {
            allocator::settle();
            let read = reading(None);
            logged(read()?, |config| serve::serve_stdio(config, read))
        }
    }
}

/// Runs what logs, as the config says.
fn logged(config: Config, work: impl FnOnce(Config) -> Result<u8>) -> Result<u8> {
    let filter = config.log.level.as_deref().unwrap_or(logging::USUAL);
    let file = config
        .log
        .path()
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
                "Use error, warn, info, debug, trace or off, or `target=level`.",
            ));
        }
    };
    // What a request panics with is that request's failure; the service goes on.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(target: "vouchd", "{panic}");
    }));
    let to_file = config.log.path().is_some();
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

/// Says what is wrong with the command line; returns the exit code for that.
fn misused(what: &str, help: &str) -> u8 {
    eprintln!("vouchd: {what}");
    eprintln!("help: {help}");
    EXIT_USAGE
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
