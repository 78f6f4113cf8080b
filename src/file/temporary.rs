//! Temporary names: what a file is called until it gets its own, where the file system has no files
//! without a name.

use rustix::{
    fs::{AtFlags, FlockOperation, Mode, OFlags},
    io::Errno,
};
use std::{
    ffi::OsString,
    fs::File,
    os::fd::{AsFd, OwnedFd},
};

const PREFIX: &[u8] = b".vouchd-";
const SUFFIX: &[u8] = b".part";
/// The most entries of a folder that are looked at for what a killed server left there.
const SWEEP: usize = 4096;

/// The mode of a file that has its name, less what the user's mask takes away.
pub(super) const NAMED: Mode = Mode::from_raw_mode(0o666);
/// The mode until then, so that nobody else reads what was not judged yet.
pub(super) const PRIVATE: Mode = Mode::from_raw_mode(0o600);

/// A locked, private file with a name that [`sweep`] knows, and the mode that it gets later.
pub(super) fn create(folder: &OwnedFd) -> Result<(File, OsString, Mode), Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for _ in 0..16 {
        let name = random_name()?;
        // Only a new file shows what the user's mask, or the folder's access list in its place,
        // makes of a mode. Nothing is ever written to this one.
        let probe = match rustix::fs::openat(folder, &name, flags, NAMED) {
            Err(Errno::EXIST) => continue,
            opened => opened?,
        };
        let mode = mode(&probe)?;
        match rustix::fs::unlinkat(folder, &name, AtFlags::empty()) {
            // Somebody's sweep was faster.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        let file = match rustix::fs::openat(folder, &name, flags, PRIVATE) {
            Err(Errno::EXIST) => continue,
            opened => File::from(opened?),
        };
        // A sweep may have locked and removed it in between: then it is nobody's, take another.
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
            && rustix::fs::fstat(&file)?.st_nlink > 0
        {
            return Ok((file, name, mode));
        }
    }
    Err(Errno::EXIST)
}

/// The mode of a file.
pub(super) fn mode(file: impl AsFd) -> Result<Mode, Errno> {
    Ok(Mode::from_raw_mode(rustix::fs::fstat(file)?.st_mode))
}

/// Changes the mode of a file. Where the file system gives all files one mode, this does nothing.
pub(super) fn set_mode(file: impl AsFd, wanted: Mode) -> Result<(), Errno> {
    if mode(&file)? == wanted {
        return Ok(());
    }
    rustix::fs::fchmod(file, wanted)
}

pub(super) fn random_name() -> Result<OsString, Errno> {
    use ring::rand::SecureRandom;
    let mut random = [0; 8];
    ring::rand::SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| Errno::IO)?;
    Ok(format!(".vouchd-{:016x}.part", u64::from_ne_bytes(random)).into())
}

/// Whether [`random_name`] made it: others' files may begin and end like ours.
pub(crate) fn is_temporary(name: &[u8]) -> bool {
    name.strip_prefix(PREFIX)
        .and_then(|name| name.strip_suffix(SUFFIX))
        .is_some_and(|random| {
            random.len() == 16
                && random
                    .iter()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
}

/// Removes what a killed server left in the folder: our names, our user's, locked by nobody.
pub(super) fn sweep(folder: &OwnedFd) {
    let Ok(entries) = rustix::fs::Dir::read_from(folder) else {
        return;
    };
    for entry in entries.take(SWEEP).flatten() {
        let name = entry.file_name().to_bytes();
        if !is_temporary(name) {
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(folder, entry.file_name(), flags, Mode::empty()) else {
            continue;
        };
        let ours = rustix::fs::fstat(&file)
            .is_ok_and(|stat| stat.st_uid == rustix::process::geteuid().as_raw());
        if ours && rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            tracing::debug!(name = %String::from_utf8_lossy(name), "removing what was left over");
            let _ = rustix::fs::unlinkat(folder, entry.file_name(), AtFlags::empty());
        }
    }
}
