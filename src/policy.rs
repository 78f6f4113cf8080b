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
use serde_json::{Value, json};
use std::{
    io::{self, BufRead, Write},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};
use talk::Talk;
use vouch_protocol::ErrorKind;
use vouchd::{
    config::keep_key,
    error::{Error, Result},
    name::Digest,
    trust::{
        Pin, Pins, Signer, WrittenSigner,
        edit::{self, Edit},
    },
};

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
        Wanted::Root(wanted) => return root::run(talk, file, wanted),
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
