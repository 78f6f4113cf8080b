//! Signing with the keys that people have: the real `ssh-agent`, `ssh-add` and `ssh-keygen`.

use serde_json::{Value, json};
use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};
use tempfile::{NamedTempFile, TempDir};
use vouch_client::{
    protocol::{SignPrepareParams, SignPrepareResult},
    signing::{
        Agent, AgentKey, Covered, KeyFile, Passphrase, Result, Signer, SigningError,
        SigningErrorKind, SigningInput,
    },
};
use vouch_testing::{
    forge::{module, sha256},
    process::until,
};

/// What OpenSSH asks people with. It answers as the file beside it says, after it was asked.
const ASKPASS: &str = r#"#!/bin/sh
echo "$1" >> "${0%/*}/asked"
exec sh "${0%/*}/answer"
"#;

/// A folder with keys, and an agent.
struct Desk {
    folder: TempDir,
    agent: Child,
}

impl Desk {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        // Another process writes it: what is open for writing cannot be run.
        let askpass = folder.path().join("askpass");
        let write = "printf %s \"$1\" > \"$2\" && chmod 700 \"$2\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", write, "sh", ASKPASS]).arg(&askpass);
        assert!(shell.status().unwrap().success());
        let socket = folder.path().join("agent");
        let agent = Command::new("ssh-agent")
            .args([OsStr::new("-D"), OsStr::new("-a"), socket.as_os_str()])
            .env("SSH_ASKPASS", &askpass)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssh-client is installed");
        let desk = Self { folder, agent };
        until("the agent listens", || socket.exists());
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn agent(&self) -> Agent {
        Agent::at(self.path("agent"))
    }

    /// What people answer when they are asked: a shell's lines.
    fn answers(&self, script: &str) {
        fs::write(self.path("answer"), script).unwrap();
    }

    fn ssh_add(&self, arguments: &[&str]) {
        let mut command = Command::new("ssh-add");
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("SSH_AUTH_SOCK", self.path("agent"))
            .env("SSH_ASKPASS", self.path("askpass"))
            .env("SSH_ASKPASS_REQUIRE", "force");
        run(&mut command);
    }

    /// Makes a key: the file `name`, with that as its comment.
    fn key(&self, name: &str, arguments: &[&str]) -> PathBuf {
        let file = self.path(name);
        keygen(&file, &[&["-C", name, "-N", ""], arguments].concat());
        file
    }

    async fn keys(&self) -> Vec<AgentKey> {
        self.agent().keys().await.unwrap()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

fn run(command: &mut Command) {
    let ran = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{command:?}: {said}");
}

fn keygen(file: &Path, arguments: &[&str]) {
    let mut command = Command::new("ssh-keygen");
    run(command.args(["-q", "-f"]).arg(file).args(arguments));
}

/// What an honest service answers.
async fn input(account: &str) -> SigningInput {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), module()).unwrap();
    let covered = Covered::read(file.path()).await.unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    // Any module's key.
    let subject = "MB2ZDBY7MU2UY7QUBAKQQFJ4J7DQP46OOWS6BLZYPDWDIWE2HAMFVPGA";
    let claims = json!({
        "jti": "x", "iat": now.as_secs(), "iss": account, "sub": subject,
        "wascap": {"name": "echo", "hash": sha256(&module())},
        "wascap_revision": 3,
    });
    let part = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
    let header = part(r#"{"typ":"jwt","alg":"Ed25519"}"#);
    let answer: Value = json!({
        "artifact": {"kind": "module", "digest": "sha256:00", "size": 8},
        "signingInput": format!("{header}.{}", part(&claims.to_string())),
        "claims": {"issuer": account, "subject": subject, "issuedAt": 0},
    });
    let answer: SignPrepareResult = serde_json::from_value(answer).unwrap();
    let asked = SignPrepareParams {
        path: "/a".into(),
        account: account.into(),
        subject: Some(subject.into()),
        ..SignPrepareParams::default()
    };
    SigningInput::check(&answer, &asked, &covered).unwrap()
}

