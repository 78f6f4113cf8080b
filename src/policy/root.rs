//! `vouchd trust`, of roots: lists them, and puts the files of roots where the config finds them.
//!
//! A root that is added is copied to `roots/NAME.json` beside the config; one that is updated is
//! replaced where the config says that it lies. Nothing is asked of any network: who has a newer
//! root gives its file.

use super::{
    difference::difference,
    found::{Found, lock, make_folder, replace},
    talk::Talk,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    fs::{Metadata, metadata},
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};
use vouch_protocol::ErrorKind;
use vouchd::{
    error::{Error, Result},
    name::Digest,
    signature::{Anchors, Root},
    trust::{
        edit::Edit,
        read_root,
        roots::{self, Listed},
    },
};

/// Where roots lie that are added, beside the config.
const FOLDER: &str = "roots";

/// What to do.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Wanted {
    List {},
    /// A root that there is none of yet by that name.
    Add {
        name: String,
        file: PathBuf,
    },
    /// Another file for a root.
    Update {
        name: String,
        file: PathBuf,
    },
    Remove {
        name: String,
    },
}

pub(super) fn run(
    talk: &mut Talk<impl BufRead, impl Write>,
    config: &Path,
    wanted: Wanted,
) -> Result<()> {
    let (name, given) = match wanted {
        Wanted::List {} => return talk.say(&list(config)?),
        Wanted::Add { name, file } => {
            let file = read(&name, &file)?;
            (name, Given::New(file))
        }
        Wanted::Update { name, file } => {
            let file = read(&name, &file)?;
            (name, Given::Newer(file))
        }
        Wanted::Remove { name } => (name, Given::Nothing),
    };
    let mut found = Found::read(config)?;
    let mut plan = Plan::of(&found, &name, &given)?;
    loop {
        if !talk.agree_to(&plan.shown(&found), plan.changes_anything())? {
            return Ok(());
        }
        let _lock = lock(&found.target)?;
        found = Found::read(config)?;
        let now = Plan::of(&found, &name, &given)?;
        if now.shown(&found) != plan.shown(&found) {
            plan = now;
            continue;
        }
        let told = plan.carry_out(&found)?;
        talk.say(&told)?;
        if talk.hear()?.as_deref() == Some("\"undo\"") {
            plan.undo(&found)?;
            talk.say(&json!({"undone": true}))?;
        } else {
            plan.clear_away();
        }
        return Ok(());
    }
}

fn list(config: &Path) -> Result<Value> {
    let found = Found::read(config)?;
    let now = SystemTime::now();
    let roots = roots::roots(&found.config.trust);
    let roots: Vec<_> = roots.iter().map(|root| root.on_the_wire(now)).collect();
    Ok(json!({"roots": {"file": config, "roots": roots}}))
}

/// A file of a root that is given.
struct File {
    root: Root,
    bytes: Vec<u8>,
}

fn read(name: &str, file: &Path) -> Result<File> {
    roots::check_name(name).map_err(wrong)?;
    let (root, bytes) = read_root(name, file)?;
    Ok(File { root, bytes })
}

/// What is to stand by a name.
enum Given {
    New(File),
    Newer(File),
    Nothing,
}

impl Given {
    fn file(&self) -> Option<&File> {
        match self {
            Self::New(file) | Self::Newer(file) => Some(file),
            Self::Nothing => None,
        }
    }
}

/// What changes on the disk.
struct Plan<'a> {
    name: &'a str,
    /// The text of the config, where it changes.
    config: Option<String>,
    /// The root's file.
    file: PathBuf,
    /// Whether it was copied there.
    is_copy: bool,
    /// What it held, and what kind of file it was; nothing where there is none yet.
    old: Option<(Vec<u8>, Metadata)>,
    /// What it is to hold; nothing where it is not needed any more.
    new: Option<&'a [u8]>,
    /// What that changes of the root.
    lines: Vec<String>,
    warnings: Vec<String>,
    /// The root that counts by that name in the end.
    digest: Option<Digest>,
}

impl<'a> Plan<'a> {
    fn of(found: &Found, name: &'a str, given: &'a Given) -> Result<Self> {
        let known = roots::roots(&found.config.trust);
        let known = known.into_iter().find(|root| root.name == name);
        let edit = match (given, &known) {
            (Given::New(_), Some(known)) => return Err(there_already(known)),
            (Given::Newer(_) | Given::Nothing, None) => return Err(not_there(name, found)),
            (Given::Nothing, Some(Listed { path: None, .. })) => {
                let message = format!("the service brings along the root {name}");
                let help = "It counts for signers that name no root. To accept none of them, \
                            remove those signers: `vouch trust list` shows them.";
                return Err(wrong(message).help(help));
            }
            (Given::Nothing, Some(known)) => {
                still_named(known)?;
                Some(Edit::RemoveRoot {
                    name: name.to_owned(),
                })
            }
            (Given::Newer(_), Some(Listed { path: Some(_), .. })) => None,
            (Given::New(_) | Given::Newer(_), _) => Some(Edit::AddRoot {
                name: name.to_owned(),
                path: format!("{FOLDER}/{name}.json"),
            }),
        };
        let apply = |edit: Edit| edit.apply(&found.text, &found.config.plain_hosts());
        let config = edit.map(apply).transpose()?;
        let usual = usual(found, name);
        let file = known.as_ref().and_then(|known| known.path.clone());
        let file = file.unwrap_or_else(|| usual.clone());
        let is_copy = file == usual;
        let file = file.canonicalize().unwrap_or(file);
        let new = given.file();
        let before = known.as_ref().and_then(|known| known.root.as_deref().ok());
        // One that the service brings along is there again.
        let behind = match new {
            Some(new) => Some(&new.root),
            None => Anchors::brought_along(name).and_then(|root| root.ok().map(|root| &**root)),
        };
        let old = new.map(|_| there(&file)).transpose()?.flatten();
        if let (Some((bytes, _)), Some(new), Some(_)) = (&old, new, &config)
            && *bytes != new.bytes
        {
            let message = format!(
                "{} is there, and the config does not name it",
                file.display()
            );
            let help = "Move it away, and try again.";
            return Err(wrong(message).help(help));
        }
        Ok(Self {
            name,
            config,
            old,
            lines: roots::change(before, behind),
            warnings: behind.map_or_else(Vec::new, |root| roots::warnings(root, SystemTime::now())),
            digest: behind.map(Root::digest),
            is_copy,
            new: new.map(|new| &*new.bytes),
            file,
        })
    }

