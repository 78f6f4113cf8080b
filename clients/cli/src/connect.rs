//! The connection to the service, which is started if none listens, and what there is to say about
//! its version. A second one must never be started beside one that may be there.

use crate::{arguments::Command, failure::Failure, log};
use std::{env, io, path::Path, time::Duration};
use vouch_client::{
    CallError, Client, Start,
    protocol::{ClientInfo, ErrorKind},
};

/// This program's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How many lines of its log are shown if a service could not be started.
const LOG_LINES: usize = 10;

/// Whether the environment forbids starting a service.
pub(crate) fn told_not_to_start() -> bool {
    forbids(env::var("VOUCH_NO_SPAWN").ok().as_deref())
}

fn forbids(value: Option<&str>) -> bool {
    !matches!(value, None | Some("" | "0" | "false" | "no"))
}

/// How long a start may take, as the environment says, for slow machines.
fn patience() -> Result<Option<Duration>, Failure> {
    let Some(value) = env::var_os("VOUCH_START_TIMEOUT").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    seconds(&value.to_string_lossy()).map(Some)
}

fn seconds(value: &str) -> Result<Duration, Failure> {
    match value.parse() {
        Ok(seconds @ 1..=600) => Ok(Duration::from_secs(seconds)),
        _ => Err(Failure::new(format!(
            "VOUCH_START_TIMEOUT is {value:?}, not a number of seconds from 1 to 600"
        ))),
    }
}

/// Connects to the service on that socket; `start` says whether one is started if none listens.
pub(crate) async fn connect(
    path: &Path,
    start: bool,
    command: &Command,
) -> Result<Client, Failure> {
    let own = ClientInfo {
        name: "vouch".into(),
        version: Some(VERSION.into()),
    };
    if start {
        let log = log::Mark::now();
        let mut start = Start::new(own);
        if let Some(patience) = patience()? {
            start = start.patience(patience);
        }
        return Client::connect_or_start(path, &start)
            .await
            .map_err(|error| failed(path, with_log(error, log.as_ref())));
    }
    match Client::connect_as(path, &own).await {
        Ok(client) => Ok(client),
        Err(error) if nobody(&error) => {
            let help = if command.starts_service() {
                "Start one with `vouchd serve`, or allow it by leaving out --no-spawn and VOUCH_NO_SPAWN."
            } else {
                "There is nothing to show, stop or restart. Commands such as `vouch verify` start a service."
            };
            Err(Failure::new(error.to_string()).help(help))
        }
        // A service of another protocol can still be stopped and restarted.
        Err(CallError::Refused(_)) if matches!(command, Command::Stop | Command::Restart) => {
            Client::connect(path)
                .await
                .map_err(|error| failed(path, error))
        }
        Err(error) => Err(failed(path, error)),
    }
}

fn nobody(error: &CallError) -> bool {
    matches!(error, CallError::Connection(error) if error.kind() == io::ErrorKind::NotFound)
}

/// Adds what a service said that could not be started: in the background it says on standard error
/// why it ends, and all else in its log.
fn with_log(error: CallError, log: Option<&log::Mark>) -> CallError {
    match (error, log) {
        (CallError::NotStarted(mut error), Some(log))
            if error.program.is_some() && error.last_words.is_empty() =>
        {
            error.last_words = log.newest_lines(LOG_LINES);
            CallError::NotStarted(error)
        }
        (error, _) => error,
    }
}

fn failed(path: &Path, error: CallError) -> Failure {
    match error {
        CallError::Connection(error) => {
            let failure = Failure::new(format!("cannot connect to {}: {error}", path.display()));
            match error.kind() {
                // Something else is there, we may not enter, or the path is too long.
                io::ErrorKind::AlreadyExists
                | io::ErrorKind::PermissionDenied
                | io::ErrorKind::InvalidInput => {
                    failure.help("Name the service's socket with --socket or VOUCHD_SOCKET.")
                }
                _ => failure,
            }
        }
        error => {
            let failure = Failure::from(error);
            if failure.is(ErrorKind::UnsupportedProtocol) {
                failure.help(format!(
                    "This is vouch {VERSION}: install the vouchd of that version, then run `vouch restart`."
                ))
            } else {
                failure
            }
        }
    }
}

/// What people should know about the service: that it is older than this program. A newer one is not
/// a problem.
pub(crate) fn notice(client: &Client, command: &Command) -> Option<String> {
    if matches!(command, Command::Stop | Command::Restart) {
        return None;
    }
    let theirs = &client.server()?.server_info.version;
    is_older(theirs, VERSION).then(|| {
        format!("vouchd {theirs} is running, this is {VERSION}: `vouch restart` upgrades it")
    })
}

/// Whether a version is older than another; never if one cannot be read. Builds of one version are
/// not compared: which is older cannot be told.
fn is_older(version: &str, than: &str) -> bool {
    match (numbers(version), numbers(than)) {
        (Some(version), Some(than)) => version < than,
        _ => false,
    }
}

/// The three numbers of a version, and whether it is a release: a pre-release is older.
fn numbers(version: &str) -> Option<([u64; 3], bool)> {
    let (version, _build) = version.split_once('+').unwrap_or((version, ""));
    let (numbers, before) = version.split_once('-').unwrap_or((version, ""));
    let mut numbers = numbers.split('.').map(str::parse);
    let mut next = || numbers.next()?.ok();
    let read = [next()?, next()?, next()?];
    numbers
        .next()
        .is_none()
        .then_some((read, before.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_older_or_not() {
        let check = |version: &str, than: &str, expected: bool| {
            assert_eq!(is_older(version, than), expected, "{version} {than}");
        };
        check("0.1.0", "0.2.0", true);
        check("0.2.0", "0.1.0", false);
        check("0.9.0", "0.10.0", true);
        check("1.0.0", "1.0.0", false);
        check("1.0.0-rc.1", "1.0.0", true);
        check("1.0.0+7", "1.0.0+8", false);
        check("1.0", "2.0.0", false);
        check("1.0.0.0", "2.0.0", false);
        check("new", "2.0.0", false);
        check("", "2.0.0", false);
    }

    #[test]
    fn a_start_may_take_some_seconds() {
        let check = |value: &str, expected: Option<u64>| {
            let read = seconds(value).ok();
            assert_eq!(read, expected.map(Duration::from_secs), "{value}");
        };
        check("1", Some(1));
        check("600", Some(600));
        check("0", None);
        check("601", None);
        check("5s", None);
        check("-1", None);
    }

    #[test]
    fn the_environment_may_forbid_starting() {
        let check = |value: Option<&str>, expected: bool| {
            assert_eq!(forbids(value), expected, "{value:?}");
        };
        check(None, false);
        check(Some(""), false);
        check(Some("0"), false);
        check(Some("false"), false);
        check(Some("1"), true);
        check(Some("yes"), true);
    }
}
