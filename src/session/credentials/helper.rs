//! Credential helpers: other people's programs, which hang, flood and fail.
//!
//! The protocol is docker's (github.com/docker/docker-credential-helpers): `get`, the server's
//! name on standard input, JSON on standard output. A helper has a process group of its own, which
//! is killed whole when it takes too long or says too much. What it says on standard output may be
//! the secret: it is shown only where the helper fails, says nothing else, and is not JSON, as
//! docker's own report that a login is missing.

use super::{
    file::{Helper, field},
    redactor::Redactor,
    secret::{Credential, Secret},
};
use crate::error::{Result, clean, error};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Map, Value};
use std::{
    env,
    ffi::OsStr,
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};
use vouch_protocol::PlainJson;
use zeroize::Zeroizing;

/// The most bytes of an answer, and of complaints.
const LONGEST: u64 = 64 << 10;
/// How long to wait for the output of a helper that has ended: what it left running may hold it
/// open.
const LINGER: Duration = Duration::from_millis(500);
/// What helpers say when they have no login; not an error.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// Variables that name keys which sign, where the service was started with them: logins are no matter
/// of theirs.
const NOT_PASSED_ON: [&str; 2] = ["VOUCH_KEY_FILE", "SSH_AUTH_SOCK"];
/// The name under which helpers keep identity tokens.
const TOKEN_USER: &str = "<token>";

/// Names the variables of this process's environment that are for itself alone, by spaces. Helpers
/// do not get them.
pub const OWN_VARIABLES: &str = "VOUCHD_OWN_VARIABLES";

/// Asks a helper. Nothing, where it keeps no login for the server. The redactor learns its answer.
/// `path` is searched in place of the environment's `PATH`.
pub(super) async fn ask(
    helper: &Helper,
    named_in: &Path,
    limit: Duration,
    redactor: &Redactor,
    path: Option<&OsStr>,
) -> Result<Option<Credential>> {
    let program = helper.program();
    let answered = match run(&program, &helper.server, limit, redactor, path).await {
        Ok(said) => read(&said, redactor),
        Err(why) => Err(why),
    };
    answered.map_err(|why| {
        error!(
            CredentialUnusable: "the credential helper {program} (named in {}, asked for {}) {why}",
            named_in.display(), helper.server
        )
        .help(format!(
            "Try `echo {} | {program} get` in the service's environment.",
            helper.server
        ))
    })
}

/// How a helper ended, what it said, and what it complained of.
type Ended = (ExitStatus, Said, Said);

async fn run(
    program: &str,
    server: &str,
    limit: Duration,
    redactor: &Redactor,
    path: Option<&OsStr>,
) -> Result<Ended, String> {
    let mut command = Command::new(program);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    for name in NOT_PASSED_ON {
        command.env_remove(name);
    }
    if let Ok(names) = env::var(OWN_VARIABLES) {
        for name in names.split(' ').chain([OWN_VARIABLES]) {
            command.env_remove(name);
        }
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
            format!("cannot be started: {error}; searched PATH={path}")
        })?;
    let mut group = Group(child);
    let (mut output, mut complaints) = (Said::default(), Said::default());
    let talk = talk(&mut group.0, server, &mut output, &mut complaints);
    let ended = tokio::time::timeout(limit, talk).await;
    if output.is_flood() || complaints.is_flood() {
        group.kill();
        return Err(format!("said more than {LONGEST} bytes and was killed"));
    }
    let Ok(status) = ended else {
        group.kill();
        return Err(format!(
            "did not answer and end within {} s and was killed{}",
            limit.as_secs(),
            complaints.shown(redactor)
        ));
    };
    let status = status.map_err(|error| format!("cannot be waited for: {error}"))?;
    Ok((status, output, complaints))
}

/// Asks, and listens until it ends. It need not listen, and what it has left running may hold its
/// output open.
async fn talk(
    child: &mut Child,
    server: &str,
    output: &mut Said,
    complaints: &mut Said,
) -> io::Result<ExitStatus> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let asked = async {
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(format!("{server}\n").as_bytes()).await;
        }
    };
    let heard = async { tokio::join!(asked, output.read(stdout), complaints.read(stderr)) };
    tokio::pin!(heard);
    tokio::select! {
        _ = &mut heard => return child.wait().await,
        status = child.wait() => status?,
    };
    let _ = tokio::time::timeout(LINGER, heard).await;
    child.wait().await
}

/// What a helper's answer means, or what is wrong with it.
fn read(
    (status, output, complaints): &Ended,
    redactor: &Redactor,
) -> Result<Option<Credential>, String> {
    let said = String::from_utf8_lossy(&output.0);
    let said = said.trim();
    if !status.success() {
        if said.contains(NOT_FOUND) {
            return Ok(None);
        }
        let why = format!("failed ({status}){}", complaints.shown(redactor));
        // Helpers complain on standard output too. JSON would be an answer, and an answer secret.
        if complaints.0.is_empty() && !said.contains('{') && !said.is_empty() {
            return Err(format!("{why}; it said {:?}", tame(said, redactor)));
        }
        return Err(why);
    }
    if said.is_empty() {
        return Ok(None);
    }
    let is_plain = serde_json::from_str::<PlainJson>(said).is_ok();
    let answer: Option<Map<String, Value>> = serde_json::from_str(said).ok().filter(|_| is_plain);
    let member = |name: &str| {
        let value = answer.as_ref().and_then(|answer| field(answer, name));
        Zeroizing::new(value.and_then(Value::as_str).unwrap_or_default().to_owned())
    };
    let (username, secret) = (member("Username"), member("Secret"));
    let secret = Secret::new(secret.as_str());
    let what = match (&answer, username.as_str(), secret.len()) {
        (None, ..) => "something that is not JSON with a login",
        (_, "", 0) => return Ok(None),
        (_, _, 0) => "an empty secret",
        (_, "", _) => "no user name",
        (_, TOKEN_USER, _) => {
            redactor.learn_secret(&secret);
            return Ok(Some(Credential::IdentityToken {
                username: None,
                token: secret,
            }));
        }
        (_, username, _) => {
            let credential = Credential::Password {
                username: username.to_owned(),
                password: secret,
            };
            redactor.learn(&credential);
            return Ok(Some(credential));
        }
    };
    // Its complaints may say it again.
    redactor.learn_secret(&secret);
    Err(format!("answered {what}{}", complaints.shown(redactor)))
}

