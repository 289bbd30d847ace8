//! What is left when the process or the power goes.

use super::*;
use crate::domain::Status;
use crate::store::contract::{asked, at, ids, put, settled};

/// What the disk holds now, as a kill would leave it: the store never gets to tidy up.
fn copy(dir: &Dir) -> Dir {
    let copy = Dir::new();
    for name in ["pushd.db", "pushd.db-wal"] {
        std::fs::copy(dir.0.path().join(name), copy.0.path().join(name)).unwrap();
    }
    copy
}

/// Looks how the writer's connection was set up, at its first COMMIT.
struct Look;

impl Driver for Look {
    fn commit(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let number = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, i64>(0));
        assert_eq!(
            number("PRAGMA synchronous")?,
            2,
            "FULL: flushed at every COMMIT"
        );
        assert_eq!(number("PRAGMA fullfsync")?, 1);
        let mode: String = connection.query_row("PRAGMA journal_mode", (), |row| row.get(0))?;
        assert_eq!(mode, "wal");
        Plain.commit(connection)
    }
}

/// No test can pull the plug, so this one reads the settings that make it harmless.
#[tokio::test]
async fn every_commit_is_flushed() {
    let dir = Dir::new();
    let store = dir.open_with(Spy::new(), breaking(Look)).await;
    put(&store, asked(1)).await;
}

#[tokio::test]
async fn every_answered_commit_survives_a_kill() {
    let dir = Dir::new();
    let store = dir.open(Spy::new()).await;
    let mut written = Vec::new();
    for n in 0..40 {
        written.push(put(&store, asked(n)).await);
    }
    put(&store, settled(asked(7), Status::Denied, at(1))).await;
    written.remove(7);
    assert_eq!(store.purge(at(2), 10).await.unwrap(), 1);
    written[3] = put(&store, settled(asked(3), Status::Approved, at(5))).await;
    written.sort_unstable_by_key(|event| event.id);
    let left = copy(&dir);
    let (history, head) = (store.history(), store.head().await.unwrap());
    let store = left.open(Spy::new()).await;
    assert_eq!(store.changes(ALL, false, 100).await.unwrap(), written);
    assert_eq!(
        (store.history(), store.head().await.unwrap()),
        (history, head)
    );
}

#[tokio::test]
async fn a_log_that_ends_anywhere_holds_the_commits_up_to_there() {
    let dir = Dir::new();
    let store = dir.open(Spy::new()).await;
    store.close().await;
    let store = dir.open(Spy::new()).await;
    let mut written = Vec::new();
    for n in 0..8 {
        written.push(put(&store, asked(n)).await);
    }
    let log = std::fs::metadata(dir.0.path().join("pushd.db-wal"))
        .unwrap()
        .len();
    let mut found = Vec::new();
    for part in 0..=24 {
        let left = copy(&dir);
        let cut = std::fs::OpenOptions::new()
            .write(true)
            .open(left.0.path().join("pushd.db-wal"))
            .unwrap();
        cut.set_len(log * part / 24).unwrap();
        let store = left.open(Spy::new()).await;
        let kept = store.changes(ALL, false, 100).await.unwrap();
        assert_eq!(kept, written[..kept.len()], "no gap, and nothing in part");
        let head = store.head().await.unwrap().event;
        assert_eq!(head, ids(&kept).last().copied().unwrap_or_default());
        let next = put(&store, asked(99)).await;
        assert!(next.id > head);
        found.push(kept.len());
    }
    assert!(found.is_sorted(), "{found:?}");
    assert_eq!(
        (found.first(), found.last()),
        (Some(&0), Some(&8)),
        "{found:?}"
    );
}
