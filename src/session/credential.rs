//! Credentials that other tools left in docker's config file.
//!
//! The file is read again at each use, so that a login or logout counts at once. Helpers that it
//! names are not run.

use crate::{
    error::{Error, Result},
    file::Source,
};
use docker_credential::DockerCredential;
use serde_json::{Map, Value, json};
use std::{fmt, io::Read, path::PathBuf, sync::Arc};
use vouch_protocol::ErrorKind;

/// A config file is at most that large.
const LARGEST: u64 = 1 << 20;

/// Text that nothing may show.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(Arc<str>);

impl Secret {
    pub(super) fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one header or hash that needs it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credential {
    pub(super) username: Secret,
    pub(super) password: Secret,
}

/// What docker's config says about a registry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// A user's name and password.
    Known(Credential),
    /// Nothing is configured.
    Absent,
    /// It is kept by a credential helper.
    InHelper,
}

impl Login {
    pub(super) fn credential(self) -> Option<Credential> {
        match self {
            Self::Known(credential) => Some(credential),
            Self::Absent | Self::InHelper => None,
        }
    }
}

/// Docker's config file.
#[derive(Debug, Clone)]
pub(super) struct DockerConfig {
    path: Option<PathBuf>,
}

impl DockerConfig {
    /// `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`.
    pub(super) fn from_environment() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let folder = variable("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".docker")));
        Self {
            path: folder.map(|folder| folder.join("config.json")),
        }
    }

    pub(super) fn at(path: PathBuf) -> Self {
        Self { path: Some(path) }
    }

    /// The login for a registry (by its canonical name). What is configured and cannot be used is
    /// an error, never an anonymous request.
    pub(super) async fn login(&self, registry: &str) -> Result<Login> {
        let Some(path) = self.path.clone() else {
            return Ok(Login::Absent);
        };
        let registry = registry.to_owned();
        tokio::task::spawn_blocking(move || {
            let unusable = |why: String| {
                Error::new(
                    ErrorKind::CredentialUnusable,
                    format!("{}: {why}", path.display()),
                )
                .registry(registry.as_str())
            };
            let source = match Source::open(&path) {
                Err(error) if error.kind() == ErrorKind::FileNotFound => return Ok(Login::Absent),
                Err(error) => return Err(unusable(error.message().to_owned())),
                Ok(source) => source,
            };
            if source.size() > LARGEST {
                return Err(unusable("it is too large for docker's config".into()));
            }
            let mut text = Vec::new();
            source
                .reader()
                .take(LARGEST)
                .read_to_end(&mut text)
                .map_err(|error| unusable(format!("it cannot be read: {error}")))?;
            look_up(&text, &registry).map_err(|why| {
                unusable(format!("{why} (registry {registry})")).help(format!(
                    "Log in again with `docker login {registry}`, with a user name and a password \
                     or access token."
                ))
            })
        })
        .await
        .map_err(|error| {
            Error::new(ErrorKind::Internal, "reading docker's config failed").source(error)
        })?
    }
}

/// Messages hold no part of the file: it is full of secrets.
fn look_up(text: &[u8], registry: &str) -> Result<Login, &'static str> {
    let config: Map<String, Value> =
        serde_json::from_slice(text).map_err(|_| "it is not the JSON that docker writes")?;
    let keys = names(registry);
    let entry = config
        .get("auths")
        .and_then(|auths| keys.iter().find_map(|key| auths.get(key)));
    let filled = |entry: &Value| {
        entry
            .as_object()
            .is_none_or(|fields| fields.values().any(|value| value.as_str() != Some("")))
    };
    // `{}` is what docker writes beside a helper that has the secret.
    let Some(entry) = entry.filter(|entry| filled(entry)) else {
        let named = |value: Option<&Value>| {
            value
                .and_then(Value::as_str)
                .is_some_and(|name| !name.is_empty())
        };
        let helpers = config.get("credHelpers");
        let helper = named(config.get("credsStore"))
            || keys
                .iter()
                .any(|key| named(helpers.and_then(|helpers| helpers.get(key))));
        return Ok(if helper {
            Login::InHelper
        } else {
            Login::Absent
        });
    };
    let mut entry = entry
        .as_object()
        .ok_or("its entry is no JSON object")?
        .clone();
    entry.retain(|_, value| value.as_str() != Some(""));
    if entry.contains_key("identitytoken") || entry.contains_key("registrytoken") {
        return Err("its entry holds a token in place of a password, which is not supported yet");
    }
    // Without helpers, which the crate would run, and with the one entry that is meant.
    let alone = json!({ "auths": { registry: entry } }).to_string();
    match docker_credential::get_credential_from_reader(alone.as_bytes(), registry) {
        Ok(DockerCredential::UsernamePassword(username, password)) if !username.is_empty() => {
            Ok(Login::Known(Credential {
                username: Secret::new(username),
                // docker pads passwords with NULs: cli/config/configfile/file.go, decodeAuth.
                password: Secret::new(password.trim_end_matches('\0')),
            }))
        }
        _ => Err("its entry holds no user name and password"),
    }
}

