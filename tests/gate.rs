//! The gate from outside: the built service, Debian's docker-registry and skopeo.

use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use vouch_testing::{
    daemon::{Daemon, kind},
    folder::Folder,
    forge::{self, ENTRIES, Signer, component, custom, gzip, module},
    process::{run, until},
    proxy::Proxy,
    real_modules,
    registry::Registry,
};

fn artifacts() -> Vec<(&'static str, Vec<u8>)> {
    let signer = Signer::default();
    vec![
        ("module.wasm", signer.wasm(&module())),
        ("component.wasm", signer.wasm(&component())),
        ("kv.par", signer.archive(ENTRIES)),
        ("kv.par.gz", gzip(&signer.archive(ENTRIES))),
    ]
}

#[test]
fn what_is_pushed_comes_back() {
    let registry = Registry::open();
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let folder = Folder::new();
    for (name, bytes) in artifacts() {
        let path = folder.write(name, &bytes);
        let layout = format!("oci:{}:1.0.0", folder.path("layout").display());
        for reference in [format!("{}/acme/{name}:1.0.0", registry.name()), layout] {
            let pushed = client
                .call("push", &json!({"path": path, "reference": reference}))
                .unwrap();
            assert_eq!(pushed["verification"]["verdict"], "accepted");
            let pinned = pushed["reference"].as_str().unwrap();
            assert!(pinned.starts_with(&reference), "{pinned}");
            assert!(pinned.ends_with(pushed["digest"].as_str().unwrap()));
            for from in [&reference, pinned] {
                let to = folder.path("pulled");
                let pulled = client
                    .call("pull", &json!({"reference": from, "destination": to}))
                    .unwrap();
                assert_eq!(pulled["digest"], pushed["digest"]);
                assert_eq!(pulled["verification"], pushed["verification"]);
                assert_eq!(fs::read(&to).unwrap(), bytes);
                fs::remove_file(&to).unwrap();
                let verified = client.call("verify", &json!({"reference": from})).unwrap();
                let mut expected = pushed["verification"].clone();
                expected["digest"] = pushed["digest"].clone();
                expected["reference"] = pushed["reference"].clone();
                assert_eq!(verified, expected);
            }
            let again = client
                .call("push", &json!({"path": path, "reference": reference}))
                .unwrap();
            assert_eq!(again["digest"], pushed["digest"], "a push can be repeated");
            assert_eq!(again["uploaded"], 0);
        }
    }
}

#[test]
fn what_is_refused_does_not_move() {
    let registry = Registry::open();
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let folder = Folder::new();
    let mut tampered = Signer::default().wasm(&module());
    tampered[14] ^= 1;
    for (name, bytes, expected) in [
        ("unsigned.wasm", module(), "unsigned"),
        ("tampered.wasm", tampered, "hashMismatch"),
        ("text.txt", b"hello".to_vec(), "unknownArtifact"),
    ] {
        let path = folder.write(name, &bytes);
        let reference = format!("{}/acme/refused:1", registry.name());
        let params = json!({"path": path, "reference": reference});
        let error = client.call("push", &params).unwrap_err();
        assert_eq!(kind(&error), expected);
        let verified = client.call("verify", &json!({"path": path})).unwrap();
        assert_eq!(verified["verdict"], "refused");
        assert_eq!(verified["refusal"]["kind"], expected);
    }
    assert_eq!(registry.stored("repositories"), 0, "nothing was sent");
    assert_eq!(registry.stored("blobs"), 0, "nothing was sent");
}

/// Somebody else's tool pushed it: the registry has it, and still it does not arrive.
#[test]
fn what_was_pushed_unsigned_is_not_pulled() {
    let registry = Registry::open();
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let folder = Folder::new();
    let layout = folder.path("layout");
    let unsigned = module();
    forge_layout(&layout, &unsigned);
    let reference = format!("{}/acme/unsigned:1", registry.name());
    run(Command::new("skopeo").args([
        "copy",
        "--dest-tls-verify=false",
        &format!("oci:{}:1", layout.display()),
        &format!("docker://{reference}"),
    ]));
    for from in [reference, format!("oci:{}:1", layout.display())] {
        let params = json!({"reference": from, "destination": folder.path("pulled.wasm")});
        let error = client.call("pull", &params).unwrap_err();
        assert_eq!(kind(&error), "unsigned");
        assert_eq!(folder.names(), ["layout"], "nothing is left of it");
    }
}

