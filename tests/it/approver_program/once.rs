//! `--once`: one decision, and its exit code.

use serde_json::json;

use super::Approver;
use crate::daemon::setup;
use crate::pty::Pty;

const PROGRAM: &str = env!("CARGO_BIN_EXE_approver");

#[tokio::test]
async fn a_person_who_decides_once_leaves_with_the_verdict() {
    let daemon = setup().start();
    for (answer, code, status) in [("y", 0, "approved"), ("n", 1, "denied")] {
        let id = daemon.ask("Deploy?").await;
        let mut terminal = Pty::run(PROGRAM, &["--url", &daemon.url(), "--once"], &[]);
        terminal.answer(answer);
        assert_eq!(terminal.exit_code(), code);
        assert_eq!(daemon.read(&id).await["status"], status);
    }
    // Leaving is no approval.
    let id = daemon.ask("Deploy?").await;
    let mut terminal = Pty::run(PROGRAM, &["--url", &daemon.url(), "--once"], &[]);
    terminal.answer("q");
    assert_eq!(terminal.exit_code(), 3);
    assert_eq!(daemon.read(&id).await["status"], "pending");
}

#[tokio::test]
async fn a_policy_that_decides_once_leaves_with_its_verdict_and_the_rest_waits() {
    let daemon = setup().start();
    let policy = "case $PUSHD_REQUEST_TOPIC in open) exit 3;; no) exit 1;; esac";
    for (topic, code, status) in [("no", 1, "denied"), ("yes", 0, "approved")] {
        let mut ids = Vec::new();
        for topic in ["open", topic, topic] {
            let ask = json!({"title": "Deploy?", "topic": topic});
            ids.push(daemon.asking(&ask).await.id());
        }
        let args = ["--policy", policy, "--once", "--jobs", "8"];
        let left = Approver::start(&daemon.url(), &args).left().await;
        assert_eq!(
            (left.code, left.stdout.as_str()),
            (Some(code), ""),
            "{left:?}"
        );
        assert_eq!(daemon.read(&ids[1]).await["status"], status);
        for id in [&ids[0], &ids[2]] {
            assert_eq!(daemon.read(id).await["status"], "pending");
            let path = format!("/v1/requests/{id}");
            assert_eq!(daemon.delete(&path).await.status, 200);
        }
    }
}

#[tokio::test]
async fn with_policy_and_person_one_of_them_decides() {
    let daemon = setup().start();
    let policy = r#"[ "$PUSHD_REQUEST_TOPIC" = default ] && exit 3; exit 0"#;
    let args = ["--url", &daemon.url(), "--policy", policy, "--once"];
    let mut terminal = Pty::run(PROGRAM, &args, &[]);
    let open = daemon.ask("Deploy?").await;
    terminal.wait_for("Approve? ");
    // What the policy would decide waits for the person.
    let waits = json!({"title": "Other?", "topic": "other"});
    let waits = daemon.asking(&waits).await.id();
    terminal.wait_for("1 other waits");
    terminal.wait_until_open();
    terminal.type_keys("y\n");
    assert_eq!(terminal.exit_code(), 0);
    assert_eq!(daemon.read(&open).await["status"], "approved");
    assert_eq!(daemon.read(&waits).await["status"], "pending");
}
