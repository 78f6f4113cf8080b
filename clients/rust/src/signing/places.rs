//! Where keys are, and which one is meant.

use super::{
    agent::{Agent, AgentKey, UNLOCK},
    error::{Result, SigningError, SigningErrorKind},
    file::KeyFile,
    name::{self, Form, KeyName},
    nkey::Account,
    own,
    signer::Signer,
    ssh,
};
use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};
use tokio::task::spawn_blocking;

/// Names a file with the key to sign with, for automation; an empty value counts as none.
pub const KEY_FILE_VARIABLE: &str = "VOUCH_KEY_FILE";

/// The most files of a folder that are looked at.
const MOST_FILES: usize = 1000;

/// Where keys are looked for: an agent, the folder of `vouch keys new`, and folders that the config
/// names.
#[derive(Debug, Clone)]
pub struct Places {
    agent: Result<Agent>,
    own: Option<PathBuf>,
    folders: Vec<PathBuf>,
    key_file: Option<Result<PathBuf>>,
}

impl Places {
    /// The agent that `SSH_AUTH_SOCK` names, `$XDG_DATA_HOME/vouchd/keys`, and the file that
    /// `VOUCH_KEY_FILE` names.
    pub fn from_environment() -> Self {
        Self {
            agent: Agent::from_environment(),
            own: vouch_protocol::paths::keys_folder(),
            folders: Vec::new(),
            key_file: env::var_os(KEY_FILE_VARIABLE).and_then(key_file),
        }
    }

    /// And these folders with nkey seeds, such as wash's `~/.wash/keys`: `[sign] folders` of the
    /// config.
    #[must_use]
    pub fn folders(mut self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        self.folders.extend(folders);
        self
    }

    /// The file that `VOUCH_KEY_FILE` names; an error where it holds a key itself.
    pub fn key_file(&self) -> Option<std::result::Result<&Path, &SigningError>> {
        let named = self.key_file.as_ref()?;
        Some(named.as_deref())
    }

    /// Makes a key of one's own: an account's seed, in a file that nobody else can read. A key that
    /// is there is never replaced. Blocks.
    pub fn make(&self, name: &str) -> Result<KeyFile> {
        let folder = self.own.as_deref().ok_or_else(|| {
            SigningError::new(SigningErrorKind::File, "there is no home folder for keys")
                .help("Set HOME, or XDG_DATA_HOME.")
        })?;
        own::make(folder, name)
    }

    /// The key of that name. It may be locked: see [`Signer::is_locked`].
    pub async fn find(&self, name: &KeyName) -> Result<Signer> {
        match name.form() {
            Form::Comment(comment) => {
                let keys = self.agent_keys().await?;
                let found = keys.iter().filter(|key| key.comment() == comment);
                one_of(name, &found.collect::<Vec<_>>(), &keys)
            }
            Form::Fingerprint(fingerprint) => {
                let keys = self.agent_keys().await?;
                let found = keys.iter().filter(|key| key.fingerprint() == fingerprint);
                one_of(name, &found.collect::<Vec<_>>(), &keys)
            }
            Form::PublicFile(path) => {
                let fingerprint = ssh::fingerprint_of_file(path)?;
                let keys = self.agent_keys().await?;
                let found = keys.iter().filter(|key| key.fingerprint() == fingerprint);
                one_of(name, &found.collect::<Vec<_>>(), &keys).map_err(|error| match error.kind {
                    SigningErrorKind::KeyAbsent => error.help(format!(
                        "`ssh-add {}` adds it.",
                        path.with_extension("").display()
                    )),
                    _ => error,
                })
            }
            Form::File(path) => opened(path).await,
            Form::Own(name) => opened(&self.named(name)?).await,
        }
    }

