//! What polls, answers and streams get.

use rustix::process::Signal;
use serde_json::json;

use super::classic;
use crate::daemon::{Daemon, setup};
use crate::until::soon;

#[tokio::test]
async fn yes_is_200_and_no_is_204_and_any_page_may_read_it() {
    let daemon = classic();
    for (form, status, body) in [("data=yes", 200, "OK"), ("data=no", 204, "")] {
        let held = daemon
            .polling("?t=17")
            .header("origin", "http://pages.example")
            .spawn();
        daemon.question().await;
        assert_eq!(daemon.sure("", form).await.status, 200);
        let answer = held.await.unwrap();
        assert_eq!((answer.status, &*answer.text()), (status, body));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn server_b_finds_the_number_in_the_body() {
    let daemon = classic();
    for (form, body) in [("data=yes", "200"), ("data=no", "204")] {
        let call = daemon.post("/btServer").header("content-type", "text/x");
        let held = call.body("anything").spawn();
        daemon.question().await;
        daemon.sure("", form).await;
        let answer = held.await.unwrap();
        assert_eq!((answer.status, &*answer.text()), (200, body));
        assert_eq!(answer.header("connection"), None, "B's agent keeps it");
    }
}

#[tokio::test]
async fn the_question_is_a_request_like_any_other() {
    let daemon = classic();
    let mut stream = daemon.listen("?topic=classic/till-7").await;
    stream.until_caught_up().await;
    let held = daemon.polling("?channel=till-7").spawn();
    let told = stream.event().await.data;
    assert_eq!(
        told["title"],
        json!("Yes or no? Somebody polls the classic channel till-7")
    );
    assert_eq!(told["requester"]["principal"], "classic");
    daemon.approve(told["id"].as_str().unwrap()).await;
    assert_eq!(held.await.unwrap().status, 200);
}

#[tokio::test]
async fn channels_do_not_mix() {
    let daemon = classic();
    let one = daemon.polling("?channel=one").spawn();
    let two = daemon.polling("?channel=two").spawn();
    daemon.waiters_are(2).await;
    assert_eq!(daemon.sure("", "data=yes").await.status, 409);
    assert_eq!(daemon.sure("?channel=two", "data=no").await.status, 200);
    assert_eq!(two.await.unwrap().status, 204);
    assert_eq!(daemon.all_pending().await.len(), 1);
    assert_eq!(daemon.sure("?channel=one", "data=yes").await.status, 200);
    assert_eq!(one.await.unwrap().status, 200);
}

/// The lines of `/ensure` up to the next event.
async fn ensure(response: &mut reqwest::Response) -> String {
    let mut text = String::new();
    while !text.ends_with("data: ensure\n\n") {
        let chunk = soon("an event", response.chunk()).await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    text
}

#[tokio::test]
async fn the_stream_says_ensure_once_for_each_question_to_early_and_late_listeners() {
    let daemon = classic();
    let mut early = daemon.get("/ensure").open().await;
    assert_eq!(early.headers()["content-type"], "text/event-stream");
    assert!(!early.headers().contains_key("access-control-allow-origin"));
    let mut elsewhere = daemon.get("/ensure?channel=b").open().await;
    for form in ["data=yes", "data=no"] {
        let held = daemon.polling("").spawn();
        let told = ensure(&mut early).await;
        assert_eq!(told.matches("data:").count(), 1, "{told}");
        let mut late = daemon.get("/ensure").open().await;
        ensure(&mut late).await;
        // A browser whose connection was cut has told its page already.
        let id = told.lines().find_map(|line| line.strip_prefix("id: "));
        let resumed = daemon.get("/ensure").header("last-event-id", id.unwrap());
        let mut resumed = resumed.open().await;
        daemon.sure("", form).await;
        held.await.unwrap();
        let next = daemon.polling("").spawn();
        let told = ensure(&mut resumed).await;
        assert_eq!(told.matches("data:").count(), 1, "{told}");
        ensure(&mut early).await;
        daemon.sure("", "data=no").await;
        next.await.unwrap();
    }
    let held = daemon.polling("?channel=b").spawn();
    let told = ensure(&mut elsewhere).await;
    assert_eq!(told.matches("data:").count(), 1, "{told}");
    held.abort();
}

#[tokio::test]
async fn a_daemon_that_winds_down_or_starts_anew_says_neither_yes_nor_no() {
    let mut daemon = classic();
    let held = daemon.polling("").spawn();
    let by_server = daemon.post("/btServer").spawn();
    let mut stream = daemon.get("/ensure").open().await;
    ensure(&mut stream).await;
    daemon.waiters_are(2).await;
    daemon.signal(Signal::TERM);
    for held in [held, by_server] {
        let answer = held.await.unwrap();
        assert_eq!(answer.problem(), (503, "draining".to_owned()));
    }
    assert_eq!(soon("the end", stream.chunk()).await.unwrap(), None);
    assert_eq!(daemon.ended().await, Some(0));
    found_again(daemon.restart()).await;

    let daemon = classic();
    let held = daemon.polling("").spawn();
    daemon.question().await;
    let daemon = daemon.crash_and_restart();
    held.abort();
    found_again(daemon).await;
}

/// The question of a poll before the restart is pending still, and the resend joins it.
async fn found_again(daemon: Daemon) {
    let id = daemon.question().await;
    let mut late = daemon.get("/ensure").open().await;
    ensure(&mut late).await;
    let resend = daemon.polling("").spawn();
    daemon.waiters_are(1).await;
    assert_eq!(daemon.question().await, id);
    assert_eq!(daemon.sure("", "data=yes").await.status, 200);
    assert_eq!(resend.await.unwrap().status, 200);
}

#[tokio::test]
async fn two_listeners_serve_the_same_channels() {
    let daemon = setup().flags("--classic --listen 127.0.0.1:0").start();
    let other = until_second_address(&daemon).await;
    let held = daemon.polling("").spawn();
    daemon.question().await;
    let form = daemon.clients.http1.post(format!("http://{other}/sure"));
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(form.body("data=yes").send().await.unwrap().status(), 200);
    assert_eq!(held.await.unwrap().status, 200);
}

async fn until_second_address(daemon: &Daemon) -> String {
    crate::until::until("a second address", async || {
        let addresses = daemon.addresses();
        let other = addresses.into_iter().find(|at| *at != daemon.address());
        other.map(|other| other.to_string())
    })
    .await
}
