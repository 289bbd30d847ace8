//! The document taken by itself: whole, without loose ends, and true to the bounds in the code.

use std::collections::BTreeSet;

use pushd::limits;
use serde_json::{Value, json};

use crate::document::{DOCUMENT, conforms, operations, resolved};

/// All values in the document, each with its place.
fn everything() -> Vec<(String, &'static Value)> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), &*DOCUMENT)];
    while let Some((place, value)) = open.pop() {
        match value {
            Value::Object(members) => open.extend(
                members
                    .iter()
                    .map(|(name, value)| (format!("{place}/{name}"), value)),
            ),
            Value::Array(items) => open.extend(
                items
                    .iter()
                    .enumerate()
                    .map(|(n, value)| (format!("{place}/{n}"), value)),
            ),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        found.push((place, value));
    }
    found
}

#[test]
fn it_is_openapi_3_1_with_a_title_a_version_and_a_licence() {
    assert_eq!(DOCUMENT["openapi"], "3.1.0");
    for member in ["title", "version", "description"] {
        assert!(DOCUMENT["info"][member].is_string(), "{member}");
    }
    assert_eq!(
        DOCUMENT["info"]["license"]["identifier"],
        env!("CARGO_PKG_LICENSE")
    );
    assert_eq!(
        DOCUMENT["info"]["version"], "1",
        "the version of the contract"
    );
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    let everything = everything();
    let used: BTreeSet<_> = everything
        .iter()
        .filter_map(|(_, value)| value["$ref"].as_str())
        .collect();
    for reference in &used {
        let pointer = reference.strip_prefix('#').expect("references are local");
        assert!(DOCUMENT.pointer(pointer).is_some(), "{reference}");
    }
    // Those are named by `security`.
    let referable = DOCUMENT["components"].as_object().unwrap();
    let referable = referable
        .iter()
        .filter(|(kind, _)| *kind != "securitySchemes");
    for (kind, components) in referable {
        for name in components.as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            // These describe what no operation has: other paths and methods, and lines of text.
            let apart = ["NoSuchPath", "MethodNotAllowed", "StreamLine", "Mark"];
            let spare = apart.contains(&&**name);
            assert!(
                used.contains(&*reference) || spare,
                "{reference} is not used"
            );
        }
    }
}

#[test]
fn every_operation_is_described_and_has_a_name_of_its_own() {
    let tags = DOCUMENT["tags"].as_array().unwrap();
    let tags: BTreeSet<_> = tags
        .iter()
        .map(|tag| &tag["name"])
        .map(Value::to_string)
        .collect();
    let mut names = BTreeSet::new();
    for operation in operations() {
        let entry = operation.entry;
        let name = entry["operationId"].as_str().unwrap();
        assert!(names.insert(name), "{name} is there twice");
        assert!(entry["summary"].is_string(), "{name}");
        assert!(entry["description"].is_string(), "{name}");
        assert!(tags.contains(&entry["tags"][0].to_string()), "{name}");
        for (status, response) in entry["responses"].as_object().unwrap() {
            assert!(
                (200..=599).contains(&status.parse::<u16>().unwrap()),
                "{name}"
            );
            let response = resolved(response);
            assert!(response["description"].is_string(), "{name} {status}");
        }
        for parameter in parameters(operation.path, entry) {
            assert!(parameter["description"].is_string(), "{name}: {parameter}");
            assert!(parameter["schema"].is_object(), "{name}: {parameter}");
        }
    }
}

/// The parameters of an operation, those of its path included.
fn parameters(path: &str, entry: &'static Value) -> Vec<&'static Value> {
    let lists = [&DOCUMENT["paths"][path]["parameters"], &entry["parameters"]];
    let lists = lists.into_iter().filter_map(Value::as_array);
    lists.flatten().map(resolved).collect()
}

#[test]
fn every_part_of_a_path_that_varies_is_a_parameter() {
    for operation in operations() {
        let declared: BTreeSet<_> = parameters(operation.path, operation.entry)
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| {
                assert_eq!(parameter["required"], true);
                format!("{{{}}}", parameter["name"].as_str().unwrap())
            })
            .collect();
        let parts = operation.path.split('/').map(str::to_owned);
        let varying: BTreeSet<_> = parts.filter(|part| part.starts_with('{')).collect();
        assert_eq!(declared, varying, "{}", operation.path);
    }
}

