//! `vouch trust` with the built service: what it does to files, and that the service took it.

use crate::{
    service::{Ran, done, fails},
    spawn::Home,
    terminal::Terminal,
};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::PathBuf,
};
use vouch_testing::sigstore::Sigstore;

const ACME: &str = "ACOJJN6WUP4ODD75XEBKKTCCUJJCY5ZKQ56XVKYK4BEJWGVAOOQHZMCW";
const ANN: &str = "ADOIOFYU3KSKTVKAPTKWKPZQSP4C2ZURNHBH3JB6LIUOYX5VT5EMAQQD";

fn config(home: &Home) -> PathBuf {
    home.path(".config/vouchd/config.toml")
}

fn write(home: &Home, text: &str) -> PathBuf {
    let config = config(home);
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, text).unwrap();
    config
}

fn read(home: &Home) -> String {
    fs::read_to_string(config(home)).unwrap()
}

fn status(home: &Home) -> Value {
    home.run(&["--json", "status"]).lines()[0].clone()
}

#[test]
fn a_policy_is_made_and_changed() {
    let home = Home::new();
    let adding = ["trust", "add", "acme", "--account", ACME, "--yes"];
    let ran = home.run(&[&adding[..], &["--scope", "GHCR.io/acme"]].concat());
    done(
        &ran,
        &[
            "  + [trust.signer.acme]\n",
            "  + scope = \"ghcr.io/acme\"\n",
            "changed   and in force",
        ],
    );
    // Where there was no file, nobody else may read the new one.
    assert_eq!(fs::metadata(config(&home)).unwrap().mode() & 0o777, 0o600);
    let trust = &status(&home)["trust"];
    assert_eq!((&trust["signers"], &trust["rules"]), (&1.into(), &1.into()));
    assert_eq!(trust["file"], config(&home).to_str().unwrap());
    assert_eq!(
        trust["pins"],
        home.path("state/vouchd/signers").to_str().unwrap()
    );
    done(&home.run(&adding), &["nothing to change"]);
    done(
        &home.run(&["trust", "add", "acme", "--scope", "files", "-y"]),
        &["  + scope = \"files\""],
    );
    done(
        &home.run(&["trust", "list"]),
        &[
            &format!("acme, {ACME}"),
            "ghcr.io/acme: accepts acme\n",
            "files: accepts acme\n",
        ],
    );
    let list = home.run(&["--json", "trust", "list"]).lines()[0].clone();
    assert_eq!(list["signers"][0]["account"], ACME);
    assert_eq!(list["digest"], status(&home)["trust"]["digest"]);

    let before = read(&home);
    fails(
        &home.run(&["trust", "add", "acme", "--account", ANN, "-y"]),
        2,
        &[&format!("`acme` is already {ACME}, but you gave {ANN}")],
    );
    fails(
        &home.run(&["trust", "add", "amce", "--scope", "*", "-y"]),
        2,
        &["known: acme"],
    );
    fails(
        &home.run(&["trust", "add", "none", "--account", ANN, "-y"]),
        2,
        &["cannot be called `none`"],
    );
    fails(&home.run(&["trust", "remove", "acme"]), 64, &["--yes"]);
    assert_eq!(read(&home), before);

    done(
        &home.run(&["trust", "remove", "acme", "-y", "--scope", "files"]),
        &["  + accept = \"none\""],
    );
    done(
        &home.run(&["trust", "remove", "acme", "-y"]),
        &["  - [trust.signer.acme]"],
    );
    assert_eq!(status(&home)["trust"]["signers"], 0);
}

/// The digest of the root of that name that is in force.
fn in_force(home: &Home, name: &str) -> Option<Value> {
    let roots = status(home)["trust"]["roots"].clone();
    let mut roots = roots.as_array().unwrap().iter();
    let found = roots.find(|root| root["name"] == name)?;
    Some(found["digest"].clone())
}

