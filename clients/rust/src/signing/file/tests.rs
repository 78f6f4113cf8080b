//! Files that hold no key that can sign, and what is said of them.

use super::*;
use data_encoding::BASE64;
use ssh_key::{Cipher, LineEnding, private::Ed25519Keypair};
use std::fs;
use tempfile::TempDir;

const SEED: &str = "SAAPN4W3EG6KCJGUQTKTJ5GSB5NHK5CHAJL4DBGFUM3HHROI4XUEP4OBK4";

fn written(folder: &TempDir, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join("key");
    let _ = fs::remove_file(&path);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn pair() -> KeypairData {
    KeypairData::Ed25519(Ed25519Keypair::from_seed(&[7; 32]))
}

fn openssh(key: &PrivateKey) -> Zeroizing<String> {
    key.to_openssh(LineEnding::LF).unwrap()
}

/// A key with the passphrase `hunter2`.
fn encrypted() -> Zeroizing<String> {
    let kdf = Kdf::Bcrypt {
        salt: vec![1; 16],
        rounds: 1,
    };
    let key = PrivateKey::new(pair(), "ann").unwrap();
    let key = key.encrypt_with(Cipher::Aes256Ctr, kdf, 7, "hunter2");
    openssh(&key.unwrap())
}

/// The same file with other bytes in it.
fn changed(text: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let lines: Vec<_> = text.lines().collect();
    let (first, last) = (lines[0], lines[lines.len() - 1]);
    let body: String = lines[1..lines.len() - 1].concat();
    let mut bytes = BASE64.decode(body.as_bytes()).unwrap();
    change(&mut bytes);
    let body = BASE64.encode(&bytes);
    let body: Vec<_> = body
        .as_bytes()
        .chunks(70)
        .map(String::from_utf8_lossy)
        .collect();
    format!("{first}\n{}\n{last}\n", body.join("\n"))
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = written(&folder, SEED);
    for mode in [0o640, 0o604, 0o620, 0o602, 0o666, 0o610] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = KeyFile::open(&path).unwrap_err();
        assert_eq!(error.kind, SigningErrorKind::FileOpenToOthers, "{mode:o}");
        let help = error.help.unwrap();
        assert!(
            help.contains(&format!("`chmod 600 {}`", path.display())),
            "{help}"
        );
        let error = Passphrase::from_file(&path).unwrap_err();
        assert_eq!(error.kind, SigningErrorKind::FileOpenToOthers);
    }
    for mode in [0o400, 0o600, 0o700] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        KeyFile::open(&path).unwrap();
    }
}

#[test]
fn what_is_not_a_file() {
    let folder = TempDir::new().unwrap();
    let check = |path: &Path, kind: SigningErrorKind, expected: &str| {
        let error = KeyFile::open(path).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(expected), "{error}");
        assert!(error.message.contains(path.to_str().unwrap()), "{error}");
    };
    let absent = folder.path().join("absent");
    check(&absent, SigningErrorKind::KeyAbsent, "No such file");
    check(folder.path(), SigningErrorKind::File, "not a regular file");
    check(
        Path::new("/dev/zero"),
        SigningErrorKind::File,
        "not a regular file",
    );
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    check(&pipe, SigningErrorKind::File, "not a regular file");
    let large = written(&folder, vec![b'A'; 64 * 1024 + 1]);
    check(&large, SigningErrorKind::File, "too large");
    // A link's target counts.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(written(&folder, SEED), &link).unwrap();
    KeyFile::open(&link).unwrap();
}

