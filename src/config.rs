//! The config file: each module's section in one. It belongs to the owner of the service; no
//! request can change what it says.

use crate::{artifact, error::Error, file, session};
use serde::Deserialize;
use std::{
    env,
    io::Read,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};
use vouch_protocol::ErrorKind;

/// The longest config file, in bytes.
const LONGEST: u64 = 1 << 20;

/// What the owner of the service says. A file without a section has the defaults of that section.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `socket`: where to listen, unless the command line or `VOUCHD_SOCKET` says.
    pub socket: Option<PathBuf>,
    /// `[idle]`: when a service that nobody uses ends by itself.
    pub idle: Idle,
    /// `[log]`: what is logged, and where to.
    pub log: Log,
    /// `[limits]`: what an artifact may cost.
    pub limits: artifact::Limits,
    /// `[registry."host:port"]`: what holds for one registry.
    pub registry: session::Config,
    /// The file that it was read from, if there was one.
    #[serde(skip)]
    pub path: Option<PathBuf>,
}

/// When a service that nobody uses ends by itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Idle {
    /// So long after the last client went, or never. Where nothing is said, how the service was
    /// started decides.
    pub timeout: Option<Timeout>,
    /// So long after the last request, logins that live in memory only keep it alive.
    pub logins: Span,
}

impl Default for Idle {
    fn default() -> Self {
        Self {
            timeout: None,
            logins: Span(Duration::from_secs(12 * 60 * 60)),
        }
    }
}

/// What is logged, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Log {
    /// A level, or a filter with targets.
    pub level: Option<String>,
    /// How lines are written.
    pub format: Option<LogFormat>,
    /// The file to log to, in place of standard error, which `-` names.
    pub file: Option<PathBuf>,
    /// A file that would get longer, in bytes, is put aside for a new one. Less than 16 KiB counts
    /// as 16 KiB.
    pub size: u64,
    /// So many files that were put aside are kept, at most 100. With none, a file is cut instead.
    pub keep: u32,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: None,
            format: None,
            file: None,
            size: 4 << 20,
            keep: 3,
        }
    }
}

/// How lines of the log are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// A span of time as people write it: `30m`, `12h`, `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = humantime::DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text).map(Self)
    }
}

impl TryFrom<String> for Span {
    type Error = humantime::DurationError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// When something ends by itself: `never`, or after a span, which is no nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Timeout {
    /// It does not.
    Never,
    /// After so long.
    After(Duration),
}

impl FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "never" {
            return Ok(Self::Never);
        }
        match text.parse().map(|Span(span)| span) {
            Ok(Duration::ZERO) => Err("it takes a while to connect: say `never`, or a span".into()),
            Ok(span) => Ok(Self::After(span)),
            Err(error) => Err(format!("{error}; say `never`, or a span such as `30m`")),
        }
    }
}

impl TryFrom<String> for Timeout {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl Config {
    /// Reads the file that is named, which must exist; else `vouchd/config.toml` in the user's
    /// config folder, if it exists; else takes the defaults. Blocks.
    pub fn load(named: Option<&Path>) -> Result<Self, Error> {
        if let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) {
            return Self::read(path);
        }
        match usual_path() {
            // One that cannot be looked at is an error: it may say what must not be missed.
            Some(path) if path.try_exists().unwrap_or(true) => Self::read(&path),
            _ => Ok(Self::default()),
        }
    }

    /// What is wrong with the files that it names.
    pub fn problems(&self) -> Vec<Error> {
        self.registry
            .values()
            .flat_map(session::RegistryConfig::problems)
            .collect()
    }

    /// The sections that say something else in another config, and count only after a restart.
    pub fn waits(&self, other: &Self) -> Vec<&'static str> {
        [
            ("socket", self.socket != other.socket),
            ("idle", self.idle != other.idle),
            ("log", self.log != other.log),
        ]
        .into_iter()
        .filter_map(|(section, differs)| differs.then_some(section))
        .collect()
    }

    fn read(path: &Path) -> Result<Self, Error> {
        let source = file::Source::open(path)?;
        let mut text = Vec::new();
        source
            .reader()
            .take(LONGEST + 1)
            .read_to_end(&mut text)
            .map_err(|error| Error::at(path, "read", error))?;
        if text.len() as u64 > LONGEST {
            return Err(wrong(path, "is longer than 1 MiB"));
        }
        let text = std::str::from_utf8(&text).map_err(|_| wrong(path, "is no UTF-8 text"))?;
        let mut config: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or(text);
            let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
            wrong(path, &format!("line {line}: {}", error.message()))
        })?;
        config.path = Some(path.to_owned());
        Ok(config)
    }
}

fn wrong(path: &Path, why: &str) -> Error {
    Error::new(
        ErrorKind::InvalidParams,
        format!("the config file {}: {why}", path.display()),
    )
}

/// XDG base directory specification: `$XDG_CONFIG_HOME`, else `~/.config`; relative paths in the
/// variable are ignored.
fn usual_path() -> Option<PathBuf> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CONFIG_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".config")))
        .map(|folder| folder.join("vouchd/config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &[u8]) -> Result<Config, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(Some(&path))
    }

    #[test]
    fn sections_reach_their_modules() {
        let config = load(
            b"[limits]\nartifact = 7\n[registry.\"127.0.0.1:5000\"]\nplain-http = true\nca = '/ca.pem'\n",
        )
        .unwrap();
        assert_eq!(config.limits.artifact, 7);
        assert_eq!(config.limits.entries, 256);
        assert_eq!(config.registry["127.0.0.1:5000"].plain_http, Some(true));
        assert!(config.path.is_some());
        let config =
            load(b"socket = '/s'\n[idle]\ntimeout = '1h 30m'\n[log]\nlevel = 'debug'\n").unwrap();
        assert_eq!(config.socket.as_deref(), Some(Path::new("/s")));
        assert_eq!(
            config.idle.timeout,
            Some(Timeout::After(Duration::from_secs(5400)))
        );
        assert_eq!(config.log.level.as_deref(), Some("debug"));
        assert_eq!(
            load(b"").unwrap().limits,
            artifact::Limits::default(),
            "an empty file has the defaults"
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let check = |text: &[u8], expected: &str| {
            let error = load(text).unwrap_err();
            let message = error.message();
            assert!(message.contains("config.toml"), "{message}");
            assert!(message.contains(expected), "{message}");
        };
        check(b"[limits]\nartifact = 1\nbytes = 2\n", "line 3");
        check(b"\n\n[trust]\n", "line 3");
        check(b"[limits\n", "line 1");
        check(b"[limits]\nartifact = -1\n", "line 2");
        check(b"[idle]\ntimeout = 'soon'\n", "line 2");
        check(b"\xff", "UTF-8");
        check(&vec![b'#'; (1 << 20) + 1], "1 MiB");
    }

    #[test]
    fn timeouts() {
        let check = |text: &str, expected: Option<Timeout>| {
            assert_eq!(text.parse::<Timeout>().ok(), expected, "{text:?}");
        };
        let after = |milliseconds| Some(Timeout::After(Duration::from_millis(milliseconds)));
        check("never", Some(Timeout::Never));
        check("200ms", after(200));
        check("1h 30m", after(5_400_000));
        check("0", None);
        check("0s", None);
        check("30", None);
        check("", None);
        check("-1s", None);
    }

    #[test]
    fn a_file_that_is_named_must_exist() {
        let error = Config::load(Some(Path::new("/absent/config.toml"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileNotFound);
    }
}
