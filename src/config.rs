//! The config file: each module's section in one. It belongs to the owner of the service; no
//! request can change what it says.

use crate::{
    artifact,
    error::{Error, Result},
    file, session,
};
use serde::Deserialize;
use std::{
    env,
    io::Read,
    path::{Path, PathBuf},
};
use vouch_protocol::ErrorKind;

/// The longest config file, in bytes.
const LONGEST: u64 = 1 << 20;

/// What the owner of the service says. A file without a section has the defaults of that section.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[limits]`: what an artifact may cost.
    pub limits: artifact::Limits,
    /// `[registry."host:port"]`: what holds for one registry.
    pub registry: session::Config,
    /// The file that it was read from, if there was one.
    #[serde(skip)]
    pub path: Option<PathBuf>,
}

impl Config {
    /// Reads the file that is named, which must exist; else `vouchd/config.toml` in the user's
    /// config folder, if it exists; else takes the defaults. Blocks.
    pub fn load(named: Option<&Path>) -> Result<Self> {
        if let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) {
            return Self::read(path);
        }
        match usual_path() {
            // One that cannot be looked at is an error: it may say what must not be missed.
            Some(path) if path.try_exists().unwrap_or(true) => Self::read(&path),
            _ => Ok(Self::default()),
        }
    }

    fn read(path: &Path) -> Result<Self> {
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

    fn load(text: &[u8]) -> Result<Config> {
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
        check(b"\xff", "UTF-8");
        check(&vec![b'#'; (1 << 20) + 1], "1 MiB");
    }

    #[test]
    fn a_file_that_is_named_must_exist() {
        let error = Config::load(Some(Path::new("/absent/config.toml"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileNotFound);
    }
}
