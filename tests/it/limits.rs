//! What there is only so much of, and what is said when there is no more.

use std::time::Duration;

use serde_json::json;
use tokio::time::interval;

use crate::call::Reply;
use crate::daemon::setup;
use crate::until::until;

const LIVEZ: &str = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn is_full(reply: &Reply, code: &str) {
    assert_eq!(reply.bare_problem(), (503, code.to_owned()));
    assert_eq!(reply.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_the_others_live_on() {
    let daemon = setup().flags("--max-connections 3").start();
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut socket = daemon.socket().await;
        socket.say(LIVEZ).await;
        assert_eq!(socket.answer().await.status, 200);
        open.push(socket);
    }
    for call in [LIVEZ.to_owned(), "x".repeat(100_000), String::new()] {
        let mut socket = daemon.socket().await;
        socket.say(call).await;
        let reply = socket.answer().await;
        is_full(&reply, "too_many_connections");
        assert_eq!(reply.header("connection"), Some("close"));
        assert_eq!(socket.closed().await, b"");
    }
    for socket in &mut open {
        socket.say(LIVEZ).await;
        assert_eq!(socket.answer().await.status, 200);
    }
    drop(open.pop());
    let again = until("a free place", async || {
        let reply = daemon.say(LIVEZ).await;
        (reply.status == 200).then_some(reply)
    });
    assert_eq!(again.await.text(), "live\n");
}

#[tokio::test]
async fn one_long_poll_too_many_is_told_so_and_reading_goes_on() {
    let daemon = setup().flags("--max-waiters 2").start();
    let id = daemon.ask("Deploy?").await;
    let path = format!("/v1/requests/{id}?wait=60");
    let held = [daemon.get(&path).spawn(), daemon.get(&path).spawn()];
    daemon.waiters_are(2).await;
    is_full(&daemon.get(&path).await, "too_many_waiters");
    assert_eq!(daemon.read(&id).await["status"], "pending");
    daemon.approve(&id).await;
    for held in held {
        assert_eq!(held.await.unwrap().json()["status"], "approved");
    }
    assert_eq!(daemon.get(&path).await.status, 200);
}

#[tokio::test]
async fn one_stream_too_many_is_told_so() {
    let daemon = setup().flags("--max-subscribers 2").start();
    let streams = [daemon.listen("").await, daemon.listen("").await];
    is_full(&daemon.get("/v1/events").await, "too_many_subscribers");
    drop(streams);
    daemon.subscribers_are(0).await;
    daemon.listen("").await.beginning().await;
}

#[tokio::test]
async fn one_pending_request_too_many_is_told_so_but_a_replay_is_not() {
    let daemon = setup().flags("--max-pending 2").start();
    let ask = |key: &str| {
        daemon
            .asking(&json!({"title": "a"}))
            .header("idempotency-key", key)
    };
    let first = ask("1").await.id();
    ask("2").await;
    is_full(&ask("3").await, "too_many_pending");
    assert_eq!(
        (ask("1").await.status, ask("1").await.id()),
        (200, first.clone())
    );
    daemon.approve(&first).await;
    assert_eq!(ask("3").await.status, 201);
    // The count is the store's, so it is right after a crash too.
    let daemon = daemon.crash_and_restart();
    let reply = daemon.asking(&json!({"title": "a"})).await;
    is_full(&reply, "too_many_pending");
}

#[tokio::test]
async fn connections_that_do_not_come_to_the_point_are_closed_and_those_that_wait_are_not() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let held = daemon.get(&format!("/v1/requests/{id}?wait=60")).spawn();
    let mut stream = daemon.listen("").await;
    stream.beginning().await;
    let mut open = Vec::new();
    for bytes in [
        "",
        "G",
        "P",
        "PRI * HTTP/2.0\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /livez HTTP/1.1\r\n",
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Half: ",
        &format!("{LIVEZ}GET /li"),
    ] {
        let mut socket = daemon.socket().await;
        socket.say(bytes).await;
        open.push(socket);
    }
    let mut slow = daemon.socket().await;
    let trickle = async {
        // A byte a second is no reason to have more time.
        let mut seconds = interval(Duration::from_secs(1));
        for byte in LIVEZ.bytes().cycle() {
            seconds.tick().await;
            slow.say([byte; 1]).await;
        }
    };
    tokio::select! {
        () = trickle => {}
        _ = futures_util::future::join_all(open.iter_mut().map(crate::raw::Socket::closed)) => {}
    }
    daemon.metric_is("pushd_connections", 3).await;
    assert!(!held.is_finished());
    daemon.approve(&id).await;
    assert_eq!(held.await.unwrap().json()["status"], "approved");
    assert_eq!(stream.event().await.data["status"], "approved");
}
