//! Errors, kind by kind: those that a service can be brought to answer, and all of them as they
//! come over the wire.

use crate::{
    driver::Library,
    fake::{Fake, Reply},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use vouch_client::protocol::ErrorKind;
use vouch_testing::{
    daemon::Daemon,
    faulty::{Answer, Faulty},
    folder::Folder,
    forge::{ENTRIES, Signer, custom, module, tar},
    process::program,
    publisher::Publisher,
    registry::Registry,
};

/// Where errors come from.
struct World {
    folder: Folder,
    registry: Registry,
    locked: Registry,
    faulty: Faulty,
}

impl World {
    fn new() -> Self {
        let folder = Folder::new();
        let signer = Signer::default();
        let signed = signer.wasm(&module());
        folder.write("signed.wasm", &signed);
        folder.write("other.wasm", &Signer::default().wasm(&module()));
        folder.write("unsigned.wasm", &module());
        folder.write("text", b"not an artifact");
        folder.write("cut.wasm", &signed[..signed.len() - 3]);
        folder.write("kv.par", &signer.archive(ENTRIES));
        folder.write("unsigned.par", &tar(ENTRIES));
        let twice = signer.wasm(&signed);
        folder.write("twice.wasm", &twice);
        let token = custom("jwt", b"not a token");
        folder.write("garbage.wasm", &[module(), token].concat());
        folder.write(
            "changed.wasm",
            &[signed.clone(), custom("more", b"x")].concat(),
        );
        let forged = signer.wasm_token(&module());
        let (head, signature) = forged.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { "B" } else { "A" };
        let forged = format!("{head}.{first}{}", &signature[1..]);
        folder.write(
            "forged.wasm",
            &[module(), custom("wasmcloud_jwt", forged.as_bytes())].concat(),
        );
        let dated = |not_before, expires| {
            Signer {
                not_before,
                expires,
                ..Signer::default()
            }
            .wasm(&module())
        };
        folder.write("early.wasm", &dated(Some(4_000_000_000), None));
        folder.write("late.wasm", &dated(None, Some(1_700_000_001)));
        // A hole, which takes no room.
        let large = fs::File::create(folder.path("large.wasm")).unwrap();
        large.set_len(64 << 20).unwrap();
        fs::create_dir(folder.path("layout")).unwrap();
        folder.write("layout/oci-layout", b"{}");

        let registry = Registry::open();
        let publisher = Publisher::new(&registry.name(), "acme/odd");
        let one = publisher.artifact("one", &signed);
        let mut two = one.clone();
        let layer = two["layers"][0].clone();
        two["layers"].as_array_mut().unwrap().push(layer);
        publisher.manifest(Some("two"), &two);
        Self {
            faulty: Faulty::start(|seen, _| match seen.target.split('/').nth(2) {
                Some("broken") => Answer::new(500),
                Some("limited") => Answer::new(429),
                Some("denied") => Answer::new(403),
                Some("refused") => Answer::new(400)
                    .body(r#"{"errors":[{"code":"UNSUPPORTED","message":"not on a Sunday"}]}"#),
                Some("garbled") => Answer::new(200)
                    .header("content-type", "application/vnd.oci.image.manifest.v1+json")
                    .body("{}"),
                _ => Answer::new(404),
            }),
            locked: Registry::with_login(),
            folder,
            registry,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    fn reference(&self, rest: &str) -> String {
        format!("{}/{rest}", self.registry.name())
    }

    fn config(&self) -> String {
        let registry = self.registry.name();
        format!(
            "[limits]\nartifact = 1048576\n\
             [[trust.rule]]\nscope = '{registry}/pinned'\naccept = 'pinned'\n\
             [[trust.rule]]\nscope = '{registry}/none'\naccept = 'none'\n\
             [[trust.rule]]\nscope = '{registry}/archives'\naccept = 'any'\nkinds = ['provider']\n\
             [registry.'secure.example']\nplain-http = false\n"
        )
    }
}

/// A kind, and a call that is answered with it.
type Row = (&'static str, fn(&World) -> (&'static str, Value));

fn push(world: &World, file: &str, rest: &str) -> (&'static str, Value) {
    let params = json!({"path": world.path(file), "reference": world.reference(rest)});
    ("push", params)
}

fn look(reference: String) -> (&'static str, Value) {
    ("verify", json!({"reference": reference}))
}

const ROWS: &[Row] = &[
    ("invalidRequest", |_| ("initialize", json!({}))),
    ("methodNotFound", |_| ("no/such", json!({}))),
    ("invalidParams", |_| ("verify", json!({}))),
    ("invalidParams", |w| {
        (
            "verify",
            json!({"path": w.path("signed.wasm"), "overwrit": true}),
        )
    }),
    ("unknownArtifact", |w| push(w, "text", "a/a:1")),
    ("malformedArtifact", |w| push(w, "cut.wasm", "a/a:1")),
    ("tooLarge", |w| push(w, "large.wasm", "a/a:1")),
    ("targetNotFound", |w| {
        let reference = w.reference("a/archive:1");
        (
            "pull",
            json!({"reference": reference, "destination": w.path("pulled"), "target": "vax"}),
        )
    }),
    ("unsigned", |w| push(w, "unsigned.wasm", "a/a:1")),
    ("unsigned", |w| push(w, "unsigned.par", "a/a:1")),
    ("ambiguousToken", |w| push(w, "twice.wasm", "a/a:1")),
    ("invalidToken", |w| push(w, "garbage.wasm", "a/a:1")),
    ("signatureInvalid", |w| push(w, "forged.wasm", "a/a:1")),
    ("notYetValid", |w| push(w, "early.wasm", "a/a:1")),
    ("expired", |w| push(w, "late.wasm", "a/a:1")),
    ("hashMismatch", |w| push(w, "changed.wasm", "a/a:1")),
    ("untrustedSigner", |w| push(w, "signed.wasm", "none/a:1")),
    ("signerChanged", |w| push(w, "other.wasm", "pinned/a:2")),
    ("notAllowed", |w| push(w, "signed.wasm", "archives/a:1")),
    ("invalidReference", |w| {
        (
            "push",
            json!({"path": w.path("signed.wasm"), "reference": "acme/echo:1"}),
        )
    }),
    ("latestNotAllowed", |w| push(w, "signed.wasm", "a/a:latest")),
    ("notFound", |w| look(w.reference("a/absent:1"))),
    ("unsupportedManifest", |w| look(w.reference("acme/odd:two"))),
    ("invalidManifest", |w| {
        look(format!("{}/garbled/a:1", w.faulty.name()))
    }),
    ("registryError", |w| {
        look(format!("{}/broken/a:1", w.faulty.name()))
    }),
    ("registryRefused", |w| {
        look(format!("{}/refused/a:1", w.faulty.name()))
    }),
    ("rateLimited", |w| {
        look(format!("{}/limited/a:1", w.faulty.name()))
    }),
    ("registryUnreachable", |_| look("127.0.0.1:1/a/a:1".into())),
    ("invalidLayout", |w| {
        look(format!("oci:{}:1", w.path("layout").display()))
    }),
    ("unauthorized", |w| {
        look(format!("{}/a/a:1", w.locked.name()))
    }),
    ("denied", |w| {
        look(format!("{}/denied/a:1", w.faulty.name()))
    }),
    ("fileNotFound", |w| {
        ("verify", json!({"path": w.path("absent")}))
    }),
    ("notAFile", |w| ("verify", json!({"path": w.path("")}))),
    ("destinationExists", |w| {
        let reference = w.reference("a/archive:1");
        (
            "pull",
            json!({"reference": reference, "destination": w.path("text")}),
        )
    }),
    ("invalidPath", |_| {
        ("verify", json!({"path": "relative.wasm"}))
    }),
];

#[track_caller]
fn is(error: &Value, kind: &str, what: &str) {
    let expected = ErrorKind::ALL.iter().find(|it| it.name() == kind).unwrap();
    assert_eq!(error["kind"], kind, "{what}: {error}");
    assert_eq!(error["code"], expected.code(), "{what}: {error}");
    assert_eq!(error["retryable"], expected.retryable(), "{what}: {error}");
    assert_eq!(error["refusal"], expected.is_refusal(), "{what}: {error}");
    assert_ne!(error["message"], "", "{what}: {error}");
}

pub fn provoked(library: &Library) {
    let world = World::new();
    let daemon = Daemon::configured(&world.config(), &[]);
    let mut driver = library.connected(&daemon.socket());
    for (file, rest) in [("kv.par", "a/archive:1"), ("signed.wasm", "pinned/a:1")] {
        let (method, params) = push(&world, file, rest);
        driver.call(method, params);
    }
    for (kind, row) in ROWS {
        let (method, params) = row(&world);
        let error = driver.refused(method, params.clone());
        is(&error, kind, &format!("{method} {params}"));
        // It says nothing but what came.
        let raw = daemon.connect().call(method, &params);
        if let (Err(raw), false) = (raw, *kind == "invalidRequest") {
            for name in ["help", "registry", "status"] {
                assert_eq!(
                    error.get(name),
                    raw["data"].get(name),
                    "{kind}: {error} {raw}"
                );
            }
        }
    }
    assert!(!world.path("pulled").exists());

    let check = |config: &str, change: &dyn Fn(&Path), kind: &str, method, params: Value| {
        let daemon = Daemon::with(|folder, command| {
            fs::write(folder.join("config.toml"), config).unwrap();
            change(folder);
            command.args(["--log", "error"]);
        });
        let mut driver = library.connected(&daemon.socket());
        is(&driver.refused(method, params), kind, config);
    };
    let published = json!({"reference": world.reference("a/archive:1")});
    // Its owner's logins cannot be used.
    let broken = |folder: &Path| {
        fs::write(
            folder.join("config.json"),
            r#"{"credsStore": "absent-helper"}"#,
        )
        .unwrap();
    };
    check(
        "",
        &broken,
        "credentialUnusable",
        "verify",
        published.clone(),
    );
    let config = format!(
        "[registry.'{}']\nplain-http = false\n",
        world.registry.name()
    );
    let error = ["registryUnreachable", "insecureRegistry"];
    let daemon = Daemon::configured(&config, &[]);
    let refused = library
        .connected(&daemon.socket())
        .refused("verify", published);
    assert!(
        error.contains(&refused["kind"].as_str().unwrap()),
        "{refused}"
    );
    // Anybody may write the policy.
    let open = |folder: &Path| {
        use std::os::unix::fs::PermissionsExt;
        let anybody = fs::Permissions::from_mode(0o666);
        fs::set_permissions(folder.join("config.toml"), anybody).unwrap();
    };
    let local = json!({"path": world.path("signed.wasm")});
    check(
        "[trust]\ndefault = 'any'\n",
        &open,
        "policyUnusable",
        "verify",
        local,
    );

    let mut driver = library.driver();
    driver.ok(json!({"do": "spawn", "command": [program("vouchd"), "--stdio"]}));
    is(
        &driver.refused("server/restart", json!({})),
        "restartFailed",
        "on stdio",
    );
}

/// Every kind there is, with all that an error may say.
pub fn as_they_come(library: &Library) {
    let fake = Fake::start(|request, _| {
        if request["method"] != "verify" {
            return None;
        }
        let path = request["params"]["path"].as_str().unwrap();
        let kind = ErrorKind::ALL
            .iter()
            .find(|kind| kind.name() == path)
            .unwrap();
        Some(Reply::Error(json!({
            "code": kind.code(), "message": format!("it is {kind} ☃"),
            "data": {"kind": kind, "retryable": kind.retryable(), "help": "Do *this*.",
                     "registry": "ghcr.io", "status": 418, "more": {"of": ["a", "later"]}},
        })))
    });
    let mut driver = library.connected(&fake.socket());
    for kind in ErrorKind::ALL {
        // Those that are tried once more are scenarios of their own.
        if [ErrorKind::Busy, ErrorKind::ShuttingDown].contains(kind) {
            continue;
        }
        let error = driver.refused("verify", json!({"path": kind.name()}));
        is(&error, kind.name(), kind.name());
        assert_eq!(error["message"], format!("it is {kind} ☃"));
        assert_eq!(error["help"], "Do *this*.");
        assert_eq!(error["registry"], "ghcr.io");
        assert_eq!(error["status"], 418);
    }
}

/// What this version does not know counts by its code's hundred.
pub fn of_later_versions(library: &Library) {
    let rows: &[(i32, Value, &str, bool, bool)] = &[
        (
            1199,
            json!({"kind": "cursed", "retryable": false}),
            "cursed",
            false,
            true,
        ),
        (
            1150,
            json!({"kind": "constructor", "retryable": true}),
            "constructor",
            true,
            true,
        ),
        (
            1099,
            json!({"kind": "strange", "retryable": false}),
            "strange",
            false,
            false,
        ),
        (
            1299,
            json!({"kind": "asleep", "retryable": true}),
            "asleep",
            true,
            false,
        ),
        (
            1999,
            json!({"kind": "__proto__", "retryable": false}),
            "__proto__",
            false,
            false,
        ),
        // Any server of JSON-RPC has codes; `data` is vouchd's own.
        (-32601, Value::Null, "methodNotFound", false, false),
        (1101, json!("a text"), "unsigned", false, true),
        (1, json!({"kind": 7}), "", false, false),
    ];
    let owned = rows.to_vec();
    let fake = Fake::start(move |request, nth| {
        (request["method"] == "verify").then(|| {
            let (code, data, ..) = &owned[nth];
            let mut error = json!({"code": code, "message": "it failed", "data": data});
            if data.is_null() {
                error.as_object_mut().unwrap().remove("data");
            }
            Reply::Error(error)
        })
    });
    let mut driver = library.connected(&fake.socket());
    for (code, data, kind, retryable, refusal) in rows {
        let error = driver.refused("verify", json!({"path": "/a"}));
        assert_eq!(error["kind"], *kind, "{data}: {error}");
        assert_eq!(error["code"], *code, "{data}: {error}");
        assert_eq!(error["retryable"], *retryable, "{data}: {error}");
        assert_eq!(error["refusal"], *refusal, "{data}: {error}");
    }
}
