//! Whether anybody is there: what the answer to an ask says of those who listen.

use serde_json::{Value, json};

use crate::daemon::{Daemon, setup};
use crate::people::People;
use crate::stream::Stream;
use crate::until::until;

impl Daemon {
    /// How many are there for an ask with these members.
    async fn connected(&self, members: &Value) -> Value {
        let reply = self.asking(members).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()["approvers_connected"].clone()
    }

    /// How many are there for an ask by somebody.
    async fn connected_to(&self, people: &People, name: &str, members: Value) -> Value {
        let reply = people.by(name, self.asking(&members)).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()["approvers_connected"].clone()
    }

    /// A stream of somebody's, which has begun.
    pub(crate) async fn heard_by(&self, people: &People, name: &str, query: &str) -> Stream {
        let call = self.get(&format!("/v1/events{query}"));
        Stream::open(people.by(name, call)).await
    }
}

#[tokio::test]
async fn a_daemon_that_knows_nobody_counts_streams_and_only_while_they_are_open() {
    let daemon = setup().in_memory().start();
    let plain = json!({"title": "Deploy?"});
    assert_eq!(daemon.connected(&plain).await, 0);
    let first = daemon.listen("").await;
    let second = daemon.listen("?topic=a&topic=b").await;
    assert_eq!(daemon.connected(&plain).await, 1);
    let about = json!({"title": "Deploy?", "topic": "b"});
    assert_eq!(daemon.connected(&about).await, 2);
    // A long poll waits, and decides nothing.
    let id = daemon.ask("Deploy?").await;
    let read = daemon.read(&id).await;
    assert_eq!(read["approvers_connected"], Value::Null);
    drop((first, second));
    until("nobody to be there", async || {
        (daemon.connected(&about).await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn people_count_once_and_only_those_whose_approval_would() {
    let setup = setup().in_memory();
    let people = People::new(
        &setup,
        &[
            ("ci", "requester", "*"),
            ("alice", "approver", "*"),
            ("bob", "approver,requester", "deploy*"),
            ("carol", "approver", "*"),
            ("eve", "observer", "*"),
            ("adam", "admin", "*"),
        ],
    );
    // It is asked over and over until somebody has left.
    let setup = setup.flags("--asks-per-minute 100000");
    let daemon = setup.flags(&people.flag()).start();
    let mut open = Vec::new();
    for name in ["alice", "alice", "bob", "eve", "adam", "ci"] {
        open.push(daemon.heard_by(&people, name, "").await);
    }
    let ask = |topic: &str| json!({"title": "Deploy?", "topic": topic});
    let deploy = daemon.connected_to(&people, "ci", ask("deploy/shop"));
    assert_eq!(deploy.await, 2, "alice once, and bob");
    let other = daemon.connected_to(&people, "ci", ask("other"));
    assert_eq!(other.await, 1, "bob has other topics");
    let own = daemon.connected_to(&people, "bob", ask("deploy/shop"));
    assert_eq!(own.await, 1, "nobody approves their own request");
    let named = json!({"title": "Deploy?", "topic": "deploy/shop", "from": ["bob", "carol"]});
    let from = daemon.connected_to(&people, "ci", named);
    assert_eq!(
        from.await,
        1,
        "the terms name bob and somebody who is not there"
    );
    // Who may not listen any more is not there any more.
    people.revoke("alice");
    until("alice to be gone", async || {
        let other = daemon.connected_to(&people, "ci", ask("other"));
        (other.await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_leaves_the_topic_out_does_not_hear_of_it() {
    let setup = setup().in_memory();
    let people = People::new(
        &setup,
        &[("ci", "requester", "*"), ("alice", "approver", "*")],
    );
    let daemon = setup.flags(&people.flag()).start();
    let _open = daemon.heard_by(&people, "alice", "?topic=deploy").await;
    for (topic, count) in [("deploy", 1), ("other", 0)] {
        let ask = json!({"title": "Deploy?", "topic": topic});
        let connected = daemon.connected_to(&people, "ci", ask);
        assert_eq!(connected.await, count, "{topic}");
    }
}

#[tokio::test]
async fn an_ask_that_waits_or_is_sent_again_is_told_as_well() {
    let daemon = setup().in_memory().start();
    let _open = daemon.listen("").await;
    let plain = json!({"title": "Deploy?"});
    let ask = || daemon.asking(&plain).header("idempotency-key", "k");
    assert_eq!(ask().await.json()["approvers_connected"], 1);
    let again = ask().await;
    assert_eq!(
        (again.status, &again.json()["approvers_connected"]),
        (200, &json!(1))
    );
    let waits = daemon.asking(&plain).header("prefer", "wait=1").await;
    assert_eq!(waits.json()["approvers_connected"], 1);
}
