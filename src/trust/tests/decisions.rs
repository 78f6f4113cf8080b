//! Policies, places and artifacts, and what is decided about them: a row each, with the reason.
//!
//! A policy is the inside of `[trust]`; signers of the names below are added. An artifact is who
//! signs it, what it is, and what it imports: `acme component wasi:http/types@0.2.0`. A decision is
//! how the signer is accepted and by which rule, or the kind of the refusal and a part of its text.

use super::*;
use crate::name::PlainHosts;
use std::{path::Path, sync::LazyLock};
use vouch_protocol::TrustMode;
use vouch_testing::forge::{ENTRIES, component, custom, section, sha256};

/// Ten days after everything is signed.
const NOW: u64 = 1_700_000_000 + 10 * 86_400;

pub(super) static KEYS: LazyLock<BTreeMap<&str, Signer>> = LazyLock::new(|| {
    ["acme", "bob", "eve", "stranger"]
        .into_iter()
        .map(|name| (name, Signer::default()))
        .collect()
});

/// Names in place of keys: `$acme`.
pub(super) fn keyed(text: &str) -> String {
    KEYS.iter().fold(text.to_owned(), |text, (name, signer)| {
        text.replace(&format!("${name}"), &signer.account.public_key())
            .replace(&format!("%{name}"), &signer.module.public_key())
    })
}

const SIGNERS: &str = "
    [signer.acme]
    account = '$acme'
    [signer.bob]
    account = '$bob'
";

pub(super) fn policy(text: &str) -> Policy {
    let signers = if text.contains("[signer.") {
        ""
    } else {
        SIGNERS
    };
    let text = keyed(&format!("{text}\n{signers}"));
    vouch_testing::seeds::seed("policy", &text);
    let section: Section = toml::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    Policy::new(section, &PlainHosts::default()).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
}

/// What `acme component wasi:io/poll iat=5` describes, and its size.
pub(super) fn made(text: &str) -> Examined<()> {
    let mut words = text.split(' ');
    let signer = &KEYS[words.next().unwrap()];
    let kind = words.next().unwrap();
    let (options, imports): (Vec<_>, Vec<_>) = words.partition(|word| {
        ["iat=", "rev=", "exp="]
            .iter()
            .any(|option| word.starts_with(option))
    });
    let unsigned = match kind {
        "module" => [module(), imported(2, &imports)].concat(),
        "component" => [component(), imported(10, &imports)].concat(),
        // What it holds inside is not what it imports.
        "around" => {
            let inner = [module(), imported(2, &imports)].concat();
            vouch_testing::forge::component_around(&inner)
        }
        "par" => {
            let bytes = signer.archive(ENTRIES);
            return inspect(&bytes[..], bytes.len() as u64, &Limits::default()).unwrap();
        }
        kind => panic!("{kind}"),
    };
    let mut claims = signer.wasm_claims(&unsigned);
    for option in options {
        let (name, value) = option.split_once('=').unwrap();
        let value: u64 = value.parse().unwrap();
        if name == "rev" {
            claims["wascap"]["rev"] = value.into();
        } else {
            claims[name] = value.into();
        }
    }
    assert_eq!(claims["wascap"]["hash"], sha256(&unsigned));
    let token = custom(signer.section, signer.jwt(&claims.to_string()).as_bytes());
    let bytes = [unsigned, token].concat();
    inspect(&bytes[..], bytes.len() as u64, &Limits::default()).unwrap()
}

fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 0x80);
    [&[length], text.as_bytes()].concat()
}

/// The import section of that kind. `x=>a:b/c` implements, `!a:b` is a whole component.
fn imported(id: u8, imports: &[&str]) -> Vec<u8> {
    if imports.is_empty() {
        return Vec::new();
    }
    if imports == ["unreadable"] {
        return section(id, b"\x01\xff");
    }
    let mut content = vec![u8::try_from(imports.len()).unwrap()];
    for import in imports {
        if id == 2 {
            let (module, name) = import.rsplit_once('.').unwrap();
            content.extend([text(module), text(name), vec![0, 0]].concat());
        } else if let Some((name, interface)) = import.split_once("=>") {
            content.extend([&[2][..], &text(name), &[1, 0], &text(interface), &[5, 0]].concat());
        } else if let Some(name) = import.strip_prefix('!') {
            content.extend([&[0][..], &text(name), &[4, 0]].concat());
        } else {
            content.extend([&[0][..], &text(import), &[5, 0]].concat());
        }
    }
    section(id, &content)
}

/// A use: `files`, a reference, `push REFERENCE` or `ask REFERENCE`; with `signer=S` behind it.
pub(super) fn usage(at: &str, examined: &Examined<()>) -> Result<Use> {
    let reference = |text: &str| PlainHosts::default().reference(text);
    if at == "files" {
        return Ok(Use::Verify(None));
    }
    if let Some(to) = at.strip_prefix("push ") {
        return Ok(Use::Push(Publication::alone(reference(to)?)));
    }
    if let Some(to) = at.strip_prefix("ask ") {
        return Ok(Use::Ask(Publication::alone(reference(to)?)));
    }
    let from = reference(at)?;
    Ok(Use::Verify(Some(Published {
        place: Place::of(&from)?,
        from,
        manifest: Digest::of(b"manifest"),
        layer: Layer {
            digest: examined.digest().unwrap(),
            size: examined.size(),
        },
    })))
}

