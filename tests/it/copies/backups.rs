//! What a backup holds, and what it leaves alone.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::task::{JoinSet, spawn_blocking};

use crate::daemon::{Daemon, setup};
use crate::until::until;

/// Ids of requests that were acknowledged so far, by many who ask at the same time.
#[derive(Clone, Default)]
struct Acknowledged(Arc<Mutex<BTreeSet<String>>>);

impl Acknowledged {
    fn so_far(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().clone()
    }

    /// Asks without end, eight at a time, until the daemon is gone.
    fn ask(&self, daemon: &Daemon) -> JoinSet<()> {
        let mut asking = JoinSet::new();
        for _ in 0..8 {
            let (all, client) = (self.clone(), daemon.clients.http1.clone());
            let url = format!("{}/v1/requests", daemon.url());
            let body = format!("{{\"title\":\"a\",\"details\":\"{}\"}}", "d".repeat(2000));
            asking.spawn(async move {
                loop {
                    let call = client.post(&url).header("content-type", "application/json");
                    let Ok(reply) = call.body(body.clone()).send().await else {
                        return;
                    };
                    let (201, Ok(body)) = (reply.status().as_u16(), reply.bytes().await) else {
                        return;
                    };
                    let request: Value = serde_json::from_slice(&body).unwrap();
                    let id = request["id"].as_str().unwrap().to_owned();
                    all.0.lock().unwrap().insert(id);
                }
            });
        }
        asking
    }
}

async fn kept(daemon: &Daemon) -> BTreeSet<String> {
    let mut kept = BTreeSet::new();
    let mut after = String::new();
    loop {
        let page = daemon.get(&format!("/v1/requests?limit=1000{after}")).await;
        let page = page.json();
        let requests = page["requests"].as_array().unwrap().iter();
        kept.extend(requests.map(|request| request["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return kept,
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_before_a_backup_is_in_it_whatever_happens_to_the_daemon_meanwhile() {
    let mut daemon = setup().start();
    let acknowledged = Acknowledged::default();
    let mut asking = acknowledged.ask(&daemon);
    let mut before = Vec::new();
    for round in 0..4 {
        let enough = 50 * (round + 1);
        until("some asks", async || {
            (acknowledged.so_far().len() >= enough).then_some(())
        })
        .await;
        let (setup, name) = (daemon.setup().clone(), format!("{round}.backup"));
        before.push((name.clone(), acknowledged.so_far()));
        let backing_up = spawn_blocking(move || setup.back_up(&name));
        if round == 3 {
            daemon.crash();
        }
        let told = backing_up.await.unwrap();
        assert!(told.contains(" requests, "), "{told}");
    }
    while asking.join_next().await.is_some() {}
    let counts: Vec<_> = before.iter().map(|(_, ids)| ids.len()).collect();
    assert!(counts.is_sorted(), "{counts:?}");
    for (name, acknowledged) in before {
        daemon.setup().put_back(&name);
        daemon = daemon.restart();
        let kept = kept(&daemon).await;
        let lost: Vec<_> = acknowledged.difference(&kept).collect();
        assert!(lost.is_empty(), "{name}: {lost:?}");
        assert_eq!(daemon.get("/readyz").await.status, 200);
        daemon = daemon.stopped().await;
    }
}

#[tokio::test]
async fn it_says_what_it_holds_and_is_for_its_owner_alone() {
    let daemon = setup().start();
    let first = daemon.ask("Deploy?").await;
    daemon.ask("And this?").await;
    daemon.approve(&first).await;
    let setup = daemon.setup();
    let told = setup.back_up("a.backup");
    assert!(
        told.contains("a.backup: 2 requests, 1 of them pending, up to event 3 of history "),
        "{told}"
    );
    let mode = fs::metadata(setup.path("a.backup")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    // A daemon that is stopped is backed up as well, and so is one that was killed.
    let daemon = daemon.stopped().await;
    let told = daemon.setup().back_up("b.backup");
    assert!(
        told.contains("2 requests, 1 of them pending, up to event 3"),
        "{told}"
    );
    let mut daemon = daemon.restart();
    daemon.ask("Third?").await;
    daemon.crash();
    let told = daemon.setup().back_up("c.backup");
    assert!(
        told.contains("3 requests, 2 of them pending, up to event 4"),
        "{told}"
    );
    let names = daemon.setup().files();
    assert!(
        !names.iter().any(|name| name.contains(".part")),
        "{names:?}"
    );
}

#[tokio::test]
async fn a_file_that_is_there_is_replaced_only_when_told_so() {
    let daemon = setup().start();
    let setup = daemon.setup();
    fs::write(setup.path("a.backup"), "precious").unwrap();
    let file = setup.name("a.backup");
    let refused = setup.run(&["backup", &file]).refused(73);
    assert!(refused.contains("--force"), "{refused}");
    assert_eq!(fs::read(setup.path("a.backup")).unwrap(), b"precious");
    setup.run(&["backup", "--force", &file]).done();
    assert_ne!(fs::read(setup.path("a.backup")).unwrap(), b"precious");
    // The database's own files are no place for a backup, by whatever name.
    std::os::unix::fs::symlink(setup.path(""), setup.path("again")).unwrap();
    fs::hard_link(setup.path("pushd.db"), setup.path("second-name")).unwrap();
    std::os::unix::fs::symlink(setup.path("pushd.db"), setup.path("link")).unwrap();
    for own in [
        "pushd.db",
        "pushd.db-wal",
        "pushd.db.lock",
        "again/pushd.db",
        "second-name",
        "link",
        "",
    ] {
        let refused = setup
            .run(&["backup", "--force", &setup.name(own)])
            .refused(73);
        assert!(refused.contains("name another file"), "{own}: {refused}");
    }
    daemon.ask("Deploy?").await;
    assert_eq!(daemon.get("/readyz").await.status, 200);
}

/// With `--force` the file of a running daemon was replaced: that one went on, and acknowledged,
/// in a file that had no name any more, and its log lay beside a database that it did not belong to.
#[tokio::test]
async fn the_database_of_another_daemon_is_no_place_for_a_backup() {
    let (source, other) = (setup().start(), setup().start());
    let id = other.ask("Deploy?").await;
    let target = other.setup().name("pushd.db");
    let refuse = |beside: &str| {
        let run = source.setup().run(&["backup", "--force", &target]);
        let refused = run.refused(73);
        assert!(refused.contains(&format!("{target}{beside}")), "{refused}");
        assert!(refused.contains("pushd restore"), "{refused}");
    };
    refuse("-wal");
    let later = other.ask("And now?").await;
    // One that was stopped is used again, and has its lock file still.
    let other = other.stopped().await;
    refuse(".lock");
    let other = other.restart();
    for id in [id, later] {
        assert_eq!(other.read(&id).await["status"], "pending");
    }
    // A log alone would be played into the backup.
    let alone = source.setup().name("a.backup");
    fs::write(format!("{alone}-wal"), "frames").unwrap();
    let refused = source.setup().run(&["backup", &alone]).refused(73);
    assert!(refused.contains("a.backup-wal"), "{refused}");
    assert!(!fs::exists(&alone).unwrap());
}

#[test]
fn without_a_database_there_is_no_backup() {
    let nothing = setup();
    let file = nothing.name("a.backup");
    let refused = nothing.run(&["backup", &file]).refused(78);
    assert!(refused.contains("there is no database"), "{refused}");
    assert_eq!(nothing.files(), [""; 0], "and none was made");
    let memory = nothing.in_memory();
    let refused = memory.run(&["backup", &file]).refused(64);
    assert!(refused.contains("--store"), "{refused}");
}
