//! Bundles that the service remembers: documents are judged by them when nobody is asked any more.

use super::{
    published::{over, trust},
    *,
};
use vouch_testing::{daemon::push, publisher::Publisher, registry::Registry, wire::Wire};

/// What is said of `acme/echo:1`, where a document names it.
fn judged(client: &mut Wire, registry: &str, lookup: &str) -> Value {
    let text = format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nspec:\n  components:\n  - properties: {{image: \"{registry}/acme/echo:1\"}}\n"
    );
    let params = json!({"uri": "a.yaml", "text": text, "lookup": lookup});
    let answer = client.call("document/check", &params).unwrap();
    answer["references"][0].clone()
}

#[test]
fn what_lies_beside_an_artifact_is_remembered_and_judged_anew() {
    let own = Sigstore::default();
    let registry = Registry::open();
    let service = published::service(&own, &registry.name());
    let publisher = Publisher::new(&registry.name(), "acme/echo");
    let good = publisher.artifact("1", &module());
    publisher.bundles(&good, &[over(&own, &good, "acme/echo")]);
    let mut client = service.connect();
    let name = registry.name();
    let mut judged = |lookup: &str| judged(&mut client, &name, lookup);
    assert_eq!(judged("memory")["why"], "notRemembered");
    // A rule names the registry: it may be asked.
    let verification = judged("allowed")["verification"].take();
    assert_eq!(verification["trust"]["signer"], "release", "{verification}");
    drop(registry);
    for lookup in ["memory", "allowed"] {
        let verification = judged(lookup)["verification"].take();
        assert_eq!(
            verification["signature"]["method"], "sigstore",
            "{verification}"
        );
    }
    // Facts are remembered, and no decisions.
    let gone = trust(&publisher.registry).replace("refs = ", "revoked = true\n    refs = ");
    service.reconfigure(&gone);
    // Beside the bundle that sufficed there may be others, which nobody has looked for.
    assert_eq!(judged("memory")["why"], "notRemembered");
}

/// The same manifest, first without its bundle: as a tool leaves it that copies no signatures.
#[test]
fn a_push_forgets_that_there_was_nothing_beside_it() {
    let own = Sigstore::default();
    let registry = Registry::open();
    let name = registry.name();
    let service = published::service(&own, &name);
    let mut client = service.connect();
    let path = service.path("echo.wasm");
    fs::write(&path, module()).unwrap();
    let bundle = own.bundle(&Spec::workflow(Over::Bytes(module()), "acme/echo"));
    fs::write(service.path("echo.wasm.sigstore.json"), bundle.to_string()).unwrap();
    let from = Publisher::new(&name, "acme/source");
    push(&mut client, &path, &format!("{name}/acme/source:1")).unwrap();
    let (_, manifest) = from.get("manifests/1");
    let parsed: Value = serde_json::from_slice(&manifest).unwrap();
    let config = parsed["config"]["digest"].as_str().unwrap();
    let to = Publisher::new(&name, "acme/echo");
    to.blob(&from.get(&format!("blobs/{config}")).1);
    to.blob(&module());
    to.tag("1", &manifest);

    let reference = format!("{name}/acme/echo:1");
    let unsigned = |judged: Value| {
        let kind = &judged["verification"]["refusal"]["kind"];
        assert_eq!(*kind, "unsigned", "{judged}");
    };
    unsigned(judged(&mut client, &name, "allowed"));
    // A look at whether a push would do changes nothing.
    let asked = client.call("verify", &json!({"path": path, "pushTo": reference}));
    assert_eq!(asked.unwrap()["verdict"], "accepted");
    unsigned(judged(&mut client, &name, "allowed"));
    let pushed = push(&mut client, &path, &reference).unwrap();
    let judged = judged(&mut client, &name, "allowed");
    assert_eq!(judged["verification"]["verdict"], "accepted", "{judged}");
    assert_eq!(judged["digest"], pushed["digest"]);
}
