//! Sigstore bundles from outside: a file, what lies beside it, and a config that says whose counts.

mod conformance;
mod kept;
mod killed;
mod layouts;
mod published;
mod pushed;
mod remembered;

use serde_json::{Value, json};
use std::fs;
use vouch_testing::{
    daemon::Daemon,
    forge::module,
    sigstore::{Over, Sigstore, Spec, TRUST, statement},
};

fn trusting(own: &Sigstore, rules: &str) -> Daemon {
    Daemon::with(|folder, _| {
        let root = own.trusted_root().to_string();
        fs::write(folder.join("root.json"), root).unwrap();
        fs::write(folder.join("config.toml"), format!("{TRUST}{rules}")).unwrap();
    })
}

#[test]
fn a_file_is_verified_by_the_bundle_beside_it() {
    let own = Sigstore::default();
    let service = trusting(&own, "");
    let path = service.path("echo.wasm");
    fs::write(&path, module()).unwrap();
    let beside = service.path("echo.wasm.sigstore.json");
    let mut client = service.connect();
    let mut verdict = |bundle: Option<Value>| {
        match bundle {
            Some(bundle) => fs::write(&beside, bundle.to_string()).unwrap(),
            None => {
                let _ = fs::remove_file(&beside);
            }
        }
        let params = json!({"path": path, "explain": true});
        let verified = client.call("verify", &params).unwrap();
        let inspected = client.call("inspect", &json!({"path": path})).unwrap();
        let of = |answer: &Value| match answer["verdict"].as_str() {
            Some("accepted") => answer["signature"]["method"].clone(),
            _ => answer["refusal"]["kind"].clone(),
        };
        assert_eq!(of(&verified), of(&inspected["verification"]));
        (of(&verified), verified)
    };
    let bytes = || Over::Bytes(module());
    let good = own.bundle(&Spec::workflow(bytes(), "acme/echo"));
    assert_eq!(verdict(None).0, "unsigned");
    let (method, answer) = verdict(Some(good));
    assert_eq!(method, "sigstore", "{answer}");
    assert_eq!(answer["signature"]["signer"]["ref"], "refs/tags/v1");
    assert_eq!(answer["trust"]["signer"], "release");
    let checks = answer["checks"].as_array().unwrap();
    let names: Vec<_> = checks
        .iter()
        .map(|check| check["check"].as_str().unwrap())
        .collect();
    let expected = [
        "artifact",
        "form",
        "token",
        "bundle",
        "predicate",
        "certificate",
        "sct",
        "log",
        "signature",
        "identity",
        "time",
        "subject",
        "revoked",
        "accept",
    ];
    assert_eq!(names, expected);
    // From memory, too.
    let other = own.bundle(&Spec::workflow(bytes(), "mallory/echo"));
    let (kind, answer) = verdict(Some(other));
    assert_eq!(kind, "untrustedSigner", "{answer}");
    let help = answer["refusal"]["help"].as_str().unwrap();
    assert!(
        help.contains("vouch trust add NAME --workflow github.com/mallory/echo"),
        "{help}"
    );
    let sbom = statement("00", "https://spdx.dev/Document");
    for (over, expected) in [
        (Over::Bytes(b"other".to_vec()), "signatureUnrelated"),
        (sbom, "signatureInvalid"),
    ] {
        let bundle = own.bundle(&Spec::workflow(over, "acme/echo"));
        assert_eq!(verdict(Some(bundle)).0, expected);
    }
    assert_eq!(verdict(Some(json!({}))).0, "signatureInvalid");
}

#[test]
fn a_request_may_name_the_bundle() {
    let own = Sigstore::default();
    let service = Daemon::with(|folder, _| {
        let root = own.trusted_root().to_string();
        fs::write(folder.join("root.json"), root).unwrap();
        fs::write(folder.join("config.toml"), TRUST).unwrap();
    });
    let (path, named) = (service.path("echo.wasm"), service.path("named.json"));
    fs::write(&path, module()).unwrap();
    let mut client = service.connect();
    let params = json!({"path": path, "bundle": named});
    let error = client.call("verify", &params).unwrap_err();
    assert_eq!(error["data"]["kind"], "fileNotFound", "{error}");
    let bundle = own.bundle(&Spec::workflow(Over::Bytes(module()), "acme/echo"));
    fs::write(&named, bundle.to_string()).unwrap();
    let verified = client.call("verify", &params).unwrap();
    assert_eq!(verified["signature"]["method"], "sigstore", "{verified}");
    // It counts instead of the one beside the file.
    fs::write(service.path("echo.wasm.sigstore.json"), bundle.to_string()).unwrap();
    fs::write(&named, "{}").unwrap();
    let verified = client.call("verify", &params).unwrap();
    assert_eq!(
        verified["refusal"]["kind"], "signatureInvalid",
        "{verified}"
    );
}
