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
//! or `error` at any point, which ends it. Of a root, `changes` tells of its file too, and `written`
//! comes with the digest of the root that counts by its name from then on. From the writing to the
//! end, the config's folder is locked, so that changes come one after the other. Pins count as soon as
//! they are written.

mod difference;
mod found;
mod root;
mod talk;

use difference::difference;
use found::{Change, Found, lock};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{
    io::{self, BufRead, Write},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};
use talk::Talk;
use vouch_protocol::ErrorKind;
use vouchd::{
    config::{Config, keep_key},
    error::{Error, Result},
    name::Digest,
    trust::{
        Pin, Pins, Signer, WrittenSigner,
        edit::{self, Edit, effect::check_remembered},
    },
};

/// What to do.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Wanted {
    List {},
    Add {
        name: String,
        /// As the config writes it, each key with the value of the option that has its name; nothing
        /// for a name that is known.
        signer: Option<Map<String, Value>>,
        revoked: bool,
        scopes: Vec<String>,
    },
    Remove {
        /// Nothing, where rules are to go.
        name: Option<String>,
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
    /// List or change the roots.
    Root(root::Wanted),
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
        Err(Failed { error, of_usage }) => {
            talk.say(&json!({"error": {
                "message": error.to_string(), "help": error.data().help, "usage": of_usage,
            }}))?;
            Ok(1)
        }
    }
}

/// Why nothing was done.
struct Failed {
    error: Error,
    /// Whether it is about what was typed.
    of_usage: bool,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let of_usage = false;
        Self { error, of_usage }
    }
}

impl Failed {
    /// About the value of an option.
    fn value(option: &str, why: &str) -> Self {
        Self::usage(format!("invalid value for `--{option}`: {why}"))
    }

    fn usage(what: impl Into<String>) -> Self {
        Self {
            error: Error::new(ErrorKind::InvalidParams, what),
            of_usage: true,
        }
    }
}

fn serve(
    talk: &mut Talk<impl BufRead, impl Write>,
    file: &Path,
    pins: Option<&Path>,
) -> Result<(), Failed> {
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
            return Ok(talk.say(&json!({"sign": {
                "file": file, "key": sign.key, "folders": sign.folders,
            }}))?);
        }
        Wanted::Keep { key } => {
            let nothing = &|_: &Config| Ok(Vec::new());
            return Ok(change(
                talk,
                file,
                &|text, _| keep_key(text, &key),
                nothing,
            )?);
        }
        Wanted::Root(wanted) => return Ok(root::run(talk, file, wanted)?),
        Wanted::List {} => return Ok(talk.say(&json!({"list": list(file, &store)?}))?),
        Wanted::Accept { repository, signer } => {
            let config = Found::read(file)?.config;
            let plain = config.plain_hosts();
            check_remembered(&repository, &signer, &config.trust, &plain)?;
            let repository = edit::repository(&repository, &plain)?;
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
                return Err(error.help("`vouch trust list` shows all.").into());
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
            let signer = signer.map(|options| read_signer(options, revoked));
            check_scopes(&scopes, file)?;
            Edit::Add {
                name,
                signer: signer.transpose()?,
                revoked,
                scopes,
            }
        }
        Wanted::Remove { name, scopes } => {
            check_scopes(&scopes, file)?;
            match name {
                Some(name) => Edit::Remove { name, scopes },
                None => Edit::RemoveRules { scopes },
            }
        }
    };
    let apply = &|text: &str, config: &Config| edit.apply(text, &config.plain_hosts());
    let warn = &|config: &Config| edit.warnings(&config.trust, &config.plain_hosts());
    Ok(change(talk, file, apply, warn)?)
}

/// The signer that options tell of.
fn read_signer(options: Map<String, Value>, revoked: bool) -> Result<Signer, Failed> {
    // One by one first, so that what is wrong with a value names its option.
    for (option, value) in &options {
        let one = Map::from_iter([(option.clone(), value.clone())]);
        let read = serde_json::from_value::<WrittenSigner>(Value::Object(one));
        read.map_err(|error| Failed::value(option, &error.to_string()))?;
    }
    let written = serde_json::from_value(Value::Object(options));
    let written: WrittenSigner = written.map_err(|error| Failed::usage(error.to_string()))?;
    Signer::try_from(WrittenSigner { revoked, ..written }).map_err(Failed::usage)
}

fn check_scopes(scopes: &[String], file: &Path) -> Result<(), Failed> {
    let plain = Found::read(file)?.config.plain_hosts();
    for scope in scopes {
        let checked = edit::check_scope(scope, &plain);
        checked.map_err(|error| Failed::value("scope", error.message()))?;
    }
    Ok(())
}

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
fn change(
    talk: &mut Talk<impl BufRead, impl Write>,
    file: &Path,
    edit: Change<'_>,
    warn: &dyn Fn(&Config) -> Result<Vec<String>>,
) -> Result<()> {
    let mut shown = Found::read(file)?;
    loop {
        let edited = shown.edited(edit)?;
        let changes = difference(&shown.text, &edited);
        let mut told = json!({"file": file, "lines": changes});
        if !changes.is_empty() {
            told["warnings"] = warn(&shown.config)?.into();
        }
        if !talk.agree_to(&told, !changes.is_empty())? {
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
