//! Bundles that the service remembers: documents are judged by them when nobody is asked any more.

use super::{
    published::{over, trust},
    *,
};
use vouch_testing::{publisher::Publisher, registry::Registry};

#[test]
fn what_lies_beside_an_artifact_is_remembered_and_judged_anew() {
    let own = Sigstore::default();
    let registry = Registry::open();
    let service = published::service(&own, &registry.name());
    let publisher = Publisher::new(&registry.name(), "acme/echo");
    let good = publisher.artifact("1", &module());
    publisher.bundles(&good, &[over(&own, &good, "acme/echo")]);
    let text = format!(
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nspec:\n  components:\n  - properties: {{image: \"{}/acme/echo:1\"}}\n",
        registry.name()
    );
    let mut client = service.connect();
    let mut judged = |lookup: &str| {
        let params = json!({"uri": "a.yaml", "text": text, "lookup": lookup});
        let answer = client.call("document/check", &params).unwrap();
        answer["references"][0].clone()
    };
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
