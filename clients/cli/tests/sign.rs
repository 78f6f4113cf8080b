//! `vouch sign` with the built service and keys that OpenSSH made: from a file that was just built to
//! one that was pushed; and what a person at a terminal is asked.

mod agent;
mod lies;
mod par;

use crate::{
    service::{Ran, done, fails},
    spawn::Home,
    terminal::Terminal,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use vouch_testing::{
    forge::{ENTRIES, Signer, component, custom, gzip, module, nested, tar},
    registry::Registry,
};

/// Makes an Ed25519 key of SSH in a user's folder.
fn key(home: &Home, name: &str, passphrase: &str) -> PathBuf {
    let path = home.path(name);
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-C", name, "-N", passphrase, "-f"]);
    let made = keygen.arg(&path).stdin(Stdio::null()).status();
    assert!(made.expect("openssh-client is installed").success());
    path
}

fn file(home: &Home, name: &str, bytes: &[u8]) -> PathBuf {
    let path = home.path(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// `vouch` in the user's folder.
fn at(home: &Home, arguments: &[&str]) -> Command {
    let mut command = home.vouch(arguments);
    command.current_dir(home.path(""));
    command
}

fn run(home: &Home, arguments: &[&str]) -> Ran {
    Ran::of(&mut at(home, arguments))
}

#[test]
fn what_was_just_built_is_signed_and_pushed_in_two_commands() {
    let registry = Registry::open();
    let home = Home::new();
    key(&home, "k", "");
    let artifacts = [
        ("module.wasm", module(), "module"),
        ("my component.wasm", component(), "component"),
    ];
    for (name, bytes, kind) in artifacts {
        file(&home, name, &bytes);
        let place = format!("{}/acme/{kind}:1", registry.name());
        let push = run(&home, &["push", name, &place]);
        let sign = if name.contains(' ') {
            "`vouch sign 'my component.wasm'`"
        } else {
            "`vouch sign module.wasm`"
        };
        fails(&push, 1, &["is not signed", sign]);

        let signed = run(&home, &["sign", "--key", "./k", "--version", "1.0.0", name]);
        done(
            &signed,
            &[
                &format!("signing   {name}\n"),
                &format!("signed    {name}\n"),
                " 1.0.0\n",
                ", ./k\n",
            ],
        );
        done(&run(&home, &["push", name, &place]), &["pushed"]);
        done(
            &run(&home, &["pull", &place, "-o", "pulled.wasm", "-f"]),
            &["pulled"],
        );
        let signed = fs::read(home.path(name)).unwrap();
        assert_eq!(fs::read(home.path("pulled.wasm")).unwrap(), signed);
        assert!(
            signed.starts_with(&bytes),
            "all but the token is what was built"
        );
        done(
            &run(&home, &["verify", "pulled.wasm"]),
            &["accepted", " 1.0.0\n"],
        );
    }
}

/// `vouch` hashes each file itself, and signs only where the service answers the same.
#[test]
fn service_and_client_agree_on_what_a_token_covers() {
    let home = Home::new();
    key(&home, "k", "");
    let signer = Signer::default();
    let (start, end) = (module()[..8].to_vec(), module()[8..].to_vec());
    let token = custom("jwt", signer.wasm_token(&module()).as_bytes());
    let large = vec![7; 1_000_000];
    let entries = [ENTRIES, &[("large.bin", &large)]].concat();
    let artifacts = [
        ("middle.wasm", [start, token, end].concat()),
        ("signed.wasm", signer.wasm(&component())),
        ("nested.wasm", nested(3)),
        ("plain.par", tar(&entries)),
        ("signed.par", signer.archive(&entries)),
        ("plain.par.gz", gzip(&tar(&entries))),
        ("signed.par.gz", gzip(&signer.archive(&entries))),
    ];
    for (name, bytes) in &artifacts {
        file(&home, name, bytes);
        let mut sign = vec!["sign", "--key", "./k", "--replace", name];
        if name.contains(".par") {
            sign.extend(["--vendor", "acme"]);
        }
        done(&run(&home, &sign), &[&format!("signed    {name}\n")]);
        done(&run(&home, &["verify", name]), &["accepted"]);
    }
}

#[test]
fn automation_names_its_key_in_the_environment() {
    let home = Home::new();
    let (one, other) = (key(&home, "one", ""), key(&home, "other", ""));
    file(&home, "a.wasm", &module());
    let account = |arguments: &[&str], key: &Path| -> Value {
        let mut command = at(&home, arguments);
        let ran = Ran::of(command.env("VOUCH_KEY_FILE", key));
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.lines()[0]["signed"]["claims"]["issuer"].clone()
    };
    let by_one = account(&["--json", "sign", "a.wasm"], &one);
    let by_other = account(&["--json", "sign", "--replace", "a.wasm"], &other);
    assert_ne!(by_one, by_other);
    // What the command line says goes first, and the environment before the config.
    let named = account(
        &["--json", "sign", "--replace", "--key", "./one", "a.wasm"],
        &other,
    );
    assert_eq!(named, by_one);
    fs::create_dir_all(home.path(".config/vouchd")).unwrap();
    fs::write(
        home.path(".config/vouchd/config.toml"),
        "[sign]\nkey = '~/other'\n",
    )
    .unwrap();
    let environment = account(&["--json", "sign", "a.wasm"], &one);
    assert_eq!(environment, by_one);
    let ran = run(&home, &["--json", "sign", "--replace", "a.wasm"]);
    assert_eq!(ran.lines()[0]["signed"]["claims"]["issuer"], by_other);
}

#[test]
fn a_key_that_was_just_made_signs_what_others_accept() {
    let home = Home::new();
    let made = run(&home, &["--json", "keys", "new", "acme-ci"]).lines();
    let (account, secret) = (made[0]["account"].as_str(), made[0]["file"].as_str());
    let (account, secret) = (account.unwrap(), secret.unwrap());
    file(&home, "a.wasm", &module());
    let mut sign = at(&home, &["sign", "--expires-in", "90d", "a.wasm"]);
    done(
        &Ran::of(sign.env("VOUCH_KEY_FILE", secret)),
        &[account, "valid until"],
    );
    let rule = [
        "trust",
        "add",
        "acme-ci",
        "--account",
        account,
        "--scope",
        "files",
        "-y",
    ];
    done(&run(&home, &rule), &[]);
    done(
        &run(&home, &["verify", "a.wasm"]),
        &["acme-ci (rule files)"],
    );
    // By its name, it is the same key.
    done(
        &run(&home, &["sign", "--key", "acme-ci", "a.wasm"]),
        &["its own signature"],
    );
    key(&home, "other", "");
    done(
        &run(&home, &["sign", "--replace", "--key", "./other", "a.wasm"]),
        &[],
    );
    assert_eq!(run(&home, &["verify", "a.wasm"]).code, 1);
}

#[test]
fn from_nothing_the_next_command_is_named() {
    let home = Home::new();
    file(&home, "a b.wasm", &module());
    let ran = run(&home, &["sign", "a b.wasm", "--version", "1"]);
    fails(
        &ran,
        2,
        &[
            "vouch keys new NAME",
            "`vouch sign --key NAME 'a b.wasm' --version 1`",
        ],
    );
    assert_eq!(fs::read(home.path("a b.wasm")).unwrap(), module());
    let (ran, shown) = Terminal::of(at(&home, &["sign", "a b.wasm"])).end();
    assert_eq!(ran.code, 2, "{shown}");
    for says in [
        "there is no key",
        "vouch keys new NAME",
        "`vouch sign --key NAME 'a b.wasm'`",
    ] {
        assert!(shown.contains(says), "{says}: {shown}");
    }
}

#[test]
fn several_files_are_signed_with_one_summary() {
    let home = Home::new();
    key(&home, "k", "");
    file(&home, "a.wasm", &module());
    file(&home, "b.wasm", &component());
    file(&home, "c.wasm", b"not wasm");
    let sign = [
        "sign",
        "--key",
        "./k",
        "a.wasm",
        "absent.wasm",
        "b.wasm",
        "c.wasm",
    ];
    let ran = run(&home, &sign);
    fails(&ran, 1, &["absent.wasm", "c.wasm"]);
    assert!(ran.out.contains("signed    a.wasm\n"), "{}", ran.out);
    assert!(ran.out.contains("signed    b.wasm\n"), "{}", ran.out);
    assert!(
        ran.out
            .ends_with("2 signed, 1 refused, 1 could not be signed\n"),
        "{}",
        ran.out
    );
    let quiet = run(&home, &["sign", "-q", "--key", "./k", "a.wasm", "b.wasm"]);
    done(&quiet, &[]);
    assert_eq!(quiet.out, "");
    let lines = run(&home, &[&["--json"], &sign[..]].concat()).lines();
    let names: Vec<_> = lines
        .iter()
        .map(|line| line["path"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a.wasm", "absent.wasm", "b.wasm", "c.wasm"]);
    let signed: Vec<_> = lines
        .iter()
        .map(|line| line.get("signed").is_some())
        .collect();
    assert_eq!(signed, [true, false, true, false]);
    assert_eq!(lines[1]["error"]["data"]["kind"], "fileNotFound");
    // A refusal alone is one.
    assert_eq!(run(&home, &["sign", "--key", "./k", "c.wasm"]).code, 1);
}

#[test]
fn an_output_leaves_the_file_as_it_is() {
    let home = Home::new();
    key(&home, "k", "");
    file(&home, "a.wasm", &module());
    let sign = |output: &str, more: &[&str]| {
        run(
            &home,
            &[&["sign", "--key", "./k", "a.wasm", "-o", output], more].concat(),
        )
    };
    done(&sign("out.wasm", &[]), &["signed    out.wasm\n"]);
    fails(&sign("out.wasm", &[]), 2, &["out.wasm", "--overwrite"]);
    done(&sign("out.wasm", &["-f"]), &["signed    out.wasm\n"]);
    fs::create_dir(home.path("out")).unwrap();
    done(&sign("out", &[]), &["signed    out/a.wasm\n"]);
    assert_eq!(fs::read(home.path("a.wasm")).unwrap(), module());
    done(&run(&home, &["verify", "out.wasm", "out"]), &["2 accepted"]);
}

/// Two files that somebody else signed.
fn of_others(home: &Home) -> [Vec<u8>; 2] {
    let other = Signer::default();
    let signed = [other.wasm(&module()), other.wasm(&component())];
    file(home, "a.wasm", &signed[0]);
    file(home, "b.wasm", &signed[1]);
    signed
}

#[test]
fn another_s_signature_is_replaced_only_where_that_is_meant() {
    let home = Home::new();
    key(&home, "k", "");
    let before = of_others(&home);
    let read = || {
        [
            fs::read(home.path("a.wasm")).unwrap(),
            fs::read(home.path("b.wasm")).unwrap(),
        ]
    };
    let sign = ["sign", "--key", "./k", "a.wasm", "b.wasm"];
    // Nobody can be asked.
    let ran = run(&home, &sign);
    fails(
        &ran,
        2,
        &[
            "a.wasm is signed by another account, A",
            "`vouch sign --replace --key ./k a.wasm b.wasm`",
        ],
    );
    assert_eq!(read(), before);
    let json = run(&home, &[&["--json"], &sign[..]].concat());
    assert_eq!(json.code, 2);
    assert_eq!(read(), before);
    // One question for both.
    let asks = |answer: &str| {
        let mut terminal = Terminal::of(at(&home, &sign));
        terminal.answer("on 2 files? [y/N]: ", answer);
        terminal.end()
    };
    let (ran, shown) = asks("n\n");
    assert_eq!(ran.code, 2, "{shown}");
    assert!(shown.contains("nothing was signed"), "{shown}");
    assert!(ran.out.contains("the signature of A"), "{}", ran.out);
    assert_eq!(read(), before);
    let (ran, shown) = asks("y\n");
    assert_eq!(ran.code, 0, "{shown}");
    let after = read();
    assert!(after[0] != before[0] && after[1] != before[1]);
    // Now both are ours.
    done(&run(&home, &sign), &["its own signature", "2 signed\n"]);
    of_others(&home);
    done(
        &run(&home, &[&sign[..], &["--replace"]].concat()),
        &["2 signed\n"],
    );
}

#[test]
fn a_passphrase_is_read_from_a_file_or_asked_for() {
    let home = Home::new();
    key(&home, "k", "hunter2");
    file(&home, "a.wasm", &module());
    let sign = ["sign", "--key", "./k", "a.wasm"];
    fails(
        &run(&home, &sign),
        2,
        &[
            "passphrase",
            "`vouch sign --passphrase-file FILE --key ./k a.wasm`",
        ],
    );
    let from_file = [&sign[..], &["--passphrase-file", "p"]].concat();
    let passphrase = |text: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::write(home.path("p"), text).unwrap();
        fs::set_permissions(home.path("p"), fs::Permissions::from_mode(mode)).unwrap();
    };
    passphrase("wrong\n", 0o600);
    fails(&run(&home, &from_file), 2, &["passphrase"]);
    passphrase("hunter2\n", 0o644);
    fails(&run(&home, &from_file), 2, &["chmod"]);
    assert_eq!(fs::read(home.path("a.wasm")).unwrap(), module());
    passphrase("hunter2\n", 0o600);
    done(&run(&home, &from_file), &["signed    a.wasm\n"]);
    let mut terminal = Terminal::of(at(&home, &sign));
    terminal.answer("Passphrase of ./k: ", "wrong\n");
    terminal.answer("Passphrase of ./k: ", "hunter2\n");
    let (ran, shown) = terminal.end();
    assert_eq!(ran.code, 0, "{shown}");
    assert!(!shown.contains("hunter"), "{shown}");
}
