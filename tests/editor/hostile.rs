//! Documents and claims by somebody who wishes no good.

use super::{
    URI, notify,
    scene::{Scene, ask, close, diagnostics, open},
};
use serde_json::json;
use vouch_testing::{daemon::push, folder::Folder, forge::module};

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
