//! Deciding, cancelling, and having seen.

use serde_json::{Value, json};

use crate::daemon::setup;

#[tokio::test]
async fn a_decision_is_kept_with_who_why_and_when() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let decision = json!({"verdict": "deny", "reason": "frozen until Monday"});
    let reply = daemon.deciding(&id, &decision).await;
    assert_eq!(reply.status, 200);
    let request = reply.json();
    assert_eq!(request["status"], "denied");
    assert_eq!(request["version"], request["event_id"]);
    let made = &request["decisions"][0];
    assert_eq!(made["verdict"], "deny");
    assert_eq!(made["reason"], "frozen until Monday");
    assert_eq!(made["approver"]["principal"], "local");
    assert_eq!(made["at"], request["decided_at"]);
    let steps = request["history"].as_array().unwrap();
    let steps: Vec<_> = steps
        .iter()
        .map(|step| step["what"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["asked", "denied"]);
    assert_eq!(daemon.read(&id).await, request);
}

#[tokio::test]
async fn the_same_verdict_again_changes_nothing_and_the_first_reason_stays() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let first = daemon
        .deciding(&id, &json!({"verdict": "approve", "reason": "one"}))
        .await;
    let again = json!({"verdict": "approve", "reason": "two", "version": 0});
    let again = daemon.deciding(&id, &again).await;
    assert_eq!((again.status, again.json()), (200, first.json()));
}

#[tokio::test]
async fn an_empty_reason_is_none() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let reply = daemon
        .deciding(&id, &json!({"verdict": "approve", "reason": ""}))
        .await;
    assert_eq!(reply.json()["decisions"][0]["reason"], Value::Null);
}

#[tokio::test]
async fn a_decision_on_what_is_final_is_409_and_tells_what_won() {
    let daemon = setup().start();
    let denied = daemon.ask("a").await;
    daemon.deciding(&denied, &json!({"verdict": "deny"})).await;
    let cancelled = daemon.ask("b").await;
    daemon.delete(&format!("/v1/requests/{cancelled}")).await;
    for (id, status) in [(denied, "denied"), (cancelled, "cancelled")] {
        // 409 is considered before 412.
        let reply = daemon
            .deciding(&id, &json!({"verdict": "approve", "version": 0}))
            .await;
        assert_eq!(reply.problem(), (409, "already_final".to_owned()));
        let problem = reply.json();
        assert_eq!(problem["request"]["status"], status);
        assert_eq!(problem["request"], daemon.read(&id).await);
        assert!(reply.detail().contains(status), "{reply:?}");
    }
}

#[tokio::test]
async fn a_decision_on_another_version_is_412_with_the_current_request_and_decides_nothing() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let request = daemon.read(&id).await;
    let version = request["version"].as_u64().unwrap();
    let reply = daemon
        .deciding(&id, &json!({"verdict": "approve", "version": version + 1}))
        .await;
    assert_eq!(reply.problem(), (412, "other_version".to_owned()));
    assert_eq!(reply.json()["request"], request);
    assert_eq!(daemon.read(&id).await["status"], "pending");
    let reply = daemon
        .deciding(&id, &json!({"verdict": "approve", "version": version}))
        .await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn being_seen_counts_once_moves_the_tag_and_leaves_the_version() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let before = daemon.read(&id).await;
    let see = async || {
        let reply = daemon.post(&format!("/v1/requests/{id}/seen")).await;
        assert_eq!((reply.status, &reply.body[..]), (204, b"".as_slice()));
    };
    see().await;
    let seen = daemon.read(&id).await;
    assert_eq!(seen["seen_by"][0]["by"]["principal"], "local");
    assert_ne!(seen["event_id"], before["event_id"]);
    assert_eq!(seen["version"], before["version"]);
    see().await;
    assert_eq!(daemon.read(&id).await, seen, "the second time is no change");

    let version = seen["version"].clone();
    let reply = daemon
        .deciding(&id, &json!({"verdict": "approve", "version": version}))
        .await;
    assert_eq!(reply.status, 200);
    let decided = daemon.read(&id).await;
    see().await;
    assert_eq!(daemon.read(&id).await, decided);
}

#[tokio::test]
async fn a_cancelled_request_can_be_cancelled_again_and_a_decided_one_cannot() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let path = format!("/v1/requests/{id}");
    let first = daemon.delete(&path).await;
    assert_eq!(
        (first.status, first.json()["status"].as_str()),
        (200, Some("cancelled"))
    );
    let again = daemon.delete(&path).await;
    assert_eq!((again.status, again.json()), (200, first.json()));

    let id = daemon.ask("Deploy?").await;
    let decided = daemon.approve(&id).await.json();
    let reply = daemon.delete(&format!("/v1/requests/{id}")).await;
    assert_eq!(reply.problem(), (409, "already_final".to_owned()));
    assert_eq!(reply.json()["request"], decided);
}

#[tokio::test]
async fn a_body_that_a_call_does_not_take_is_of_no_interest() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let seen = daemon
        .post(&format!("/v1/requests/{id}/seen"))
        .json(&json!({"a": 1}))
        .await;
    assert_eq!(seen.status, 204);
    let cancelled = daemon.delete(&format!("/v1/requests/{id}")).body("{").await;
    assert_eq!(cancelled.status, 200);
}

#[tokio::test]
async fn one_of_a_hundred_racing_decisions_counts_and_all_reads_agree() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let verdicts = ["approve", "deny"];
    let race = (0..100).map(|n| {
        let verdict = verdicts[n % 2];
        let decision = json!({"verdict": verdict, "reason": n.to_string()});
        let call = daemon.deciding(&id, &decision);
        async move { (verdict, call.spawn().await.unwrap()) }
    });
    let replies = futures_util::future::join_all(race).await;
    let request = daemon.read(&id).await;
    let won = request["decisions"][0]["verdict"].as_str().unwrap();
    for (verdict, reply) in &replies {
        // All callers are the same principal, so the winning verdict repeated is no conflict.
        let expected = if *verdict == won { 200 } else { 409 };
        assert_eq!(reply.status, expected, "{verdict} when {won} won");
        let told = if expected == 200 {
            reply.json()
        } else {
            reply.json()["request"].clone()
        };
        assert_eq!(told, request, "everybody is told the same");
    }
    assert_eq!(request["decisions"].as_array().unwrap().len(), 1);
    assert_eq!(request["history"].as_array().unwrap().len(), 2);
    assert_eq!(daemon.metric("pushd_commits_total").await, 2);
}
