//! Reading a request: as JSON or as a word, at once or only when it is new.

use reqwest::Method;
use serde_json::json;

use crate::call::Call;
use crate::daemon::{Daemon, setup};

const UNKNOWN: &str = "/v1/requests/aaaaaaaaaaaaaaaaaaaaaaaaaa";

#[tokio::test]
async fn a_request_that_is_not_there_is_404_for_every_call() {
    let daemon = setup().start();
    let decision = json!({"verdict": "approve"});
    // The last of these is 26 characters that stand for no 128 bits.
    for id in [
        "aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "x",
        "A",
        "a%20b",
        "aaaaaaaaaaaaaaaaaaaaaaaaab",
    ] {
        let path = format!("/v1/requests/{id}");
        for reply in [
            daemon.get(&path).await,
            daemon.get(&format!("{path}?wait=60")).await,
            daemon.delete(&path).await,
            daemon.deciding(id, &decision).await,
            daemon.post(&format!("{path}/seen")).await,
        ] {
            assert_eq!(reply.problem(), (404, "not_found".to_owned()), "{id}");
        }
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let path = format!("/v1/requests/{id}");
    for path in [
        &*path,
        "/v1/requests",
        "/v1/me",
        "/livez",
        "/readyz",
        "/openapi.json",
        UNKNOWN,
    ] {
        let (get, head) = (
            daemon.get(path).await,
            daemon.call(Method::HEAD, path).await,
        );
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.body, b"", "{path}");
        for name in [
            "content-type",
            "content-length",
            "etag",
            "cache-control",
            "vary",
        ] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
}

#[tokio::test]
async fn a_stream_can_be_asked_for_its_head_and_leaves_no_subscriber() {
    let daemon = setup().start();
    let reply = daemon.call(Method::HEAD, "/v1/events").await;
    assert_eq!(
        (reply.status, reply.media()),
        (200, Some("text/event-stream"))
    );
    daemon.subscribers_are(0).await;
}

#[tokio::test]
async fn plain_text_is_the_status_word_alone() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let word = async || {
        let call = daemon.get(&format!("/v1/requests/{id}"));
        call.header("accept", "text/plain").await.text()
    };
    assert_eq!(word().await, "pending\n");
    daemon.approve(&id).await;
    assert_eq!(word().await, "approved\n");
}

#[tokio::test]
async fn the_callers_favourite_media_type_counts_and_none_of_ours_is_406() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let path = format!("/v1/requests/{id}");
    for (accept, media) in [
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/*", "text/plain"),
        ("text/plain;q=0.5, application/json", "application/json"),
        ("text/plain, application/json;q=0.5", "text/plain"),
        (
            "text/html, application/xml;q=0.9, */*;q=0.1",
            "application/json",
        ),
        ("application/json;q=0, */*", "text/plain"),
    ] {
        let reply = daemon.get(&path).header("accept", accept).await;
        assert_eq!(reply.media(), Some(media), "{accept}");
        assert_eq!(reply.header("vary"), Some("accept, prefer"));
    }
    for accept in [
        "image/png",
        "text/html",
        "application/json;q=0",
        "application/jsonx",
    ] {
        let reply = daemon.get(&path).header("accept", accept).await;
        assert_eq!(
            reply.problem(),
            (406, "not_acceptable".to_owned()),
            "{accept}"
        );
    }
}

