//! Calls that wait, while their daemon is restarted.

use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;

use super::relay_to;
use crate::daemon::{Daemon, setup};
use crate::programs::Requester;
use crate::until::until;

/// Kills the daemon as a power cut would and starts it again, then ends it as a service manager
/// would and starts it again. Meanwhile there must be one poll.
async fn through_both(daemon: Daemon) -> Daemon {
    daemon.waiters_are(1).await;
    let mut daemon = daemon.crash_and_restart();
    daemon.waiters_are(1).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await, Some(0));
    let daemon = daemon.restart();
    daemon.waiters_are(1).await;
    daemon
}

#[tokio::test]
async fn a_poll_is_answered_on_the_same_call_across_a_crash_and_a_restart() {
    let daemon = setup().start();
    let relay = relay_to(&[&daemon], "");
    let id = relay.ask("Deploy?").await;
    let held = relay.get(&format!("/v1/requests/{id}?wait=60")).spawn();
    let daemon = through_both(daemon).await;
    daemon.approve(&id).await;
    let reply = held.await.unwrap();
    assert_eq!((reply.status, reply.id()), (200, id));
    assert_eq!(reply.json()["status"], "approved");
    assert_eq!(reply.header("preference-applied"), Some("wait=60"));
    assert_eq!(relay.metric("pushd_relay_calls_saved_total").await, 1);
}

#[tokio::test]
async fn a_poll_that_names_its_wait_in_a_header_is_held_as_well() {
    let daemon = setup().start();
    let relay = relay_to(&[&daemon], "");
    let id = relay.ask("Deploy?").await;
    let held = relay
        .call_http2(Method::GET, &format!("/v1/requests/{id}"))
        .header("prefer", "wait=60")
        .header("accept", "text/plain")
        .spawn();
    let daemon = through_both(daemon).await;
    let deny = json!({"verdict": "deny"});
    assert_eq!(daemon.deciding(&id, &deny).await.status, 200);
    let reply = held.await.unwrap();
    assert_eq!((reply.status, &*reply.text()), (200, "denied\n"));
}

#[tokio::test]
async fn an_ask_that_waits_asks_once_and_looks_as_if_nothing_had_happened() {
    let daemon = setup().start();
    let relay = relay_to(&[&daemon], "");
    let asking = relay
        .asking(&json!({"title": "Deploy?"}))
        .header("prefer", "wait=60");
    let held = asking.spawn();
    let daemon = through_both(daemon).await;
    let list = daemon.get("/v1/requests").await.json();
    let [request] = &list["requests"].as_array().unwrap()[..] else {
        panic!("{list}")
    };
    let id = request["id"].as_str().unwrap();
    daemon.approve(id).await;
    let reply = held.await.unwrap();
    assert_eq!((reply.status, &*reply.id()), (201, id));
    assert_eq!(reply.json()["status"], "approved");
    let location = format!("/v1/requests/{id}");
    assert_eq!(reply.header("location"), Some(&*location));
    assert_eq!(reply.header("idempotency-replayed"), None);
}

#[tokio::test]
async fn a_key_of_the_callers_own_is_kept_and_its_replay_is_told() {
    let daemon = setup().start();
    let relay = relay_to(&[&daemon], "");
    let ask = || {
        let call = relay.asking(&json!({"title": "Deploy?"}));
        call.header("idempotency-key", "k")
    };
    let (first, second) = (ask().await, ask().await);
    assert_eq!((first.status, second.status), (201, 200));
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    assert_eq!(first.id(), second.id());
    // Without a key the same words are another question.
    let ids = [relay.ask("Deploy?").await, relay.ask("Deploy?").await];
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_poll_whose_wait_ends_without_a_daemon_is_told_that_nothing_is_known() {
    let mut daemon = setup().start();
    let relay = relay_to(&[&daemon], "");
    let id = relay.ask("Deploy?").await;
    let held = relay.get(&format!("/v1/requests/{id}?wait=6"));
    let held = tokio::spawn(held.open());
    daemon.waiters_are(1).await;
    daemon.crash();
    let answer = held.await.unwrap();
    assert_eq!(answer.status(), 504);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: serde_json::Value =
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(problem["code"], "upstream_unavailable", "{problem}");
    assert_eq!(problem["request"], json!(null), "no made-up state");
    // A call that does not wait is held for a moment, too.
    let read = relay.get(&format!("/v1/requests/{id}")).spawn();
    let daemon = daemon.restart();
    let reply = read.await.unwrap();
    assert_eq!((reply.status, reply.id()), (200, id));
    drop(daemon);
}

#[tokio::test]
async fn a_caller_who_leaves_is_gone_at_the_daemon_too() {
    let daemon = setup().start();
    let relay = relay_to(&[&daemon], "");
    let id = relay.ask("Deploy?").await;
    let path = format!("/v1/requests/{id}?wait=60");
    for call in [relay.get(&path), relay.call_http2(Method::GET, &path)] {
        let held = call.spawn();
        daemon.waiters_are(1).await;
        held.abort();
        daemon.waiters_are(0).await;
    }
    let stream = relay.listen("").await;
    daemon.subscribers_are(1).await;
    drop(stream);
    daemon.subscribers_are(0).await;
    relay.metric_is("pushd_relay_calls_open", 0).await;
}

#[tokio::test]
async fn a_relay_that_winds_down_tells_pollers_what_is_true_and_ends_streams() {
    let daemon = setup().start();
    let mut relay = relay_to(&[&daemon], "");
    let id = relay.ask("Deploy?").await;
    let held = relay.get(&format!("/v1/requests/{id}?wait=60")).spawn();
    let mut stream = relay.listen("").await;
    stream.beginning().await;
    daemon.waiters_are(1).await;
    relay.signal(Signal::TERM);
    let reply = held.await.unwrap();
    assert_eq!(
        (reply.status, reply.json()["status"].as_str()),
        (200, Some("pending"))
    );
    stream.ended().await;
    assert_eq!(relay.ended().await, Some(0));
    assert!(!relay.log().contains("in time"), "{}", relay.log());
}

#[tokio::test]
async fn requester_notices_nothing_of_a_daemon_that_is_killed_behind_the_relay() {
    let daemon = setup().start();
    let relay = relay_to(&[&daemon], "");
    let requester = Requester::start(&relay.url(), &["-m", "Deploy?"]);
    let id = until("the question", async || {
        let list = daemon.get("/v1/requests?status=pending").await.json();
        Some(list["requests"][0]["id"].as_str()?.to_owned())
    })
    .await;
    let daemon = through_both(daemon).await;
    daemon.approve(&id).await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(!left.stderr.contains("trouble"), "{left:?}");
}