#[test]
#[allow(clippy::too_many_lines)] // one life of a root, in order
fn a_root_is_added_updated_and_removed_and_what_changes_is_shown() {
    let home = Home::new();
    let text = "# mine\n[limits]\n# small\nnesting = 9\n";
    let config = write(&home, text);
    let (one, other) = (Sigstore::default(), Sigstore::default());
    let mut newer = one.trusted_root();
    newer["tlogs"][0]["publicKey"]["validFor"]["end"] = "2020-06-01T00:00:00Z".into();
    let files = [
        ("one.json", one.trusted_root()),
        ("newer.json", newer),
        ("other.json", other.trusted_root()),
    ];
    for (name, root) in files {
        fs::write(home.path(name), root.to_string()).unwrap();
    }
    let file = |name: &str| home.path(name).display().to_string();
    let copy = config.with_file_name("roots").join("lab.json");
    let root = |arguments: &[&str]| home.run(&[&["trust", "root"][..], arguments].concat());

    done(
        &root(&["list"]),
        &[
            "public-good, comes with the service",
            "github, comes with",
            "  age  ",
        ],
    );
    let first = file("one.json");
    fails(&root(&["add", "lab", &first]), 64, &["--yes"]);
    fails(
        &root(&["update", "lab", &first, "-y"]),
        2,
        &["there is no root", "public-good, github"],
    );
    fails(
        &root(&["add", "../lab", &first, "-y"]),
        2,
        &["not a root's name"],
    );
    fails(
        &root(&["add", "github", &first, "-y"]),
        2,
        &["which the service brings along", "root update github FILE"],
    );
    fails(
        &root(&["add", "lab", &config.display().to_string(), "-y"]),
        2,
        &["not a trusted root"],
    );
    assert!(!copy.exists());
    done(
        &root(&["add", "lab", &first, "-y"]),
        &[
            "  + [trust.root.lab]\n",
            "  + path = \"roots/lab.json\"\n",
            "  + log of signatures https://log.test, sha256:",
            "  + certificate authority ",
            "changed   and in force",
        ],
    );
    assert!(read(&home).starts_with(text), "{}", read(&home));
    assert_eq!(
        fs::metadata(&copy).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let before = in_force(&home, "lab").unwrap();
    done(
        &root(&["update", "lab", &first, "-y"]),
        &["nothing to change"],
    );

    let text = read(&home);
    done(
        &root(&["update", "lab", &file("newer.json"), "-y"]),
        &[
            &format!("  - {}", before.as_str().unwrap()),
            "  - log of signatures https://log.test",
            "until 2020-06-01 00:00:00 UTC",
            "its last log of signatures ended at 2020-06-01",
            "changed   and in force",
        ],
    );
    assert_eq!(read(&home), text, "the config says the same");
    assert_ne!(in_force(&home, "lab").unwrap(), before);
    for ran in [home.run(&["status"]), root(&["list"])] {
        done(
            &ran,
            &["lab", "its last log of signatures ended at 2020-06-01"],
        );
    }

    let signer = [
        "trust",
        "add",
        "ann",
        "--email",
        "a@b.c",
        "--issuer",
        "https://b.c",
    ];
    done(
        &home.run(&[&signer[..], &["--root", "lab", "-y"]].concat()),
        &["in force"],
    );
    done(&root(&["list"]), &["ann"]);
    fails(
        &root(&["remove", "lab", "-y"]),
        2,
        &["signers name the root lab: ann", "vouch trust remove ann"],
    );
    done(&home.run(&["trust", "remove", "ann", "-y"]), &["in force"]);
    done(
        &root(&["remove", "lab", "-y"]),
        &["  - [trust.root.lab]", "in force"],
    );
    assert!(!copy.exists());
    assert_eq!(in_force(&home, "lab"), None);

    // The one that comes along is replaced, and counts again once that file is gone.
    let own = in_force(&home, "github").unwrap();
    fails(&root(&["remove", "github", "-y"]), 2, &["brings along"]);
    done(
        &root(&["update", "github", &file("other.json"), "-y"]),
        &["  + [trust.root.github]", "  - timestamp authority"],
    );
    assert_ne!(in_force(&home, "github").unwrap(), own);
    done(
        &root(&["remove", "github", "-y"]),
        &["  + timestamp authority"],
    );
    assert_eq!(in_force(&home, "github").unwrap(), own);
}

/// Where the config says that a root lies, there it is replaced; a file that is there and that the
/// config does not name is left alone.
#[test]
fn a_root_is_replaced_where_it_lies() {
    let home = Home::new();
    let (one, other) = (Sigstore::default(), Sigstore::default());
    let given = home.path("given.json");
    fs::write(&given, other.trusted_root().to_string()).unwrap();
    let lies = home.path("elsewhere.json");
    fs::write(&lies, one.trusted_root().to_string()).unwrap();
    let config = write(
        &home,
        &format!("[trust.root.lab]\npath = '{}' # there\n", lies.display()),
    );
    let given = given.display().to_string();
    done(
        &home.run(&["trust", "root", "update", "lab", &given, "-y"]),
        &[&lies.display().to_string(), "in force"],
    );
    assert_eq!(fs::read(&lies).unwrap(), fs::read(&given).unwrap());
    assert!(read(&home).ends_with("# there\n"));
    let taken = config.with_file_name("roots");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("new.json"), "mine").unwrap();
    fails(
        &home.run(&["trust", "root", "add", "new", &given, "-y"]),
        2,
        &["new.json is there, and the config does not name it"],
    );
    // One that cannot be read is replaced by a file that can.
    fs::write(&lies, "{").unwrap();
    done(
        &home.run(&["trust", "root", "list"]),
        &["lab", "cannot be used"],
    );
    done(
        &home.run(&["trust", "root", "update", "lab", &given, "-y"]),
        &["in force"],
    );
}