    fn shown(&self, found: &Found) -> Value {
        let lines = self.config.as_deref();
        let lines = lines.map_or_else(Vec::new, |new| difference(&found.text, new));
        json!({
            "file": found.file,
            "lines": lines,
            "root": {
                "name": self.name, "file": self.file, "lines": self.lines,
                "warnings": self.warnings,
            },
        })
    }

    fn changes_anything(&self) -> bool {
        self.config.is_some() || !self.lines.is_empty()
    }

    /// Puts the file where it belongs, then names it; answers what `vouch` waits for.
    fn carry_out(&self, found: &Found) -> Result<Value> {
        if let Some(new) = self.new {
            if let Some(folder) = self.file.parent() {
                make_folder(folder)?;
            }
            replace(&self.file, self.about(), Some(new))?;
        }
        let text = self.config.as_deref().unwrap_or(&found.text);
        let named = found.check(text).and_then(|()| match &self.config {
            Some(text) => found.replace(Some(text)),
            None => Ok(()),
        });
        if let Err(error) = named {
            self.put_back()?;
            return Err(error);
        }
        Ok(json!({
            "written": Digest::of(text.as_bytes()).to_string(),
            "root": {
                "name": self.name,
                "digest": self.digest.map(|digest| digest.to_string()),
            },
        }))
    }

    fn about(&self) -> Option<&Metadata> {
        self.old.as_ref().map(|(_, about)| about)
    }

    /// The file is again what it was.
    fn put_back(&self) -> Result<()> {
        if self.new.is_none() {
            return Ok(());
        }
        let old = self.old.as_ref().map(|(bytes, _)| &**bytes);
        replace(&self.file, self.about(), old)
    }

    fn undo(&self, found: &Found) -> Result<()> {
        if let Some(edited) = &self.config {
            let now = Found::read(&found.file)?;
            if now.text == *edited {
                now.replace(found.about.is_some().then_some(&*found.text))?;
            }
        }
        self.put_back()
    }

    /// A file that nobody names any more is removed, if it was a copy that was made here.
    fn clear_away(&self) {
        if self.new.is_none() && self.is_copy {
            // Where it stays, it does no harm.
            let _ = replace(&self.file, None, None);
        }
    }
}

/// Where a root lies that is added.
fn usual(found: &Found, name: &str) -> PathBuf {
    let folder = found.file.parent().unwrap_or(Path::new("/"));
    folder.join(FOLDER).join(format!("{name}.json"))
}

/// What a file holds now.
fn there(file: &Path) -> Result<Option<(Vec<u8>, Metadata)>> {
    let failed = |error| Error::at(file, "read", error);
    match metadata(file) {
        Ok(about) => {
            let source = vouchd::file::Source::open(file)?;
            let whole = source.whole(LARGEST)?;
            let whole = whole.ok_or_else(|| {
                wrong(format!("{} is too large for a root", file.display()))
                    .help("Move it away, and try again.")
            })?;
            Ok(Some((whole, about)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// The most bytes of a file that is replaced and could be put back.
const LARGEST: u64 = 16 << 20;

fn there_already(known: &Listed) -> Error {
    let name = &known.name;
    let whose = match &known.path {
        Some(path) => format!("in {}", path.display()),
        None => "which the service brings along".to_owned(),
    };
    wrong(format!("there is already a root {name}, {whose}")).help(format!(
        "`vouch trust root update {name} FILE` replaces its file."
    ))
}

fn not_there(name: &str, found: &Found) -> Error {
    let known = roots::roots(&found.config.trust);
    let known: Vec<_> = known.iter().map(|root| &*root.name).collect();
    wrong(format!("there is no root {name:?}")).help(format!(
        "The roots are {}. `vouch trust root add NAME FILE` adds one.",
        known.join(", ")
    ))
}

/// Fails where signers would be left without their root.
fn still_named(known: &Listed) -> Result<()> {
    let back = Anchors::brought_along(&known.name).is_some();
    if known.signers.is_empty() || back {
        return Ok(());
    }
    let (name, signers) = (&known.name, known.signers.join(", "));
    let first = known
        .signers
        .first()
        .map(String::as_str)
        .unwrap_or_default();
    Err(wrong(format!("signers name the root {name}: {signers}"))
        .help(format!("Remove them first: `vouch trust remove {first}`")))
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidParams, what)
}
