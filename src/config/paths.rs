//! Paths in a config file: relative ones are relative to the file's folder, `~/` is the user's.

use std::path::{Path, PathBuf};

/// The absolute path that is meant in a file of that folder, which is absolute.
pub(super) fn resolve(path: &Path, folder: &Path, home: Option<&Path>) -> Result<PathBuf, String> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.is_empty() {
        return Err("is empty".into());
    }
    if bytes.contains(&0) {
        return Err("has a NUL in it".into());
    }
    if bytes.len() > 4096 {
        return Err("is longer than a path can be".into());
    }
    if !bytes.starts_with(b"~") {
        return Ok(folder.join(path));
    }
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => Ok(home.join(rest)),
        (Ok(_), None) => Err("begins with `~`, but HOME is not set".into()),
        (Err(_), _) => Err("begins with `~`: only `~/` is known, or write `./~`".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_the_owner_s() {
        let check = |path: &str, home: Option<&str>, expected: Result<&str, &str>| {
            let resolved = resolve(Path::new(path), Path::new("/etc/v"), home.map(Path::new));
            match (resolved, expected) {
                (Ok(resolved), Ok(expected)) => assert_eq!(resolved, Path::new(expected)),
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{path}: {why}"),
                (resolved, _) => panic!("{path}: {resolved:?}"),
            }
        };
        check("/ca.pem", None, Ok("/ca.pem"));
        check("ca.pem", None, Ok("/etc/v/ca.pem"));
        check("../ca.pem", None, Ok("/etc/v/../ca.pem"));
        check("~/ca.pem", Some("/home/ann"), Ok("/home/ann/ca.pem"));
        check("./~x", None, Ok("/etc/v/./~x"));
        check("~/ca.pem", None, Err("HOME"));
        check("~bob/ca.pem", Some("/home/ann"), Err("only `~/`"));
        check("", None, Err("empty"));
        check("a\0b", None, Err("NUL"));
        check(&"a".repeat(5000), None, Err("longer"));
    }
}
