//! The `OpenRPC` document, made from the declarations. `tests/document.rs` holds `openrpc.json` to it.
//!
//! It is written for generators of clients: every named schema has a title, an enum is one `enum`,
//! and whatever "Compatibility" in the specification lets a later server add is admitted by an open
//! arm, so that a generated client reads it.

use crate::{Declaration, ErrorData, ErrorKind, Method, Notification, PROTOCOL_VERSION};
use schemars::{
    JsonSchema, Schema, SchemaGenerator,
    generate::SchemaSettings,
    transform::{Transform, transform_subschemas},
};
use serde_json::{Map, Value, json};

/// Makes the document: <https://spec.open-rpc.org/>, version 1.3.2.
pub fn document() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    // A member with a default may be left out of params, but is always in a result.
    let mut schemas = Schemas {
        params: &mut settings.clone().for_deserialize().into_generator(),
        results: &mut settings.for_serialize().into_generator(),
    };
    let methods = schemas.methods();
    let notifications = schemas.notifications();
    let error_data = schemas.results.subschema_for::<ErrorData>();
    let mut definitions = schemas.params.take_definitions(true);
    definitions.append(&mut schemas.results.take_definitions(true));
    for (name, schema) in &mut definitions {
        if let Ok(schema) = <&mut Schema>::try_from(schema) {
            Generated { title: name }.transform(schema);
            schema.insert("title".into(), json!(name));
        }
    }
    let errors: Map<String, Value> = ErrorKind::ALL
        .iter()
        .map(|kind| {
            let mut error = json!({
                "code": kind.code(),
                "message": kind.meaning(),
                "data": { "kind": kind.name(), "retryable": kind.retryable() },
            });
            if kind.is_refusal() {
                error["data"]["x-refusal"] = json!(true);
            }
            (kind.name().to_owned(), error)
        })
        .collect();
    let mut document = json!({
        "openrpc": "1.3.2",
        "info": { "title": "vouchd", "version": PROTOCOL_VERSION, "license": { "name": "Apache-2.0" } },
        "methods": methods,
        "components": { "schemas": definitions, "errors": errors },
        // `OpenRPC` knows neither schemas of errors nor notifications: a generator finds them here.
        "x-errorData": error_data,
        "x-notifications": notifications,
    });
    unwrap_descriptions(&mut document);
    document
}

/// The schemas of what is sent to a server, and of what a server sends.
pub(crate) struct Schemas<'a> {
    params: &'a mut SchemaGenerator,
    results: &'a mut SchemaGenerator,
}

impl Schemas<'_> {
    pub(crate) fn method<M>(&mut self) -> Value
    where
        M: Method<Params: JsonSchema, Result: JsonSchema>,
    {
        let whole = self.params.subschema_for::<M::Params>();
        let title = title(M::NAME);
        let params = each(&M::Params::json_schema(self.params), &title);
        let result = self.results.subschema_for::<M::Result>();
        let result = named(result, &format!("{title}Result"));
        let declaration = Declaration::of::<M>();
        let errors = ErrorKind::ALL
            .iter()
            .filter(|kind| declaration.answers(**kind));
        let errors: Vec<Value> = errors
            .map(|kind| json!({ "$ref": format!("#/components/errors/{}", kind.name()) }))
            .collect();
        json!({
            "name": M::NAME,
            "summary": M::SUMMARY,
            "paramStructure": "by-name",
            "params": params,
            // All params as one object: what goes together, and that there are no others.
            "x-params": whole,
            "result": { "name": "result", "schema": result },
            "errors": errors,
        })
    }

    pub(crate) fn notification<N: Notification<Params: JsonSchema>>(
        &mut self,
        from: &str,
    ) -> Value {
        let schemas = match from {
            "server" => &mut *self.results,
            _ => &mut *self.params,
        };
        json!({
            "name": N::NAME,
            "summary": N::SUMMARY,
            "x-sentBy": from,
            "x-params": schemas.subschema_for::<N::Params>(),
        })
    }
}

/// The params of a method one by one, as `OpenRPC` has them. Where there are several forms, a param
/// is required if it is in each.
fn each(params: &Schema, method: &str) -> Vec<Value> {
    let forms = match params.get("oneOf").and_then(Value::as_array) {
        Some(forms) => forms.iter().collect(),
        None => vec![params.as_value()],
    };
    let is_required = |form: &Value, name: &str| {
        let required = form["required"].as_array();
        required.is_some_and(|names| names.iter().any(|required| required == name))
    };
    let mut each: Vec<(bool, Value)> = Vec::new();
    for (name, schema) in forms
        .iter()
        .filter_map(|form| form["properties"].as_object())
        .flatten()
    {
        if each.iter().all(|(_, param)| param["name"] != *name) {
            let required = forms.iter().all(|form| is_required(form, name));
            let schema = Schema::try_from(schema.clone()).unwrap_or_default();
            let schema = named(schema, &format!("{method}{}", title(name)));
            let param = json!({ "name": name, "required": required, "schema": schema });
            each.push((required, param));
        }
    }
    // `OpenRPC`: optional params stand after the required ones.
    each.sort_by_key(|(required, _)| !required);
    each.into_iter().map(|(_, param)| param).collect()
}

