//! Waiting for the answer.

use reqwest::Method;
use serde_json::json;

use crate::call::Reply;
use crate::daemon::{Daemon, setup};

fn status(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["status"].as_str().unwrap().to_owned()
}

/// Asks; answers the path that waits for the answer.
async fn asked(daemon: &Daemon) -> (String, String) {
    let id = daemon.ask("Deploy?").await;
    let path = format!("/v1/requests/{id}?wait=60");
    (id, path)
}

#[tokio::test]
async fn a_final_request_is_answered_at_once() {
    let daemon = setup().start();
    let (id, path) = asked(&daemon).await;
    daemon.approve(&id).await;
    // The wait is longer than the deadline of a call.
    assert_eq!(status(&daemon.get(&path).await), "approved");
    daemon.waiters_are(0).await;
}

#[tokio::test]
async fn a_decision_wakes_all_who_wait_for_it_and_nobody_else() {
    let daemon = setup().start();
    let ((id, path), (other, other_path)) = (asked(&daemon).await, asked(&daemon).await);
    let waiting: Vec<_> = (0..20).map(|_| daemon.get(&path).spawn()).collect();
    let elsewhere = daemon.get(&other_path).spawn();
    daemon.waiters_are(21).await;
    let decided = daemon.approve(&id).await.json();
    for held in waiting {
        let reply = held.await.unwrap();
        assert_eq!(status(&reply), "approved");
        assert_eq!(reply.json(), decided);
        assert_eq!(reply.header("preference-applied"), Some("wait=60"));
    }
    daemon.waiters_are(1).await;
    assert!(!elsewhere.is_finished());
    daemon.delete(&format!("/v1/requests/{other}")).await;
    assert_eq!(status(&elsewhere.await.unwrap()), "cancelled");
}

#[tokio::test]
async fn being_seen_does_not_end_a_wait_for_the_answer() {
    let daemon = setup().start();
    let (id, path) = asked(&daemon).await;
    let held = daemon.get(&path).spawn();
    daemon.waiters_are(1).await;
    daemon.post(&format!("/v1/requests/{id}/seen")).await;
    daemon.waiters_are(1).await;
    daemon.approve(&id).await;
    let reply = held.await.unwrap();
    assert_eq!(status(&reply), "approved");
    assert_eq!(reply.json()["seen_by"][0]["by"]["principal"], "local");
}

#[tokio::test]
async fn an_expiry_wakes_who_waits() {
    let daemon = setup().start();
    let ask = daemon
        .asking(&json!({"title": "Deploy?", "expires_in_secs": 1}))
        .await;
    let held = daemon
        .get(&format!("/v1/requests/{}?wait=60", ask.id()))
        .await;
    assert_eq!(status(&held), "expired");
    let request = held.json();
    assert_eq!(request["history"][1]["what"], "expired");
    assert!(request["history"][1]["at"].as_str() >= request["expires_at"].as_str());
    let late = daemon
        .deciding(&ask.id(), &json!({"verdict": "approve"}))
        .await;
    assert_eq!(late.problem(), (409, "already_final".to_owned()));
}

#[tokio::test]
async fn a_wait_without_an_answer_ends_with_the_pending_request() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let reply = daemon.get(&format!("/v1/requests/{id}?wait=1")).await;
    assert_eq!(status(&reply), "pending");
    assert_eq!(reply.header("preference-applied"), Some("wait=1"));
    assert_eq!(reply.header("x-accel-buffering"), Some("no"));
    daemon.waiters_are(0).await;
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_no_waiter() {
    let daemon = setup().start();
    let (_, path) = asked(&daemon).await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        let mut socket = daemon.socket().await;
        socket
            .say(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            .await;
        sockets.push(socket);
    }
    // Over HTTP/2 the connection stays and only the call is taken back.
    let calls: Vec<_> = (0..5)
        .map(|_| daemon.call_http2(Method::GET, &path).spawn())
        .collect();
    daemon.waiters_are(10).await;
    drop(sockets);
    daemon.waiters_are(5).await;
    for call in calls {
        call.abort();
    }
    daemon.waiters_are(0).await;
}

#[tokio::test]
async fn http_2_waits_as_well_many_times_on_one_connection() {
    let daemon = setup().start();
    let (id, path) = asked(&daemon).await;
    let held: Vec<_> = (0..50)
        .map(|_| daemon.call_http2(Method::GET, &path).spawn())
        .collect();
    daemon.waiters_are(50).await;
    // One connection carries the polls, another these questions for figures.
    assert_eq!(daemon.metric("pushd_connections").await, 2);
    let call = daemon.call_http2(Method::POST, &format!("/v1/requests/{id}/decision"));
    assert_eq!(call.json(&json!({"verdict": "deny"})).await.status, 200);
    for held in held {
        assert_eq!(status(&held.await.unwrap()), "denied");
    }
}

#[tokio::test]
async fn two_hundred_who_wait_each_get_their_own_answer() {
    let daemon = setup().start();
    let mut held = Vec::new();
    for n in 0..200 {
        let id = daemon.ask(&n.to_string()).await;
        let call = daemon.get(&format!("/v1/requests/{id}?wait=60"));
        held.push((id, call.spawn()));
    }
    daemon.waiters_are(200).await;
    let verdict = |n: usize| {
        if n.is_multiple_of(3) {
            "deny"
        } else {
            "approve"
        }
    };
    let decisions = held.iter().enumerate().map(|(n, (id, _))| {
        let call = daemon.deciding(id, &json!({"verdict": verdict(n)}));
        async move { assert_eq!(call.await.status, 200) }
    });
    futures_util::future::join_all(decisions).await;
    for (n, (id, held)) in held.into_iter().enumerate() {
        let request = held.await.unwrap().json();
        assert_eq!(request["id"], id);
        assert_eq!(request["title"], n.to_string());
        let expected = if verdict(n) == "deny" {
            "denied"
        } else {
            "approved"
        };
        assert_eq!(request["status"], expected);
    }
}

#[tokio::test]
async fn a_poll_after_a_crash_gets_the_answer_from_before() {
    let daemon = setup().start();
    let (decided, pending) = (daemon.ask("a").await, daemon.ask("b").await);
    daemon.approve(&decided).await;
    let daemon = daemon.crash_and_restart();
    let reply = daemon.get(&format!("/v1/requests/{decided}?wait=60")).await;
    assert_eq!(status(&reply), "approved");
    let held = daemon
        .get(&format!("/v1/requests/{pending}?wait=60"))
        .spawn();
    daemon.waiters_are(1).await;
    daemon.approve(&pending).await;
    assert_eq!(status(&held.await.unwrap()), "approved");
}
