//! Documents and claims by somebody who wishes no good.

use super::{
    URI, notify,
    scene::{Scene, ask, close, diagnostics, open},
};
use serde_json::json;
use vouch_testing::{daemon::push, folder::Folder, forge::module};

/// Names that nobody allowed: unrouted, of the machine itself, of a cloud's secrets.
const STRANGERS: [&str; 4] = [
    "192.0.2.1",
    "169.254.169.254",
    "[fe80::1]:80",
    "127.0.0.1:1",
];

#[test]
fn what_signers_write_is_shown_as_it_is() {
    let scene = Scene::new();
    let name = "[x](http://evil.example)<img src=http://evil.example>`\u{202e}# y";
    let mut claims = scene.signer.wasm_claims(&module());
    claims["wascap"]["name"] = name.into();
    let token = scene.signer.jwt(&claims.to_string());
    let signed = [
        module(),
        vouch_testing::forge::custom("jwt", token.as_bytes()),
    ]
    .concat();
    let folder = Folder::new();
    let file = folder.write("echo.wasm", &signed);
    let reference = format!("{}/acme/echo:evil", scene.registry.name());
    push(&mut scene.daemon.connect(), &file, &reference).expect("it is signed");
    let check = |formats: &[&str], expected: &str| {
        let can = json!({"textDocument": {"hover": {"contentFormat": formats}}});
        let mut wire = scene.editor(&can);
        open(&mut wire, URI, &scene.policy(":evil"));
        let hover = ask(
            &mut wire,
            "textDocument/hover",
            json!({"position": {"line": 3, "character": 30}}),
        );
        let said = hover["contents"]["value"].as_str().expect("a text");
        assert_eq!(
            hover["contents"]["kind"],
            formats.first().copied().unwrap_or("plaintext")
        );
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains('\u{202e}'), "{said}");
    };
    check(
        &["markdown", "plaintext"],
        "called `[x](http://evil.example)<img src=http://evil.example>'# y`",
    );
    check(
        &["plaintext"],
        "called [x](http://evil.example)<img src=http://evil.example>`# y",
    );
    check(&[], "called [x](http://evil.example)");
}

#[test]
fn a_hostile_document_shows_nothing_but_that_it_is_not_checked() {
    let scene = Scene::new();
    let mut wire = scene.editor(&json!({"workspace": {"inlayHint": {"refreshSupport": true}}}));
    let head = "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nspec:\n";
    let many = |count: usize| -> String {
        let of = |at: usize| {
            let host = STRANGERS[at % STRANGERS.len()];
            format!("{head}  module: registry://{host}/a/{at}:1\n---\n")
        };
        (0..count).map(of).collect()
    };
    let aliases = format!(
        "{head}  a: &a [{}]\n  b: &b [{}]\n  module: *b\n",
        "x, ".repeat(1000),
        "*a, ".repeat((1 << 20) / 5)
    );
    let deep = format!("{head}  module: {}", "[".repeat(1 << 19));
    let check = |wire: &mut super::Connection, text: &str, expected: &str, why: &str| {
        let said = open(wire, URI, text);
        let said = said["diagnostics"].as_array().expect("a list");
        let codes: Vec<_> = said.iter().map(|it| it["code"].as_str()).collect();
        let expected: Vec<_> = expected.split_whitespace().map(Some).collect();
        assert_eq!(codes, expected, "{why}: {said:?}");
        let all = json!({"range": {"start": {"line": 0, "character": 0}, "end": {"line": 9_999_999, "character": 0}}});
        assert_eq!(ask(wire, "textDocument/inlayHint", all), json!([]), "{why}");
        // It closes, and others are served.
        close(wire, URI);
        assert!(
            scene
                .daemon
                .connect()
                .call("server/status", &json!({}))
                .is_ok(),
            "{why}"
        );
    };
    check(
        &mut wire,
        &many(8000),
        "notChecked",
        "thousands of references",
    );
    check(&mut wire, &aliases, "", "aliases of aliases");
    check(&mut wire, &deep, "unclear", "depth");
    check(&mut wire, &"a: b\n".repeat(200_000), "", "lines");
    check(&mut wire, "\u{0}\u{1}\u{feff}", "", "no text");
    check(
        &mut wire,
        &format!("{head}  module: \"registry://{}/a:1", "x".repeat(500_000)),
        "unclear",
        "an open quote",
    );
    assert_eq!(scene.registry.logged(&["stranger"]), 0);
}

/// A document that changes and goes while it is being judged leaves nothing behind.
#[test]
fn what_is_closed_says_nothing() {
    let scene = Scene::new();
    let mut wire = scene.editor(&json!({}));
    for round in 0..20 {
        let item =
            json!({"uri": URI, "languageId": "yaml", "version": round, "text": scene.policy(":0")});
        notify(
            &mut wire,
            "textDocument/didOpen",
            &json!({"textDocument": item}),
        );
        if round % 2 == 0 {
            close(&mut wire, URI);
        }
    }
    // The last one that was opened stays open.
    loop {
        let said = diagnostics(&mut wire);
        if said["version"] == 19 {
            assert_eq!(
                said["diagnostics"].as_array().map(Vec::len),
                Some(1),
                "{said}"
            );
            break;
        }
    }
    close(&mut wire, URI);
    assert_eq!(
        diagnostics(&mut wire),
        json!({"uri": URI, "diagnostics": []})
    );
    wire.call("server/status", &json!({}))
        .expect("nothing more is said");
}
