//! Standard input in a file: the service reads files, and looks at some parts of one twice.

use crate::failure::Failure;
use std::{
    env,
    io::{self, IsTerminal as _, Read},
    path::Path,
};
use tempfile::{NamedTempFile, TempPath};

/// The most that is taken, in bytes. The service's own limit for an artifact is 4 GiB, unless its
/// owner says otherwise.
const LONGEST: u64 = 4 << 30;

/// Writes standard input to a file of mode 0600, which is removed when this is dropped. `command` is
/// what the user runs: `verify`.
///
/// Reading may take for ever, on a thread that nothing can stop: the process must end without
/// waiting for it.
pub(crate) async fn standard_input(command: &str) -> Result<TempPath, Failure> {
    let input = io::stdin();
    if input.is_terminal() {
        return Err(
            Failure::new("standard input is a terminal, not an artifact").help(format!(
                "Write `vouch {command} - < FILE`, or pipe an artifact into it."
            )),
        );
    }
    let folder = env::temp_dir();
    let failed = |error: io::Error| cannot_keep(&folder, &error);
    let (mut file, path) = NamedTempFile::with_prefix("vouch-")
        .map_err(failed)?
        .into_parts();
    let spooled = tokio::task::spawn_blocking(move || spool(input.lock(), &mut file, LONGEST));
    match spooled.await.map_err(io::Error::other).map_err(failed)? {
        Ok(0) => Err(empty()),
        Ok(_) => Ok(path),
        Err(Spoiled::Read(error)) => {
            Err(Failure::new(format!("cannot read standard input: {error}")))
        }
        Err(Spoiled::TooLong) => Err(Failure::new(format!(
            "standard input has more than {} GiB",
            LONGEST >> 30
        ))),
        Err(Spoiled::Write(error)) => Err(failed(error)),
    }
}

/// Most often what was to write it has failed.
pub(crate) fn empty() -> Failure {
    Failure::new("standard input is empty: did the command before the pipe fail?")
}

fn cannot_keep(folder: &Path, error: &io::Error) -> Failure {
    Failure::new(format!(
        "cannot keep standard input in {}: {error}",
        folder.display()
    ))
    .help("Set TMPDIR to a folder with enough room.")
}

/// Why there is no whole copy.
#[derive(Debug)]
enum Spoiled {
    Read(io::Error),
    Write(io::Error),
    TooLong,
}

/// Copies all of it, and says how many bytes that are.
fn spool(mut input: impl Read, file: &mut impl io::Write, longest: u64) -> Result<u64, Spoiled> {
    let mut block = vec![0; 64 << 10];
    let mut length = 0;
    loop {
        let read = match input.read(&mut block) {
            Ok(0) => return file.flush().map(|()| length).map_err(Spoiled::Write),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Spoiled::Read(error)),
        };
        length += read as u64;
        if length > longest {
            return Err(Spoiled::TooLong);
        }
        file.write_all(&block[..read]).map_err(Spoiled::Write)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let mut kept = Vec::new();
        assert_eq!(spool(&[7; 100][..], &mut kept, 100).unwrap(), 100);
        assert_eq!(spool(&[][..], &mut io::sink(), 100).unwrap(), 0);
        assert_eq!(kept, [7; 100]);
        let spoiled = spool(io::repeat(7), &mut io::sink(), 1 << 20);
        assert!(matches!(spoiled, Err(Spoiled::TooLong)), "{spoiled:?}");
        let mut full = io::Cursor::new([0; 10]);
        let spoiled = spool(&[7; 100][..], &mut full, 100);
        assert!(matches!(spoiled, Err(Spoiled::Write(_))), "{spoiled:?}");
    }
}
