//! The places where logins are looked for, in their order.
//!
//! Before these, `session/login`'s memory: see `sessions`. What is configured and cannot be used is
//! an error, never a silent step to the next source or to an anonymous request.

use super::{
    super::{clock::Clock, flight::Flight},
    file::{ConfigFile, Entry, Helper},
    helper,
    keys::Search,
    redactor::Redactor,
    secret::Credential,
};
use crate::{
    error::{Error, Result},
    file::Identity,
    name::{PlainHosts, Registry, Repository},
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap, env, ffi::OsString, fmt, path::PathBuf, sync::Arc, time::Duration,
};
use tokio::sync::Semaphore;
use vouch_protocol::{CredentialFile, LoginSource};

/// How long a helper may take.
const HELPER: Duration = Duration::from_secs(30);
/// The most helpers that run at once, and the most answers that are remembered, for one file:
/// clients choose which registries are asked about.
const RUNNING: usize = 8;
const REMEMBERED: usize = 256;
/// How long to remember that a helper has no login.
const NOTHING: Duration = Duration::from_secs(30);
/// docker's variable that holds what `config.json` would.
const VARIABLE: &str = "DOCKER_AUTH_CONFIG";

/// The files that are looked at, in their order.
#[derive(Debug, Default)]
pub(crate) struct Sources(Vec<Arc<Source>>);

/// One file, and what its helpers said.
struct Source {
    kind: LoginSource,
    file: ConfigFile,
    clock: Clock,
    asked: Mutex<HashMap<Helper, Asked>>,
    running: Semaphore,
    /// Knows the secrets that helpers gave before.
    redactor: Redactor,
}

/// What a helper was asked, and answers.
struct Asked {
    /// The file's version then.
    version: Option<Identity>,
    /// What it said, and when it was asked.
    said: Option<(Option<Credential>, Duration)>,
    run: Flight<Result<Option<Credential>>>,
}

/// Where a login is filed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Filed {
    pub(crate) source: LoginSource,
    pub(crate) path: String,
    /// What it is filed under in that file.
    pub(crate) key: String,
}

/// Where a login was found, so that it can be looked for there again.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    source: Arc<Source>,
    search: Search,
    pub(crate) filed: Filed,
    /// The program that keeps the login.
    pub(crate) helper: Option<String>,
}

impl Sources {
    /// Those that the service's environment names.
    pub(crate) fn from_environment(clock: &Clock) -> Self {
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
        let variable = env::var(VARIABLE).ok().filter(|text| !text.is_empty());
        let variable = variable.map(|text| ConfigFile::variable(VARIABLE, text));
        let file = |path: Option<PathBuf>| path.map(ConfigFile::new);
        let files = [
            (LoginSource::AuthFile, file(path("REGISTRY_AUTH_FILE"))),
            (LoginSource::Docker, variable),
            (LoginSource::Docker, file(below(docker, "config.json"))),
            (LoginSource::Podman, file(runtime)),
            (
                LoginSource::Podman,
                file(below(settled, "containers/auth.json")),
            ),
        ];
        let named = |(kind, file): (_, Option<ConfigFile>)| Some(Source::new(kind, file?, clock));
        Self(files.into_iter().filter_map(named).collect())
    }

    pub(crate) fn of(
        files: impl IntoIterator<Item = (LoginSource, PathBuf)>,
        clock: &Clock,
    ) -> Self {
        let source = |(kind, path)| Source::new(kind, ConfigFile::new(path), clock);
        Self(files.into_iter().map(source).collect())
    }

    /// The files' paths, to be shown.
    pub(crate) fn shown(&self) -> Vec<CredentialFile> {
        let shown = |source: &Arc<Source>| CredentialFile {
            source: source.kind,
            path: source.file.path().display().to_string(),
        };
        self.0.iter().map(shown).collect()
    }

    /// The first login that there is for a repository.
    pub(crate) async fn find(
        &self,
        registry: &Registry,
        repository: &Repository,
        hosts: &PlainHosts,
    ) -> Result<Option<(Origin, Credential)>> {
        let search = |source: &Arc<Source>| {
            // docker knows registries only: containers-auth.json(5), "FORMAT".
            let namespaces = source.kind != LoginSource::Docker;
            let search = Search {
                registry: registry.clone(),
                repository: namespaces.then(|| repository.clone()),
                hosts: hosts.clone(),
                key: None,
            };
            (Arc::clone(source), search)
        };
        let mut left: Vec<_> = self.0.iter().map(search).collect();
        while !left.is_empty() {
            // Most of the files are not there: one step off the runtime's threads passes them all.
            let looked = tokio::task::spawn_blocking(move || first_entry(left));
            let Some((first, rest)) = looked.await?? else {
                break;
            };
            if let Some(found) = first.settle(None).await? {
                return Ok(Some(found));
            }
            left = rest;
        }
        Ok(None)
    }

    /// Whether any file names a registry as one with a login. A helper for all registries is not
    /// asked, and says nothing of one.
    pub(crate) async fn name(
        &self,
        registry: &Registry,
        repository: &Repository,
        hosts: &PlainHosts,
    ) -> bool {
        let search = Search {
            registry: registry.clone(),
            repository: Some(repository.clone()),
            hosts: hosts.clone(),
            key: None,
        };
        let sources = self.0.clone();
        let look = move || sources.iter().any(|source| source.file.names(&search));
        // A file that cannot be read names nobody.
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }
}

