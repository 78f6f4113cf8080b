//! Files of config, right and wrong.

use super::*;
use crate::{artifact, error::Error, name::testing};
use proptest::prelude::*;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use vouch_protocol::ErrorKind;

fn write(text: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn load(text: &[u8]) -> Result<Config, Error> {
    let (_folder, path) = write(text);
    Config::load(Some(&path))
}

/// All that is wrong with a text, a line each: place, what, and what to do.
fn wrong(text: &[u8]) -> Vec<String> {
    let (_folder, path) = write(text);
    match Config::read(&path) {
        Ok(_) => Vec::new(),
        Err(Failure::Unread(error)) => panic!("{error}"),
        Err(Failure::Wrong(problems)) => problems
            .iter()
            .map(|problem| {
                let shown = problem.to_string();
                let shown = shown.strip_prefix(&format!("{}:", path.display()));
                let shown = shown.expect("it names the file").trim_start();
                match &problem.help {
                    Some(help) => format!("{shown} {help}"),
                    None => shown.to_owned(),
                }
            })
            .collect(),
    }
}

#[test]
fn sections_reach_their_modules() {
    let config = load(
        b"[limits]\nartifact = 7\n[registry.\"127.0.0.1:5000\"]\nplain-http = true\nca = '/ca.pem'\n",
    )
    .unwrap();
    assert_eq!(config.limits.artifact, 7);
    assert_eq!(config.limits.entries, 256);
    assert_eq!(
        config.registry[&testing::registry("127.0.0.1:5000")].plain_http,
        Some(true)
    );
    assert!(config.path.is_some());
    let config =
        load(b"socket = '/s'\n[idle]\ntimeout = '1h 30m'\n[log]\nlevel = 'debug'\n").unwrap();
    assert_eq!(config.socket.as_deref(), Some(Path::new("/s")));
    assert_eq!(
        config.idle.timeout,
        Some(Timeout::After(Duration::from_secs(5400)))
    );
    assert_eq!(config.log.level.as_deref(), Some("debug"));
    assert_eq!(
        load(b"").unwrap().limits,
        artifact::Limits::default(),
        "an empty file has the defaults"
    );
    let config = load(
        b"[registry.'Index.Docker.io']\nmirrors = ['m.example:5000/hub']\nclient-cert = 'c.pem'\nclient-key = '/k.pem'\n",
    )
    .unwrap();
    let section = &config.registry[&testing::registry("docker.io")];
    assert_eq!(section.mirrors[0].to_string(), "m.example:5000/hub");
    let certificate = section.client_cert.as_ref().unwrap();
    assert!(certificate.is_absolute() && certificate.ends_with("c.pem"));
    assert_eq!(section.client_key.as_deref(), Some(Path::new("/k.pem")));
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let check = |text: &str, expected: &[&str]| {
        let wrong = wrong(text.as_bytes());
        assert_eq!(wrong.len(), expected.len(), "{text:?} {wrong:#?}");
        for (wrong, expected) in wrong.iter().zip(expected) {
            assert!(wrong.contains(expected), "{text:?} {wrong}");
        }
    };
    check(
        "[limits]\nartifact = 1\nbytes = 2\n",
        &["3:1: [limits] has no key `bytes`"],
    );
    check("\n\n[trusts]\n", &["3:2: a config has no key `trusts`"]);
    check("[limits\n", &["1:8: "]);
    check(
        "[limits]\n  artifact = -1\n",
        &["2:14: `limits.artifact`: "],
    );
    check("[limits]\nartifact = '1'\n", &["expected u64"]);
    check("[idle]\ntimeout = 'soon'\n", &["2:11: `idle.timeout`: "]);
    check("[idle]\ntimeout = 30\n", &["expected a string"]);
    check("limits = 3\n", &["expected the section [limits]"]);
    check("registry = 3\n", &["1:12: `registry`"]);
    check("registry.x = 3\n", &["expected a section [registry."]);
    // All at once, in their order.
    check(
        "sockets = 1\n[registry.\"h:1\"]\nplain_http = true\nca = 7\nmirrors = 'm'\n[log]\nlevel = 7\nkeep = 'x'",
        &[
            "1:1: a config has no key `sockets` Did you mean `socket`?",
            "3:1: [registry.\"h:1\"] has no key `plain_http` Did you mean `plain-http`?",
            "4:6: `registry.h:1.ca`",
            "5:11: `registry.h:1.mirrors`",
            "7:9: `log.level`",
            "8:8: `log.keep`",
        ],
    );
    check("artifact = 7\n", &["It belongs to the section [limits]"]);
    // Values that cannot be.
    check(
        "[limits]\nartifact = 0\n",
        &["2:12: `limits.artifact` is 0, but may be from 1 to "],
    );
    check(
        "[limits]\ntoken = 9999999999\n",
        &["`limits.token` is 9999999999"],
    );
    check("[limits]\nartifact = 99999999999999999999\n", &["2:12: "]);
    check("[log]\nsize = 0\n", &["`log.size` is 0"]);
    check(
        "[idle]\ntimeout = '0s'\n",
        &["`idle.timeout`: a client needs a moment"],
    );
    check("[idle]\ntimeout = '2y'\n", &["longer than 365 days"]);
    check("[idle]\ntimeout = 'never'\n", &[]);
    check("[idle]\nlogins = '2y'\n", &["longer than 365 days"]);
    check("[idle]\nlogins = '0s'\n", &[]);
    check("[sign]\nkey = ''\n", &["2:7: `key` is empty"]);
    check("[sign]\nkey = 'ssh:ann@laptop'\n", &[]);
    let seed = format!("[sign]\nkey = 'SA{}'\n", "A".repeat(56));
    check(
        &seed,
        &["2:7: `key` is a seed itself: name the file that holds it"],
    );
    check("[sign]\nkey = \"a\\u007f\"\n", &["not the name of a key"]);
    check(
        "[sign]\nkey = '~bob/a'\n",
        &["the path of `key` begins with `~`"],
    );
    check(
        "[sign]\nfolders = ['']\n",
        &["the path of `folders` is empty"],
    );
    let many = format!("[sign]\nfolders = {:?}\n", ["a"; 17]);
    check(&many, &["`folders` has more than 16 folders"]);
    check("socket = ''\n", &["1:10: the path of `socket` is empty"]);
    check("socket = 'a\\u0000b'\n", &[]);
    check("socket = \"a\\u0000b\"\n", &["NUL"]);
    // Registries.
    check(
        "[registry.\"a/b\"]\n",
        &["[registry.\"a/b\"] is not a registry"],
    );
    check(
        "[registry.a.b]\nplain-http = true\n",
        &["Quote a host's name: [registry.\"a.b\"]"],
    );
    check(
        "[registry.\"H:1\"]\n[registry.\"h:1\"]\n",
        &["[registry.\"h:1\"] is another name of h:1"],
    );
    check(
        "[registry.h]\nclient-cert = 'c'\n",
        &["`client-cert` needs `client-key`"],
    );
    check(
        "[registry.h]\nclient-key = 'c'\n",
        &["`client-key` needs `client-cert`"],
    );
    check(
        "[registry.h]\nclient-key = 'c'\nclient-cert = 'c'\nplain-http = true\n",
        &["`plain-http` is true"],
    );
    check(
        "[registry.h]\nmirrors = ['https://m']\n",
        &["2:11: `registry.h.mirrors`"],
    );
    check("[registry.h]\nmirrors = ['H']\n", &["itself as a mirror"]);
    check("[registry.h]\nmirrors = ['h/x']\n", &[]);
}

#[test]
fn a_password_in_an_address_is_not_told() {
    let check = |text: &str| {
        let wrong = wrong(text.as_bytes());
        assert!(!wrong.is_empty(), "{text:?}");
        for wrong in wrong {
            assert!(!wrong.contains("secret"), "{text:?} {wrong}");
        }
    };
    check("[registry.h]\nmirrors = ['ann:secret@m']\n");
    check("[registry.h]\nmirrors = ['https://ann:secret@m/x?secret']\n");
    check("[registry.'ann:secret@h']\nplain-http = true\n");
    check("[registry.'ann:secret@h']\nmirrors = 7\nca = 7\nbogus = 7\n");
    check("[registry.'ann:secret@h'.x]\nbogus = 7\n");
    check("[registry.'https://h?secret']\nplain-http = true\n");
    check("'ann:secret@h' = 1\n");
}

#[test]
fn hostile_texts_end_well() {
    let check = |text: &[u8], expected: &str| {
        let wrong = wrong(text);
        assert!(wrong.len() <= 20, "{}", wrong.len());
        assert!(wrong.iter().all(|wrong| wrong.len() < 2000), "{wrong:?}");
        assert!(
            wrong.iter().any(|wrong| wrong.contains(expected)),
            "{wrong:?}"
        );
    };
    check(b"\xff", "not UTF-8");
    check(b"a = 1\n\n\xff", "3: the file is not UTF-8");
    check(&vec![b'#'; (1 << 20) + 1], "1 MiB");
    check(b"\0", "1:1");
    check(b"[limits]\ntoken = 1\ntoken = 2\n", "duplicate");
    check(b"[limits]\n[limits]\n", "duplicate");
    check("[".repeat(100_000).as_bytes(), "1:");
    check(format!("a = {}", "[".repeat(100_000)).as_bytes(), "1:");
    check(format!("a = {}", "{a=".repeat(100_000)).as_bytes(), "1:");
    check(vec!["a"; 100_000].join(".").as_bytes(), "1:");
    check("[[registry]]\n".repeat(70_000).as_bytes(), "registry");
    check(format!("{} = 1", "k".repeat(1 << 19)).as_bytes(), "no key");
    let mirrors = format!("[registry.h]\nmirrors = [{}]", "'m',".repeat(200_000));
    check(mirrors.as_bytes(), "more than 16");
    let many: Vec<_> = (0..40_000)
        .map(|n| format!("[registry.h{n}]\nca=1\n"))
        .collect();
    let many = many.concat();
    check(many.as_bytes(), "registry.h0.ca");
    let many: Vec<_> = (0..40_000).map(|n| format!("k{n}=1\n")).collect();
    let many = many.concat();
    check(many.as_bytes(), "no key");
}

#[test]
fn timeouts() {
    let check = |text: &str, expected: Option<Timeout>| {
        let timeout = text.parse::<Timeout>().ok();
        assert_eq!(timeout, expected, "{text:?}");
        let again = timeout.map(|timeout| String::from(timeout).parse().unwrap());
        assert_eq!(again, expected, "{text:?}");
    };
    let after = |milliseconds| Some(Timeout::After(Duration::from_millis(milliseconds)));
    check("never", Some(Timeout::Never));
    check("200ms", after(200));
    check("1h 30m", after(5_400_000));
    check("0", None);
    check("0s", None);
    check("2y", None);
    check("30", None);
    check("", None);
    check("-1s", None);
}

#[test]
fn a_file_that_is_named_must_exist() {
    let error = Config::load(Some(Path::new("/absent/config.toml"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FileNotFound);
}

#[test]
fn files_that_are_named_are_looked_at() {
    let config = load(b"[registry.h]\n\nca = '/dev/null'\n").unwrap();
    let problems = config.problems();
    assert_eq!(problems.len(), 1);
    let shown = problems[0].to_string();
    assert!(shown.contains("config.toml:3: "), "{shown}");
    assert!(shown.contains("/dev/null is a device"), "{shown}");
}

#[test]
fn what_holds_can_be_shown_and_read_again() {
    let config = load(
        b"socket = '/a \"b\\'\n[limits]\ntoken = 9\n[log]\nformat = 'json'\n[idle]\ntimeout='90m'\n\
          [registry.'H.example:1']\nca = 'ca.pem'\nmirrors = ['m:1/x', 'n']\n",
    )
    .unwrap();
    let settings = config.settings();
    let of = |key: &str| {
        let found = settings.iter().find(|setting| setting.key == key);
        let found = found.unwrap_or_else(|| panic!("{key} is not there"));
        (found.value.clone(), found.origin.to_string())
    };
    assert_eq!(of("limits.token"), (9.into(), "line 3".into()));
    assert_eq!(of("limits.entries"), (256.into(), "default".into()));
    assert_eq!(of("idle.timeout"), ("1h 30m".into(), "line 7".into()));
    assert_eq!(of("log.level"), (serde_json::Value::Null, "default".into()));
    assert_eq!(of("registry.\"h.example:1\".ca").1, "line 9");
    let again = load(to_toml(&settings).as_bytes()).unwrap();
    let values = |config: &Config| serde_json::to_value(config).unwrap();
    assert_eq!(values(&again), values(&config));
}

#[test]
fn a_policy_can_be_shown_and_read_again() {
    let text = "[trust]\ndefault = 'none'\n\
        [trust.signer.'a.b']\naccount = 'ACOJJN6WUP4ODD75XEBKKTCCUJJCY5ZKQ56XVKYK4BEJWGVAOOQHZMCW'\n\
        [trust.signer.old]\naccount = 'ADOIOFYU3KSKTVKAPTKWKPZQSP4C2ZURNHBH3JB6LIUOYX5VT5EMAQQD'\nrevoked = true\n\
        [[trust.rule]]\nscope = '*'\naccept = 'a.b'\nimports = ['wasi:*']\nmax-age = '90d'\n\
        [[trust.rule]]\nscope = 'files'\naccept = 'any'\nkinds = ['module']\nrequire = ['token']\n";
    let config = load(text.as_bytes()).unwrap();
    assert_eq!(config.problems(), []);
    let settings = config.settings();
    let of = |key: &str| {
        let found = settings.iter().find(|setting| setting.key == key);
        let found = found.unwrap_or_else(|| panic!("{key} is not there"));
        (found.value.to_string(), found.origin.to_string())
    };
    let check = |key: &str, value: &str, origin: &str| {
        assert_eq!(of(key), (value.to_owned(), origin.to_owned()), "{key}");
    };
    check("trust.default", "\"none\"", "line 2");
    check("trust.signer.\"old\".revoked", "true", "line 7");
    check("trust.rule[0].accept", "[\"a.b\"]", "line 10");
    check("trust.rule[1].kinds", "[\"module\"]", "line 16");
    let shown = to_toml(&settings);
    let again = load(shown.as_bytes()).unwrap();
    assert_eq!(again.problems(), [], "{shown}");
    assert_eq!(again.trust, config.trust, "{shown}");
}

#[test]
fn the_schema_is_the_types() {
    let generator = schemars::generate::SchemaSettings::draft07().into_generator();
    let schema = generator.into_root_schema_for::<Config>();
    let fresh = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("VOUCH_WRITE_SCHEMA").is_some() {
        std::fs::write("src/config/schema.json", &fresh).unwrap();
        return;
    }
    assert_eq!(
        SCHEMA, fresh,
        "say `VOUCH_WRITE_SCHEMA=1 cargo test -p vouchd the_schema_is_the_types`"
    );
    // Editors complete from it: every key is there, and tells what it is for.
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    for section in [
        &["idle"][..],
        &["log"],
        &["sign"],
        &["limits"],
        &["registry", "x"],
        &[],
    ] {
        for key in keys::of(section).unwrap() {
            assert!(described(&schema, key), "{section:?} {key}");
        }
    }
}

#[test]
fn the_example_has_every_key_and_the_defaults() {
    let shown = include_str!("../../dist/config.toml");
    let config = load(shown.as_bytes()).unwrap();
    // It says that these are the defaults.
    assert_eq!(config.limits, artifact::Limits::default());
    let log = Log {
        level: None,
        format: None,
        file: None,
        ..config.log.clone()
    };
    assert_eq!(log, Log::default());
    assert_eq!(config.idle.logins, Idle::default().logins);
    for section in [
        &["idle"][..],
        &["log"],
        &["sign"],
        &["limits"],
        &["registry", "x"],
    ] {
        for key in keys::of(section).unwrap() {
            assert!(shown.contains(&format!("\n{key} = ")), "{section:?} {key}");
        }
    }
    // The policy is a remark, since nobody else's would fit.
    let (_, policy) = shown.split_once("\n# [trust]").unwrap();
    let (policy, _) = policy.split_once("\n\n").unwrap();
    let policy = format!(
        "[trust]{}",
        policy.replace("\n# ", "\n").replace("\n#\n", "\n")
    );
    // Nor have its files been made.
    let mut problems = load(policy.as_bytes()).unwrap().problems();
    problems.retain(|problem| {
        !problem.what.contains("lab.pub") && !problem.what.contains("lab-root.json")
    });
    assert_eq!(problems, [], "{policy}");
    let sections = [
        &["trust", "signer", "x"][..],
        &["trust", "root", "x"],
        &["trust", "rule"],
    ];
    for section in sections {
        for key in keys::of(section).unwrap() {
            assert!(policy.contains(&format!("\n{key} = ")), "{section:?} {key}");
        }
    }
}

/// Whether a key with a description is somewhere in a schema.
fn described(schema: &serde_json::Value, key: &str) -> bool {
    let here = &schema["properties"][key]["description"];
    here.is_string()
        || match schema {
            serde_json::Value::Object(inner) => inner.values().any(|inner| described(inner, key)),
            _ => false,
        }
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<Vec<u8>>()) {
        let _ = load(&text);
    }

    #[test]
    fn nothing_that_looks_like_a_config_panics(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "[registry.", "\"h:1\"", "]", "\n", "ca", "mirrors", " = ", "[", "'m'", ",", "{", "}",
                "[limits]", "token", "-1", "9e9", "\"\\u0000\"", "[idle]", "timeout", "'1h'", "#", ".",
                "true", "[[", "socket", "~", "é", "\u{202e}", "1979-05-27", "'''", "inf",
            ]),
            0..40,
        )
    ) {
        let _ = load(parts.concat().as_bytes());
    }
}
