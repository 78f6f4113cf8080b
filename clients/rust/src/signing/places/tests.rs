//! Which key is meant, among those in folders and in an agent of our own.

use super::*;
use std::{fs, os::unix::fs::PermissionsExt as _};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
};

/// A user's folders, and an agent with these keys: by seed and comment, or of the type RSA.
struct Desk {
    folder: TempDir,
    places: Places,
}

impl Desk {
    fn new(keys: &[(Option<u8>, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let socket = folder.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        let string = |bytes: &[u8]| {
            let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
            [&length, bytes].concat()
        };
        let mut answer = vec![12];
        answer.extend(u32::try_from(keys.len()).unwrap().to_be_bytes());
        for (seed, comment) in keys {
            let blob = match seed {
                Some(seed) => ssh::blob(account(*seed).key()),
                None => string(b"ssh-rsa"),
            };
            answer.extend([string(&blob), string(comment.as_bytes())].concat());
        }
        let answer = string(&answer);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = [0; 5];
                stream.read_exact(&mut asked).await.unwrap();
                stream.write_all(&answer).await.unwrap();
            }
        });
        let places = Places {
            agent: Ok(Agent::at(socket)),
            own: Some(folder.path().join("own")),
            folders: vec![folder.path().join("wash"), folder.path().join("more")],
            key_file: None,
        };
        Self { folder, places }
    }

    /// A key in a folder.
    fn made(&self, folder: &str, name: &str) -> Account {
        let made = own::make(&self.folder.path().join(folder), name).unwrap();
        made.account().clone()
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    async fn found(&self, name: &str) -> Result<Account> {
        let signer = self.places.find(&name.parse().unwrap()).await?;
        Ok(signer.account().clone())
    }

    async fn chosen(&self, named: Option<&str>, kept: Option<&str>, ask: bool) -> Result<Choice> {
        self.places.choose(named, kept, ask).await
    }
}

fn account(seed: u8) -> Account {
    let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
    Account::of_key(key.verifying_key().to_bytes())
}

#[track_caller]
fn fails<T: std::fmt::Debug>(result: Result<T>, kind: SigningErrorKind, expected: &str) {
    let error = result.unwrap_err();
    let said = format!("{error}\n{}", error.help.as_deref().unwrap_or_default());
    assert_eq!(error.kind, kind, "{said}");
    assert!(said.contains(expected), "{said}");
}

#[tokio::test]
async fn keys_of_an_agent_are_found_by_what_people_call_them() {
    let desk = Desk::new(&[
        (Some(1), "ann@laptop"),
        (Some(2), "work"),
        (None, "work"),
        (Some(3), "twice"),
        (Some(4), "twice"),
        (None, "old"),
    ]);
    assert_eq!(desk.found("ssh:ann@laptop").await.unwrap(), account(1));
    // The other of that name cannot sign.
    assert_eq!(desk.found("ssh:work").await.unwrap(), account(2));
    let fingerprint = ssh::fingerprint(&ssh::blob(account(4).key()));
    assert_eq!(
        desk.found(&format!("ssh:{fingerprint}")).await.unwrap(),
        account(4)
    );
    let twice = desk.found("ssh:twice").await;
    fails(
        twice,
        SigningErrorKind::KeyAmbiguous,
        &format!("`ssh:{fingerprint}`"),
    );
    fails(
        desk.found("ssh:old").await,
        SigningErrorKind::KeyUnusable,
        "RSA",
    );
    let absent = SigningErrorKind::KeyAbsent;
    fails(
        desk.found("ssh:bob").await,
        absent,
        "`ssh:ann@laptop`, `ssh:work`",
    );
    let other = ssh::fingerprint(b"");
    fails(desk.found(&format!("ssh:{other}")).await, absent, "no key");

    let public = desk.path("id.pub");
    fs::write(&public, account(3).ssh_line("x") + "\n").unwrap();
    assert_eq!(
        desk.found(&format!("ssh:{public}")).await.unwrap(),
        account(3)
    );
    fs::write(&public, account(9).ssh_line("x")).unwrap();
    let missing = desk.found(&format!("ssh:{public}")).await;
    fails(missing, absent, &format!("`ssh-add {}`", desk.path("id")));
    let check = async |text: &str, kind: SigningErrorKind, expected: &str| {
        fs::write(&public, text).unwrap();
        fails(desk.found(&format!("ssh:{public}")).await, kind, expected);
    };
    let unusable = SigningErrorKind::KeyUnusable;
    check("ssh-rsa AAAA x", unusable, "RSA").await;
    check("", unusable, "does not hold").await;
    check("ssh-ed25519", unusable, "does not hold").await;
    check("ssh-ed25519 ???", unusable, "does not hold").await;
    let file = SigningErrorKind::File;
    fails(desk.found("ssh:/dev/zero.pub").await, file, "cannot read");
    fs::create_dir(desk.path("folder.pub")).unwrap();
    let folder = format!("ssh:{}", desk.path("folder.pub"));
    fails(desk.found(&folder).await, file, "not a regular file");
}

