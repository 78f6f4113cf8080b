//! Signing: the client's half of it, and services that lie.

use crate::{
    driver::Library,
    fake::{Fake, Reply},
};
use data_encoding::{BASE64, HEXLOWER};
use nkeys::{KeyPair, KeyPairType};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};
use vouch_client::signing::Account;
use vouch_testing::{
    daemon::Daemon,
    folder::Folder,
    forge::{ENTRIES, HEADER, Signer, base64, component, custom, gzip, module, sha256, tar},
    process::{Process, run, until},
};

/// A key of a driver's own: its seed in hex, and its account.
fn key(number: u8) -> (String, String) {
    let seed = [number; 32];
    let pair = KeyPair::new_from_raw(KeyPairType::Account, seed).unwrap();
    (HEXLOWER.encode(&seed), pair.public_key())
}

pub fn callback(library: &Library) {
    let (daemon, folder) = (Daemon::start(), Folder::new());
    let mut driver = library.connected(&daemon.socket());
    let (seed, account) = key(7);
    let artifacts: [(&str, Vec<u8>, Value); 5] = [
        ("module.wasm", module(), json!({})),
        (
            "component.wasm",
            component(),
            json!({"name": "größe", "version": "1.0"}),
        ),
        (
            "sections.wasm",
            [
                custom("a", &[0; 300]),
                custom("", b""),
                custom("wasmcloud_jw_", b"x"),
            ]
            .concat(),
            json!({"tags": ["a", "b"], "capabilities": ["wasmcloud:keyvalue"], "revision": 7}),
        ),
        ("kv.par", tar(ENTRIES), json!({"vendor": "acme"})),
        (
            "kv.par.gz",
            gzip(&tar(ENTRIES)),
            json!({"vendor": "acme", "expires": 4_000_000_000_u64}),
        ),
    ];
    for (name, bytes, more) in artifacts {
        let bytes = if name == "sections.wasm" {
            [module(), bytes].concat()
        } else {
            bytes
        };
        let path = folder.write(name, &bytes);
        let mut params = json!({"path": path, "account": account});
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        let signed = driver.ok(json!({"do": "sign", "params": params, "key": seed}));
        assert_eq!(signed["claims"]["issuer"], account, "{name}: {signed}");
        for (name, value) in more.as_object().unwrap() {
            assert_eq!(signed["claims"][name], *value, "{name}: {signed}");
        }
        let verified = driver.call("verify", json!({"path": path}));
        assert_eq!(verified["verdict"], "accepted", "{name}: {verified}");
        assert_eq!(verified["artifact"], signed["artifact"]);
    }
    // What cannot be signed is left alone.
    let text = folder.write("text", b"not an artifact");
    let step = json!({"do": "sign", "params": {"path": text, "account": account}, "key": seed});
    let error = driver.error(step);
    let is = error["is"].as_str().unwrap();
    assert!(
        is == "server" && error["kind"] == "unknownArtifact" || is == "signing",
        "{error}"
    );
    assert_eq!(fs::read(&text).unwrap(), b"not an artifact");
}

/// What stands in the token that is there is carried over, where the same account signs.
pub fn again(library: &Library) {
    let (daemon, folder) = (Daemon::start(), Folder::new());
    let mut driver = library.connected(&daemon.socket());
    for (name, bytes) in [("a.wasm", module()), ("kv.par", tar(ENTRIES))] {
        let path = folder.write(name, &bytes);
        let (seed, account) = key(7);
        let mut params = json!({"path": path, "account": account, "name": "echo", "version": "2",
                                "revision": 3});
        let (member, value) = match name {
            "kv.par" => ("vendor", json!("acme")),
            _ => ("capabilities", json!(["wasmcloud:keyvalue"])),
        };
        params[member] = value;
        let first = driver.ok(json!({"do": "sign", "params": params, "key": seed}));
        let params = json!({"path": path, "account": account});
        let second = driver.ok(json!({"do": "sign", "params": params, "key": seed}));
        for member in [
            "issuer",
            "subject",
            "name",
            "version",
            "revision",
            "capabilities",
            "vendor",
        ] {
            assert_eq!(
                second["claims"].get(member),
                first["claims"].get(member),
                "{member}"
            );
        }
        // Another account keeps all but what the first granted.
        let (seed, account) = key(8);
        let params = json!({"path": path, "account": account});
        let third = driver.ok(json!({"do": "sign", "params": params, "key": seed}));
        assert_eq!(third["claims"]["issuer"], account);
        assert_eq!(third["claims"]["subject"], first["claims"]["subject"]);
        assert_eq!(third["claims"]["capabilities"], json!([]), "{third}");
    }
}

