//! The terms of an ask as `requester` says them: who has to agree, and for how long it holds
//! without its asker.

use serde_json::json;

use crate::daemon::setup;
use crate::front::{Front, Way};
use crate::people::People;
use crate::programs::Requester;

/// What a daemon of the time before leases says of one.
const KNOWS_NO_LEASE: Way = Way::Page(
    "422 Unprocessable Entity",
    "application/problem+json",
    r#"{"title":"Unprocessable Entity","status":422,"code":"invalid_member",
        "detail":"unknown field `lease_secs`, expected one of `title`, `details`, `fields`"}"#,
);

#[tokio::test]
async fn whoever_waits_has_a_lease_and_whoever_detaches_has_none() {
    let daemon = setup().in_memory().start();
    let requester = Requester::start(&daemon.url(), &[]);
    let id = daemon.the_pending_one().await;
    assert_eq!(daemon.read(&id).await["lease_secs"], 120);
    daemon.approve(&id).await;
    assert_eq!(requester.left().await.code, Some(0));
    for (args, lease) in [
        (&["--detach"][..], json!(null)),
        (&["--wait-at-most", "3s"], json!(null)),
        (&["--detach", "--lease", "1h"], json!(3600)),
    ] {
        let left = Requester::start(&daemon.url(), args).left().await;
        assert_eq!(left.code, Some(3), "{left:?}");
        let request = daemon.read(left.stdout.trim()).await;
        assert_eq!(request["lease_secs"], lease, "{request}");
    }
}

#[tokio::test]
async fn an_older_daemon_is_asked_without_a_lease_unless_it_is_wanted() {
    let daemon = setup().in_memory().start();
    let older = |_: usize, line: &str| {
        if line.starts_with("POST") {
            KNOWS_NO_LEASE
        } else {
            Way::Through
        }
    };
    let front = Front::before(&daemon, older).await;
    let left = Requester::start(&front.url(), &["--lease", "5m"])
        .left()
        .await;
    assert_eq!(left.code, Some(64), "{left:?}");
    assert!(left.stderr.contains("lease_secs"), "{left:?}");
    assert_eq!(front.calls().len(), 1);

    let once = |number: usize, _: &str| {
        if number == 0 {
            KNOWS_NO_LEASE
        } else {
            Way::Through
        }
    };
    let front = Front::before(&daemon, once).await;
    let requester = Requester::start(&front.url(), &[]);
    let id = daemon.the_pending_one().await;
    assert_eq!(daemon.read(&id).await["lease_secs"], json!(null));
    daemon.approve(&id).await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(left.stderr.contains("knows no leases"), "{left:?}");
}

#[tokio::test]
async fn two_have_to_agree_and_the_votes_so_far_are_told() {
    let setup = setup().in_memory();
    let people = [
        ("ci", "requester", "*"),
        ("alice", "approver", "*"),
        ("bob", "approver", "*"),
    ];
    let people = People::new(&setup, &people);
    let daemon = setup.flags(&people.flag()).start();
    let token = [("PUSHD_TOKEN", people.token_of("ci"))];
    let args = ["--need", "2", "--from", "alice,bob", "--use-within", "10m"];
    let requester = Requester::start_with(&daemon.url(), &args, &token);
    requester.told("votes so far: 0 of 2").await;
    // What it is asked as is told after them.
    requester.told("asked \"").await;
    let said = requester.said();
    let id = said
        .split(" as ")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap();
    for (name, told) in [
        ("alice", "votes so far: 1 of 2, alice"),
        ("bob", "approved by"),
    ] {
        let vote = daemon.deciding(id, &json!({"verdict": "approve"}));
        let reply = people.by(name, vote).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        requester.told(told).await;
    }
    let request = people
        .by("ci", daemon.get(&format!("/v1/requests/{id}")))
        .await;
    let request = request.json();
    assert_eq!(request["approvers"], json!(["alice", "bob"]), "{request}");
    assert_eq!(request["use_within_secs"], 600);
    assert_eq!(requester.left().await.code, Some(0));
}

#[tokio::test]
async fn who_has_to_agree_cannot_be_said_to_a_daemon_that_knows_nobody() {
    let daemon = setup().in_memory().start();
    for args in [["--need", "2"], ["--from", "alice"]] {
        let left = Requester::start(&daemon.url(), &args).left().await;
        assert_eq!(left.code, Some(64), "{left:?}");
    }
    assert_eq!(daemon.requests().await.len(), 0);
}

/// A slip in a name was taken, and the requester waited for nobody until the request expired.
#[tokio::test]
async fn whom_nobody_knows_is_refused_by_name_and_so_are_more_than_there_are() {
    let setup = setup().in_memory();
    let people = [
        ("ci", "requester", "*"),
        ("alice", "approver", "deploy/*"),
        ("bob", "approver", "*"),
        ("probe", "observer", "*"),
    ];
    let people = People::new(&setup, &people);
    let daemon = setup.flags(&people.flag()).start();
    let asks = async |members: &serde_json::Value| {
        let mut ask = json!({"title": "Deploy?"});
        let all = ask.as_object_mut().unwrap();
        all.extend(members.as_object().unwrap().clone());
        people.by("ci", daemon.asking(&ask)).await
    };
    for (members, named) in [
        (json!({"from": ["alcie"]}), "\"alcie\""),
        (json!({"from": ["bob", "alice"]}), "\"alice\""),
        (json!({"from": ["probe"]}), "\"probe\""),
        (json!({"from": ["unix:root"]}), "\"unix:root\""),
        (json!({"need": 2}), "needs 2 approvals"),
    ] {
        let refused = asks(&members).await;
        assert_eq!(refused.problem(), (422, "refused_by_policy".to_owned()));
        assert!(refused.detail().contains(named), "{refused:?}");
    }
    let taken = json!({"from": ["alice", "bob"], "need": 2, "topic": "deploy/prod"});
    assert_eq!(asks(&taken).await.status, 201);
}
