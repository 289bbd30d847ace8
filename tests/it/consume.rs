//! An approval is used once, whoever tries and how often.

use serde_json::{Value, json};

use crate::call::{Call, Reply};
use crate::daemon::{Daemon, setup};
use crate::people::People;
use crate::until::until;

const NONCE: &str = "0123456789abcdef";

impl Daemon {
    fn consuming(&self, id: &str, nonce: &str) -> Call {
        let call = self.post(&format!("/v1/requests/{id}/consume"));
        call.json(&json!({"nonce": nonce}))
    }

    async fn approved(&self, members: &Value) -> String {
        let id = self.asking(members).await.id();
        self.approve(&id).await;
        id
    }
}

fn codes(replies: &[Reply], code: &str) -> usize {
    let refused = replies.iter().filter(|reply| reply.status != 200);
    refused.filter(|reply| reply.problem().1 == code).count()
}

#[tokio::test]
async fn of_fifty_at_once_one_gets_it_and_the_same_nonce_always() {
    let daemon = setup().start();
    let id = daemon.approved(&json!({"title": "Deploy?"})).await;
    let all = (0..50).map(|n| daemon.consuming(&id, &format!("{NONCE}-{n}")).spawn());
    let replies: Vec<Reply> = futures_util::future::join_all(all)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let won: Vec<_> = (0..50).filter(|&n| replies[n].status == 200).collect();
    assert_eq!((won.len(), codes(&replies, "already_consumed")), (1, 49));
    let winner = format!("{NONCE}-{}", won[0]);
    let request = daemon.read(&id).await;
    assert_eq!(request["status"], "approved");
    assert!(request["consumed_at"].is_string(), "{request}");
    assert_eq!(request["history"].as_array().unwrap().len(), 3);
    // The answer was lost, the daemon has died: the winner may ask again and is told the same.
    let daemon = daemon.crash_and_restart();
    let again = daemon.consuming(&id, &winner).await;
    assert_eq!((again.status, again.json()), (200, request));
    let other = daemon.consuming(&id, NONCE).await;
    assert_eq!(other.problem(), (409, "already_consumed".to_owned()));
}

#[tokio::test]
async fn only_an_approval_can_be_used_and_only_by_whoever_asked() {
    let setup = setup();
    let team = [
        ("ci", "requester", "*"),
        ("alice", "approver", "*"),
        ("cron", "requester", "*"),
    ];
    let people = People::new(&setup, &team);
    let daemon = setup.flags(&people.flag()).start();
    let id = daemon.asked_by(&people, "ci", "deploy").await;
    let pending = people.by("ci", daemon.consuming(&id, NONCE)).await;
    assert_eq!(pending.problem(), (409, "not_approved".to_owned()));
    assert_eq!(pending.json()["request"]["status"], "pending");
    let yes = daemon.deciding(&id, &json!({"verdict": "approve"}));
    people.by("alice", yes).await;
    let other = people.by("alice", daemon.consuming(&id, NONCE)).await;
    assert_eq!(other.problem(), (403, "not_the_requester".to_owned()));
    let foreign = people.by("cron", daemon.consuming(&id, NONCE)).await;
    assert_eq!(foreign.problem(), (404, "not_found".to_owned()));
    let own = people.by("ci", daemon.consuming(&id, NONCE)).await;
    assert_eq!(own.status, 200, "{own:?}");
    let id = daemon.asked_by(&people, "ci", "deploy").await;
    let no = daemon.deciding(&id, &json!({"verdict": "deny"}));
    people.by("alice", no).await;
    let denied = people.by("ci", daemon.consuming(&id, NONCE)).await;
    assert_eq!(denied.problem(), (409, "not_approved".to_owned()));
}

#[tokio::test]
async fn an_approval_that_is_too_old_is_not_used_and_stays_approved() {
    let daemon = setup().in_memory().start();
    let short = json!({"title": "Deploy?", "use_within_secs": 1});
    let id = daemon.approved(&short).await;
    let second = std::time::Duration::from_secs(1);
    let decided = tokio::time::Instant::now();
    until("more than a second has passed", async || {
        (decided.elapsed() > second + second / 10).then_some(())
    })
    .await;
    let late = daemon.consuming(&id, NONCE).await;
    assert_eq!(late.problem(), (410, "too_late".to_owned()));
    assert!(late.detail().contains("1 s"), "{}", late.detail());
    assert_eq!(daemon.read(&id).await["status"], "approved");
}

#[tokio::test]
async fn a_nonce_is_long_enough_not_to_be_guessed() {
    let daemon = setup().in_memory().start();
    let id = daemon.approved(&json!({"title": "Deploy?"})).await;
    for bad in [
        "",
        "short",
        &"x".repeat(129),
        "0123456789abcde\u{e9}",
        "0123456789abcdef ",
    ] {
        let refused = daemon.consuming(&id, bad).await;
        assert_eq!(
            refused.problem(),
            (422, "invalid_member".to_owned()),
            "{bad}"
        );
        assert!(refused.detail().contains("nonce"), "{}", refused.detail());
    }
}

#[tokio::test]
async fn a_command_is_shown_exactly_as_it_was_asked() {
    let daemon = setup().start();
    let command = json!({
        "argv": ["sh", "-c", "echo \"a  b\"\n\u{202e}exit 7", ""],
        "program": "/bin/sh", "directory": "/srv", "user": "ci", "host": "ci-1",
        "environment": [{"name": "A", "value": "b=c"}],
        "stdin": {"sha256": "00".repeat(32), "bytes": 3},
        "files": [{"path": "plan.out", "sha256": "ff".repeat(32), "bytes": 9}],
    });
    let id = daemon
        .asking(&json!({"title": "Run?", "command": command}))
        .await
        .id();
    assert_eq!(daemon.read(&id).await["command"], command);
    let daemon = daemon.crash_and_restart();
    assert_eq!(daemon.read(&id).await["command"], command);
}