struct Agent {
    _process: Process,
    socket: PathBuf,
}

impl Agent {
    fn start(folder: &Folder) -> Self {
        let socket = folder.path("agent");
        let mut agent = Command::new("ssh-agent");
        agent.arg("-D").arg("-a").arg(&socket);
        let process = Process(agent.stdout(Stdio::null()).spawn().unwrap());
        until("the agent listens", || socket.exists());
        Self {
            _process: process,
            socket,
        }
    }

    fn run(&self, arguments: &[&str]) {
        let mut add = Command::new("ssh-add");
        run(add
            .arg("-q")
            .args(arguments)
            .env("SSH_AUTH_SOCK", &self.socket));
    }
}

/// Makes a key; answers its account.
fn keygen(file: &Path, kind: &str) -> Option<String> {
    let mut keygen = Command::new("ssh-keygen");
    run(keygen
        .args(["-q", "-t", kind, "-N", "", "-C", "ann ☃", "-f"])
        .arg(file));
    let public = fs::read_to_string(file.with_extension("pub")).unwrap();
    let blob = BASE64
        .decode(public.split(' ').nth(1).unwrap().as_bytes())
        .unwrap();
    let key = blob[blob.len() - 32..].try_into().unwrap();
    (kind == "ed25519").then(|| Account::of_key(key).to_string())
}

pub fn agent(library: &Library) {
    let (daemon, folder) = (Daemon::start(), Folder::new());
    let mut driver = library.connected(&daemon.socket());
    let agent = Agent::start(&folder);
    let path = folder.write("a.wasm", &module());
    let account = keygen(&folder.path("mine"), "ed25519").unwrap();
    let sign =
        json!({"do": "sign", "params": {"path": path, "account": account}, "agent": agent.socket});
    let error = driver.error(sign.clone());
    assert_eq!(error["is"], "signing", "{error}");
    assert_eq!(error["kind"], "keyAbsent", "{error}");

    // Among others.
    for (name, kind) in [("other", "ed25519"), ("old", "rsa"), ("curve", "ecdsa")] {
        keygen(&folder.path(name), kind);
        agent.run(&[folder.path(name).to_str().unwrap()]);
    }
    agent.run(&[folder.path("mine").to_str().unwrap()]);
    let signed = driver.ok(sign.clone());
    assert_eq!(signed["claims"]["issuer"], account);
    let verified = driver.call("verify", json!({"path": path}));
    assert_eq!(verified["verdict"], "accepted", "{verified}");

    // It has lost its keys.
    agent.run(&["-D"]);
    assert_eq!(driver.error(sign.clone())["kind"], "keyAbsent");
    drop(agent);
    let error = driver.error(sign);
    assert_eq!(error["is"], "signing", "{error}");
    assert_eq!(error["kind"], "noAgent", "{error}");
}

/// Any module's key.
const SUBJECT: &str = "MB2ZDBY7MU2UY7QUBAKQQFJ4J7DQP46OOWS6BLZYPDWDIWE2HAMFVPGA";
/// Another one's, and another account.
const OTHER_SUBJECT: &str = "MA32YKAF75VYYKQRZONGGEL72XOTR75P3QERY4FJSXTYFCPPUMQLMSAE";
const OTHER: &str = "ACOJJN6WUP4ODD75XEBKKTCCUJJCY5ZKQ56XVKYK4BEJWGVAOOQHZMCW";

