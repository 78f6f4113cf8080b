//! Where logins come from, in which order.
//!
//! Before these, `session/login`: see `login`. What is configured and cannot be used is an error,
//! never a silent step to the next source or to an anonymous request.

use super::{
    clock::Clock,
    config_file::{ConfigFile, Helper},
    failure::copied,
    helper,
    names::{aliases, namespaces},
    secret::Credential,
    wanted::Wanted,
};
use crate::{
    error::{Error, Result},
    name::{Registry, Repository},
};
use std::{
    collections::HashMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;
use vouch_protocol::{CredentialFile, ErrorKind, LoginSource};

/// Helpers may take that long.
const HELPER: Duration = Duration::from_secs(30);
/// So many helpers run at once, and so many answers are remembered, for one file. Which registries
/// are asked about is for clients to say.
const RUNNING: usize = 8;
const REMEMBERED: usize = 256;
/// That a helper has no login is believed for so long.
const NOTHING: Duration = Duration::from_secs(30);

/// The files that are looked at, in their order.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Arc<Source>>);

/// One file, and what its helpers said.
#[derive(Debug)]
struct Source {
    kind: LoginSource,
    file: ConfigFile,
    clock: Clock,
    asked: Mutex<HashMap<Helper, Asked>>,
    running: Semaphore,
}

type Answer = Result<Option<Credential>, Arc<Error>>;

struct Asked {
    /// The file's version then.
    version: u64,
    when: Duration,
    answer: Wanted<Answer>,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asked")
    }
}

/// Where a login was found, so that it can be looked for there again.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    source: Arc<Source>,
    registry: Registry,
    /// What it is filed under.
    key: String,
    helper: Option<String>,
}

