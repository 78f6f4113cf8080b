//! `vouch keys`: what it makes, lists and shows, with a real ssh-agent.

use crate::{service::Ran, spawn::Home};
use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
};
use vouch_testing::process::until;

const ACCOUNT: &str = "ACODERUVFFAWZQDSS6SBIACUA5O6SXF7HJ3YTYXBALHZP3P7R4BUO4J2";
const SEED: &str = "SAAPN4W3EG6KCJGUQTKTJ5GSB5NHK5CHAJL4DBGFUM3HHROI4XUEP4OBK4";

/// A user with an agent.
struct Desk {
    home: Home,
    agent: Child,
}

impl Desk {
    fn new() -> Self {
        let home = Home::new();
        let socket = home.path("agent");
        let agent = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssh-client is installed");
        let desk = Self { home, agent };
        until("the agent listens", || socket.exists());
        desk
    }

    /// Makes a key of that type, with its name as its comment, and gives it to the agent.
    fn adds(&self, kind: &str, name: &str) -> PathBuf {
        let file = self.home.path(name);
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-N", "", "-t", kind, "-C", name, "-f"]);
        let mut add = Command::new("ssh-add");
        add.arg("-q").env("SSH_AUTH_SOCK", self.home.path("agent"));
        for command in [&mut keygen, &mut add] {
            let ran = command.arg(&file).stdin(Stdio::null()).output().unwrap();
            assert!(ran.status.success(), "{ran:?}");
        }
        file
    }

