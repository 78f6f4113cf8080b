//! The trust policy from outside: pins that services share, a config that changes, and a disk that
//! fails.

use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, mpsc},
    thread,
};
use vouch_testing::{
    daemon::{Daemon, kind, pull, push},
    folder::Folder,
    forge::{Signer, module},
    process::{ended, program, without_environment},
    proxy::{Head, Instead, Proxy},
    registry::Registry,
};

const PINNED: &str = "[trust]\ndefault = 'pinned'\n";

/// A registry that has artifacts of two signers: tag 1 by the first, tag 2 by the second.
struct Scene {
    registry: Registry,
    folder: Folder,
    signers: [Signer; 2],
}

impl Scene {
    fn new() -> Self {
        let scene = Self {
            registry: Registry::open(),
            folder: Folder::new(),
            signers: [Signer::default(), Signer::default()],
        };
        // Nobody asks whose it is on loopback.
        let publisher = Daemon::start();
        for number in [1, 2] {
            let reference = scene.reference(number);
            push(
                &mut publisher.connect(),
                &scene.artifact(number),
                &reference,
            )
            .unwrap();
        }
        scene
    }

    fn reference(&self, number: usize) -> String {
        format!("{}/acme/echo:{number}", self.registry.name())
    }

    fn artifact(&self, number: usize) -> PathBuf {
        let signed = self.signers[number - 1].wasm(&module());
        self.folder.write(&format!("{number}.wasm"), &signed)
    }

    fn key(&self, number: usize) -> String {
        self.signers[number - 1].account.public_key()
    }

    /// A service whose pins are in that folder.
    fn daemon(state: &Path) -> Daemon {
        Daemon::configured(PINNED, &[("XDG_STATE_HOME", state)])
    }

    fn pulled(&self, daemon: &Daemon, reference: &str) -> Result<Value, Value> {
        let to = self.folder.path("pulled.wasm");
        let _ = fs::remove_file(&to);
        let pulled = pull(&mut daemon.connect(), &to, reference);
        assert_eq!(
            to.exists(),
            pulled.is_ok(),
            "a file is there only if it was said"
        );
        pulled
    }
}

fn pins(state: &Path) -> String {
    fs::read_to_string(state.join("vouchd/signers")).unwrap_or_default()
}

fn trust(answer: &Value) -> &Value {
    let verification = answer.get("verification").unwrap_or(answer);
    &verification["trust"]
}

