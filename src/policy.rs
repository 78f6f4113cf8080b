//! `vouchd trust`: changes the owner's policy and the pins, for `vouch trust`; and reads and keeps
//! the key that signs, for `vouch sign`.
//!
//! It stands here and not in `vouch`, because a change is tried by the code that will read it before
//! it is written. The service itself has no part in it: no method of the protocol changes trust.
//! `vouch` asks the service which files it reads, asks the person, and lets the service read the
//! config again; what happens to files happens here. The two talk in lines of JSON on standard
//! input and output:
//!
//! | `vouch` | `vouchd trust` |
//! |---|---|
//! | what to do | `changes`: the file, and its lines that would change |
//! | `"write"` | `written`: the digest of the new config; or `changes` again, if somebody else changed the file meanwhile |
//! | `"keep"`, or `"undo"` if the service refused it | |
//!
//! or `error` at any point, which ends it. From the writing to the end, the config's folder is
//! locked, so that changes come one after the other. Pins count as soon as they are written.

mod difference;

use difference::difference;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    fs::{DirBuilder, File, Metadata, Permissions},
    io::{self, BufRead, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use vouch_protocol::ErrorKind;
use vouchd::{
    config::{Config, Problem, keep_key},
    error::{Error, Result},
    name::Digest,
    trust::{
        Pin, Pins, Signer, WrittenSigner,
        edit::{self, Edit},
    },
};

/// The longest line that is read, in bytes: a key and some scopes.
const LONGEST_LINE: u64 = 64 << 10;
/// How long to wait for another process that changes the same file.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to do.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Wanted {
    List {},
    Add {
        name: String,
        /// As the config writes it; nothing for a name that is known.
        signer: Option<Box<WrittenSigner>>,
        revoked: bool,
        scopes: Vec<String>,
    },
    Remove {
        name: String,
        scopes: Vec<String>,
    },
    Accept {
        repository: String,
        signer: String,
    },
    Forget {
        repository: String,
        signer: Option<String>,
    },
    /// Tell the section `[sign]`.
    Sign {},
    /// Keep a key there.
    Keep {
        key: String,
    },
}

/// Does what is asked on standard input. `file` is the config, which need not exist; `pins` the
/// file of pins.
pub(crate) fn run(file: &Path, pins: Option<&Path>) -> Result<u8> {
    let mut talk = Talk {
        from: io::stdin().lock(),
        to: io::stdout().lock(),
    };
    match serve(&mut talk, file, pins) {
        Ok(()) => Ok(0),
        Err(error) => {
            talk.say(&json!({"error": {"message": error.to_string(), "help": error.data().help}}))?;
            Ok(1)
        }
    }
}

fn serve(
    talk: &mut Talk<impl BufRead, impl Write>,
    file: &Path,
    pins: Option<&Path>,
) -> Result<()> {
    let line = talk.hear()?.unwrap_or_default();
    let wanted = serde_json::from_str(&line).map_err(|error| {
        let message = format!("what to do cannot be read: {error}");
        Error::new(ErrorKind::InvalidParams, message)
            .help("`vouch trust` changes the policy; this command is for it alone.")
    })?;
    let store = pins.and_then(Path::parent);
    let store = store.map_or_else(Pins::nowhere, |folder| Pins::new(folder.to_owned()));
    let edit = match wanted {
        Wanted::Sign {} => {
            let sign = Found::read(file)?.config.sign;
            return talk.say(&json!({"sign": {
                "file": file, "key": sign.key, "folders": sign.folders,
            }}));
        }
        Wanted::Keep { key } => {
            return change(talk, file, &|text, _| keep_key(text, &key));
        }
        Wanted::List {} => return talk.say(&json!({"list": list(file, &store)?})),
        Wanted::Accept { repository, signer } => {
            let config = Found::read(file)?.config;
            let repository = edit::repository(&repository, &config.plain_hosts())?;
            let signer = edit::signer_id(&signer, &config.trust)?;
            let of = pinned(&store, &repository)?;
            let known = of.iter().any(|pin| pin.signer == signer);
            let line = (!known).then(|| format!("+{repository} {signer}"));
            if talk.agree(pins, line.as_slice())? {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                store.accept(&repository, &signer, now.map_or(0, |now| now.as_secs()))?;
                talk.say(&json!({"written": null}))?;
            }
            return Ok(());
        }
        Wanted::Forget { repository, signer } => {
            let config = Found::read(file)?.config;
            let repository = edit::repository(&repository, &config.plain_hosts())?;
            let signer = signer.map(|signer| edit::signer_id(&signer, &config.trust));
            let signer = signer.transpose()?;
            let mut of = pinned(&store, &repository)?;
            of.retain(|pin| signer.as_ref().is_none_or(|signer| pin.signer == *signer));
            if of.is_empty() {
                let message = match &signer {
                    Some(signer) => format!("{repository} has no remembered signer {signer}"),
                    None => format!("{repository} has no remembered signer"),
                };
                let error = Error::new(ErrorKind::InvalidParams, message);
                return Err(error.help("`vouch trust list` shows all."));
            }
            let lines = of.iter().map(|pin| format!("-{repository} {}", pin.signer));
            let lines: Vec<_> = lines.collect();
            if talk.agree(pins, &lines)? {
                store.forget(&repository, signer.as_deref())?;
                talk.say(&json!({"written": null}))?;
            }
            return Ok(());
        }
        Wanted::Add {
            name,
            signer,
            revoked,
            scopes,
        } => {
            let signer = signer.map(|written| {
                Signer::try_from(WrittenSigner {
                    revoked,
                    ..*written
                })
            });
            let wrong = |what| Error::new(ErrorKind::InvalidParams, what);
            let signer = signer.transpose().map_err(wrong)?;
            Edit::Add {
                name,
                signer,
                revoked,
                scopes,
            }
        }
        Wanted::Remove { name, scopes } => Edit::Remove { name, scopes },
    };
    change(talk, file, &|text, config| {
        edit.apply(text, &config.plain_hosts())
    })
}