/// What is set at which place of what is to be signed.
const LIES: &[(&str, fn(&mut Value))] = &[
    ("another account", |it| it["iss"] = OTHER.into()),
    ("another subject", |it| it["sub"] = OTHER_SUBJECT.into()),
    ("not a subject", |it| it["sub"] = "M".into()),
    ("another name", |it| it["wascap"]["name"] = "bank".into()),
    ("a version with a control character", |it| {
        it["wascap"]["ver"] = "1\u{1b}[2J".into()
    }),
    ("a version with a direction mark", |it| {
        it["wascap"]["ver"] = "1\u{202e}".into()
    }),
    ("a long version", |it| {
        it["wascap"]["ver"] = "1".repeat(257).into()
    }),
    ("a version that is not a text", |it| {
        it["wascap"]["ver"] = 7.into()
    }),
    ("a revision", |it| it["wascap"]["rev"] = 7.into()),
    ("tags", |it| it["wascap"]["tags"] = json!(["official"])),
    ("capabilities", |it| {
        it["wascap"]["caps"] = json!(["wasmcloud:keyvalue"])
    }),
    ("an alias", |it| it["wascap"]["call_alias"] = "bank".into()),
    ("a provider", |it| it["wascap"]["prov"] = true.into()),
    ("an end", |it| it["exp"] = 4_000_000_000_u64.into()),
    ("a begin", |it| it["nbf"] = 1.into()),
    ("an old date", |it| it["iat"] = 1.into()),
    ("a date to come", |it| it["iat"] = 4_000_000_000_u64.into()),
    ("other bytes", |it| {
        it["wascap"]["hash"] = "0".repeat(64).into()
    }),
    ("the hash in lower case", |it| {
        let hash = it["wascap"]["hash"].as_str().unwrap().to_lowercase();
        it["wascap"]["hash"] = hash.into();
    }),
    ("an archive's hashes", |it| {
        it["wascap"]["target_hashes"] = json!({"a": "0".repeat(64)});
    }),
    ("a member more", |it| it["aud"] = "bank".into()),
    ("a claim more", |it| it["wascap"]["more"] = 1.into()),
    ("another revision of wascap", |it| {
        it["wascap_revision"] = 2.into()
    }),
    ("no identity", |it| it["jti"] = Value::Null),
    ("no claims", |it| it["wascap"] = Value::Null),
    ("claims in a list", |it| it["wascap"] = json!([])),
];

/// What is done to the text of what is to be signed.
const GARBLED: &[(&str, fn(&str) -> String)] = &[
    ("a name twice", |it| {
        it.replacen('{', &format!("{{\"iss\":\"{OTHER}\","), 1)
    }),
    ("a name twice further in", |it| {
        it.replace("\"name\":", "\"name\":\"bank\",\"name\":")
    }),
    ("a name twice, escaped", |it| {
        it.replace("\"name\":", "\"n\\u0061me\":\"bank\",\"name\":")
    }),
    ("a sign of a library's own", |it| {
        it.replace(
            "\"ver\":\"1\"",
            "\"ver\":{\"$serde_json::private::RawValue\":\"1\"}",
        )
    }),
    ("something behind it", |it| format!("{it}{{}}")),
    ("not JSON", |it| it.replace('}', "")),
    ("a list", |it| format!("[{it}]")),
    ("nothing", |_| String::new()),
];

