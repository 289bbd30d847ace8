//! A file that is damaged or exchanged while the store uses it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use futures_util::FutureExt as _;

use super::*;
use crate::domain::{Details, Rights, Role, Status};
use crate::store::contract::{asked, at, id, put, settled};

/// Opens a store with two requests, breaks it, and puts another file in its place.
async fn replaced_by(other: &Dir, dir: &Dir) {
    let down = Arc::new(AtomicBool::new(false));
    let store = dir
        .open_with(Spy::new(), breaking(Down(Arc::clone(&down))))
        .await;
    put(&store, asked(1)).await;
    put(&store, asked(2)).await;
    down.store(true, Ordering::SeqCst);
    assert!(store.commit(None, asked(3)).await.is_err());
    until(&store, Some("reading or writing")).await;
    std::fs::rename(other.path(), dir.path()).unwrap();
    for log in ["pushd.db-wal", "pushd.db-shm"] {
        std::fs::remove_file(dir.0.path().join(log)).unwrap();
    }
    down.store(false, Ordering::SeqCst);
    until(&store, Some("was replaced")).await;
    std::fs::remove_file(dir.path()).unwrap();
    until(&store, Some("cannot open")).await;
    assert!(
        !dir.path().exists(),
        "a missing database does not come back empty"
    );
}

#[tokio::test]
async fn another_database_in_its_place_is_not_taken_for_it() {
    let (dir, other) = (Dir::new(), Dir::new());
    let store = other.open(Spy::new()).await;
    for n in 0..9 {
        put(&store, asked(n)).await;
    }
    store.close().await;
    replaced_by(&other, &dir).await;
}

#[tokio::test]
async fn an_older_copy_in_its_place_is_not_taken_for_it() {
    let (dir, older) = (Dir::new(), Dir::new());
    let store = dir.open(Spy::new()).await;
    store.close().await;
    drop(store);
    std::fs::copy(dir.path(), older.path()).unwrap();
    replaced_by(&older, &dir).await;
}

/// The middle of a file that is filled with garbage: neither the roots of the tables, which come
/// first, nor the end, which opening reads.
struct Garbage {
    file: File,
    from: u64,
    whole: Vec<u8>,
}

impl Garbage {
    fn fill(dir: &Dir) -> Self {
        let bytes = std::fs::read(dir.path()).unwrap();
        let (from, to) = (bytes.len() / 4, bytes.len() / 2);
        let file = File::options().write(true).open(dir.path()).unwrap();
        let garbage = Self {
            file,
            from: from as u64,
            whole: bytes[from..to].to_vec(),
        };
        garbage.put(&vec![0xa5; to - from]);
        garbage
    }

    fn put(&self, bytes: &[u8]) {
        self.file.write_all_at(bytes, self.from).unwrap();
    }

    fn restore(self) {
        self.put(&self.whole);
    }
}

async fn stays_so(store: &SharedStore) {
    let mut health = store.health();
    let ready = health.wait_for(|health| *health == Health::Ready);
    let limit = Duration::from_millis(200);
    assert!(tokio::time::timeout(limit, ready).await.is_err());
}

#[tokio::test]
async fn damage_that_only_reads_meet_takes_readiness_away_until_it_is_gone() {
    let dir = Dir::new();
    let store = dir.open(Spy::new()).await;
    for n in 0..100 {
        let details = Details::new("a".repeat(5000)).unwrap();
        let request = Request {
            details,
            ..asked(n)
        };
        // What is pending is read when the store is opened.
        put(&store, settled(request, Status::Expired, at(1))).await;
    }
    file_all(&store).await;
    store.close().await;
    drop(store);
    let garbage = Garbage::fill(&dir);
    let store = dir.open_with(Spy::new(), impatient()).await;
    let mut refused = Vec::new();
    for n in 0..100 {
        refused.extend(store.get(id(n)).await.err());
    }
    assert!(!refused.is_empty());
    for error in refused {
        let text = error.to_string();
        assert!(
            text.contains("is damaged") || text.contains("cannot be read"),
            "{text}"
        );
    }
    until(&store, Some("is damaged")).await;
    let change = settled(asked(1), Status::Denied, at(1));
    let refused = store.commit(Some(EventId(2)), change.clone()).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "damage must not spread: {refused:?}"
    );
    stays_so(&store).await;
    garbage.restore();
    until(&store, None).await;
    for n in 0..100 {
        assert!(store.get(id(n)).await.unwrap().is_some());
    }
    let written = store.commit(Some(EventId(2)), change).await.unwrap();
    assert!(matches!(written, Commit::Done(_)), "{written:?}");
}

