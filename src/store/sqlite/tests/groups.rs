//! The writer's groups: one flush for many, and nothing seen before it.

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::*;
use crate::domain::{Details, Status};
use crate::store::contract::{asked, at, done, id, put, settled};

/// As many different requests as a test wants.
fn numbered(n: usize) -> Request {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    Request {
        id: RequestId::from_bytes(bytes),
        ..asked(0)
    }
}

#[tokio::test]
async fn what_waits_during_one_flush_shares_the_next() {
    let dir = Dir::new();
    let (gate, mut keeper) = Gate::new();
    let store = dir.open_with(Spy::new(), breaking(gate)).await;
    let mut first = store.commit(None, numbered(0));
    assert!((&mut first).now_or_never().is_none());
    keeper.wait().await;
    let mut rest: Vec<_> = (1..=50).map(|n| store.commit(None, numbered(n))).collect();
    for write in &mut rest {
        assert!(write.now_or_never().is_none());
    }
    keeper.open();
    done(first.await.unwrap());
    for write in join_all(rest).await {
        done(write.unwrap());
    }
    assert_eq!(keeper.commits(), 2);
}

#[tokio::test]
async fn nothing_is_seen_before_it_is_durable() {
    let dir = Dir::new();
    let (gate, mut keeper) = Gate::new();
    let spy = Spy::new();
    let store = dir.open_with(spy.feed(), breaking(gate)).await;
    keeper.go.as_ref().unwrap().send(()).unwrap();
    let event = put(&store, asked(1)).await;
    keeper.wait().await;
    let change = settled(asked(1), Status::Approved, at(1));
    let mut changing = store.commit(Some(event.id), change);
    let mut asking = store.commit(None, asked(2));
    assert!((&mut changing).now_or_never().is_none());
    assert!((&mut asking).now_or_never().is_none());
    keeper.wait().await;
    assert_eq!(store.get(id(1)).await.unwrap(), Some(event.clone()));
    assert_eq!(store.get(id(2)).await.unwrap(), None);
    assert_eq!(store.head().await.unwrap().event, event.id);
    assert_eq!(store.pending().await.unwrap(), 1);
    let seen = [event];
    assert_eq!(store.changes(ALL, false, 9).await.unwrap(), seen);
    assert_eq!(spy.delivered(), seen);
    keeper.open();
    let changed = done(changing.await.unwrap());
    let other = done(asking.await.unwrap());
    assert_eq!(store.get(id(1)).await.unwrap(), Some(changed));
    assert_eq!(store.get(id(2)).await.unwrap(), Some(other));
    assert_eq!(store.pending().await.unwrap(), 1);
}

#[tokio::test]
async fn a_write_is_checked_against_those_before_it_in_the_group() {
    let dir = Dir::new();
    let (gate, mut keeper) = Gate::new();
    let spy = Spy::new();
    let store = dir.open_with(spy.feed(), breaking(gate)).await;
    let mut blocking = store.commit(None, asked(9));
    assert!((&mut blocking).now_or_never().is_none());
    keeper.wait().await;
    let next = EventId(2);
    let mut group = vec![
        store.commit(None, asked(1)),
        store.commit(None, asked(1)),
        store.commit(Some(next), settled(asked(1), Status::Denied, at(1))),
        store.commit(Some(next), settled(asked(1), Status::Approved, at(1))),
        store.commit(None, asked(2)),
    ];
    for write in &mut group {
        assert!(write.now_or_never().is_none());
    }
    keeper.open();
    let mut outcomes = join_all(group).await.into_iter().map(Result::unwrap);
    let mut outcome = || outcomes.next().unwrap();
    let first = done(outcome());
    assert_eq!(first.id, next);
    assert_eq!(outcome(), Commit::Conflict(Some(first.clone())));
    let denied = done(outcome());
    assert_eq!(outcome(), Commit::Conflict(Some(denied.clone())));
    let other = done(outcome());
    assert_eq!(keeper.commits(), 2);
    assert_eq!(spy.delivered()[1..], [first, denied, other]);
}

#[tokio::test]
async fn a_full_queue_says_so_and_loses_nothing() {
    let dir = Dir::new();
    let (gate, mut keeper) = Gate::new();
    let store = dir.open_with(Spy::new(), breaking(gate)).await;
    let mut writes = vec![store.commit(None, numbered(0))];
    assert!((&mut writes[0]).now_or_never().is_none());
    keeper.wait().await;
    for n in 1..=limits::WRITE_QUEUE {
        let mut write = store.commit(None, numbered(n));
        assert!((&mut write).now_or_never().is_none(), "{n}");
        writes.push(write);
    }
    let refused = store.commit(None, asked(1)).now_or_never();
    assert_eq!(refused, Some(Err(StoreError::Busy)));
    keeper.open();
    for write in join_all(writes).await {
        done(write.unwrap());
    }
    assert_eq!(
        keeper.commits(),
        1 + limits::WRITE_QUEUE / limits::WRITE_GROUP
    );
    put(&store, asked(1)).await;
}