/// What a change makes of the text of a config, which is this one.
type Change<'a> = &'a dyn Fn(&str, &Config) -> Result<String>;

fn pinned(store: &Pins, repository: &str) -> Result<Vec<Pin>> {
    let mut pins = store.all()?;
    pins.retain(|pin| pin.repository == repository);
    Ok(pins)
}

/// The policy of the file, and the pins.
fn list(file: &Path, store: &Pins) -> Result<Value> {
    let text = Found::read(file)?;
    let problems = text.config.problems();
    let problem = problems.first().map(ToString::to_string);
    let signers = text.config.trust.signer.iter().map(|(name, signer)| {
        json!({
            "name": name,
            "account": signer.account(),
            "described": signer.described(),
            "revoked": signer.revoked,
        })
    });
    let pins = store.all()?;
    let pins = pins
        .iter()
        .map(|pin| json!({"repository": pin.repository, "signer": pin.signer, "since": pin.since}));
    Ok(json!({
        "file": file,
        "digest": text.config.digest.map(|digest| digest.to_string()),
        "error": problem,
        "default": text.config.trust.default,
        "signers": signers.collect::<Vec<_>>(),
        "rules": text.config.trust.rule,
        "pins": pins.collect::<Vec<_>>(),
    }))
}

/// Changes the config, if that is agreed to.
fn change(talk: &mut Talk<impl BufRead, impl Write>, file: &Path, edit: Change<'_>) -> Result<()> {
    let mut shown = Found::read(file)?;
    loop {
        let edited = shown.edited(edit)?;
        let changes = difference(&shown.text, &edited);
        if !talk.agree(Some(file), &changes)? {
            return Ok(());
        }
        let _lock = lock(&shown.target)?;
        let old = Found::read(file)?;
        let edited = old.edited(edit)?;
        if difference(&old.text, &edited) != changes {
            shown = old;
            continue;
        }
        old.replace(Some(&edited))?;
        talk.say(&json!({"written": Digest::of(edited.as_bytes()).to_string()}))?;
        if talk.hear()?.as_deref() == Some("\"undo\"") {
            let now = Found::read(file)?;
            if now.text == edited {
                now.replace(old.about.is_some().then_some(&*old.text))?;
            }
            talk.say(&json!({"undone": true}))?;
        }
        return Ok(());
    }
}

/// A config file as it was read.
struct Found {
    file: PathBuf,
    /// Where it lies once links are resolved.
    target: PathBuf,
    text: String,
    /// Nothing, where there is no file yet.
    about: Option<Metadata>,
    config: Config,
}

