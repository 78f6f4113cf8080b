//! The specification, the document and the types say the same.

#![allow(missing_docs, clippy::expect_used)]

use serde_json::Value;
use std::{collections::BTreeSet, fs, path::Path};
use vouch_protocol::{
    Cancel, Discover, ErrorData, ErrorKind, Exit, Initialize, Initialized, Inspect, METHODS,
    Method, NOTIFICATIONS, Notification, Progress, Pull, Push, SERVER_NOTIFICATIONS, ServerRestart,
    ServerStatus, ServerStop, SessionList, SessionLogin, SessionLogout, Shutdown, Tags, Verify,
    openrpc,
};

fn beside(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn specification() -> String {
    fs::read_to_string(beside("README.md")).expect("README.md can be read")
}

/// What stands below a heading, up to the next one.
fn section(specification: &str, heading: &str) -> String {
    let (_, rest) = specification
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no section {heading}"));
    let end = [rest.find("\n## "), rest.find("\n### ")]
        .into_iter()
        .flatten()
        .min();
    rest[..end.unwrap_or(rest.len())].to_owned()
}

/// The examples in JSON.
fn examples(text: &str) -> Vec<Value> {
    text.split("```json\n")
        .skip(1)
        .map(|block| {
            let block = block.split("```").next().unwrap_or(block);
            serde_json::from_str(block).unwrap_or_else(|error| panic!("{error} in\n{block}"))
        })
        .collect()
}

fn methods(document: &Value) -> &Vec<Value> {
    document["methods"].as_array().expect("methods are a list")
}

fn name(object: &Value) -> &str {
    object["name"].as_str().expect("it has a name")
}

/// Calls `visit` with every member of every object.
fn walk(value: &Value, visit: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                visit(name, value);
                walk(value, visit);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
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
    let names: Vec<&str> = methods(&document).iter().map(name).collect();
    let declared: Vec<&str> = METHODS.iter().map(|method| method.name).collect();
    assert_eq!(names, declared);
}

#[test]
fn references_within_the_document_lead_somewhere_and_nothing_is_left_over() {
    let document = openrpc::document();
    let mut named = BTreeSet::new();
    walk(&document, &mut |member, value| {
        if member == "$ref" {
            let target = value.as_str().expect("a reference is a string");
            let pointer = target.strip_prefix('#').expect("it stays in the document");
            assert!(document.pointer(pointer).is_some(), "{target} dangles");
            named.insert(pointer.to_owned());
        }
    });
    for kind in ["schemas", "errors"] {
        let components = document["components"][kind].as_object();
        for component in components.expect("there are some").keys() {
            let pointer = format!("/components/{kind}/{component}");
            assert!(named.contains(&pointer), "nothing names {pointer}");
        }
    }
}

#[test]
fn optional_params_follow_the_required_ones() {
    // OpenRPC 1.3.2, "Method Object", `params`.
    for method in methods(&openrpc::document()) {
        let required: Vec<bool> = method["params"]
            .as_array()
            .expect("params are a list")
            .iter()
            .map(|parameter| parameter["required"] == true)
            .collect();
        assert!(
            required.is_sorted_by(|before, after| before >= after),
            "{}",
            name(method)
        );
    }
}

#[test]
fn the_specification_names_every_method_error_and_parameter() {
    let specification = specification();
    let methods_named = METHODS.iter().map(|method| &method.name);
    for name in methods_named
        .chain(NOTIFICATIONS)
        .chain(SERVER_NOTIFICATIONS)
    {
        section(&specification, &format!("### `{name}`"));
    }
    for kind in ErrorKind::ALL {
        let class = match (kind.is_refusal(), kind.retryable()) {
            (true, _) => "refusal",
            (false, true) => "retry",
            (false, false) => "",
        };
        let row = format!(
            "| `{}` | {} | {class} | {} |",
            kind.name(),
            kind.code(),
            kind.meaning()
        );
        assert!(specification.contains(&row), "no row\n{row}");
    }
    for method in methods(&openrpc::document()) {
        let heading = format!("### `{}`", name(method));
        let section = section(&specification, &heading);
        for parameter in method["params"].as_array().into_iter().flatten() {
            let row = format!("| `{}` |", name(parameter));
            assert!(section.contains(&row), "{heading} has no row {row}");
        }
    }
}

#[test]
fn the_specification_names_every_member_of_a_result() {
    let specification = specification();
    let document = openrpc::document();
    let resolve = |schema: &Value| match schema["$ref"].as_str() {
        Some(target) => document.pointer(&target[1..]).expect(target).clone(),
        None => schema.clone(),
    };
    let verification = section(&specification, "## Verification");
    for method in methods(&document) {
        let heading = format!("### `{}`", name(method));
        let section = section(&specification, &heading);
        let result = resolve(&method["result"]["schema"]);
        for member in result["properties"].as_object().into_iter().flatten() {
            let row = format!("| `{}` |", member.0);
            assert!(section.contains(&row), "{heading} has no row {row}");
        }
    }
    let check = |schema: &Value, section: &str| {
        walk(schema, &mut |member, value| {
            let properties = value.as_object().filter(|_| member == "properties");
            for property in properties.into_iter().flat_map(|object| object.keys()) {
                let word = format!("`{property}`");
                assert!(section.contains(&word), "{word} is nowhere");
            }
        });
    };
    let schemas = &document["components"]["schemas"];
    for verdict in ["Verification", "Artifact", "Claims", "Trust", "Refusal"] {
        assert!(schemas[verdict].is_object(), "{verdict}");
        check(&schemas[verdict], &verification);
    }
    check(&schemas["ErrorData"], &section(&specification, "## Errors"));
    check(schemas, &specification);
}

#[test]
fn the_examples_are_what_the_types_say() {
    fn request<M: Method>(specification: &str) {
        let section = section(specification, &format!("### `{}`", M::NAME));
        let [request, answer]: [Value; 2] = examples(&section)
            .try_into()
            .unwrap_or_else(|_| panic!("{} has other than two examples", M::NAME));
        assert_eq!(request["method"], M::NAME);
        assert_eq!(request["id"], answer["id"]);
        if let Some(params) = request.get("params") {
            serde_json::from_value::<M::Params>(params.clone()).expect(M::NAME);
        }
        let result = &answer["result"];
        let read: M::Result = serde_json::from_value(result.clone()).expect(M::NAME);
        // Nothing in the example is unknown to the types.
        assert_eq!(&serde_json::to_value(read).expect(M::NAME), result);
    }
    fn notification<N: Notification>(specification: &str) {
        let section = section(specification, &format!("### `{}`", N::NAME));
        let example = examples(&section).remove(0);
        assert_eq!(example["method"], N::NAME);
        assert!(example.get("id").is_none());
        if let Some(params) = example.get("params") {
            serde_json::from_value::<N::Params>(params.clone()).expect(N::NAME);
        }
    }
    let specification = specification();
    request::<Initialize>(&specification);
    request::<Shutdown>(&specification);
    request::<Verify>(&specification);
    request::<Inspect>(&specification);
    request::<Push>(&specification);
    request::<Pull>(&specification);
    request::<Tags>(&specification);
    request::<SessionLogin>(&specification);
    request::<SessionLogout>(&specification);
    request::<SessionList>(&specification);
    request::<ServerStatus>(&specification);
    request::<ServerRestart>(&specification);
    request::<ServerStop>(&specification);
    request::<Discover>(&specification);
    notification::<Initialized>(&specification);
    notification::<Exit>(&specification);
    notification::<Cancel>(&specification);
    notification::<Progress>(&specification);

    let error = &examples(&section(&specification, "## Errors"))[0]["error"];
    let data: ErrorData = serde_json::from_value(error["data"].clone()).expect("error data");
    assert_eq!(error["code"], data.kind.code());
    assert_eq!(data.retryable, data.kind.retryable());
}

#[test]
fn the_examples_on_the_wire_have_the_lengths_that_they_say() {
    let mut seen = 0;
    for line in specification().lines() {
        let Some((headers, body)) = line.split_once(r"\r\n\r\n{") else {
            continue;
        };
        let length = headers
            .to_ascii_lowercase()
            .split_once("content-length: ")
            .map(|(_, length)| length.to_owned());
        let Some(length) = length.filter(|_| line.starts_with(['<', '>'])) else {
            continue;
        };
        assert_eq!(length, (body.len() + 1).to_string(), "{line}");
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[test]
fn the_links_of_the_specification_lead_somewhere() {
    let specification = specification();
    let anchors: BTreeSet<String> = specification
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches(['#', ' '])
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect();
    for link in specification.split("](#").skip(1) {
        let anchor = link.split(')').next().unwrap_or(link);
        assert!(anchors.contains(anchor), "#{anchor} leads nowhere");
    }
}
