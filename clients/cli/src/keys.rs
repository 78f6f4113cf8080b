//! `vouch keys`: the keys that sign. They are on this side alone: no service is asked.

use crate::{
    editor::Editor,
    failure::{Failure, Outcome},
    show::{Screen, escaped},
};
use clap::Subcommand;
use serde_json::{Value, json};
use std::{io, path::PathBuf};
use vouch_client::signing::{
    Account, Candidate, Choice, KeyFile, Place, Places, Signer, SigningError, SigningErrorKind,
};

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key, if you have none in ssh-agent
    ///
    /// It is an nkey seed in a file that only you can read, in ~/.local/share/vouchd/keys or
    /// $XDG_DATA_HOME/vouchd/keys. No key is ever replaced. Keep a copy: it cannot be recreated.
    #[command(after_help = "Example:\n  vouch keys new acme")]
    New {
        /// What to call it
        name: String,
    },
    /// List the keys: in ssh-agent, your own, and in the folders that the config names
    #[command(after_help = "Example:\n  vouch keys list")]
    List,
    /// Show what others need to accept a key: its account, and the key in SSH format
    #[command(after_help = "Examples:
  vouch keys show ssh:ann@laptop
  vouch keys show acme
  vouch keys show ~/.ssh/id_ed25519")]
    Show {
        /// `ssh:COMMENT`, `ssh:SHA256:…` or `ssh:FILE.pub` for one in ssh-agent; a file, with a
        /// slash; or a name of `vouch keys new`. Without one, the key that `vouch sign` takes
        key: Option<String>,
    },
}

pub(crate) async fn keys(command: KeysCommand, screen: &mut Screen) -> io::Result<Outcome> {
    match command {
        KeysCommand::New { name } => match Places::from_environment().make(&name) {
            Ok(made) => show_made(&name, &made, screen)?,
            Err(error) => return screen.failure(&error.into()),
        },
        KeysCommand::List => Listing::read().await.show(screen)?,
        KeysCommand::Show { key } => match find(key.as_deref()).await {
            Ok(signer) => show_key(key.as_deref(), &signer, screen)?,
            Err(failure) => return screen.failure(&failure),
        },
    }
    Ok(Outcome::Success)
}

fn show_made(name: &str, made: &KeyFile, screen: &mut Screen) -> io::Result<()> {
    let (account, file) = (made.account(), made.path());
    let line = account.ssh_line(name);
    if screen.is_json() {
        return screen.json(&json!({
            "key": name, "account": account.as_str(), "ssh": line, "file": file,
        }));
    }
    screen.heading(true, "made", name)?;
    screen.line("account", account)?;
    screen.line("ssh", &line)?;
    screen.line("file", file.display())?;
    screen.notice("keep a copy of the file: it cannot be recreated")?;
    screen.notice(&format!("`vouch sign FILE --key {name}` signs with it"))?;
    screen.notice(&accepting(name, account))
}

/// How somebody else accepts what a key signs.
fn accepting(name: &str, account: &Account) -> String {
    format!("`vouch trust add {name} --account {account} --scope SCOPE` accepts what it signs")
}

/// All keys, and which one signs where none is named.
struct Listing {
    candidates: Vec<Candidate>,
    usual: Option<Usual>,
    no_agent: Option<SigningError>,
    no_config: Option<String>,
}

impl Listing {
    async fn read() -> Self {
        let (kept, no_config) = match Kept::read().await {
            Ok(kept) => (kept, None),
            Err(failure) => (Kept::default(), Some(failure.message)),
        };
        let places = kept.places();
        let (candidates, no_agent) = places.candidates().await;
        let usual = Usual::find(&places, kept.key.as_deref(), &candidates).await;
        Self {
            candidates,
            usual,
            no_agent,
            no_config,
        }
    }

    fn show(&self, screen: &mut Screen) -> io::Result<()> {
        if screen.is_json() {
            let keys: Vec<_> = self.candidates.iter().map(candidate).collect();
            return screen.json(&json!({
                "keys": keys,
                "default": self.usual.as_ref().map(Usual::json),
                "agentError": self.no_agent.as_ref().map(error),
                "configError": self.no_config,
            }));
        }
        let name = |it: &Candidate| escaped(&it.name.to_string());
        let widths = self.candidates.iter().map(|it| name(it).chars().count());
        let width = widths.max().unwrap_or_default().min(WIDEST);
        for candidate in &self.candidates {
            let what = match &candidate.account {
                Ok(account) => format!("{account}  {}", candidate.label),
                Err(error) => error.message.clone(),
            };
            let name = candidate.name.to_string();
            screen.text(format!("{name:<width$}  {what}"))?;
        }
        if let Some(error) = &self.no_agent {
            screen.notice(&error.message)?;
        }
        if let Some(error) = &self.no_config {
            screen.notice(&format!("the config could not be read: {error}"))?;
        }
        match &self.usual {
            Some(usual) => screen.text(usual.said()),
            None if self.candidates.iter().all(|it| it.account.is_err()) => {
                screen.text("there is no key that can sign: `vouch keys new NAME` makes one")
            }
            None => screen.text("`vouch sign FILE --key KEY` signs with one of these"),
        }
    }
}

