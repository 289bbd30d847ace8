//! What single reads, changes and the sweep's questions answer.

use super::{Opener, Spy, asked, at, id, ids, put, settled};
use crate::domain::{Event, EventId, Status};
use crate::store::{Range, SharedStore};

pub(in crate::store) async fn a_get_sees_what_was_answered(opener: &impl Opener) {
    let store = opener.open(Spy::new()).await;
    assert_eq!(store.get(id(1)).await.unwrap(), None);
    for n in 0..20 {
        let event = put(&store, asked(n % 3)).await;
        assert_eq!(store.get(id(n % 3)).await.unwrap(), Some(event));
    }
    assert_eq!(store.get(id(9)).await.unwrap(), None);
}

fn range(after: EventId, until: EventId) -> Range {
    Range { after, until }
}

const EVERYTHING: Range = Range {
    after: EventId::ZERO,
    until: EventId(u64::MAX),
};

async fn five(store: &SharedStore) -> Vec<Event> {
    let mut events = Vec::new();
    for n in 1..=5 {
        events.push(put(store, asked(n)).await);
    }
    events
}

pub(in crate::store) async fn changes_are_after_the_first_id_and_up_to_the_last(
    opener: &impl Opener,
) {
    let store = opener.open(Spy::new()).await;
    assert!(
        store
            .changes(EVERYTHING, false, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let events = five(&store).await;
    let [a, b, _, d, e] = ids(&events)[..] else {
        panic!("five events")
    };
    let cases = [
        (EVERYTHING, &events[..]),
        (range(EventId::ZERO, e), &events[..]),
        (range(a, d), &events[1..4]),
        (range(a, b), &events[1..2]),
        (range(e, EventId(u64::MAX)), &[]),
        (range(b, b), &[]),
        (range(d, a), &[]),
        (range(EventId(u64::MAX), EventId(u64::MAX)), &[]),
        (range(EventId(u64::MAX), EventId::ZERO), &[]),
    ];
    for (range, wanted) in cases {
        for only_pending in [false, true] {
            let read = store.changes(range, only_pending, 10).await.unwrap();
            assert_eq!(read, wanted, "{range:?}");
        }
    }
}

pub(in crate::store) async fn changes_show_each_request_once_as_its_latest_commit_left_it(
    opener: &impl Opener,
) {
    let store = opener.open(Spy::new()).await;
    let events = five(&store).await;
    let next = put(&store, settled(asked(2), Status::Expired, at(9))).await;
    let read = store.changes(EVERYTHING, false, 10).await.unwrap();
    let wanted = [&events[0], &events[2], &events[3], &events[4], &next];
    assert_eq!(read.iter().collect::<Vec<_>>(), wanted);
    let older = range(EventId::ZERO, events[4].id);
    assert_eq!(store.changes(older, false, 10).await.unwrap().len(), 4);
}

pub(in crate::store) async fn changes_can_leave_out_what_is_settled(opener: &impl Opener) {
    let store = opener.open(Spy::new()).await;
    five(&store).await;
    let finals = [
        Status::Approved,
        Status::Denied,
        Status::Expired,
        Status::Cancelled,
    ];
    for (n, status) in (1..).zip(finals) {
        put(&store, settled(asked(n), status, at(1))).await;
    }
    let read = store.changes(EVERYTHING, true, 10).await.unwrap();
    assert_eq!(
        read.iter()
            .map(|event| event.request.id)
            .collect::<Vec<_>>(),
        [id(5)]
    );
    assert_eq!(store.changes(EVERYTHING, false, 10).await.unwrap().len(), 5);
}

pub(in crate::store) async fn changes_stop_at_the_limit(opener: &impl Opener) {
    let store = opener.open(Spy::new()).await;
    let events = five(&store).await;
    for only_pending in [false, true] {
        for limit in [0, 1, 4, 5, 6, usize::MAX] {
            let read = store
                .changes(EVERYTHING, only_pending, limit)
                .await
                .unwrap();
            assert_eq!(read, events[..limit.min(5)]);
        }
    }
}

pub(in crate::store) async fn overdue_ones_are_pending_and_come_earliest_first(
    opener: &impl Opener,
) {
    let store = opener.open(Spy::new()).await;
    for (n, expires) in [(1, 30), (2, 10), (3, 20), (4, 5), (5, 20)] {
        let mut request = asked(n);
        request.expires_at = at(expires);
        put(&store, request).await;
    }
    let mut expired = settled(asked(4), Status::Expired, at(5));
    expired.expires_at = at(5);
    put(&store, expired).await;
    let cases: [(u64, usize, &[u8]); 6] = [
        (4, 10, &[]),
        (9, 10, &[]),
        (10, 10, &[2]),
        (29, 10, &[2, 3, 5]),
        (30, 10, &[2, 3, 5, 1]),
        (30, 2, &[2, 3]),
    ];
    for (now, limit, wanted) in cases {
        let overdue = store.overdue(at(now), limit).await.unwrap();
        let overdue: Vec<_> = overdue.iter().map(|event| event.request.id).collect();
        let wanted: Vec<_> = wanted.iter().map(|&n| id(n)).collect();
        assert_eq!(overdue, wanted, "at {now}, {limit} at most");
    }
}

pub(in crate::store) async fn the_next_expiry_is_the_earliest_of_those_pending(
    opener: &impl Opener,
) {
    let store = opener.open(Spy::new()).await;
    assert_eq!(store.next_expiry().await.unwrap(), None);
    for (n, expires) in [(1, 30), (2, 10)] {
        let mut request = asked(n);
        request.expires_at = at(expires);
        put(&store, request).await;
    }
    assert_eq!(store.next_expiry().await.unwrap(), Some(at(10)));
    put(&store, settled(asked(2), Status::Denied, at(1))).await;
    assert_eq!(store.next_expiry().await.unwrap(), Some(at(30)));
    put(&store, settled(asked(1), Status::Denied, at(1))).await;
    assert_eq!(store.next_expiry().await.unwrap(), None);
}

pub(in crate::store) async fn pending_ones_are_counted(opener: &impl Opener) {
    let store = opener.open(Spy::new()).await;
    assert_eq!(store.pending().await.unwrap(), 0);
    five(&store).await;
    put(&store, asked(2)).await;
    assert_eq!(store.pending().await.unwrap(), 5);
    put(&store, settled(asked(2), Status::Denied, at(1))).await;
    put(&store, settled(asked(3), Status::Expired, at(1))).await;
    assert_eq!(store.pending().await.unwrap(), 3);
    put(&store, settled(asked(9), Status::Approved, at(1))).await;
    assert_eq!(store.pending().await.unwrap(), 3);
    let refused = store.commit(None, asked(1)).await.unwrap();
    assert!(matches!(refused, crate::store::Commit::Conflict(Some(_))));
    assert_eq!(store.purge(at(9), 10).await.unwrap(), 3);
    assert_eq!(store.pending().await.unwrap(), 3);
}
