//! The OpenAPI document as a judge: every answer that the tests get is held against it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::call::Reply;

/// The document that the daemon serves.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(pushd::http::OPENAPI).expect("the document is JSON"));

/// One operation of the document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    /// The path with its parameters, such as `/v1/requests/{id}`.
    pub(crate) path: &'static str,
    /// The method in lower case, as the document writes it.
    pub(crate) method: &'static str,
    /// Its entry.
    pub(crate) entry: &'static Value,
}

/// All operations, in the order of the document.
pub(crate) fn operations() -> impl Iterator<Item = Operation> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods
            .filter(|(method, _)| ["get", "post", "put", "delete", "patch"].contains(&&***method))
            .map(|(method, entry)| Operation {
                path,
                method,
                entry,
            })
    })
}

/// The operation that a call is, if the document has it. HEAD is GET without its body.
pub(crate) fn operation(method: &Method, target: &str) -> Option<Operation> {
    let path = target.split('?').next().unwrap_or_default();
    let method = match method.as_str() {
        "HEAD" => "get".to_owned(),
        other => other.to_ascii_lowercase(),
    };
    operations().find(|operation| operation.method == method && fits(operation.path, path))
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template
            .zip(path)
            .all(|(part, actual)| part == actual || (part.starts_with('{') && !actual.is_empty()))
}

/// Follows a reference, if `value` is one.
pub(crate) fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect("references are local");
            DOCUMENT
                .pointer(pointer)
                .unwrap_or_else(|| panic!("{reference} leads nowhere"))
        }
        None => value,
    }
}

/// Holds an answer against the document.
///
/// # Panics
/// The document does not say that this call can be answered like this.
pub(crate) fn check(method: &Method, target: &str, reply: &Reply) {
    if let Err(fault) = verdict(method, target, reply) {
        panic!("{method} {target} was answered as the document does not say: {fault}\n{reply:?}");
    }
}

fn verdict(method: &Method, target: &str, reply: &Reply) -> Result<(), String> {
    if reply.header("cache-control") != Some("no-store") {
        return Err("it may be cached".to_owned());
    }
    let documented = match operation(method, target) {
        Some(operation) => operation.entry["responses"]
            .get(reply.status.to_string())
            .ok_or("its status is not documented")?,
        // What no operation describes has two answers.
        None if reply.status == 405 => &DOCUMENT["components"]["responses"]["MethodNotAllowed"],
        None if reply.status == 404 => &DOCUMENT["components"]["responses"]["NoSuchPath"],
        // The classic routes are no part of the contract.
        None if is_classic(target) => return Ok(()),
        None => return Err("there is no such operation".to_owned()),
    };
    let documented = resolved(documented);
    headers(documented, reply)?;
    body(documented, method, reply)
}

fn is_classic(target: &str) -> bool {
    let path = target.split('?').next();
    ["/longPolling", "/btServer", "/ensure", "/sure"]
        .map(Some)
        .contains(&path)
}

fn headers(documented: &'static Value, reply: &Reply) -> Result<(), String> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    let names = documented["headers"].as_object().unwrap_or(&NONE);
    for (name, header) in names {
        let header = resolved(header);
        let Some(text) = reply.header(name) else {
            if header["required"] == json!(true) {
                return Err(format!("{name} is missing"));
            }
            continue;
        };
        let value = match header["schema"]["type"].as_str() {
            Some("integer") => json!(text.parse::<i64>().map_err(|error| error.to_string())?),
            _ => json!(text),
        };
        conforms(&header["schema"], &value).map_err(|fault| format!("{name}: {fault}"))?;
    }
    // The other way round: headers of ours that are sent without being documented.
    for name in DOCUMENT["components"]["headers"]
        .as_object()
        .unwrap()
        .keys()
    {
        if reply.header(name).is_some() && !names.contains_key(name) {
            return Err(format!("{name} is not documented"));
        }
    }
    Ok(())
}

fn body(documented: &'static Value, method: &Method, reply: &Reply) -> Result<(), String> {
    let Some(content) = documented["content"].as_object() else {
        return match (reply.media(), &reply.body[..]) {
            (None, []) => Ok(()),
            _ => Err("it has a body".to_owned()),
        };
    };
    let media = reply.media().ok_or("it has no content type")?;
    let documented = content
        .get(media)
        .ok_or(format!("{media} is not documented"))?;
    if method == Method::HEAD {
        return match &reply.body[..] {
            [] => Ok(()),
            _ => Err("HEAD has a body".to_owned()),
        };
    }
    let value = if media == "application/json" || media.ends_with("+json") {
        serde_json::from_slice(&reply.body).map_err(|error| error.to_string())?
    } else {
        json!(reply.text())
    };
    conforms(&documented["schema"], &value)
}

/// Whether `value` is as `schema` says.
pub(crate) fn conforms(schema: &Value, value: &Value) -> Result<(), String> {
    let validator = validator(schema);
    let faults: Vec<_> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("; "))
    }
}

/// A validator of this schema within the document; made once for each schema.
fn validator(schema: &Value) -> Arc<Validator> {
    static MADE: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let key = schema.to_string();
    let mut made = MADE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let made = made.entry(key).or_insert_with(|| {
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [schema],
            "components": { "schemas": closed_schemas() },
        });
        let built = jsonschema::options()
            .should_validate_formats(true)
            .build(&whole);
        Arc::new(built.unwrap_or_else(|error| panic!("{schema}: {error}")))
    });
    Arc::clone(made)
}

/// The schemas without room for members that they do not name. Clients have to ignore those, so
/// the document leaves room for them; what this daemon sends is documented to the last member.
fn closed_schemas() -> Value {
    let mut schemas = DOCUMENT["components"]["schemas"].clone();
    for schema in schemas.as_object_mut().unwrap().values_mut() {
        let schema = schema.as_object_mut().unwrap();
        if schema.contains_key("properties") {
            schema
                .entry("additionalProperties")
                .or_insert(Value::Bool(false));
        }
    }
    schemas
}
