//! Credential helpers: other people's programs, which hang, flood and fail.
//!
//! The protocol is docker's (github.com/docker/docker-credential-helpers): `get`, the server's
//! name on standard input, JSON on standard output. A helper has a process group of its own, which
//! is killed whole when it takes too long or says too much. What it says on standard output is
//! never shown: it may be the secret.

use super::{
    config_file::Helper,
    failure::clean,
    secret::{Credential, Secret},
};
use crate::error::{Error, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use std::{env, ffi::OsStr, path::Path, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};
use vouch_protocol::ErrorKind;
use zeroize::Zeroizing;

/// An answer is at most that large, and so are complaints.
const LONGEST: u64 = 64 << 10;
/// What a helper has left running may hold its output open: so long it is waited for.
const LINGER: Duration = Duration::from_millis(500);
/// What helpers say when they have no login; not an error.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The name under which helpers keep identity tokens.
const TOKEN_USER: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    #[serde(default)]
    secret: Zeroizing<String>,
}

/// Asks a helper. Nothing, where it keeps no login for the server.
pub(super) async fn ask(
    helper: &Helper,
    named_in: &Path,
    limit: Duration,
) -> Result<Option<Credential>> {
    ask_with(helper, named_in, limit, None).await
}

/// The same, with another `PATH` where one is given.
async fn ask_with(
    helper: &Helper,
    named_in: &Path,
    limit: Duration,
    path: Option<&OsStr>,
) -> Result<Option<Credential>> {
    let program = format!("docker-credential-{}", helper.name);
    let failed = |why: String| {
        Error::new(
            ErrorKind::CredentialUnusable,
            format!(
                "the credential helper {program} (named in {}, asked for {}) {why}",
                named_in.display(),
                helper.server,
            ),
        )
        .help(format!(
            "Try `echo {} | {program} get` in the service's environment.",
            helper.server
        ))
    };
    let mut command = Command::new(&program);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let child = command
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            let path = env::var("PATH").unwrap_or_default();
            failed(format!("cannot be started: {error}; searched PATH={path}")).source(error)
        })?;
    let mut group = Group(child);
    let child = &mut group.0;
    let (mut output, mut complaints) = (Said::default(), Said::default());
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(failed("has no pipes".into()));
    };
    let talk = async {
        let asked = async {
            // One that does not listen may know the answer all the same.
            let _ = stdin.write_all(helper.server.as_bytes()).await;
            let _ = stdin.write_all(b"\n").await;
            drop(stdin);
        };
        let read = async {
            tokio::join!(asked, output.read(stdout), complaints.read(stderr));
        };
        tokio::pin!(read);
        let mut ended = None;
        tokio::select! {
            // Its end is looked for at first, so that a flood is not taken for one.
            () = &mut read => {}
            status = child.wait() => ended = Some(status),
        }
        match ended {
            Some(status) => {
                let _ = tokio::time::timeout(LINGER, read).await;
                Some(status)
            }
            None => None,
        }
    };
    let Ok(ended) = tokio::time::timeout(limit, talk).await else {
        group.kill();
        let said = complaints.shown();
        return Err(failed(format!(
            "did not answer within {} s and was killed{said}",
            limit.as_secs()
        )));
    };
    if output.flooded || complaints.flooded {
        group.kill();
        return Err(failed(format!(
            "said more than {LONGEST} bytes and was killed"
        )));
    }
    let status = match ended {
        Some(status) => status,
        // It closed its output; what is left is its end.
        None => match tokio::time::timeout(LINGER.max(limit / 10), group.0.wait()).await {
            Ok(status) => status,
            Err(_) => {
                group.kill();
                return Err(failed("did not end and was killed".into()));
            }
        },
    };
    let status = status.map_err(|error| failed(format!("cannot be waited for: {error}")))?;
    let text = String::from_utf8_lossy(&output.bytes);
    if !status.success() {
        if text.contains(NOT_FOUND) {
            return Ok(None);
        }
        let mut why = format!("failed ({status}){}", complaints.shown());
        // Helpers complain on standard output too. JSON would be an answer, and an answer secret.
        if complaints.bytes.is_empty() && !text.contains('{') && !text.trim().is_empty() {
            why = format!("{why}; it said {:?}", clean(text.trim()));
        }
        return Err(failed(why));
    }
    let answer: Answer = serde_json::from_slice(&output.bytes).map_err(|_| {
        failed(format!(
            "answered no JSON with a login{}",
            complaints.shown()
        ))
    })?;
    match (answer.username, answer.secret) {
        (_, secret) if secret.is_empty() => Err(failed(format!(
            "answered an empty secret{}",
            complaints.shown()
        ))),
        (username, mut secret) if username == TOKEN_USER => Ok(Some(Credential::IdentityToken {
            username: None,
            token: Secret::new(std::mem::take(&mut *secret)),
        })),
        (username, _) if username.is_empty() => Err(failed(format!(
            "answered no user name{}",
            complaints.shown()
        ))),
        (username, mut secret) => Ok(Some(Credential::Password {
            username,
            password: Secret::new(std::mem::take(&mut *secret)),
        })),
    }
}

