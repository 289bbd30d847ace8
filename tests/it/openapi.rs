//! The OpenAPI document and the daemon are held together, both ways.

mod structure;
mod tour;

use std::collections::BTreeSet;

use pushd::http::Kind;
use reqwest::Method;

use crate::daemon::setup;
use crate::document::{DOCUMENT, operations};

const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
];

/// A path as a call names it; the id in it stands for no request.
fn target(template: &str) -> String {
    template.replace("{id}", &"a".repeat(26))
}

/// The methods that the document has for a path, as `Allow` names them.
fn documented_methods(path: &str) -> BTreeSet<String> {
    let own = operations()
        .filter(|operation| operation.path == path)
        .map(|operation| operation.method.to_uppercase());
    let mut methods: BTreeSet<_> = own.collect();
    if methods.contains("GET") {
        methods.insert("HEAD".to_owned());
    }
    methods
}

#[tokio::test]
async fn every_documented_operation_is_there_and_every_other_method_is_405_with_allow() {
    let daemon = setup().in_memory().start();
    for path in DOCUMENT["paths"].as_object().unwrap().keys() {
        let documented = documented_methods(path);
        for name in METHODS {
            let method = Method::from_bytes(name.as_bytes()).unwrap();
            let call = daemon.call(method, &target(path));
            let response = call.open().await;
            if documented.contains(name) {
                assert_ne!(response.status(), 405, "{name} {path}");
                let media = response.headers().get("content-type");
                let body = media.is_some_and(|media| media == "application/problem+json");
                if body && name != "HEAD" {
                    let text = response.text().await.unwrap();
                    assert!(!text.contains("no_such_path"), "{name} {path}: {text}");
                }
            } else {
                assert_eq!(response.status(), 405, "{name} {path}");
                let allow = response.headers()["allow"].to_str().unwrap();
                let allow: BTreeSet<_> = allow.split(", ").map(str::to_owned).collect();
                assert_eq!(allow, documented, "{name} {path}");
            }
        }
    }
}

/// The pages and their files, which the document leaves out: they are for people, and what they
/// are made of may change with every version.
const PAGES: [&str; 5] = ["/", "/r/{id}", "/ask", "/login", "/assets/{id}"];

#[test]
fn every_path_in_the_table_of_routes_is_documented_or_a_page_and_no_other() {
    let table = include_str!("../../src/http/routes.rs");
    let rows = table.split("        (\"").skip(1);
    let served: BTreeSet<_> = rows
        .map(|row| row.split_once('"').unwrap().0.to_owned())
        .collect();
    let documented = DOCUMENT["paths"].as_object().unwrap();
    let documented = documented.keys().cloned();
    let expected: BTreeSet<_> = documented.chain(PAGES.map(str::to_owned)).collect();
    assert_eq!(served, expected);
}

#[tokio::test]
async fn the_document_is_served_as_it_is_in_the_repository() {
    let daemon = setup().in_memory().start();
    let served = daemon.get("/openapi.json").await;
    assert_eq!(served.text(), include_str!("../../docs/openapi.json"));
    assert_eq!(served.header("content-type"), Some("application/json"));
}

#[test]
fn the_document_names_each_code_of_an_error_with_its_status_and_no_other() {
    let codes = &DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
    let codes = codes.as_array().unwrap().iter();
    let codes: BTreeSet<_> = codes.map(|code| code.as_str().unwrap()).collect();
    let known: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.row().1).collect();
    assert_eq!(codes, known);

    let answered: BTreeSet<(u16, String)> = problem_answers().collect();
    let kinds = Kind::ALL.iter().map(|kind| kind.row());
    let kinds: BTreeSet<_> = kinds
        .map(|(status, code)| (status.as_u16(), code.to_owned()))
        .collect();
    assert_eq!(
        answered, kinds,
        "status and code, wherever an answer names them"
    );
}

/// Status and code of all problem documents that the document describes.
fn problem_answers() -> impl Iterator<Item = (u16, String)> {
    let inline = operations().flat_map(|operation| {
        let responses = operation.entry["responses"].as_object().unwrap();
        responses.values()
    });
    let shared = DOCUMENT["components"]["responses"].as_object().unwrap();
    inline.chain(shared.values()).flat_map(|response| {
        let narrowed = &response["content"]["application/problem+json"]["schema"]["allOf"][1];
        let narrowed = &narrowed["properties"];
        let codes = narrowed["code"]["enum"].as_array();
        codes.into_iter().flatten().map(|code| {
            let status = u16::try_from(narrowed["status"]["const"].as_u64().unwrap()).unwrap();
            (status, code.as_str().unwrap().to_owned())
        })
    })
}

#[test]
fn the_protocol_page_names_each_code_of_an_error() {
    let page = include_str!("../../docs/protocol.md");
    let others = Kind::CLASSIC.into_iter().chain(Kind::RELAY);
    for kind in Kind::ALL.into_iter().chain(others) {
        let (status, code) = kind.row();
        let row = format!("| {} | `{code}` |", status.as_u16());
        assert!(page.contains(&row), "no row {row}");
    }
}