/// What is decided: see the module. Each pin is a repository and a signer's name or id.
fn decided(policy: Policy, at: &str, artifact: &str, pins: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<_> = pins.iter().map(|pin| line(pin)).collect();
    if !lines.is_empty() {
        std::fs::write(folder.path().join("signers"), lines.concat()).unwrap();
    }
    let now = Now {
        policy: Ok(Arc::new(policy)),
        pins: Pins::new(folder.path().to_owned()),
        time: UNIX_EPOCH + Duration::from_secs(NOW),
    };
    let examined = made(artifact);
    let (at, signer) = match at.split_once(" signer=") {
        Some((at, signer)) => (at, Some(keyed(signer))),
        None => (at, None),
    };
    let verdict = usage(at, &examined)
        .and_then(|usage| judge(examined, None, usage, signer.as_deref(), &now));
    match verdict {
        Err(error) => format!("{}: {error}", error.kind().name()),
        Ok(Err(Refused { refusal, .. })) => {
            let help = refusal.advice("");
            assert!(help.is_some_and(|help| !help.is_empty()), "{refusal:?}");
            format!("{}: {}", refusal.kind.name(), refusal.of("it"))
        }
        Ok(Ok(vouched)) => {
            let Verification::Accepted { trust, .. } = vouched.verification() else {
                panic!("accepted and refused")
            };
            let mode = match trust.mode {
                TrustMode::Named => "named",
                TrustMode::Any => "any",
                TrustMode::Pinned => "pinned",
                TrustMode::FirstUse => "first use",
                TrustMode::Unknown => "unknown",
            };
            let warnings = trust.warnings.iter().map(|text| format!("; {text}"));
            let warnings: String = warnings.collect();
            format!("{mode} by {}{warnings}", trust.rule)
        }
    }
}

fn line(pin: &str) -> String {
    let mut fields: Vec<String> = pin.split(' ').map(keyed).collect();
    if let Some(signer) = KEYS.get(fields[1].as_str()) {
        fields[1] = format!("token:{}", signer.account.public_key());
    }
    if fields.len() == 2 {
        fields.push("2023-11-14T00:00:00Z - -".into());
    }
    fields.join(" ") + "\n"
}

/// A policy, a place, an artifact, pins, a decision, and the reason.
type Row<'a> = (&'a str, &'a str, &'a str, &'a [&'a str], &'a str, &'a str);

