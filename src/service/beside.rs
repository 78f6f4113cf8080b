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

/// What may sign a file: the bundle that a request names, which is read at once; else the one beside
/// it, if there is one, once that is asked for. Blocks.
pub(super) fn of_file(
    path: &Path,
    named: Option<&Path>,
) -> Result<impl Iterator<Item = Result<Vec<Evidence>>>> {
    let named = named.map(bundle).transpose()?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".sigstore.json");
    let beside = PathBuf::from(beside);
    Ok(std::iter::once_with(move || {
        if let Some(named) = named {
            return Ok(vec![named]);
        }
        Ok(match bundle(&beside) {
            Ok(bundle) => vec![bundle],
            Err(error) if error.kind() == ErrorKind::FileNotFound => Vec::new(),
            Err(error) => {
                let from = beside.display().to_string();
                vec![Evidence::unread(&from, error.message())]
            }
        })
    }))
}

fn bundle(path: &Path) -> Result<Evidence> {
    Ok(Evidence::bundle(&path.display().to_string(), read(path)?))
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
        let look = |path| of_file(path, None).unwrap().next().unwrap().unwrap();
        assert!(look(&path).is_empty());
        std::fs::write(&beside, "{}").unwrap();
        let found = look(&path);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].from(), beside.display().to_string());
        std::fs::remove_file(&beside).unwrap();
        std::fs::create_dir(&beside).unwrap();
        assert!(format!("{:?}", look(&path)).contains("Unread"));
    }

    #[test]
    fn one_that_is_named_counts_instead_and_has_to_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a.sigstore.json"), "beside").unwrap();
        assert!(of_file(&path("a"), Some(&path("named"))).is_err());
        std::fs::write(path("named"), "{}").unwrap();
        let (path, named) = (path("a"), path("named"));
        let mut found = of_file(&path, Some(&named)).unwrap();
        let found = found.next().unwrap().unwrap();
        assert_eq!(found[0].from(), named.display().to_string());
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