/// A helper's words, fit to be shown.
fn tame(text: &str, redactor: &Redactor) -> String {
    clean(&redactor.redacted(text.to_owned()))
}

/// What came out of a pipe.
#[derive(Default)]
struct Said(Zeroizing<Vec<u8>>);

impl Said {
    async fn read(&mut self, pipe: Option<impl AsyncRead + Unpin>) {
        if let Some(pipe) = pipe {
            let _ = pipe.take(LONGEST + 1).read_to_end(&mut self.0).await;
        }
    }

    fn is_flood(&self) -> bool {
        self.0.len() as u64 > LONGEST
    }

    fn shown(&self, redactor: &Redactor) -> String {
        let text = String::from_utf8_lossy(&self.0);
        let text = tame(text.trim(), redactor);
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
    use std::{fs, os::unix::fs::PermissionsExt, pin::pin};
    use vouch_protocol::ErrorKind;

    /// A folder with a helper that runs a shell's lines.
    fn folder(script: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker-credential-fake");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        folder
    }

    /// Longer than a helper takes here.
    const EVER: Duration = Duration::from_secs(3600);

    async fn asked(folder: &Path, limit: Duration) -> Result<Option<Credential>> {
        let helper = Helper {
            name: "fake".into(),
            server: "r.io".into(),
        };
        let path = env::join_paths(
            std::iter::once(folder.to_owned())
                .chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())),
        )
        .unwrap();
        ask(
            &helper,
            Path::new("/config.json"),
            limit,
            &Redactor::default(),
            Some(&path),
        )
        .await
    }

    #[tokio::test]
    async fn what_helpers_answer() {
        let check = async |script: &str, expected: Option<Credential>| {
            let folder = folder(script);
            assert_eq!(
                asked(folder.path(), EVER).await.unwrap(),
                expected,
                "{script}"
            );
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
            r#"echo '{"username":"ann","secret":"pw-r.io"}'"#,
            Some(Credential::Password {
                username: "ann".into(),
                password: Secret::new("pw-r.io"),
            }),
        )
        .await;
        check(
            "echo credentials not found in native keychain; exit 1",
            None,
        )
        .await;
        check("true", None).await;
        check("echo", None).await;
        check("echo '{}'", None).await;
        check(r#"echo '{"ServerURL":"","Username":"","Secret":""}'"#, None).await;
    }

    #[tokio::test]
    async fn helpers_that_fail_are_named_and_show_no_secret() {
        let check = async |script: &str, limit: Duration, expected: &str| {
            let folder = folder(script);
            let error = asked(folder.path(), limit).await.expect_err(script);
            assert_eq!(error.kind(), ErrorKind::CredentialUnusable);
            let message = error.message();
            for part in ["docker-credential-fake", "/config.json", "r.io", expected] {
                assert!(message.contains(part), "{script}: {message}");
            }
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        };
        check("echo no luck >&2; exit 3", EVER, "no luck").await;
        check("echo on stdout; exit 1", EVER, "on stdout").await;
        check(
            r#"echo '{"Secret":"hunter2"}'; exit 1"#,
            EVER,
            "exit status: 1",
        )
        .await;
        check("echo hunter2", EVER, "not JSON").await;
        check(r#"echo '{"Username":"ann"}'"#, EVER, "empty secret").await;
        check(r#"echo '{"Secret":"hunter2"}'"#, EVER, "no user name").await;
        let again = r#"echo no user for HUNTER2 hunter2 >&2; echo '{"Secret":"hunter2"}'"#;
        check(again, EVER, "no user for").await;
        check("kill -9 $$", EVER, "signal").await;
        check("yes hunter2", EVER, "more than").await;
        check("yes hunter2 >&2", EVER, "more than").await;
        // Long enough for its words, which come at once.
        let limit = Duration::from_secs(3);
        check("echo busy >&2; sleep 600", limit, "busy").await;
        let silent = "exec >&- 2>&-; sleep 600";
        check(silent, Duration::from_millis(100), "was killed").await;
    }

    #[tokio::test]
    async fn one_that_is_missing_is_searched_for_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = asked(folder.path(), EVER).await.unwrap_err();
        assert!(error.message().contains("searched PATH="), "{error}");
        assert!(error.message().contains("docker-credential-fake"));
    }

    #[tokio::test]
    async fn its_children_die_with_it() {
        let folder = folder("sleep 600 & echo $! > \"${0%/*}/child\"; wait");
        let file = folder.path().join("child");
        let mut child = String::new();
        let written = async {
            while !child.ends_with('\n') {
                tokio::time::sleep(Duration::from_millis(5)).await;
                child = fs::read_to_string(&file).unwrap_or_default();
            }
        };
        let mut asked = pin!(asked(folder.path(), EVER));
        tokio::select! {
            answer = &mut asked => panic!("{answer:?}"),
            () = written => {}
        }
        tokio::time::pause();
        tokio::time::advance(EVER).await;
        asked.await.unwrap_err();
        tokio::time::resume();
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
