//! What makes no sense in `[trust]`: where it stands, and what is said about it.

use super::*;
use std::{fs, os::unix::fs::PermissionsExt};
use vouch_protocol::ErrorKind;

const KEY: &str = "ACOJJN6WUP4ODD75XEBKKTCCUJJCY5ZKQ56XVKYK4BEJWGVAOOQHZMCW";

/// The problems of a section, a line each: place, what, and what to do.
fn problems(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, text).unwrap();
    let config = Config::read(&path).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
    let problems = config.problems();
    assert_eq!(config.policy().is_err(), !problems.is_empty(), "{text}");
    if let Err(error) = config.policy() {
        assert_eq!(error.kind(), ErrorKind::PolicyUnusable);
        assert!(error.data().help.unwrap().contains("vouchd config check"));
    }
    let shown = problems.iter().map(|problem| {
        let shown = problem.to_string();
        let place = shown.strip_prefix(&format!("{}:", path.display()));
        let place = place.unwrap_or_else(|| panic!("{shown}")).trim_start();
        match &problem.help {
            Some(help) => format!("{place} {help}"),
            None => place.to_owned(),
        }
    });
    shown.collect()
}

fn check(text: &str, place: &str, says: &str) {
    let text = text.replace("$key", KEY);
    let problems = problems(&text);
    let found = problems
        .iter()
        .any(|problem| problem.starts_with(place) && problem.contains(says));
    assert!(found, "{text}\n{place} {says}\n{problems:#?}");
}

/// A rule with that scope.
fn scope(scope: &str, says: &str) {
    check(
        &format!("[[trust.rule]]\nscope = '{scope}'\naccept = 'any'\n"),
        "2:9: ",
        says,
    );
}

/// A rule with that line.
fn rule(line: &str, place: &str, says: &str) {
    let text =
        format!("[[trust.rule]]\nscope = '*'\n{line}\n[trust.signer.acme]\naccount = '$key'\n");
    check(&text, place, says);
}

#[test]
fn what_is_right_is_not_a_problem() {
    let text = format!(
        "[trust]\ndefault = 'none'\n[trust.signer.acme]\naccount = '{KEY}'\n[[trust.rule]]\n\
         scope = 'ghcr.io/acme'\naccept = ['acme']\nkinds = ['module']\nmax-age = '90d'\n\
         imports = ['wasi:*', 'env.f']\nrequire = ['token']\n[[trust.rule]]\nscope = 'files'\n\
         accept = 'any'\n[[trust.rule]]\nscope = 'oci:/'\naccept = 'pinned'\n"
    );
    for text in ["", "[trust]\n", &text] {
        assert_eq!(problems(text), [""; 0], "{text}");
    }
}

