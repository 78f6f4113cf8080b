//! What other tools push to real registries is found, read and confirmed.

use serde_json::json;
use std::{fs, io::Read, path::Path, process::Command};
use vouch_protocol::ErrorKind;
use vouch_testing::{
    daemon::{self, Daemon, push},
    forge::{Signer, custom, module},
    proxy::Proxy,
    registry::{PASSWORD, Registry, USERNAME},
};
use vouchd::{
    artifact::Limits,
    error::{Error, Result},
    name::{self, Digest, PlainHosts},
    progress::Progress,
    registry,
    session::{Config, RegistryConfig, Sessions},
};

const ARTIFACT: &[u8] = b"some bytes, since nobody judges them here";

/// An image layout made by hand; the manifest's digest.
fn layout(folder: &Path) -> Digest {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let store = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        fs::write(blobs.join(digest.hex()), bytes).unwrap();
        json!({ "digest": digest.to_string(), "size": bytes.len() })
    };
    let typed = |mut descriptor: serde_json::Value, media_type: &str| {
        descriptor["mediaType"] = media_type.into();
        descriptor
    };
    let manifest_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "config": typed(store(b"{}"), "application/vnd.wasm.config.v0+json"),
        "layers": [typed(store(ARTIFACT), "application/wasm")],
    })
    .to_string();
    let mut entry = typed(store(manifest.as_bytes()), manifest_type);
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": "1" });
    let index = json!({ "schemaVersion": 2, "manifests": [entry] });
    fs::write(folder.join("index.json"), index.to_string()).unwrap();
    fs::write(
        folder.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
    Digest::of(manifest.as_bytes())
}

fn named(registry: &str) -> name::Registry {
    PlainHosts::default().registry(registry).unwrap()
}

async fn pull(sessions: &Sessions, reference: &str) -> Result<(Digest, Vec<u8>)> {
    let reference = PlainHosts::default().reference(reference)?;
    let found = registry::find(sessions, &reference, &Limits::default()).await?;
    assert_eq!(found.published.layer.digest, Digest::of(ARTIFACT));
    let received = tokio::task::spawn_blocking(move || {
        let bytes = found.receive(&Progress::default(), |mut download| {
            let mut bytes = Vec::new();
            let read = download.read_to_end(&mut bytes);
            read.map_err(|error| Error::from_io(error, Path::new("/"), "read"))?;
            Ok(bytes)
        })?;
        Ok((found.published.manifest, bytes))
    });
    received.await.unwrap()
}

/// Skopeo copies a layout into the registry; we read both.
async fn check(registry: &Registry, sessions: Sessions) {
    let folder = tempfile::tempdir().unwrap();
    let manifest = layout(folder.path());
    let from = format!("oci:{}:1", folder.path().display());
    let to = format!("{}/acme/echo:1", registry.name());
    let login = format!("{USERNAME}:{PASSWORD}");
    let output = Command::new("skopeo")
        .args(["--insecure-policy", "copy", "--preserve-digests"])
        .args(["--dest-tls-verify=false", "--dest-creds", &login])
        .args([&from, &format!("docker://{to}")])
        .output()
        .expect("skopeo must be installed");
    assert!(output.status.success(), "{output:?}");
    for reference in [from, to] {
        let pulled = pull(&sessions, &reference).await.unwrap();
        assert_eq!(pulled, (manifest, ARTIFACT.to_vec()), "{reference}");
    }
}

fn sessions(config: Config) -> Sessions {
    let nobody = "/nonexistent/config.json".into();
    Sessions::new(config).docker_config(nobody)
}

#[tokio::test]
async fn from_an_open_registry() {
    check(&Registry::open(), sessions(Config::new())).await;
}

#[tokio::test]
async fn from_a_registry_that_wants_a_login() {
    let registry = Registry::with_login();
    let sessions = sessions(Config::new()).docker_config(registry.docker_config());
    check(&registry, sessions).await;
}

#[tokio::test]
async fn from_a_registry_with_a_private_authority() {
    let registry = Registry::with_tls();
    let section = RegistryConfig {
        ca: Some(registry.ca()),
        ..RegistryConfig::default()
    };
    check(
        &registry,
        sessions(Config::from([(named(&registry.name()), section)])),
    )
    .await;
}

#[tokio::test]
async fn https_to_a_plain_registry_names_the_config_line() {
    let registry = Registry::open();
    let name = registry.name();
    let section = RegistryConfig {
        plain_http: Some(false),
        ..RegistryConfig::default()
    };
    let sessions = sessions(Config::from([(named(&name), section)]));
    let error = pull(&sessions, &format!("{name}/acme/echo:1"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InsecureRegistry, "{error}");
    let help = error.data().help.unwrap();
    assert!(help.contains(&format!("[registry.\"{name}\"]")), "{help}");
    assert!(help.contains("plain-http = true"), "{help}");
}

/// docker-registry writes the links of blobs in place: pushes that ran side by side used to refuse
/// each other's manifests.
#[test]
fn ten_clients_that_push_the_same_upload_it_once() {
    let registry = Registry::open();
    let proxy = Proxy::before(&registry.name(), |_, _| None);
    let service = Daemon::start();
    let unsigned = [module(), custom("fill", &vec![7; 3 << 20])].concat();
    let path = service.path("echo.wasm");
    let contents = Signer::default().wasm(&unsigned);
    fs::write(&path, &contents).unwrap();
    std::thread::scope(|scope| {
        for number in 0..10 {
            let reference = format!("{}/acme/echo:{number}", proxy.name());
            let (mut client, path) = (service.connect(), &path);
            scope.spawn(move || push(&mut client, path, &reference).unwrap());
        }
    });
    let seen = proxy.seen();
    let uploads = seen.iter().filter(|(head, _)| {
        matches!(head.method.as_str(), "PUT" | "PATCH") && head.length == contents.len() as u64
    });
    assert_eq!(uploads.count(), 1);
    for number in 0..10 {
        let reference = format!("{}/acme/echo:{number}", registry.name());
        let to = service.path(&format!("{number}.wasm"));
        daemon::pull(&mut service.connect(), &to, &reference).unwrap();
    }
}
