//! What becomes of everybody when a backup is restored.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, chown};

use serde_json::json;

use crate::daemon::setup;
use crate::programs::{Requester, approver};
use crate::until::until;

#[tokio::test]
async fn cursors_are_reset_keys_still_join_and_what_was_decided_since_is_pending_again() {
    let daemon = setup().start();
    let keyed = |title: &str| json!({"title": title});
    let ask = async |daemon: &crate::daemon::Daemon, key: &str| {
        let call = daemon.asking(&keyed(key)).header("idempotency-key", key);
        let reply = call.await;
        (reply.status, reply.id())
    };
    let (_, before) = ask(&daemon, "before").await;
    let old = daemon.ask("decided before").await;
    daemon.approve(&old).await;
    let mut stream = daemon.listen("").await;
    stream.beginning().await;
    daemon.setup().back_up("a.backup");
    let (_, after) = ask(&daemon, "after").await;
    let cursor = stream.event().await.id;
    daemon.approve(&before).await;

    let daemon = daemon.stopped().await;
    let told = daemon.setup().put_back("a.backup");
    assert!(
        told.contains("2 requests, 1 of them pending, up to event 3"),
        "{told}"
    );
    let kept = told.lines().nth(1).unwrap().rsplit(' ').next().unwrap();
    assert!(fs::metadata(kept).is_ok(), "{told}");
    let daemon = daemon.restart();
    // The event that this cursor names is given out again, for something else.
    let new = daemon.ask("new").await;
    let mut stream = daemon.resume(&cursor).await;
    assert_eq!(stream.event().await.name, "reset");
    let told = stream.until_caught_up().await;
    let ids: Vec<_> = told
        .iter()
        .map(|event| event.data["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [&*before, &*new]);
    assert_eq!(
        told[1].id.split_once('-').unwrap().1,
        cursor.split_once('-').unwrap().1
    );
    assert_ne!(told[1].id, cursor, "it is of another history");

    assert_eq!(daemon.read(&before).await["status"], "pending");
    assert_eq!(daemon.read(&old).await["status"], "approved");
    assert_eq!(
        daemon.get(&format!("/v1/requests/{after}")).await.status,
        404
    );
    assert_eq!(ask(&daemon, "before").await, (200, before.clone()));
    assert_eq!(ask(&daemon, "after").await, (201, after));
    daemon.approve(&before).await;

    // The database that was replaced can be restored in its turn: nothing of it was lost.
    let daemon = daemon.stopped().await;
    daemon.setup().put_back(kept.rsplit('/').next().unwrap());
    let daemon = daemon.restart();
    assert_eq!(daemon.read(&before).await["status"], "approved");
    assert_eq!(daemon.requests().await.len(), 3);
}

#[tokio::test]
async fn a_requester_and_an_approver_that_wait_go_on_after_a_restore() {
    let daemon = setup().start();
    let url = daemon.url();
    let known = Requester::start(&url, &["-m", "Deploy?", "--timeout", "2s"]);
    known.told("asked").await;
    let terminal = approver(&url);
    terminal.wait_for("Deploy?");
    daemon.setup().back_up("a.backup");
    let lost = Requester::start(&url, &["-m", "Too late?", "--timeout", "2s"]);
    lost.told("asked").await;
    let daemon = daemon.stopped().await;
    daemon.setup().put_back("a.backup");
    let daemon = daemon.restart();
    // What was asked after the backup is gone, and its requester is told so: never an approval.
    let lost = lost.left().await;
    assert_eq!(lost.code, Some(70), "{lost:?}");
    until("the approver to be there again", async || {
        (daemon.metric("pushd_subscribers").await == 1).then_some(())
    })
    .await;
    terminal.answer("y");
    let known = known.left().await;
    assert_eq!(known.code, Some(0), "{known:?}");
}

#[tokio::test]
async fn a_request_whose_time_has_passed_since_the_backup_expires_at_the_start() {
    let daemon = setup().start();
    let members = json!({"title": "short", "expires_in_secs": 5});
    let id = daemon.asking(&members).await.id();
    let told = daemon.setup().back_up("a.backup");
    assert!(told.contains("1 of them pending"), "{told}");
    until("its expiry", async || {
        (daemon.read(&id).await["status"] == "expired").then_some(())
    })
    .await;
    let daemon = daemon.stopped().await;
    let told = daemon.setup().put_back("a.backup");
    assert!(
        told.contains("1 of the pending ones are past their time"),
        "{told}"
    );
    let daemon = daemon.restart();
    assert_eq!(daemon.read(&id).await["status"], "expired");
    assert_eq!(
        daemon
            .metric("pushd_requests_settled_total{status=\"expired\"}")
            .await,
        1
    );
}

#[tokio::test]
async fn a_database_in_use_is_not_replaced() {
    let daemon = setup().start();
    daemon.setup().back_up("a.backup");
    let id = daemon.ask("Deploy?").await;
    let file = daemon.setup().name("a.backup");
    let refused = daemon.setup().run(&["restore", &file]).refused(78);
    assert!(refused.contains("is in use by another pushd"), "{refused}");
    let names = daemon.setup().files();
    assert!(
        !names
            .iter()
            .any(|name| name.contains(".part") || name.contains("replaced")),
        "{names:?}"
    );
    let daemon = daemon.crash_and_restart();
    assert_eq!(daemon.read(&id).await["status"], "pending");
}

#[tokio::test]
async fn a_machine_that_has_nothing_yet_gets_its_database_from_a_backup() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    daemon.setup().back_up("a.backup");
    let elsewhere = daemon.setup().path("new/place/pushd.db");
    let store = format!("sqlite:{}", elsewhere.display());
    let other = daemon.setup().clone().store(&store);
    let told = other.put_back("a.backup");
    assert!(told.contains("there was no database before"), "{told}");
    let other = other.start();
    assert_eq!(other.read(&id).await["status"], "pending");
}

/// Root looks after databases of a daemon that is not root: what it leaves behind has to be the
/// daemon's.
#[tokio::test]
async fn root_leaves_the_database_to_the_daemons_user() {
    const DAEMON: u32 = 4711;
    if !rustix::process::geteuid().is_root() {
        let text =
            "\nNOT TESTED: who owns a restored database, because only root can give files away\n";
        // Past the test runner, which keeps what is printed by tests that pass.
        std::io::stderr().write_all(text.as_bytes()).unwrap();
        return;
    }
    let daemon = setup().start();
    daemon.ask("Deploy?").await;
    let daemon = daemon.stopped().await;
    let setup = daemon.setup();
    let owner = |name: &str| fs::metadata(setup.path(name)).unwrap().uid();
    for name in ["", "pushd.db", "pushd.db.lock"] {
        chown(setup.path(name), Some(DAEMON), Some(DAEMON)).unwrap();
    }
    // Reading a database that nobody uses makes files beside it.
    setup.back_up("a.backup");
    for name in setup.files() {
        let expected = if name == "a.backup" { 0 } else { DAEMON };
        assert_eq!(owner(&name), expected, "{name}");
    }
    setup.put_back("a.backup");
    for name in ["pushd.db", "pushd.db.lock"] {
        assert_eq!(owner(name), DAEMON, "{name}");
    }
    // Where there was none, the directory tells whose it shall be.
    for name in setup.files() {
        if name.starts_with("pushd.db") {
            fs::remove_file(setup.path(&name)).unwrap();
        }
    }
    setup.put_back("a.backup");
    for name in ["pushd.db", "pushd.db.lock"] {
        assert_eq!(owner(name), DAEMON, "{name}");
    }
}

// The number of an event that a requester knew was given out again for the approval, whose answer
// was then "304 Not Modified" at each poll until the deadline.
#[tokio::test]
async fn an_answer_under_a_number_that_the_requester_knows_reaches_it() {
    let daemon = setup().start();
    let requester = Requester::start(&daemon.url(), &["-m", "Deploy?"]);
    let id = daemon.the_pending_one().await;
    daemon.setup().back_up("a.backup");
    daemon.post(&format!("/v1/requests/{id}/seen")).await;
    requester.told("opened by").await;
    let daemon = daemon.stopped().await;
    daemon.setup().put_back("a.backup");
    let daemon = daemon.restart();
    let approved = daemon.approve(&id).await.json();
    assert_eq!(approved["event_id"], 2, "{approved}");
    assert_eq!(requester.left().await.code, Some(0));
}