#[test]
fn every_schema_is_one() {
    let schemas = everything().into_iter().filter(|(place, _)| {
        place.ends_with("/schema") || {
            let parts: Vec<_> = place.split('/').collect();
            matches!(parts[..], ["", "components", "schemas", _])
        }
    });
    let mut count = 0;
    for (place, schema) in schemas {
        assert!(jsonschema::meta::is_valid(schema), "{place}");
        count += 1;
    }
    assert!(count > 50, "{count}");
}

#[test]
fn every_example_is_as_its_schema_says() {
    let mut count = 0;
    for (place, value) in everything() {
        let schema = if value["schema"].is_object() {
            &value["schema"]
        } else if place.starts_with("/components/schemas/") && value["example"] != Value::Null {
            value
        } else {
            continue;
        };
        let named = value["examples"].as_object();
        let named = named.into_iter().flat_map(|examples| examples.values());
        let examples = named.map(|example| &example["value"]);
        for example in examples.chain(value.get("example")) {
            // The one example of a header with a number in it is a number as well.
            conforms(schema, example).unwrap_or_else(|fault| panic!("{place}: {fault}"));
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
}

#[test]
fn the_bounds_are_those_of_the_code() {
    let schemas = &DOCUMENT["components"]["schemas"];
    let ask = &schemas["Ask"]["properties"];
    let field = &schemas["Field"]["properties"];
    let paths = &DOCUMENT["paths"];
    let list = paths["/v1/requests"]["get"]["parameters"]
        .as_array()
        .unwrap();
    let limit = &list.iter().find(|one| one["name"] == "limit").unwrap()["schema"];
    let events = paths["/v1/events"]["get"]["parameters"].as_array().unwrap();
    let topics = &events.iter().find(|one| one["name"] == "topic").unwrap()["schema"];
    let key = &DOCUMENT["components"]["parameters"]["Idempotency-Key"]["schema"];
    for (documented, bound) in [
        (&ask["title"]["maxLength"], limits::TITLE_CHARS),
        (&ask["details"]["maxLength"], limits::DETAILS_BYTES),
        (&ask["fields"]["maxItems"], limits::FIELDS),
        (&ask["topic"]["maxLength"], limits::TOPIC_CHARS),
        (&schemas["Topic"]["maxLength"], limits::TOPIC_CHARS),
        (&field["name"]["maxLength"], limits::FIELD_NAME_CHARS),
        (&field["value"]["maxLength"], limits::FIELD_VALUE_CHARS),
        (
            &schemas["Decide"]["properties"]["reason"]["maxLength"],
            limits::REASON_CHARS,
        ),
        (
            &schemas["Request"]["properties"]["seen_by"]["maxItems"],
            limits::SEEN_BY,
        ),
        (
            &schemas["Request"]["properties"]["history"]["maxItems"],
            limits::HISTORY_STEPS,
        ),
        (&limit["maximum"], limits::LIST_MAX),
        (&limit["default"], limits::LIST_DEFAULT),
        (&topics["maxItems"], limits::STREAM_TOPICS),
        (&key["maxLength"], limits::IDEMPOTENCY_KEY_CHARS),
    ] {
        assert_eq!(documented, &json!(bound));
    }
    let expiry = &ask["expires_in_secs"];
    assert_eq!(expiry["minimum"], limits::EXPIRY_MIN.as_secs());
    assert_eq!(expiry["maximum"], limits::EXPIRY_MAX.as_secs());
    assert_eq!(expiry["default"], limits::EXPIRY_DEFAULT.as_secs());
}