impl Sources {
    /// Those that the service's environment names.
    pub(super) fn from_environment(clock: &Clock) -> Self {
        let path = |name: &str| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
                // The process may go to another folder.
                .map(|path| std::path::absolute(&path).unwrap_or(path))
        };
        let below = |folder: Option<PathBuf>, rest: &str| folder.map(|folder| folder.join(rest));
        let home = path("HOME");
        let docker = path("DOCKER_CONFIG").or_else(|| below(home.clone(), ".docker"));
        let runtime = below(path("XDG_RUNTIME_DIR"), "containers/auth.json");
        // Nobody else can have made that folder.
        let root = rustix::process::getuid().is_root();
        let runtime = runtime.or_else(|| root.then(|| "/run/containers/0/auth.json".into()));
        let settled = path("XDG_CONFIG_HOME").or_else(|| below(home, ".config"));
        let files = [
            (LoginSource::AuthFile, path("REGISTRY_AUTH_FILE")),
            (LoginSource::Docker, below(docker, "config.json")),
            (LoginSource::Podman, runtime),
            (LoginSource::Podman, below(settled, "containers/auth.json")),
        ];
        let named = |(kind, path): (_, Option<PathBuf>)| Some((kind, path?));
        Self::of(files.into_iter().filter_map(named), clock)
    }

    pub(super) fn of(
        files: impl IntoIterator<Item = (LoginSource, PathBuf)>,
        clock: &Clock,
    ) -> Self {
        let source = |(kind, path)| {
            Arc::new(Source {
                kind,
                file: ConfigFile::new(path),
                clock: clock.clone(),
                asked: Mutex::default(),
                running: Semaphore::new(RUNNING),
            })
        };
        Self(files.into_iter().map(source).collect())
    }

    /// The files' paths, for people.
    pub(super) fn shown(&self) -> Vec<CredentialFile> {
        let shown = |source: &Arc<Source>| CredentialFile {
            source: source.kind,
            path: source.file.path().display().to_string(),
        };
        self.0.iter().map(shown).collect()
    }

    /// The first login that there is for a repository.
    pub(super) async fn find(
        &self,
        registry: &Registry,
        repository: &Repository,
    ) -> Result<Option<(Origin, Credential)>> {
        for source in &self.0 {
            let keys = match source.kind {
                // docker knows registries only: containers-auth.json(5), "FORMAT".
                LoginSource::Docker => aliases(registry),
                _ => namespaces(registry, repository),
            };
            if let Some(found) = source.find(keys, registry, None).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl Origin {
    pub(super) fn kind(&self) -> LoginSource {
        self.source.kind
    }

    pub(super) fn path(&self) -> &Path {
        self.source.file.path()
    }

    /// The program that keeps the login.
    pub(super) fn helper(&self) -> Option<String> {
        let name = self.helper.as_ref()?;
        Some(format!("docker-credential-{name}"))
    }

    /// What tells it from other origins.
    pub(super) fn identity(&self) -> (LoginSource, PathBuf, String) {
        (self.kind(), self.path().to_owned(), self.key.clone())
    }

    /// The login as it is now, and not the one that was just refused if there is another.
    pub(super) async fn again(&self, refused: Option<&Credential>) -> Result<Option<Credential>> {
        let keys = vec![self.key.clone()];
        let found = self.source.find(keys, &self.registry, refused).await?;
        Ok(found.map(|(_, credential)| credential))
    }
}

impl Source {
    async fn find(
        self: &Arc<Self>,
        keys: Vec<String>,
        registry: &Registry,
        refused: Option<&Credential>,
    ) -> Result<Option<(Origin, Credential)>> {
        let (this, name) = (Arc::clone(self), registry.clone());
        let looked = tokio::task::spawn_blocking(move || this.file.look_up(&keys, name.as_str()));
        let (entry, version) = looked
            .await
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "reading a file of logins failed").source(error)
            })?
            .map_err(|error| error.registry(registry.as_str()))?;
        let Some(entry) = entry else {
            return Ok(None);
        };
        let mut credential = entry.credential;
        let mut from = None;
        if let Some(helper) = entry.helper {
            let kept = self
                .ask(&helper, version, refused)
                .await
                .map_err(|error| copied(&error).registry(registry.as_str()))?;
            if kept.is_some() {
                credential = kept;
                from = Some(helper.name);
            }
        }
        Ok(credential.map(|credential| {
            let origin = Origin {
                source: Arc::clone(self),
                registry: registry.clone(),
                key: entry.key,
                helper: from,
            };
            (origin, credential)
        }))
    }

    /// What a helper says. It is asked once for all who want to know, and again when the file has
    /// changed, when its answer was refused, after a while when it had none, and when all who
    /// wanted to know had gone away.
    async fn ask(
        self: &Arc<Self>,
        helper: &Helper,
        version: u64,
        refused: Option<&Credential>,
    ) -> Answer {
        let waiting = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.clock.now();
            if let Some(known) = asked.get(helper).filter(|asked| asked.version == version) {
                match known.answer.outcome() {
                    None | Some(Err(_)) => {}
                    Some(Ok(None)) if now >= known.when + NOTHING => {}
                    Some(Ok(Some(answer))) if Some(answer) == refused => {}
                    Some(Ok(answer)) => return Ok(answer.clone()),
                }
            }
            let under_way = asked
                .get(helper)
                .filter(|asked| asked.version == version && asked.answer.outcome().is_none())
                .and_then(|asked| asked.answer.join());
            if let Some(under_way) = under_way {
                under_way
            } else {
                let (this, program) = (Arc::clone(self), helper.clone());
                let work = async move {
                    let _turn = this.running.acquire().await;
                    let answer = helper::ask(&program, this.file.path(), HELPER).await;
                    answer.map_err(Arc::new)
                };
                let (answer, waiting) = Wanted::begin(work, |error| {
                    let message = "asking a credential helper failed";
                    Err(Arc::new(
                        Error::new(ErrorKind::Internal, message).source(error),
                    ))
                });
                asked.retain(|_, asked| asked.version == version);
                if asked.len() >= REMEMBERED {
                    asked.clear();
                }
                let when = now;
                let entry = Asked {
                    version,
                    when,
                    answer,
                };
                asked.insert(helper.clone(), entry);
                waiting
            }
        };
        waiting.outcome().await
    }
}

/// What of the environment decides where logins are looked for, as far as it is set.
pub(crate) fn environment() -> impl Iterator<Item = (&'static str, OsString)> {
    [
        "REGISTRY_AUTH_FILE",
        "DOCKER_CONFIG",
        "HOME",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
        "PATH",
    ]
    .into_iter()
    .filter_map(|name| Some((name, env::var_os(name)?)))
}