#[test]
#[rustfmt::skip] // a row of the table is a line
fn what_makes_no_sense_is_named_with_its_place() {
    check("trust = 1\n", "1:", "write [trust]");
    check("[trust]\ndefault = 'pined'\n", "2:11: ", "pinned");
    check("[trust]\ndefault = []\n", "2:11: ", "");
    check("[trust]\ndefaults = 'any'\n", "2:1: ", "default");
    check("[trust.signer.acme]\nacount = '$key'\n", "2:1: ", "account");
    check("[trust.signer.acme]\n", "1:", "`account` or `ssh-key`");
    check("[trust.signer.acme]\naccount = '$key'\nssh-key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g'\n", "1:", "two names of one key");
    check("[trust.signer.acme]\naccount = 'M123'\n", "2:11: ", "not a public account nkey");
    check("[trust.signer.acme]\nssh-key = 'ssh-rsa AAAA'\n", "2:11: ", "ssh-rsa cannot sign tokens");
    check("[trust.signer.acme]\nssh-key = 'AAAA'\n", "2:11: ", "not a public SSH key");
    check("[trust.signer.acme]\naccount = '$key'\nrevoked = 2026-01-01\n", "", "revoked");
    check("[trust.signer.acme]\naccount = '$key'\nrevoked = '2026-01-01'\n", "", "expected a boolean");
    check("[trust.signer.any]\naccount = '$key'\n", "1:", "cannot be called `any`");
    check("[trust.signer.'a b']\naccount = '$key'\n", "1:", "not a signer's name");
    check("[trust.signer.$key]\naccount = '$key'\n", "1:", "that is a key");
    let bundler = |lines: &str, place: &str, says: &str| {
        check(&format!("[trust.signer.x]\n{lines}\n"), place, says);
    };
    let workflow = "workflow = 'github.com/acme/echo/.github/workflows/release.yml'";
    bundler(workflow, "1:", "`workflow` needs `refs`");
    bundler(&format!("{workflow}\nrefs = []"), "1:", "`workflow` needs `refs`");
    bundler("workflow = 'acme/echo/.github/workflows/release.yml'\nrefs = ['*']", "2:12: ", "is not a workflow");
    bundler("workflow = 'https://github.com/acme/echo/.github/workflows/release.yml'\nrefs = ['*']", "2:12: ", "without `https://`");
    bundler("workflow = 'github.com/acme/echo/.github/workflows/release.yml@refs/tags/v1'\nrefs = ['*']", "2:12: ", "without a ref");
    bundler("workflow = 'github.com/acme/echo'\nrefs = ['*']", "2:12: ", "is not a workflow");
    bundler(&format!("{workflow}\nrefs = ['v*']"), "3:", "is not a ref");
    bundler(&format!("{workflow}\nrefs = ['refs/*/v1']"), "3:", "`*` at its end");
    bundler(&format!("{workflow}\nrefs = ['refs/pull/*']"), "3:", "anybody may open");
    bundler(&format!("{workflow}\nrefs = ['*']\nrepository = 'acme/echo'"), "4:14: ", "is not a repository");
    bundler(&format!("{workflow}\nrefs = ['*']\nissuer = 'https://x.example'"), "1:", "`issuer` belongs to");
    bundler(&format!("{workflow}\nrefs = ['*']\nemail = 'a@b'"), "1:", "a signer is one");
    bundler(&format!("{workflow}\nrefs = ['*']\nroot = 'nowhere'"), "4:8: ", "there is no root \"nowhere\"");
    bundler("email = 'a@b'", "1:", "`email` needs `issuer`");
    bundler("email = 'ann'\nissuer = 'https://x.example'", "1:", "not an e-mail address");
    bundler("email = 'a@b'\nissuer = 'x.example'", "3:10: ", "does not vouch for anybody");
    bundler("uri = 'https://x.example'", "1:", "`uri` needs `issuer`");
    bundler("refs = ['*']\nemail = 'a@b'\nissuer = 'https://x.example'", "1:", "`refs` belongs to a `workflow`");
    bundler("account = '$key'\nroot = 'github'", "1:", "`root` belongs to a signer of bundles");
    bundler("key = 'no/such.pub'", "2:7: ", "cannot open");
    check("[trust.root.lab]\n", "1:", "path");
    check("[trust.root.lab]\npath = 'no/such.json'\n", "2:8: ", "cannot open");
    check("[trust.root.lab]\npath = ''\n", "2:8: ", "is empty");
    check("[trust.root.'a b']\npath = 'x'\n", "1:", "not a root's name");
    check("[trust.root.lab]\npath = 'x'\nfile = 'y'\n", "3:1: ", "has no key `file`");
    rule("accept = 'any'\nrequire = ['sigstore']", "4:11: ", "tokens only");
    rule("accept = []", "3:10: ", "nobody is accepted");
    rule("accept = ['acme', 'pinned']", "3:10: ", "`pinned` stands alone");
    rule("accept = ['any', 'any']", "3:10: ", "`any` stands alone");
    rule("accept = ['akme']", "3:10: ", "Did you mean `acme`?");
    rule("accept = ['somebody']", "3:10: ", "Write who that is");
    rule("accept = 1", "3:10: ", "names of signers");
    rule("", "1:", "accept");
    rule("accept = 'any'\nkinds = []", "4:9: ", "is empty");
    rule("accept = 'any'\nkinds = ['modul']", "4:", "module");
    rule("accept = 'any'\nsubjects = []", "4:12: ", "is empty");
    rule("accept = 'any'\nsubjects = ['$key']", "4:12: ", "not the public nkey of a module");
    rule("accept = 'any'\nrequire = []", "4:11: ", "is empty");
    rule("accept = 'any'\nrequire = ['ssh']", "4:", "sigstore");
    rule("accept = 'any'\nmax-age = '0s'", "4:11: ", "nothing is accepted at no age");
    rule("accept = 'any'\nmax-age = 90", "4:11: ", "");
    rule("accept = 'any'\nmax-age = '1 fortnight'", "4:11: ", "write one such as `90d`");
    rule("accept = 'any'\nmax-agge = '90d'", "4:1: ", "max-age");
    rule("accept = 'any'\nimports = ['wasi*']", "4:", "`*` stands at the end, after `:`, `/` or `.`");
    rule("accept = 'any'\nimports = ['*']", "4:", "`*` stands at the end");
    rule("accept = 'any'\nimports = ['a:*/b']", "4:", "`*` stands at the end");
    rule("accept = 'any'\nimports = ['']", "4:", "1 to 1024 bytes");
    check("[[trust.rule]]\naccept = 'any'\n", "1:", "scope");
    check("[[trust.rule]]\nscope = 'files'\naccept = 'pinned'\n", "3:10: ", "files have none");
    check("[[trust.rule]]\nscope = 'a.b'\naccept = 'any'\n[[trust.rule]]\nscope = 'a.b'\naccept = 'none'\n", "5:9: ", "already has a rule");
    check("[trust]\ndefault = 'x'\n[trust.signer.any]\naccount = 'x'\n", "2:11: ", "");
}

