//! Whole documents, by the method's own way.

use super::*;
use crate::service::look_up::tests::{allowing, serves, service, signed};
use std::fmt::Write;

/// A document that names these.
fn wadm(images: impl IntoIterator<Item = String>) -> Arc<str> {
    let mut text =
        String::from("apiVersion: core.oam.dev/v1beta1\nkind: Application\nspec:\n  components:\n");
    for image in images {
        writeln!(text, "  - properties: {{image: \"{image}\"}}").unwrap();
    }
    text.into()
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
        let (state, text) = (Arc::clone(&service.state), text.into());
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