#[test]
fn keys_of_ssh_are_lines_or_files() {
    let home = Home::new();
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA4Uo4DqvK0bYJtqpFRkyXFUGIOZ2oXGvUFMXNAcmzFW ann@laptop";
    let file = home.path("id_ed25519.pub");
    fs::write(&file, format!("{line}\n")).unwrap();
    let file = file.to_str().unwrap();
    done(
        &home.run(&["trust", "add", "ann", "--ssh-key", file, "-y"]),
        &[line],
    );
    done(
        &home.run(&["trust", "add", "ann", "--ssh-key", line, "-y"]),
        &["nothing to change"],
    );
    let private = home.path("id_ed25519");
    fs::write(&private, "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
    let private = private.to_str().unwrap();
    fails(
        &home.run(&["trust", "add", "x", "--ssh-key", private, "-y"]),
        64,
        &[".pub"],
    );
}

#[test]
fn all_else_in_the_file_stays_and_so_does_the_file() {
    let home = Home::new();
    let text = "# mine\n[idle]\ntimeout = '10m'   # short\n\n# the end\n";
    let config = write(&home, text);
    // A link's target is edited.
    let target = home.path("dotfiles.toml");
    fs::rename(&config, &target).unwrap();
    symlink(&target, &config).unwrap();
    done(
        &home.run(&["trust", "add", "acme", "--account", ACME, "-y"]),
        &[],
    );
    assert!(fs::symlink_metadata(&config).unwrap().is_symlink());
    assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o644);
    let edited = format!(
        "# mine\n[idle]\ntimeout = '10m'   # short\n\n[trust.signer.acme]\naccount = \"{ACME}\"\n\n# the end\n"
    );
    assert_eq!(read(&home), edited);
    done(&home.run(&["trust", "remove", "acme", "-y"]), &[]);
    assert_eq!(read(&home), text);
    // Nothing is left beside it.
    let beside = fs::read_dir(home.path(".")).unwrap();
    let odd = beside.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with(".config.")
    });
    assert_eq!(odd.count(), 0);
}

#[test]
fn what_the_service_refuses_is_put_back() {
    let home = Home::new();
    let ca = home.path("ca.pem");
    let pem = "-----BEGIN CERTIFICATE-----\nMIIBdDCCARqgAwIBAgIUMPKmpb7k0AUDV0Fi+J9HbZ2yXl0wCgYIKoZIzj0EAwIw\n-----END CERTIFICATE-----\n";
    let text = format!("[registry.h]\nca = '{}'\n", ca.display());
    // It starts without looking at the certificates, and looks when the config changes.
    let config = write(&home, &text);
    fs::write(&ca, pem).unwrap();
    home.run(&["sessions"]);
    fs::remove_file(&ca).unwrap();
    let ran = home.run(&["trust", "add", "acme", "--account", ACME, "-y"]);
    fails(
        &ran,
        2,
        &["the service refused the change, which was undone", "ca.pem"],
    );
    assert_eq!(fs::read_to_string(&config).unwrap(), text);
    assert_eq!(status(&home)["trust"]["signers"], 0);
}