/// What came out of a pipe.
#[derive(Default)]
struct Said {
    bytes: Zeroizing<Vec<u8>>,
    flooded: bool,
}

impl Said {
    async fn read(&mut self, pipe: impl AsyncRead + Unpin) {
        let _ = pipe.take(LONGEST + 1).read_to_end(&mut self.bytes).await;
        self.flooded = self.bytes.len() as u64 > LONGEST;
    }

    fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let text = clean(text.trim());
        if text.is_empty() {
            return "; it wrote nothing to stderr".to_owned();
        }
        format!("; its stderr says {text:?}")
    }
}

/// A process and all that it started. They are killed when it is dropped before it was waited for.
struct Group(Child);

impl Group {
    fn kill(&self) {
        // No id once it was waited for: then the number may be another's.
        let id = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    /// A folder with a helper that runs a shell's lines.
    fn folder(script: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker-credential-fake");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        folder
    }

    async fn asked(folder: &Path) -> Result<Option<Credential>> {
        let helper = Helper {
            name: "fake".into(),
            server: "r.io".into(),
        };
        let path = env::join_paths(
            std::iter::once(folder.to_owned())
                .chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())),
        )
        .unwrap();
        let limit = Duration::from_millis(700);
        ask_with(&helper, Path::new("/config.json"), limit, Some(&path)).await
    }

    #[tokio::test]
    async fn what_helpers_answer() {
        let check = async |script: &str, expected: Option<Credential>| {
            let folder = folder(script);
            assert_eq!(asked(folder.path()).await.unwrap(), expected, "{script}");
        };
        let password = Credential::Password {
            username: "ann".into(),
            password: Secret::new("pw-r.io"),
        };
        check(
            r#"read server; echo "{\"ServerURL\":\"x\",\"Username\":\"ann\",\"Secret\":\"pw-$server\"}""#,
            Some(password.clone()),
        )
        .await;
        check(
            r#"echo '{"Username":"ann","Secret":"pw-r.io"}'; sleep 60 &"#,
            Some(password),
        )
        .await;
        check(
            r#"echo '{"Username":"<token>","Secret":"t"}'"#,
            Some(Credential::IdentityToken {
                username: None,
                token: Secret::new("t"),
            }),
        )
        .await;
        check(
            "echo credentials not found in native keychain; exit 1",
            None,
        )
        .await;
    }

    #[tokio::test]
    async fn helpers_that_fail_are_named_and_show_no_secret() {
        let check = async |script: &str, expected: &str| {
            let folder = folder(script);
            let error = asked(folder.path()).await.expect_err(script);
            assert_eq!(error.kind(), ErrorKind::CredentialUnusable);
            let message = error.message();
            for part in ["docker-credential-fake", "/config.json", "r.io", expected] {
                assert!(message.contains(part), "{script}: {message}");
            }
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        };
        check("echo no luck >&2; exit 3", "no luck").await;
        check("echo on stdout; exit 1", "on stdout").await;
        check(r#"echo '{"Secret":"hunter2"}'; exit 1"#, "exit status: 1").await;
        check("echo hunter2", "no JSON").await;
        check(r#"echo '{"Username":"ann"}'"#, "empty secret").await;
        check(r#"echo '{"Secret":"hunter2"}'"#, "no user name").await;
        check("kill -9 $$", "signal").await;
        check("yes hunter2", "more than").await;
        check("yes hunter2 >&2", "more than").await;
        check("echo busy >&2; sleep 60", "busy").await;
        check("exec >&- 2>&-; sleep 60", "was killed").await;
    }

    #[tokio::test]
    async fn one_that_is_missing_is_searched_for_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = asked(folder.path()).await.unwrap_err();
        assert!(error.message().contains("searched PATH="), "{error}");
        assert!(error.message().contains("docker-credential-fake"));
    }

    #[tokio::test]
    async fn its_children_die_with_it() {
        let folder = folder("sleep 60 & echo $! > \"${0%/*}/child\"; wait");
        asked(folder.path()).await.unwrap_err();
        let child = fs::read_to_string(folder.path().join("child")).unwrap();
        let state = format!("/proc/{}/stat", child.trim());
        // Dead, or a zombie that nobody has waited for yet.
        let gone = || {
            fs::read_to_string(&state).map_or(true, |stat| {
                stat.rsplit(')')
                    .next()
                    .is_some_and(|rest| rest.starts_with(" Z"))
            })
        };
        while !gone() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