/// A layout as another tool makes it, of the CNCF shape.
fn forge_layout(layout: &Path, artifact: &[u8]) {
    let digest = |bytes: &[u8]| forge::sha256(bytes).to_lowercase();
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let store = |bytes: &[u8]| {
        fs::write(blobs.join(digest(bytes)), bytes).unwrap();
        json!({"digest": format!("sha256:{}", digest(bytes)), "size": bytes.len()})
    };
    let descriptor = |media_type: &str, bytes: &[u8]| {
        let mut descriptor = store(bytes);
        descriptor["mediaType"] = media_type.into();
        descriptor
    };
    let config = br#"{"created":"2024-01-01T00:00:00Z","architecture":"wasm","os":"wasip1","layerDigests":[]}"#;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.wasm.config.v0+json", config),
        "layers": [descriptor("application/wasm", artifact)],
    });
    let mut entry = descriptor(
        "application/vnd.oci.image.manifest.v1+json",
        manifest.to_string().as_bytes(),
    );
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "1"});
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    fs::write(
        layout.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
}

#[test]
fn skopeo_reads_what_we_push_and_we_pull_what_it_copies() {
    let registry = Registry::open();
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let folder = Folder::new();
    for (name, bytes) in artifacts() {
        let path = folder.write(name, &bytes);
        let layout = format!("oci:{}:1", folder.path(&format!("layout-{name}")).display());
        let reference = format!("{}/acme/{name}:1", registry.name());
        for to in [&layout, &reference] {
            client
                .call("push", &json!({"path": path, "reference": to}))
                .unwrap();
        }
        let skopeo = |arguments: &[&str]| run(Command::new("skopeo").args(arguments));
        let remote = format!("docker://{reference}");
        let manifest = skopeo(&["inspect", "--raw", "--tls-verify=false", &remote]);
        assert_eq!(manifest, skopeo(&["inspect", "--raw", &layout]));
        let manifest: Value = serde_json::from_str(&manifest).unwrap();
        let digest = format!("sha256:{}", forge::sha256(&bytes).to_lowercase());
        assert_eq!(manifest["layers"][0]["digest"], digest);

        let copied = format!("{}/copied/{name}:1", registry.name());
        let flags = [
            "copy",
            "-q",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
        ];
        skopeo(&[&flags[..], &[&remote, &format!("docker://{copied}")]].concat());
        let to = folder.path("pulled");
        client
            .call("pull", &json!({"reference": copied, "destination": to}))
            .unwrap();
        assert_eq!(fs::read(&to).unwrap(), bytes);
        fs::remove_file(to).unwrap();
    }
}

#[test]
fn a_target_is_placed_alone() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let folder = Folder::new();
    let reference = format!("oci:{}:1", folder.path("kv").display());
    let path = folder.write("kv.par.gz", &gzip(&Signer::default().archive(ENTRIES)));
    client
        .call("push", &json!({"path": path, "reference": reference}))
        .unwrap();
    let pull = |client: &mut vouch_testing::wire::Wire, target: &str| {
        let destination = folder.path("");
        let params = json!({"reference": reference, "destination": destination, "target": target});
        client.call("pull", &params)
    };
    let pulled = pull(&mut client, "x86_64-linux").unwrap();
    assert_eq!(
        pulled["path"],
        folder.path("kv-x86_64-linux").to_str().unwrap()
    );
    let size = fs::metadata(&path).unwrap().len();
    assert_eq!(pulled["downloaded"], size, "each byte counts once");
    assert_eq!(
        fs::read(folder.path("kv-x86_64-linux")).unwrap(),
        ENTRIES[1].1
    );
    let error = pull(&mut client, "riscv64-linux").unwrap_err();
    assert_eq!(kind(&error), "targetNotFound");
    assert_eq!(folder.names(), ["kv", "kv-x86_64-linux", "kv.par.gz"]);
}

