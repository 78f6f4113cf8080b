//! What a file keeps when another takes its place: mode, owner and extended attributes, among them
//! access lists.

use super::{source::Source, temporary::set_mode};
use crate::error::{Error, Result, error, quoted};
use rustix::{
    fs::{
        Access, AtFlags, CWD, Gid, Mode, Uid, XattrFlags, fchown, fgetxattr, flistxattr,
        fremovexattr, fsetxattr,
    },
    io::Errno,
};
use std::{
    collections::BTreeSet,
    ffi::{CStr, CString},
    fs::File,
    os::unix::fs::MetadataExt,
};
use vouch_protocol::ErrorKind;

/// The most that Linux keeps of names, and of one value: xattr(7).
const LONGEST: usize = 64 << 10;
/// What the kernel makes of a file's content, and makes anew.
const OF_CONTENT: [&CStr; 2] = [c"security.ima", c"security.evm"];

impl Source {
    /// Fails where whoever runs the service could not write into the file: who may replace a name
    /// in a folder may do that to read-only files too, which are so for a reason.
    pub fn check_writable(&self) -> Result<()> {
        let path = self.path();
        let refused = |message: String| {
            let help = format!("Make it writable first: `chmod u+w {}`.", quoted(path));
            Err(error!(PermissionDenied: "{message}").help(help))
        };
        let metadata = self.metadata();
        let mode = metadata.map_err(|error| Error::at(path, "look at", error))?;
        if mode.mode() & 0o222 == 0 {
            return refused(format!("{} is read-only", path.display()));
        }
        match rustix::fs::accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS) {
            Err(Errno::ACCESS) => refused(format!(
                "{} cannot be written by the user who started the service",
                path.display()
            )),
            // An old kernel does not say; the folder will.
            Ok(()) | Err(Errno::NOSYS | Errno::INVAL) => Ok(()),
            Err(error) => Err(Error::at(path, "write", error.into())),
        }
    }
}

/// Gives a file what another one has, and answers its mode, which the caller sets with the name.
pub(super) fn keep(old: &Source, new: &File) -> Result<Mode> {
    let path = old.path();
    let lost = |what: &str, error: Errno| {
        let error = Error::at(path, &format!("keep {what} of"), error.into());
        match error.kind() {
            ErrorKind::PermissionDenied => error.help(
                "Its owner can sign it in place; you can write the signed one to another `destination`: `vouch sign -o`.",
            ),
            _ => error,
        }
    };
    let metadata = |file: &File| {
        let found = file.metadata();
        found.map_err(|error| Error::at(path, "look at", error))
    };
    let (from, to) = (metadata(old.file())?, metadata(new)?);
    if (from.uid(), from.gid()) != (to.uid(), to.gid()) {
        let owner = (from.uid() != to.uid()).then(|| Uid::from_raw(from.uid()));
        let group = (from.gid() != to.gid()).then(|| Gid::from_raw(from.gid()));
        fchown(new, owner, group).map_err(|error| lost("the owner", error))?;
    }
    attributes(old.file(), new).map_err(|(name, error)| {
        lost(&format!("the attribute {}", name.to_string_lossy()), error)
    })?;
    let mode = Mode::from_raw_mode(from.mode() & 0o7777);
    // It is private until it has its name; but whether its mode can be set is seen here.
    set_mode(new, mode).map_err(|error| lost("the mode", error))?;
    Ok(mode)
}

/// Copies extended attributes, and removes what the new file has of its folder alone.
fn attributes(old: &File, new: &File) -> Result<(), (CString, Errno)> {
    let (kept, own) = (names(old)?, names(new)?);
    for name in own.difference(&kept) {
        fremovexattr(new, name).map_err(|error| (name.clone(), error))?;
    }
    for name in &kept {
        let failed = |error| (name.clone(), error);
        let wanted = value(old, name).map_err(failed)?;
        if value(new, name).ok().as_ref() != Some(&wanted) {
            fsetxattr(new, name, &wanted, XattrFlags::empty()).map_err(failed)?;
        }
    }
    Ok(())
}

fn names(file: &File) -> Result<BTreeSet<CString>, (CString, Errno)> {
    let mut list = Vec::with_capacity(LONGEST);
    match flistxattr(file, rustix::buffer::spare_capacity(&mut list)) {
        Ok(_) => {}
        // The file system has none.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(BTreeSet::new()),
        Err(error) => return Err((CString::default(), error)),
    }
    let names = list.split_inclusive(|byte| *byte == 0);
    let names = names.filter_map(|name| CStr::from_bytes_with_nul(name).ok());
    let names = names.filter(|name| !OF_CONTENT.contains(name));
    Ok(names.map(ToOwned::to_owned).collect())
}

fn value(file: &File, name: &CStr) -> Result<Vec<u8>, Errno> {
    let mut value = Vec::with_capacity(LONGEST);
    fgetxattr(file, name, rustix::buffer::spare_capacity(&mut value))?;
    Ok(value)
}
