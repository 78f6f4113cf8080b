//! Manifests that are made, and those of others that are read.

use super::*;
use crate::registry::content::Content;
use serde_json::{Value, json};
use std::io::Write;
use vouch_protocol::ErrorKind;
use vouch_testing::seeds::seed;

fn content(kind: ArtifactKind) -> Content {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"contents").unwrap();
    Content::unverified(kind, file.path())
}

fn none() -> BTreeMap<String, String> {
    BTreeMap::new()
}

#[test]
fn each_kind_has_its_shape() {
    let check = |kind, config_type: &str, layer_type: &str, os: Option<&str>| {
        let written = Manifest::write(content(kind).artifact, &none()).unwrap();
        assert_eq!(written.digest, Digest::of(&written.bytes));
        let manifest: Value = serde_json::from_slice(&written.bytes).unwrap();
        let config: Value = serde_json::from_slice(&written.config).unwrap();
        let digest = Digest::of(b"contents").to_string();
        let expected = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": config_type,
                "digest": Digest::of(&written.config).to_string(),
                "size": written.config.len(),
            },
            "layers": [{ "mediaType": layer_type, "digest": digest, "size": 8 }],
        });
        assert_eq!(manifest, expected);
        let expected = os.map_or(json!({}), |os| {
            json!({
                "created": "2022-02-14T13:02:23Z",
                "architecture": "wasm",
                "os": os,
                "layerDigests": [digest],
            })
        });
        assert_eq!(config, expected);
        // What we write, we read.
        let fetched = Fetched::read(&written.bytes, None, &Limits::default()).unwrap();
        let (digest, size) = (Digest::of(b"contents"), 8);
        assert_eq!(fetched, Fetched::Image(Layer { digest, size }));
    };
    check(
        ArtifactKind::Module,
        WASM_CONFIG,
        WASM_LAYER,
        Some("wasip1"),
    );
    check(
        ArtifactKind::Component,
        WASM_CONFIG,
        WASM_LAYER,
        Some("wasip2"),
    );
    check(
        ArtifactKind::Provider,
        PROVIDER_CONFIG,
        PROVIDER_LAYER,
        None,
    );
}

#[test]
fn the_digest_of_a_manifest_never_changes() {
    let check = |kind, expected: &str| {
        let written = Manifest::write(content(kind).artifact, &none()).unwrap();
        assert_eq!(written.digest.hex(), expected);
    };
    check(
        ArtifactKind::Module,
        "fd75228bb430b60cf3233285cdb7edac1ce3524d611684676f437bb774923fd5",
    );
    check(
        ArtifactKind::Component,
        "af369034e6a19c7a4f01bbf4cd0e8a4f29c05e9a45a63f9dcbe6c85c7418a216",
    );
    check(
        ArtifactKind::Provider,
        "70ec4ecc5c8824e611c3a7b24afa9e132741579fb5d007dc04f42e7ed1cbf371",
    );
}

#[test]
fn dates_that_nobody_can_write_are_left_out() {
    let check = |signed: u64, expected: Option<&str>| {
        let mut content = content(ArtifactKind::Module);
        content.artifact.signed = signed;
        let config = WasmConfig::new(content.artifact, "wasip1");
        assert_eq!(config.created.as_deref(), expected);
    };
    check(0, Some("1970-01-01T00:00:00Z"));
    check(253_402_300_799, Some("9999-12-31T23:59:59Z"));
    check(253_402_300_800, None);
    check(u64::MAX, None);
}

#[test]
fn annotations_are_written_and_bounded() {
    let content = content(ArtifactKind::Module);
    let annotations = BTreeMap::from([("org.example".to_owned(), "é".to_owned())]);
    let written = Manifest::write(content.artifact, &annotations).unwrap();
    let manifest: Value = serde_json::from_slice(&written.bytes).unwrap();
    assert_eq!(manifest["annotations"], json!({"org.example": "é"}));
    let check = |annotations: BTreeMap<String, String>, reason: &str| {
        let error = Manifest::write(content.artifact, &annotations).expect_err(reason);
        assert_eq!(error.kind(), ErrorKind::InvalidParams, "{reason}");
    };
    check(
        (0..65).map(|n| (n.to_string(), String::new())).collect(),
        "too many",
    );
    check([("a".to_owned(), "x".repeat(64 << 10))].into(), "too long");
    check([(" ".to_owned(), String::new())].into(), "no name");
}