#[test]
fn a_destination_is_not_replaced_unless_asked() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let folder = Folder::new();
    let reference = format!("oci:{}:1", folder.path("layout").display());
    let bytes = Signer::default().wasm(&module());
    let path = folder.write("module.wasm", &bytes);
    client
        .call("push", &json!({"path": path, "reference": reference}))
        .unwrap();
    let taken = folder.write("taken.wasm", b"old");
    let mut params = json!({"reference": reference, "destination": taken});
    let error = client.call("pull", &params).unwrap_err();
    assert_eq!(kind(&error), "destinationExists");
    assert_eq!(fs::read(&taken).unwrap(), b"old");
    params["overwrite"] = true.into();
    client.call("pull", &params).unwrap();
    assert_eq!(fs::read(&taken).unwrap(), bytes);
    assert_eq!(folder.names(), ["layout", "module.wasm", "taken.wasm"]);
}

#[test]
fn what_is_there_already_is_done() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let folder = Folder::new();
    let artifacts = [
        ("echo.wasm", Signer::default().wasm(&module())),
        ("kv.par", Signer::default().archive(ENTRIES)),
    ];
    for (name, bytes) in &artifacts {
        let stem = name.split('.').next().unwrap();
        let reference = format!("oci:{}:1", folder.path(stem).display());
        let path = folder.write(name, bytes);
        let pushed = client
            .call("push", &json!({"path": path, "reference": reference}))
            .unwrap();
        // By its name, and in its folder, where the name is known only in the end.
        for (destination, downloaded) in [(&path, 0), (&folder.path(""), bytes.len())] {
            let before = fs::metadata(&path).unwrap().modified().unwrap();
            let params = json!({"reference": reference, "destination": destination});
            let pulled = client.call("pull", &params).unwrap();
            assert_eq!(pulled["path"], path.to_str().unwrap());
            assert_eq!(pulled["digest"], pushed["digest"]);
            assert_eq!(pulled["verification"], pushed["verification"]);
            assert_eq!(pulled["downloaded"], downloaded);
            let after = fs::metadata(&path).unwrap().modified().unwrap();
            assert_eq!(before, after, "it stays");
        }
    }
    let reference = format!("oci:{}:1", folder.path("kv").display());
    let target = folder.write("target", ENTRIES[1].1);
    let params = json!({"reference": reference, "destination": target, "target": "x86_64-linux"});
    client.call("pull", &params).unwrap();

    // Of the same size, but other bytes.
    for (path, other) in [
        (folder.path("echo.wasm"), vec![0; artifacts[0].1.len()]),
        (target, vec![0; ENTRIES[1].1.len()]),
    ] {
        fs::write(&path, &other).unwrap();
        let mut params = json!({"reference": reference, "destination": path});
        if path.ends_with("target") {
            params["target"] = "x86_64-linux".into();
        } else {
            params["reference"] = format!("oci:{}:1", folder.path("echo").display()).into();
        }
        let error = client.call("pull", &params).unwrap_err();
        assert_eq!(kind(&error), "destinationExists");
        assert_eq!(fs::read(&path).unwrap(), other);
    }
}

/// What is there may be the very file that was published, and still not be accepted.
#[test]
fn what_is_there_already_is_judged() {
    let daemon = Daemon::start();
    let folder = Folder::new();
    let bytes = module();
    forge_layout(&folder.path("layout"), &bytes);
    let path = folder.write("unsigned.wasm", &bytes);
    let reference = format!("oci:{}:1", folder.path("layout").display());
    let params = json!({"reference": reference, "destination": path});
    let error = daemon.connect().call("pull", &params).unwrap_err();
    assert_eq!(kind(&error), "unsigned");
}