#[test]
fn files_without_a_key_that_can_sign() {
    let folder = TempDir::new().unwrap();
    let check = |text: &[u8], expected: &str| {
        let error = KeyFile::open(&written(&folder, text)).unwrap_err();
        let said = format!("{error} {:?}", error.help);
        assert_eq!(error.kind, SigningErrorKind::KeyUnusable, "{said}");
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("AAPN4W3EG"), "{said}");
    };
    check(b"", "is empty");
    check(b"\n\n", "is empty");
    check(b"hello", "neither an OpenSSH private key nor an nkey seed");
    check(&[0xff, 0xfe], "not text");
    check(&SEED.as_bytes()[..57], "check sum");
    check(SEED.replace('P', "Q").as_bytes(), "check sum");
    check(format!("{SEED}\n{SEED}").as_bytes(), "neither");
    let of = |pair: nkeys::KeyPair| pair.seed().unwrap();
    check(
        of(nkeys::KeyPair::new_module()).as_bytes(),
        "seed of a module",
    );
    check(
        of(nkeys::KeyPair::new_service()).as_bytes(),
        "seed of a provider",
    );
    check(
        of(nkeys::KeyPair::new_module()).as_bytes(),
        "starts with `SA`",
    );
    let public = nkeys::KeyPair::new_account().public_key();
    check(public.as_bytes(), "a public nkey, not a seed");
    check(b"ssh-ed25519 AAAA x", "holds a public key");
    check(b"PuTTY-User-Key-File-3: ssh-ed25519\n", "puttygen");
    check(b"-----BEGIN PRIVATE KEY-----\nAAAA\n", "another kind");
    check(b"-----BEGIN OPENSSH PRIVATE KEY-----\n", "cut off");

    let plain = openssh(&PrivateKey::new(pair(), "ann").unwrap());
    KeyFile::open(&written(&folder, &*plain)).unwrap();
    let half = plain.get(..plain.len() / 2).unwrap();
    check(half.as_bytes(), "cut off");
    // Another public key in front, and another behind the seed.
    let public = *Ed25519Keypair::from_seed(&[7; 32]).public.as_ref();
    let places = |bytes: &[u8]| -> Vec<usize> {
        let places = bytes.windows(32).enumerate();
        places
            .filter(|(_, at)| *at == public)
            .map(|(at, _)| at)
            .collect()
    };
    for place in 0..3 {
        let swapped = changed(&plain, |bytes| {
            let places = places(bytes);
            assert_eq!(places.len(), 3);
            bytes[places[place]] ^= 1;
        });
        assert!(
            KeyFile::open(&written(&folder, swapped)).is_err(),
            "{place}"
        );
    }
    let seeds = changed(&plain, |bytes| {
        let at = bytes.windows(32).position(|at| at == [7; 32]).unwrap();
        bytes[at] ^= 1;
    });
    assert!(KeyFile::open(&written(&folder, seeds)).is_err());
}

#[tokio::test]
async fn a_passphrase_may_not_keep_us_busy_for_days() {
    let folder = TempDir::new().unwrap();
    let text = encrypted();
    let mut file = KeyFile::open(&written(&folder, &*text)).unwrap();
    file.unlock(Passphrase::new("hunter2".into()))
        .await
        .unwrap();
    assert!(!file.is_locked());
    let of_rounds = |rounds: u32| {
        changed(&text, |bytes| {
            let name = bytes.windows(6).position(|at| at == b"bcrypt").unwrap();
            // Behind it: the length of the options, that of the salt, and the salt.
            let place = name + 6 + 4 + 4 + 16;
            bytes[place..place + 4].copy_from_slice(&rounds.to_be_bytes());
        })
    };
    for rounds in [0, MOST_ROUNDS + 1, u32::MAX] {
        let error = KeyFile::open(&written(&folder, of_rounds(rounds))).unwrap_err();
        assert!(error.message.contains("rounds"), "{error}");
        assert!(error.help.unwrap().contains("ssh-keygen -p"));
    }
    KeyFile::open(&written(&folder, of_rounds(MOST_ROUNDS))).unwrap();
}

#[test]
fn a_passphrase_is_the_first_line() {
    let folder = TempDir::new().unwrap();
    let check = |text: &str, expected: &str| {
        let read = Passphrase::from_file(&written(&folder, text)).unwrap();
        assert_eq!(*read.0, expected, "{text:?}");
    };
    check("hunter2", "hunter2");
    check(" hunter 2 \n", " hunter 2 ");
    check("hunter2\r\nmore\n", "hunter2");
    check("", "");
    let long = written(&folder, vec![b'x'; 4097]);
    assert_eq!(
        Passphrase::from_file(&long).unwrap_err().kind,
        SigningErrorKind::File
    );
}

#[test]
fn nothing_secret_is_shown() {
    let folder = TempDir::new().unwrap();
    let file = KeyFile::open(&written(&folder, SEED)).unwrap();
    let shown = format!("{file:?} {:?}", Passphrase::new("hunter2".into()));
    assert!(shown.contains("is_locked: false"), "{shown}");
    for secret in ["hunter2", &SEED[3..], "[6, 111, 45"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
