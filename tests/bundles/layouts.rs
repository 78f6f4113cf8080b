//! What is pulled into a layout, with its manifest and the bundles that sign it.

use super::{
    published::{configured, over, trust},
    *,
};
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use vouch_testing::{
    daemon::kind,
    forge::Signer,
    process::{run, until},
    proxy::Proxy,
    publisher::{Publisher, sha256},
    registry::Registry,
    wire::{Framing, Wire, under_way},
};

/// A service that trusts the release in a registry, and in its folder's layouts.
fn service(own: &Sigstore, registry: &str) -> Daemon {
    configured(own, |folder| {
        let folder = fs::canonicalize(folder).unwrap();
        format!(
            "{}[[trust.rule]]\nscope = 'oci:{}'\naccept = ['release']\n",
            trust(registry),
            folder.display()
        )
    })
}

fn into(layout: &Path, tag: &str) -> String {
    format!("oci:{}:{tag}", layout.display())
}

fn pull(service: &Daemon, from: &str, to: &str, with_bundle: bool) -> Result<Value, Value> {
    let params = json!({"reference": from, "destination": to, "withBundle": with_bundle});
    service.connect().call("pull", &params)
}

fn verdict(service: &Daemon, reference: &str) -> Value {
    let verified = service
        .connect()
        .call("verify", &json!({"reference": reference}))
        .unwrap();
    match verified["verdict"].as_str() {
        Some("accepted") => json!("accepted"),
        _ => verified["refusal"]["kind"].clone(),
    }
}

fn blob(layout: &Path, digest: &str) -> PathBuf {
    layout.join("blobs/sha256").join(&digest["sha256:".len()..])
}

#[test]
fn what_is_pulled_into_a_layout_verifies_there_again_offline() {
    let own = Sigstore::default();
    let registry = Registry::open();
    let service = service(&own, &registry.name());
    let publisher = Publisher::new(&registry.name(), "acme/echo");
    let manifest = publisher.artifact("1", &module());
    publisher.bundles(&manifest, &[over(&own, &manifest, "acme/echo")]);
    let from = format!("{}/acme/echo:1", registry.name());
    let layout = service.path("layout");

    // A file alone cannot show what is signed, and is told where both fit.
    let file = service.path("echo.wasm");
    let error = pull(&service, &from, file.to_str().unwrap(), true).unwrap_err();
    assert_eq!(kind(&error), "noBundle", "{error}");
    let help = error["data"]["help"].as_str().unwrap();
    let command = format!("vouch pull {from} -o oci:FOLDER:TAG --with-bundle");
    assert!(help.contains(&command), "{help}");

    let pulled = pull(&service, &from, &into(&layout, "1"), true).unwrap();
    let digest = sha256(manifest.to_string().as_bytes());
    assert_eq!(pulled["digest"], digest);
    assert_eq!(pulled["layout"], format!("{}@{digest}", into(&layout, "1")));
    assert_eq!(pulled["path"], json!(layout));
    assert_eq!(pulled["bundles"].as_array().unwrap().len(), 1);
    // The very bytes.
    assert_eq!(
        fs::read(blob(&layout, &digest)).unwrap(),
        manifest.to_string().into_bytes()
    );
    // Again, under the same tag and another: nothing is there twice.
    pull(&service, &from, &into(&layout, "1"), true).unwrap();
    pull(&service, &from, &into(&layout, "2"), false).unwrap();
    let index: Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 3, "{index}");

    drop(registry);
    for reference in [
        into(&layout, "1"),
        into(&layout, "2"),
        format!("oci:{}@{digest}", layout.display()),
    ] {
        assert_eq!(verdict(&service, &reference), "accepted", "{reference}");
    }
    // From there into another.
    let other = service.path("other");
    pull(&service, &into(&layout, "1"), &into(&other, "1"), true).unwrap();
    assert_eq!(verdict(&service, &into(&other, "1")), "accepted");
    let without = service.path("without");
    pull(&service, &into(&layout, "1"), &into(&without, "1"), false).unwrap();
    assert_eq!(verdict(&service, &into(&without, "1")), "unsigned");

    let copied = service.path("copied");
    run(Command::new("skopeo").args([
        "copy",
        &into(&layout, "1"),
        &format!("oci:{}:1", copied.display()),
    ]));
    assert_eq!(
        fs::read(blob(&copied, &digest)).unwrap(),
        manifest.to_string().into_bytes()
    );
}

