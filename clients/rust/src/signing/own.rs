//! Making keys of one's own: an account's seed in a file of its own, for who has no agent.

use super::{
    error::{Result, SigningError, SigningErrorKind},
    file::KeyFile,
    name, nkey,
};
use ed25519_dalek::SigningKey;
use std::{
    fs::{DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The file of a key in a folder.
pub(super) fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.nk"))
}

/// Makes a key. What is there already is never replaced, and nobody ever sees half a file.
pub(super) fn make(folder: &Path, name: &str) -> Result<KeyFile> {
    name::own(name)?;
    let path = file(folder, name);
    let failed = |error: io::Error| {
        let message = format!("cannot write {}: {error}", path.display());
        SigningError::new(SigningErrorKind::File, message)
    };
    let mut maker = DirBuilder::new();
    maker
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    let mode = folder.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let message = format!("others can enter {} (mode {mode:03o})", folder.display());
        return Err(
            SigningError::new(SigningErrorKind::FileOpenToOthers, message)
                .help(format!("`chmod 700 {}`", folder.display())),
        );
    }
    let exists = || {
        let message = format!("there is already a key {name:?}: {}", path.display());
        SigningError::new(SigningErrorKind::FileExists, message)
            .help("Choose another name. `vouch keys list` shows the names that are taken.")
    };
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(|error| failed(io::Error::other(error.to_string())))?;
    let text = nkey::account_seed(&SigningKey::from_bytes(&seed));
    // Nobody else can read it: 0600.
    let mut new = tempfile::Builder::new()
        .prefix(".new.")
        .tempfile_in(folder)
        .map_err(failed)?;
    // Without a line break: other tools take the file for the seed as it is.
    new.write_all(text.as_bytes()).map_err(failed)?;
    new.as_file().sync_all().map_err(failed)?;
    new.persist_noclobber(&path)
        .map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => exists(),
            _ => failed(error.error),
        })?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    KeyFile::open(&path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::TempDir;

    #[test]
    fn a_key_is_made_once() {
        let home = TempDir::new().unwrap();
        let folder = home.path().join("data/vouchd/keys");
        let made = make(&folder, "acme").unwrap();
        let path = folder.join("acme.nk");
        assert_eq!(made.path(), path);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&path)), (0o700, 0o600));
        let seed = fs::read_to_string(&path).unwrap();
        let pair = nkeys::KeyPair::from_seed(&seed).unwrap();
        assert_eq!(pair.public_key(), made.account().as_str());
        let error = make(&folder, "acme").unwrap_err();
        assert_eq!(error.kind, SigningErrorKind::FileExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), seed);
        let other = make(&folder, "other").unwrap();
        assert_ne!(other.account(), made.account());
        let names = fs::read_dir(&folder).unwrap().count();
        assert_eq!(names, 2, "nothing is left over");
    }

    #[test]
    fn what_is_there_stays() {
        let home = TempDir::new().unwrap();
        let check = |make_it: fn(&Path)| {
            let folder = home.path().join("keys");
            fs::create_dir(&folder).unwrap();
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
            make_it(&folder.join("acme.nk"));
            let error = make(&folder, "acme").unwrap_err();
            assert_eq!(error.kind, SigningErrorKind::FileExists, "{error}");
            fs::remove_dir_all(&folder).unwrap();
        };
        check(|path| fs::write(path, "").unwrap());
        check(|path| fs::create_dir(path).unwrap());
        check(|path| std::os::unix::fs::symlink("nowhere", path).unwrap());
    }

    #[test]
    fn a_folder_that_others_can_enter_is_refused() {
        let home = TempDir::new().unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let error = make(home.path(), "acme").unwrap_err();
        assert_eq!(error.kind, SigningErrorKind::FileOpenToOthers);
        assert!(error.help.unwrap().contains("chmod 700"));
        let seed = "SAAPN4W3EG6KCJGUQTKTJ5GSB5NHK5CHAJL4DBGFUM3HHROI4XUEP4OBK4";
        for name in [seed, "", "../acme", ".acme", "acme.nk", "a/b", "-x"] {
            let error = make(home.path(), name).unwrap_err();
            assert_eq!(error.kind, SigningErrorKind::KeyName, "{name}");
        }
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