impl Found {
    fn read(file: &Path) -> Result<Self> {
        let failed = |error| Error::at(file, "read", error);
        if let Err(error) = file.symlink_metadata()
            && error.kind() == io::ErrorKind::NotFound
        {
            return Ok(Self {
                file: file.to_owned(),
                target: file.to_owned(),
                text: String::new(),
                about: None,
                config: Config::default(),
            });
        }
        let config = Config::load(Some(file))?;
        let target = file.canonicalize().map_err(failed)?;
        let opened = File::open(&target).map_err(failed)?;
        let about = opened.metadata().map_err(failed)?;
        let mut text = String::new();
        opened
            .take(1 << 20)
            .read_to_string(&mut text)
            .map_err(failed)?;
        Ok(Self {
            file: file.to_owned(),
            target,
            text,
            about: Some(about),
            config,
        })
    }

    /// Its text after a change, which is a config whose policy can be used.
    fn edited(&self, edit: Change<'_>) -> Result<String> {
        let edited = edit(&self.text, &self.config)?;
        match Config::check(&edited, &self.file, self.about.as_ref()) {
            Ok(_) => Ok(edited),
            Err(problems) => Err(unfit(problems)),
        }
    }

    /// Replaces it, or removes it; the old one or the new one is there at any moment.
    fn replace(&self, text: Option<&str>) -> Result<()> {
        let failed = |error| Error::at(&self.target, "write", error);
        let folder = self.target.parent().unwrap_or(Path::new("/"));
        let Some(text) = text else {
            return std::fs::remove_file(&self.target).map_err(failed);
        };
        let mut new = tempfile::Builder::new()
            .prefix(".config.")
            .tempfile_in(folder)
            .map_err(failed)?;
        if let Some(about) = &self.about {
            let made = new.as_file().metadata().map_err(failed)?;
            if (made.uid(), made.gid()) != (about.uid(), about.gid()) {
                fchown(new.as_file(), Some(about.uid()), Some(about.gid())).map_err(failed)?;
            }
            let mode = Permissions::from_mode(about.mode() & 0o7777);
            new.as_file().set_permissions(mode).map_err(failed)?;
        }
        new.write_all(text.as_bytes()).map_err(failed)?;
        new.as_file().sync_all().map_err(failed)?;
        new.persist(&self.target)
            .map_err(|error| failed(error.error))?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed)
    }
}

/// Why a change is not made.
fn unfit(problems: Vec<Problem>) -> Error {
    let mut problems = problems.into_iter();
    let Some(first) = problems.next() else {
        return Error::new(ErrorKind::Internal, "a config was refused without a reason");
    };
    let message = format!("the config could not be used after that: {first}");
    let error = Error::new(ErrorKind::InvalidParams, message);
    match first.help {
        Some(help) => error.help(help),
        None => error.help("`vouchd config check` shows what is wrong now."),
    }
}

/// Keeps others from changing the files of a folder, which is made if it is missing.
fn lock(target: &Path) -> Result<File> {
    let folder = target.parent().unwrap_or(Path::new("/"));
    let failed = |error| Error::at(folder, "lock", error);
    let mut make = DirBuilder::new();
    make.recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    let lock = File::open(folder).map_err(failed)?;
    let begun = Instant::now();
    while let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        if !matches!(error, Errno::WOULDBLOCK | Errno::INTR) {
            return Err(failed(error.into()));
        }
        if begun.elapsed() > PATIENCE {
            let message = format!("another process has locked {} too long", folder.display());
            return Err(Error::new(ErrorKind::Busy, message).help("Try again."));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(lock)
}

/// The talk with `vouch`.
struct Talk<R, W> {
    from: R,
    to: W,
}

impl<R: BufRead, W: Write> Talk<R, W> {
    fn say(&mut self, line: &Value) -> Result<()> {
        let said = writeln!(self.to, "{line}").and_then(|()| self.to.flush());
        said.map_err(|error| Error::at(Path::new("standard output"), "write to", error))
    }

    /// The next line; nothing at the end.
    fn hear(&mut self) -> Result<Option<String>> {
        let mut line = String::new();
        let heard = (&mut self.from).take(LONGEST_LINE).read_line(&mut line);
        heard.map_err(|error| Error::at(Path::new("standard input"), "read", error))?;
        Ok(Some(line.trim_end().to_owned()).filter(|line| !line.is_empty()))
    }

    /// Tells what would change, and answers whether to go on.
    fn agree(&mut self, file: Option<&Path>, lines: &[String]) -> Result<bool> {
        self.say(&json!({"changes": {"file": file, "lines": lines}}))?;
        Ok(!lines.is_empty() && self.hear()?.as_deref() == Some("\"write\""))
    }
}
