//! Asking, once and again.

use reqwest::Method;
use serde_json::json;

use crate::daemon::setup;

#[tokio::test]
async fn an_ask_is_answered_with_the_request_its_place_and_its_tag() {
    let daemon = setup().start();
    let members = json!({
        "title": "Deploy?", "details": "line 1\nline 2", "topic": "deploy/prod",
        "fields": [{"name": "b", "value": "2"}, {"name": "a", "value": ""}],
        "expires_in_secs": 90,
    });
    let reply = daemon.asking(&members).await;
    assert_eq!(reply.status, 201);
    let request = reply.json();
    for member in ["title", "details", "topic", "fields"] {
        assert_eq!(request[member], members[member], "{member}");
    }
    assert_eq!(request["status"], "pending");
    assert_eq!(request["requester"]["address"], "127.0.0.1");
    assert_eq!(request["version"], request["event_id"]);
    let place = format!("/v1/requests/{}", reply.id());
    assert_eq!(reply.header("location"), Some(&*place));
    let tag = format!("\"{}\"", request["event_id"]);
    assert_eq!(reply.header("etag"), Some(&*tag));
    let at = |member: &str| request[member].as_str().unwrap().parse::<jiff::Timestamp>();
    let life = at("expires_at").unwrap() - at("created_at").unwrap();
    assert_eq!(life.get_milliseconds() + 1000 * life.get_seconds(), 90_000);
    // Who is there is told of the moment, so a read does not have it.
    let mut request = request;
    let members = request.as_object_mut().unwrap();
    assert_eq!(members.remove("approvers_connected"), Some(json!(0)));
    assert_eq!(daemon.get(&place).await.json(), request);
}

#[tokio::test]
async fn members_that_are_not_sent_or_null_take_their_defaults() {
    let daemon = setup().start();
    let bare = daemon.asking(&json!({"title": "a"})).await.json();
    let nulls = json!({
        "title": "a", "details": null, "fields": null, "topic": null, "expires_in_secs": null,
    });
    let nulls = daemon.asking(&nulls).await.json();
    for request in [bare, nulls] {
        assert_eq!(request["topic"], "default");
        assert_eq!(request["details"], "");
        assert_eq!(request["fields"], json!([]));
    }
}