#[test]
fn services_share_what_they_remember() {
    let scene = Scene::new();
    let state = scene.folder.path("no/such/folder/yet");
    let (one, other) = (Scene::daemon(&state), Scene::daemon(&state));
    let looked = one
        .connect()
        .call("verify", &json!({"reference": scene.reference(2)}));
    assert_eq!(trust(&looked.unwrap())["remembered"], false);
    assert!(!state.exists(), "`verify` never pins");
    let first = scene.pulled(&one, &scene.reference(1)).unwrap();
    assert_eq!(trust(&first)["mode"], "firstUse");
    assert_eq!(trust(&first)["remembered"], true);
    let mode = fs::metadata(state.join("vouchd"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(pins(&state).contains(&scene.key(1)));
    // Whoever comes second is refused, by each of them, on the way in and on the way out.
    let again = scene.pulled(&other, &scene.reference(1)).unwrap();
    assert_eq!(trust(&again)["mode"], "pinned");
    let digest = looked_digest(&one, &scene.reference(2));
    for reference in [scene.reference(2), digest] {
        for daemon in [&one, &other] {
            let refused = scene.pulled(daemon, &reference).unwrap_err();
            assert_eq!(kind(&refused), "signerChanged", "{reference}");
        }
    }
    let refused = push(
        &mut other.connect(),
        &scene.artifact(2),
        &scene.reference(3),
    );
    let refused = refused.unwrap_err();
    assert_eq!(kind(&refused), "signerChanged");
    let said = refused["message"].as_str().unwrap();
    assert!(
        said.contains(&scene.key(1)) && said.contains(&scene.key(2)),
        "{said}"
    );
    let manifests = scene.registry.logged(&["PUT", "/manifests/3"]);
    assert_eq!(manifests, 0, "nothing was tagged");
    let refused = one
        .connect()
        .call("verify", &json!({"reference": scene.reference(2)}));
    assert_eq!(refused.unwrap()["refusal"]["kind"], "signerChanged");
}

fn looked_digest(daemon: &Daemon, reference: &str) -> String {
    let looked = daemon
        .connect()
        .call("verify", &json!({"reference": reference}));
    looked.unwrap()["reference"].as_str().unwrap().to_owned()
}

/// What is there already is taken over like what is fetched, and remembered like it.
#[test]
fn a_file_that_is_there_pins_too() {
    let scene = Scene::new();
    let state = scene.folder.path("state");
    let daemon = Scene::daemon(&state);
    let pulled = |number: usize| {
        let reference = scene.reference(number);
        pull(&mut daemon.connect(), &scene.artifact(number), &reference)
    };
    assert_eq!(trust(&pulled(1).unwrap())["remembered"], true);
    assert!(pins(&state).contains(&scene.key(1)));
    assert_eq!(kind(&pulled(2).unwrap_err()), "signerChanged");
    assert!(!pins(&state).contains(&scene.key(2)));
}

#[test]
fn what_a_registry_denies_leaves_no_pin() {
    let registry = Registry::with_login();
    let folder = Folder::new();
    let state = folder.path("state");
    let daemon = Daemon::configured(PINNED, &[("XDG_STATE_HOME", &state)]);
    let path = folder.write("a.wasm", &Signer::default().wasm(&module()));
    let reference = format!("{}/acme/echo:1", registry.name());
    let denied = push(&mut daemon.connect(), &path, &reference).unwrap_err();
    assert_eq!(kind(&denied), "unauthorized", "{denied}");
    assert_eq!(pins(&state), "");
}

/// Lets the first request through when it is told to, and tells when it is there.
struct Gate {
    reached: mpsc::Receiver<()>,
    go: mpsc::Sender<()>,
}

fn gate(
    method: &'static str,
    part: &'static str,
) -> (Gate, impl Fn(&Head, usize) -> Instead + Send + Sync) {
    let (at, reached) = mpsc::channel();
    let (go, may) = mpsc::channel::<()>();
    let waiting = Mutex::new(Some((at, may)));
    let decide = move |head: &Head, _: usize| {
        if head.method == method && head.target.contains(part) {
            let first = waiting.lock().unwrap().take();
            if let Some((at, may)) = first {
                at.send(()).unwrap();
                may.recv().unwrap();
            }
        }
        None
    };
    (Gate { reached, go }, decide)
}

/// Another signer is pinned while the manifest is on its way: it is pushed, and that is all.
#[test]
fn of_two_pushes_that_differ_the_second_is_not_remembered() {
    let scene = Scene::new();
    let state = scene.folder.path("state");
    let (one, other) = (Scene::daemon(&state), Scene::daemon(&state));
    let (gate, decide) = gate("PUT", "/manifests/new");
    let proxy = Proxy::before(&scene.registry.name(), decide);
    let (path, reference) = (scene.artifact(2), format!("{}/acme/echo:new", proxy.name()));
    let mut client = other.connect();
    let pushing = thread::spawn(move || push(&mut client, &path, &reference));
    gate.reached.recv().unwrap();
    let first = scene
        .pulled(&one, &format!("{}/acme/echo:1", proxy.name()))
        .unwrap();
    assert_eq!(trust(&first)["remembered"], true);
    gate.go.send(()).unwrap();
    let pushed = pushing.join().unwrap().unwrap();
    let trust = trust(&pushed);
    assert_eq!(trust["remembered"], false, "{pushed}");
    let warnings = trust["warnings"].to_string();
    assert!(
        warnings.contains("not remembered") && warnings.contains(&scene.key(1)),
        "{warnings}"
    );
    assert!(!pins(&state).contains(&scene.key(2)));
}

/// A mirror is a detour: what was asked for says which rule holds.
#[test]
fn a_mirror_does_not_choose_the_rule() {
    let scene = Scene::new();
    let mirror = scene.registry.name();
    let strict = |scope: &str| {
        format!(
            "[registry.'r.example']\nmirrors = ['{mirror}']\n[trust.signer.acme]\naccount = '{}'\n\
             [[trust.rule]]\nscope = '{scope}'\naccept = ['acme']\n",
            scene.key(1)
        )
    };
    let check = |scope: &str, number: usize, expected: Option<&str>| {
        let daemon = Daemon::configured(&strict(scope), &[]);
        let pulled = scene.pulled(&daemon, &format!("r.example/acme/echo:{number}"));
        let refused = pulled.as_ref().err().map(kind);
        assert_eq!(refused, expected, "{scope} {number}: {pulled:?}");
    };
    check("r.example/acme", 1, None);
    check("r.example/acme", 2, Some("untrustedSigner"));
    // A rule of the mirror's own is for those who ask for the mirror.
    check(&mirror, 2, None);
}

#[test]
fn an_unusable_policy_refuses_all_until_it_is_mended() {
    let scene = Scene::new();
    let wrong = "[[trust.rule]]\nscope = 'GHCR.io'\naccept = 'any'\n";
    let daemon = Daemon::logging_all(wrong, &[]);
    let refuses = |part: &str| {
        let mut client = daemon.connect();
        let path = scene.artifact(1);
        let errors = [
            client.call("verify", &json!({"path": path})),
            client.call("verify", &json!({"reference": scene.reference(1)})),
            push(&mut client, &path, &scene.reference(9)),
            scene.pulled(&daemon, &scene.reference(1)),
        ];
        for error in errors {
            let error = error.unwrap_err();
            assert_eq!(kind(&error), "policyUnusable", "{error}");
            assert!(error["message"].as_str().unwrap().contains(part), "{error}");
        }
        let status = daemon.status();
        let said = status["configError"].as_str().unwrap();
        assert!(said.contains(part), "{said}");
    };
    let holds = |expected: &str| {
        let verified = daemon
            .connect()
            .call("verify", &json!({"path": scene.artifact(1)}));
        let verified = verified.unwrap();
        let verdict = verified["refusal"]["kind"].as_str().unwrap_or("accepted");
        assert_eq!(verdict, expected, "{verified}");
    };
    refuses("write \"ghcr.io\"");
    assert_eq!(scene.registry.logged(&["PUT", "/manifests/9"]), 0);
    // Another error changes nothing, and is what status says.
    daemon.reconfigure("[trust]\ndefault = 'never'\n");
    let status = daemon.status();
    assert!(
        status["configError"].as_str().unwrap().contains("never"),
        "{status}"
    );
    daemon.reconfigure("[[trust.rule]]\nscope = 'files'\naccept = 'none'\n");
    assert_eq!(daemon.status()["configError"], Value::Null);
    holds("untrustedSigner");
    // With an error the policy before it stays.
    let said = daemon.reconfigure(wrong);
    assert!(said.contains("the config stays as it was"), "{said}");
    holds("untrustedSigner");
    fs::write(daemon.config(), PINNED).unwrap();
    fs::set_permissions(daemon.config(), fs::Permissions::from_mode(0o666)).unwrap();
    let said = daemon.hang_up();
    assert!(said.contains("anybody can write it"), "{said}");
    holds("untrustedSigner");
    fs::set_permissions(daemon.config(), fs::Permissions::from_mode(0o644)).unwrap();
    daemon.hang_up();
    holds("accepted");
}

/// A service under strace, which does that to what it does with the new file of pins.
fn faulty(state: &Path, inject: &str) -> Daemon {
    let mut strace = Command::new("strace");
    strace
        .args(["-D", "-f", "-qq", "-o", "/dev/null", "-P"])
        .arg(state.join("vouchd/signers.new"))
        .arg("-e")
        .arg(format!("inject={inject}"))
        .arg(program("vouchd"));
    without_environment(&mut strace);
    Daemon::of(strace, |folder, command| {
        fs::write(folder.join("config.toml"), PINNED).unwrap();
        command
            .args(["--log", "error"])
            .env("XDG_STATE_HOME", state);
    })
}

/// Killed at each step of pinning: the pins are those before it or those after it, and the next
/// service goes on.
#[test]
fn a_kill_while_pinning_leaves_the_file_whole() {
    for step in ["write", "fsync", "/^rename"] {
        let scene = Scene::new();
        let state = scene.folder.path("state");
        let other = scene.reference(1).replace("echo", "absent");
        fs::create_dir_all(state.join("vouchd")).unwrap();
        fs::set_permissions(state.join("vouchd"), fs::Permissions::from_mode(0o700)).unwrap();
        let before = format!("{} token:{} - - -\n", other, scene.key(2));
        fs::write(state.join("vouchd/signers"), &before).unwrap();
        let mut daemon = faulty(&state, &format!("{step}:signal=KILL"));
        let to = scene.folder.path("pulled.wasm");
        let mut client = daemon.connect();
        let (reference, destination) = (scene.reference(1), to.clone());
        // Nobody answers.
        let asked = thread::spawn(move || {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                pull(&mut client, &destination, &reference)
            }))
        });
        let status = ended(&mut daemon.process);
        assert!(!status.success(), "{step}: it met its moment");
        drop(asked.join());
        assert!(
            state.join("vouchd/signers.new").exists(),
            "{step}: it met its moment"
        );
        assert_eq!(pins(&state), before, "{step}");
        assert!(
            !to.exists(),
            "{step}: nothing has a name whose signer is not remembered"
        );
        let next = Scene::daemon(&state);
        scene.pulled(&next, &scene.reference(1)).unwrap();
        assert!(
            pins(&state).starts_with(before.trim_end_matches(" - - -\n")),
            "{}",
            pins(&state)
        );
        assert!(pins(&state).contains(&scene.key(1)));
        assert!(!state.join("vouchd/signers.new").exists());
    }
}

