//! What holds for a service: the command line goes before the environment, that before the config
//! file, and that before the defaults. This is the one place where they are weighed.

use crate::{
    arguments::{LoggingArguments, ServeArguments},
    logging,
};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};
use vouch_protocol::paths;
use vouchd::{
    config::{Config, LogFormat, Origin, Timeout},
    error::{Error, Result},
    transport::socket,
};

/// When a service that a client started ends by itself.
const DETACHED: Timeout = Timeout::After(Duration::from_secs(30 * 60));

/// What was said on the command line.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) logging: LoggingArguments,
    /// For `vouchd serve`.
    pub(crate) serve: Option<ServeArguments>,
}

impl Options {
    /// The same config with all of that in it.
    pub(crate) fn settle(&self, mut config: Config) -> Result<Config> {
        let serve = self.serve.as_ref();
        let detached = serve.is_some_and(|serve| serve.detach);
        let argument = |argument| Origin::CommandLine { argument };

        let said = serve.and_then(|serve| serve.socket.clone());
        let said = said.map(|path| (path, argument("--socket")));
        let said = said.or_else(|| environment(paths::SOCKET_VARIABLE, PathBuf::from));
        replace(&mut config, "socket", said, |config| &mut config.socket);
        config.socket.get_or_insert_with(socket::usual_path);

        let said = self
            .logging
            .log
            .clone()
            .map(|filter| (filter, argument("--log")));
        let text = |text: OsString| text.to_string_lossy().into_owned();
        let said = said.or_else(|| environment("VOUCHD_LOG", text));
        replace(&mut config, "log.level", said, |config| {
            &mut config.log.level
        });
        config
            .log
            .level
            .get_or_insert_with(|| logging::USUAL.into());

        let said = self.logging.log_file.clone();
        let said = said.map(|path| (path, argument("--log-file")));
        let said = said.or_else(|| environment("VOUCHD_LOG_FILE", PathBuf::from));
        replace(&mut config, "log.file", said, |config| &mut config.log.file);
        // Nobody sees the standard error of a service in the background.
        let usual = || paths::log_file().filter(|_| detached);
        let file = config.log.file.take().or_else(usual);
        config.log.file = Some(match file {
            Some(path) if path != Path::new("-") => {
                std::path::absolute(&path).map_err(|error| Error::at(&path, "log to", error))?
            }
            _ => "-".into(),
        });

        let said = self.logging.log_format.zip(Some(argument("--log-format")));
        replace(&mut config, "log.format", said, |config| {
            &mut config.log.format
        });
        config.log.format.get_or_insert(LogFormat::Text);

        let said = serve.and_then(|serve| serve.idle_timeout);
        let said = said.zip(Some(argument("--idle-timeout")));
        replace(&mut config, "idle.timeout", said, |config| {
            &mut config.idle.timeout
        });
        config.idle.timeout = config.idle.timeout.or(detached.then_some(DETACHED));
        Ok(config)
    }
}

/// What a variable of the environment says.
fn environment<T>(name: &'static str, parse: impl Fn(OsString) -> T) -> Option<(T, Origin)> {
    Some((parse(variable(name)?), Origin::Environment { name }))
}

/// Puts what was said in the place of what the file says.
fn replace<T>(
    config: &mut Config,
    key: &'static str,
    said: Option<(T, Origin)>,
    place: impl Fn(&mut Config) -> &mut Option<T>,
) {
    if let Some((value, origin)) = said {
        *place(config) = Some(value);
        config.set_origin(key, origin);
    }
}

/// What the environment says; an empty variable says nothing.
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