#[tokio::test]
async fn an_agent_with_nothing_says_how_to_unlock_it() {
    let desk = Desk::new(&[]);
    let absent = SigningErrorKind::KeyAbsent;
    fails(desk.found("ssh:ann").await, absent, "`ssh-add -X` unlocks");
    fails(
        desk.chosen(None, None, true).await,
        absent,
        "`ssh-add -X` unlocks",
    );
    fails(
        desk.chosen(None, None, true).await,
        absent,
        "`vouch keys new NAME`",
    );
}

#[tokio::test]
async fn names_are_files_of_folders() {
    let desk = Desk::new(&[]);
    let own = desk.made("own", "acme");
    desk.made("wash", "acme");
    let wash = desk.made("wash", "ann_account");
    desk.made("wash", "both");
    desk.made("more", "both");
    assert_eq!(desk.found("acme").await.unwrap(), own);
    assert_eq!(desk.found("ann_account").await.unwrap(), wash);
    let path = desk.path("wash/both.nk");
    fails(
        desk.found("both").await,
        SigningErrorKind::KeyAmbiguous,
        &path,
    );
    desk.found(&path).await.unwrap();
    let missing = desk.found("bob").await;
    fails(missing, SigningErrorKind::KeyAbsent, "`vouch keys new bob`");
    fails(
        desk.found("bob").await,
        SigningErrorKind::KeyAbsent,
        "`ssh:bob`",
    );
    let missing = desk.found(&desk.path("absent")).await;
    fails(missing, SigningErrorKind::KeyAbsent, "No such file");
}

#[tokio::test]
async fn each_candidate_is_found_by_its_name() {
    let desk = Desk::new(&[
        (Some(1), "ann"),
        (Some(2), ""),
        (Some(3), "id.pub"),
        (Some(4), "SHA256:x"),
        (Some(5), "twice"),
        (Some(6), "twice"),
        (Some(7), "a\nb"),
        (None, "ann"),
    ]);
    desk.made("own", "acme");
    desk.made("wash", "acme");
    desk.made("wash", "other");
    let open = desk.path("wash/open.nk");
    fs::write(&open, "").unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(desk.path("wash/notes.txt"), "").unwrap();
    fs::write(desk.path("wash/odd name.nk"), "").unwrap();
    let (candidates, failed) = desk.places.candidates().await;
    assert_eq!(failed, None);
    let can: Vec<_> = candidates.iter().filter(|it| it.account.is_ok()).collect();
    assert_eq!((candidates.len(), can.len()), (13, 10));
    for candidate in &can {
        let found = desk.found(&candidate.name.to_string()).await.unwrap();
        assert_eq!(
            &found,
            candidate.account.as_ref().unwrap(),
            "{}",
            candidate.name
        );
    }
    let names: Vec<_> = can.iter().map(|it| it.name.to_string()).collect();
    assert_eq!(names[0], "ssh:ann");
    assert!(
        names[1..7]
            .iter()
            .all(|name| name.starts_with("ssh:SHA256:")),
        "{names:?}"
    );
    let shadowed = desk.path("wash/acme.nk");
    assert_eq!(
        names[7..],
        ["acme".to_owned(), shadowed, "other".to_owned()]
    );
    let places: Vec<_> = can[7..].iter().map(|it| it.place).collect();
    assert_eq!(places, [Place::Own, Place::Folder, Place::Folder]);
    let open = candidates.iter().find(|it| it.label == open).unwrap();
    let error = open.account.as_ref().unwrap_err();
    assert_eq!(error.kind, SigningErrorKind::FileOpenToOthers);
}

