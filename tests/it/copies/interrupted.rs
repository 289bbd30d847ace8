//! A restore that is killed: whatever the moment, nothing is lost and nothing is mixed.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::daemon::{Daemon, Setup, setup};

const ROUNDS: u32 = 24;

/// What a start after the kill showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Old,
    Restored,
    Refused,
}

async fn ids(daemon: &Daemon) -> BTreeSet<String> {
    let requests = daemon.requests().await;
    let ids = requests
        .iter()
        .map(|request| request["id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

/// Copies the database of a killed daemon, log and all, to a directory of its own.
fn copy_of(killed: &Setup) -> Setup {
    let copy = setup();
    for name in ["pushd.db", "pushd.db-wal", "backup"] {
        fs::copy(killed.path(name), copy.path(name)).unwrap();
    }
    copy
}

#[tokio::test]
async fn a_restore_that_is_killed_leaves_the_old_database_the_new_one_or_a_refusal() {
    let mut daemon = setup().start();
    daemon.ask("in both").await;
    let restored = ids(&daemon).await;
    daemon.setup().back_up("backup");
    for _ in 0..3 {
        // In the log alone, which has to go with the old database and never with the new one.
        daemon.ask("in the old one").await;
    }
    let old = ids(&daemon).await;
    daemon.crash();
    let killed = daemon.setup();
    let begun = Instant::now();
    copy_of(killed).put_back("backup");
    let whole = begun.elapsed();
    let mut all = BTreeSet::new();
    for round in 0..ROUNDS {
        let setup = copy_of(killed);
        let moment = whole * round / ROUNDS;
        let found = after_a_kill(&setup, moment).await;
        let state = match found {
            Ok(ids) if ids == old => Found::Old,
            Ok(ids) if ids == restored => Found::Restored,
            Ok(ids) => {
                panic!("after {moment:?} of {whole:?}: {ids:?} is neither {old:?} nor {restored:?}")
            }
            Err(stderr) => {
                assert!(
                    stderr.contains("run it again"),
                    "after {moment:?}: {stderr}"
                );
                Found::Refused
            }
        };
        all.insert(state);
        // Whatever was left, the next run does it.
        setup.put_back("backup");
        let daemon = setup.start();
        assert_eq!(ids(&daemon).await, restored);
    }
    assert!(all.contains(&Found::Old), "no kill came early: {all:?}");
}

/// Kills a restore at this moment and starts a daemon; answers what it has, or why it refuses.
async fn after_a_kill(setup: &Setup, moment: Duration) -> Result<BTreeSet<String>, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pushd"));
    let mut child = command
        .args(["restore", "--store"])
        .arg(format!("sqlite:{}", setup.name("pushd.db")))
        .arg(setup.path("backup"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // No condition to wait for: the moment is what is tried.
    sleep(moment).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let unfinished = fs::read(setup.path("pushd.db")).unwrap();
    if unfinished.starts_with(b"pushd restore") {
        let (code, stderr) = setup.fails();
        assert_eq!(code, Some(78), "{stderr}");
        return Err(stderr);
    }
    let mut daemon = setup.clone().start();
    let ids = ids(&daemon).await;
    assert_eq!(daemon.get("/readyz").await.status, 200);
    daemon.crash();
    Ok(ids)
}