#[tokio::test]
async fn large_records_fill_the_queue_sooner_and_give_their_room_back() {
    let dir = Dir::new();
    let (gate, mut keeper) = Gate::new();
    let store = dir.open_with(Spy::new(), breaking(gate)).await;
    let large = |n| {
        let details = Details::new("\u{1}".repeat(limits::DETAILS_BYTES)).unwrap();
        Request {
            details,
            ..numbered(n)
        }
    };
    let record = record::encode(&large(0)).len();
    let fit = limits::WRITE_QUEUE_BYTES / record;
    assert!(fit < limits::WRITE_QUEUE / 2);
    let mut writes = Vec::new();
    for n in 0..fit {
        let mut write = store.commit(None, large(n));
        assert!((&mut write).now_or_never().is_none(), "{n} of {fit}");
        writes.push(write);
    }
    let refused = store.commit(None, large(fit)).now_or_never();
    assert_eq!(refused, Some(Err(StoreError::Busy)));
    keeper.wait().await;
    keeper.open();
    for write in join_all(writes).await {
        done(write.unwrap());
    }
    put(&store, large(fit)).await;
    assert_eq!(
        store
            .get(numbered(3).id)
            .await
            .unwrap()
            .unwrap()
            .request
            .details,
        large(3).details
    );
}

type Held<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(), StoreError>> + 'a>>;

/// Keeps every reader busy until the senders are dropped.
fn hold_readers(store: &SqliteStore) -> (Vec<Held<'_>>, Vec<mpsc::Sender<()>>) {
    let (mut held, mut releases): (Vec<Held<'_>>, _) = (Vec::new(), Vec::new());
    for _ in 0..limits::STORE_READERS {
        let (release, held_back) = mpsc::channel();
        releases.push(release);
        held.push(Box::pin(store.readers.read(move |_, _| {
            assert!(held_back.recv().is_err(), "only ever dropped");
            Ok::<_, rusqlite::Error>(())
        })));
    }
    for read in &mut held {
        assert!(read.now_or_never().is_none());
    }
    (held, releases)
}

#[tokio::test]
async fn reads_beyond_the_queue_are_refused() {
    let dir = Dir::new();
    let store = SqliteStore::open(dir.path(), Spy::new()).await.unwrap();
    let (held, releases) = hold_readers(&store);
    let mut waiting: Vec<_> = (0..limits::READ_QUEUE).map(|_| store.get(id(1))).collect();
    for read in &mut waiting {
        assert!(read.now_or_never().is_none());
    }
    let refused = store.get(id(1)).now_or_never();
    assert_eq!(refused, Some(Err(StoreError::Busy)));
    // Those who have left make room.
    waiting.truncate(10);
    assert!(store.get(id(1)).now_or_never().is_none());
    drop(releases);
    for read in join_all(waiting).await {
        assert_eq!(read, Ok(None));
    }
    for read in join_all(held).await {
        assert_eq!(read, Ok(()));
    }
}

#[tokio::test]
async fn closing_ends_the_reads_that_wait() {
    let dir = Dir::new();
    let store = SqliteStore::open(dir.path(), Spy::new()).await.unwrap();
    let (mut held, releases) = hold_readers(&store);
    let mut waiting = store.next_expiry();
    assert!((&mut waiting).now_or_never().is_none());
    let mut closing = store.close();
    let early = tokio::time::timeout(Duration::from_millis(100), &mut closing).await;
    assert!(early.is_err(), "it waits for the reads that run");
    let refused = [waiting.now_or_never(), store.next_expiry().now_or_never()];
    for refused in refused {
        assert!(
            matches!(refused, Some(Err(StoreError::Unavailable(_)))),
            "{refused:?}"
        );
    }
    drop(releases);
    closing.await;
    for read in join_all(held.drain(..)).await {
        assert_eq!(read, Ok(()));
    }
    assert!(
        !dir.0.path().join("pushd.db-wal").exists(),
        "the log is in the database"
    );
}

/// Commits, and then holds the writer back before it can tell anybody.
struct Late(Gate);

impl Driver for Late {
    fn commit(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        Plain.commit(connection)?;
        self.0.hold();
        Ok(())
    }
}

/// A stream reads what changed and then asks what was purged, to notice what it cannot have seen.
/// The readers see a purge as soon as it is in the database, so it has to be known by then.
#[tokio::test]
async fn a_purge_is_known_before_anybody_can_miss_what_it_took() {
    let dir = Dir::new();
    let (gate, mut keeper) = Gate::new();
    let store = dir.open_with(Spy::new(), breaking(Late(gate))).await;
    keeper.go.as_ref().unwrap().send(()).unwrap();
    let old = put(&store, settled(asked(1), Status::Denied, at(1))).await;
    keeper.wait().await;
    let mut purge = store.purge(at(2), 1);
    assert!((&mut purge).now_or_never().is_none());
    keeper.wait().await;
    assert_eq!(store.changes(ALL, false, 9).await.unwrap(), []);
    assert_eq!(store.head().await.unwrap().purged, old.id);
    keeper.open();
    assert_eq!(purge.await, Ok(1));
    assert_eq!(store.head().await.unwrap().purged, old.id);
}