#[tokio::test]
async fn the_same_key_and_members_are_the_same_ask_however_often_they_come() {
    let daemon = setup().start();
    let ask = || {
        let members = json!({"title": "Deploy?", "topic": "a"});
        daemon.asking(&members).header("idempotency-key", "a key")
    };
    let first = ask().await;
    assert_eq!(
        (first.status, first.header("idempotency-replayed")),
        (201, None)
    );
    // The members in another order are the same members.
    let body = r#"{ "topic": "a", "title": "Deploy?" }"#;
    let call = daemon
        .post("/v1/requests")
        .header("content-type", "application/json");
    let again = call.header("idempotency-key", "a key").body(body).await;
    assert_eq!(
        (again.status, again.header("idempotency-replayed")),
        (200, Some("true"))
    );
    assert_eq!(again.json(), first.json());
    assert_eq!(again.header("location"), first.header("location"));

    daemon.approve(&first.id()).await;
    let late = ask().await;
    assert_eq!(
        (late.status, late.json()["status"].as_str()),
        (200, Some("approved"))
    );
    let list = daemon.get("/v1/requests").await.json();
    assert_eq!(list["requests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn fifty_sends_of_one_ask_at_once_make_one_request() {
    let daemon = setup().start();
    let members = json!({"title": "Deploy?"});
    let sends = (0..50).map(|_| {
        daemon
            .asking(&members)
            .header("idempotency-key", "k")
            .spawn()
    });
    let replies = futures_util::future::join_all(sends.collect::<Vec<_>>()).await;
    let replies: Vec<_> = replies.into_iter().map(Result::unwrap).collect();
    let made = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(made, 1);
    assert!(replies.iter().all(|reply| reply.id() == replies[0].id()));
}

#[tokio::test]
async fn the_same_key_for_another_ask_is_refused_and_names_the_request() {
    let daemon = setup().start();
    let ask = |members| daemon.asking(&members).header("idempotency-key", "k");
    let id = ask(json!({"title": "Deploy?"})).await.id();
    // Naming a default is another ask, because defaults may change.
    let command = json!({"argv": ["make"], "program": "/bin/make", "directory": "/",
        "user": "ci", "host": "runner-2"});
    for (other, differs) in [
        (json!({"title": "Deploy!"}), "they differ in title;"),
        (
            json!({"title": "Deploy?", "topic": "default"}),
            "one of them names a default",
        ),
        (
            json!({"title": "Deploy?", "command": command}),
            "they differ in command;",
        ),
    ] {
        let reply = ask(other).await;
        assert_eq!(reply.problem(), (422, "key_reused".to_owned()));
        assert!(reply.detail().contains(&id), "{reply:?}");
        assert!(reply.detail().contains(differs), "{reply:?}");
    }
    // How long an approval may be used is the first ask's to say, and no other question.
    let again = ask(json!({"title": "Deploy?", "use_within_secs": 60})).await;
    assert_eq!((again.status, again.id()), (200, id));
    assert_eq!(again.json()["use_within_secs"], 3600);
}

#[tokio::test]
async fn a_replay_is_known_after_a_crash() {
    let daemon = setup().start();
    let members = json!({"title": "Deploy?"});
    let id = daemon
        .asking(&members)
        .header("idempotency-key", "k")
        .await
        .id();
    let daemon = daemon.crash_and_restart();
    let again = daemon.asking(&members).header("idempotency-key", "k").await;
    assert_eq!((again.status, again.id()), (200, id));
}

#[tokio::test]
async fn asks_without_a_key_are_different_requests() {
    let daemon = setup().start();
    assert_ne!(daemon.ask("Deploy?").await, daemon.ask("Deploy?").await);
}

#[tokio::test]
async fn a_key_is_1_to_255_visible_characters_and_there_once() {
    let daemon = setup().start();
    let ask = || daemon.asking(&json!({"title": "a"}));
    let longest = "k".repeat(255);
    assert_eq!(ask().header("idempotency-key", &longest).await.status, 201);
    for bad in ["", "schlüssel", &"k".repeat(256), "a\tb"] {
        let reply = ask().header("idempotency-key", bad).await;
        assert_eq!(
            reply.problem(),
            (400, "invalid_header".to_owned()),
            "{bad:?}"
        );
    }
    let twice = ask()
        .header("idempotency-key", "a")
        .header("idempotency-key", "a")
        .await;
    assert_eq!(twice.problem(), (400, "invalid_header".to_owned()));
}

#[tokio::test]
async fn an_ask_that_waits_is_answered_by_the_decision_and_says_so_in_a_word() {
    let daemon = setup().start();
    let mut stream = daemon.listen("").await;
    stream.beginning().await;
    let ask = daemon.asking(&json!({"title": "Deploy?"}));
    let held = ask
        .header("prefer", "wait=60")
        .header("accept", "text/plain")
        .spawn();
    let id = stream.event().await.data["id"].as_str().unwrap().to_owned();
    daemon.waiters_are(1).await;
    daemon.approve(&id).await;
    let reply = held.await.unwrap();
    assert_eq!((reply.status, &*reply.text()), (201, "approved\n"));
    assert_eq!(
        reply.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(reply.header("preference-applied"), Some("wait=60"));
}

#[tokio::test]
async fn an_ask_for_which_no_wait_is_left_counts_all_the_same() {
    let daemon = setup().flags("--max-waiters 1").start();
    let id = daemon.ask("first").await;
    let held = daemon.get(&format!("/v1/requests/{id}?wait=60")).spawn();
    daemon.waiters_are(1).await;
    let call = daemon.call(Method::POST, "/v1/requests?wait=60");
    let reply = call.json(&json!({"title": "second"})).await;
    assert_eq!(
        (reply.status, reply.header("preference-applied")),
        (201, Some("wait=0"))
    );
    held.abort();
}

#[tokio::test]
async fn the_caller_says_in_which_form_it_wants_the_answer() {
    let daemon = setup().in_memory().start();
    let media = async |accept: &str| {
        let call = daemon.asking(&json!({"title": "Deploy?"}));
        let reply = call.header("accept", accept).await;
        (reply.status, reply.media().unwrap().to_owned())
    };
    for (accept, form) in [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html, */*;q=0.8", "application/json"),
        ("application/json, text/plain;q=0.5", "application/json"),
        ("application/json;charset=utf-8", "application/json"),
        ("text/plain", "text/plain"),
        ("text/*", "text/plain"),
        ("text/plain; charset=utf-8", "text/plain"),
        ("text/plain, application/json", "text/plain"),
        ("application/json;q=0, text/plain;charset=x", "text/plain"),
    ] {
        assert_eq!(media(accept).await, (201, form.to_owned()), "{accept}");
    }
    for accept in [
        "text/plain;q=0",
        "text/plain;q=0.000",
        "image/png",
        "garbage",
    ] {
        assert_eq!(media(accept).await.0, 406, "{accept}");
    }
}
