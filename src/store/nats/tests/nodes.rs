//! Several daemons on one bucket.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::*;
use crate::domain::{Status, Timestamp};
use crate::store::Health;
use crate::store::contract::{Spy, asked, at, done, id, ids, put, settled};

pub(super) async fn node(nats: &Nats) -> (SharedStore, Arc<Spy>) {
    let spy = Spy::new();
    let store: SharedStore = Arc::new(nats.opened(spy.feed()).await);
    (store, spy)
}

/// Waits until a node has come as far as another.
async fn level(behind: &SharedStore, ahead: &SharedStore) {
    let wanted = ahead.head().await.unwrap();
    until(async || {
        let head = behind.head().await.unwrap();
        head.event >= wanted.event && head.purged >= wanted.purged
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_has_answered_every_other_reads_at_once() {
    for nats in [Nats::single(), Nats::three()] {
        let ((a, _), (b, _)) = (node(&nats).await, node(&nats).await);
        for n in 0..50 {
            let event = put(&a, asked(n)).await;
            assert_eq!(b.get(id(n)).await.unwrap(), Some(event.clone()));
            let denied = settled((*event.request).clone(), Status::Denied, at(1));
            let denied = done(b.commit(Some(event.id), denied).await.unwrap());
            assert_eq!(a.get(id(n)).await.unwrap(), Some(denied));
        }
    }
}

/// In a cluster, a 2.9 server confirms racing writes that follow the same one; all but the first of
/// them must not count, on any node, and whoever made them must be told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_racing_writes_on_several_nodes_one_wins_and_all_agree() {
    for nats in [Nats::single(), Nats::three()] {
        let nodes = [node(&nats).await, node(&nats).await, node(&nats).await];
        let mut expected = None;
        for round in 0..20 {
            let writes = nodes.iter().enumerate().map(|(n, (store, _))| {
                let millis = 10 * round + u64::try_from(n).unwrap();
                store.commit(expected, settled(asked(1), Status::Denied, at(millis)))
            });
            let mut won = Vec::new();
            let mut lost = Vec::new();
            for written in join_all(writes).await {
                match written.unwrap() {
                    Commit::Done(event) => won.push(event),
                    Commit::Conflict(current) => lost.push(current),
                }
            }
            assert_eq!((won.len(), lost.len()), (1, 2), "round {round}");
            for current in lost {
                assert_eq!(current.as_ref(), won.first());
            }
            for (store, _) in &nodes {
                assert_eq!(store.get(id(1)).await.unwrap().as_ref(), won.first());
            }
            expected = won.first().map(|event| event.id);
        }
        for (store, _) in &nodes {
            level(store, &nodes[0].0).await;
        }
        for (store, _) in &nodes {
            store.close().await;
        }
        let told: Vec<_> = nodes.iter().map(|(_, spy)| spy.delivered()).collect();
        assert_eq!(told[0].len(), 20);
        assert_eq!(told[0], told[1]);
        assert_eq!(told[0], told[2]);
        // A node that comes later reads the same out of what is left.
        let (late, _) = node(&nats).await;
        assert_eq!(late.get(id(1)).await.unwrap().as_ref(), told[0].last());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_came_late_is_not_left_in_the_bucket() {
    let nats = Nats::three();
    let ((a, _), (b, _)) = (node(&nats).await, node(&nats).await);
    for n in 0..20 {
        let (a, b) = (a.commit(None, asked(n)), b.commit(None, asked(n)));
        let (a, b) = futures_util::future::join(a, b).await;
        assert!(a.is_ok() && b.is_ok(), "{a:?} {b:?}");
    }
    // What is deleted leaves once, and their stores wait for it when they are closed.
    a.close().await;
    b.close().await;
    let (_, bucket) = nats.raw().await;
    let mut records = BTreeMap::new();
    for n in 0..20 {
        // A server of 2.9 may say that there is none, when it has just removed the last one.
        if let Some(latest) = bucket.latest(&id(n).to_string()).await.unwrap() {
            records.insert(n, latest.sequence);
        }
    }
    let (late, _) = node(&nats).await;
    for n in 0..20 {
        let event = late.get(id(n)).await.unwrap().unwrap();
        let number = records.get(&n).copied().map_or(event.id, EventId);
        assert_eq!(event.id, number, "the last message is the one that counts");
    }
}

#[tokio::test]
async fn what_one_node_purges_all_forget() {
    let nats = Nats::single();
    let ((a, _), (b, spy)) = (node(&nats).await, node(&nats).await);
    for n in 1..=4 {
        put(&a, settled(asked(n), Status::Denied, at(u64::from(n)))).await;
    }
    let pending = put(&a, asked(5)).await;
    level(&b, &a).await;
    assert_eq!(a.purge(at(4), 10).await.unwrap(), 3);
    level(&b, &a).await;
    assert_eq!(b.head().await.unwrap(), a.head().await.unwrap());
    let all = Range {
        after: EventId::ZERO,
        until: EventId(u64::MAX),
    };
    let left = b.changes(all, false, 10).await.unwrap();
    assert_eq!(left.len(), 2);
    assert_eq!(left.last(), Some(&pending));
    assert_eq!(b.get(id(1)).await.unwrap(), None);
    // Nothing is left of them but the mark.
    let (_, bucket) = nats.raw().await;
    assert!(bucket.latest(&id(1).to_string()).await.unwrap().is_none());
    // Asked anew at one, it is there at the other.
    let again = put(&b, asked(1)).await;
    assert_eq!(a.get(id(1)).await.unwrap(), Some(again));
    assert_eq!(spy.delivered().len(), 5 + 1);
}

#[tokio::test]
async fn two_nodes_may_purge_at_once() {
    let nats = Nats::single();
    let ((a, _), (b, _)) = (node(&nats).await, node(&nats).await);
    for n in 0..40 {
        put(&a, settled(asked(n), Status::Denied, at(u64::from(n)))).await;
    }
    level(&b, &a).await;
    loop {
        let (x, y) = futures_util::future::join(a.purge(at(30), 4), b.purge(at(30), 4)).await;
        if (x.unwrap(), y.unwrap()) == (0, 0) {
            break;
        }
    }
    level(&b, &a).await;
    level(&a, &b).await;
    for store in [&a, &b] {
        for n in 0..40 {
            assert_eq!(store.get(id(n)).await.unwrap().is_some(), n >= 30, "{n}");
        }
    }
}

/// The node that has written the mark ends before it removes anything.
#[tokio::test]
async fn what_a_node_had_no_time_to_remove_the_next_one_removes() {
    let nats = Nats::single();
    let (a, _) = node(&nats).await;
    let old = put(&a, settled(asked(1), Status::Denied, at(1))).await;
    put(&a, settled(asked(2), Status::Denied, at(9))).await;
    let (_, bucket) = nats.raw().await;
    let last = message::Purged {
        settled_at: at(1),
        id: id(1),
    };
    let mark = serde_json::to_vec(&message::Mark::after(None, old.id, last)).unwrap();
    let put_mark = bucket.overwrite(message::PURGED, HeaderMap::new(), mark.into());
    put_mark.await.unwrap();
    let (b, _) = node(&nats).await;
    let head = b.head().await.unwrap();
    assert_eq!(head.purged, old.id, "the gap is explained");
    let all = Range {
        after: EventId::ZERO,
        until: head.event,
    };
    assert_eq!(ids(&b.changes(all, false, 9).await.unwrap()), [head.event]);
    assert!(bucket.latest(&id(1).to_string()).await.unwrap().is_some());
    assert_eq!(b.purge(Timestamp::from_millis(0), 9).await.unwrap(), 0);
    assert!(bucket.latest(&id(1).to_string()).await.unwrap().is_none());
}

#[tokio::test]
async fn what_an_operator_deletes_is_gone_on_every_node_and_can_be_asked_anew() {
    let nats = Nats::single();
    let ((a, _), (b, _)) = (node(&nats).await, node(&nats).await);
    let event = put(&a, asked(1)).await;
    let (_, bucket) = nats.raw().await;
    let mut headers = HeaderMap::new();
    headers.insert("KV-Operation", "DEL");
    let key = id(1).to_string();
    bucket.overwrite(&key, headers, Bytes::new()).await.unwrap();
    for store in [&a, &b] {
        assert_eq!(store.get(id(1)).await.unwrap(), None);
        assert_eq!(store.head().await.unwrap().purged, event.id);
    }
    let again = done(b.commit(None, asked(1)).await.unwrap());
    assert_eq!(a.get(id(1)).await.unwrap(), Some(again));
}

#[tokio::test]
async fn a_record_from_the_future_is_named_by_every_node_and_goes_untouched() {
    let nats = Nats::single();
    let ((a, spy), (b, _)) = (node(&nats).await, node(&nats).await);
    let event = put(&a, asked(1)).await;
    let (_, bucket) = nats.raw().await;
    let future = br#"{"format":99,"request":{"id":"aeaqcaibaeaqcaibaeaqcaibae"}}"#.as_slice();
    let key = id(1).to_string();
    bucket
        .overwrite(&key, HeaderMap::new(), Bytes::from_static(future))
        .await
        .unwrap();
    for store in [&a, &b] {
        let read = store.get(id(1)).await;
        assert!(
            matches!(read, Err(StoreError::BadRecord { .. })),
            "{read:?}"
        );
        let change = settled((*event.request).clone(), Status::Denied, at(1));
        let change = store.commit(Some(event.id), change).await;
        assert!(
            matches!(change, Err(StoreError::BadRecord { .. })),
            "{change:?}"
        );
        assert!(matches!(*store.health().borrow(), Health::Damaged(_)));
        put(store, asked(2)).await;
    }
    let latest = bucket.latest(&key).await.unwrap().unwrap();
    assert_eq!(&latest.payload[..], future);
    assert_eq!(spy.reached(), [EventId(latest.sequence)]);
}

/// What was written last may be gone, as a write is that came late: nobody may wait for it.
#[tokio::test]
async fn a_last_message_that_was_removed_is_not_waited_for() {
    let nats = Nats::single();
    let (a, _) = node(&nats).await;
    let kept = put(&a, asked(1)).await;
    let (_, bucket) = nats.raw().await;
    let probed = bucket.overwrite(message::PROBE, HeaderMap::new(), Bytes::new());
    let Ok(last) = probed.await else {
        panic!("not written");
    };
    bucket.remove(last).await.unwrap();
    let (b, _) = node(&nats).await;
    for store in [&a, &b] {
        assert_eq!(store.get(id(1)).await.unwrap(), Some(kept.clone()));
        assert_eq!(*store.health().borrow(), Health::Ready);
    }
}

/// The confirmation of a write comes before the feed brings it, and somebody removes it in between.
#[tokio::test]
async fn a_node_that_waits_for_a_message_that_is_gone_goes_on() {
    let nats = Nats::single();
    let store = nats.opened(Spy::new()).await;
    let gone = *store.shared.applied.borrow() + 1;
    // The next message has this number, and is one that proves that nothing else had it.
    assert!(store.shared.reached(gone).await);
    assert!(matches!(*store.health().borrow(), Health::Ready));
    // Nothing that comes later is passed over.
    let store: SharedStore = Arc::new(store);
    let event = put(&store, asked(1)).await;
    assert_eq!(store.get(id(1)).await.unwrap(), Some(event));
}

/// Node B loses its line while a request changes more often than the bucket has versions; what it
/// then reads follows an event that it has never seen, and counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_has_missed_more_than_is_kept_comes_to_the_same() {
    let nats = Nats::single();
    let ((a, _), spy) = (node(&nats).await, Spy::new());
    let b = nats.opened(spy.feed()).await;
    let first = put(&a, asked(1)).await;
    until(async || b.head().await.unwrap().event == first.id).await;
    // What comes is not taken up from here on, as if it did not come.
    let held = b.shared.hold_feed().await;
    let mut latest = first;
    for _ in 0..40 {
        let next = done(a.commit(Some(latest.id), asked(1)).await.unwrap());
        latest = next;
    }
    drop(held);
    b.shared.feed_is_late.notify_one();
    assert_eq!(b.get(id(1)).await.unwrap(), Some(latest.clone()));
    let denied = settled(asked(1), Status::Denied, at(1));
    let denied = done(b.commit(Some(latest.id), denied).await.unwrap());
    assert_eq!(a.get(id(1)).await.unwrap(), Some(denied));
}

#[tokio::test]
async fn a_node_whose_clock_is_wrong_is_not_ready_and_says_by_how_much() {
    struct Off(Box<dyn Clock>, i64);
    impl Clock for Off {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.now().as_millis() + self.1)
        }
    }
    for (millis, says) in [(3_600_000, "ahead of"), (-3_600_000, "behind")] {
        let nats = Nats::single();
        let clock = Arc::new(Off(Box::new(SystemClock::new()), millis));
        let store = NatsStore::open_with(&nats.settings, Spy::new(), clock).await;
        let store = store.unwrap();
        let Health::Failing(why) = store.health().borrow().clone() else {
            panic!("it is ready");
        };
        assert!(why.contains(says) && why.contains(" NATS"), "{why}");
        let refused = store.commit(None, asked(1)).await;
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{refused:?}"
        );
    }
}

/// A bucket that lost its newest messages and has others under their numbers since.
#[tokio::test]
async fn a_bucket_that_went_back_is_not_served_until_it_is_opened_anew() {
    let nats = Nats::single();
    let (a, _) = node(&nats).await;
    put(&a, asked(1)).await;
    let (client, _) = nats.raw().await;
    let context = async_nats::jetstream::new(client);
    let name = format!("KV_{}", nats.settings.bucket);
    context.delete_stream(&name).await.unwrap();
    let b = nats.opened(Spy::new()).await;
    let mut health = a.health();
    let failing = health.wait_for(|health| matches!(health, Health::Failing(_)));
    tokio::time::timeout(DEADLINE, failing)
        .await
        .unwrap()
        .unwrap();
    let b: SharedStore = Arc::new(b);
    for n in 10..40 {
        put(&b, asked(n)).await;
    }
    // It has more than before now, and is still another one.
    until(async || {
        let refused = a.commit(None, asked(2)).await;
        matches!(refused, Err(StoreError::Unavailable(why)) if why.contains("restart pushd"))
    })
    .await;
}
