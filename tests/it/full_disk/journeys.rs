//! What everybody sees of a full disk, from the first refusal to the time after it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::call::Reply;
use crate::daemon::Daemon;
use crate::full_disk::room::{Mounted, Room};
use crate::programs::Requester;
use crate::until::until;

fn refused(reply: &Reply) {
    // The first to find out may have been in the middle of a commit.
    let (status, code) = reply.problem();
    assert_eq!(status, 503, "{reply:?}");
    assert!(
        ["store_unavailable", "outcome_unknown"].contains(&&*code),
        "{code}"
    );
    assert_eq!(reply.header("retry-after"), Some("1"));
}

fn large(title: &str) -> Value {
    json!({"title": title, "details": "d".repeat(20_000)})
}

async fn a_full_disk_is_survived(room: Room) {
    let daemon = room.setup().start();
    let mut acknowledged = BTreeSet::new();
    for _ in 0..5 {
        acknowledged.insert(daemon.asking(&large("before")).await.id());
    }
    let waiting = daemon.ask("Deploy?").await;
    acknowledged.insert(waiting.clone());
    let held = daemon
        .get(&format!("/v1/requests/{waiting}?wait=60"))
        .spawn();
    let requester = Requester::start(&daemon.url(), &["-m", "And this?", "--timeout", "2s"]);
    requester.told("asked").await;
    let mut stream = daemon.listen("").await;
    stream.beginning().await;
    daemon.waiters_are(2).await;

    room.take_away(&daemon);
    // Some bytes may be left in what was laid out before; then nothing more is taken.
    let mut tries = 0;
    loop {
        let reply = daemon.asking(&large("full")).await;
        if reply.status != 201 {
            refused(&reply);
            break;
        }
        acknowledged.insert(reply.id());
        tries += 1;
        assert!(tries < 500, "it is not full");
    }
    is_not_ready(&daemon).await;
    for _ in 0..3 {
        refused(&daemon.asking(&json!({"title": "small"})).await);
        let approve = json!({"verdict": "approve"});
        refused(&daemon.deciding(&waiting, &approve).await);
    }
    assert!(
        daemon
            .metric("pushd_problems_total{code=\"store_unavailable\"}")
            .await
            >= 6
    );
    // Reads, polls and streams go on.
    assert_eq!(daemon.read(&waiting).await["status"], "pending");
    assert!(daemon.requests().await.len() >= acknowledged.len());
    let mut late = daemon.listen("").await;
    assert!(late.beginning().await.contains(&waiting));
    assert!(!held.is_finished());
    assert_eq!(daemon.get("/livez").await.status, 200);

    room.give_back(&daemon);
    until("the daemon to be ready by itself", async || {
        let ready = daemon.get("/readyz").await.status == 200;
        ready.then_some(())
    })
    .await;
    assert_eq!(daemon.metric("pushd_ready").await, 1);
    daemon.approve(&waiting).await;
    assert_eq!(held.await.unwrap().json()["status"], "approved");
    while stream.event().await.data["status"] != "approved" {}
    let second = daemon.requests().await;
    let second = second
        .iter()
        .find(|request| request["title"] == "And this?");
    daemon
        .approve(second.unwrap()["id"].as_str().unwrap())
        .await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");

    // And it is on the disk.
    let daemon = daemon.crash_and_restart();
    let requests = daemon.requests().await;
    let kept: BTreeSet<_> = requests
        .iter()
        .map(|request| request["id"].as_str().unwrap().to_owned())
        .collect();
    let lost: Vec<_> = acknowledged.difference(&kept).collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(daemon.read(&waiting).await["status"], "approved");
    assert!(requests.iter().all(|request| request["title"] != "small"));
}

async fn is_not_ready(daemon: &Daemon) {
    let ready = daemon.get("/readyz").await;
    assert_eq!(ready.problem(), (503, "store_unavailable".to_owned()));
    assert_eq!(daemon.metric("pushd_ready").await, 0);
}

#[tokio::test]
async fn files_that_cannot_grow_are_survived() {
    a_full_disk_is_survived(Room::Limited).await;
}

#[tokio::test]
async fn a_file_system_that_is_full_is_survived() {
    if let Some(mounted) = Mounted::small() {
        a_full_disk_is_survived(Room::Small(mounted)).await;
    }
}

/// A daemon that is started on a full disk does not begin with less than it needs, and says why.
#[tokio::test]
async fn a_start_on_a_full_disk_says_so() {
    let Some(mounted) = Mounted::small() else {
        return;
    };
    mounted.fill();
    let room = Room::Small(mounted);
    let (code, stderr) = room.setup().fails();
    assert_eq!(code, Some(78), "{stderr}");
    assert!(stderr.contains("is full"), "{stderr}");
}

/// A backup to a full file system leaves nothing, and what was there stays.
#[tokio::test]
async fn a_backup_to_a_full_disk_leaves_the_one_before_it() {
    let Some(mounted) = Mounted::small() else {
        return;
    };
    let daemon = crate::daemon::setup().start();
    daemon.ask("Deploy?").await;
    let file = mounted.dir.path().join("a.backup");
    let name = file.to_str().unwrap();
    let done = daemon.setup().run(&["backup", name]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let before = std::fs::read(&file).unwrap();
    for _ in 0..10 {
        daemon.asking(&large("more")).await;
    }
    mounted.fill();
    let refused = daemon.setup().run(&["backup", "--force", name]);
    assert_eq!(refused.code, Some(73), "{refused:?}");
    assert!(refused.stderr.contains("full"), "{refused:?}");
    assert!(std::fs::read(&file).unwrap() == before);
    assert!(!mounted.dir.path().join("a.backup.part").exists());
    assert_eq!(daemon.get("/readyz").await.status, 200);
}
