//! Which program to start as the service. It must not depend on the current folder.

use std::{
    env,
    ffi::OsString,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// The program to start: the one that is named, else `vouchd` beside our own program, else on the
/// path.
pub(crate) fn found(
    named: Option<OsString>,
    own: Option<&Path>,
    path: Option<&OsString>,
) -> Result<PathBuf, String> {
    let on_path = |name: &Path| {
        let folders = path.into_iter().flat_map(env::split_paths);
        folders
            // A relative entry would depend on the current folder.
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .find(|program| is_program(program))
    };
    if let Some(named) = named.filter(|named| !named.is_empty()).map(PathBuf::from) {
        let found = if named.components().count() > 1 {
            std::path::absolute(&named).ok()
        } else {
            on_path(&named)
        };
        return found
            .ok_or_else(|| format!("VOUCHD names {}, which is not on PATH", named.display()));
    }
    own.map(|own| own.with_file_name("vouchd"))
        .filter(|program| is_program(program))
        .or_else(|| on_path(Path::new("vouchd")))
        .ok_or_else(|| "no program named vouchd was found".to_owned())
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_program_is_named_or_beside_us_or_on_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let program = |name: &str, mode: u32| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let beside = program("own/vouchd", 0o755);
        let first = program("a/vouchd", 0o755);
        let other = program("b/other", 0o700);
        program("text/vouchd", 0o644);
        fs::create_dir_all(folder.path().join("folder/vouchd")).unwrap();
        let own = folder.path().join("own/vouch (deleted)");
        let alone = folder.path().join("b/vouch");
        let text = folder.path().join("text/vouch");
        let path = env::join_paths(["relative", "text", "folder", "a", "b"].map(|name| {
            if name == "relative" {
                name.into()
            } else {
                folder.path().join(name)
            }
        }))
        .unwrap();
        let check = |named: Option<&str>,
                     own: Option<&Path>,
                     path: Option<&OsString>,
                     expected: Result<&Path, &str>| {
            let got = found(named.map(OsString::from), own, path);
            match (&got, expected) {
                (Ok(got), Ok(expected)) => assert_eq!(got, expected),
                (Err(got), Err(expected)) => assert!(got.contains(expected), "{got}"),
                _ => panic!("{got:?} is not {expected:?}"),
            }
        };
        let all = Some(&path);
        check(
            Some("/any/where"),
            Some(&own),
            all,
            Ok(Path::new("/any/where")),
        );
        check(Some("other"), Some(&own), all, Ok(&other));
        check(Some("absent"), Some(&own), all, Err("VOUCHD names absent"));
        check(Some(""), Some(&own), all, Ok(&beside));
        check(None, Some(&own), all, Ok(&beside));
        check(None, Some(&alone), all, Ok(&first));
        check(None, Some(&text), all, Ok(&first));
        check(None, None, all, Ok(&first));
        check(None, Some(&alone), None, Err("no program named vouchd"));
        let named = std::path::absolute("some/vouchd").unwrap();
        check(Some("some/vouchd"), None, None, Ok(&named));
    }
}
