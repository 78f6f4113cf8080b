//! Whole documents, by the method's own way.

use super::*;
use crate::service::{
    Answer, Caller, Service,
    look_up::tests::{allowing, serves, service, signed},
};
use serde_json::{Value, json, value::to_raw_value};
use std::{fmt::Write, fs};
use vouch_testing::{
    faulty::{self, Faulty},
    forge::{Signer, base64, module},
};

/// A document that names these.
fn wadm(images: impl IntoIterator<Item = String>) -> String {
    let mut text =
        String::from("apiVersion: core.oam.dev/v1beta1\nkind: Application\nspec:\n  components:\n");
    for image in images {
        writeln!(text, "  - properties: {{image: \"{image}\"}}").unwrap();
    }
    text
}

#[tokio::test]
async fn two_hundred_references_that_are_known_ask_nobody() {
    let registry = serves(signed());
    let service = allowing(&registry);
    let name = |at: usize| format!("{}/acme/echo:{at}", registry.name());
    let text = wadm((0..200).map(name));
    for _ in 0..2 {
        let checked = check(&service.state, 0, "a.yaml", text.clone(), Lookup::Allowed);
        let checked = checked.await.unwrap().unwrap();
        assert!(checked.whole);
        assert_eq!(checked.references.len(), 200);
        for named in &checked.references {
            let judged = matches!(&named.seen.outcome, Outcome::Judged(_));
            assert!(judged, "{:?}", named.seen.outcome);
            let wire = named.on_the_wire();
            assert_eq!(wire.format, "wadm");
            assert_eq!(wire.fixes.len(), 1);
            assert_eq!(wire.fixes[0].kind, FixKind::Pin);
        }
        // Each tag is a question; the artifact is one.
        assert_eq!(registry.seen().len(), 200 + 1);
    }
}

#[tokio::test]
async fn opening_a_hostile_document_asks_nobody() {
    let registry = serves(signed());
    let service = service("", None);
    let hosts = [
        &*registry.name(),
        "169.254.169.254",
        "[fe80::1]",
        "a.example",
    ];
    let name = |at: usize| format!("{}/acme/echo:{at}", hosts[at % hosts.len()]);
    let text = wadm((0..10_000).map(name));
    let checked = check(&service.state, 0, "a.yaml", text, Lookup::Allowed);
    let checked = checked.await.unwrap().unwrap();
    assert!(!checked.whole);
    assert!(checked.references.len() <= document::MOST);
    for named in &checked.references {
        let Outcome::Unknown(unknown) = &named.seen.outcome else {
            panic!("nobody can know {:?}", named.found.written);
        };
        let refused = unknown.kind == Some(ErrorKind::InsecureRegistry);
        assert!(refused || unknown.why == UnknownReason::NotAllowed);
    }
    assert_eq!(registry.lines(), [""; 0]);
}

#[tokio::test]
async fn what_is_no_document_of_ours_names_nothing() {
    let service = service("", None);
    let check = |name, text: &str| {
        let (state, text) = (Arc::clone(&service.state), text.to_owned());
        async move { check(&state, 0, name, text, Lookup::Full).await }
    };
    assert!(check("a.txt", "a.io/b:1").await.unwrap().is_none());
    let long = "x".repeat(document::LONGEST + 1);
    let error = check("a.yaml", &long).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParams);
}

#[tokio::test]
async fn what_cannot_be_asked_about_is_told() {
    let service = service("", None);
    let text = wadm(["file:///etc/passwd".into(), "echo:1".into()]);
    let checked = check(&service.state, 0, "a.yaml", text, Lookup::Full);
    let checked = checked.await.unwrap().unwrap();
    let whys = checked
        .references
        .iter()
        .map(|named| match &named.seen.outcome {
            Outcome::Unknown(unknown) => (unknown.why, unknown.kind),
            Outcome::Judged(_) => panic!("nobody judged it"),
        });
    let whys: Vec<_> = whys.collect();
    let malformed = Some(ErrorKind::InvalidReference);
    assert_eq!(
        whys,
        [
            (UnknownReason::NotAllowed, None),
            (UnknownReason::Failed, malformed)
        ]
    );
}

/// What a method answers, once it is told whether documents are judged again.
async fn call(service: &Service, method: &str, params: Value, judges_again: bool) -> Value {
    let changes = changes(&service.state);
    let params = to_raw_value(&params).unwrap();
    let caller = Arc::new(Caller::new());
    let id = serde_json::from_value(json!(1)).unwrap();
    let answer = match service.call(&caller, id, method, Some(&params)) {
        Answer::Now(answer) => answer,
        Answer::Later(pending) => pending.response.await,
    };
    let mut answer: Value = serde_json::from_str(answer.get()).unwrap();
    assert!(answer.get("error").is_none(), "{method}: {answer}");
    assert_eq!(changes.has_changed().unwrap(), judges_again, "{method}");
    answer["result"].take()
}

#[tokio::test]
async fn documents_are_judged_again_when_verdicts_may_have_changed() {
    let service = service("", None);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo.wasm");
    fs::write(&path, module()).unwrap();
    let account = Signer::default().account;
    let params = json!({"path": path, "account": account.public_key()});
    let prepared = call(&service, "sign/prepare", params, false).await;
    let input = prepared["signingInput"].as_str().unwrap();
    let signature = base64(&account.sign(input.as_bytes()).unwrap());
    let params = json!({"path": path, "signingInput": input, "signature": signature});
    call(&service, "sign/complete", params, true).await;
    let layout = format!("oci:{}:1", folder.path().join("layout").display());
    let params = json!({"path": path, "reference": layout});
    call(&service, "push", params, true).await;
    let to = folder.path().join("pulled.wasm");
    let params = json!({"reference": layout, "destination": to});
    call(&service, "pull", params, true).await;
    call(&service, "verify", json!({"path": path}), false).await;
    // Its answer to `/v2/` says that it takes the login.
    let registry = Faulty::start(|_, _| faulty::Answer::new(200));
    let registry = registry.name();
    let login = json!({"registry": registry, "username": "ann", "password": "x"});
    call(&service, "session/login", login, true).await;
    call(
        &service,
        "session/logout",
        json!({"registry": registry}),
        true,
    )
    .await;
    call(
        &service,
        "session/logout",
        json!({"registry": registry}),
        true,
    )
    .await;
    let before = changes(&service.state);
    allow(&service.state, "registry.example").unwrap();
    assert!(before.has_changed().unwrap());
}