/// Signs, and verifies with a library that is not ours.
async fn signs(signer: &Signer) -> Result<()> {
    let account = signer.account().as_str();
    let input = input(account).await;
    let signature = signer.sign(&input).await?;
    let pair = nkeys::KeyPair::from_public_key(account).unwrap();
    pair.verify(input.as_str().as_bytes(), &signature.to_bytes())
        .unwrap();
    Ok(())
}

#[track_caller]
fn says(error: &SigningError, kind: SigningErrorKind, expected: &str) {
    let said = format!("{error}\n{}", error.help.as_deref().unwrap_or_default());
    assert_eq!(error.kind, kind, "{said}");
    assert!(said.contains(expected), "{said}");
}

#[tokio::test]
async fn keys_of_an_agent_sign() {
    let desk = Desk::new();
    let (ann, work) = (
        desk.key("ann", &["-t", "ed25519"]),
        desk.key("work", &["-t", "ed25519"]),
    );
    let rsa = desk.key("old", &["-t", "rsa", "-b", "2048"]);
    let ecdsa = desk.key("curve", &["-t", "ecdsa"]);
    assert!(desk.keys().await.is_empty());
    for key in [&ann, &rsa, &work, &ecdsa] {
        desk.ssh_add(&["-q", key.to_str().unwrap()]);
    }
    let keys = desk.keys().await;
    let comments: Vec<_> = keys.iter().map(AgentKey::comment).collect();
    assert_eq!(comments, ["ann", "old", "work", "curve"]);
    for (key, file) in [(&keys[0], &ann), (&keys[2], &work)] {
        let signer = Signer::of_agent(key.clone()).unwrap();
        signs(&signer).await.unwrap();
        // The account is that of the file, and the fingerprint what others show.
        assert_eq!(KeyFile::open(file).unwrap().account(), signer.account());
        let shown = Command::new("ssh-keygen").arg("-lf").arg(file).output();
        let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
        assert!(shown.contains(key.fingerprint()), "{shown}");
        let public = fs::read_to_string(file.with_extension("pub")).unwrap();
        let line = signer.account().ssh_line(signer.comment());
        assert_eq!(line, public.trim_end());
    }
    let unusable = SigningErrorKind::KeyUnusable;
    let error = Signer::of_agent(keys[1].clone()).unwrap_err();
    says(&error, unusable, "old cannot sign tokens: it is an RSA key");
    says(&error, unusable, "`ssh-keygen -t ed25519`");
    says(keys[3].account().as_ref().unwrap_err(), unusable, "ECDSA");
    // One key signs nothing of another's.
    let signer = Signer::of_agent(keys[0].clone()).unwrap();
    let other = input(keys[2].account().unwrap().as_str()).await;
    says(
        &signer.sign(&other).await.unwrap_err(),
        unusable,
        "not for A",
    );
}

#[tokio::test]
async fn somebody_may_be_asked() {
    let desk = Desk::new();
    let key = desk.key("ann", &["-t", "ed25519"]);
    desk.ssh_add(&["-q", "-c", key.to_str().unwrap()]);
    let signer = Signer::of_agent(desk.keys().await.remove(0)).unwrap();
    desk.answers("exit 0");
    signs(&signer).await.unwrap();
    desk.answers("exit 1");
    let error = signs(&signer).await.unwrap_err();
    says(
        &error,
        SigningErrorKind::AgentRefused,
        "refused to sign with ann",
    );
    says(&error, SigningErrorKind::AgentRefused, "Somebody said no");
    // One who does not answer is waited for, until whoever waits has enough.
    desk.answers("cd ${0%/*}; echo $$ > waiting; mv waiting waits; exec sleep 600");
    let waits = desk.path("waits");
    let asked = async {
        while !waits.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        signed = signs(&signer) => panic!("{signed:?}"),
        () = asked => {}
    }
    let process = fs::read_to_string(waits).unwrap();
    run(Command::new("kill").arg(process.trim()));
}

