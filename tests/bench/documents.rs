//! A document of 200 references, all of which are known.

use super::{Daemon, ROUNDS, row, timed};
use serde_json::{Value, json};
use std::{fmt::Write, time::Duration};
use vouch_testing::{
    forge::{Signer, module},
    publisher::Publisher,
    registry::Registry,
};

const REFERENCES: usize = 200;

pub(crate) fn known() {
    let registry = Registry::open();
    let publisher = Publisher::new(&registry.name(), "acme/echo");
    let signed = Signer::default().wasm(&module());
    let mut text =
        String::from("apiVersion: core.oam.dev/v1beta1\nkind: Application\nspec:\n  components:\n");
    for tag in 0..REFERENCES {
        publisher.artifact(&tag.to_string(), &signed);
        let image = format!("{}/acme/echo:{tag}", registry.name());
        writeln!(text, "  - properties: {{image: {image}}}").expect("a text takes it");
    }
    let daemon = Daemon::configured("", &[]);
    let mut client = daemon.connect();
    let mut check = |lookup: &str| {
        let params = json!({"uri": "a.yaml", "text": text, "lookup": lookup});
        let mut answer = Value::Null;
        let time = timed(|| answer = client.call("document/check", &params).unwrap());
        let references = answer["references"].as_array().unwrap();
        assert_eq!(references.len(), REFERENCES);
        for reference in references {
            let verdict = &reference["verification"]["verdict"];
            assert_eq!(verdict, "accepted", "{lookup}: {reference}");
        }
        time
    };
    let first = check("full");
    let known = (0..ROUNDS).map(|_| check("memory")).min();
    let known = known.unwrap_or(Duration::MAX);
    let measured = format!("{known:.1?} (asked about: {first:.1?})");
    row(
        "document/check, 200 references that are known",
        "20 ms",
        &measured,
    );
}
