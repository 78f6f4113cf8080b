//! The language server, as editors speak to it, without an editor.

mod again;
mod commands;
mod dropped;
mod edits;
mod hostile;
mod scene;
mod transcripts;

use serde_json::{Value, json};
use std::{os::unix::net::UnixStream, time::Duration};
use vouch_testing::{
    daemon::Daemon,
    wire::{Framing, Wire},
};

/// An editor's connection.
type Connection = Wire<UnixStream>;

const URI: &str = "file:///home/ann/deploy.yaml";

/// A connection that introduced itself as an editor, and what it was told.
fn editor(daemon: &Daemon, capabilities: &Value) -> (Wire<UnixStream>, Value) {
    let mut wire = Wire::connect(&daemon.socket(), Framing::ContentLength);
    let params =
        json!({"processId": -1, "clientInfo": {}, "rootUri": null, "capabilities": capabilities});
    let told = wire.call("initialize", &params).expect("it answers");
    (wire, told)
}

fn notify(wire: &mut Wire<UnixStream>, method: &str, params: &Value) {
    wire.send(&json!({"params": params, "method": method, "jsonrpc": "2.0"}));
}

fn open(wire: &mut Wire<UnixStream>, text: &str) {
    let document = json!({"uri": URI, "languageId": "yaml", "version": 1, "text": text});
    notify(
        wire,
        "textDocument/didOpen",
        &json!({"textDocument": document}),
    );
}

#[test]
fn who_has_capabilities_is_an_editor() {
    let daemon = Daemon::start();
    let check = |capabilities: Value, expected: bool| {
        let (mut wire, told) = editor(&daemon, &capabilities);
        let can = &told["capabilities"];
        assert!(
            can["methods"].as_array().is_some_and(|all| !all.is_empty()),
            "{told}"
        );
        assert_eq!(can["hoverProvider"] == true, expected, "{told}");
        let params = json!({"textDocument": {"uri": URI}, "position": {"line": 0, "character": 0}});
        let answer = wire.call("textDocument/hover", &params);
        match answer {
            Ok(nothing) => assert!(expected && nothing.is_null(), "{nothing}"),
            Err(error) => assert!(!expected && error["code"] == -32601, "{error}"),
        }
    };
    check(json!({}), true);
    check(
        json!({"general": {"positionEncodings": ["utf-8"]}, "textDocument": 7}),
        true,
    );
    check(json!(null), false);
    check(json!([]), false);
    check(json!("x"), false);
    let (_, told) = editor(&daemon, &json!({}));
    let can = &told["capabilities"];
    assert_eq!(can["positionEncoding"], "utf-16");
    assert_eq!(
        can["textDocumentSync"],
        json!({"openClose": true, "change": 2, "save": true})
    );
    assert!(can.get("diagnosticProvider").is_none(), "they are pushed");
    // Over HTTP nobody could be told anything.
    let mut wire = Wire::connect(&daemon.socket(), Framing::Http);
    let told = wire
        .call("initialize", &json!({"capabilities": {}}))
        .expect("it answers");
    assert!(
        told["capabilities"].get("hoverProvider").is_none(),
        "{told}"
    );
}

#[test]
fn what_editors_send_beside_breaks_nothing() {
    let daemon = Daemon::start();
    let (mut wire, _) = editor(&daemon, &json!({}));
    for (method, params) in [
        ("initialized", json!({})),
        ("$/setTrace", json!({"value": "off"})),
        (
            "workspace/didChangeConfiguration",
            json!({"settings": null}),
        ),
        (
            "textDocument/willSave",
            json!({"textDocument": {"uri": URI}, "reason": 1}),
        ),
        ("textDocument/didOpen", json!({"textDocument": {"uri": 7}})),
        ("textDocument/didOpen", json!(null)),
        (
            "textDocument/didChange",
            json!({"textDocument": {"uri": URI, "version": null}, "contentChanges": [{"text": "a"}]}),
        ),
        ("textDocument/didClose", json!([])),
    ] {
        notify(&mut wire, method, &params);
    }
    // Answers to what nobody asked.
    wire.send(&json!({"jsonrpc": "2.0", "id": 1, "result": null}));
    wire.send(&json!({"jsonrpc": "2.0", "id": 2, "error": {"code": 1, "message": "no"}}));
    let pulled = wire.call(
        "textDocument/diagnostic",
        &json!({"textDocument": {"uri": URI}}),
    );
    assert_eq!(
        pulled.expect("it answers"),
        json!({"kind": "full", "items": []})
    );
    let error = wire
        .call("textDocument/rename", &json!({}))
        .expect_err("it is unknown");
    assert_eq!(error["code"], -32601);
    let error = wire.call(
        "workspace/executeCommand",
        &json!({"command": "vouch.nothing"}),
    );
    assert_eq!(error.expect_err("it is unknown")["code"], -32601);
    let error = wire.call(
        "workspace/executeCommand",
        &json!({"command": "vouch.verify", "arguments": [7]}),
    );
    assert_eq!(error.expect_err("it needs a text")["code"], -32602);
    let silent = json!({"jsonrpc": "2.0", "id": 9, "method": "shutdown", "params": null});
    wire.send(&silent);
    assert_eq!(wire.hear()["result"], Value::Null);
    notify(&mut wire, "exit", &json!(null));
    assert!(wire.is_over());
}

/// Documents of several MiB pass, and are not kept; the connection lives on.
#[test]
fn a_document_may_be_long() {
    let daemon = Daemon::start();
    let (mut wire, _) = editor(&daemon, &json!({}));
    open(&mut wire, &"# long\n".repeat(1 << 20));
    let said = wire.hear();
    assert_eq!(said["method"], "textDocument/publishDiagnostics");
    assert_eq!(
        said["params"],
        json!({"uri": URI, "version": 1, "diagnostics": []})
    );
    assert!(wire.call("server/status", &json!({})).is_ok());
    // One that is not an editor may not.
    let mut other = Wire::connect(&daemon.socket(), Framing::ContentLength);
    let text = "x".repeat(2 << 20);
    let error = other.request("verify", &json!({"path": text}));
    assert!(error > 0);
    assert_eq!(other.hear()["error"]["data"]["kind"], "invalidRequest");
}

#[test]
fn an_editor_that_ends_its_input_is_let_go() {
    let daemon = Daemon::start();
    let (mut wire, _) = editor(&daemon, &json!({}));
    open(&mut wire, "kind: Nothing\n");
    wire.hear();
    let stream = wire.stream.get_ref();
    stream
        .set_read_timeout(Some(Duration::from_secs(100)))
        .expect("a limit");
    stream
        .shutdown(std::net::Shutdown::Write)
        .expect("it is open");
    assert!(wire.is_over(), "nothing holds the connection");
}