#[test]
#[rustfmt::skip] // a row of the table is a line
fn a_scope_is_written_in_its_canonical_form() {
    scope("GHCR.io/acme", "write \"ghcr.io/acme\"");
    scope("ghcr.io:443", "write \"ghcr.io\"");
    scope("127.1:05000", "write \"127.0.0.1:5000\"");
    scope("registry-1.docker.io/acme", "write \"docker.io/acme\"");
    scope("ghcr.io/acme:1", "names a tag");
    scope("ghcr.io/acme@sha256:00", "names a digest");
    scope("ghcr.io/", "does not name the first parts");
    scope("ghcr.io//acme", "does not name the first parts");
    scope("ghcr.io/acme/*", "does not name the first parts");
    scope("ghcr.io/Acme", "does not name the first parts");
    scope("acme/echo", "is not a registry");
    scope("https://ghcr.io", "is not a registry");
    scope("", "is not a registry");
    scope("file", "is not a registry");
    scope(" ghcr.io", "is not a registry");
    scope("oci:relative", "an absolute path");
    scope("oci:", "an absolute path");
    scope("oci://ghcr.io/acme", "an absolute path");
    scope("oci:/a/../b", "holds `..`");
    scope("oci:/a/./b", "write \"oci:/a/b\"");
    scope("oci:/a/b/", "write \"oci:/a/b\"");
    scope("oci:/a/b:1", "names a tag");
    scope("oci:/a/b@sha256:00", "names a tag");
    // A rule for a link would never hold: layouts are judged by their resolved folders.
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    fs::create_dir(root.join("folder")).unwrap();
    std::os::unix::fs::symlink("folder", root.join("link")).unwrap();
    let root = root.display();
    scope(&format!("oci:{root}/link/new"), &format!("write \"oci:{root}/folder/new\""));
}

/// Keys and roots are files beside the config, which decide as much as the config does.
#[test]
fn files_that_it_names_are_read_and_have_to_be_the_owner_s() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let key = vouch_testing::sigstore::Key::default();
    let root = vouch_testing::sigstore::Sigstore::default()
        .trusted_root()
        .to_string();
    fs::create_dir(folder.path().join("keys")).unwrap();
    fs::write(
        &path,
        "[trust.signer.x]\nkey = 'keys/x.pub'\nroot = 'lab'\n[trust.root.lab]\npath = 'lab.json'\n",
    )
    .unwrap();
    let check = |pem: &str, root: &str, mode: u32, expected: Option<&str>| {
        let written = [("keys/x.pub", pem), ("lab.json", root)];
        for (name, text) in written {
            let file = folder.path().join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        let policy = Config::read(&path).unwrap().policy();
        let said = policy
            .err()
            .map(|error| format!("{error} {}", error.data().help.unwrap()));
        match (expected, said) {
            (None, None) => {}
            (Some(part), Some(said)) if said.contains(part) => {}
            (expected, said) => panic!("{expected:?}, not {said:?}"),
        }
    };
    check(&key.public_pem(), &root, 0o644, None);
    check(
        "x",
        &root,
        0o644,
        Some("keys/x.pub cannot be used: it is not a public key in PEM"),
    );
    check(
        &key.public_pem(),
        "{}",
        0o644,
        Some("lab.json cannot be used: it is not a trusted root"),
    );
    check(
        &key.public_pem(),
        &root,
        0o666,
        Some("others can write it Remove others' write access: `chmod go-w"),
    );
}

/// What `plain-http` says of a host is what its scope means.
#[test]
fn names_mean_what_the_config_says_of_their_hosts() {
    let plain = "[registry.'r.example']\nplain-http = true\n";
    let rule = "[[trust.rule]]\nscope = 'r.example:443'\naccept = 'any'\n";
    assert_eq!(problems(&format!("{plain}{rule}")), [""; 0]);
    check(rule, "2:9: ", "write \"r.example\"");
}

#[test]
fn who_can_write_the_file_decides() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let check = |text: &str, mode: u32, group: Option<u32>, expected: Option<&str>| {
        fs::write(&path, text).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, None, group.or(Some(0))).unwrap();
        } else if group.is_some() {
            return;
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let policy = Config::read(&path).unwrap().policy();
        let said = policy
            .err()
            .map(|error| format!("{error} {}", error.data().help.unwrap()));
        match (expected, said) {
            (None, None) => {}
            (Some(part), Some(said)) if said.contains(part) => {
                let command = format!("chmod go-w {}", path.display());
                assert!(said.contains(&command), "{said}");
            }
            (expected, said) => panic!("{mode:o} {group:?}: {expected:?}, not {said:?}"),
        }
    };
    check("[trust]\n", 0o600, None, None);
    check("[trust]\n", 0o644, None, None);
    check("[trust]\n", 0o664, None, None);
    check("[trust]\n", 0o666, None, Some("anybody can write it"));
    check("[trust]\n", 0o602, None, Some("anybody can write it"));
    check(
        "[trust]\n",
        0o664,
        Some(1234),
        Some("the group 1234 can write it"),
    );
    check("[trust]\n", 0o644, Some(1234), None);
    check("[log]\n", 0o666, None, None);
}
