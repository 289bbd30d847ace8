//! What is broken is refused with a whole sentence, and nothing of it is done.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::call::{Call, Reply};
use crate::daemon::{Daemon, setup};

const MOST: usize = 512 * 1024;

fn send(daemon: &Daemon, body: impl Into<reqwest::Body>) -> Call {
    daemon
        .post("/v1/requests")
        .header("content-type", "application/json")
        .body(body)
}

pub(super) async fn nothing_was_asked(daemon: &Daemon) {
    let list = daemon.get("/v1/requests").await.json();
    assert_eq!(list["requests"], json!([]));
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused() {
    let daemon = setup().start();
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    for body in [
        Vec::new(),
        b"{".to_vec(),
        b"title".to_vec(),
        b"{\"title\":\"a\"} x".to_vec(),
        b"{\"title\":\"a\",}".to_vec(),
        b"{\"title\":\"a\n\"}".to_vec(),
        b"{'title':'a'}".to_vec(),
        b"\xef\xbb\xbf{\"title\":\"a\"}".to_vec(),
        b"{\"title\":\"\xff\xfe\"}".to_vec(),
        b"{\"title\":\"\\ud800\"}".to_vec(),
        b"{\"title\":\"\xed\xa0\x80\"}".to_vec(),
    ] {
        let shown = String::from_utf8_lossy(&body).into_owned();
        let reply = send(&daemon, body).await;
        assert_eq!(reply.problem(), (400, "invalid_json".to_owned()), "{shown}");
    }
    for body in [
        deep("[", "]"),
        deep("{\"title\":", "}"),
        format!("{{\"title\":{}}}", deep("[", "]")),
        format!("{{\"title\":\"a\",\"x\":{}}}", deep("[", "]")),
        format!("{{\"title\":\"a\",\"fields\":{}}}", deep("[", "]")),
        "[".repeat(500_000),
    ] {
        let reply = send(&daemon, body).await;
        assert!([400, 422].contains(&reply.status), "{reply:?}");
    }
    nothing_was_asked(&daemon).await;
}

#[tokio::test]
async fn members_that_are_wrong_unknown_missing_or_twice_are_named() {
    let daemon = setup().start();
    for (body, named) in [
        ("{}", "title"),
        ("null", "object"),
        ("[\"a\",null,null,null,null]", "object"),
        ("\"a\"", "object"),
        ("{\"title\":1}", "title"),
        ("{\"title\":null}", "title"),
        ("{\"title\":[\"a\"]}", "title"),
        ("{\"title\":\"a\",\"headline\":\"b\"}", "headline"),
        ("{\"title\":\"a\",\"Title\":\"b\"}", "Title"),
        ("{\"title\":\"a\",\"title\":\"b\"}", "title"),
        ("{\"title\":\"a\",\"details\":{}}", "details"),
        ("{\"title\":\"a\",\"fields\":{}}", "fields"),
        ("{\"title\":\"a\",\"fields\":[[\"n\",\"v\"]]}", "fields[0]"),
        (
            "{\"title\":\"a\",\"fields\":[{\"name\":\"n\"}]}",
            "fields[0]",
        ),
        (
            "{\"title\":\"a\",\"fields\":[{\"name\":\"n\",\"value\":1}]}",
            "fields[0].value",
        ),
        (
            "{\"title\":\"a\",\"fields\":[{\"name\":\"n\",\"value\":\"v\",\"x\":1}]}",
            "fields[0].x",
        ),
        (
            "{\"title\":\"a\",\"expires_in_secs\":\"5\"}",
            "expires_in_secs",
        ),
        (
            "{\"title\":\"a\",\"expires_in_secs\":1.5}",
            "expires_in_secs",
        ),
        (
            "{\"title\":\"a\",\"expires_in_secs\":-1}",
            "expires_in_secs",
        ),
        ("{\"title\":\"a\",\"expires_in_secs\":1e400}", "number"),
        ("{\"title\":\"a\",\"status\":\"approved\"}", "status"),
        (
            "{\"title\":\"a\",\"id\":\"aaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
            "id",
        ),
    ] {
        let reply = send(&daemon, body).await;
        let (status, code) = reply.problem();
        assert!(
            (status, &*code) == (422, "invalid_member") || named == "number",
            "{body}: {reply:?}"
        );
        assert!(reply.detail().contains(named), "{body}: {reply:?}");
    }
    nothing_was_asked(&daemon).await;
    let id = daemon.ask("Deploy?").await;
    for decision in [
        json!({}),
        json!({"verdict": "maybe"}),
        json!({"verdict": "Approve"}),
        json!({"verdict": true}),
        json!({"verdict": {"approve": null}}),
        json!(["approve", null, null]),
        json!("approve"),
        json!({"verdict": "approve", "version": "1"}),
        json!({"verdict": "approve", "version": -1}),
        json!({"verdict": "approve", "approver": "alice"}),
    ] {
        let reply = daemon.deciding(&id, &decision).await;
        assert_eq!(
            reply.problem(),
            (422, "invalid_member".to_owned()),
            "{decision}"
        );
    }
    assert_eq!(daemon.read(&id).await["status"], "pending");
}

#[tokio::test]
async fn only_json_in_utf_8_without_a_coding_is_taken() {
    let daemon = setup().start();
    let send = |header: &'static str, value: &'static str| {
        let call = daemon.post("/v1/requests").body("{\"title\":\"a\"}");
        if header == "content-type" {
            call.header(header, value)
        } else {
            call.header("content-type", "application/json")
                .header(header, value)
        }
    };
    for good in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
    ] {
        assert_eq!(send("content-type", good).await.status, 201, "{good}");
    }
    assert_eq!(send("content-encoding", "identity").await.status, 201);
    for (header, bad) in [
        ("content-type", "text/plain"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-type", "multipart/form-data; boundary=x"),
        ("content-type", "application/json; charset=latin1"),
        ("content-type", "application/jsonx"),
        ("content-type", "application/problem+json"),
        ("content-type", ""),
        ("content-type", "json"),
        ("content-type", "application/json, text/plain"),
        ("content-encoding", "gzip"),
        ("content-encoding", "br, identity"),
    ] {
        let reply = send(header, bad).await;
        assert_eq!(
            reply.problem(),
            (415, "unsupported_media_type".to_owned()),
            "{header}: {bad}"
        );
    }
    let reply = daemon.post("/v1/requests").body("{\"title\":\"a\"}").await;
    assert_eq!(reply.problem(), (415, "unsupported_media_type".to_owned()));
}

#[tokio::test]
async fn a_second_content_type_is_not_overlooked() {
    let daemon = setup().start();
    let call = daemon
        .post("/v1/requests")
        .header("content-type", "application/json");
    let reply = call
        .header("content-type", "text/plain")
        .body("{\"title\":\"a\"}")
        .await;
    assert_eq!(reply.problem(), (415, "unsupported_media_type".to_owned()));
}

#[tokio::test]
async fn a_body_of_512_kib_is_read_and_a_larger_one_is_413() {
    let daemon = setup().start();
    let padded = |length: usize| {
        let ask = "{\"title\":\"a\"}";
        format!("{}{ask}", " ".repeat(length - ask.len()))
    };
    assert_eq!(send(&daemon, padded(MOST)).await.status, 201);
    for length in [MOST + 1, 10 * MOST] {
        let reply = send(&daemon, padded(length)).await;
        assert_eq!(
            reply.problem(),
            (413, "body_too_large".to_owned()),
            "{length}"
        );
        // The same without a length that is known beforehand.
        let part = Bytes::from(vec![b' '; 1024]);
        let parts = stream::iter(vec![part; length / 1024 + 1]).map(Ok::<_, std::io::Error>);
        let reply = send(&daemon, reqwest::Body::wrap_stream(parts)).await;
        assert_eq!(
            reply.problem(),
            (413, "body_too_large".to_owned()),
            "{length}"
        );
    }
}

#[tokio::test]
async fn unknown_paths_are_404_whatever_the_method() {
    let daemon = setup().start();
    for path in [
        "/v1",
        "/r",
        "/v2/requests",
        "/v1/requests/a/b",
        "/V1/requests",
        "//v1/requests",
    ] {
        for method in ["GET", "POST", "DELETE", "OPTIONS", "BREW"] {
            let reply = daemon.call(method.parse().unwrap(), path).await;
            assert_eq!(
                reply.problem(),
                (404, "no_such_path".to_owned()),
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn unknown_parameters_are_refused_where_parameters_are_read() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let path = format!("/v1/requests/{id}");
    let replies: [Reply; 6] = [
        daemon.get(&format!("{path}?waits=1")).await,
        daemon.delete(&format!("{path}?force=1")).await,
        daemon.post(&format!("{path}/seen?by=me")).await,
        daemon
            .post(&format!("{path}/decision?x"))
            .json(&json!({"verdict": "deny"}))
            .await,
        daemon
            .post("/v1/requests?title=a")
            .json(&json!({"title": "a"}))
            .await,
        daemon.get("/v1/events?topics=a").await,
    ];
    for reply in replies {
        assert_eq!(reply.problem(), (400, "invalid_query".to_owned()));
    }
    assert_eq!(daemon.read(&id).await["status"], "pending");
}
