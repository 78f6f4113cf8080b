//! The specification, the document and the types say the same.

#![allow(missing_docs)]

use std::{fs, path::Path};
use vouch_protocol::{ErrorKind, METHODS, NOTIFICATIONS, openrpc};

fn beside(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn openrpc_json_is_what_the_types_say() {
    let path = beside("openrpc.json");
    let mut fresh = serde_json::to_string_pretty(&openrpc::document()).expect("it is JSON");
    fresh.push('\n');
    if std::env::var_os("VOUCH_WRITE_OPENRPC").is_some() {
        fs::write(&path, &fresh).expect("openrpc.json can be written");
    }
    let stored = fs::read_to_string(&path).expect("openrpc.json can be read");
    assert!(
        stored == fresh,
        "protocol/openrpc.json is stale: run the tests once with VOUCH_WRITE_OPENRPC=1"
    );
}

#[test]
fn every_listed_method_is_in_the_document_and_no_other() {
    let document = openrpc::document();
    let names: Vec<&str> = document["methods"]
        .as_array()
        .expect("methods are a list")
        .iter()
        .filter_map(|method| method["name"].as_str())
        .collect();
    assert_eq!(names, METHODS);
}

#[test]
fn the_specification_names_every_method_error_and_parameter() {
    let specification = fs::read_to_string(beside("README.md")).expect("README.md can be read");
    for name in METHODS.iter().chain(NOTIFICATIONS) {
        let heading = format!("### `{name}`");
        assert!(specification.contains(&heading), "no section {heading}");
    }
    for kind in ErrorKind::ALL {
        let retryable = if kind.retryable() { "yes" } else { "no" };
        let row = format!(
            "| `{}` | {} | {retryable} | {} |",
            kind.name(),
            kind.code(),
            kind.meaning()
        );
        assert!(specification.contains(&row), "no row\n{row}");
    }
    let document = openrpc::document();
    for method in document["methods"].as_array().into_iter().flatten() {
        let name = method["name"].as_str().expect("a method has a name");
        let heading = format!("### `{name}`");
        let section = specification
            .split_once(&heading)
            .map(|(_, rest)| rest.split("\n### ").next().unwrap_or(rest))
            .expect("checked above");
        for parameter in method["params"].as_array().into_iter().flatten() {
            let parameter = parameter["name"].as_str().expect("a parameter has a name");
            assert!(
                section.contains(&format!("`{parameter}`")),
                "{heading} does not tell of `{parameter}`"
            );
        }
    }
}
