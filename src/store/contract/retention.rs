//! What a purge forgets, and what it must not.

use super::{Opener, Spy, asked, at, done, id, put, settled};
use crate::domain::{EventId, Status};
use crate::store::{Range, SharedStore};

/// Requests 1 to 4, settled at 10, 20, 20 and 30, and 5, which is pending.
async fn five(store: &SharedStore) {
    for (n, settled_at) in [(1, 10), (2, 20), (3, 20), (4, 30)] {
        put(store, settled(asked(n), Status::Approved, at(settled_at))).await;
    }
    put(store, asked(5)).await;
}

async fn kept(store: &SharedStore) -> Vec<u8> {
    let mut kept = Vec::new();
    for n in 0..10 {
        if store.get(id(n)).await.unwrap().is_some() {
            kept.push(n);
        }
    }
    kept
}

pub(in crate::store) async fn only_what_was_settled_long_enough_is_purged(opener: &impl Opener) {
    let store = opener.open(Spy::new()).await;
    assert_eq!(store.purge(at(1000), 10).await.unwrap(), 0);
    five(&store).await;
    assert_eq!(
        store.purge(at(10), 10).await.unwrap(),
        0,
        "settled at 10 is not before 10"
    );
    assert_eq!(store.purge(at(11), 10).await.unwrap(), 1);
    assert_eq!(kept(&store).await, [2, 3, 4, 5]);
    assert_eq!(store.purge(at(1_000_000), 10).await.unwrap(), 3);
    assert_eq!(kept(&store).await, [5], "what is pending is never purged");
}

pub(in crate::store) async fn a_purge_stops_at_its_limit(opener: &impl Opener) {
    let store = opener.open(Spy::new()).await;
    five(&store).await;
    assert_eq!(store.purge(at(1000), 0).await.unwrap(), 0);
    assert_eq!(store.purge(at(1000), 3).await.unwrap(), 3);
    assert_eq!(kept(&store).await, [4, 5], "the longest settled go first");
    assert_eq!(store.purge(at(1000), 3).await.unwrap(), 1);
}

pub(in crate::store) async fn the_highest_purged_id_is_remembered_and_none_is_used_again(
    opener: &impl Opener,
) {
    let mut store = opener.open(Spy::new()).await;
    assert_eq!(store.head().await.unwrap().purged, EventId::ZERO);
    let first = put(&store, settled(asked(1), Status::Denied, at(50))).await;
    let newest = put(&store, settled(asked(2), Status::Denied, at(10))).await;
    assert_eq!(store.purge(at(11), 10).await.unwrap(), 1);
    assert_eq!(
        store.purge(at(51), 10).await.unwrap(),
        1,
        "an older event, purged later"
    );
    assert!(first.id < newest.id);
    if opener.durable() {
        store.close().await;
        drop(store);
        store = opener.open(Spy::new()).await;
    }
    let head = store.head().await.unwrap();
    assert_eq!((head.event, head.purged), (newest.id, newest.id));
    assert!(put(&store, asked(3)).await.id > newest.id);
}

pub(in crate::store) async fn a_purge_is_no_commit(opener: &impl Opener) {
    let spy = Spy::new();
    let store = opener.open(spy.feed()).await;
    five(&store).await;
    let head = store.head().await.unwrap();
    assert_eq!(store.purge(at(1000), 10).await.unwrap(), 4);
    assert_eq!(store.head().await.unwrap().event, head.event);
    let all = Range {
        after: EventId::ZERO,
        until: head.event,
    };
    assert_eq!(store.changes(all, false, 10).await.unwrap().len(), 1);
    store.close().await;
    assert_eq!(spy.delivered().len(), 5);
}

pub(in crate::store) async fn a_purged_request_can_be_asked_again(opener: &impl Opener) {
    let store = opener.open(Spy::new()).await;
    let old = put(&store, settled(asked(1), Status::Denied, at(1))).await;
    assert_eq!(store.purge(at(2), 1).await.unwrap(), 1);
    let new = done(store.commit(None, asked(1)).await.unwrap());
    assert!(new.id > old.id);
    assert_eq!(store.get(id(1)).await.unwrap(), Some(new));
}

pub(in crate::store) async fn the_history_belongs_to_the_store(opener: &impl Opener) {
    if !opener.durable() {
        return;
    }
    let store = opener.open(Spy::new()).await;
    let history = store.history();
    store.close().await;
    drop(store);
    assert_eq!(opener.open(Spy::new()).await.history(), history);
}