const LAYER: &str = "sha256:d1b2a59fbea7e20077af9f91b27e95e865061b270be03ff539ab3b73587882e8";

#[allow(clippy::needless_pass_by_value)]
fn manifest(config: &str, layer: &str, size: Value) -> Value {
    json!({
        "schemaVersion": 2,
        "config": { "mediaType": config, "digest": LAYER, "size": 2 },
        "layers": [{ "mediaType": layer, "digest": LAYER, "size": size,
            "urls": ["http://elsewhere/"] }],
    })
}

fn read(manifest: &Value, media_type: Option<&str>) -> Result<Fetched> {
    let limits = Limits {
        artifact: 1000,
        ..Limits::default()
    };
    let bytes = manifest.to_string();
    seed("manifest", &bytes);
    Fetched::read(bytes.as_bytes(), media_type, &limits)
}

#[test]
fn one_layer_is_read_whatever_surrounds_it() {
    let check = |config: &str, layer: &str, reason: &str| {
        let image = Fetched::Image(Layer {
            digest: LAYER.parse().unwrap(),
            size: 1000,
        });
        let mut manifest = manifest(config, layer, json!(1000));
        assert_eq!(read(&manifest, None).expect(reason), image, "{reason}");
        manifest["artifactType"] = json!("application/vnd.unknown.artifact.v1");
        manifest["mediaType"] = json!(OCI_IMAGE_MEDIA_TYPE);
        assert_eq!(read(&manifest, None).expect(reason), image, "{reason}");
    };
    let wasm = "application/vnd.wasm.content.layer.v1+wasm";
    check(WASM_CONFIG, WASM_LAYER, "wash, wkg");
    check(PROVIDER_CONFIG, PROVIDER_LAYER, "wasmCloud's providers");
    check(
        "application/vnd.wasmcloud.actor.archive.config",
        "application/vnd.module.wasm.content.layer.v1+wasm",
        "wasmCloud's actors",
    );
    check("application/vnd.wasm.config.v1+json", wasm, "wasm-to-oci");
    let empty = "application/vnd.oci.empty.v1+json";
    check(empty, WASM_LAYER, "oras push x.wasm:application/wasm");
    let tar = "application/vnd.oci.image.layer.v1.tar";
    check(empty, tar, "oras push x.wasm");
    let unknown = "application/vnd.unknown.config.v1+json";
    check(unknown, WASM_LAYER, "oras before 1.1");
    check(IMAGE_CONFIG_MEDIA_TYPE, wasm, "Spin, with one layer");
    check("a/b", "c/d", "anything");
    let docker = Some(IMAGE_MANIFEST_MEDIA_TYPE);
    read(&manifest(WASM_CONFIG, WASM_LAYER, json!(1)), docker).unwrap();
    let mut own = manifest(WASM_CONFIG, WASM_LAYER, json!(1));
    own["mediaType"] = json!(OCI_IMAGE_MEDIA_TYPE);
    read(&own, Some("binary/octet-stream")).unwrap();
}

fn index(manifests: usize) -> Value {
    let entry = |number: usize| {
        json!({
            "mediaType": OCI_IMAGE_MEDIA_TYPE, "size": 2,
            "digest": Digest::of(&[u8::try_from(number).unwrap()]).to_string(),
            "platform": { "os": "wasip1", "architecture": format!("wasm{number}\u{1b}") },
        })
    };
    let manifests: Vec<_> = (0..manifests).map(entry).collect();
    json!({ "schemaVersion": 2, "manifests": manifests })
}

