//! The OpenRPC document, made of the types. `tests/document.rs` holds `openrpc.json` to it.

use crate::{
    Discover, ErrorKind, Initialize, Method, PROTOCOL_VERSION, Pull, Push, ServerStatus,
    ServerStop, Shutdown, Verify,
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// Makes the document: <https://spec.open-rpc.org/>, version 1.3.2.
pub fn document() -> Value {
    let mut generator = SchemaSettings::draft07()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let methods = vec![
        method::<Initialize>(
            &mut generator,
            "Introduces client and server to each other.",
        ),
        method::<Shutdown>(
            &mut generator,
            "Takes no more requests from this connection.",
        ),
        method::<Verify>(&mut generator, "Judges an artifact by the signature rule."),
        method::<Push>(&mut generator, "Verifies a file and publishes it."),
        method::<Pull>(
            &mut generator,
            "Fetches an artifact, verifies it and places it.",
        ),
        method::<ServerStatus>(&mut generator, "Tells what the server is doing."),
        method::<ServerStop>(&mut generator, "Stops the server."),
        method::<Discover>(&mut generator, "Answers this document."),
    ];
    let errors: Map<String, Value> = ErrorKind::ALL
        .iter()
        .map(|kind| {
            let error = json!({
                "code": kind.code(),
                "message": kind.meaning(),
                "data": { "kind": kind.name(), "retryable": kind.retryable() },
            });
            (kind.name().to_owned(), error)
        })
        .collect();
    json!({
        "openrpc": "1.3.2",
        "info": { "title": "vouchd", "version": PROTOCOL_VERSION, "license": { "name": "Apache-2.0" } },
        "methods": methods,
        "components": { "schemas": generator.take_definitions(true), "errors": errors },
    })
}

fn method<M>(generator: &mut SchemaGenerator, summary: &str) -> Value
where
    M: Method<Params: JsonSchema, Result: JsonSchema>,
{
    let schema = M::Params::json_schema(generator);
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let params: Vec<Value> = schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, schema)| {
            json!({ "name": name, "required": required.contains(&name.as_str()), "schema": schema })
        })
        .collect();
    json!({
        "name": M::NAME,
        "summary": summary,
        "paramStructure": "by-name",
        "params": params,
        "result": { "name": "result", "schema": generator.subschema_for::<M::Result>() },
        "errors": errors_of(M::NAME),
    })
}

/// Which errors a method may answer beyond those that any request may meet.
fn errors_of(method: &str) -> Vec<Value> {
    let moves = matches!(method, "push" | "pull");
    let looks = moves || method == "verify";
    ErrorKind::ALL
        .iter()
        .filter(|kind| match kind.code() {
            1101..=1199 => moves,
            1000..=1499 => looks,
            1503 => method == "initialize",
            _ => true,
        })
        .map(|kind| json!({ "$ref": format!("#/components/errors/{}", kind.name()) }))
        .collect()
}