fn rows(rows: &[Row<'_>]) {
    for (rules, at, artifact, pins, expected, why) in rows {
        let decided = decided(policy(rules), at, artifact, pins);
        let expected = keyed(expected);
        let same = match expected.split_once(": ") {
            Some((kind, part)) => {
                decided.starts_with(&format!("{kind}: ")) && decided.contains(part)
            }
            None => decided == expected,
        };
        assert!(
            same,
            "{why}\n{rules}\n{at}, {artifact}, {pins:?}\nis {decided}\nnot {expected}"
        );
    }
}

const ACME: &str = "rule=[{scope='ghcr.io/acme',accept=['acme']}]";
const ECHO: &str = "ghcr.io/acme/echo:1";

#[test]
#[rustfmt::skip] // a row of the table is a line
fn a_place_has_one_name() {
    let loopback = "rule=[{scope='127.0.0.1:5000',accept=['acme']}]";
    let six = "rule=[{scope='[::1]:5000',accept=['acme']}]";
    let hub = "rule=[{scope='docker.io/acme',accept=['acme']}]";
    let library = "rule=[{scope='docker.io/library/echo',accept=['acme']}]";
    let port = "rule=[{scope='ghcr.io:8443',accept=['acme']}]";
    let bare = "rule=[{scope='build:443',accept=['acme']}]";
    let acme = "untrustedSigner: rule `ghcr.io/acme` accepts only acme";
    rows(&[
        (ACME, ECHO, "acme module", &[], "named by ghcr.io/acme", "as it is written"),
        (ACME, "GHCR.io:443/acme/x:1", "acme module", &[], "named by ghcr.io/acme", "case and :443"),
        (ACME, "GHCR.io:443/acme/x:1", "bob module", &[], acme, "and it binds there"),
        (ACME, "ghcr.io:0443/acme/x:1", "bob module", &[], acme, "a port is a number"),
        (ACME, "ghcr.io/acme:1", "bob module", &[], acme, "the repository itself"),
        (ACME, "ghcr.io/acme/a/b/c:1", "bob module", &[], acme, "however deep"),
        (ACME, "ghcr.io/acme-evil/x:1", "bob module", &[], "first use by default", "whole parts"),
        (ACME, "ghcr.io/acmex:1", "bob module", &[], "first use by default", "whole parts"),
        (ACME, "ghcr.io/x/acme:1", "bob module", &[], "first use by default", "from the left"),
        (ACME, "ghcr.io:80/acme/x:1", "bob module", &[], "first use by default", ":80 is never dropped"),
        (ACME, "ghcr.io:8443/acme/x:1", "bob module", &[], "first use by default", "another port"),
        (ACME, "ghcr.io.evil.org/acme/x:1", "bob module", &[], "first use by default", "another host"),
        (port, "ghcr.io:8443/acme/x:1", "bob module", &[], "untrustedSigner: `ghcr.io:8443` accepts", "its own port"),
        (port, ECHO, "bob module", &[], "first use by default", "and no other"),
        (bare, "build:443/x:1", "acme module", &[], "named by build:443", "a host without a dot keeps its port"),
        (loopback, "127.0.0.1:5000/x:1", "acme module", &[], "named by 127.0.0.1:5000", "as written"),
        (loopback, "127.1:05000/x:1", "acme module", &[], "named by 127.0.0.1:5000", "as the URL standard prints it"),
        (loopback, "0x7f.1:5000/x:1", "bob module", &[], "untrustedSigner: `127.0.0.1:5000`", "hex too"),
        (loopback, "2130706433:5000/x:1", "bob module", &[], "untrustedSigner: `127.0.0.1:5000`", "one number too"),
        (loopback, "localhost:5000/x:1", "bob module", &[], "any by default", "a name is not an address"),
        (loopback, "127.0.0.1:5001/x:1", "bob module", &[], "any by default", "another port"),
        (six, "[0:0:0:0:0:0:0:1]:5000/x:1", "bob module", &[], "untrustedSigner: `[::1]:5000`", "IPv6 has one form"),
        (hub, "docker.io/acme/e:1", "acme module", &[], "named by docker.io/acme", "as written"),
        (hub, "registry-1.docker.io/acme/e:1", "acme module", &[], "named by docker.io/acme", "where its API answers"),
        (hub, "index.docker.io/acme/e:1", "bob module", &[], "untrustedSigner: `docker.io/acme`", "its old name"),
        (hub, "registry.hub.docker.com:443/acme/e:1", "bob module", &[], "untrustedSigner: `docker.io/acme`", "another"),
        (hub, "docker.io:80/acme/e:1", "bob module", &[], "first use by default", "another port is not the Hub"),
        (library, "docker.io/echo:1", "acme module", &[], "named by docker.io/library/echo", "without a namespace"),
        (library, "registry-1.docker.io/echo:1", "bob module", &[], "untrustedSigner: `docker.io/library/echo`", "both at once"),
        ("rule=[{scope='docker.io/echo',accept='none'}]", "docker.io/echo:1", "bob module", &[], "first use by default", "a scope gets no `library/`"),
        (ACME, "push GHCR.IO/acme/x:1", "bob module", &[], acme, "a push is judged by where it goes"),
        (ACME, "ask GHCR.IO/acme/x:1", "bob module", &[], acme, "and so is the question"),
        (ACME, "ask GHCR.IO/acme/x:1", "acme module", &[], "named by ghcr.io/acme", "with the same answer"),
        (ACME, "ghcr.io/acme/x@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "bob module", &[], acme, "a digest does not get round it"),
        (ACME, "acme/echo:1", "acme module", &[], "invalidReference: not a registry", "nobody guesses a registry"),
    ]);
}

#[test]
#[rustfmt::skip] // a row of the table is a line
fn layouts_are_judged_by_their_folder() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    for name in [
        "strict",
        "strict/inside",
        "free",
        "strict/v:1",
        "odd\u{202e}name",
    ] {
        std::fs::create_dir(root.join(name)).unwrap();
    }
    let link = |target: &str, name: &str| {
        std::os::unix::fs::symlink(root.join(target), root.join(name)).unwrap();
    };
    link("strict", "link");
    link("free", "strict/out");
    link("absent", "dangling");
    let root = root.display();
    let rule = format!("rule=[{{scope='oci:{root}/strict',accept=['acme']}}]");
    let strict = format!("untrustedSigner: `oci:{root}/strict` accepts only acme");
    let named = format!("named by oci:{root}/strict");
    let named = named.as_str();
    let colon = format!("rule=[{{scope='oci:{root}/strict/v:1/',accept='none'}}]");
    let wide = "rule=[{scope='*',accept=['acme']}]";
    let top = "rule=[{scope='oci:/',accept=['acme']}]";
    let pinned = "default='pinned'";
    let pin = format!("oci:{root}/free acme");
    for (rules, at, artifact, pins, expected, why) in [
        (rule.as_str(), "strict:1", "acme module", &[][..], named, "as written"),
        (&rule, "strict:1", "bob module", &[], &strict, "and it binds"),
        (&rule, "strict/inside:1", "bob module", &[], &strict, "below it"),
        (&rule, "strict/new:1", "bob module", &[], &strict, "one that is about to be made"),
        (&rule, "strict/no/such/one:1", "bob module", &[], &strict, "without its folder, too"),
        (&rule, "link:1", "bob module", &[], &strict, "behind a symbolic link"),
        (&rule, "link/inside:1", "bob module", &[], &strict, "through a symbolic link"),
        (&rule, "link/new:1", "bob module", &[], &strict, "about to be made through one"),
        (&rule, "strict/out:1", "bob module", &[], "any by default", "a link leads out"),
        (&rule, "./strict/./inside//:1", "bob module", &[], &strict, "spellings of one path"),
        (&rule, "free:1", "bob module", &[], "any by default", "layouts are of this machine"),
        (&rule, "strictly:1", "bob module", &[], "any by default", "whole parts"),
        (&rule, "dangling:1", "bob module", &[], "any by default", "a link to nowhere is itself"),
        (&rule, "free/../strict:1", "acme module", &[], "invalidReference: goes up", "`..` is refused"),
        (&colon, "strict/v:1/:1", "bob module", &[], "untrustedSigner: v:1/` accepts nobody", "a name with a `:`"),
        (&colon, "strict/v:1", "bob module", &[], "any by default", "tag 1 of another folder"),
        (wide, "free:1", "bob module", &[], "untrustedSigner: `*` accepts only acme", "`*` covers layouts"),
        (top, "free:1", "bob module", &[], "untrustedSigner: `oci:/` accepts only acme", "the root covers all layouts"),
        (pinned, "free:1", "bob module", &[pin.as_str()], "signerChanged: signed by acme ($acme)", "pins of a folder"),
        (pinned, "link:1", "bob module", &[pin.as_str()], "first use by default", "and of that alone"),
        (pinned, "strict/out:1", "bob module", &[pin.as_str()], "signerChanged: signed by acme ($acme)", "by any way there"),
        ("", "free:1", "bob module", &[pin.as_str()], "any by default", "no pins are asked for"),
    ] {
        let at = format!("oci:{root}/{at}");
        rows(&[(rules, &at, artifact, pins, expected, why)]);
    }
    rows(&[
        (top, "oci:/a/../b", "acme module", &[], "invalidReference: `..`", "`..` is refused"),
        (top, ECHO, "bob module", &[], "first use by default", "a registry is not a folder"),
        (wide, "files", "bob module", &[], "any by default", "nor is a file"),
    ]);
}

#[test]
#[rustfmt::skip] // a row of the table is a line
fn the_longest_scope_accepts_and_all_tighten() {
    let nested = "rule=[
        {scope='*',accept='none'},
        {scope='ghcr.io',accept=['bob']},
        {scope='ghcr.io/acme',accept=['acme']},
        {scope='ghcr.io/acme/open',accept='any'},
        {scope='ghcr.io/acme/open/seen',accept='pinned'}]";
    let imports = "rule=[
        {scope='*',accept='any',imports=['wasi:*']},
        {scope='ghcr.io',accept='any',imports=['wasi:http/*','env.*']},
        {scope='ghcr.io/acme',accept=['acme']}]";
    let kinds = "rule=[{scope='*',accept='any',kinds=['module']},{scope='ghcr.io',accept='any',kinds=['component']}]";
    let subjects =
        "rule=[{scope='*',accept='any',subjects=['%acme']},{scope='ghcr.io/acme',accept='any'}]";
    let ages = "rule=[{scope='*',accept='any',max-age='5d'},{scope='ghcr.io/acme',accept='any',max-age='90d'}]";
    let native = "rule=[{scope='*',accept='any',imports=['a']},{scope='ghcr.io',accept='any',kinds=['provider']}]";
    rows(&[
        (nested, ECHO, "acme module", &[], "named by ghcr.io/acme", "the longest"),
        (nested, ECHO, "bob module", &[], "untrustedSigner: `ghcr.io/acme` accepts only acme", "who is accepted further out is not"),
        (nested, "ghcr.io/x:1", "bob module", &[], "named by ghcr.io", "a registry"),
        (nested, "ghcr.io/x:1", "acme module", &[], "untrustedSigner: `ghcr.io` accepts only bob", "who is accepted further in is not"),
        (nested, "quay.io/x:1", "acme module", &[], "untrustedSigner: `*` accepts nobody", "everywhere else"),
        (nested, "localhost:1/x:1", "acme module", &[], "untrustedSigner: `*` accepts nobody", "`*` is everywhere"),
        (nested, "files", "stranger module", &[], "any by default", "but for files"),
        (nested, "ghcr.io/acme/open/x:1", "stranger module", &[], "any by ghcr.io/acme/open", "a narrow rule opens"),
        (nested, "ghcr.io/acme/open/seen:1", "stranger module", &[], "first use by ghcr.io/acme/open/seen", "or pins"),
        (nested, "ghcr.io/acme/open/seen:1", "bob module", &["ghcr.io/acme/open/seen acme"], "signerChanged: signed by acme ($acme)", "and compares"),
        (nested, "ghcr.io/acme/open/x:1", "bob module", &["ghcr.io/acme/open/x acme"], "any by ghcr.io/acme/open", "`any` asks no pins"),
        (nested, ECHO, "acme module", &["ghcr.io/acme/echo bob"], "named by ghcr.io/acme", "nor do names"),
        (imports, ECHO, "acme component wasi:http/types", &[], "named by ghcr.io/acme", "narrow without, wide with: held"),
        (imports, ECHO, "acme component wasi:io/poll", &[], "notAllowed: `ghcr.io` allows only wasi:http/*", "one of the wide ones"),
        (imports, ECHO, "acme module env.f", &[], "notAllowed: `*` allows only wasi:*", "the other one"),
        (imports, ECHO, "bob component wasi:http/types", &[], "untrustedSigner: accepts only acme", "the signer comes first"),
        (imports, "quay.io/x:1", "bob component wasi:io/poll", &[], "any by *", "only what contains the place"),
        (kinds, "ghcr.io/x:1", "bob module", &[], "notAllowed: `ghcr.io` allows only component", "nothing fits both"),
        (kinds, "ghcr.io/x:1", "bob component", &[], "notAllowed: `*` allows only module", "nothing fits both"),
        (kinds, "quay.io/x:1", "bob module", &[], "any by *", "one alone fits"),
        (subjects, ECHO, "acme module", &[], "any by ghcr.io/acme", "its subject"),
        (subjects, ECHO, "bob module", &[], "notAllowed: `*` allows only %acme", "another's"),
        (ages, ECHO, "bob module", &[], "notAllowed: signed at 2023-11-14", "the wide one is stricter"),
        (native, "ghcr.io/x:1", "bob par", &[], "notAllowed: native code", "each rule names kinds for itself"),
    ]);
}