#[tokio::test]
async fn the_wait_that_was_used_is_named_and_cut_to_60_seconds() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    daemon.approve(&id).await;
    let path = format!("/v1/requests/{id}");
    for (query, prefer, used) in [
        ("", None, None),
        ("", Some("wait=7"), Some("wait=7")),
        ("", Some("respond-async, WAIT = \"8\"; x=1"), Some("wait=8")),
        ("", Some("wait=61"), Some("wait=60")),
        ("", Some("wait=99999999999999999999999"), Some("wait=60")),
        ("", Some("wait=soon"), None),
        ("", Some("wait"), None),
        ("?wait=9", None, Some("wait=9")),
        ("?wait=10s", Some("wait=3"), Some("wait=10")),
        ("?wait=3600s", None, Some("wait=60")),
        ("?wait=0", None, Some("wait=0")),
    ] {
        let call = daemon.get(&format!("{path}{query}"));
        let call = match prefer {
            Some(prefer) => call.header("prefer", prefer),
            None => call,
        };
        let reply = call.await;
        assert_eq!(
            reply.header("preference-applied"),
            used,
            "{query} {prefer:?}"
        );
        assert_eq!(reply.header("x-accel-buffering"), used.map(|_| "no"));
    }
    for bad in [
        "?wait=",
        "?wait=x",
        "?wait=1m",
        "?wait=-1",
        "?wait=1.5",
        "?wait=1&wait=2",
        "?w=1",
    ] {
        let reply = daemon.get(&format!("{path}{bad}")).await;
        assert_eq!(reply.problem(), (400, "invalid_query".to_owned()), "{bad}");
    }
}

/// A read with this `If-None-Match`.
fn conditional(daemon: &Daemon, id: &str, tags: &str, wait: &str) -> Call {
    let call = daemon.get(&format!("/v1/requests/{id}{wait}"));
    call.header("if-none-match", tags)
}

#[tokio::test]
async fn a_conditional_read_answers_304_only_to_who_has_it_already() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let tag = daemon.read(&id).await["event_id"].to_string();
    for (tags, status) in [
        (format!("\"{tag}\""), 304),
        (format!("W/\"{tag}\""), 304),
        (format!("\"x\", \"{tag}\" , \"y\""), 304),
        ("*".to_owned(), 304),
        ("\"0\"".to_owned(), 200),
        ("\"x\", W/\"y\"".to_owned(), 200),
        // No tag has a space in it. A debug build once fell over it, and the call had no answer.
        (format!("\"a b\", \"{tag}\""), 304),
        (format!("\"{tag} \""), 200),
        (String::new(), 200),
        (format!("\"{tag}\"x, {tag}"), 200),
    ] {
        let reply = conditional(&daemon, &id, &tags, "").await;
        assert_eq!(reply.status, status, "{tags}");
        assert_eq!(reply.header("etag"), Some(&*format!("\"{tag}\"")));
    }
}

#[tokio::test]
async fn a_conditional_wait_is_held_only_for_who_has_the_pending_request() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let read = |tags: &str, wait: &str| conditional(&daemon, &id, tags, wait);
    let tag = format!("\"{}\"", daemon.read(&id).await["event_id"]);
    // Awaited longer than the deadline of a call, these would fail if they were held.
    assert_eq!(read("\"0\"", "?wait=60").await.status, 200);
    assert_eq!(read(&tag, "?wait=0").await.status, 304);

    for tags in [&*tag, "*"] {
        let held = read(tags, "?wait=60").spawn();
        daemon.waiters_are(1).await;
        if tags == "*" {
            daemon.approve(&id).await;
        } else {
            daemon.post(&format!("/v1/requests/{id}/seen")).await;
        }
        let reply = held.await.unwrap();
        // Whoever has any state has this one too, as far as `*` is concerned.
        assert_eq!(reply.status, if tags == "*" { 304 } else { 200 });
        assert_ne!(reply.header("etag"), Some(&*tag));
    }

    let final_tag = format!("\"{}\"", daemon.read(&id).await["event_id"]);
    assert_eq!(read(&final_tag, "?wait=60").await.status, 304);
    assert_eq!(read("*", "?wait=60").await.status, 304);
    assert_eq!(read(&tag, "?wait=60").await.status, 200);
}

#[tokio::test]
async fn me_is_who_the_daemon_takes_the_caller_for() {
    let daemon = setup().start();
    let me = daemon.get("/v1/me").await.json();
    assert_eq!(me["principal"], "local");
    assert_eq!(me["address"], "127.0.0.1");
    assert_eq!(me["daemon"], env!("CARGO_PKG_VERSION"));
}