#[test]
fn what_is_over_the_limit_is_refused_from_its_size() {
    let folder = Folder::new();
    let bytes = Signer::default().wasm(&module());
    let path = folder.write("echo.wasm", &bytes);
    let reference = format!("oci:{}:1", folder.path("layout").display());
    let push = json!({"path": path, "reference": reference});
    Daemon::start().connect().call("push", &push).unwrap();

    let limits = format!("[limits]\nartifact = {}\n", bytes.len() - 1);
    let daemon = Daemon::configured(&limits, &[]);
    let mut client = daemon.connect();
    // A hole that takes no room, and would take minutes to read.
    let huge = fs::File::create(folder.path("huge.wasm")).unwrap();
    huge.set_len(1 << 42).unwrap();
    let pull = json!({"reference": reference, "destination": folder.path("pulled.wasm")});
    for (method, params) in [
        (
            "push",
            json!({"path": folder.path("huge.wasm"), "reference": reference}),
        ),
        ("push", push),
        ("pull", pull),
    ] {
        let error = client.call(method, &params).unwrap_err();
        assert_eq!(kind(&error), "tooLarge", "{method}");
    }
    let error = client
        .call("verify", &json!({"reference": reference}))
        .unwrap_err();
    assert_eq!(kind(&error), "tooLarge", "the manifest says so");
    let local = json!({"path": folder.path("huge.wasm")});
    let verified = client.call("verify", &local).unwrap();
    assert_eq!(verified["refusal"]["kind"], "tooLarge");
}

#[test]
fn a_login_from_docker_s_config_is_used() {
    let registry = Registry::with_login();
    let folder = Folder::new();
    let path = folder.write("module.wasm", &Signer::default().wasm(&module()));
    let params = json!({"path": path, "reference": format!("{}/acme/echo:1", registry.name())});
    let stranger = Daemon::start();
    let error = stranger.connect().call("push", &params).unwrap_err();
    assert_eq!(kind(&error), "unauthorized");
    let config = registry.docker_config();
    let known = Daemon::configured("", &[("DOCKER_CONFIG", config.parent().unwrap())]);
    known.connect().call("push", &params).unwrap();
}

#[test]
fn a_private_authority_is_trusted_where_the_config_says_so() {
    let registry = Registry::with_tls();
    let folder = Folder::new();
    let bytes = Signer::default().wasm(&module());
    let path = folder.write("module.wasm", &bytes);
    let reference = format!("{}/acme/echo:1", registry.name());
    let push = json!({"path": path, "reference": reference});
    let section = format!("[registry.\"{}\"]\n", registry.name());
    let distrusting = Daemon::configured(&format!("{section}plain-http = false\n"), &[]);
    assert!(distrusting.connect().call("push", &push).is_err());
    let config = format!("{section}ca = {:?}\n", registry.ca());
    let daemon = Daemon::configured(&config, &[]);
    let mut client = daemon.connect();
    client.call("push", &push).unwrap();
    let pull = json!({"reference": reference, "destination": folder.path("pulled.wasm")});
    client.call("pull", &pull).unwrap();
    assert_eq!(fs::read(folder.path("pulled.wasm")).unwrap(), bytes);
}

/// 40 MB: long enough under way to be killed anywhere.
fn large() -> Vec<u8> {
    let filler: Vec<u8> = (0..40 << 20_u32)
        .map(|index| (index ^ (index >> 8)) as u8)
        .collect();
    Signer::default().wasm(&[module(), custom("fill", &filler)].concat())
}

