//! Most of the servers are lost, and come back.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::nodes::{Cluster, patiently};
use crate::call::Reply;
use crate::daemon::Daemon;
use crate::until::soon;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_most_of_the_servers_nothing_is_taken_and_nothing_is_lost() {
    let cluster = Cluster::start(3).await;
    let daemons = &cluster.daemons;
    let kept = daemons[0].ask("kept").await;
    let decided = daemons[1].ask("decided").await;
    let mut streams = Vec::new();
    let mut polls = Vec::new();
    for daemon in daemons {
        let mut stream = daemon.listen("").await;
        stream.beginning().await;
        streams.push(stream);
        let poll = daemon.get(&format!("/v1/requests/{kept}"));
        polls.push(poll.header("prefer", "wait=60").spawn());
        daemon.waiters_are(1).await;
    }
    daemons[2].approve(&decided).await;
    let told = |event: crate::stream::Event| {
        let text = |name: &str| event.data[name].as_str().unwrap_or_default().to_owned();
        (text("id"), text("status"))
    };
    for stream in &mut streams {
        let (id, status) = told(stream.event().await);
        assert_eq!((id, status.as_str()), (decided.clone(), "approved"));
    }

    cluster
        .with_servers(|servers| {
            servers.kill(0);
            servers.kill(1);
        })
        .await;
    let mut asks = Vec::new();
    for (n, daemon) in daemons.iter().enumerate() {
        let (key, ask) = (format!("refused-{n}"), json!({"title": "refused"}));
        let refused = patiently("an ask to be refused", async || {
            let reply = daemon.asking(&ask).header("idempotency-key", &key).await;
            (reply.status != 201 && reply.status != 200).then_some(reply)
        })
        .await;
        is_told_to_come_later(&refused);
        asks.push((key, ask));
        is_told_to_come_later(&daemon.deciding(&kept, &json!({"verdict": "deny"})).await);
        patiently("the daemon not to be ready", async || {
            (daemon.get("/readyz").await.status == 503).then_some(())
        })
        .await;
        // What is known can be read.
        assert_eq!(daemon.read(&decided).await["status"], "approved");
    }
    for (daemon, poll) in daemons.iter().zip(&polls) {
        assert!(!poll.is_finished(), "a poll has ended");
        assert_eq!(daemon.metric("pushd_waiters").await, 1);
        assert_eq!(daemon.metric("pushd_subscribers").await, 1);
    }

    cluster
        .with_servers(|servers| {
            servers.restart(1);
            servers.restart(0);
        })
        .await;
    cluster.all_are_ready().await;
    // The same asks again: whether the first attempt has counted or not, there is one.
    for ((key, ask), daemon) in asks.iter().zip(daemons) {
        let reply = daemon.asking(ask).header("idempotency-key", key).await;
        assert!(matches!(reply.status, 200 | 201), "{reply:?}");
    }
    // The decision of before may have counted in spite of its 503; if not, it does now.
    let reply = daemons[0]
        .deciding(&kept, &json!({"verdict": "deny"}))
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    for poll in polls {
        let answer = soon("the answer to a poll", poll).await.unwrap();
        assert_eq!(answer.json()["status"], "denied");
    }
    let end = all_have_the_same(daemons).await;
    assert_eq!(end.len(), 2 + asks.len(), "{end:?}");
    // No stream was cut, and each tells of everything, in the same order, and nothing else.
    let mut orders = Vec::new();
    for stream in &mut streams {
        let mut order = Vec::new();
        while order.len() < 1 + asks.len() {
            order.push(told(stream.event().await));
        }
        for (id, status) in &order {
            assert_eq!(end.get(id), Some(status), "{order:?}, and {end:?}");
        }
        orders.push(order);
    }
    assert!(orders.iter().all(|order| *order == orders[0]), "{orders:?}");
}

fn is_told_to_come_later(reply: &Reply) {
    assert_eq!(reply.status, 503, "{reply:?}");
    assert!(reply.header("retry-after").is_some(), "{reply:?}");
}

/// Waits until all daemons list the same; answers the status of each request.
async fn all_have_the_same(daemons: &[Daemon]) -> HashMap<String, String> {
    let listed = patiently("all daemons to have the same", async || {
        let first = daemons[0].requests().await;
        for daemon in &daemons[1..] {
            if daemon.requests().await != first {
                return None;
            }
        }
        Some(first)
    })
    .await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    listed
        .iter()
        .map(|request| (text(&request["id"]), text(&request["status"])))
        .collect()
}
