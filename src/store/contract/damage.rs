//! What a store does with a record that it cannot read: it says so, and goes on with the rest.

use super::{Opener, Spy, asked, at, done, id, ids, put, settled};
use crate::domain::{Event, EventId, RequestId, Status};
use crate::store::{Health, ListQuery, Range, SharedStore, StoreError};

/// Requests 1 to 6, of which 1, 3, 4 and 6, the newest, cannot be read; answers 2 and 5.
///
/// `None` when the store keeps no records while it is closed, so that none can be damaged.
async fn six(opener: &impl Opener) -> Option<(SharedStore, [Event; 2])> {
    if !opener.durable() {
        return None;
    }
    let store = opener.open(Spy::new()).await;
    for n in 1..=6 {
        let mut request = asked(n);
        request.created_at = at(n.into());
        request.expires_at = at(10 + u64::from(n));
        put(&store, request).await;
    }
    let good = [
        store.get(id(2)).await.unwrap().unwrap(),
        store.get(id(5)).await.unwrap().unwrap(),
    ];
    store.close().await;
    drop(store);
    for n in [1, 3, 4, 6] {
        opener.damage(id(n)).await;
    }
    Some((opener.open(Spy::new()).await, good))
}

async fn all_in_ones(store: &SharedStore, mut query: ListQuery) -> Vec<Event> {
    let mut all = Vec::new();
    loop {
        let page = store.list(query.clone()).await.unwrap();
        assert_eq!(page.events.len(), 1, "{query:?}");
        all.extend(page.events);
        if page.next.is_none() {
            return all;
        }
        query.after = page.next;
    }
}

pub(in crate::store) async fn a_record_that_cannot_be_read_is_stepped_over(opener: &impl Opener) {
    let Some((store, good)) = six(opener).await else {
        return;
    };
    let head = store.head().await.unwrap().event;
    let after = |after| Range { after, until: head };
    for only_pending in [false, true] {
        for (range, limit, wanted) in [
            (after(EventId::ZERO), 9, &good[..]),
            // A page is filled with what stands behind, and an empty one is the end.
            (after(EventId::ZERO), 2, &good[..]),
            (after(EventId::ZERO), 1, &good[..1]),
            (after(EventId::ZERO), 0, &[]),
            (after(good[0].id), 1, &good[1..]),
            (after(good[1].id), 9, &[]),
            (Range::of(head), 1, &[]),
        ] {
            let read = store.changes(range, only_pending, limit).await.unwrap();
            assert_eq!(read, wanted, "{range:?}, {limit} at most");
        }
    }
    let [older, newer] = &good;
    let newest_first = [newer.clone(), older.clone()];
    for status in [None, Some(Status::Pending)] {
        let query = |limit| ListQuery {
            status,
            topic: None,
            seen_by: None,
            after: None,
            limit,
        };
        let page = store.list(query(2)).await.unwrap();
        assert_eq!((&page.events[..], page.next), (&newest_first[..], None));
        assert_eq!(all_in_ones(&store, query(1)).await, newest_first);
    }
    assert_eq!(store.overdue(at(99), 2).await.unwrap(), good);
    assert_eq!(store.overdue(at(99), 1).await.unwrap(), good[..1]);
    // Were it the one of request 1, the sweep would look for it again and again.
    assert_eq!(store.next_expiry().await.unwrap(), Some(at(12)));
}

fn refused(answer: Result<Option<Event>, StoreError>, wanted: RequestId) {
    match answer {
        Err(StoreError::BadRecord { id, .. }) => assert_eq!(id, wanted.to_string()),
        other => panic!("{other:?}"),
    }
}

pub(in crate::store) async fn a_record_that_cannot_be_read_is_named_and_hinders_no_other(
    opener: &impl Opener,
) {
    let Some((store, [good, _])) = six(opener).await else {
        return;
    };
    assert_eq!(store.pending().await.unwrap(), 6, "all are counted");
    refused(store.get(id(3)).await, id(3));
    let taken = store.commit(None, asked(3)).await;
    assert!(
        matches!(taken, Err(StoreError::BadRecord { .. })),
        "{taken:?}"
    );
    let Health::Damaged(why) = store.health().borrow().clone() else {
        panic!("{:?}", store.health());
    };
    assert!(why.contains(&id(3).to_string()), "{why}");
    assert_eq!(store.get(id(2)).await.unwrap(), Some(good.clone()));
    let change = settled((*good.request).clone(), Status::Denied, at(20));
    done(store.commit(Some(good.id), change).await.unwrap());
    put(&store, asked(9)).await;
}

pub(in crate::store) async fn a_store_is_ready_again_when_the_bad_record_is_purged(
    opener: &impl Opener,
) {
    if !opener.durable() {
        return;
    }
    let store = opener.open(Spy::new()).await;
    put(&store, settled(asked(1), Status::Denied, at(1))).await;
    let kept = put(&store, asked(2)).await;
    store.close().await;
    drop(store);
    opener.damage(id(1)).await;
    let store = opener.open(Spy::new()).await;
    refused(store.get(id(1)).await, id(1));
    assert!(matches!(*store.health().borrow(), Health::Damaged(_)));
    assert_eq!(store.purge(at(2), 9).await.unwrap(), 1);
    assert_eq!(*store.health().borrow(), Health::Ready);
    assert_eq!(store.get(id(1)).await.unwrap(), None);
    let all = Range {
        after: EventId::ZERO,
        until: EventId(u64::MAX),
    };
    assert_eq!(ids(&store.changes(all, false, 9).await.unwrap()), [kept.id]);
}
