//! References and paths as people write them, made into what the protocol takes: the service does not
//! know the folder that we are in.

use std::{fmt::Write as _, io, os::unix::ffi::OsStrExt, path::Path};

/// A layout's path becomes absolute, as other paths do.
pub(crate) fn reference(text: &str) -> Result<String, String> {
    match text.strip_prefix("oci:") {
        Some(layout) if !layout.is_empty() => {
            let path = std::path::absolute(layout).map_err(|error| error.to_string())?;
            Ok(format!("oci:{}", path.display()))
        }
        _ => Ok(text.to_owned()),
    }
}

/// An absolute path as the protocol has it: a text, or, where it is none, a `file:` URI.
pub(crate) fn absolute(path: &Path) -> io::Result<String> {
    // Not canonicalised: which file a link leads to is for the service to see.
    let path = std::path::absolute(path)?;
    Ok(match path.to_str() {
        Some(text) => text.to_owned(),
        None => uri(&path),
    })
}

fn uri(path: &Path) -> String {
    path.as_os_str()
        .as_bytes()
        .iter()
        .fold("file://".to_owned(), |mut uri, byte| {
            match byte {
                // RFC 3986, section 2.3, and the slashes.
                b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(*byte)),
                byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
                byte => {
                    let _ = write!(uri, "%{byte:02X}");
                }
            }
            uri
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn paths_become_absolute_and_texts() {
        let here = std::env::current_dir().unwrap();
        let check = |path: &[u8], expected: &str| {
            assert_eq!(
                absolute(Path::new(OsStr::from_bytes(path))).unwrap(),
                expected
            );
        };
        check(b"/a/b.wasm", "/a/b.wasm");
        check(b"/a/../b c", "/a/../b c");
        check(b"a.wasm", here.join("a.wasm").to_str().unwrap());
        check(b"./a/", here.join("a/").to_str().unwrap());
        check(b"file:a", here.join("file:a").to_str().unwrap());
        check(b"/\xff/a b%~1", "file:///%FF/a%20b%25~1");
    }

    #[test]
    fn layouts_become_absolute_and_registries_stay() {
        let here = std::env::current_dir().unwrap();
        let check = |text: &str, expected: &str| assert_eq!(reference(text).unwrap(), expected);
        check("ghcr.io/acme/echo:1", "ghcr.io/acme/echo:1");
        check("oci:/tmp/layout:1", "oci:/tmp/layout:1");
        check("oci:", "oci:");
        check("oci:./a:1", &format!("oci:{}/a:1", here.display()));
    }
}