/// What a file says about what is searched there.
struct Looked {
    source: Arc<Source>,
    search: Search,
    entry: Entry,
    version: Option<Identity>,
}

type Searches = Vec<(Arc<Source>, Search)>;

/// The first of the files that says anything, and those behind it. Blocks.
fn first_entry(searches: Searches) -> Result<Option<(Looked, Searches)>> {
    let mut left = searches.into_iter();
    while let Some((source, search)) = left.next() {
        if let Some(looked) = source.look_up(search)? {
            return Ok(Some((looked, left.collect())));
        }
    }
    Ok(None)
}

impl Origin {
    /// The login as it is now, and not the one that was just refused if there is another.
    pub(crate) async fn again(&self, refused: Option<&Credential>) -> Result<Option<Credential>> {
        let search = Search {
            key: Some(self.filed.key.clone()),
            ..self.search.clone()
        };
        let source = Arc::clone(&self.source);
        let looked = tokio::task::spawn_blocking(move || source.look_up(search)).await??;
        let found = match looked {
            Some(looked) => looked.settle(refused).await?,
            None => None,
        };
        Ok(found.map(|(_, credential)| credential))
    }
}

/// Says which registry an error is about.
fn about(search: &Search) -> impl Fn(Error) -> Error {
    |error| error.registry(search.registry.as_str())
}

impl Looked {
    /// The login that the file holds, or that its helper keeps; nothing where neither does.
    async fn settle(self, refused: Option<&Credential>) -> Result<Option<(Origin, Credential)>> {
        let Self {
            source,
            search,
            entry,
            version,
        } = self;
        let kept = match &entry.helper {
            Some(helper) => {
                let kept = source.ask(helper, version, refused).await;
                kept.map_err(about(&search))?
            }
            None => None,
        };
        let helper = entry.helper.filter(|_| kept.is_some());
        let stored = || entry.stored.map_err(|why| source.file.unusable(why));
        let credential = match kept {
            None => stored().map_err(about(&search))?,
            kept => kept,
        };
        Ok(credential.map(|credential| {
            let filed = Filed {
                source: source.kind,
                path: source.file.path().display().to_string(),
                key: entry.key,
            };
            let origin = Origin {
                source,
                search,
                filed,
                helper: helper.map(|helper| helper.program()),
            };
            (origin, credential)
        }))
    }
}

impl Source {
    fn new(kind: LoginSource, file: ConfigFile, clock: &Clock) -> Arc<Self> {
        Arc::new(Self {
            kind,
            file,
            clock: clock.clone(),
            asked: Mutex::default(),
            running: Semaphore::new(RUNNING),
            redactor: Redactor::default(),
        })
    }

    /// What the file says. Blocks.
    fn look_up(self: Arc<Self>, search: Search) -> Result<Option<Looked>> {
        let (entry, version) = self.file.look_up(&search).map_err(about(&search))?;
        Ok(entry.map(|entry| Looked {
            source: self,
            search,
            entry,
            version,
        }))
    }

    /// What a helper answers. One run serves all requests that wait for it. It runs again when the
    /// file has changed, when its answer was refused, a while after it had no login, and when every
    /// request that waited for it was given up.
    async fn ask(
        self: &Arc<Self>,
        helper: &Helper,
        version: Option<Identity>,
        refused: Option<&Credential>,
    ) -> Result<Option<Credential>> {
        let run = {
            let mut all = self.asked.lock();
            let now = self.clock.now();
            all.retain(|_, asked| asked.version == version);
            if all.len() >= REMEMBERED && !all.contains_key(helper) {
                all.clear();
            }
            let asked = all.entry(helper.clone()).or_insert_with(|| Asked {
                version,
                said: None,
                run: Flight::default(),
            });
            match &asked.said {
                Some((None, when)) if now < *when + NOTHING => return Ok(None),
                Some((Some(known), _)) if Some(known) != refused => {
                    return Ok(Some(known.clone()));
                }
                _ => {}
            }
            asked.said = None;
            let this = Arc::clone(self);
            asked.run.join(|| this.run(helper.clone(), version, now))
        };
        run.await
    }

    /// Runs a helper when it is its turn, and remembers what it answers.
    async fn run(
        self: Arc<Self>,
        helper: Helper,
        version: Option<Identity>,
        when: Duration,
    ) -> Result<Option<Credential>> {
        let _turn = self.running.acquire().await;
        let answer = helper::ask(&helper, self.file.path(), HELPER, &self.redactor, None).await?;
        let mut asked = self.asked.lock();
        if let Some(asked) = asked.get_mut(&helper).filter(|it| it.version == version) {
            asked.said = Some((answer.clone(), when));
        }
        Ok(answer)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.file, f)
    }
}

/// The environment variables that decide where logins are looked for, if they are set. The value of
/// the one that holds a login itself is left out.
pub(crate) fn environment() -> impl Iterator<Item = (&'static str, OsString)> {
    let shown = [
        "REGISTRY_AUTH_FILE",
        "DOCKER_CONFIG",
        "HOME",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
        "PATH",
    ]
    .into_iter()
    .filter_map(|name| Some((name, env::var_os(name)?)));
    let hidden = env::var_os(VARIABLE).map(|_| (VARIABLE, OsString::from("…")));
    shown.chain(hidden)
}
