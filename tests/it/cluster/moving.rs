//! From one daemon to another: nobody notices which one they talk to.

use serde_json::json;

use super::nodes::Cluster;
use crate::daemon::Daemon;
use crate::programs::Requester;

#[tokio::test]
async fn what_one_daemon_is_told_the_others_know() {
    let cluster = Cluster::start(1).await;
    let [a, b, c] = &cluster.daemons[..] else {
        panic!("three daemons");
    };
    let mut stream = c.listen("").await;
    stream.beginning().await;
    let ask = || {
        a.asking(&json!({"title": "Deploy?"}))
            .header("idempotency-key", "k")
    };
    let id = ask().await.id();
    // The same ask again, at another daemon.
    let again = b
        .asking(&json!({"title": "Deploy?"}))
        .header("idempotency-key", "k")
        .await;
    assert_eq!((again.status, again.id()), (200, id.clone()));
    let waiting = b
        .get(&format!("/v1/requests/{id}"))
        .header("prefer", "wait=60")
        .spawn();
    b.waiters_are(1).await;
    let told = stream.event().await;
    assert_eq!(told.data["id"], id.as_str());
    // Decided where nobody waits.
    c.approve(&id).await;
    let answer = waiting.await.unwrap();
    assert_eq!(answer.json()["status"], "approved");
    assert_eq!(stream.event().await.data["status"], "approved");
    let (code, told) = (409, "already_final".to_owned());
    let late = a.deciding(&id, &json!({"verdict": "deny"})).await;
    assert_eq!(late.problem(), (code, told));
}

#[tokio::test]
async fn a_requester_whose_daemon_dies_gets_its_answer_by_another_and_asks_once() {
    let mut cluster = Cluster::start(3).await;
    let urls: Vec<_> = cluster.daemons.iter().map(Daemon::url).collect();
    let mut stream = cluster.daemons[2].listen("").await;
    stream.beginning().await;
    let requester = Requester::start(&urls[0], &["--url", &urls[1], "-m", "Deploy?"]);
    let id = cluster.daemons[2].the_pending_one().await;
    cluster.daemons[0].waiters_are(1).await;
    cluster.daemons[0].crash();
    cluster.daemons[1].waiters_are(1).await;
    cluster.daemons[2].approve(&id).await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    // One request, and nobody was shown a second question.
    for status in ["pending", "approved"] {
        let told = stream.event().await.data;
        assert_eq!((&told["id"], &told["status"]), (&json!(id), &json!(status)));
    }
    assert_eq!(cluster.daemons[1].requests().await.len(), 1);
}

#[tokio::test]
async fn a_stream_goes_on_at_another_daemon_where_it_was_cut() {
    let mut cluster = Cluster::start(1).await;
    let mut stream = cluster.daemons[0].listen("").await;
    stream.beginning().await;
    let first = cluster.daemons[1].ask("first").await;
    let cursor = stream.event().await.id;
    cluster.daemons[0].crash();
    let second = cluster.daemons[1].ask("second").await;
    // A read waits until the node has heard of it, and a stream does not.
    cluster.daemons[2].read(&second).await;
    let mut stream = cluster.daemons[2].resume(&cursor).await;
    let told = stream.event().await;
    assert_eq!(
        (told.name.as_str(), &told.data["id"]),
        ("request", &json!(second))
    );
    assert_eq!(stream.event().await.name, "caught-up");
    cluster.daemons[1].approve(&first).await;
    let told = stream.event().await;
    assert_eq!(told.data["id"], first.as_str());
    // Whoever is where another daemon has just been is not told to begin anew.
    for daemon in &cluster.daemons[1..] {
        let mut resumed = daemon.resume(&told.id).await;
        assert_eq!(resumed.event().await.name, "caught-up");
    }
}
