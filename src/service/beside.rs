//! What lies beside a file of this machine: its bundle, `FILE.sigstore.json`, as cosign writes it.

use crate::{
    error::{Error, Result},
    file::Source,
    signature::{Evidence, LARGEST_BUNDLE},
};
use std::{
    io::Read,
    path::{Path, PathBuf},
};
use vouch_protocol::ErrorKind;

/// The bundle beside a file, if there is one; or why it cannot be read. Blocks.
pub(super) fn of_file(path: &Path) -> Vec<Evidence> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".sigstore.json");
    let beside = PathBuf::from(beside);
    let from = beside.display().to_string();
    match read(&beside) {
        Ok(bundle) => vec![Evidence::bundle(&from, bundle)],
        Err(error) if error.kind() == ErrorKind::FileNotFound => Vec::new(),
        Err(error) => vec![Evidence::unread(&from, error.message())],
    }
}

/// No more than a byte over the most that a bundle has, which says that it is too large.
fn read(path: &Path) -> Result<Vec<u8>> {
    let source = Source::open(path)?;
    let mut bundle = Vec::new();
    let mut reader = source.reader().take(LARGEST_BUNDLE as u64 + 1);
    let read = reader.read_to_end(&mut bundle);
    read.map_err(|error| Error::at(path, "read", error))?;
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_read_and_what_is_not_is_not_missed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        let beside = folder.path().join("a.wasm.sigstore.json");
        assert!(of_file(&path).is_empty());
        std::fs::write(&beside, "{}").unwrap();
        let found = of_file(&path);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].from(), beside.display().to_string());
        std::fs::remove_file(&beside).unwrap();
        std::fs::create_dir(&beside).unwrap();
        assert!(format!("{:?}", of_file(&path)).contains("Unread"));
    }

    #[test]
    fn a_large_one_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        assert_eq!(read(&path).unwrap().len(), LARGEST_BUNDLE + 1);
    }
}
