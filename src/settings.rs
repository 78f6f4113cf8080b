//! `vouchd config`: is the file right, what holds, and what may be written in it. Nothing here is
//! secret: a config names files, and holds none of what is in them.

use crate::{
    arguments::{ConfigCommand, LoggingArguments},
    logging, variable,
};
use std::{
    io::Write,
    path::{Path, PathBuf},
};
use vouch_protocol::ErrorKind;
use vouchd::{
    config::{Config, Failure, Origin, Problem, SCHEMA, Setting, to_toml},
    error::{Error, Result},
    transport::socket,
};

/// Runs `vouchd config`, and answers the exit code.
pub(crate) fn run(
    command: ConfigCommand,
    named: Option<PathBuf>,
    logging: &LoggingArguments,
    out: &mut impl Write,
) -> Result<u8> {
    match command {
        ConfigCommand::Check { file } => check(file.or(named).as_deref(), out),
        ConfigCommand::Show { json } => {
            let config = Config::load(named.as_deref())?;
            let settings = holding(&config, logging);
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

/// Fails where a config names levels that are none.
pub(crate) fn check_level(config: &Config) -> Result<(), Problem> {
    let Some(level) = &config.log.level else {
        return Ok(());
    };
    logging::parse(level).map(drop).map_err(|error| {
        let message = format!("cannot log {level:?}: {error}");
        let error = Error::new(ErrorKind::InvalidParams, message)
            .help("Say error, warn, info, debug, trace or off, or `target=level`.");
        config.problem("log.level", &error)
    })
}

/// What would hold for a service that is started like this.
fn holding(config: &Config, logging: &LoggingArguments) -> Vec<Setting> {
    let mut settings = config.settings();
    let mut say = |key: &str, value: serde_json::Value, origin: Origin| {
        if let Some(setting) = settings.iter_mut().find(|setting| setting.key == key)
            // The default is what holds where nobody says anything.
            && (origin != Origin::Default || setting.value.is_null())
        {
            setting.value = value;
            setting.origin = origin;
        }
    };
    let shown = |path: &Path| path.display().to_string().into();
    say("socket", shown(&socket::usual_path()), Origin::Default);
    say("log.level", logging::USUAL.into(), Origin::Default);
    say("log.format", "text".into(), Origin::Default);
    say("log.file", "-".into(), Origin::Default);
    let variables = [
        ("socket", "VOUCHD_SOCKET"),
        ("log.level", "VOUCHD_LOG"),
        ("log.file", "VOUCHD_LOG_FILE"),
    ];
    for (key, name) in variables {
        if let Some(value) = variable(name) {
            let value = value.to_string_lossy().into_owned();
            say(key, value.into(), Origin::Environment { name });
        }
    }
    if let Some(filter) = &logging.log {
        let argument = "--log";
        say(
            "log.level",
            filter.as_str().into(),
            Origin::CommandLine { argument },
        );
    }
    if let Some(file) = &logging.log_file {
        let argument = "--log-file";
        say("log.file", shown(file), Origin::CommandLine { argument });
    }
    if let Some(format) = logging.log_format {
        let argument = "--log-format";
        let value = serde_json::to_value(format).unwrap_or_default();
        say("log.format", value, Origin::CommandLine { argument });
    }
    settings
}