    fn keys(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.vouch(&[&["keys"], arguments].concat());
        command.env("SSH_AUTH_SOCK", self.home.path("agent"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.keys(arguments))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

#[track_caller]
fn shows(ran: &Ran, code: i32, says: &[&str]) {
    assert_eq!(ran.code, code, "{}{}", ran.out, ran.err);
    let said = format!("{}{}", ran.out, ran.err);
    for says in says {
        assert!(said.contains(says), "{says:?} is not in {said}");
    }
}

/// A seed as wash keeps it.
fn seed(home: &Home, name: &str) -> PathBuf {
    let file = home.path(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, SEED).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

#[test]
fn a_key_is_made_once_and_shown() {
    let home = Home::new();
    let made = home.run(&["--json", "keys", "new", "acme"]);
    assert_eq!((made.code, made.err.as_str()), (0, ""), "{}", made.out);
    let made = made.lines().remove(0);
    let file = home.path(".local/share/vouchd/keys/acme.nk");
    assert_eq!(made["file"], file.to_str().unwrap());
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let folder = fs::metadata(file.parent().unwrap()).unwrap();
    assert_eq!(folder.mode() & 0o777, 0o700);
    let account = made["account"].as_str().unwrap();
    let line = made["ssh"].as_str().unwrap();
    assert!(
        line.starts_with("ssh-ed25519 AAAA") && line.ends_with(" acme"),
        "{line}"
    );
    let before = fs::read(&file).unwrap();
    let again = home.run(&["keys", "new", "acme"]);
    shows(&again, 2, &["there is already a key \"acme\"", "help: "]);
    assert_eq!(fs::read(&file).unwrap(), before);
    shows(&home.run(&["keys", "show", "acme"]), 0, &[account, line]);
    shows(
        &home.run(&["keys", "show", file.to_str().unwrap()]),
        0,
        &[account],
    );
    // A policy takes what was shown.
    let trusted = home.run(&["trust", "add", "acme", "--ssh-key", line, "-y"]);
    shows(&trusted, 0, &["changed"]);
    let list = home.run(&["--json", "trust", "list"]).lines().remove(0);
    assert_eq!(list["signers"][0]["account"], account);
    for name in ["../acme", "a/b", ""] {
        shows(
            &home.run(&["keys", "new", name]),
            2,
            &["is not the name of a key"],
        );
    }
    let ran = home.run(&["keys", "new", SEED]);
    shows(&ran, 2, &["a private key itself"]);
    assert!(!format!("{}{}", ran.out, ran.err).contains(&SEED[3..]));
}

#[test]
fn all_keys_are_listed() {
    let desk = Desk::new();
    let nothing = desk.run(&["list"]);
    shows(
        &nothing,
        0,
        &["no key that can sign", "`vouch keys new NAME`"],
    );
    desk.adds("ed25519", "ann");
    desk.adds("rsa", "old");
    let listed = desk.run(&["list"]);
    shows(
        &listed,
        0,
        &["ssh:ann", "old cannot sign tokens: it is an RSA key"],
    );
    shows(&listed, 0, &["`vouch sign FILE` signs with ssh:ann"]);
    desk.adds("ed25519", "work");
    desk.run(&["new", "acme"]);
    seed(&desk.home, ".wash/keys/ann_account.nk");
    let open = seed(&desk.home, ".wash/keys/open.nk");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let config = desk.home.path(".config/vouchd/config.toml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, "[sign]\nfolders = ['~/.wash/keys']\n").unwrap();
    let listed = desk.run(&["list"]);
    let names = ["ssh:ann ", "ssh:work ", "acme ", "ann_account "];
    shows(&listed, 0, &names);
    shows(&listed, 0, &["open.nk", "others can read", "--key KEY"]);

    let mut listing = desk.home.vouch(&["--json", "keys", "list"]);
    listing.env("SSH_AUTH_SOCK", desk.home.path("agent"));
    let list = |command: &mut Command| Ran::of(command).lines().remove(0);
    let all = list(&mut listing);
    let keys = all["keys"].as_array().unwrap();
    let of = |name: &str| keys.iter().find(|key| key["key"] == name).unwrap();
    assert_eq!(keys.len(), 6);
    assert_eq!(of("ssh:ann")["place"], "agent");
    assert_eq!(of("acme")["place"], "own");
    assert_eq!(of("ann_account")["account"], ACCOUNT);
    assert!(
        of("open")["error"]["help"]
            .as_str()
            .unwrap()
            .contains("chmod 600")
    );
    assert_eq!(all["default"], serde_json::Value::Null);
    // What the config keeps, and what the environment names before it.
    let text = "[sign]\nkey = 'ann_account'\nfolders = ['~/.wash/keys']\n";
    fs::write(&config, text).unwrap();
    let usual = &list(&mut listing)["default"];
    assert_eq!(
        (&usual["from"], &usual["account"]),
        (&"config".into(), &ACCOUNT.into())
    );
    listing.env("VOUCH_KEY_FILE", &open);
    let usual = &list(&mut listing)["default"];
    assert_eq!(usual["from"], "environment");
    let why = usual["error"]["message"].as_str().unwrap();
    assert!(
        why.contains("VOUCH_KEY_FILE") && why.contains("others can read"),
        "{why}"
    );
}

#[test]
fn a_key_is_shown_as_others_need_it() {
    let desk = Desk::new();
    let file = desk.adds("ed25519", "ann");
    let public = fs::read_to_string(file.with_extension("pub")).unwrap();
    let file = file.to_str().unwrap();
    let named = format!("ssh:{file}.pub");
    for key in ["ssh:ann", file, &named] {
        shows(
            &desk.run(&["show", key]),
            0,
            &[public.trim_end(), "account       A"],
        );
    }
    shows(
        &desk.run(&["show", "ssh:bob"]),
        2,
        &["no key ssh:bob", "`ssh:ann`"],
    );
    shows(&desk.run(&["show", "bob"]), 2, &["`vouch keys new bob`"]);
    // Nobody has to be asked which it is.
    shows(&desk.run(&["show"]), 0, &[public.trim_end()]);
    // As ssh-keygen makes it, and as git names a key.
    let public_file = format!("{file}.pub");
    fs::set_permissions(&public_file, fs::Permissions::from_mode(0o644)).unwrap();
    let help = format!("`--key ssh:{public_file}`");
    shows(
        &desk.run(&["show", &public_file]),
        2,
        &["holds a public key", &help],
    );
    desk.adds("ed25519", "work");
    shows(&desk.run(&["show"]), 2, &["`vouch keys show KEY`"]);
    let mut named = desk.keys(&["show"]);
    shows(
        &Ran::of(named.env("VOUCH_KEY_FILE", file)),
        0,
        &[public.trim_end()],
    );
    let mut without = desk.home.vouch(&["keys", "show", "ssh:ann"]);
    shows(
        &Ran::of(without.env("SSH_AUTH_SOCK", "")),
        2,
        &["SSH_AUTH_SOCK is not set"],
    );
}