/// The keys that logins for a registry are filed under.
fn names(registry: &str) -> Vec<String> {
    if registry == super::DOCKER_HUB {
        return [
            "https://index.docker.io/v1/",
            "docker.io",
            "index.docker.io",
            "registry-1.docker.io",
            "https://registry-1.docker.io",
            "https://index.docker.io",
            "https://index.docker.io/v2/",
            "https://registry-1.docker.io/v2/",
        ]
        .map(str::to_owned)
        .to_vec();
    }
    ["", "https://", "http://"]
        .into_iter()
        .flat_map(|scheme| {
            ["", "/", "/v1/", "/v2/", "/v1", "/v2"]
                .into_iter()
                .map(move |path| format!("{scheme}{registry}{path}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(username: &str, password: &str) -> Login {
        Login::Known(Credential {
            username: Secret::new(username),
            password: Secret::new(password),
        })
    }

    #[test]
    fn entries_are_found_and_judged() {
        let check = |config: Value, registry: &str, expected: Result<Login, ()>| {
            let found = look_up(config.to_string().as_bytes(), registry).map_err(|_| ());
            assert_eq!(found, expected, "{config} {registry}");
        };
        let ann = json!({"auth": "YW5uOnM6ZWNyZXQ="});
        let known = || Ok(login("ann", "s:ecret"));
        check(json!({"auths": {"ghcr.io": ann}}), "ghcr.io", known());
        check(
            json!({"auths": {"https://ghcr.io": ann}}),
            "ghcr.io",
            known(),
        );
        check(
            json!({"auths": {"https://ghcr.io/v2/": ann}}),
            "ghcr.io",
            known(),
        );
        check(
            json!({"auths": {"ghcr.io:444": ann}}),
            "ghcr.io",
            Ok(Login::Absent),
        );
        check(
            json!({"auths": {"ghcr.io/acme": ann}}),
            "ghcr.io",
            Ok(Login::Absent),
        );
        check(json!({"auths": {"docker.io": ann}}), "docker.io", known());
        check(
            json!({"auths": {"https://index.docker.io/v1/": ann}}),
            "docker.io",
            known(),
        );
        check(
            json!({"auths": {"registry-1.docker.io": ann}}),
            "docker.io",
            known(),
        );
        check(
            json!({"auths": {"ghcr.io": {"username": "ann", "password": "s:ecret"}}}),
            "ghcr.io",
            known(),
        );
        // Padded as docker does.
        check(
            json!({"auths": {"r.io": {"auth": "YTpiAAA="}}}),
            "r.io",
            Ok(login("a", "b")),
        );
        // A helper is never run, whether an entry names one or not.
        check(
            json!({"auths": {"ghcr.io": ann}, "credsStore": "x", "credHelpers": {"ghcr.io": "x"}}),
            "ghcr.io",
            known(),
        );
        check(
            json!({"auths": {"r.io": {}}, "credsStore": "x"}),
            "r.io",
            Ok(Login::InHelper),
        );
        check(
            json!({"credHelpers": {"r.io": "x"}}),
            "r.io",
            Ok(Login::InHelper),
        );
        check(
            json!({"credHelpers": {"r.io": "x"}}),
            "s.io",
            Ok(Login::Absent),
        );
        check(json!({"auths": {"r.io": {}}}), "r.io", Ok(Login::Absent));
        check(
            json!({"auths": {"r.io": {"auth": ""}}}),
            "r.io",
            Ok(Login::Absent),
        );
        check(json!({}), "r.io", Ok(Login::Absent));
        // What is there and unusable is no anonymous login.
        for unusable in [
            json!({"identitytoken": "t"}),
            json!({"auth": "YW5uOnM6ZWNyZXQ=", "identitytoken": "t"}),
            json!({"registrytoken": "t"}),
            json!({"auth": "!"}),
            json!({"auth": "YW5u"}),
            json!({"auth": 7}),
            json!({"auth": "Ong="}),
            json!({"username": "ann"}),
            json!("text"),
            json!(null),
        ] {
            check(json!({"auths": {"r.io": unusable}}), "r.io", Err(()));
        }
        assert!(look_up(b"not json", "r.io").is_err());
        assert!(look_up(b"[]", "r.io").is_err());
    }

    #[tokio::test]
    async fn the_file_is_bounded_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let config = DockerConfig::at(path.clone());
        assert_eq!(config.login("r.io").await.unwrap(), Login::Absent);
        std::fs::write(&path, r#"{"auths":{"r.io":{"auth":"YTpi"}}}"#).unwrap();
        assert_eq!(config.login("r.io").await.unwrap(), login("a", "b"));
        std::fs::write(&path, vec![b' '; 2 << 20]).unwrap();
        let error = config.login("r.io").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CredentialUnusable);
    }

    #[test]
    fn nothing_shows_a_secret() {
        let shown = format!("{:?}", login("ann", "hunter2"));
        assert!(
            !shown.contains("hunter2") && !shown.contains("ann"),
            "{shown}"
        );
    }
}