    /// All keys: the agent's, one's own, and those in the folders. Those that cannot sign are there
    /// with the reason. Why the agent could not be asked is the second part.
    pub async fn candidates(&self) -> (Vec<Candidate>, Option<SigningError>) {
        let (keys, failed) = match self.agent_keys().await {
            Ok(keys) => (keys, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let of_agent = keys.iter().map(|key| Candidate::of_agent(key, &keys));
        let mut candidates: Vec<_> = of_agent.collect();
        let places = self.clone();
        let in_files = spawn_blocking(move || places.in_files()).await;
        candidates.extend(in_files.unwrap_or_default());
        (candidates, failed)
    }

    /// The key with which to sign: `named` is `--key`, `kept` what `[sign] key` of the config says,
    /// and `ask` whether somebody can be asked. In this order: `named`, `VOUCH_KEY_FILE`, `kept`;
    /// then, only where somebody can be asked, the one Ed25519 key of the agent, else a choice.
    pub async fn choose(
        &self,
        named: Option<&str>,
        kept: Option<&str>,
        ask: bool,
    ) -> Result<Choice> {
        if let Some(named) = named {
            return Ok(Choice::The(self.find(&named.parse()?).await?));
        }
        if let Some(path) = &self.key_file {
            let path = path.as_ref().map_err(Clone::clone)?;
            let found = opened(path).await;
            return Ok(Choice::The(found.map_err(|error| {
                let error = told(error, "the environment's VOUCH_KEY_FILE");
                match error.kind {
                    SigningErrorKind::KeyAbsent => error.help(KEY_FILE),
                    _ => error,
                }
            })?));
        }
        if let Some(kept) = kept {
            let found = async { self.find(&kept.parse()?).await }.await;
            return Ok(Choice::The(
                found.map_err(|error| told(error, "the config's `[sign] key`"))?,
            ));
        }
        if !ask {
            return Err(SigningError::new(
                SigningErrorKind::KeyAmbiguous,
                "no key to sign with was named, and there is no terminal to ask",
            )
            .help(NAME_ONE));
        }
        let (mut candidates, failed) = self.candidates().await;
        candidates.retain(|candidate| candidate.account.is_ok());
        let mut of_agent = candidates.iter().filter(|it| it.place == Place::Agent);
        if let (Some(candidate), None) = (of_agent.next(), of_agent.next()) {
            return Ok(Choice::The(self.find(&candidate.name).await?));
        }
        if candidates.is_empty() {
            let (why, help) = match failed {
                Some(error) => (error.message, error.help.unwrap_or_default()),
                None => (
                    "ssh-agent shows none that can".to_owned(),
                    UNLOCK.to_owned(),
                ),
            };
            let what = format!("there is no key to sign with: {why}");
            return Err(
                SigningError::new(SigningErrorKind::KeyAbsent, what).help(format!(
                    "{help}\nWithout an agent: `vouch keys new NAME` makes a key."
                )),
            );
        }
        Ok(Choice::Among(candidates))
    }

    async fn agent_keys(&self) -> Result<Vec<AgentKey>> {
        self.agent.as_ref().map_err(Clone::clone)?.keys().await
    }

    /// The file of a key by its name: its own folder goes first, and the others must agree.
    fn named(&self, name: &str) -> Result<PathBuf> {
        let files = |folders: &[PathBuf]| -> Vec<PathBuf> {
            let files = folders.iter().map(|folder| own::file(folder, name));
            files
                .filter(|file| file.symlink_metadata().is_ok())
                .collect()
        };
        let mut own = files(self.own.as_slice());
        if let Some(file) = own.pop() {
            return Ok(file);
        }
        let mut found = files(&self.folders);
        match (found.pop(), found.pop()) {
            (Some(file), None) => Ok(file),
            (Some(one), Some(other)) => {
                let (one, other) = (one.display(), other.display());
                let message = format!("{name:?} may be {other} or {one}");
                Err(SigningError::new(SigningErrorKind::KeyAmbiguous, message)
                    .help(format!("Write the path of one: `--key {other}`.")))
            }
            (None, _) => {
                let folders: Vec<_> = self.own.iter().chain(&self.folders).collect();
                let folders: Vec<_> = folders.iter().map(|it| it.display().to_string()).collect();
                let message = format!("there is no key {name:?} in {}", folders.join(", "));
                Err(SigningError::new(SigningErrorKind::KeyAbsent, message).help(format!(
                    "`vouch keys list` lists your keys; `vouch keys new {name}` makes this one. \
                     A key of ssh-agent is written as `ssh:{name}`, a file as `./{name}`."
                )))
            }
        }
    }

    fn in_files(&self) -> Vec<Candidate> {
        let own = self.own.iter().map(|folder| (Place::Own, folder));
        let others = self.folders.iter().map(|folder| (Place::Folder, folder));
        let mut candidates = Vec::new();
        for (place, folder) in own.chain(others) {
            // One that is not there holds no keys.
            let Ok(entries) = folder.read_dir() else {
                continue;
            };
            let files = entries.take(MOST_FILES).flatten().map(|entry| entry.path());
            let is_key = |path: &PathBuf| path.extension() == Some(OsStr::new("nk"));
            let mut files: Vec<_> = files.filter(is_key).collect();
            files.sort();
            candidates.extend(files.iter().map(|file| self.in_file(place, file)));
        }
        candidates
    }

    fn in_file(&self, place: Place, path: &Path) -> Candidate {
        let name = path.file_stem().and_then(OsStr::to_str);
        let is_meant = |name: &&str| self.named(name).is_ok_and(|file| file == path);
        let own = name.filter(is_meant).and_then(|name| name.parse().ok());
        Candidate {
            name: own.unwrap_or_else(|| KeyName::file(path)),
            label: path.display().to_string(),
            comment: String::new(),
            place,
            account: KeyFile::open(path).map(|file| file.account().clone()),
        }
    }
}

const NAME_ONE: &str = "Name one with `--key`, or in the config: `vouch keys list` lists your keys. \
                        For automation, VOUCH_KEY_FILE names a key's file.";

const KEY_FILE: &str = "It is the path of a file with an OpenSSH private key or an nkey seed: \
                        `unset VOUCH_KEY_FILE` does without.";

/// The file that `VOUCH_KEY_FILE` names. Who writes the key there sees it in no error: those of a
/// pipeline are read by many.
fn key_file(value: OsString) -> Option<Result<PathBuf>> {
    if name::holds_key(&value.to_string_lossy()) {
        let message = "VOUCH_KEY_FILE holds a private key itself, not the path of a file with one";
        return Some(Err(SigningError::new(SigningErrorKind::KeyName, message)
            .help(
                "Write it to a file that only you can read: `(umask 077 && printf %s \
             \"$VOUCH_KEY_FILE\" > vouch.key) && export VOUCH_KEY_FILE=vouch.key`.",
            )));
    }
    (!value.is_empty()).then(|| Ok(PathBuf::from(value)))
}

/// An error about a key, with who named it.
fn told(error: SigningError, who: &str) -> SigningError {
    SigningError {
        message: format!("{who} names a key that cannot be used: {}", error.message),
        ..error
    }
}

/// Opens a key file.
async fn opened(path: &Path) -> Result<Signer> {
    let file = path.to_owned();
    let opened = spawn_blocking(move || KeyFile::open(&file)).await;
    let failed = |_| {
        let message = format!("cannot read {}", path.display());
        SigningError::new(SigningErrorKind::File, message)
    };
    Ok(Signer::of_file(opened.map_err(failed)??))
}

/// The one key among those that were found that can sign.
fn one_of(name: &KeyName, found: &[&AgentKey], all: &[AgentKey]) -> Result<Signer> {
    let can = found.iter().filter(|key| key.account().is_ok());
    let can: Vec<_> = can.collect();
    match (can.as_slice(), found.first()) {
        ([key], _) => Signer::of_agent((**key).clone()),
        ([one, other, ..], _) => {
            let message = format!("{name} matches several keys in ssh-agent");
            let (one, other) = (one.fingerprint(), other.fingerprint());
            Err(
                SigningError::new(SigningErrorKind::KeyAmbiguous, message).help(format!(
                    "Name one by its fingerprint: `ssh:{one}` or `ssh:{other}`."
                )),
            )
        }
        ([], Some(key)) => Signer::of_agent((*key).clone()),
        ([], None) => {
            let message = format!("ssh-agent has no key {name}");
            let can = all.iter().filter(|key| key.account().is_ok());
            let known: Vec<_> = can
                .take(8)
                .map(|key| format!("`{}`", Candidate::of_agent(key, all).name))
                .collect();
            let help = if known.is_empty() {
                UNLOCK.to_owned()
            } else {
                format!("Those that can sign: {}.", known.join(", "))
            };
            Err(SigningError::new(SigningErrorKind::KeyAbsent, message).help(help))
        }
    }
}

/// Which key it is.
#[derive(Debug)]
pub enum Choice {
    /// This one.
    The(Signer),
    /// One of these, all of which can sign: ask which.
    Among(Vec<Candidate>),
}

/// A key that there is.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// What to call it as `--key` and in the config: [`Places::find`] finds it.
    pub name: KeyName,
    /// What to call it before people. Somebody else's text.
    pub label: String,
    /// The comment that its owner gave it; somebody else's text, which may be empty.
    pub comment: String,
    /// Where it is.
    pub place: Place,
    /// The account whose tokens it signs, or why it cannot sign any.
    pub account: Result<Account>,
}

impl Candidate {
    /// A key among those of its agent.
    fn of_agent(key: &AgentKey, all: &[AgentKey]) -> Self {
        let comment = key.comment();
        let same = |other: &&AgentKey| other.comment() == comment && other.account().is_ok();
        let by_comment = KeyName::comment(comment);
        // What a comment looks like may be something else.
        let is_name = by_comment.to_string().parse().ok().as_ref() == Some(&by_comment);
        let is_one = all.iter().filter(same).count() == 1 && key.account().is_ok();
        Self {
            name: if is_name && is_one {
                by_comment
            } else {
                KeyName::fingerprint(key.fingerprint())
            },
            label: format!("{} (ssh-agent)", key.called()),
            comment: comment.to_owned(),
            place: Place::Agent,
            account: key.account().cloned(),
        }
    }
}

/// Where a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the agent.
    Agent,
    /// In the folder of `vouch keys new`.
    Own,
    /// In a folder that the config names.
    Folder,
}

#[cfg(test)]
mod tests;
