//! Verdicts change while a document is open: it is judged again, without an edit.

use super::{
    Connection, URI,
    scene::{Scene, accepting, open},
};
use serde_json::{Value, json};
use vouch_testing::{
    daemon::{Daemon, push},
    folder::Folder,
    forge::{Signer, base64, module},
    registry::{PASSWORD, Registry, USERNAME},
};

const REFRESHES: bool = true;

fn editor(daemon: &Daemon, refreshes: bool) -> Connection {
    let can = json!({"workspace": {"inlayHint": {"refreshSupport": refreshes}}});
    super::editor(daemon, &can).0
}

/// Hears until a document has so many diagnostics, and hints were asked to be fetched again since, or
/// not. Answers their codes.
fn until(wire: &mut Connection, diagnostics: usize, refreshes: bool) {
    let mut told = None;
    while told != Some(diagnostics) {
        let said = wire.hear();
        assert_eq!(said["method"], "textDocument/publishDiagnostics", "{said}");
        told = said["params"]["diagnostics"].as_array().map(Vec::len);
    }
    if refreshes {
        let said = wire.hear();
        assert_eq!(said["method"], "workspace/inlayHint/refresh", "{said}");
        assert!(said["id"].is_string(), "it is a request: {said}");
    }
    // Nothing else was said, nor is it.
    let id = wire.request(
        "textDocument/diagnostic",
        &json!({"textDocument": {"uri": URI}}),
    );
    let answer = wire.hear();
    assert_eq!(answer["id"], id, "{answer}");
}

fn call(daemon: &Daemon, method: &str, params: &Value) -> Value {
    let answer = daemon.connect().call(method, params);
    answer.unwrap_or_else(|error| panic!("{method}: {error}"))
}

#[test]
fn a_policy_that_is_read_again_has_documents_judged_again() {
    let scene = Scene::with(|config| Daemon::logging_all(config, &[]));
    let name = scene.registry.name();
    let mut editors = [true, false].map(|can| (editor(&scene.daemon, can), can));
    for (wire, can) in &mut editors {
        assert_eq!(
            open(wire, URI, &scene.policy(":1"))["diagnostics"],
            json!([])
        );
        // The hint is new.
        refreshed(wire, *can);
    }
    for (whom, expected) in [("none", 1), ("any", 0)] {
        scene.daemon.reconfigure(&accepting(&name, whom));
        for (wire, can) in &mut editors {
            until(wire, expected, *can);
        }
    }
}

fn refreshed(wire: &mut Connection, can: bool) {
    if can {
        assert_eq!(wire.hear()["method"], "workspace/inlayHint/refresh");
    }
}

#[test]
fn a_push_has_documents_judged_again() {
    let scene = Scene::new();
    let mut wire = editor(&scene.daemon, REFRESHES);
    let said = open(&mut wire, URI, &scene.policy(":0"));
    assert_eq!(said["diagnostics"][0]["code"], "unsigned", "{said}");
    // What the tag names is a hint.
    refreshed(&mut wire, true);
    let reference = format!("{}/acme/echo:0", scene.registry.name());
    let signed = scene.folder.path("echo.wasm");
    push(&mut scene.daemon.connect(), &signed, &reference).expect("it is signed");
    until(&mut wire, 0, REFRESHES);
}

/// Nothing that is shown changes by that alone, so no hints are to be fetched again.
#[test]
fn a_signature_has_documents_judged_again() {
    let scene = Scene::new();
    let mut wire = editor(&scene.daemon, REFRESHES);
    open(&mut wire, URI, &scene.policy(":1"));
    refreshed(&mut wire, true);
    let path = scene.folder.write("new.wasm", &module());
    let account = &scene.signer.account;
    let params = json!({"path": path, "account": account.public_key()});
    let prepared = call(&scene.daemon, "sign/prepare", &params);
    let input = prepared["signingInput"].as_str().expect("a text");
    let signature = base64(&account.sign(input.as_bytes()).expect("it signs"));
    let params = json!({"path": path, "signingInput": input, "signature": signature});
    call(&scene.daemon, "sign/complete", &params);
    until(&mut wire, 0, false);
}

#[test]
fn a_login_has_documents_judged_again() {
    let registry = Registry::with_login();
    let name = registry.name();
    let login = json!({"registry": name, "username": USERNAME, "password": PASSWORD});
    // Another service pushes it: this one has never heard of it.
    let other = Daemon::start();
    call(&other, "session/login", &login);
    let folder = Folder::new();
    let file = folder.write("echo.wasm", &Signer::default().wasm(&module()));
    let reference = format!("{name}/acme/echo:1");
    push(&mut other.connect(), &file, &reference).expect("it is signed");

    let daemon = Daemon::start();
    let mut wire = editor(&daemon, REFRESHES);
    let text = format!(
        "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nspec:\n  module: registry://{reference}\n"
    );
    assert_eq!(open(&mut wire, URI, &text)["diagnostics"], json!([]));
    call(&daemon, "session/login", &login);
    until(&mut wire, 0, REFRESHES);
}
