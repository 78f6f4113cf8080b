//! Changes that are not kept: what was said of a document is void, and it says so, until it is sent
//! whole.

use super::{
    Connection, URI, notify,
    scene::{Scene, diagnostics, open},
};
use serde_json::{Value, json};

const OTHER: &str = "file:///home/ann/other.yaml";
const MOST: usize = 16 << 20;

/// The codes of the diagnostics that come next, and of which document they are.
fn told(wire: &mut Connection) -> (String, Vec<String>) {
    let said = diagnostics(wire);
    let of = said["uri"].as_str().expect("a document").to_owned();
    let all = said["diagnostics"].as_array().expect("a list");
    let code = |it: &Value| it["code"].as_str().expect("a code").to_owned();
    (of, all.iter().map(code).collect())
}

fn change(uri: &str, changes: &Value) -> Value {
    let document = json!({"uri": uri, "version": 2});
    let params = json!({"textDocument": document, "contentChanges": changes});
    json!({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": params})
}

#[test]
fn a_change_that_is_not_kept_is_not_passed_over() {
    let scene = Scene::new();
    let mut wire = scene.editor(&json!({}));
    let unsigned = scene.policy(":0");
    let expect = |wire: &mut Connection, uri: &str, code: &str, why: &str| {
        assert_eq!(told(wire), (uri.to_owned(), vec![code.to_owned()]), "{why}");
    };
    for uri in [URI, OTHER] {
        open(&mut wire, uri, &unsigned);
    }
    let at = json!({"line": 0, "character": 0});
    let at_start = json!({"start": at, "end": at});
    let long = " ".repeat(MOST);
    let inserted = change(URI, &json!([{"range": at_start, "text": long}])).to_string();
    let broken = [
        inserted.as_bytes(),
        // Not UTF-8, and not closed.
        &change(URI, &json!([{"range": at_start, "text": "~"}]))
            .to_string()
            .into_bytes(),
    ];
    for message in broken {
        let message: Vec<u8> = message
            .iter()
            .map(|byte| if *byte == b'~' { 0xff } else { *byte })
            .collect();
        wire.say(format!("Content-Length: {}\r\n\r\n", message.len()).as_bytes());
        wire.say(&message);
        let answer = wire.hear();
        assert_eq!(answer["id"], Value::Null, "{answer}");
        expect(&mut wire, URI, "notChecked", "it is lost");
        // What comes later cannot be known either.
        let later = change(URI, &json!([{"range": at_start, "text": "#"}]));
        notify(&mut wire, "textDocument/didChange", &later["params"]);
        expect(&mut wire, URI, "notChecked", "it is still lost");
        let whole = change(URI, &json!([{"text": unsigned}]));
        notify(&mut wire, "textDocument/didChange", &whole["params"]);
        expect(&mut wire, URI, "unsigned", "it was sent whole");
    }
    // The other was not touched.
    notify(
        &mut wire,
        "textDocument/didSave",
        &json!({"textDocument": {"uri": OTHER}}),
    );
    expect(&mut wire, OTHER, "unsigned", "another");
    // Where nobody can tell whose change it was, it may have been anybody's.
    wire.say(b"Content-Length: 3\r\n\r\n{\xff}");
    assert_eq!(wire.hear()["error"]["data"]["kind"], "parseError");
    let mut lost = [told(&mut wire), told(&mut wire)];
    lost.sort();
    let of = |uri: &str| (uri.to_owned(), vec!["notChecked".to_owned()]);
    assert_eq!(lost, [of(URI), of(OTHER)]);
}

#[test]
fn a_document_that_is_too_long_says_that_it_is_not_checked() {
    let scene = Scene::new();
    let mut wire = scene.editor(&json!({}));
    let check = |wire: &mut Connection, uri: &str, length: usize, expected: &[&str]| {
        let text = scene.policy(":0") + &" ".repeat(length);
        let document = json!({"uri": uri, "languageId": "yaml", "version": 1, "text": text});
        let params = json!({"textDocument": document});
        notify(wire, "textDocument/didOpen", &params);
        let expected = expected.iter().map(|&code| code.to_owned()).collect();
        assert_eq!(told(wire), (uri.to_owned(), expected), "{length}");
    };
    check(&mut wire, URI, 0, &["unsigned"]);
    check(&mut wire, URI, 2 << 20, &["notChecked"]);
    check(&mut wire, OTHER, MOST, &["notChecked"]);
    // Of a kind that names nothing.
    check(&mut wire, "file:///home/ann/a.txt", 2 << 20, &[]);
}