#[test]
#[rustfmt::skip] // a row of the table is a line
fn without_rules_the_default_holds() {
    let (any, pinned, none) = ("default='any'", "default='pinned'", "default='none'");
    let files = "default='none'\nrule=[{scope='files',accept=['acme']}]";
    let nobody = "untrustedSigner: the default accepts nobody";
    let pin: &[&str] = &["ghcr.io/acme/echo acme", "localhost:5000/echo acme"];
    let local = "localhost:5000/echo:1";
    rows(&[
        ("", ECHO, "stranger module", &[], "first use by default", "registries pin"),
        ("", ECHO, "stranger module", pin, "signerChanged: $acme", "and compare"),
        ("", local, "stranger module", pin, "any by default", "not those of this machine"),
        ("", "127.0.0.9:1/x:1", "stranger module", &[], "any by default", "nor this"),
        ("", "[::1]:1/x:1", "stranger module", &[], "any by default", "nor this"),
        ("", "10.0.0.1:5000/x:1", "stranger module", &[], "first use by default", "the next machine is another"),
        ("", "localhost.evil.org/x:1", "stranger module", &[], "first use by default", "so is this"),
        ("", "oci:/absent/layout:1", "stranger module", &[], "any by default", "layouts are here"),
        ("", "files", "stranger module", &[], "any by default", "so are files"),
        (ACME, "quay.io/x:1", "stranger module", &[], "first use by default", "with rules the same"),
        (any, ECHO, "stranger module", pin, "any by default", "no pins are asked for"),
        (pinned, local, "stranger module", &[], "first use by default", "it holds for loopback"),
        (pinned, local, "stranger module", pin, "signerChanged: $acme", "and compares there"),
        (pinned, "oci:/absent/layout:1", "stranger module", &[], "first use by default", "and for layouts"),
        (pinned, "files", "stranger module", &[], "any by default", "not for files"),
        (none, ECHO, "acme module", pin, nobody, "pins are not a rule"),
        (none, local, "acme module", &[], nobody, "it holds for loopback"),
        (none, "oci:/absent/layout:1", "acme module", &[], nobody, "and for layouts"),
        (none, "files", "acme module", &[], "any by default", "not for files"),
        (files, "files", "acme module", &[], "named by files", "they have a rule of their own"),
        (files, "files", "bob module", &[], "untrustedSigner: `files` accepts only acme", "which binds"),
        ("rule=[{scope='files',accept='none'}]", "files", "acme module", &[], "untrustedSigner: `files` accepts nobody", "nobody"),
        ("rule=[{scope='files',accept='none'}]", "push ghcr.io/x:1", "acme module", &[], "first use by default", "a file on its way is judged by where it goes"),
        ("rule=[{scope='files',accept='any',imports=[]}]", "files", "acme module env.f", &[], "notAllowed: imports env.f", "files are tightened by their rule"),
    ]);
}

