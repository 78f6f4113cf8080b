//! The files in which docker, podman and others keep logins, and docker's variable that holds one.
//!
//! They are read at each look, so that a login or logout counts at once. Names within are compared
//! as Go compares them, without case. Messages hold no part of a file: it is full of secrets.

use super::{
    keys::Search,
    secret::{Credential, Secret},
};
use crate::{
    error::{Error, Result, error},
    file::{self, Source},
};
use data_encoding::BASE64_NOPAD;
use serde_json::{Map, Value};
use std::{
    fmt,
    path::{Path, PathBuf},
};
use vouch_protocol::{ErrorKind, PlainJson};
use zeroize::Zeroizing;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// What a file says about a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The key it is filed under: a registry, or one with a namespace.
    pub(super) key: String,
    /// The helper that keeps the login.
    pub(super) helper: Option<Helper>,
    /// The login that the file itself holds, or why it cannot be used.
    pub(super) stored: Result<Option<Credential>, &'static str>,
}

/// A credential helper, and what to ask it for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Helper {
    /// What comes behind `docker-credential-`.
    pub(super) name: String,
    pub(super) server: String,
}

impl Helper {
    pub(super) fn program(&self) -> String {
        format!("docker-credential-{}", self.name)
    }
}

/// One file, or what stands for one.
pub(super) struct ConfigFile {
    path: PathBuf,
    /// What it holds, where it is a variable of the environment.
    text: Option<Zeroizing<String>>,
}

impl ConfigFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, text: None }
    }

    /// A variable of the environment.
    pub(super) fn variable(name: &str, text: String) -> Self {
        Self {
            path: format!("${name}").into(),
            text: Some(Zeroizing::new(text)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says about what is searched, and which version of the file says so. Blocks.
    pub(super) fn look_up(
        &self,
        search: &Search,
    ) -> Result<(Option<Entry>, Option<file::Identity>)> {
        let (text, version) = match &self.text {
            Some(text) => (Zeroizing::new(text.as_bytes().to_vec()), None),
            None => match Source::open(&self.path) {
                Ok(source) => (self.read(&source)?, Some(source.identity())),
                Err(error) if error.kind() == ErrorKind::FileNotFound => return Ok((None, None)),
                Err(error) => return Err(self.unusable(error.message()).source(error)),
            },
        };
        let entry = find(&text, search).map_err(|why| self.unusable(why))?;
        Ok((entry, version))
    }

    /// Whether the file has an entry for what is searched, be it that a helper has its secret. Blocks.
    pub(super) fn names(&self, search: &Search) -> bool {
        let text = match &self.text {
            Some(text) => Zeroizing::new(text.as_bytes().to_vec()),
            None => match Source::open(&self.path).and_then(|source| self.read(&source)) {
                Ok(text) => text,
                Err(_) => return false,
            },
        };
        let Ok(config) = serde_json::from_slice::<Map<String, Value>>(&text) else {
            return false;
        };
        let mut sections = ["auths", "credHelpers"].into_iter();
        sections.any(|section| {
            let section = field(&config, section).and_then(Value::as_object);
            let mut keys = section.into_iter().flat_map(Map::keys);
            keys.any(|key| search.fit(key).is_some())
        })
    }

    fn read(&self, source: &Source) -> Result<Zeroizing<Vec<u8>>> {
        match source.whole(LARGEST) {
            Ok(Some(text)) => Ok(Zeroizing::new(text)),
            Ok(None) => Err(self.unusable("it is too large for a file of logins")),
            Err(error) => Err(self.unusable(error.message()).source(error)),
        }
    }

    pub(super) fn unusable(&self, why: &str) -> Error {
        let path = self.path.display();
        error!(CredentialUnusable: "{path}: {why}")
            .help("Repair the file, or log in again with the tool that wrote it.")
    }
}

impl fmt::Debug for ConfigFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.path, f)
    }
}

