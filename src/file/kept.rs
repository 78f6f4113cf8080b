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
                "Its owner can sign it in place; you can write the signed artifact to another file: `vouch sign -o`.",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{Destination, Unnamed};
    use std::{
        fs::{self, Permissions},
        io::Write,
        os::unix::fs::{PermissionsExt, chown, symlink},
        path::{Path, PathBuf},
    };
    use tempfile::TempDir;

    struct Scene {
        folder: TempDir,
        path: PathBuf,
        old: Source,
        new: Unnamed<()>,
    }

    impl Scene {
        fn new(prepare: impl FnOnce(&Path)) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("echo.wasm");
            fs::write(&path, b"old").unwrap();
            prepare(&path);
            let old = Source::open(&path).unwrap();
            let mut new = Destination::at(&path).unwrap().create().unwrap();
            new.write_all(b"new").unwrap();
            Self {
                folder,
                path,
                old,
                new,
            }
        }

        fn replaced(self) -> (TempDir, PathBuf) {
            let path = self.new.replace(&self.old, || Ok(())).unwrap();
            assert_eq!(path, self.path);
            assert_eq!(fs::read(&path).unwrap(), b"new");
            (self.folder, path)
        }
    }

    fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    #[test]
    fn mode_and_owner_stay() {
        for mode in [0o600, 0o640, 0o755, 0o666, 0o4711] {
            let scene = Scene::new(|path| {
                if is_root() {
                    chown(path, Some(1234), Some(5678)).unwrap();
                }
                fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            });
            let owner = |path: &Path| {
                let found = fs::metadata(path).unwrap();
                (found.uid(), found.gid(), found.mode() & 0o7777)
            };
            let before = owner(&scene.path);
            let (_folder, path) = scene.replaced();
            assert_eq!(owner(&path), before);
            assert_eq!(before.2, mode);
        }
    }

    /// An access list as Linux keeps it: for its owner, user 1234, group, mask and others.
    fn access_list(permissions: [u16; 5]) -> Vec<u8> {
        let mut list = 2_u32.to_le_bytes().to_vec();
        let tags = [
            (1, u32::MAX),
            (2, 1234),
            (4, u32::MAX),
            (0x10, u32::MAX),
            (0x20, u32::MAX),
        ];
        for ((tag, id), permission) in tags.into_iter().zip(permissions) {
            list.extend(u16::to_le_bytes(tag));
            list.extend(permission.to_le_bytes());
            list.extend(u32::to_le_bytes(id));
        }
        list
    }

    fn set(path: &Path, name: &str, value: &[u8]) -> bool {
        match rustix::fs::setxattr(path, name, value, XattrFlags::empty()) {
            // There are file systems without.
            Err(Errno::OPNOTSUPP) => false,
            done => done.map(|()| true).unwrap(),
        }
    }

    fn found(path: &Path) -> Vec<(CString, Vec<u8>)> {
        let file = File::open(path).unwrap();
        let names = names(&file).unwrap().into_iter();
        names
            .map(|name| {
                let value = value(&file, &name).unwrap();
                (name, value)
            })
            .collect()
    }

    #[test]
    fn attributes_and_access_lists_stay_and_none_comes_from_the_folder() {
        const ACCESS: &str = "system.posix_acl_access";
        let default = |path: &Path| {
            let folder = path.parent().unwrap();
            set(
                folder,
                "system.posix_acl_default",
                &access_list([7, 7, 7, 7, 0]),
            )
        };
        let mut tried = false;
        let scene = Scene::new(|path| {
            tried = set(path, "user.origin", b"https://example.org\0\xff")
                && set(path, "user.empty", b"")
                && set(path, ACCESS, &access_list([6, 4, 0, 4, 0]))
                && default(path);
        });
        if tried {
            let before = (
                found(&scene.path),
                fs::metadata(&scene.path).unwrap().mode(),
            );
            assert_eq!(before.0.len(), 3);
            let (_folder, path) = scene.replaced();
            assert_eq!(found(&path), before.0);
            assert_eq!(fs::metadata(&path).unwrap().mode(), before.1);
        }
        let scene = Scene::new(|path| tried = default(path));
        if tried {
            let (_folder, path) = scene.replaced();
            assert_eq!(found(&path), []);
        }
    }

    #[test]
    fn other_names_keep_the_old_bytes() {
        let scene = Scene::new(|path| {
            fs::hard_link(path, path.with_extension("other")).unwrap();
        });
        let (_folder, path) = scene.replaced();
        assert_eq!(fs::read(path.with_extension("other")).unwrap(), b"old");
    }

    #[test]
    fn what_changed_in_between_stays_as_it_is() {
        let check = |reason: &str, change: &dyn Fn(&Path)| {
            let scene = Scene::new(|_| ());
            let (path, folder) = (scene.path.clone(), scene.folder);
            // The clock of files goes in steps.
            std::thread::sleep(std::time::Duration::from_millis(20));
            let state = |path: &Path| (fs::read(path).ok(), fs::read_link(path).ok());
            let mut left = None;
            let meanwhile = || {
                change(&path);
                left = Some(state(&path));
                Ok(())
            };
            let error = scene.new.replace(&scene.old, meanwhile).expect_err(reason);
            assert_eq!(
                error.kind(),
                ErrorKind::ContentModified,
                "{reason}: {error}"
            );
            assert_eq!(left, Some(state(&path)), "{reason}");
            let names = fs::read_dir(folder.path()).unwrap();
            let names = names.filter(|entry| {
                let name = entry.as_ref().unwrap().file_name();
                name.to_string_lossy().starts_with(".vouchd")
            });
            assert_eq!(names.count(), 0, "{reason}");
        };
        check("written into", &|path| fs::write(path, b"odd").unwrap());
        check("appended to", &|path| {
            let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
            file.write_all(b"er").unwrap();
        });
        check("replaced by an equal one", &|path| {
            fs::write(path.with_extension("new"), b"old").unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        });
        check("moved, and a link to it left", &|path| {
            fs::rename(path, path.with_extension("moved")).unwrap();
            symlink(path.with_extension("moved"), path).unwrap();
        });
        check("removed", &|path| fs::remove_file(path).unwrap());
        check("a folder", &|path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        });
        check("another mode", &|path| {
            fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        });
    }

    #[test]
    fn what_is_read_only_is_so_for_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it's.wasm");
        fs::write(&path, b"").unwrap();
        let check = |mode: u32| {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            Source::open(&path).unwrap().check_writable()
        };
        check(0o644).unwrap();
        for mode in [0o444, 0o555, 0o400] {
            let error = check(mode).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            let help = error.data().help.unwrap();
            assert!(help.contains("`chmod u+w '"), "{help}");
        }
    }
}