#[test]
#[rustfmt::skip] // a row of the table is a line
fn a_repository_has_a_set_of_signers() {
    let two: &[&str] = &["ghcr.io/acme/echo acme", "ghcr.io/acme/echo bob"];
    let one = &two[..1];
    let unknown: &[&str] = &["ghcr.io/acme/echo sigstore:https://example.org"];
    let last = "2023-11-14T00:00:00Z";
    let seen = format!("ghcr.io/acme/echo acme {last} %acme 4");
    let other = format!("ghcr.io/acme/echo acme {last} %bob 9");
    let newer = format!("ghcr.io/acme/echo acme {last} %acme 5");
    let undated = ["ghcr.io/acme/echo acme yesterday"];
    let later = format!("ghcr.io/acme/echo acme {last} %acme 4 of-a-later-version x");
    rows(&[
        ("", ECHO, "acme module", one, "pinned by default", "the one who was seen"),
        ("", ECHO, "bob module", one, "signerChanged: has been signed by acme ($acme) since 2023-11-14", "another one"),
        ("", ECHO, "acme module", two, "pinned by default", "an old tag, after a second was accepted"),
        ("", ECHO, "bob module", two, "pinned by default", "the second"),
        ("", ECHO, "eve module", two, "signerChanged: acme ($acme), bob ($bob)", "a third"),
        ("", "ghcr.io/acme/other:1", "eve module", two, "first use by default", "another repository"),
        ("", "ghcr.io/acme/echo@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "bob module", one, "signerChanged: $acme", "a digest does not get round it"),
        ("", "ghcr.io/acme/echo:2", "bob module", one, "signerChanged: $acme", "nor does another tag"),
        ("", "ghcr.io/acme/echo", "bob module", one, "signerChanged: $acme", "nor none"),
        ("", "GHCR.IO:443/acme/echo:1", "bob module", one, "signerChanged: $acme", "nor a spelling"),
        ("", "push ghcr.io/acme/echo:1", "bob module", one, "signerChanged: $acme", "a push compares too"),
        ("", "ask ghcr.io/acme/echo:1", "bob module", one, "signerChanged: $acme", "and so does the question"),
        ("", ECHO, "acme module", unknown, "signerChanged: sigstore:https://example.org", "a method that is not known counts as another signer"),
        ("", ECHO, "acme module", &["ghcr.io/acme/echo $acme"], "signerChanged: $acme", "an id without a method is another"),
        ("", ECHO, "acme module", &[unknown[0], one[0]], "pinned by default", "beside a known one"),
        ("", ECHO, "bob module", &undated, "signerChanged: since 1970", "a line without a date still counts"),
        ("", ECHO, "bob module", &[&later], "signerChanged: $acme", "so does one with more fields"),
        ("", ECHO, "acme module", &[&seen], "pinned by default", "the same subject and revision"),
        ("", ECHO, "acme module", &[&other], "pinned by default; it is signed as %acme, and what came from there last was signed as %bob", "another subject is a warning"),
        ("", ECHO, "acme module", &[&newer], "pinned by default; its revision is 4, and what came from there last had 5", "so is a lower revision"),
        ("", ECHO, "acme module rev=6", &[&newer], "pinned by default", "a higher one is not"),
        (ACME, ECHO, "acme module", &[&newer], "named by ghcr.io/acme", "no pin, no warning"),
        ("default='pinned'", ECHO, "acme module", one, "pinned by default", "as it is set"),
        ("rule=[{scope='ghcr.io',accept='pinned'}]", ECHO, "bob module", one, "signerChanged: $acme", "a rule that pins"),
        ("rule=[{scope='ghcr.io',accept='pinned',kinds=['component']}]", ECHO, "acme module", one, "notAllowed: component", "and tightens"),
        ("rule=[{scope='ghcr.io',accept='pinned',kinds=['component']}]", ECHO, "bob module", one, "signerChanged: $acme", "who it is comes first"),
        ("", ECHO, "acme module exp=1700000001", one, "expired: ", "dates are judged before the signer"),
        ("", ECHO, "bob module exp=1700000001", one, "expired: ", "dates are judged before the signer"),
    ]);
    let broken = decided(
        policy(""),
        ECHO,
        "acme module",
        &["ghcr.io/acme/echo  - - -"],
    );
    assert!(broken.starts_with("policyUnusable: "), "{broken}");
}

#[test]
#[rustfmt::skip] // a row of the table is a line
fn a_key_is_revoked_under_every_name() {
    let twice = "default='any'
        rule=[{scope='ghcr.io',accept=['old']},{scope='quay.io',accept='pinned'},{scope='files',accept='any'}]
        [signer.old]
        account = '$acme'
        [signer.a-second-name]
        account = '$acme'
        revoked = true
        [signer.bob]
        account = '$bob'";
    let revoked = "untrustedSigner: which the config revokes as `a-second-name`";
    let names = "rule=[{scope='ghcr.io',accept=['zoe']},{scope='quay.io',accept=['ann','zoe']}]
        [signer.ann]
        account = '$acme'
        [signer.zoe]
        account = '$acme'";
    rows(&[
        (twice, ECHO, "acme module", &[], revoked, "one key under two names, one of them revoked"),
        (twice, "quay.io/x:1", "acme module", &["quay.io/x acme"], revoked, "a pin does not help"),
        (twice, "quay.io/x:1", "acme module", &[], revoked, "nor does a first use"),
        (twice, "other.org/x:1", "acme module", &[], revoked, "nor `any`"),
        (twice, "localhost:1/x:1", "acme module", &[], revoked, "nor this machine"),
        (twice, "files", "acme module", &[], revoked, "files too"),
        (twice, "push other.org/x:1", "acme module", &[], revoked, "nothing of it is pushed"),
        (twice, "other.org/x:1 signer=old", "acme module", &[], revoked, "whoever asks for it"),
        (twice, "other.org/x:1", "bob module", &[], "any by default", "others are not meant"),
        (names, ECHO, "acme module", &[], "named by ghcr.io", "any name will do"),
        (names, "quay.io/x:1", "acme module", &[], "named by quay.io", "any name will do"),
        ("[signer.old]\naccount='$acme'\nrevoked=true", "files", "acme module", &[], "untrustedSigner: revokes as `old`", "files without any rule"),
        ("default='none'\n[signer.old]\naccount='$acme'\nrevoked=true", ECHO, "acme module", &[], "untrustedSigner: revokes as `old`", "that comes first"),
    ]);
}

#[test]
#[rustfmt::skip] // a row of the table is a line
fn imports_are_what_is_really_imported() {
    let check = |patterns: &str, artifact: &str, expected: &str, why: &str| {
        let rules = format!("rule=[{{scope='*',accept='any',imports={patterns}}}]");
        let artifact = format!("acme {artifact}");
        rows(&[(&rules, ECHO, &artifact, &[], expected, why)]);
    };
    let refused = |what: &str| format!("notAllowed: {what}");
    let any = "any by *";
    check("[]", "module", any, "nothing is within nothing");
    check("[]", "component a:b/c", &refused("imports a:b/c"), "something is not");
    check("['wasi:*']", "component wasi:http/types@0.2.0", any, "a namespace");
    check("['wasi:*']", "component wasix:fs/a", &refused("imports wasix:fs/a"), "another that begins so");
    check("['wasi:http/*']", "component wasi:http/types@0.2.0", any, "a package");
    check("['wasi:http/*']", "component wasi:http-evil/types", &refused("wasi:http-evil"), "another package");
    check("['wasi:http/*']", "component wasi:http@0.2.0", &refused("wasi:http@0.2.0"), "`*` is something");
    check("['wasi:io/poll']", "component wasi:io/poll@0.2.0", any, "without a version every one fits");
    check("['wasi:io/poll']", "component wasi:io/poller", &refused("poller"), "but no other name");
    check("['wasi:io/poll@0.2.0']", "component wasi:io/poll@0.2.0", any, "with a version that one");
    check("['wasi:io/poll@0.2.0']", "component wasi:io/poll@0.2.1", &refused("0.2.1"), "and no other");
    check("['wasi:io/poll@0.2.0']", "component wasi:io/poll", &refused("poll"), "nor none");
    check("['wasi:io/*']", "component wasi:io/poll wasi:http/types", &refused("wasi:http/types"), "each of them");
    check("['env.*']", "module env.f env.g", any, "a core module's");
    check("['env.*']", "module environment.f", &refused("environment.f"), "of whole names");
    check("['env.f']", "module env.f", any, "one function");
    check("['env.f']", "module env.g", &refused("env.g"), "and no other");
    check("['wasi:*']", "module wasi:http/types.f", any, "a module that imports an interface");
    check("[]", "around env.f", any, "what is inside a component is not what it imports");
    check("['wasi:*']", "component x=>wasi:sockets/tcp", &refused("imports x (implements wasi:sockets/tcp)"), "its name has to fit");
    check("['x']", "component x=>wasi:sockets/tcp", &refused("implements wasi:sockets/tcp"), "and what it implements");
    check("['x','wasi:sockets/*']", "component x=>wasi:sockets/tcp", any, "both do");
    check("['wasi:*']", "component !wasi:http/proxy", &refused("wasi:http/proxy"), "a whole component fits verbatim alone");
    check("['wasi:http/proxy']", "component !wasi:http/proxy", any, "verbatim");
    check("['wasi:http/proxy']", "component !wasi:http/proxy@0.2.0", &refused("0.2.0"), "with its version");
    check("['unlocked-dep=<a:b>']", "component unlocked-dep=<a:b>", &refused("unlocked-dep"), "never");
    check("['locked-dep=<a:b@1>']", "component locked-dep=<a:b@1>", any, "verbatim");
    check("['locked-dep=<a:*']", "component locked-dep=<a:b@1>", &refused("locked-dep"), "verbatim");
    check("['locked-dep=<a:b']", "component locked-dep=<a:b@1", &refused("locked-dep"), "versions too");
    check("['url=<https://x/*']", "component url=<https://x/y>", &refused("url="), "never");
    check("['url=<https://x/y>']", "component url=<https://x/y>", &refused("url="), "not even verbatim");
    check("['url=<https://x/y>,integrity=<sha256-a>']", "component url=<https://x/y>,integrity=<sha256-a>", any, "with its hash");
    check("['integrity=<sha256-a>']", "component integrity=<sha256-a>", any, "verbatim");
    check("['integrity=<sha256-a>']", "component integrity=<sha256-b>", &refused("sha256-b"), "verbatim");
    check("['a']", "component unreadable", &refused("cannot be read"), "what cannot be read fails");
    check("['a']", "module unreadable", &refused("cannot be read"), "what cannot be read fails");
    check("['a']", "par", &refused("native code"), "its imports cannot be read");
    check("['a'],kinds=['provider']", "par", any, "unless the rule names them");
    check("['a'],kinds=['module']", "par", &refused("allows only module"), "another kind does not");
    check("['a:b/c']", "component a:b/\u{1b}[2Jc", &refused("a:b/\\u{1b}[2Jc"), "names are shown harmless");
}

#[test]
#[rustfmt::skip] // a row of the table is a line
fn limits_tighten() {
    let aged = "rule=[{scope='*',accept='any',max-age='90d'}]";
    let young = "rule=[{scope='*',accept='any',max-age='9d'}]";
    let exact = "rule=[{scope='*',accept='any',max-age='10d'}]";
    let kinds = "rule=[{scope='*',accept='any',kinds=['component','module']}]";
    let subjects = "rule=[{scope='*',accept=['acme'],subjects=['%acme','%bob']}]";
    let token = "rule=[{scope='*',accept='any',require=['token']}]";
    let in_time = format!("acme module iat={}", NOW + 300);
    let ahead = format!("acme module iat={}", NOW + 301);
    rows(&[
        (aged, ECHO, "acme module", &[], "any by *", "ten days"),
        (young, ECHO, "acme module", &[], "notAllowed: signed at 2023-11-14 22:13:20 UTC", "too old"),
        (exact, ECHO, "acme module", &[], "any by *", "to the second"),
        (exact, ECHO, "acme module iat=1699999999", &[], "notAllowed: since 2023-11-14", "to the second"),
        (aged, ECHO, &in_time, &[], "any by *", "clocks differ"),
        (aged, ECHO, &ahead, &[], "notAllowed: signed at", "but not by more than five minutes"),
        (aged, ECHO, "acme module iat=4102444800", &[], "notAllowed: signed at 2100-01-01", "signed in 2100"),
        (aged, ECHO, "acme module iat=18446744073709551615", &[], "notAllowed: second 18446744073709551615", "no date overflows"),
        (aged, ECHO, "acme module iat=0", &[], "notAllowed: 1970-01-01", "signed in 1970"),
        ("default='any'", ECHO, "acme module iat=4102444800", &[], "any by default", "without a limit nobody asks"),
        (kinds, ECHO, "acme module", &[], "any by *", "one of them"),
        (kinds, ECHO, "acme component", &[], "any by *", "the other"),
        (kinds, ECHO, "acme par", &[], "notAllowed: is a provider", "none of them"),
        (kinds, "files", "acme par", &[], "any by default", "`*` does not limit files"),
        (subjects, ECHO, "acme module", &[], "named by *", "one of them"),
        (subjects, ECHO, "acme par", &[], "notAllowed: is signed as V", "a provider has another"),
        (subjects, ECHO, "bob module", &[], "untrustedSigner: accepts only acme", "a subject is not a signer"),
        (token, ECHO, "acme module", &[], "any by *", "a token is there"),
    ]);
}

#[test]
#[rustfmt::skip] // a row of the table is a line
fn callers_tighten() {
    let wish = "untrustedSigner: the request accepts only";
    let with = |signer: &str| format!("{ECHO} signer={signer}");
    let pin: &[&str] = &["ghcr.io/acme/echo acme"];
    for (rules, signer, artifact, pins, expected, why) in [
        (ACME, "acme", "acme module", &[][..], "named by ghcr.io/acme", "by name"),
        (ACME, "$acme", "acme module", &[], "named by ghcr.io/acme", "by key"),
        (ACME, "token:$acme", "acme module", &[], "named by ghcr.io/acme", "by id"),
        (ACME, "bob", "acme module", &[], wish, "another"),
        (ACME, "$bob", "acme module", &[], wish, "another's key"),
        (ACME, "Acme", "acme module", &[], wish, "names are compared to the letter"),
        (ACME, "", "acme module", &[], wish, "nobody"),
        (ACME, "any", "acme module", &[], wish, "reserved words are not signers"),
        (ACME, "bob", "bob module", &[], "untrustedSigner: rule `ghcr.io/acme`", "a wish never loosens"),
        ("", "$acme", "acme module", &[], "first use by default", "the answer for CI"),
        ("", "$acme", "eve module", &[], wish, "where first use is every use"),
        ("", "$bob", "bob module", pin, "signerChanged: $acme", "nor does it replace a pin"),
        ("default='any'", "$acme", "bob module", &[], wish, "under `any` too"),
        ("default='none'", "$acme", "acme module", &[], "untrustedSigner: nobody", "or `none`"),
    ] {
        rows(&[(rules, &with(signer), artifact, pins, expected, why)]);
    }
}

/// What is over a limit or broken is refused before anybody asks who signed it; without a policy that
/// can be used nothing is, whatever it is.
#[test]
fn an_unusable_policy_refuses_everything() {
    let unusable = Error::new(
        ErrorKind::PolicyUnusable,
        "the trust policy cannot be used: x",
    );
    let now = Now {
        policy: Err(unusable),
        ..at(0)
    };
    for usage_at in [
        "files",
        ECHO,
        "push localhost:1/x:1",
        "oci:/absent/layout:1",
    ] {
        let examined = made("acme module");
        let usage = usage(usage_at, &examined).unwrap();
        let error = judge(examined, None, usage, None, &now).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PolicyUnusable, "{usage_at}");
        let unsigned = inspect(&b"text"[..], 4, &Limits::default()).unwrap();
        let error = judge(unsigned, None, Use::Verify(None), None, &now).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PolicyUnusable, "{usage_at}");
    }
    // What held is judged again by what holds then.
    let vouched = judge(made("acme module"), None, Use::Verify(None), None, &at(NOW));
    let vouched = vouched.unwrap().unwrap();
    assert_eq!(
        vouched.confirm(&now, "it").unwrap_err().kind(),
        ErrorKind::PolicyUnusable
    );
}

