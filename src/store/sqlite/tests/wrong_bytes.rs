//! A file that is damaged or exchanged while the store uses it.

use super::*;
use crate::domain::{Details, Status};
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

#[tokio::test]
async fn damaged_pages_are_an_error_and_no_crash() {
    let dir = Dir::new();
    let store = dir.open(Spy::new()).await;
    for n in 0..100 {
        let details = Details::new("a".repeat(5000)).unwrap();
        put(
            &store,
            Request {
                details,
                ..asked(n)
            },
        )
        .await;
    }
    store.close().await;
    drop(store);
    let mut bytes = std::fs::read(dir.path()).unwrap();
    // Neither the roots, which come first, nor the end, which opening reads.
    let (from, to) = (bytes.len() / 4, bytes.len() / 2);
    bytes[from..to].fill(0xa5);
    std::fs::write(dir.path(), bytes).unwrap();
    let store = SqliteStore::open_with(dir.path(), Spy::new(), impatient())
        .await
        .unwrap();
    let store: SharedStore = Arc::new(store);
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
    // A write that meets the damage takes readiness away, and it stays away.
    for n in 0..100 {
        let change = settled(asked(n), Status::Denied, at(1));
        if store
            .commit(Some(EventId(u64::from(n) + 1)), change)
            .await
            .is_err()
        {
            break;
        }
    }
    until(&store, Some("is damaged")).await;
    let mut health = store.health();
    let ready = health.wait_for(|health| *health == Health::Ready);
    assert!(
        tokio::time::timeout(Duration::from_millis(200), ready)
            .await
            .is_err()
    );
}
