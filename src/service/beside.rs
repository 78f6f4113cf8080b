//! What lies beside a file of this machine: its bundle, `FILE.sigstore.json`, as cosign writes it.

use crate::{
    error::{Error, Result},
    file::{Destination, Provisional, Source, Unnamed},
    progress::Progress,
    registry::Memory,
    signature::{Bundle, Evidence, LARGEST_BUNDLE},
    trust::Publication,
};
use std::{
    ffi::{OsStr, OsString},
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::runtime::Handle;
use vouch_protocol::ErrorKind;

/// What may sign a file: the bundle that a request names, which is read at once; else the one beside
/// it, if there is one, once that is asked for. Blocks.
pub(super) fn of_file(
    path: &Path,
    named: Option<&Path>,
    progress: &Progress,
) -> Result<impl Iterator<Item = Result<Vec<Evidence>>> + use<>> {
    let named = named.map(|named| bundle(named, progress)).transpose()?;
    let progress = progress.clone();
    let beside = PathBuf::from(name_beside(path.as_os_str()));
    Ok(std::iter::once_with(move || {
        if let Some(named) = named {
            return Ok(vec![named]);
        }
        Ok(match bundle(&beside, &progress) {
            Ok(bundle) => vec![bundle],
            Err(error) if error.kind() == ErrorKind::FileNotFound => Vec::new(),
            // That says nothing of it.
            Err(error) if matches!(error.kind(), ErrorKind::Busy | ErrorKind::Cancelled) => {
                return Err(error);
            }
            Err(error) => {
                let from = beside.display().to_string();
                vec![Evidence::unread(&from, error.message())]
            }
        })
    }))
}

/// What may sign a file that is to be published: the one beside it, unless another is named. Blocks.
pub(super) fn of_pushed(
    path: &Path,
    publication: &Publication,
    progress: &Progress,
) -> Result<impl Iterator<Item = Result<Vec<Evidence>>> + use<>> {
    let beside = match publication.bundle {
        Some(_) => None,
        None => Some(of_file(path, None, progress)?),
    };
    Ok(beside.into_iter().flatten())
}

fn name_beside(name: &OsStr) -> OsString {
    let mut name = name.to_owned();
    name.push(".sigstore.json");
    name
}

/// A bundle on its way beside a file.
pub(super) struct Beside {
    /// Nothing where the very same lies there already.
    new: Option<(Unnamed<()>, bool)>,
    path: PathBuf,
}

impl Beside {
    /// Writes it; it has no name yet. `or_name` is the file's, for a destination that is a folder. What
    /// is there is replaced only where the file may be. Blocks.
    pub(super) fn write(
        bundle: &Bundle,
        destination: &Destination,
        or_name: &OsStr,
        overwrite: bool,
    ) -> Result<Self> {
        let target = destination.target(or_name);
        let name = name_beside(target.file_name().unwrap_or(or_name));
        let place = destination.named(name)?;
        let path = place.target(OsStr::new(""));
        if let Some(standing) = place.standing()?
            && standing.whole(LARGEST_BUNDLE as u64)?.as_deref() == Some(&**bundle.bytes())
        {
            return Ok(Self { new: None, path });
        }
        place.check(overwrite)?;
        let mut file = place.create()?;
        let written = file.write_all(bundle.bytes());
        written.map_err(|error| Error::at(&path, "write", error))?;
        Ok(Self {
            new: Some((file, overwrite)),
            path,
        })
    }

    /// Its path.
    pub(super) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Gives it its name for now; nothing where the very same has it already. It says nothing of any
    /// file but the one it signs.
    pub(super) fn place(self) -> Result<Option<Provisional>> {
        let Some((file, overwrite)) = self.new else {
            return Ok(None);
        };
        let named = file.give_name_for_now(OsStr::new(""), overwrite, || Ok(()));
        named.map(Some)
    }
}

/// The bundle in a file. Blocks.
pub(super) fn bundle(path: &Path, progress: &Progress) -> Result<Evidence> {
    let source = Source::open(path)?;
    // What grows meanwhile is cut.
    let size = source.size().min(LARGEST_BUNDLE as u64 + 1);
    let memory = Memory::at("files");
    let runtime = Handle::try_current();
    let runtime = runtime.map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
    let charge = memory.wait(
        &runtime,
        progress,
        usize::try_from(size).unwrap_or_default(),
    )?;
    let bytes = read(&source, size)?;
    let bundle = Evidence::bundle(&path.display().to_string(), bytes);
    Ok(bundle.holding(Arc::new(charge)))
}

/// No more than a byte over the most that a bundle has, which says that it is too large.
fn read(source: &Source, size: u64) -> Result<Vec<u8>> {
    let mut bundle = Vec::new();
    let mut reader = source.reader().take(size);
    let read = reader.read_to_end(&mut bundle);
    read.map_err(|error| Error::at(source.path(), "read", error))?;
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_there_is_read_and_what_is_not_is_not_missed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        let beside = folder.path().join("a.wasm.sigstore.json");
        let look = |path| {
            of_file(path, None, &Progress::default())
                .unwrap()
                .next()
                .unwrap()
                .unwrap()
        };
        assert!(look(&path).is_empty());
        std::fs::write(&beside, "{}").unwrap();
        let found = look(&path);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].from(), beside.display().to_string());
        std::fs::remove_file(&beside).unwrap();
        std::fs::create_dir(&beside).unwrap();
        assert!(format!("{:?}", look(&path)).contains("Unread"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn one_that_is_named_counts_instead_and_has_to_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a.sigstore.json"), "beside").unwrap();
        assert!(of_file(&path("a"), Some(&path("named")), &Progress::default()).is_err());
        std::fs::write(path("named"), "{}").unwrap();
        let (path, named) = (path("a"), path("named"));
        let mut found = of_file(&path, Some(&named), &Progress::default()).unwrap();
        let found = found.next().unwrap().unwrap();
        assert_eq!(found[0].from(), named.display().to_string());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_large_one_is_not_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        let read = tokio::task::spawn_blocking(move || bundle(&path, &Progress::default()));
        let found = format!("{:?}", read.await.unwrap().unwrap());
        // A debug print has every byte, and a comma and a space between two.
        assert!(found.len() < 4 * LARGEST_BUNDLE, "{}", found.len());
    }
}