#[tokio::test]
async fn a_locked_agent_shows_and_signs_nothing() {
    let desk = Desk::new();
    let key = desk.key("ann", &["-t", "ed25519"]);
    desk.ssh_add(&["-q", key.to_str().unwrap()]);
    let signer = Signer::of_agent(desk.keys().await.remove(0)).unwrap();
    desk.answers("echo hunter2");
    desk.ssh_add(&["-x"]);
    assert!(desk.keys().await.is_empty());
    let error = signs(&signer).await.unwrap_err();
    says(&error, SigningErrorKind::AgentRefused, "it was locked");
    desk.ssh_add(&["-X"]);
    signs(&signer).await.unwrap();
    // It lost the key meanwhile.
    desk.ssh_add(&["-q", "-D"]);
    let error = signs(&signer).await.unwrap_err();
    says(&error, SigningErrorKind::AgentRefused, "lost the key");
}

#[tokio::test]
async fn key_files_sign() {
    let desk = Desk::new();
    let plain = KeyFile::open(&desk.key("plain", &["-t", "ed25519"])).unwrap();
    assert_eq!((plain.comment(), plain.is_locked()), ("plain", false));
    signs(&Signer::of_file(plain)).await.unwrap();
    for cipher in [
        "aes256-ctr",
        "aes256-gcm@openssh.com",
        "chacha20-poly1305@openssh.com",
    ] {
        let file = desk.path(cipher);
        let arguments = [
            "-t", "ed25519", "-C", cipher, "-N", "hunter2", "-a", "2", "-Z", cipher,
        ];
        keygen(&file, &arguments);
        let file = KeyFile::open(&file).unwrap();
        assert!(file.is_locked());
        let mut signer = Signer::of_file(file);
        let error = signs(&signer).await.unwrap_err();
        says(
            &error,
            SigningErrorKind::PassphraseNeeded,
            "--passphrase-file",
        );
        let wrong = Passphrase::new("hunter3".into());
        let error = signer.unlock(wrong).await.unwrap_err();
        says(&error, SigningErrorKind::PassphraseWrong, cipher);
        signer
            .unlock(Passphrase::new("hunter2".into()))
            .await
            .unwrap();
        assert_eq!((signer.comment(), signer.is_locked()), (cipher, false));
        signs(&signer).await.unwrap();
        assert!(!format!("{signer:?}").contains("hunter"));
    }
    let seed = desk.path("seed.nk");
    let pair = nkeys::KeyPair::new_account();
    fs::write(&seed, pair.seed().unwrap() + "\n").unwrap();
    fs::set_permissions(&seed, fs::Permissions::from_mode(0o600)).unwrap();
    let file = KeyFile::open(&seed).unwrap();
    assert_eq!(file.account().as_str(), pair.public_key());
    signs(&Signer::of_file(file)).await.unwrap();
}

#[test]
fn files_of_other_keys_say_why_not() {
    let desk = Desk::new();
    let check = |name: &str, arguments: &[&str], expected: &str| {
        let file = desk.key(name, arguments);
        let error = KeyFile::open(&file).unwrap_err();
        says(&error, SigningErrorKind::KeyUnusable, expected);
    };
    check("rsa", &["-t", "rsa", "-b", "2048"], "an RSA key");
    check("ecdsa", &["-t", "ecdsa"], "an ECDSA key");
    let pem = ["-t", "ecdsa", "-m", "PEM"];
    check("pem", &pem, "another kind than OpenSSH's");
    let file = desk.key("ann", &["-t", "ed25519"]);
    let public = file.with_extension("pub");
    // As ssh-keygen makes it, and as somebody may have closed it.
    for mode in [0o644, 0o600] {
        fs::set_permissions(&public, fs::Permissions::from_mode(mode)).unwrap();
        let error = KeyFile::open(&public).unwrap_err();
        let unusable = SigningErrorKind::KeyUnusable;
        says(&error, unusable, &format!("`--key {}`", file.display()));
        says(
            &error,
            unusable,
            &format!("`--key ssh:{}`", public.display()),
        );
    }
}
