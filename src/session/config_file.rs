//! The files in which docker, podman and others keep logins.
//!
//! A file is opened at each use and read again when it changed, so that a login or logout counts
//! at once. Messages hold no part of a file: it is full of secrets.

use super::{
    names::server,
    secret::{Credential, Secret},
};
use crate::{
    error::{Error, Result},
    file::{self, Source},
};
use docker_credential::DockerCredential;
use serde_json::{Map, Value, json};
use std::{
    collections::HashMap,
    io::Read,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};
use vouch_protocol::ErrorKind;
use zeroize::Zeroizing;

/// A config file is at most that large.
const LARGEST: u64 = 1 << 20;
/// So many entries of a file are remembered.
const REMEMBERED: usize = 256;

/// What a file says about a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The key it is filed under: a registry, or one with a namespace.
    pub(super) key: String,
    /// The helper that keeps the login.
    pub(super) helper: Option<Helper>,
    /// The login that the file itself holds.
    pub(super) credential: Option<Credential>,
}

/// A credential helper, and what to ask it for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Helper {
    /// What comes behind `docker-credential-`.
    pub(super) name: String,
    pub(super) server: String,
}

/// One file.
#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    read: Mutex<State>,
}

/// What was found in one state of the file.
#[derive(Debug, Default)]
struct State {
    identity: Option<file::Identity>,
    /// Rises with each change.
    version: u64,
    entries: HashMap<Vec<String>, Option<Entry>>,
}

impl ConfigFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            read: Mutex::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says about the first of these keys that it knows, and which version of the
    /// file says so. The helper for all is asked for the registry. Blocks.
    pub(super) fn look_up(&self, keys: &[String], registry: &str) -> Result<(Option<Entry>, u64)> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let source = match Source::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::FileNotFound => {
                read.forget(None);
                return Ok((None, read.version));
            }
            Err(error) => return Err(self.unusable(error.message()).source(error)),
            Ok(source) => source,
        };
        let identity = source.identity();
        if read.identity != Some(identity) {
            read.forget(Some(identity));
        } else if let Some(entry) = read.entries.get(keys) {
            return Ok((entry.clone(), read.version));
        }
        if source.size() > LARGEST {
            return Err(self.unusable("it is too large for a file of logins"));
        }
        let mut text = Zeroizing::new(Vec::new());
        source
            .reader()
            .take(LARGEST)
            .read_to_end(&mut text)
            .map_err(|error| self.unusable(&format!("it cannot be read: {error}")))?;
        let entry = find(&text, keys, registry).map_err(|why| self.unusable(why))?;
        // A file that has just changed may change again without any of its times moving.
        if identity.settled(SystemTime::now()) && read.entries.len() < REMEMBERED {
            read.entries.insert(keys.to_vec(), entry.clone());
        }
        Ok((entry, read.version))
    }

    fn unusable(&self, why: &str) -> Error {
        let path = self.path.display();
        Error::new(ErrorKind::CredentialUnusable, format!("{path}: {why}"))
            .help("Repair the file, or log in again with the tool that wrote it.")
    }
}

impl State {
    fn forget(&mut self, identity: Option<file::Identity>) {
        if self.identity != identity {
            self.version += 1;
        }
        self.identity = identity;
        self.entries.clear();
    }
}

/// The order is docker's: the helper that is named for the registry, the one that is named for
/// all, the file itself.
fn find(text: &[u8], keys: &[String], registry: &str) -> Result<Option<Entry>, &'static str> {
    let config: Map<String, Value> = serde_json::from_slice(text)
        .map_err(|_| "it is not the JSON that docker and podman write")?;
    let malformed = "it is not what docker and podman write";
    for section in ["auths", "credHelpers"] {
        let well = match config.get(section) {
            None | Some(Value::Null) => true,
            Some(Value::Object(entries)) => {
                section == "auths" || entries.values().all(Value::is_string)
            }
            Some(_) => false,
        };
        if !well {
            return Err(malformed);
        }
    }
    if !matches!(
        config.get("credsStore"),
        None | Some(Value::Null | Value::String(_))
    ) {
        return Err(malformed);
    }
    let known = |section: &str| {
        let section = config.get(section)?.as_object()?;
        keys.iter()
            .find_map(|key| section.get(key).map(|value| (key, value)))
    };
    let named = |value: Option<&Value>| -> Result<Option<String>, &'static str> {
        match value.and_then(Value::as_str) {
            None | Some("") => Ok(None),
            // It becomes a part of a program's name.
            Some(name) if name.contains(['/', '\0']) || name.len() > 100 => {
                Err("it names a credential helper by something that is no helper's name")
            }
            Some(name) => Ok(Some(name.to_owned())),
        }
    };
    let filled = |value: &Value| {
        value
            .as_object()
            .is_none_or(|fields| fields.values().any(|value| value.as_str() != Some("")))
    };
    // `{}` is what docker writes beside a helper that has the secret.
    let stored = known("auths").filter(|(_, value)| filled(value));
    let special = known("credHelpers");
    let special = match special {
        Some((key, value)) => named(Some(value))?.map(|name| (key, name)),
        None => None,
    };
    let general = named(config.get("credsStore"))?;
    let (key, helper) = match (special, general, stored) {
        (Some((key, name)), ..) => (key.as_str(), Some((name, key.as_str()))),
        (None, Some(name), Some((key, _))) => (key.as_str(), Some((name, registry))),
        (None, Some(name), None) => (registry, Some((name, registry))),
        (None, None, Some((key, _))) => (key.as_str(), None),
        (None, None, None) => return Ok(None),
    };
    let credential = stored.map(|(_, value)| decode(value)).transpose()?;
    Ok(Some(Entry {
        helper: helper.map(|(name, key)| Helper {
            name,
            server: server(key),
        }),
        key: key.to_owned(),
        credential,
    }))
}