#[test]
fn a_kill_at_any_moment_leaves_nothing_unvouched() {
    let registry = Registry::open();
    let (arrived, door) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(true)),
    );
    let (seen, open) = (Arc::clone(&arrived), Arc::clone(&door));
    let proxy = Proxy::before(&registry.name(), move |head, _| {
        if head.method == "PUT" && head.target.contains("/manifests/") {
            seen.store(true, Ordering::Relaxed);
            while !open.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(5));
            }
        }
        None
    });
    let folder = Folder::new();
    let bytes = large();
    let path = folder.write("large.wasm", &bytes);
    let destination = folder.path("pulled.wasm");
    let pull = json!({"reference": format!("{}/acme/source:1", proxy.name()),
        "destination": destination});
    let push = |name: &str| {
        let reference = format!("{}/acme/{name}:1", proxy.name());
        (json!({"path": path, "reference": reference}), reference)
    };
    let daemon = Daemon::start();
    daemon.connect().call("push", &push("source").0).unwrap();
    let look = |reference: &str| {
        let mut client = daemon.connect();
        client.call("verify", &json!({"reference": reference}))
    };
    // Where it stands when its service dies.
    for part in 0..6 {
        proxy.hold_after(bytes.len() as u64 * part / 6);
        let mut dies = Daemon::start();
        let mut client = dies.connect();
        client.request("pull", &pull);
        until("some of it has come", || proxy.held() > 0);
        dies.kill();
        assert!(!destination.exists(), "part {part}");

        proxy.hold_after(bytes.len() as u64 * part / 6);
        let mut dies = Daemon::start();
        let mut client = dies.connect();
        let (params, reference) = push(&format!("part-{part}"));
        client.request("push", &params);
        until("some of it has gone", || proxy.held() > 0);
        dies.kill();
        proxy.hold_after(u64::MAX);
        let error = look(&reference).unwrap_err();
        assert_eq!(kind(&error), "notFound", "part {part}: {error}");
    }

    // All of it has come, and it is about to get its name.
    let mut dies = Daemon::naming_slowly(60);
    let mut client = dies.connect();
    client.request("pull", &pull);
    until("it is being named", || {
        dies.status()["requests"]
            .as_array()
            .unwrap()
            .iter()
            .any(|request| request["phase"] == "finishing")
    });
    dies.kill();
    assert!(!destination.exists());

    // All blobs are there, and the manifest is about to be.
    arrived.store(false, Ordering::Relaxed);
    door.store(false, Ordering::Relaxed);
    let mut dies = Daemon::start();
    let mut client = dies.connect();
    let (params, reference) = push("last");
    client.request("push", &params);
    until("the manifest goes", || arrived.load(Ordering::Relaxed));
    dies.kill();
    let error = look(&reference).unwrap_err();
    assert_eq!(kind(&error), "notFound", "{error}");
    door.store(true, Ordering::Relaxed);

    // What a kill may have left is gone after the next pull there.
    daemon.connect().call("pull", &pull).unwrap();
    assert_eq!(fs::read(&destination).unwrap(), bytes);
    assert_eq!(folder.names(), ["large.wasm", "pulled.wasm"]);
}

#[test]
fn real_modules_go_all_the_way() {
    let registry = Registry::open();
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    let folder = Folder::new();
    for (number, module) in real_modules::fetch().iter().enumerate() {
        let unsigned = fs::read(module).unwrap();
        let (account, subject) = (nkeys::KeyPair::new_account(), nkeys::KeyPair::new_module());
        let claims = wascap::jwt::Claims::<wascap::jwt::Component>::new(
            "real".into(),
            account.public_key(),
            subject.public_key(),
            None,
            false,
            None,
            None,
            None,
        );
        let bytes = wascap::wasm::embed_claims(&unsigned, &claims, &account).unwrap();
        let path = folder.write("real.wasm", &bytes);
        let reference = format!("{}/acme/real:{number}", registry.name());
        let pushed = client
            .call("push", &json!({"path": path, "reference": reference}))
            .unwrap();
        assert_eq!(
            pushed["verification"]["claims"]["issuer"],
            account.public_key()
        );
        let to = folder.path("pulled.wasm");
        let pull = json!({"reference": reference, "destination": to, "overwrite": true});
        client.call("pull", &pull).unwrap();
        assert!(fs::read(&to).unwrap() == bytes, "{}", module.display());
    }
}
