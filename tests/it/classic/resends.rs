//! Answers that are lost on the way, and those that come between two polls.

use serde_json::json;

use super::classic;
use crate::daemon::Daemon;
use crate::until::until;

const POLL: &str = "GET /longPolling HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn an_answer_between_two_polls_is_given_to_one() {
    let daemon = classic();
    let given_up = daemon.polling("").spawn();
    let id = daemon.question().await;
    daemon.waiters_are(1).await;
    given_up.abort();
    daemon.waiters_are(0).await;
    assert_eq!(daemon.sure("", "data=yes").await.status, 200);
    assert_eq!(daemon.polling("").await.status, 200);
    let stranger = daemon.polling("").spawn();
    assert_ne!(daemon.question().await, id, "it asks anew");
    stranger.abort();
}

/// A yes for a question that somebody else has just decided hit the next one, which nobody had
/// seen yet.
#[tokio::test]
async fn a_yes_for_a_question_that_is_over_does_not_hit_the_next_one() {
    let daemon = classic();
    // On a machine that stands still for a while the next question may be old when the yes comes.
    let refused = until("a yes that comes early", async || {
        let held = daemon.polling("").spawn();
        let first = daemon.question().await;
        daemon.deciding(&first, &json!({"verdict": "deny"})).await;
        assert_eq!(held.await.unwrap().status, 204);
        let stranger = daemon.polling("").spawn();
        let next = daemon.question().await;
        let reply = daemon.sure_at_once("", "data=yes").await;
        if reply.status == 200 {
            stranger.await.unwrap();
            return None;
        }
        assert_eq!(daemon.read(&next).await["status"], "pending");
        assert_eq!(daemon.sure("", "data=yes").await.status, 200);
        assert_eq!(stranger.await.unwrap().status, 200);
        Some(reply)
    })
    .await;
    assert_eq!(refused.problem(), (409, "just_asked".to_owned()));
    assert!(
        refused.detail().contains("nothing was decided"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn two_resends_join_the_question_before_its_answer_comes() {
    let daemon = classic();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let given_up = daemon.polling("").spawn();
        daemon.waiters_are(1).await;
        ids.push(daemon.question().await);
        given_up.abort();
        daemon.waiters_are(0).await;
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let held = daemon.polling("").spawn();
    daemon.waiters_are(1).await;
    daemon.sure("", "data=no").await;
    assert_eq!(held.await.unwrap().status, 204);
}

#[tokio::test]
async fn two_polls_that_are_held_both_get_the_answer() {
    let daemon = classic();
    let [one, two] = [(); 2].map(|()| daemon.polling("").spawn());
    daemon.waiters_are(2).await;
    daemon.question().await;
    daemon.sure("", "data=yes").await;
    for held in [one, two] {
        assert_eq!(held.await.unwrap().status, 200);
    }
}

/// The answer was sent, and reached a client that had stopped reading: its system throws it away
/// and says so, and the resend gets it.
#[tokio::test]
async fn an_answer_that_its_client_has_thrown_away_is_given_to_the_resend() {
    let daemon = classic();
    let mut socket = daemon.socket().await;
    socket.say(POLL).await;
    daemon.waiters_are(1).await;
    daemon.sure("", "data=yes").await;
    socket.readable().await;
    let connections = daemon.metric("pushd_connections").await;
    drop(socket);
    closed(&daemon, connections).await;
    assert_eq!(daemon.polling("").await.status, 200);
    let stranger = daemon.polling("").spawn();
    daemon.question().await;
    stranger.abort();
}

/// A client that has read its answer and then closes has had it.
#[tokio::test]
async fn an_answer_that_was_read_is_given_to_nobody_else() {
    let daemon = classic();
    let mut socket = daemon.socket().await;
    socket.say(POLL).await;
    daemon.waiters_are(1).await;
    daemon.sure("", "data=yes").await;
    assert_eq!(socket.answer().await.status, 200);
    let connections = daemon.metric("pushd_connections").await;
    drop(socket);
    closed(&daemon, connections).await;
    let stranger = daemon.polling("").spawn();
    daemon.question().await;
    stranger.abort();
}

/// Waits until a connection fewer is open.
async fn closed(daemon: &Daemon, before: u64) {
    until("the connection to be closed", async || {
        (daemon.metric("pushd_connections").await < before).then_some(())
    })
    .await;
}