fn decode(entry: &Value) -> Result<Credential, &'static str> {
    let mut entry = entry
        .as_object()
        .ok_or("an entry is no JSON object")?
        .clone();
    entry.retain(|_, value| value.as_str() != Some(""));
    if entry.contains_key("registrytoken") {
        return Err("an entry holds a registry token, which cannot be renewed and is not used");
    }
    let identity_token = entry.remove("identitytoken");
    // Without helpers, which the crate would run, and with the one entry that is meant.
    let decode = |entry: Map<String, Value>| {
        let alone = Zeroizing::new(json!({"auths": {"registry": entry}}).to_string());
        match docker_credential::get_credential_from_reader(alone.as_bytes(), "registry") {
            Ok(DockerCredential::UsernamePassword(username, password)) => {
                Some((username, Zeroizing::new(password)))
            }
            _ => None,
        }
    };
    let named = entry
        .get("username")
        .and_then(Value::as_str)
        .map(ToOwned::to_owned);
    let decoded = decode(entry);
    match identity_token {
        Some(Value::String(token)) => Ok(Credential::IdentityToken {
            username: decoded
                .map(|(username, _)| username)
                .or(named)
                .filter(|username| !username.is_empty()),
            token: Secret::new(token),
        }),
        Some(_) => Err("an entry's identity token is no text"),
        None => match decoded {
            Some((username, password)) if !username.is_empty() => Ok(Credential::Password {
                username,
                // docker pads passwords with NULs: cli/config/configfile/file.go, decodeAuth.
                password: Secret::new(password.trim_end_matches('\0')),
            }),
            _ => Err("an entry holds no user name and password"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{super::names::namespaces, *};

    fn keys(registry: &str) -> Vec<String> {
        namespaces(&registry.parse().unwrap(), &"acme/echo".parse().unwrap())
    }

    fn aliases(registry: &str) -> Vec<String> {
        super::super::names::aliases(&registry.parse().unwrap())
    }

    fn password(username: &str, password: &str) -> Credential {
        Credential::Password {
            username: username.into(),
            password: Secret::new(password),
        }
    }

    #[test]
    fn logins_are_found_and_judged() {
        let check = |config: Value, registry: &str, expected: Result<Option<Credential>, ()>| {
            let found = find(config.to_string().as_bytes(), &aliases(registry), registry);
            let found = found
                .map(|entry| entry.and_then(|entry| entry.credential))
                .map_err(|_| ());
            assert_eq!(found, expected, "{config} {registry}");
        };
        let ann = json!({"auth": "YW5uOnM6ZWNyZXQ="});
        let known = || Ok(Some(password("ann", "s:ecret")));
        for (key, registry) in [
            ("ghcr.io", "ghcr.io"),
            ("https://ghcr.io", "ghcr.io"),
            ("https://ghcr.io/v2/", "ghcr.io"),
            ("docker.io", "docker.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("index.docker.io", "docker.io"),
            ("registry-1.docker.io", "docker.io"),
        ] {
            check(json!({"auths": {key: ann}}), registry, known());
        }
        for (key, registry) in [
            ("ghcr.io:444", "ghcr.io"),
            ("ghcr.io/acme", "ghcr.io"),
            ("hcr.io", "ghcr.io"),
            ("ghcr.io", "docker.io"),
        ] {
            check(json!({"auths": {key: ann}}), registry, Ok(None));
        }
        let apart = json!({"username": "ann", "password": "s:ecret"});
        check(json!({"auths": {"r.io": apart}}), "r.io", known());
        let padded = json!({"auth": "YW5uOnM6ZWNyZXQAAAA="});
        check(json!({"auths": {"r.io": padded}}), "r.io", known());
        let token = |username: Option<&str>| {
            Ok(Some(Credential::IdentityToken {
                username: username.map(Into::into),
                token: Secret::new("t"),
            }))
        };
        for (entry, username) in [
            (json!({"identitytoken": "t"}), None),
            (
                json!({"auth": "YW5uOg==", "identitytoken": "t"}),
                Some("ann"),
            ),
            (
                json!({"username": "ann", "identitytoken": "t"}),
                Some("ann"),
            ),
            (
                json!({"auth": "YW5uOnM6ZWNyZXQ=", "identitytoken": "t"}),
                Some("ann"),
            ),
        ] {
            check(json!({"auths": {"r.io": entry}}), "r.io", token(username));
        }
        for empty in [json!({}), json!({"auth": ""})] {
            check(json!({"auths": {"r.io": empty}}), "r.io", Ok(None));
        }
        check(json!({}), "r.io", Ok(None));
        // What is there and unusable is no anonymous login.
        for unusable in [
            json!({"registrytoken": "t"}),
            json!({"identitytoken": 7}),
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
        assert!(find(b"not json", &aliases("r.io"), "r.io").is_err());
        assert!(find(b"[]", &aliases("r.io"), "r.io").is_err());
    }

    #[test]
    fn the_longest_namespace_wins() {
        let check = |filed: &[&str], registry: &str, expected: Option<&str>| {
            let auths: Map<_, _> = filed
                .iter()
                .map(|key| ((*key).to_owned(), json!({"auth": "YW5uOnM6ZWNyZXQ="})))
                .collect();
            let text = json!({ "auths": auths }).to_string();
            let entry = find(text.as_bytes(), &keys(registry), registry).unwrap();
            assert_eq!(
                entry.map(|entry| entry.key).as_deref(),
                expected,
                "{filed:?}"
            );
        };
        check(
            &["r.io", "r.io/acme", "r.io/acme/echo"],
            "r.io",
            Some("r.io/acme/echo"),
        );
        check(&["r.io/acme", "r.io"], "r.io", Some("r.io/acme"));
        check(&["r.io", "r.io/other", "r.io/acm"], "r.io", Some("r.io"));
        check(&["r.io/acme/echo/more"], "r.io", None);
        check(
            &["docker.io", "index.docker.io/acme"],
            "docker.io",
            Some("index.docker.io/acme"),
        );
        let index = "https://index.docker.io/v1/";
        check(&[index], "docker.io", Some(index));
    }

    #[test]
    fn helpers_are_found() {
        let check = |config: Value, registry: &str, expected: Result<Option<(&str, &str)>, ()>| {
            let found = find(config.to_string().as_bytes(), &keys(registry), registry);
            let found = found
                .map(|entry| entry.and_then(|entry| entry.helper))
                .map_err(|_| ());
            let expected = expected.map(|expected| {
                expected.map(|(name, server)| Helper {
                    name: name.into(),
                    server: server.into(),
                })
            });
            assert_eq!(found, expected, "{config}");
        };
        check(json!({"credsStore": "x"}), "r.io", Ok(Some(("x", "r.io"))));
        check(
            json!({"auths": {"r.io": {}}, "credsStore": "x"}),
            "r.io",
            Ok(Some(("x", "r.io"))),
        );
        check(
            json!({"credHelpers": {"r.io": "y"}, "credsStore": "x"}),
            "r.io",
            Ok(Some(("y", "r.io"))),
        );
        check(json!({"credHelpers": {"r.io": "y"}}), "s.io", Ok(None));
        check(json!({"credsStore": ""}), "r.io", Ok(None));
        let hub = "https://index.docker.io/v1/";
        check(
            json!({"credsStore": "x"}),
            "docker.io",
            Ok(Some(("x", hub))),
        );
        check(
            json!({"credHelpers": {"docker.io": "x"}}),
            "docker.io",
            Ok(Some(("x", hub))),
        );
        check(json!({"credsStore": "../x"}), "r.io", Err(()));
        check(json!({"credHelpers": {"r.io": "a/b"}}), "r.io", Err(()));
    }

    #[test]
    fn a_file_is_bounded_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let file = ConfigFile::new(path.clone());
        let look = || file.look_up(&aliases("r.io"), "r.io");
        let (nothing, first) = look().unwrap();
        assert_eq!(nothing, None);
        std::fs::write(&path, r#"{"auths":{"r.io":{"auth":"YTpi"}}}"#).unwrap();
        let (entry, second) = look().unwrap();
        assert_eq!(entry.unwrap().credential, Some(password("a", "b")));
        assert!(second > first);
        std::fs::remove_file(&path).unwrap();
        let (nothing, third) = look().unwrap();
        assert!(nothing.is_none() && third > second);
        std::fs::write(&path, vec![b' '; 2 << 20]).unwrap();
        assert_eq!(look().unwrap_err().kind(), ErrorKind::CredentialUnusable);
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(look().unwrap_err().kind(), ErrorKind::CredentialUnusable);
    }
}