/// The same schema with a title, unless it is a reference: what it refers to has one.
fn named(mut schema: Schema, title: &str) -> Schema {
    if !schema.as_value()["$ref"].is_string() {
        schema.insert("title".into(), json!(title));
    }
    schema
}

/// A name on the wire as that of a type: `SessionLogin` of `session/login`.
fn title(name: &str) -> String {
    let words = name.split(['/', '.', '$']);
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    words.map(capital).collect()
}

/// Replaces an object by several: each has the members of one form, all required, and those that the
/// forms share. The first member of a form is its alone.
pub(crate) fn one_of(schema: &mut Schema, forms: &[&[&str]]) {
    let description = schema.remove("description");
    let whole = std::mem::take(schema).to_value();
    let objects: Vec<Value> = forms
        .iter()
        .map(|own| {
            let mut object = whole.clone();
            let foreign = |name: &str| {
                let mut others = forms.iter().filter(|other| *other != own);
                others.any(|other| other.first() == Some(&name))
            };
            if let Some(properties) = object["properties"].as_object_mut() {
                properties.retain(|name, _| !foreign(name));
                for name in *own {
                    if let Some(member) = properties.get_mut(*name) {
                        // Not null.
                        member["type"] = json!("string");
                    }
                }
            }
            let mut required = object["required"].as_array().cloned().unwrap_or_default();
            required.extend(own.iter().map(|name| json!(name)));
            object["required"] = json!(required);
            object["title"] = json!(own.first().map(|name| title(name)));
            object
        })
        .collect();
    schema.insert("oneOf".into(), json!(objects));
    if let Some(description) = description {
        schema.insert("description".into(), description);
    }
}

/// Makes of what is derived what generators of clients take: see the module.
struct Generated<'a> {
    title: &'a str,
}

impl Transform for Generated<'_> {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(Value::Array(arms)) = schema.remove("oneOf") else {
            return;
        };
        let title = self.title;
        let constant = |arm: &Value| arm["const"].as_str().map(ToOwned::to_owned);
        let mut words = Vec::new();
        let mut meanings = Vec::new();
        for arm in &arms {
            // Words without a meaning of their own come together.
            let together = arm["enum"].as_array().cloned().unwrap_or_default();
            for word in constant(arm).map(Value::from).into_iter().chain(together) {
                words.push(word);
                meanings.push(arm["description"].clone());
            }
        }
        if !words.is_empty() {
            let known = json!({
                "title": format!("Known{title}"),
                "type": "string",
                "enum": words,
                "x-enumDescriptions": meanings,
            });
            let later = json!({ "title": format!("Later{title}"), "type": "string" });
            schema.insert("anyOf".into(), json!([known, later]));
            return;
        }
        // The member whose constant tells the arms apart, where one does.
        let tag = arms.first().and_then(|arm| {
            let properties = arm["properties"].as_object()?;
            let tagged = properties
                .iter()
                .find(|(_, kind)| kind["const"].is_string())?;
            Some(tagged.0.clone())
        });
        let Some(tag) = tag else {
            let named = arms.into_iter().map(|mut arm| {
                let form = arm["title"].as_str().unwrap_or_default();
                arm["title"] = json!(format!("{title}Of{form}"));
                arm
            });
            schema.insert("oneOf".into(), named.collect());
            return;
        };
        let mut arms: Vec<Value> = arms
            .into_iter()
            .map(|mut arm| {
                let word = arm["properties"][&tag]["const"].take();
                arm["title"] = json!(format!(
                    "{title}{}",
                    self::title(word.as_str().unwrap_or_default())
                ));
                arm["properties"][&tag] = json!({ "type": "string", "enum": [word] });
                arm
            })
            .collect();
        arms.push(json!({
            "title": format!("Later{title}"),
            "description": "Of a later version.",
            "type": "object",
            "properties": { &tag: { "type": "string" } },
            "required": [tag],
        }));
        schema.insert("anyOf".into(), json!(arms));
    }
}

/// Doc comments break their lines and link to types; a document for programs does neither. Nothing
/// else in it has line breaks or such brackets.
fn unwrap_descriptions(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(unwrap_descriptions),
        Value::Array(values) => values.iter_mut().for_each(unwrap_descriptions),
        Value::String(text) => {
            *text = text
                .replace('\n', " ")
                .replace("[`", "`")
                .replace("`]", "`");
        }
        _ => {}
    }
}
