//! What breaks while the store is in use, and how it comes back.

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::*;
use crate::domain::{Details, Status};
use crate::store::contract::{asked, at, done, id, put, settled};

/// Fails the n-th COMMIT, counted from one, before or after it was done.
struct BadCommit {
    left: usize,
    written: bool,
}

impl Driver for BadCommit {
    fn commit(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.left = self.left.wrapping_sub(1);
        if self.left == 0 && !self.written {
            return Err(error(ffi::SQLITE_IOERR_FSYNC));
        }
        Plain.commit(connection)?;
        if self.left == 0 {
            return Err(error(ffi::SQLITE_IOERR_FSYNC));
        }
        Ok(())
    }
}

#[tokio::test]
async fn after_a_failed_commit_nobody_is_told_more_than_is_known() {
    let dir = Dir::new();
    let spy = Spy::new();
    let driver = BadCommit {
        left: 2,
        written: false,
    };
    let store = dir.open_with(spy.feed(), breaking(driver)).await;
    let first = put(&store, asked(1)).await;
    let failed = store.commit(None, asked(2)).await;
    let Err(StoreError::OutcomeUnknown(why)) = failed else {
        panic!("{failed:?}");
    };
    assert!(why.contains("pushd.db") && why.contains("disk"), "{why}");
    until(&store, None).await;
    assert_eq!(store.get(id(2)).await.unwrap(), None);
    let again = done(store.commit(None, asked(2)).await.unwrap());
    assert_eq!(spy.delivered(), [first, again]);
}

#[tokio::test]
async fn what_was_committed_without_a_confirmation_is_told_before_anything_else() {
    let dir = Dir::new();
    let spy = Spy::new();
    let driver = BadCommit {
        left: 2,
        written: true,
    };
    let store = dir.open_with(spy.feed(), breaking(driver)).await;
    let first = put(&store, asked(1)).await;
    let change = settled(asked(1), Status::Approved, at(1));
    let failed = store.commit(Some(first.id), change.clone()).await;
    assert!(
        matches!(failed, Err(StoreError::OutcomeUnknown(_))),
        "{failed:?}"
    );
    until(&store, None).await;
    let approved = store.get(id(1)).await.unwrap().unwrap();
    assert_eq!((*approved.request).clone(), change);
    assert_eq!(store.head().await.unwrap().event, approved.id);
    assert_eq!(store.pending().await.unwrap(), 0);
    let next = put(&store, asked(2)).await;
    assert_eq!(spy.delivered(), [first, approved, next]);
}

/// Writes the n-th COMMIT, counted from one, tears its record, and says that it has failed.
struct TornCommit(BadCommit);

impl Driver for TornCommit {
    fn commit(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let failed = self.0.commit(connection);
        if failed.is_err() {
            let sql = "UPDATE requests SET record = x'7b' \
                       WHERE event_id = (SELECT max(event_id) FROM requests)";
            connection.execute(sql, ())?;
        }
        failed
    }
}

/// The head was beyond all that the feed had been told, and a stream that replayed up to it said
/// `caught-up` only after the next commit.
#[tokio::test]
async fn a_head_that_cannot_be_told_is_reached_all_the_same() {
    let dir = Dir::new();
    let spy = Spy::new();
    let driver = TornCommit(BadCommit {
        left: 2,
        written: true,
    });
    let store = dir.open_with(spy.feed(), breaking(driver)).await;
    let first = put(&store, asked(1)).await;
    assert!(store.commit(None, asked(2)).await.is_err());
    let mut health = store.health();
    let damaged = health.wait_for(|health| matches!(health, Health::Damaged(_)));
    drop(damaged.await.unwrap());
    assert_eq!(spy.delivered(), [first]);
    assert_eq!(spy.reached(), [EventId(2)]);
    assert_eq!(store.head().await.unwrap().event, EventId(2));
}

/// Holds each COMMIT, then does what the other does.
struct Both(Gate, BadCommit);

impl Driver for Both {
    fn commit(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.0.hold();
        self.1.commit(connection)
    }
}