/// A layout's folder is swapped for a link after the artifact was judged for it.
#[test]
fn a_folder_that_leads_elsewhere_by_then_is_another_place() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let judged = |name: &str| {
        let to = testing::reference(&format!("oci:{}/{name}:1", root.display()));
        let usage = Use::Push(Publication::alone(to));
        let verdict = judge(made("acme module"), None, usage, None, &at(NOW));
        verdict.unwrap().unwrap()
    };
    let swap = |name: &str, target: &Path| {
        std::os::unix::fs::symlink(target, root.join(name)).unwrap();
    };
    let vouched = judged("new");
    vouched.confirm(&at(NOW), "it").unwrap();
    std::fs::create_dir(root.join("new")).unwrap();
    vouched.confirm(&at(NOW), "it").unwrap();
    std::fs::remove_dir(root.join("new")).unwrap();
    std::fs::create_dir(root.join("other")).unwrap();
    swap("new", &root.join("other"));
    let error = vouched.confirm(&at(NOW), "it").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidLayout, "{error}");
    // What was judged through a link is written where that led.
    let to = testing::reference(&format!("oci:{}/new:1", root.display()));
    let place = Place::of(&to).unwrap();
    assert_eq!(
        place.resolve(&to).to_string(),
        format!("oci:{}/other:1", root.display())
    );
}