/// No space and a failing disk: a first use is refused and may be tried again; whoever is pinned is
/// compared, and passes.
#[test]
fn a_disk_that_fails_pins_nothing_and_forgets_nothing() {
    for (inject, expected) in [
        ("write:error=ENOSPC", "diskFull"),
        ("fsync:error=EIO", "io"),
        ("/^rename:error=ENOSPC", "diskFull"),
        ("/^open:error=ENOSPC", "diskFull"),
    ] {
        let scene = Scene::new();
        let state = scene.folder.path("state");
        let daemon = faulty(&state, inject);
        let refused = scene.pulled(&daemon, &scene.reference(1)).unwrap_err();
        assert_eq!(kind(&refused), expected, "{inject}: {refused}");
        assert_eq!(refused["data"]["retryable"], true, "{inject}");
        assert_eq!(pins(&state), "");
        // With a pin, of another revision so that there is news of it.
        let pin = format!(
            "{} token:{} 2023-11-14T00:00:00Z - 1\n",
            scene.reference(1).trim_end_matches(":1"),
            scene.key(1)
        );
        fs::write(state.join("vouchd/signers"), &pin).unwrap();
        let pulled = scene.pulled(&daemon, &scene.reference(1)).unwrap();
        assert_eq!(trust(&pulled)["mode"], "pinned", "{inject}");
        let refused = scene.pulled(&daemon, &scene.reference(2)).unwrap_err();
        assert_eq!(kind(&refused), "signerChanged", "{inject}");
        assert_eq!(pins(&state), pin);
    }
}