#[tokio::test]
async fn a_failed_commit_is_unknown_to_its_whole_group_and_those_behind_are_refused() {
    let dir = Dir::new();
    let (gate, mut keeper) = Gate::new();
    let driver = Both(
        gate,
        BadCommit {
            left: 2,
            written: true,
        },
    );
    let store = dir.open_with(Spy::new(), breaking(driver)).await;
    let mut first = store.commit(None, asked(0));
    assert!((&mut first).now_or_never().is_none());
    keeper.wait().await;
    let mut group: Vec<_> = (1..=5).map(|n| store.commit(None, asked(n))).collect();
    for write in &mut group {
        assert!(write.now_or_never().is_none());
    }
    keeper.go.as_ref().unwrap().send(()).unwrap();
    keeper.wait().await;
    let mut behind: Vec<_> = (6..=8).map(|n| store.commit(None, asked(n))).collect();
    let mut purge = store.purge(at(0), 1);
    for write in &mut behind {
        assert!(write.now_or_never().is_none());
    }
    assert!((&mut purge).now_or_never().is_none());
    keeper.open();
    done(first.await.unwrap());
    for write in join_all(group).await {
        assert!(
            matches!(write, Err(StoreError::OutcomeUnknown(_))),
            "{write:?}"
        );
    }
    for write in join_all(behind).await {
        assert!(
            matches!(write, Err(StoreError::Unavailable(_))),
            "{write:?}"
        );
    }
    assert!(matches!(purge.await, Err(StoreError::Unavailable(_))));
    until(&store, None).await;
    assert_eq!(store.changes(ALL, false, 99).await.unwrap().len(), 6);
}

#[tokio::test]
async fn while_it_fails_writes_are_refused_at_once_and_reads_go_on() {
    let dir = Dir::new();
    let down = Arc::new(AtomicBool::new(false));
    let store = dir
        .open_with(Spy::new(), breaking(Down(Arc::clone(&down))))
        .await;
    let event = put(&store, asked(1)).await;
    down.store(true, Ordering::SeqCst);
    let failed = store.commit(None, asked(2)).await;
    assert!(
        matches!(failed, Err(StoreError::OutcomeUnknown(_))),
        "{failed:?}"
    );
    // Whoever has the answer finds the store failing.
    assert!(matches!(&*store.health().borrow(), Health::Failing(_)));
    for n in 0..100 {
        let refused = store.commit(None, asked(n)).now_or_never();
        assert!(
            matches!(refused, Some(Err(StoreError::Unavailable(_)))),
            "{refused:?}"
        );
    }
    assert!(matches!(
        store.purge(at(0), 1).await,
        Err(StoreError::Unavailable(_))
    ));
    assert_eq!(store.get(id(1)).await.unwrap(), Some(event.clone()));
    assert_eq!(store.changes(ALL, false, 9).await.unwrap(), [event]);
    assert_eq!(store.pending().await.unwrap(), 1);
    down.store(false, Ordering::SeqCst);
    until(&store, None).await;
    put(&store, asked(2)).await;
}

#[tokio::test]
async fn a_failing_store_can_be_closed() {
    let dir = Dir::new();
    let down = Arc::new(AtomicBool::new(false));
    let store = dir
        .open_with(Spy::new(), breaking(Down(Arc::clone(&down))))
        .await;
    let event = put(&store, asked(1)).await;
    down.store(true, Ordering::SeqCst);
    assert!(store.commit(None, asked(2)).await.is_err());
    store.close().await;
    drop(store);
    let store = dir.open(Spy::new()).await;
    assert_eq!(store.get(id(1)).await.unwrap(), Some(event));
}