/// Takes a row away and leaves it in an index.
pub(super) fn tear(connection: &Connection, index: &str, row: EventId) {
    let hide = format!(
        "PRAGMA writable_schema = ON;
         CREATE TABLE hidden AS SELECT * FROM sqlite_schema WHERE name = '{index}';
         DELETE FROM sqlite_schema WHERE name = '{index}';
         PRAGMA writable_schema = RESET"
    );
    connection.execute_batch(&hide).unwrap();
    let sql = "DELETE FROM requests WHERE event_id = ?1";
    connection.execute(sql, [rows::stored_id(row)]).unwrap();
    let show = "PRAGMA writable_schema = ON;
         INSERT INTO sqlite_schema SELECT * FROM hidden;
         DROP TABLE hidden;
         PRAGMA writable_schema = RESET";
    connection.execute_batch(show).unwrap();
}

/// Each page is sound, so that `SQLite` itself finds nothing but the missing row.
#[tokio::test]
async fn an_index_that_is_not_like_its_table_is_damage() {
    let dir = Dir::new();
    let store = dir.open(Spy::new()).await;
    let torn = put(&store, settled(asked(1), Status::Denied, at(1))).await;
    put(&store, asked(2)).await;
    file_all(&store).await;
    store.close().await;
    drop(store);
    tear(&dir.intruder(), "by_requester", torn.id);
    let store = dir.open_with(Spy::new(), impatient()).await;
    let own = Rights {
        principal: torn.request.requester.principal.clone(),
        roles: vec![Role::Requester],
        ..Rights::local()
    };
    let query = ListQuery {
        status: None,
        topic: None,
        seen_by: Some(Arc::new(own)),
        after: None,
        limit: 9,
    };
    let refused = store.list(query).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    // Whoever has the answer finds the store failing.
    assert!(matches!(*store.health().borrow(), Health::Failing(_)));
    until(&store, Some("by_requester")).await;
    stays_so(&store).await;
}

#[tokio::test]
async fn what_is_pending_and_lost_its_row_is_noticed_at_once() {
    let dir = Dir::new();
    let store = dir.open(Spy::new()).await;
    let torn = put(&store, asked(1)).await;
    store.close().await;
    drop(store);
    tear(&dir.intruder(), "unfiled", torn.id);
    let refused = dir.refusal().await;
    assert!(refused.is_damage(), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_moved_away_and_back_is_noticed_by_reads_alone() {
    let dir = Dir::new();
    let store = dir.open_with(Spy::new(), impatient()).await;
    // No `put`: its read would leave a connection that has the file open.
    store.commit(None, asked(1)).await.unwrap();
    let elsewhere = dir.0.path().join("elsewhere");
    std::fs::rename(dir.path(), &elsewhere).unwrap();
    let refused = store.next_expiry().await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    until(&store, Some("cannot open")).await;
    stays_so(&store).await;
    std::fs::rename(&elsewhere, dir.path()).unwrap();
    until(&store, None).await;
    assert!(store.next_expiry().await.unwrap().is_some());
    put(&store, asked(2)).await;
}

/// Whoever asked may have left before the read has failed.
#[tokio::test]
async fn a_failed_read_is_looked_into_even_if_nobody_waits_for_it() {
    let dir = Dir::new();
    let opened = SqliteStore::open_with(dir.path(), Spy::new(), impatient()).await;
    let opened = Arc::new(opened.unwrap());
    let store: SharedStore = Arc::<SqliteStore>::clone(&opened);
    let (release, held_back) = mpsc::channel::<()>();
    let read = opened.readers.read(move |_, _| {
        assert!(held_back.recv().is_err(), "only ever dropped");
        Err::<(), _>(rusqlite::Error::InvalidQuery)
    });
    assert!(read.now_or_never().is_none());
    let elsewhere = dir.0.path().join("elsewhere");
    std::fs::rename(dir.path(), &elsewhere).unwrap();
    drop(release);
    until(&store, Some("cannot open")).await;
    std::fs::rename(&elsewhere, dir.path()).unwrap();
    until(&store, None).await;
}

#[tokio::test]
async fn a_row_that_has_lost_its_id_is_stepped_over_and_purged_like_others() {
    let dir = Dir::new();
    let store = dir.open(Spy::new()).await;
    put(&store, settled(asked(1), Status::Denied, at(1))).await;
    let kept = put(&store, asked(2)).await;
    store.close().await;
    drop(store);
    let sql = "UPDATE requests SET id = x'01' WHERE event_id = 1";
    dir.intruder().execute_batch(sql).unwrap();
    let store = dir.open_with(Spy::new(), impatient()).await;
    let left = [kept];
    assert_eq!(store.changes(ALL, false, 9).await.unwrap(), left);
    let health = store.health().borrow().clone();
    assert!(
        matches!(&health, Health::Damaged(why) if why.contains("its id is damaged")),
        "{health:?}"
    );
    assert_eq!(store.purge(at(2), 9).await.unwrap(), 1);
    assert_eq!(*store.health().borrow(), Health::Ready);
    assert_eq!(store.changes(ALL, false, 9).await.unwrap(), left);
}