/// The order is docker's: the helper that is named for the registry, the one that is named for
/// all, the file itself.
fn find(text: &[u8], search: &Search) -> Result<Option<Entry>, &'static str> {
    const MALFORMED: &str = "it is not what docker and podman write";
    const NOT_JSON: &str = "it is not the JSON that docker and podman write";
    const ODD: &str = "it has a name twice, or one that makes JSON of a text";
    // As after `touch`, or while somebody writes it: docker takes it for no file.
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    // A value of anything else may read texts in it as JSON, without end.
    let config: Map<String, Value> = serde_json::from_slice::<PlainJson>(text)
        .map_err(|error| PlainJson::fault(&error).map_or(NOT_JSON, |_| ODD))
        .and_then(|_| serde_json::from_slice(text).map_err(|_| NOT_JSON))?;
    let best = |section: &str, counts: fn(&Value) -> bool| -> Result<_, &'static str> {
        let section = match field(&config, section) {
            None | Some(Value::Null) => return Ok(None),
            Some(section) => section.as_object().ok_or(MALFORMED)?,
        };
        let fitting = section
            .iter()
            .filter(|(_, value)| counts(value))
            .filter_map(|(key, value)| Some((search.fit(key)?, key.as_str(), value)));
        // Of several, the first.
        Ok(fitting
            .min_by_key(|(fit, ..)| std::cmp::Reverse(*fit))
            .map(|(_, key, value)| (key, value)))
    };
    let stored = best("auths", holds_login)?;
    let special = match best("credHelpers", |_| true)? {
        Some((key, value)) => helper_name(Some(value))?.map(|name| (key, name)),
        None => None,
    };
    let general = helper_name(field(&config, "credsStore"))?;
    let key = special.as_ref().map(|(key, _)| *key);
    let helper = special.map(|(_, name)| name).or(general);
    if helper.is_none() && stored.is_none() {
        return Ok(None);
    }
    let filed = key.or(stored.map(|(key, _)| key));
    Ok(Some(Entry {
        key: filed.unwrap_or(search.registry.as_str()).to_owned(),
        helper: helper.map(|name| Helper {
            name: name.to_owned(),
            server: search.server(key).to_owned(),
        }),
        stored: stored.map(|(_, value)| decode(value)).transpose(),
    }))
}

/// A member, as Go finds it: whatever its case, and the last of several.
pub(super) fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let named = |(key, _): &(&String, &Value)| key.eq_ignore_ascii_case(name);
    object.iter().rfind(named).map(|(_, value)| value)
}

fn helper_name(value: Option<&Value>) -> Result<Option<&str>, &'static str> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(name)) if name.is_empty() => Ok(None),
        // It becomes a part of a program's name.
        Some(Value::String(name)) if name.contains(['/', '\0']) || name.len() > 100 => {
            Err("it names a credential helper by something that is not a helper's name")
        }
        Some(Value::String(name)) => Ok(Some(name)),
        Some(_) => Err("it names a credential helper by something that is not text"),
    }
}

/// Whether an entry is more than what docker writes beside a helper that has the secret: `{}`, or
/// an e-mail address of long ago.
fn holds_login(entry: &Value) -> bool {
    const NAMES: [&str; 5] = [
        "auth",
        "username",
        "password",
        "identitytoken",
        "registrytoken",
    ];
    let Some(entry) = entry.as_object() else {
        return true;
    };
    let filled = |value: &Value| !value.is_null() && value.as_str() != Some("");
    NAMES
        .iter()
        .any(|name| field(entry, name).is_some_and(filled))
}

fn decode(entry: &Value) -> Result<Credential, &'static str> {
    let entry = entry.as_object().ok_or("an entry is not a JSON object")?;
    let text = |name: &str| match field(entry, name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err("an entry holds something that is not text"),
    };
    if !text("registrytoken")?.is_empty() {
        return Err("an entry holds a registry token, which cannot be renewed and is not used");
    }
    let pair = decode_pair(text("auth")?)?;
    let (username, password) = match pair.as_deref().map(|pair| pair.split_once(':')) {
        None => (text("username")?, text("password")?),
        Some(Some(pair)) => pair,
        Some(None) => return Err("an entry's `auth` holds no user name and password"),
    };
    let token = text("identitytoken")?;
    if !token.is_empty() {
        return Ok(Credential::IdentityToken {
            username: Some(username.to_owned()).filter(|name| !name.is_empty()),
            token: Secret::new(token),
        });
    }
    // docker pads passwords with NULs: cli/config/configfile/file.go, decodeAuth.
    let password = password.trim_end_matches('\0');
    if username.is_empty() || password.is_empty() {
        return Err("an entry holds no user name and password");
    }
    Ok(Credential::Password {
        username: username.to_owned(),
        password: Secret::new(password),
    })
}

