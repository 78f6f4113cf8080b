//! The config as it is, and what takes its place.

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use std::{
    fs::{DirBuilder, File, Metadata, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use vouch_protocol::ErrorKind;
use vouchd::{
    config::{Config, Problem},
    error::{Error, Result},
};

/// How long to wait for another process that changes the same file.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a change makes of the text of a config, which is this one.
pub(super) type Change<'a> = &'a dyn Fn(&str, &Config) -> Result<String>;

/// A config file as it was read.
pub(super) struct Found {
    pub(super) file: PathBuf,
    /// Where it lies once links are resolved.
    pub(super) target: PathBuf,
    pub(super) text: String,
    /// Nothing, where there is no file yet.
    pub(super) about: Option<Metadata>,
    pub(super) config: Config,
}

impl Found {
    pub(super) fn read(file: &Path) -> Result<Self> {
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
    pub(super) fn edited(&self, edit: Change<'_>) -> Result<String> {
        let edited = edit(&self.text, &self.config)?;
        self.check(&edited)?;
        Ok(edited)
    }

    /// Fails unless this would be a config whose policy can be used.
    pub(super) fn check(&self, text: &str) -> Result<()> {
        let checked = Config::check(text, &self.file, self.about.as_ref());
        checked.map(drop).map_err(unfit)
    }

    /// Replaces it, or removes it; the old one or the new one is there at any moment.
    pub(super) fn replace(&self, text: Option<&str>) -> Result<()> {
        replace(&self.target, self.about.as_ref(), text.map(str::as_bytes))
    }
}

/// Replaces a file, which keeps its owner and mode, or removes it.
pub(super) fn replace(target: &Path, about: Option<&Metadata>, text: Option<&[u8]>) -> Result<()> {
    let failed = |error| Error::at(target, "write", error);
    let folder = target.parent().unwrap_or(Path::new("/"));
    let Some(text) = text else {
        return std::fs::remove_file(target).map_err(failed);
    };
    let mut new = tempfile::Builder::new()
        .prefix(".config.")
        .tempfile_in(folder)
        .map_err(failed)?;
    if let Some(about) = about {
        let made = new.as_file().metadata().map_err(failed)?;
        if (made.uid(), made.gid()) != (about.uid(), about.gid()) {
            fchown(new.as_file(), Some(about.uid()), Some(about.gid())).map_err(failed)?;
        }
        let mode = Permissions::from_mode(about.mode() & 0o7777);
        new.as_file().set_permissions(mode).map_err(failed)?;
    }
    new.write_all(text).map_err(failed)?;
    new.as_file().sync_all().map_err(failed)?;
    new.persist(target).map_err(|error| failed(error.error))?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
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
pub(super) fn lock(target: &Path) -> Result<File> {
    let folder = target.parent().unwrap_or(Path::new("/"));
    let failed = |error| Error::at(folder, "lock", error);
    make_folder(folder)?;
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

/// Makes a folder that is missing, and those above it.
pub(super) fn make_folder(folder: &Path) -> Result<()> {
    let mut make = DirBuilder::new();
    let made = make.recursive(true).mode(0o700).create(folder);
    made.map_err(|error| Error::at(folder, "make", error))
}
