//! `pull`: fetch an artifact, verify it, and only then give it its name.

use super::{request::Request, turns::Work};
use crate::{
    artifact::{self, ArtifactKind},
    error::{Error, Result},
    file::{self, Destination},
    name::Reference,
    progress::Phase,
    registry,
    trust::{Unnamed, Vouched},
};
use std::{
    ffi::OsString,
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
    time::SystemTime,
};
use vouch_protocol::{ErrorKind, PullParams, PullResult};

pub(super) async fn pull(request: Arc<Request>, params: PullParams) -> Result<PullResult> {
    let reference = request.reference(&params.reference)?;
    request.concerns(&reference);
    let reference = reference.pinned(params.allow_latest.unwrap_or(false))?;
    let path = file::parse_path(&params.destination)?;
    request.touches(&path);
    let overwrite = params.overwrite.unwrap_or(false);
    let target = params.target;
    if let Some(target) = &target
        && target.contains(['/', '\0'])
    {
        // It may become part of a file's name.
        return Err(Error::new(
            ErrorKind::InvalidParams,
            "a target's name holds no `/` and no NUL",
        ));
    }

    let destination = request
        .blocking(move |_| {
            let destination = Destination::at(&path)?;
            destination.check(overwrite)?;
            Ok(destination)
        })
        .await?;
    let sessions = &request.settings().sessions;
    let turn = request.turn(Work::Lookup).await?;
    request.progress().enter(Phase::Asking);
    let found = registry::find(sessions, &reference, request.limits()).await?;
    drop(turn);
    let manifest = found.manifest;
    let pinned = reference.with_digest(manifest).to_string();
    let (path, verification) = request
        .examine(Work::Download, move |request| {
            let mut unnamed = destination.create()?;
            let mut begun = false;
            let examination = found.receive(request.progress(), |download| {
                // What came before was wrong.
                if std::mem::replace(&mut begun, true) {
                    unnamed = unnamed.sibling()?;
                }
                let kept = Kept {
                    download,
                    file: &mut unnamed,
                };
                let examination = artifact::examine(kept, request.limits()).map_err(|error| {
                    let name = reference.to_string();
                    Error::from_io(error, Path::new(&name), "download")
                })?;
                found.confirm(&examination)?;
                Ok(examination)
            })?;
            let file = unnamed;
            let policy = &request.settings().policy;
            let vouched = policy
                .judge(&examination, Some(&reference), SystemTime::now())
                .map_err(|refusal| refusal.error(&reference))?;
            if let Some(target) = &target {
                check_target(&vouched, target, &reference)?;
            }
            let name = file_name(&reference, &vouched, target.as_deref());
            let extracted = target
                .map(|target| vouched.extract(&file, &target, request.progress()))
                .transpose()?;
            request.progress().commit()?;
            let path = match extracted {
                Some(extracted) => extracted.place(&name, overwrite)?,
                None => vouched.place(file, &name, overwrite)?,
            };
            Ok((path, vouched.verification()))
        })
        .await?;
    Ok(PullResult {
        path: path.display().to_string(),
        reference: pinned,
        digest: manifest.to_string(),
        verification,
        downloaded: request.progress().bytes(),
    })
}

/// The file's name in a folder.
fn file_name(reference: &Reference, vouched: &Vouched, target: Option<&str>) -> OsString {
    let stem = reference.file_stem();
    match target {
        Some(target) => format!("{stem}-{target}").into(),
        None => format!("{stem}.{}", vouched.verified().extension()).into(),
    }
}

fn check_target(vouched: &Vouched, target: &str, reference: &Reference) -> Result<()> {
    let verified = vouched.verified();
    if verified.targets().contains_key(target) {
        return Ok(());
    }
    let error = Error::new(
        ErrorKind::TargetNotFound,
        format!("{reference} has no target {target:?}"),
    );
    if verified.kind() != ArtifactKind::Provider {
        return Err(error.help("It is no provider archive: leave `target` away."));
    }
    let there: Vec<&str> = verified.targets().keys().map(String::as_str).collect();
    Err(error.help(format!("Its targets are {}.", there.join(", "))))
}

/// Reads a download, and writes what it reads into the file without a name.
struct Kept<'a, R> {
    download: R,
    file: &'a mut Unnamed,
}

impl<R: Read> Read for Kept<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.download.read(buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        self.file
            .write_all(bytes)
            .map_err(|error| Error::at(self.file.folder(), "write in", error))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads that many bytes, then fails.
    struct Cut(usize);

    impl Read for Cut {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(Error::new(ErrorKind::DigestMismatch, "cut").into());
            }
            let read = self.0.min(buffer.len()).min(3);
            buffer[..read].fill(b'x');
            self.0 -= read;
            Ok(read)
        }
    }

    #[test]
    fn what_is_read_is_kept_and_what_fails_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let mut file: Unnamed = Destination::at(folder.path()).unwrap().create().unwrap();
        let mut kept = Kept {
            download: Cut(7),
            file: &mut file,
        };
        let mut seen = Vec::new();
        let error = kept.read_to_end(&mut seen).unwrap_err();
        let error = Error::from_io(error, Path::new("a"), "download");
        assert_eq!(error.kind(), ErrorKind::DigestMismatch);
        assert_eq!(seen, b"xxxxxxx");
        let mut written = Vec::new();
        file.reader().read_to_end(&mut written).unwrap();
        assert_eq!(written, seen);
    }
}