fn error(error: &SigningError) -> Value {
    json!({"message": error.message, "help": error.help})
}

/// The widest column of names, in characters.
const WIDEST: usize = 60;

fn candidate(candidate: &Candidate) -> Value {
    let account = candidate.account.as_ref();
    let line = |account: &Account| account.ssh_line(&candidate.comment);
    json!({
        "key": candidate.name.to_string(),
        "label": candidate.label,
        "place": match candidate.place {
            Place::Agent => "agent",
            Place::Own => "own",
            Place::Folder => "folder",
        },
        "account": account.ok().map(Account::as_str),
        "ssh": account.ok().map(line),
        "error": account.err().map(error),
    })
}

/// The key that signs where none is named.
struct Usual {
    name: String,
    /// Who names it.
    from: &'static str,
    signer: Result<Signer, SigningError>,
}

const ENVIRONMENT: &str = "environment";
const CONFIG: &str = "config";
const AGENT: &str = "agent";

impl Usual {
    async fn find(places: &Places, kept: Option<&str>, candidates: &[Candidate]) -> Option<Self> {
        let of_agent = |it: &&Candidate| it.place == Place::Agent && it.account.is_ok();
        let (name, from) = match (places.key_file(), kept) {
            (Some(Ok(file)), _) => (file.display().to_string(), ENVIRONMENT),
            (Some(Err(_)), _) => (String::new(), ENVIRONMENT),
            (None, Some(kept)) => (kept.to_owned(), CONFIG),
            (None, None) => (candidates.iter().find(of_agent)?.name.to_string(), AGENT),
        };
        let signer = match places.choose(None, kept, true).await {
            Ok(Choice::The(signer)) => Ok(signer),
            Err(error) if from != AGENT => Err(error),
            Ok(Choice::Among(_)) | Err(_) => return None,
        };
        Some(Self { name, from, signer })
    }

    /// For people.
    fn said(&self) -> String {
        let why = match self.from {
            ENVIRONMENT => "which VOUCH_KEY_FILE names",
            CONFIG => "which the config names",
            _ => "the only key in ssh-agent that can, when run on a terminal",
        };
        match &self.signer {
            Ok(_) => format!("`vouch sign FILE` signs with {}, {why}", self.name),
            Err(error) => error.message.clone(),
        }
    }

    fn json(&self) -> Value {
        let signer = self.signer.as_ref();
        json!({
            // Not where it is a key itself.
            "key": signer.map_or_else(
                |error| error.kind != SigningErrorKind::KeyName, |_| true
            ).then_some(&self.name),
            "from": self.from,
            "account": signer.ok().map(|signer| signer.account().as_str()),
            "error": signer.err().map(error),
        })
    }
}

/// The key that was named, or the one that signs.
async fn find(key: Option<&str>) -> Result<Signer, Failure> {
    let kept = Kept::read_for(key).await?;
    let places = kept.places();
    // Nothing is signed: there is nobody to ask.
    match places.choose(key, kept.key.as_deref(), true).await? {
        Choice::The(signer) => Ok(signer),
        Choice::Among(_) => Err(Failure::new("there are several keys, and none was named")
            .help("`vouch keys list` shows them; name one: `vouch keys show KEY`.")),
    }
}

fn show_key(key: Option<&str>, signer: &Signer, screen: &mut Screen) -> io::Result<()> {
    let account = signer.account();
    // A seed has no comment, but a name.
    let comment = match (signer.comment(), key) {
        ("", Some(key)) if !key.contains(['/', ':']) => key,
        (comment, _) => comment,
    };
    let line = account.ssh_line(comment);
    if screen.is_json() {
        return screen.json(&json!({
            "label": signer.label(), "account": account.as_str(), "ssh": line,
        }));
    }
    screen.heading(true, "key", &signer.label())?;
    screen.line("account", account)?;
    screen.line("ssh", &line)?;
    screen.notice(&accepting("NAME", account))
}

/// What the config says of keys: its section [sign].
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// The key that signs where none is named.
    pub(crate) key: Option<String>,
    folders: Vec<PathBuf>,
}

impl Kept {
    /// Asks the service's program, which knows what a config may say.
    async fn read() -> Result<Self, Failure> {
        let mut editor = Editor::start(None, None)?;
        let answer = editor.ask(&json!({"sign": {}})).await?;
        let sign = &answer["sign"];
        let folders = sign["folders"].as_array().into_iter().flatten();
        let folders = folders.filter_map(Value::as_str);
        Ok(Self {
            key: sign["key"].as_str().map(ToOwned::to_owned),
            folders: folders.map(PathBuf::from).collect(),
        })
    }

    /// The same, where the key that is named, if one is, may depend on it.
    pub(crate) async fn read_for(named: Option<&str>) -> Result<Self, Failure> {
        let depends = match named {
            // It knows of further folders with keys that have a name.
            Some(key) => !key.contains('/') && !key.starts_with("ssh:"),
            None => Places::from_environment().key_file().is_none(),
        };
        if depends {
            Self::read().await
        } else {
            Ok(Self::default())
        }
    }

    /// Where keys are, with the folders that it names.
    pub(crate) fn places(&self) -> Places {
        Places::from_environment().folders(self.folders.iter().cloned())
    }
}
