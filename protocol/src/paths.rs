//! Where the socket, the config file and the log file are when nobody names another: once, for the
//! service and its clients. Folders follow the XDG Base Directory specification, which ignores
//! relative paths in its variables.

use std::{env, ffi::OsString, path::PathBuf};

/// Names the socket, for the service and its clients; an empty value counts as none.
pub const SOCKET_VARIABLE: &str = "VOUCHD_SOCKET";

/// `$XDG_RUNTIME_DIR/vouchd/vouchd.sock`, else `/tmp/vouchd-$UID/vouchd.sock`. Not `TMPDIR`: it
/// differs between a user's sessions, and all of them must meet the same service.
pub fn socket(uid: u32) -> PathBuf {
    socket_in(variable, uid)
}

/// `$XDG_CONFIG_HOME/vouchd/config.toml`, else `~/.config/vouchd/config.toml`; none without a home.
pub fn config_file() -> Option<PathBuf> {
    below(variable, "XDG_CONFIG_HOME", ".config", "config.toml")
}

/// `$XDG_STATE_HOME/vouchd/vouchd.log`, else `~/.local/state/vouchd/vouchd.log`; none without a
/// home. A service in the background logs there.
pub fn log_file() -> Option<PathBuf> {
    below(variable, "XDG_STATE_HOME", ".local/state", "vouchd.log")
}

/// `$XDG_STATE_HOME/vouchd`, else `~/.local/state/vouchd`; none without a home. The service keeps
/// there whose signatures it has seen.
pub fn state_folder() -> Option<PathBuf> {
    let file = log_file()?;
    file.parent().map(ToOwned::to_owned)
}

/// `$XDG_DATA_HOME/vouchd/keys`, else `~/.local/share/vouchd/keys`; none without a home. The keys that
/// `vouch keys new` makes are there; the service has no part in them.
pub fn keys_folder() -> Option<PathBuf> {
    below(variable, "XDG_DATA_HOME", ".local/share", "keys")
}

/// `$HOME`, where it is an absolute path.
pub fn home() -> Option<PathBuf> {
    absolute(variable, "HOME")
}

fn socket_in(environment: impl Fn(&str) -> Option<OsString>, uid: u32) -> PathBuf {
    absolute(environment, "XDG_RUNTIME_DIR")
        .map_or_else(
            || format!("/tmp/vouchd-{uid}").into(),
            |folder| folder.join("vouchd"),
        )
        .join("vouchd.sock")
}

/// A file of ours in the folder that the variable names, else in that folder of the user's home.
fn below(
    environment: impl Fn(&str) -> Option<OsString>,
    named: &str,
    usual: &str,
    file: &str,
) -> Option<PathBuf> {
    let folder = absolute(&environment, named)
        .or_else(|| Some(absolute(&environment, "HOME")?.join(usual)))?;
    Some(folder.join("vouchd").join(file))
}

fn absolute(environment: impl Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    environment(name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An environment of these variables.
    fn of<'a>(variables: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        |name| {
            let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
            Some(OsString::from(value))
        }
    }

    #[test]
    fn the_socket_is_in_the_runtime_folder_or_the_user_s_in_tmp() {
        let check = |runtime: Option<&str>, expected: &str| {
            let runtime: Vec<_> = runtime
                .map(|it| ("XDG_RUNTIME_DIR", it))
                .into_iter()
                .collect();
            assert_eq!(socket_in(of(&runtime), 1000), PathBuf::from(expected));
        };
        check(Some("/run/user/1000"), "/run/user/1000/vouchd/vouchd.sock");
        // Relative, which is to be ignored.
        check(Some("run"), "/tmp/vouchd-1000/vouchd.sock");
        check(Some(""), "/tmp/vouchd-1000/vouchd.sock");
        check(None, "/tmp/vouchd-1000/vouchd.sock");
    }

    #[test]
    fn files_are_in_the_folder_that_is_named_or_in_the_home() {
        let check = |variables: &[(&str, &str)], expected: Option<&str>| {
            let found = below(
                of(variables),
                "XDG_STATE_HOME",
                ".local/state",
                "vouchd.log",
            );
            assert_eq!(found, expected.map(PathBuf::from), "{variables:?}");
        };
        let home = ("HOME", "/h");
        let usual = Some("/h/.local/state/vouchd/vouchd.log");
        check(
            &[("XDG_STATE_HOME", "/s"), home],
            Some("/s/vouchd/vouchd.log"),
        );
        check(&[("XDG_STATE_HOME", "s"), home], usual);
        check(&[("XDG_STATE_HOME", ""), home], usual);
        check(&[home], usual);
        check(&[("HOME", "h")], None);
        check(&[], None);
    }
}