pub fn lies(library: &Library) {
    let folder = Folder::new();
    let path = folder.write("a.wasm", &module());
    let (seed, account) = key(7);
    let honest = {
        let account = account.clone();
        move || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            json!({
                "jti": "x", "iat": now.as_secs(), "iss": account, "sub": SUBJECT,
                "wascap": {"name": "echo", "ver": "1", "hash": sha256(&module())},
                "wascap_revision": 3,
            })
        }
    };
    let input = |header: &str, payload: &str| {
        format!(
            "{}.{}",
            base64(header.as_bytes()),
            base64(payload.as_bytes())
        )
    };
    let params = json!({"path": path, "account": account, "name": "echo", "subject": SUBJECT});
    let check = |what: &str, signing_input: String, replaces: Value, is_honest: bool| {
        let (claims, what) = (
            json!({"issuer": account, "subject": SUBJECT, "name": "echo",
            "tags": [], "capabilities": [], "issuedAt": 1}),
            what.to_owned(),
        );
        let fake = Fake::start(move |request, _| match request["method"].as_str() {
            Some("sign/prepare") => {
                let mut prepared = json!({
                    "artifact": {"kind": "module", "digest": "sha256:00", "size": 8},
                    "signingInput": signing_input,
                    // What it says of it is not believed.
                    "claims": claims,
                });
                if !replaces.is_null() {
                    prepared["replaces"] = replaces.clone();
                }
                Some(Reply::Result(prepared))
            }
            Some("sign/complete") => Some(Reply::kind(-32603, "internalError", false)),
            _ => None,
        });
        let mut driver = library.connected(&fake.socket());
        let error = driver.error(json!({"do": "sign", "params": params, "key": seed}));
        let completed = fake.asked("sign/complete").len();
        if is_honest {
            assert_eq!(error["kind"], "internalError", "{what}: {error}");
            assert_eq!(completed, 1, "{what}");
        } else {
            assert_eq!(error["is"], "signing", "{what}: {error}");
            assert_eq!(error["kind"], "notAskedFor", "{what}: {error}");
            assert_eq!(completed, 0, "{what}: {error}");
        }
    };
    let none = Value::Null;
    check(
        "honest",
        input(HEADER, &honest().to_string()),
        none.clone(),
        true,
    );
    for (what, lie) in LIES {
        let mut payload = honest();
        lie(&mut payload);
        check(
            what,
            input(HEADER, &payload.to_string()),
            none.clone(),
            false,
        );
    }
    for (what, garble) in GARBLED {
        let payload = garble(&honest().to_string());
        check(what, input(HEADER, &payload), none.clone(), false);
    }
    let good = input(HEADER, &honest().to_string());
    let (header, payload) = good.split_once('.').unwrap();
    let reordered = r#"{"alg":"Ed25519","typ":"jwt"}"#;
    for (what, text) in [
        (
            "another order in the header",
            input(reordered, &honest().to_string()),
        ),
        (
            "another algorithm",
            input(r#"{"typ":"jwt","alg":"none"}"#, &honest().to_string()),
        ),
        ("three parts", format!("{good}.{payload}")),
        ("one part", payload.to_owned()),
        ("padding", format!("{header}=.{payload}")),
        ("white space", format!("{header}.{payload}\n")),
        ("other bits at the end", other_bits(header, payload)),
    ] {
        check(what, text, none.clone(), false);
    }

    // What the token says that is replaced may be kept, if that token is one.
    let mut granted = honest();
    granted["wascap"]["caps"] = json!(["wasmcloud:keyvalue"]);
    let granted = input(HEADER, &granted.to_string());
    let pair = KeyPair::new_from_raw(KeyPairType::Account, [7; 32]).unwrap();
    let old = Signer {
        account: pair,
        ..Signer::default()
    };
    let token = |payload: Value| old.jwt(&payload.to_string());
    let mut own = honest();
    own["wascap"]["caps"] = json!(["wasmcloud:keyvalue", "another"]);
    let replaces = |token: &str| json!({"token": token, "dropped": []});
    check("kept", granted.clone(), replaces(&token(own.clone())), true);
    let (front, signature) = { token(own.clone()) }
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{front}.{first}{}", &signature[1..]);
    check(
        "kept from a forged token",
        granted.clone(),
        replaces(&forged),
        false,
    );
    let stranger = Signer::default();
    let mut others = own;
    others["iss"] = stranger.account.public_key().into();
    let others = stranger.jwt(&others.to_string());
    check(
        "kept from another's",
        granted.clone(),
        replaces(&others),
        false,
    );
    check("kept from nothing", granted, json!({"dropped": []}), false);
}

/// The same bytes spelt otherwise: the bits behind the last byte are not zero.
fn other_bits(header: &str, payload: &str) -> String {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = |text: &str| alphabet.find(text.chars().last().unwrap()).unwrap();
    // The header's 29 bytes leave two bits, which are zero.
    let next = alphabet.as_bytes()[at(header) + 1] as char;
    format!("{}{next}.{payload}", &header[..header.len() - 1])
}