#[test]
fn what_others_can_write_gets_no_policy() {
    let home = Home::new();
    let config = write(&home, "");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(&config, open).unwrap();
    let ran = home.run(&["trust", "add", "acme", "--account", ACME, "-y"]);
    fails(&ran, 2, &[&format!("chmod go-w {}", config.display())]);
    assert_eq!(read(&home), "");
}

#[test]
fn many_at_once_lose_nothing() {
    let home = Home::new();
    home.run(&["sessions"]);
    let names: Vec<_> = (0..4).map(|number| format!("signer{number}")).collect();
    let running = names.iter().map(|name| {
        let arguments = [
            "trust",
            "add",
            name,
            "--account",
            ACME,
            "--scope",
            "*",
            "-y",
        ];
        home.vouch(&arguments).spawn().unwrap()
    });
    let running: Vec<_> = running.collect();
    for vouch in running {
        done(&Ran::from(vouch.wait_with_output().unwrap()), &["changed"]);
    }
    assert_eq!(status(&home)["trust"]["signers"], 4);
    let list = home.run(&["--json", "trust", "list"]).lines()[0].clone();
    let mut accepted: Vec<String> =
        serde_json::from_value(list["rules"][0]["accept"].clone()).unwrap();
    accepted.sort();
    assert_eq!(accepted, names);
}

#[test]
fn a_terminal_is_asked() {
    let home = Home::new();
    let typing = |answer: &str| {
        let arguments = ["trust", "add", "acme", "--account", ACME];
        let mut terminal = Terminal::of(home.vouch(&arguments));
        terminal.answer("Change it? [y/N]: ", answer);
        terminal.end().0
    };
    assert_eq!(typing("n\n").code, 2);
    assert!(!config(&home).exists());
    assert_eq!(typing("y\n").code, 0);
    assert!(read(&home).contains("[trust.signer.acme]"));
}

#[test]
fn remembered_signers_are_added_and_forgotten() {
    let home = Home::new();
    let accepting = ["trust", "accept", "GHCR.io/acme/echo", "-y", "--signer"];
    let ran = home.run(&[&accepting[..], &[ACME]].concat());
    done(&ran, &[&format!("  + ghcr.io/acme/echo token:{ACME}\n")]);
    done(
        &home.run(&[&accepting[..], &[ACME]].concat()),
        &["nothing to change"],
    );
    done(&home.run(&[&accepting[..], &[ANN]].concat()), &[]);
    done(
        &home.run(&["trust", "list"]),
        &[&format!("ghcr.io/acme/echo: {ANN} since 20")],
    );
    for odd in ["bob", "foo:bar", "sigstore:"] {
        fails(
            &home.run(&[&accepting[..], &[odd]].concat()),
            2,
            &["neither a signer"],
        );
    }
    let forgetting = ["trust", "forget", "ghcr.io/acme/echo", "-y"];
    done(
        &home.run(&[&forgetting[..], &["--signer", ANN]].concat()),
        &[&format!("token:{ANN}")],
    );
    let pins = fs::read_to_string(home.path("state/vouchd/signers")).unwrap();
    assert!(pins.contains(ACME) && !pins.contains(ANN), "{pins}");
    done(
        &home.run(&forgetting),
        &[&format!("  - ghcr.io/acme/echo token:{ACME}\n")],
    );
    fails(&home.run(&forgetting), 2, &["has no remembered signer"]);
}

#[test]
fn signers_of_bundles_are_named_in_the_words_of_their_certificates() {
    let home = Home::new();
    let workflow = "github.com/acme/echo/.github/workflows/release.yml";
    let adding = ["trust", "add", "release", "--yes", "--workflow", workflow];
    let ran = home.run(&[&adding[..], &["--refs", "refs/tags/*", "--scope", "files"]].concat());
    let written = [
        "  + workflow = \"github.com/acme/echo/.github/workflows/release.yml\"\n",
        "  + refs = [\"refs/tags/*\"]\n",
        "changed   and in force",
    ];
    done(&ran, &written);
    let ran = home.run(&[&adding[..], &["--scope", "files"]].concat());
    fails(&ran, 64, &["--workflow needs --refs"]);
    let ann = ["trust", "add", "ann", "--yes", "--email", "ann@example.org"];
    fails(&home.run(&ann), 64, &["--issuer"]);
    let ran = home.run(&[&ann[..], &["--issuer", "https://accounts.google.com"]].concat());
    done(&ran, &["  + email = \"ann@example.org\"\n"]);
    let ran = home.run(&["trust", "list"]);
    let listed = format!("release, {workflow} at refs/tags/*\n");
    done(
        &ran,
        &[
            &listed,
            "ann, ann@example.org, says https://accounts.google.com\n",
        ],
    );
    let key = home.path("no-such.pub").display().to_string();
    let ran = home.run(&["trust", "add", "key", "--yes", "--key", &key]);
    fails(&ran, 64, &["cannot read", "no-such.pub"]);
}

