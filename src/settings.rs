//! `vouchd config`: whether the file is right, what holds, and what may be written in it. Nothing
//! here is secret: a config names files, and holds none of what is in them.

use crate::{arguments::ConfigCommand, logging};
use std::{io::Write, path::Path};
use vouch_protocol::ErrorKind;
use vouchd::{
    config::{Config, Failure, Problem, SCHEMA, to_toml},
    error::{Error, Result},
};

/// Runs `vouchd config`, and returns the exit code. `named` is the config file, if it was named, and
/// `read` reads it as a service would.
pub(crate) fn run(
    command: ConfigCommand,
    named: Option<&Path>,
    read: impl Fn() -> Result<Config>,
    out: &mut impl Write,
) -> Result<u8> {
    match command {
        ConfigCommand::Check { file } => check(file.as_deref().or(named), out),
        ConfigCommand::Show { json } => {
            let config = read()?;
            let settings = config.settings();
            let text = if json {
                let all = serde_json::json!({"path": config.path, "settings": settings});
                format!("{all:#}\n")
            } else {
                let path = config.path.as_ref().map(|path| path.display().to_string());
                let path = path.unwrap_or_else(|| "There is no config file.".into());
                format!("# {path}\n\n{}", to_toml(&settings))
            };
            print(out, &text)
        }
        ConfigCommand::Schema => print(out, SCHEMA),
    }
}

fn print(out: &mut impl Write, text: &str) -> Result<u8> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            let message = format!("cannot write to standard output: {error}");
            Err(Error::new(ErrorKind::Io, message).source(error))
        }
        _ => Ok(0),
    }
}

/// Says all that is wrong with a file, and with the files that it names.
fn check(named: Option<&Path>, out: &mut impl Write) -> Result<u8> {
    let Some(path) = Config::file(named) else {
        return print(out, "ok: there is no config file, and the defaults hold\n");
    };
    let problems = match Config::read(&path) {
        Ok(config) => problems(&config),
        Err(Failure::Wrong(problems)) => problems,
        Err(Failure::Unread(error)) => return Err(error),
    };
    if problems.is_empty() {
        return print(out, &format!("ok: {}\n", path.display()));
    }
    for problem in problems {
        eprintln!("{problem}");
        for line in problem.help.iter().flat_map(|help| help.lines()) {
            eprintln!("help: {line}");
        }
    }
    Ok(1)
}

/// What is wrong beyond the text.
fn problems(config: &Config) -> Vec<Problem> {
    let level = check_level(config).err();
    level.into_iter().chain(config.problems()).collect()
}

/// Fails where the levels that a config names do not exist.
pub(crate) fn check_level(config: &Config) -> Result<(), Problem> {
    let Some(level) = &config.log.level else {
        return Ok(());
    };
    logging::parse(level).map(drop).map_err(|error| {
        let message = format!("cannot log {level:?}: {error}");
        let error = Error::new(ErrorKind::InvalidParams, message)
            .help("Use error, warn, info, debug, trace or off, or `target=level`.");
        config.problem("log.level", &error)
    })
}