#[tokio::test]
async fn who_names_a_key_first_is_heard() {
    let mut desk = Desk::new(&[(Some(1), "ann"), (None, "old")]);
    let (acme, other) = (desk.made("own", "acme"), desk.made("own", "other"));
    let the = |choice: Result<Choice>| match choice.unwrap() {
        Choice::The(signer) => signer.account().clone(),
        Choice::Among(candidates) => panic!("{candidates:?}"),
    };
    // The one of the agent, and only where somebody can see which.
    assert_eq!(the(desk.chosen(None, None, true).await), account(1));
    let silent = desk.chosen(None, None, false).await;
    fails(silent, SigningErrorKind::KeyAmbiguous, "VOUCH_KEY_FILE");
    assert_eq!(the(desk.chosen(None, Some("acme"), false).await), acme);
    assert_eq!(
        the(desk.chosen(Some("other"), Some("acme"), false).await),
        other
    );
    let gone = desk.chosen(None, Some("gone"), true).await;
    fails(
        gone,
        SigningErrorKind::KeyAbsent,
        "the config's `[sign] key`",
    );
    let wrong = desk.chosen(None, Some(""), true).await;
    fails(
        wrong,
        SigningErrorKind::KeyName,
        "the config's `[sign] key`",
    );
    desk.places.key_file = Some(Ok(desk.path("own/other.nk").into()));
    assert_eq!(the(desk.chosen(None, Some("acme"), false).await), other);
    assert_eq!(the(desk.chosen(Some("acme"), None, false).await), acme);
    // One that is named and cannot be used is not passed over.
    desk.places.key_file = Some(Ok(desk.path("absent").into()));
    let absent = async || desk.chosen(None, Some("acme"), true).await;
    let kind = SigningErrorKind::KeyAbsent;
    fails(absent().await, kind, "the environment's VOUCH_KEY_FILE");
    fails(absent().await, kind, "the path of a file");
}

/// Pipelines keep a secret in a variable, and this one is easily taken for that.
#[tokio::test]
async fn a_key_in_the_place_of_its_file_s_path_is_not_shown() {
    let mut desk = Desk::new(&[(Some(1), "ann")]);
    let seed = "SAAPN4W3EG6KCJGUQTKTJ5GSB5NHK5CHAJL4DBGFUM3HHROI4XUEP4OBK4";
    for value in [
        seed.to_owned(),
        format!("{seed}\n"),
        format!("\"{seed}\""),
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk/\n".to_owned(),
        "-----BEGIN OPENSSH PRIVATE KEY----- b3BlbnNzaC1rZXk/".to_owned(),
        "LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVEUgS0VZLS0tLS0K".to_owned(),
    ] {
        desk.places.key_file = key_file(value.clone().into());
        let error = desk.chosen(None, Some("acme"), true).await.unwrap_err();
        let said = format!("{error:?}");
        assert!(said.contains("a private key itself"), "{said}");
        assert!(!said.contains(&value[value.len() - 20..]), "{said}");
        let error = value.parse::<KeyName>().unwrap_err();
        assert!(!format!("{error:?}").contains(value.trim()), "{error}");
    }
    for value in ["/run/secrets/key", "SIGNING", "./S.nk"] {
        let named = key_file(value.into()).unwrap();
        assert_eq!(named, Ok(value.into()));
    }
    assert_eq!(key_file(OsString::new()), None);
}

#[tokio::test]
async fn several_keys_are_a_choice() {
    let desk = Desk::new(&[(Some(1), "ann"), (Some(2), "work"), (None, "old")]);
    desk.made("own", "acme");
    let Choice::Among(candidates) = desk.chosen(None, None, true).await.unwrap() else {
        panic!("nobody chose");
    };
    let names: Vec<_> = candidates.iter().map(|it| it.name.to_string()).collect();
    assert_eq!(names, ["ssh:ann", "ssh:work", "acme"]);
    // One of one's own is never taken unasked.
    let desk = Desk::new(&[]);
    desk.made("own", "acme");
    let Choice::Among(candidates) = desk.chosen(None, None, true).await.unwrap() else {
        panic!("nobody chose");
    };
    assert_eq!(candidates.len(), 1);
}

#[tokio::test]
async fn without_an_agent_files_still_sign() {
    let mut desk = Desk::new(&[]);
    let none = SigningError::new(SigningErrorKind::NoAgent, "none is named");
    desk.places.agent = Err(none.help("`ssh-agent` starts one."));
    let absent = async || desk.chosen(None, None, true).await;
    fails(absent().await, SigningErrorKind::KeyAbsent, "none is named");
    fails(
        absent().await,
        SigningErrorKind::KeyAbsent,
        "`ssh-agent` starts",
    );
    desk.made("own", "acme");
    desk.found("acme").await.unwrap();
    fails(
        desk.found("ssh:ann").await,
        SigningErrorKind::NoAgent,
        "none is named",
    );
    let (candidates, failed) = desk.places.candidates().await;
    assert_eq!((candidates.len(), failed.is_some()), (1, true));
    desk.places.own = None;
    fails(desk.places.make("acme"), SigningErrorKind::File, "HOME");
}
