//! What a statement says of how its subject was built: SLSA's provenance, version 1.
//!
//! It is read once the signature held, and it is its signer's word all the same: nothing is decided
//! by it. A predicate may be of any form; what of it is not as expected is left out.

use crate::error::clean;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use vouch_protocol::{Dependency, Provenance};

/// What provenance is called.
pub(super) const PREDICATE: &str = "https://slsa.dev/provenance/v1";
/// The most parameters, dependencies and digests of one that are told.
const MOST: usize = 16;
/// How deep parameters are looked at.
const DEEPEST: usize = 4;

/// Of a statement's text, which is plain JSON within bounds.
pub(super) fn read(statement: &[u8]) -> Option<Provenance> {
    #[derive(Deserialize)]
    struct Statement {
        predicate: Value,
    }
    let statement: Statement = serde_json::from_slice(statement).ok()?;
    let predicate = &statement.predicate;
    let at = |pointer: &str| predicate.pointer(pointer);
    let text = |pointer: &str| at(pointer).and_then(told);
    let mut left_out = 0;
    let mut parameters = BTreeMap::new();
    if let Some(given) = at("/buildDefinition/externalParameters") {
        flatten(String::new(), given, 0, &mut parameters, &mut left_out);
    }
    let dependencies = at("/buildDefinition/resolvedDependencies").and_then(Value::as_array);
    let dependencies = dependencies.map(Vec::as_slice).unwrap_or_default();
    left_out += dependencies.len().saturating_sub(MOST) as u64;
    let dependencies = dependencies.iter().take(MOST).map(dependency);
    Some(Provenance {
        builder: text("/runDetails/builder/id"),
        build_type: text("/buildDefinition/buildType"),
        parameters,
        dependencies: dependencies.collect(),
        left_out: (left_out > 0).then_some(left_out),
    })
}

/// A value that is neither a list nor an object, as far as it can be shown.
fn told(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(clean(text)),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The values in another one, by the names that lead there, with dots between.
fn flatten(
    name: String,
    value: &Value,
    depth: usize,
    into: &mut BTreeMap<String, String>,
    left_out: &mut u64,
) {
    let inside: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            let named = members.iter().map(|(key, value)| (clean(key), value));
            named.collect()
        }
        Value::Array(values) => {
            let named = values.iter().enumerate();
            named.map(|(at, value)| (at.to_string(), value)).collect()
        }
        Value::Null => return,
        value => {
            match told(value) {
                Some(text) if into.len() < MOST => drop(into.insert(name, text)),
                _ => *left_out += 1,
            }
            return;
        }
    };
    if depth == DEEPEST {
        *left_out += 1;
        return;
    }
    for (key, value) in inside {
        if into.len() == MOST {
            *left_out += 1;
            continue;
        }
        let name = match &*name {
            "" => key,
            name => format!("{name}.{key}"),
        };
        flatten(name, value, depth + 1, into, left_out);
    }
}

fn dependency(value: &Value) -> Dependency {
    let digests = value.get("digest").and_then(Value::as_object);
    let digests = digests.into_iter().flatten().take(MOST);
    Dependency {
        uri: value.get("uri").and_then(told),
        digests: digests
            .filter_map(|(algorithm, digest)| Some((clean(algorithm), told(digest)?)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read_of(predicate: &Value) -> Provenance {
        read(json!({"predicate": predicate}).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn what_github_attests_is_told() {
        let found = read_of(&json!({
            "buildDefinition": {
                "buildType": "https://actions.github.io/buildtypes/workflow/v1",
                "externalParameters": {"workflow": {
                    "ref": "refs/tags/v1", "repository": "https://github.com/acme/echo",
                    "path": ".github/workflows/release.yml"}},
                "internalParameters": {"github": {"event_name": "push"}},
                "resolvedDependencies": [{
                    "uri": "git+https://github.com/acme/echo@refs/tags/v1",
                    "digest": {"gitCommit": "c0ffee"}}]},
            "runDetails": {
                "builder": {"id": "https://github.com/actions/runner/github-hosted"},
                "metadata": {"invocationId": "https://github.com/acme/echo/actions/runs/1"}},
        }));
        assert_eq!(
            serde_json::to_value(&found).unwrap(),
            json!({
                "builder": "https://github.com/actions/runner/github-hosted",
                "buildType": "https://actions.github.io/buildtypes/workflow/v1",
                "parameters": {
                    "workflow.ref": "refs/tags/v1",
                    "workflow.repository": "https://github.com/acme/echo",
                    "workflow.path": ".github/workflows/release.yml"},
                "dependencies": [{
                    "uri": "git+https://github.com/acme/echo@refs/tags/v1",
                    "digests": {"gitCommit": "c0ffee"}}],
            })
        );
    }

    #[test]
    fn what_is_odd_is_left_out_and_what_is_much_is_cut() {
        let nothing = Provenance::default();
        let check = |predicate: Value, expected: &Provenance| {
            assert_eq!(&read_of(&predicate), expected, "{predicate}");
        };
        for odd in [json!(null), json!([]), json!("x"), json!(1), json!({})] {
            check(odd.clone(), &nothing);
            check(json!({"buildDefinition": odd, "runDetails": odd}), &nothing);
            check(json!({"runDetails": {"builder": odd}}), &nothing);
        }
        check(json!({"runDetails": {"builder": {"id": [1]}}}), &nothing);
        let mut deep = json!("x");
        for _ in 0..100 {
            deep = json!([deep]);
        }
        let wide: Vec<_> = (0..1000).collect();
        let long = "\u{1b}[2J".repeat(500);
        for much in [
            deep,
            json!(wide),
            json!({"a": {"b": wide}}),
            json!([wide, wide]),
        ] {
            let found = read_of(&json!({"buildDefinition": {"externalParameters": much}}));
            assert!(found.parameters.len() <= MOST, "{found:?}");
            assert!(found.left_out.is_some(), "{found:?}");
        }
        let names: Value = json!({long.clone(): {long.clone(): long.clone()}});
        let digests: BTreeMap<_, _> = (0..20).map(|n| (n.to_string(), long.clone())).collect();
        let found = read_of(&json!({
            "buildDefinition": {
                "buildType": long,
                "externalParameters": names,
                "resolvedDependencies": vec![json!({"uri": long, "digest": digests}); 20]},
        }));
        let told = serde_json::to_string(&found).unwrap();
        assert!(told.len() < 200_000, "{}", told.len());
        assert!(!told.contains("\\u001b"), "no control character is told");
        assert_eq!((found.dependencies.len(), found.left_out), (MOST, Some(4)));
    }
}
