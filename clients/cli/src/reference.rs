//! References and paths as people write them, made into what the protocol takes: the service does not
//! know the folder that we are in.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

/// Reads a reference: a layout's path becomes absolute, as other paths do. What could be a folder as
/// well as a registry is refused.
pub(crate) fn reference(text: &str) -> Result<String, String> {
    let Some(layout) = text.strip_prefix("oci:") else {
        return Ok(text.to_owned());
    };
    let two_places = |registry: &str, folder: &str| {
        format!(
            "it could mean two places: write `{registry}` for the registry, or `oci:{folder}` for \
             an image layout on disk"
        )
    };
    // As Helm and Flux write registries.
    if let Some(place) = layout.strip_prefix("//") {
        return Err(if place.starts_with('/') {
            format!("write `oci:/{}`", place.trim_start_matches('/'))
        } else {
            two_places(place, &format!("/{place}"))
        });
    }
    let is_absent = |first: &str| {
        fs::symlink_metadata(first).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    if let Some((first, _)) = layout.split_once('/')
        && is_host(first)
        && is_absent(first)
    {
        return Err(two_places(layout, &format!("./{layout}")));
    }
    let (path, rest) = split(layout);
    if path.is_empty() {
        return Ok(text.to_owned());
    }
    let path = std::path::absolute(path).map_err(|error| error.to_string())?;
    let path = without_parents(path);
    let path = path
        .to_str()
        .ok_or("the path of the folder that you are in is not UTF-8")?;
    // The folder that we are in may have a name that looks like one with a tag.
    let unclear = !split(path).1.is_empty();
    let end = if unclear { "/" } else { "" };
    Ok(format!("oci:{path}{end}{rest}"))
}

/// The same path without `..`, which the service does not follow: it would have to guess whether a
/// link is meant. Here it is as the system has it. What is not there stays as it is.
fn without_parents(path: PathBuf) -> PathBuf {
    let parts: Vec<_> = path.components().collect();
    let last = parts.iter().rposition(|part| *part == Component::ParentDir);
    let Some((up, rest)) = last.map(|at| parts.split_at(at + 1)) else {
        return path;
    };
    match up.iter().collect::<PathBuf>().canonicalize() {
        Ok(folder) => folder.join(rest.iter().collect::<PathBuf>()),
        Err(_) => path,
    }
}

/// A layout's path, and its tag and digest. These are looked for behind the last `/` alone.
fn split(layout: &str) -> (&str, &str) {
    let name = layout.rfind('/').map_or(0, |slash| slash + 1);
    let digest = layout.rfind("@sha256:").filter(|at| *at >= name);
    let end = digest.unwrap_or(layout.len());
    let tag = layout[..end].rfind(':').filter(|at| *at >= name);
    layout.split_at(tag.unwrap_or(end))
}

/// Whether a text could be a registry's host, with a port or without.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    !host.is_empty()
        && !host.starts_with(['.', '~'])
        && port.is_none_or(is_port)
        && (port.is_some() || host == "localhost" || host.contains('.'))
}

/// A file to write. `-`, which stands for standard output elsewhere, names none: nothing is shown
/// before all of it is verified.
pub(crate) fn output(path: OsString) -> Result<PathBuf, String> {
    if path == "-" {
        return Err(
            "standard output is not supported; for a file called `-`, write `./-`".to_owned(),
        );
    }
    Ok(path.into())
}

/// An absolute path as the protocol has it: text, or a `file:` URI where it is not text.
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
        let here = here.display().to_string();
        check("oci:./a:1", &format!("oci:{here}/a:1"));
        check("oci:layout:1", &format!("oci:{here}/layout:1"));
        check("oci:my.layout:1", &format!("oci:{here}/my.layout:1"));
        let above = std::env::current_dir().unwrap().canonicalize().unwrap();
        let above = above.parent().unwrap().display().to_string();
        check("oci:../a:1", &format!("oci:{above}/a:1"));
        check("oci:src/.././../a/:1", &format!("oci:{above}/a:1"));
        check("oci:../a:b/", &format!("oci:{above}/a:b/"));
        check("oci:absent/../a:1", &format!("oci:{here}/absent/../a:1"));
        check("oci:.cache/a:1", &format!("oci:{here}/.cache/a:1"));
        check("oci:a/b.c:1", &format!("oci:{here}/a/b.c:1"));
        check("oci:a:b/c", &format!("oci:{here}/a:b/c"));
        check("oci:a:b/", &format!("oci:{here}/a:b/"));
        check("oci:a@sha256:00", &format!("oci:{here}/a@sha256:00"));
        // Written as a folder, it is one.
        check(
            "oci:./ghcr.io/acme/echo:1",
            &format!("oci:{here}/ghcr.io/acme/echo:1"),
        );
        // What is there is a folder.
        check("oci:Cargo.toml/a:1", &format!("oci:{here}/Cargo.toml/a:1"));
    }

    #[test]
    fn what_could_be_two_places_is_refused() {
        let check = |text: &str, expected: &[&str]| {
            let why = reference(text).unwrap_err();
            for expected in expected {
                assert!(why.contains(&format!("`{expected}`")), "{text}: {why}");
            }
        };
        let meant = "ghcr.io/acme/echo:1";
        check(
            "oci://ghcr.io/acme/echo:1",
            &[meant, "oci:/ghcr.io/acme/echo:1"],
        );
        check(
            "oci:ghcr.io/acme/echo:1",
            &[meant, "oci:./ghcr.io/acme/echo:1"],
        );
        check(
            "oci:127.0.0.1:5000/a:1",
            &["127.0.0.1:5000/a:1", "oci:./127.0.0.1:5000/a:1"],
        );
        check(
            "oci:registry:5000/a",
            &["registry:5000/a", "oci:./registry:5000/a"],
        );
        check("oci:localhost/a", &["localhost/a", "oci:./localhost/a"]);
        check("oci:///tmp/a:1", &["oci:/tmp/a:1"]);
    }

    #[test]
    fn a_folder_s_name_is_not_taken_for_a_tag() {
        let check = |layout: &str, expected: (&str, &str)| assert_eq!(split(layout), expected);
        check("/a:b", ("/a", ":b"));
        check("/a:b/", ("/a:b/", ""));
        check("/a:b/c", ("/a:b/c", ""));
        check("/a:b:c@sha256:00", ("/a:b", ":c@sha256:00"));
        check("a@sha256:00", ("a", "@sha256:00"));
        check(".:1", (".", ":1"));
    }
}
