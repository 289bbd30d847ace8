//! `approve`, `deny` and `take-back`.

use serde_json::{Value, json};

use super::{Approver, run};
use crate::daemon::setup;
use crate::pty::Pty;

#[tokio::test]
async fn an_approval_and_a_denial_count_and_say_so() {
    let daemon = setup().start();
    for (verdict, status) in [("approve", "approved"), ("deny", "denied")] {
        let id = daemon.ask("Deploy?").await;
        let left = run(&daemon.url(), &[verdict, &id, "-r", "because"]).await;
        assert_eq!((left.code, left.stdout.as_str()), (Some(0), ""), "{left:?}");
        assert!(
            left.stderr.contains(&format!("{id} is {status}")),
            "{left:?}"
        );
        let view = daemon.read(&id).await;
        assert_eq!(view["status"], status);
        assert_eq!(view["decisions"][0]["reason"], "because");
        // Nobody was at a terminal.
        assert_eq!(view["decisions"][0]["approver"]["channel"], "api");
        // The same again is the same.
        let again = run(&daemon.url(), &[verdict, &id, "--json"]).await;
        assert_eq!(again.code, Some(0), "{again:?}");
        let printed: Value = serde_json::from_str(&again.stdout).unwrap();
        assert_eq!(printed["status"], status);
    }
}

#[tokio::test]
async fn who_comes_too_late_leaves_with_1_and_is_told_what_won() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let deny = json!({"verdict": "deny", "reason": "frozen\u{1b}[2J"});
    daemon.deciding(&id, &deny).await;
    let left = run(&daemon.url(), &["approve", &id, "--json"]).await;
    assert_eq!(left.code, Some(1), "{left:?}");
    assert!(
        left.stderr.contains("does not count: denied by local"),
        "{left:?}"
    );
    assert!(left.stderr.contains("frozen\\u{1b}[2J"), "{left:?}");
    let printed: Value = serde_json::from_str(&left.stdout).unwrap();
    assert_eq!(
        (&printed["id"], &printed["status"]),
        (&json!(id), &json!("denied"))
    );
    let cancelled = daemon.ask("Deploy?").await;
    assert_eq!(
        daemon
            .delete(&format!("/v1/requests/{cancelled}"))
            .await
            .status,
        200
    );
    for verdict in ["approve", "deny"] {
        let left = run(&daemon.url(), &[verdict, &cancelled]).await;
        assert_eq!((left.code, left.stdout.as_str()), (Some(1), ""), "{left:?}");
        assert!(left.stderr.contains("cancelled"), "{left:?}");
    }
}

#[tokio::test]
async fn another_version_decides_nothing_and_leaves_with_75() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let version = daemon.read(&id).await["version"].as_u64().unwrap();
    let (this, other) = (version.to_string(), (version + 1).to_string());
    let left = run(&daemon.url(), &["approve", &id, "--version", &other]).await;
    assert_eq!(left.code, Some(75), "{left:?}");
    assert!(
        left.stderr.contains(&format!("it has {this} now")),
        "{left:?}"
    );
    assert_eq!(daemon.read(&id).await["status"], "pending");
    // The variable is the one that a policy has.
    let variable = [("PUSHD_REQUEST_VERSION", this.as_str())];
    let left = Approver::start_with(&daemon.url(), &["approve", &id], &variable);
    assert_eq!(left.left().await.code, Some(0));
}

#[tokio::test]
async fn the_match_code_is_given_or_asked_for() {
    let daemon = setup().start();
    let ask = json!({"title": "Deploy?", "match_code": "004207"});
    let id = daemon.asking(&ask).await.id();
    let left = run(&daemon.url(), &["approve", &id]).await;
    assert_eq!(left.code, Some(64), "{left:?}");
    assert!(left.stderr.contains("--match-code"), "{left:?}");
    let left = run(&daemon.url(), &["approve", &id, "--match-code", "111111"]).await;
    assert_eq!(left.code, Some(77), "{left:?}");
    assert!(left.stderr.contains("2 more tries"), "{left:?}");
    assert_eq!(daemon.read(&id).await["status"], "pending");
    // A person is shown what it is for, and is asked.
    let args = ["--url", &daemon.url(), "approve", &id];
    let plain = [("NO_COLOR", "1")];
    let mut terminal = Pty::run(env!("CARGO_BIN_EXE_approver"), &args, &plain);
    terminal.wait_for("│ Deploy?");
    terminal.wait_for("Type the six digits");
    terminal.type_keys("004 207\n");
    assert_eq!(terminal.exit_code(), 0);
    let view = daemon.read(&id).await;
    assert_eq!(view["status"], "approved");
    assert_eq!(view["decisions"][0]["approver"]["channel"], "terminal");
}

#[tokio::test]
async fn the_last_wrong_code_denies_and_leaves_with_1() {
    let daemon = setup().start();
    let ask = json!({"title": "Deploy?", "match_code": "004207"});
    let id = daemon.asking(&ask).await.id();
    for code in [77, 77, 1, 1] {
        let left = run(&daemon.url(), &["approve", &id, "--match-code", "111111"]).await;
        assert_eq!(left.code, Some(code), "{left:?}");
    }
    assert_eq!(daemon.read(&id).await["status"], "denied");
}

#[tokio::test]
async fn what_is_typed_in_place_of_a_code_decides_nothing() {
    let daemon = setup().start();
    let ask = json!({"title": "Deploy?", "match_code": "004207"});
    let id = daemon.asking(&ask).await.id();
    let args = ["--url", &daemon.url(), "approve", &id];
    let mut terminal = Pty::run(env!("CARGO_BIN_EXE_approver"), &args, &[]);
    terminal.wait_for("Type the six digits");
    terminal.type_keys("y\n");
    terminal.wait_for("nothing was decided");
    assert_eq!(terminal.exit_code(), 64);
    assert_eq!(
        daemon.read(&id).await["history"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_no_approval() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    let (url, again) = (
        daemon.url(),
        daemon.again().listen(&daemon.address().to_string()),
    );
    drop(daemon);
    let approve = Approver::start(&url, &["approve", &id]);
    approve.told("trying again").await;
    // It comes back in time.
    let daemon = again.start();
    let left = approve.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    assert_eq!(daemon.read(&id).await["status"], "approved");
}