/// What is wrong with a value is told with its option, as wrong usage; the key that nobody should
/// see is not taken.
#[test]
fn a_value_that_cannot_be_meant_names_its_option() {
    let home = Home::new();
    let private = home.path("cosign.key");
    let begin = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n";
    fs::write(&private, begin).unwrap();
    let private = private.display().to_string();
    let cosign = format!("cosign public-key --key {private}");
    let check = |options: &[&str], says: &str| {
        let adding = ["trust", "add", "acme", "-y"];
        fails(&home.run(&[&adding[..], options].concat()), 64, &[says]);
    };
    check(
        &["--account", "ADP"],
        "invalid value for `--account`: \"ADP\" is not",
    );
    let rsa = "ssh-rsa AAAAB3NzaC1yc2E= ann@laptop";
    check(
        &["--ssh-key", rsa],
        "invalid value for `--ssh-key`: keys of the type ssh-rsa",
    );
    let workflow = ["--workflow", "x", "--refs", "refs/tags/*"];
    check(
        &workflow,
        "invalid value for `--workflow`: \"x\" is not a workflow",
    );
    let refs = [
        "--workflow",
        "github.com/a/b/.github/workflows/c.yml",
        "--refs",
        "v1",
    ];
    check(&refs, "invalid value for `--refs`: \"v1\" is not a ref");
    let issuer = ["--email", "a@b.c", "--issuer", "b.c"];
    check(
        &issuer,
        "invalid value for `--issuer`: \"b.c\" does not vouch",
    );
    let scope = ["--account", ACME, "--scope", "ghcr.io/a:1"];
    check(
        &scope,
        "invalid value for `--scope`: \"ghcr.io/a:1\" names a tag",
    );
    check(&["--key", &private], &cosign);
    assert!(!config(&home).exists());
}

#[test]
fn what_a_change_does_to_others_is_said() {
    let home = Home::new();
    let run = |line: &str| home.run(&line.split(' ').collect::<Vec<_>>());
    done(
        &run(&format!(
            "trust add acme --account {ACME} --scope q.io/acme -y"
        )),
        &[],
    );
    done(
        &run(&format!(
            "trust add ann --account {ANN} --scope q.io/acme/echo -y"
        )),
        &[
            "q.io/acme/echo was covered by the rule `q.io/acme`, which accepts acme",
            "in force",
        ],
    );
    let accept = format!("trust accept q.io/acme/x --signer {ANN} -y");
    fails(
        &run(&accept),
        2,
        &[
            "the rule `q.io/acme` decides there",
            &format!("vouch trust add NAME --account {ANN} --scope q.io/acme"),
        ],
    );
    let removing = "trust remove ann --scope q.io/acme/echo -y";
    let ran = run(&format!("--json {removing}"));
    let warning = ran.lines()[0]["warnings"][0].clone();
    let command = "vouch trust remove --scope q.io/acme/echo";
    assert!(warning.as_str().unwrap().contains(command), "{warning}");
    done(
        &run(&format!("{} -y", command.trim_start_matches("vouch "))),
        &[
            "without the rule `q.io/acme/echo`, the rule `q.io/acme` decides there",
            "in force",
        ],
    );
    fails(&run("trust remove -y"), 64, &["required"]);
    fails(
        &run("trust remove bob -y"),
        2,
        &["no signer `bob`", "known: acme, ann"],
    );
    done(&run("trust add ann --revoked -y"), &["in force"]);
    done(
        &run("trust remove ann -y"),
        &["`ann` is revoked: without this entry, what they signed can be accepted again"],
    );
    done(&run("trust add acme --scope * -y"), &[]);
    done(&run("trust remove acme --scope * -y"), &[]);
    done(
        &run("trust list"),
        &["*: accepts nobody\n", "files: any signer is accepted"],
    );
}