#[test]
fn an_index_of_one_names_it_and_of_several_lists_them() {
    let only = Fetched::Index(Digest::of(&[0]));
    assert_eq!(read(&index(1), None).unwrap(), only);
    let docker = Some(IMAGE_MANIFEST_LIST_MEDIA_TYPE);
    assert_eq!(read(&index(1), docker).unwrap(), only);
    let within = only.layer().unwrap_err();
    assert_eq!(within.kind(), ErrorKind::UnsupportedManifest);

    let help = |manifests: usize| {
        let error = read(&index(manifests), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedManifest);
        let what = format!("an index of {manifests} manifests");
        assert!(error.message().contains(&what), "{error}");
        error.data().help.unwrap()
    };
    assert!(help(0).contains("nothing"));
    let (one, other) = (Digest::of(&[0]), Digest::of(&[1]));
    let listed = format!("{one} (wasip1/wasm0), {other} (wasip1/wasm1).");
    assert!(help(2).ends_with(&listed), "{}", help(2));
    assert!(help(17).len() < 100);

    let check = |change: fn(&mut Value), kind: ErrorKind, reason: &str| {
        let mut index = index(1);
        change(&mut index["manifests"][0]);
        let error = read(&index, None).expect_err(reason);
        assert_eq!(error.kind(), kind, "{reason}: {error}");
    };
    let invalid = ErrorKind::InvalidManifest;
    check(
        |entry| entry["digest"] = json!("sha512:00"),
        invalid,
        "digest",
    );
    check(|entry| entry["size"] = json!(-1), invalid, "size");
    check(|entry| *entry = json!(7), invalid, "not a descriptor");
}

#[test]
fn what_is_not_an_artifact_is_refused_by_name() {
    let good = || manifest(WASM_CONFIG, WASM_LAYER, json!(8));
    let with = |name: &str, value: Value| {
        let mut manifest = good();
        manifest[name] = value;
        manifest
    };
    let check = |manifest: Value, media_type, kind: ErrorKind, word: &str| {
        let error = read(&manifest, media_type).expect_err(word);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(word), "{error} has no {word}");
    };
    let unsupported = ErrorKind::UnsupportedManifest;
    check(
        with("mediaType", json!("text/x\u{1b}[31m")),
        None,
        unsupported,
        "text/x[31m",
    );
    check(
        with("schemaVersion", json!(1)),
        None,
        unsupported,
        "version 1",
    );
    check(with("layers", json!([])), None, unsupported, "no layer");
    check(
        with("layers", json!([{}, {}])),
        None,
        unsupported,
        "2 layers",
    );
    let docker = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    let docker = manifest(IMAGE_DOCKER_CONFIG_MEDIA_TYPE, docker, json!(1));
    check(docker, None, unsupported, "container image");
    let image = manifest(
        IMAGE_CONFIG_MEDIA_TYPE,
        "application/vnd.oci.image.layer.v1.tar",
        json!(1),
    );
    check(image, None, unsupported, "container image");

    let invalid = ErrorKind::InvalidManifest;
    // Two readers could see two artifacts.
    let both = "an image manifest and as an index";
    check(with("manifests", json!([])), None, invalid, both);
    check(index(1), Some(OCI_IMAGE_MEDIA_TYPE), invalid, both);
    check(good(), Some(OCI_IMAGE_INDEX_MEDIA_TYPE), invalid, both);
    let lying = with("mediaType", OCI_IMAGE_INDEX_MEDIA_TYPE.into());
    check(lying, None, invalid, both);
    check(json!([]), None, invalid, "not valid");
    check(json!({}), None, invalid, "not valid");
    check(
        with("schemaVersion", json!("2")),
        None,
        invalid,
        "not valid",
    );
    check(with("config", json!(null)), None, invalid, "not valid");
    check(
        manifest(WASM_CONFIG, WASM_LAYER, json!(0)),
        None,
        invalid,
        "empty",
    );
    check(
        manifest(WASM_CONFIG, WASM_LAYER, json!(-5)),
        None,
        invalid,
        "empty",
    );
    check(
        manifest(WASM_CONFIG, WASM_LAYER, json!(1e30)),
        None,
        invalid,
        "not valid",
    );
    let mut other = good();
    other["layers"][0]["digest"] = json!("sha512:00");
    check(other, None, invalid, "digest");
    check(
        manifest(WASM_CONFIG, WASM_LAYER, json!(1001)),
        None,
        ErrorKind::TooLarge,
        "1001 bytes",
    );
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let error = Fetched::read(deep.as_bytes(), None, &Limits::default()).unwrap_err();
    assert_eq!(error.kind(), invalid);
}
