//! The `OpenRPC` document, made of the types. `tests/document.rs` holds `openrpc.json` to it.

use crate::{
    Discover, ErrorData, ErrorKind, Initialize, Method, PROTOCOL_VERSION, ProgressParams, Pull,
    Push, ServerRestart, ServerStatus, ServerStop, SessionList, SessionLogin, SessionLogout,
    Shutdown, Verify,
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// Makes the document: <https://spec.open-rpc.org/>, version 1.3.2.
pub fn document() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    // A member with a default may be left out of params, but is always in a result.
    let mut params = settings.clone().for_deserialize().into_generator();
    let mut results = settings.for_serialize().into_generator();
    let mut schemas = Schemas {
        params: &mut params,
        results: &mut results,
    };
    let methods = vec![
        schemas.method::<Initialize>("Introduces client and server to each other."),
        schemas.method::<Shutdown>("Takes no more requests from this connection."),
        schemas.method::<Verify>(
            "Judges an artifact by the signature rule. Needs either `path` or `reference`.",
        ),
        schemas.method::<Push>("Verifies a file and publishes it."),
        schemas.method::<Pull>("Fetches an artifact, verifies it and places it."),
        schemas.method::<SessionLogin>(
            "Checks a login with its registry and keeps it. Needs `identityToken`, or `username` and `password`.",
        ),
        schemas.method::<SessionLogout>("Forgets a login and ends what is under way with it."),
        schemas.method::<SessionList>("Lists the logins that are kept or in use."),
        schemas.method::<ServerStatus>("Tells what the server is doing."),
        schemas.method::<ServerRestart>(
            "Has a new process of the installed program take over, without refusing anybody.",
        ),
        schemas.method::<ServerStop>("Stops the server."),
        schemas.method::<Discover>("Answers this document."),
    ];
    let error_data = results.subschema_for::<ErrorData>();
    let progress = results.subschema_for::<ProgressParams>();
    let mut definitions = params.take_definitions(true);
    definitions.append(&mut results.take_definitions(true));
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
    let mut document = json!({
        "openrpc": "1.3.2",
        "info": { "title": "vouchd", "version": PROTOCOL_VERSION, "license": { "name": "Apache-2.0" } },
        "methods": methods,
        "components": { "schemas": definitions, "errors": errors },
        // `OpenRPC` has no schema for errors, so this is where a generator finds it.
        "x-errorData": error_data,
        // Nor for what a server sends unasked: the params of `$/progress`.
        "x-progress": progress,
    });
    unwrap_descriptions(&mut document);
    document
}

struct Schemas<'a> {
    params: &'a mut SchemaGenerator,
    results: &'a mut SchemaGenerator,
}

impl Schemas<'_> {
    fn method<M>(&mut self, summary: &str) -> Value
    where
        M: Method<Params: JsonSchema, Result: JsonSchema>,
    {
        let schema = M::Params::json_schema(self.params);
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        // `OpenRPC`: optional params stand after the required ones.
        let (mut params, optional): (Vec<_>, Vec<_>) = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, schema)| {
                let required = required.contains(&name.as_str());
                (
                    required,
                    json!({ "name": name, "required": required, "schema": schema }),
                )
            })
            .partition(|(required, _)| *required);
        params.extend(optional);
        let params: Vec<Value> = params.into_iter().map(|(_, param)| param).collect();
        json!({
            "name": M::NAME,
            "summary": summary,
            "paramStructure": "by-name",
            "params": params,
            "result": { "name": "result", "schema": self.results.subschema_for::<M::Result>() },
            "errors": errors_of(M::NAME),
        })
    }
}

/// Which errors a method may answer.
fn errors_of(method: &str) -> Vec<Value> {
    ErrorKind::ALL
        .iter()
        .filter(|kind| match (kind, kind.code()) {
            (ErrorKind::RestartFailed, _) => method == "server/restart",
            (ErrorKind::UnsupportedProtocol, _) => method == "initialize",
            (ErrorKind::TargetNotFound | ErrorKind::DestinationExists, _) => method == "pull",
            // `verify` answers these as a result.
            (ErrorKind::UnknownArtifact | ErrorKind::MalformedArtifact, _) | (_, 1101..=1199) => {
                matches!(method, "push" | "pull")
            }
            // What a check with a registry may meet, and what its name may be.
            (ErrorKind::InvalidReference, _) if method.starts_with("session/log") => true,
            (
                ErrorKind::RegistryUnreachable
                | ErrorKind::RegistryTimeout
                | ErrorKind::RegistryError
                | ErrorKind::RegistryRefused
                | ErrorKind::RateLimited
                | ErrorKind::InsecureRegistry
                | ErrorKind::Unauthorized
                | ErrorKind::Denied
                | ErrorKind::CredentialUnusable,
                _,
            ) if method == "session/login" => true,
            (_, 1000..=1499) => matches!(method, "verify" | "push" | "pull"),
            _ => true,
        })
        .map(|kind| json!({ "$ref": format!("#/components/errors/{}", kind.name()) }))
        .collect()
}

/// Doc comments break their lines and link to types; a document for programs does neither.
fn unwrap_descriptions(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "description" => {
                        *text = text
                            .replace('\n', " ")
                            .replace("[`", "`")
                            .replace("`]", "`");
                    }
                    value => unwrap_descriptions(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(unwrap_descriptions),
        _ => {}
    }
}