/// The user's name and password that `auth` holds, as Go decodes it.
fn decode_pair(auth: &str) -> Result<Option<Zeroizing<String>>, &'static str> {
    let wrong = "an entry's `auth` is not the base64 of a user name and password";
    let lines: Zeroizing<Vec<u8>> = auth
        .bytes()
        .filter(|byte| !matches!(byte, b'\r' | b'\n' | b'='))
        .collect::<Vec<u8>>()
        .into();
    if lines.is_empty() {
        return Ok(None);
    }
    let pair = BASE64_NOPAD.decode(&lines).map_err(|_| wrong)?;
    match String::from_utf8(pair) {
        Ok(pair) => Ok(Some(Zeroizing::new(pair))),
        Err(_) => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::{PlainHosts, testing};
    use serde_json::json;
    use vouch_testing::seeds::seed;

    fn search(registry: &str, repository: Option<&str>) -> Search {
        Search {
            registry: testing::registry(registry),
            repository: repository.map(|name| name.parse().unwrap()),
            hosts: PlainHosts::default(),
            key: None,
        }
    }

    /// As docker searches, and as podman does.
    fn docker(registry: &str) -> Search {
        search(registry, None)
    }

    fn podman(registry: &str) -> Search {
        search(registry, Some("acme/echo"))
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
            let text = config.to_string();
            seed("docker_config", &text);
            let found = find(text.as_bytes(), &docker(registry));
            let found = found
                .and_then(|entry| entry.map_or(Ok(None), |entry| entry.stored))
                .map_err(|_| ());
            assert_eq!(found, expected, "{config} {registry}");
        };
        let ann = json!({"auth": "YW5uOnM6ZWNyZXQ="});
        let known = || Ok(Some(password("ann", "s:ecret")));
        for (key, registry) in [
            ("ghcr.io", "ghcr.io"),
            ("https://ghcr.io", "ghcr.io"),
            ("https://ghcr.io/v2/", "ghcr.io"),
            ("http://ghcr.io/v1", "ghcr.io"),
            ("GHCR.io:443", "ghcr.io"),
            ("docker.io", "docker.io"),
            ("https://docker.io", "docker.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("https://index.docker.io/v1", "docker.io"),
            ("https://index.docker.io", "docker.io"),
            ("index.docker.io/v1/", "docker.io"),
            ("index.docker.io", "docker.io"),
            ("registry-1.docker.io", "docker.io"),
            ("https://registry-1.docker.io/v2/", "docker.io"),
        ] {
            check(json!({"auths": {key: ann}}), registry, known());
        }
        for (key, registry) in [
            ("ghcr.io:444", "ghcr.io"),
            ("ghcr.io/acme", "ghcr.io"),
            ("hcr.io", "ghcr.io"),
            ("ghcr.io", "docker.io"),
            ("ftp://ghcr.io", "ghcr.io"),
            ("ann@ghcr.io", "ghcr.io"),
            ("", "ghcr.io"),
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
        for empty in [
            json!({}),
            json!({"auth": ""}),
            json!({"email": "ann@example.org"}),
            json!({"auth": null, "identitytoken": ""}),
        ] {
            check(json!({"auths": {"r.io": empty}}), "r.io", Ok(None));
        }
        check(json!({}), "r.io", Ok(None));
        // Texts in such members would be read as JSON, without end.
        let deep = json!({"$serde_json::private::RawValue": "1"});
        check(json!({"auths": {"r.io": deep}}), "r.io", Err(()));
        check(json!({"auths": null}), "r.io", Ok(None));
        // As Go reads names: whatever their case, and the last of several.
        let odd = json!({"Auth": "x", "AUTH": "YW5uOnM6ZWNyZXQ="});
        check(json!({"AUTHS": {"r.io": odd}}), "r.io", known());
        let lines = json!({"auth": "YW5uOnM6\r\nZWNyZXQ"});
        check(json!({"auths": {"r.io": lines}}), "r.io", known());
        // A login that is there but unusable is an error, never an anonymous request.
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
        for malformed in ["not json", "[]", "{", r#"{"auths": []}"#] {
            let found = find(malformed.as_bytes(), &docker("r.io"));
            assert!(found.is_err(), "{malformed}");
        }
        for nothing in ["", " \n", "{}"] {
            assert_eq!(find(nothing.as_bytes(), &docker("r.io")), Ok(None));
        }
    }

    #[test]
    fn the_longest_namespace_wins() {
        let check = |filed: &[&str], registry: &str, expected: Option<&str>| {
            let auths: Map<_, _> = filed
                .iter()
                .map(|key| ((*key).to_owned(), json!({"auth": "YW5uOnM6ZWNyZXQ="})))
                .collect();
            let text = json!({ "auths": auths }).to_string();
            let entry = find(text.as_bytes(), &podman(registry)).unwrap();
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
        check(&["docker.io", index], "docker.io", Some(index));
        check(&["https://r.io/v2/", "r.io"], "r.io", Some("r.io"));
    }

    #[test]
    fn helpers_are_found() {
        let check = |config: Value, registry: &str, expected: Result<Option<(&str, &str)>, ()>| {
            let found = find(config.to_string().as_bytes(), &podman(registry));
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
        // Docker once wrote it so, and Go reads it.
        check(json!({"credSstore": "x"}), "r.io", Ok(Some(("x", "r.io"))));
        let mail = json!({"auths": {"r.io": {"email": "a@b"}}, "credsStore": "x"});
        check(mail, "r.io", Ok(Some(("x", "r.io"))));
        let namespaced = json!({"credHelpers": {"docker.io/acme": "x"}});
        check(namespaced, "docker.io", Ok(Some(("x", "docker.io/acme"))));
        check(json!({"credsStore": 7}), "r.io", Err(()));
        check(json!({"credsStore": "../x"}), "r.io", Err(()));
        check(json!({"credHelpers": {"r.io": "a/b"}}), "r.io", Err(()));
    }

    #[test]
    fn a_file_is_bounded_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let file = ConfigFile::new(path.clone());
        let look = || file.look_up(&docker("r.io"));
        let (nothing, first) = look().unwrap();
        assert_eq!(nothing, None);
        std::fs::write(&path, r#"{"auths":{"r.io":{"auth":"YTpi"}}}"#).unwrap();
        let (entry, second) = look().unwrap();
        assert_eq!(entry.unwrap().stored, Ok(Some(password("a", "b"))));
        assert!(second != first);
        std::fs::remove_file(&path).unwrap();
        let (nothing, third) = look().unwrap();
        assert!(nothing.is_none() && third != second);
        std::fs::write(&path, vec![b' '; 2 << 20]).unwrap();
        assert_eq!(look().unwrap_err().kind(), ErrorKind::CredentialUnusable);
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(look().unwrap_err().kind(), ErrorKind::CredentialUnusable);
    }

    #[test]
    fn a_variable_stands_for_a_file() {
        let text = r#"{"auths":{"r.io":{"auth":"YTpi"}}}"#.to_owned();
        let file = ConfigFile::variable("DOCKER_AUTH_CONFIG", text);
        let (entry, _) = file.look_up(&docker("r.io")).unwrap();
        assert_eq!(entry.unwrap().stored, Ok(Some(password("a", "b"))));
        assert_eq!(file.path(), Path::new("$DOCKER_AUTH_CONFIG"));
        assert!(!format!("{file:?}").contains("YTpi"));
        let broken = ConfigFile::variable("DOCKER_AUTH_CONFIG", "YTpi".into());
        let error = broken.look_up(&docker("r.io")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CredentialUnusable);
        assert!(!format!("{error:?}").contains("YTpi"), "{error:?}");
    }
}
