//! What an editor has the service do by `workspace/executeCommand`.

use super::{
    Connection, URI,
    scene::{Scene, ask, open},
};
use serde_json::{Value, json};
use std::fs;

fn execute(wire: &mut Connection, command: &str, arguments: &[&str]) -> Result<Value, Value> {
    let params = json!({"command": command, "arguments": arguments});
    wire.call("workspace/executeCommand", &params)
}

#[test]
fn an_artifact_is_inspected() {
    let scene = Scene::new();
    let mut wire = scene.editor(&json!({}));
    let reference = format!("{}/acme/echo:1", scene.registry.name());
    let path = scene.folder.path("echo.wasm").display().to_string();
    for (named, member) in [(&reference, "reference"), (&path, "path")] {
        let found = execute(&mut wire, "vouch.inspect", &[named]).expect("it is there");
        let expected = scene
            .daemon
            .connect()
            .call("inspect", &json!({member: named}));
        assert_eq!(found, expected.expect("it is there"), "{named}");
    }
    let error = execute(&mut wire, "vouch.inspect", &["/absent"]).expect_err("there is none");
    assert_eq!(error["data"]["kind"], "fileNotFound");
    let error = execute(&mut wire, "vouch.inspect", &[]).expect_err("of what?");
    assert_eq!(error["data"]["kind"], "invalidParams");
}

#[test]
fn an_artifact_is_pulled() {
    let scene = Scene::new();
    let mut wire = scene.editor(&json!({}));
    let name = scene.registry.name();
    let to = scene.folder.path("pulled.wasm");
    let place = to.display().to_string();
    let signed = format!("{name}/acme/echo:1");
    let pulled = execute(&mut wire, "vouch.pull", &[&signed, &place]).expect("it is signed");
    assert_eq!(pulled["verification"]["verdict"], "accepted", "{pulled}");
    let read = |path| fs::read(path).expect("it is there");
    assert_eq!(read(to), read(scene.folder.path("echo.wasm")));
    let taken = scene.folder.write("taken.wasm", b"");
    let arguments = [signed.as_str(), &taken.display().to_string()];
    let error = execute(&mut wire, "vouch.pull", &arguments).expect_err("it is there");
    assert_eq!(error["data"]["kind"], "destinationExists");
    let other = scene.folder.path("other.wasm");
    let unsigned = format!("{name}/acme/echo:0");
    let arguments = [unsigned.as_str(), &other.display().to_string()];
    let error = execute(&mut wire, "vouch.pull", &arguments).expect_err("it is unsigned");
    assert_eq!(error["data"]["kind"], "unsigned");
    assert!(!other.exists());
    let error = execute(&mut wire, "vouch.pull", &[&signed]).expect_err("where to?");
    assert_eq!(error["data"]["kind"], "invalidParams");
}

/// Nothing that could do nothing is offered.
#[test]
fn what_no_look_up_reaches_is_not_looked_up() {
    let scene = Scene::new();
    let mut wire = scene.editor(&json!({}));
    let check = |wire: &mut Connection, host: &str, offered: usize| {
        let policy = scene.policy(":1").replace(&scene.registry.name(), host);
        open(wire, URI, &policy);
        let all = json!({"start": {"line": 0, "character": 0}, "end": {"line": 9, "character": 0}});
        let asked = json!({"range": all, "context": {"diagnostics": []}});
        let actions = ask(wire, "textDocument/codeAction", asked);
        let actions = actions.as_array().expect("a list");
        assert_eq!(actions.len(), offered, "{host}: {actions:?}");
    };
    check(&mut wire, "192.0.2.1", 2);
    check(&mut wire, "169.254.169.254", 0);
    check(&mut wire, "[::ffff:169.254.169.254]:80", 0);
    check(&mut wire, "[fe80::1]", 0);
}