#[tokio::test]
async fn a_full_disk_refuses_writes_until_there_is_room() {
    let dir = Dir::new();
    let spy = Spy::new();
    let pages = Arc::new(AtomicU32::new(100_000));
    let store = dir
        .open_with(spy.feed(), breaking(Small(Arc::clone(&pages))))
        .await;
    pages.store(50, Ordering::SeqCst);
    let mut written = vec![put(&store, asked(0)).await];
    let large = |n| {
        let details = Details::new("a".repeat(limits::DETAILS_BYTES)).unwrap();
        Request {
            details,
            ..asked(n)
        }
    };
    let refused = loop {
        let n = u8::try_from(written.len()).unwrap();
        match store.commit(None, large(n)).await {
            Ok(commit) => written.push(done(commit)),
            Err(error) => break error,
        }
    };
    let StoreError::Unavailable(why) = &refused else {
        panic!("nothing was written, and that is known: {refused:?}");
    };
    assert!(
        why.contains("is full") && why.contains("free some space"),
        "{why}"
    );
    until(&store, Some("is full")).await;
    assert_eq!(store.changes(ALL, false, 99).await.unwrap(), written);
    // A failing store stays so while there is no room, however often it looks.
    let mut health = store.health();
    let ready = health.wait_for(|health| *health == Health::Ready);
    assert!(
        tokio::time::timeout(Duration::from_millis(200), ready)
            .await
            .is_err()
    );
    pages.store(100_000, Ordering::SeqCst);
    until(&store, None).await;
    written.push(put(&store, large(99)).await);
    assert_eq!(spy.delivered(), written);
}

#[tokio::test]
async fn somebody_elses_lock_is_named_and_waited_out() {
    let dir = Dir::new();
    let store = dir.open_with(Spy::new(), impatient()).await;
    let event = put(&store, asked(1)).await;
    let intruder = dir.intruder();
    intruder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let refused = store.commit(None, asked(2)).await;
    let Err(StoreError::Unavailable(why)) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("locked by another program"), "{why}");
    assert_eq!(store.changes(ALL, false, 9).await.unwrap(), [event]);
    intruder.execute_batch("ROLLBACK").unwrap();
    until(&store, None).await;
    put(&store, asked(2)).await;
}

/// COMMITs once, says that it failed, and cannot be opened again.
struct GoneAfterCommit(BadCommit, Arc<AtomicBool>);

impl Driver for GoneAfterCommit {
    fn connected(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        Down(Arc::clone(&self.1)).connected(connection)
    }

    fn commit(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let committed = self.0.commit(connection);
        self.1.store(committed.is_err(), Ordering::SeqCst);
        committed
    }
}

#[tokio::test]
async fn while_an_outcome_is_unknown_all_reads_tell_the_same() {
    let dir = Dir::new();
    let down = Arc::new(AtomicBool::new(false));
    let commit = BadCommit {
        left: 2,
        written: true,
    };
    let driver = GoneAfterCommit(commit, Arc::clone(&down));
    let spy = Spy::new();
    let store = dir.open_with(spy.feed(), breaking(driver)).await;
    let first = put(&store, asked(1)).await;
    let change = settled(asked(1), Status::Approved, at(1));
    assert!(store.commit(Some(first.id), change).await.is_err());
    let read = store.get(id(1)).await.unwrap();
    let all = store.changes(ALL, false, 9).await.unwrap();
    assert_eq!(read.as_ref(), all.first());
    down.store(false, Ordering::SeqCst);
    until(&store, None).await;
    assert_eq!(store.get(id(1)).await.unwrap(), read);
    assert_eq!(spy.delivered().last(), read.as_ref());
}

struct Panicking;

impl Feed for Panicking {
    fn deliver(&self, _: &[Event]) {
        panic!("on purpose");
    }

    fn reached(&self, _: EventId) {}
}

#[tokio::test]
async fn a_writer_that_panics_takes_readiness_with_it() {
    let dir = Dir::new();
    let store = dir.open(Arc::new(Panicking)).await;
    let lost = store.commit(None, asked(1)).await;
    assert!(
        matches!(lost, Err(StoreError::OutcomeUnknown(_))),
        "{lost:?}"
    );
    until(&store, Some("restart pushd")).await;
    let refused = store.commit(None, asked(2)).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    store.close().await;
}