#[test]
fn what_does_not_pass_leaves_nothing() {
    let own = Sigstore::default();
    let registry = Registry::open();
    let proxy = Proxy::before(&registry.name(), |_, _| None);
    let mut service = service(&own, &proxy.name());
    let publisher = Publisher::new(&registry.name(), "acme/echo");
    let from = |tag: &str| format!("{}/acme/echo:{tag}", proxy.name());
    let layout = service.path("layout");
    let refused = |service: &Daemon, from: &str, to: &str, with: bool, expected: &str| {
        let error = pull(service, from, to, with).unwrap_err();
        assert_eq!(kind(&error), expected, "{from} {to}: {error}");
    };
    publisher.artifact("unsigned", &module());
    refused(
        &service,
        &from("unsigned"),
        &into(&layout, "1"),
        true,
        "unsigned",
    );
    refused(
        &service,
        &from("absent"),
        &into(&layout, "1"),
        true,
        "notFound",
    );
    let bytes = [module(), vec![0, 2, 1, b'g']].concat();
    let good = publisher.artifact("good", &bytes);
    publisher.bundles(&good, &[over(&own, &good, "acme/echo")]);
    let elsewhere = format!("oci:{}@{}", layout.display(), sha256(b"other"));
    refused(
        &service,
        &from("good"),
        &elsewhere,
        true,
        "invalidReference",
    );
    let plain = format!("oci:{}", layout.display());
    refused(&service, &from("good"), &plain, true, "latestNotAllowed");
    refused(
        &service,
        &from("good"),
        "oci:relative:1",
        true,
        "invalidReference",
    );
    refused(
        &service,
        &from("good"),
        &into(&layout.join("deep"), "1"),
        true,
        "fileNotFound",
    );
    assert!(!layout.exists());
    let taken = service.path("taken");
    fs::create_dir(&taken).unwrap();
    fs::write(taken.join("notes"), "").unwrap();
    refused(
        &service,
        &from("good"),
        &into(&taken, "1"),
        true,
        "invalidLayout",
    );
    assert_eq!(fs::read_dir(&taken).unwrap().count(), 1);
    let names = |service: &Daemon| {
        let names = fs::read_dir(service.folder.root()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with(".vouchd"))
            .count()
    };
    assert_eq!(names(&service), 0);

    // Killed when half of it has come.
    proxy.hold_after(bytes.len() as u64 / 2);
    let params = json!({
        "reference": from("good"), "destination": into(&layout, "1"), "withBundle": true,
    });
    let mut client = service.connect();
    client.request("pull", &params);
    until("some of it has come", || proxy.held() > 0);
    service.kill();
    assert!(!layout.exists());
    assert_eq!(names(&service), 0);
}

/// What arrived holds file handles, however long another writer is in the way: no more arrives than
/// one client may pull at once.
#[test]
fn who_waits_for_a_layout_keeps_their_turn() {
    let own = Sigstore::default();
    let registry = Registry::open();
    let service = configured(&own, |_| String::new());
    let bytes = Signer::default().wasm(&module());
    Publisher::new(&registry.name(), "acme/echo").artifact("1", &bytes);
    let from = format!("{}/acme/echo:1", registry.name());
    let layout = service.path("layout");
    pull(&service, &from, &into(&layout, "1"), false).unwrap();
    let other = fs::File::open(&layout).unwrap();
    other.lock().unwrap();
    let mut client = Wire::connect(&service.socket(), Framing::Lines);
    for id in 0..32 {
        let to = into(&layout, &id.to_string());
        client.ask(id, "pull", &json!({"reference": from, "destination": to}));
    }
    // Eight of them, where there are handles enough.
    let arrived = || {
        let requests = under_way(&service.socket());
        let arrived = requests
            .iter()
            .filter(|one| one["bytes"].as_u64() > Some(0));
        arrived.count()
    };
    until("some arrived", || arrived() >= 4);
    for _ in 0..20 {
        assert!(arrived() <= 8, "{:?}", under_way(&service.socket()));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    drop(client);
    until("they are gone", || under_way(&service.socket()).is_empty());
}

#[test]
fn a_token_is_in_the_artifact() {
    let own = Sigstore::default();
    let registry = Registry::open();
    let signer = Signer::default();
    let service = configured(&own, |_| String::new());
    let bytes = signer.wasm(&module());
    Publisher::new(&registry.name(), "acme/echo").artifact("1", &bytes);
    let from = format!("{}/acme/echo:1", registry.name());
    let layout = service.path("layout");
    for with in [true, false] {
        let pulled = pull(&service, &from, &into(&layout, "1"), with).unwrap();
        assert_eq!(pulled["bundles"], Value::Null);
        assert_eq!(verdict(&service, &into(&layout, "1")), "accepted");
        assert_eq!(fs::read(blob(&layout, &sha256(&bytes))).unwrap(), bytes);
    }
    let params = json!({"reference": from, "destination": into(&layout, "1"), "target": "x"});
    let error = service.connect().call("pull", &params).unwrap_err();
    assert_eq!(kind(&error), "invalidParams", "{error}");
}
