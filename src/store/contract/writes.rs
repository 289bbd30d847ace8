//! What a commit does.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::join_all;

use super::{Opener, Spy, asked, at, done, id, put, settled};
use crate::domain::{Details, EventId, Field, Reason, Request, Status, Title};
use crate::limits;
use crate::store::{Commit, ListQuery, Range, StoreError};

pub(in crate::store) async fn event_ids_start_above_zero_and_rise(opener: &impl Opener) {
    let store = opener.open(Spy::new()).await;
    assert_eq!(store.head().await.unwrap().event, EventId::ZERO);
    let mut last = EventId::ZERO;
    for request in [asked(1), asked(2), settled(asked(1), Status::Denied, at(1))] {
        let event = put(&store, request).await;
        assert!(event.id > last, "{} after {last}", event.id);
        assert_eq!(store.head().await.unwrap().event, event.id);
        last = event.id;
    }
}

pub(in crate::store) async fn an_absent_request_is_created_once(opener: &impl Opener) {
    let store = opener.open(Spy::new()).await;
    let first = done(store.commit(None, asked(1)).await.unwrap());
    assert_eq!(*first.request, asked(1));
    let other = settled(asked(1), Status::Approved, at(1));
    let again = store.commit(None, other).await.unwrap();
    assert_eq!(again, Commit::Conflict(Some(first.clone())));
    assert_eq!(store.get(id(1)).await.unwrap(), Some(first));
}

pub(in crate::store) async fn a_write_on_an_older_commit_is_refused_with_the_current_one(
    opener: &impl Opener,
) {
    let store = opener.open(Spy::new()).await;
    let first = put(&store, asked(1)).await;
    let second = put(&store, settled(asked(1), Status::Denied, at(1))).await;
    let late = settled(asked(1), Status::Approved, at(2));
    for wrong in [first.id, second.id.next(), EventId(u64::MAX)] {
        let refused = store.commit(Some(wrong), late.clone()).await.unwrap();
        assert_eq!(refused, Commit::Conflict(Some(second.clone())));
    }
    assert_eq!(store.get(id(1)).await.unwrap(), Some(second));
}

pub(in crate::store) async fn a_write_on_an_absent_request_is_refused_with_none(
    opener: &impl Opener,
) {
    let store = opener.open(Spy::new()).await;
    let other = put(&store, asked(1)).await;
    let refused = store.commit(Some(other.id), asked(2)).await.unwrap();
    assert_eq!(refused, Commit::Conflict(None));
    assert_eq!(store.get(id(2)).await.unwrap(), None);
}

pub(in crate::store) async fn of_a_hundred_racing_writes_one_wins_each_version(
    opener: &impl Opener,
) {
    let store = opener.open(Spy::new()).await;
    let mut current = None;
    for round in 0..5 {
        let races = (0..100).map(|racer| {
            let store = Arc::clone(&store);
            let title = Title::new(format!("round {round} racer {racer}")).unwrap();
            let request = Request { title, ..asked(1) };
            tokio::spawn(async move { store.commit(current, request).await.unwrap() })
        });
        let (mut won, mut told) = (Vec::new(), Vec::new());
        for race in join_all(races).await {
            match race.unwrap() {
                Commit::Done(event) => won.push(event),
                Commit::Conflict(latest) => told.push(latest),
            }
        }
        assert_eq!((won.len(), told.len()), (1, 99));
        assert!(told.iter().all(|latest| latest.as_ref() == won.first()));
        assert_eq!(store.get(id(1)).await.unwrap().as_ref(), won.first());
        current = won.first().map(|event| event.id);
    }
}

pub(in crate::store) async fn writes_of_different_requests_do_not_hinder_each_other(
    opener: &impl Opener,
) {
    let store = opener.open(Spy::new()).await;
    let writes = (0..100).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { done(store.commit(None, asked(n)).await.unwrap()).id })
    });
    let ids: BTreeSet<_> = join_all(writes)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(ids.len(), 100);
    assert_eq!(store.head().await.unwrap().event, *ids.last().unwrap());
}

pub(in crate::store) async fn a_dropped_commit_does_no_harm(opener: &impl Opener) {
    let spy = Spy::new();
    let store = opener.open(spy.feed()).await;
    for n in 0..50 {
        // Polled once and dropped: it may have happened or not, and may still happen.
        let outcome = store.commit(None, asked(n)).now_or_never();
        assert!(matches!(outcome, None | Some(Ok(Commit::Done(_)))));
    }
    for n in 0..50 {
        let (Commit::Done(event) | Commit::Conflict(Some(event))) =
            store.commit(None, asked(n)).await.unwrap()
        else {
            panic!("a conflict with nothing");
        };
        assert_eq!(store.get(id(n)).await.unwrap(), Some(event));
    }
    store.close().await;
    let delivered: BTreeSet<_> = spy.delivered().iter().map(|e| e.request.id).collect();
    assert_eq!((delivered.len(), spy.delivered().len()), (50, 50));
}

pub(in crate::store) async fn every_text_comes_back_exactly(opener: &impl Opener) {
    let odd =
        "\0 \u{1} \u{7f} \u{85} \u{202e}\u{200b}\u{feff}\u{fffd}\u{10ffff} e\u{301} é 👩‍👩‍👧 \\ \" ' %";
    let mut request = asked(1);
    request.title = Title::new(odd.replace('\u{85}', "")).unwrap();
    request.details = Details::new(format!("{odd}\r\n\t\u{2028}{odd}")).unwrap();
    request.fields = (0..limits::FIELDS)
        .map(|n| Field::new(format!("{n}\0"), "\u{0}\u{10ffff}".repeat(500)).unwrap())
        .collect();
    request.requester.address = Some("\0[::1%eth0]:1".to_owned());
    request.history[0].reason = Reason::new("\u{0}\u{202e}".to_owned()).unwrap();
    let mut large = asked(2);
    large.details = Details::new("\u{1}".repeat(limits::DETAILS_BYTES)).unwrap();
    let store = opener.open(Spy::new()).await;
    for request in [&request, &large] {
        put(&store, request.clone()).await;
    }
    let all = Range {
        after: EventId::ZERO,
        until: EventId(u64::MAX),
    };
    // Reads that go to the disk, and after reopening those that may come from memory too.
    let mut read = store.changes(all, false, 10).await.unwrap();
    store.close().await;
    if opener.durable() {
        let store = opener.open(Spy::new()).await;
        read.push(store.get(id(1)).await.unwrap().unwrap());
        read.push(store.get(id(2)).await.unwrap().unwrap());
    }
    for (event, wanted) in read.iter().zip([&request, &large].into_iter().cycle()) {
        assert_eq!(*event.request, *wanted);
    }
}

pub(in crate::store) async fn a_closed_store_refuses_everything(opener: &impl Opener) {
    let store = opener.open(Spy::new()).await;
    let event = put(&store, asked(1)).await;
    let history = store.history();
    store.close().await;
    store.close().await;
    let all = Range {
        after: EventId::ZERO,
        until: event.id,
    };
    let query = ListQuery {
        status: None,
        topic: None,
        seen_by: None,
        after: None,
        limit: 1,
    };
    let refused = [
        store.head().await.err(),
        store.get(id(1)).await.err(),
        store.commit(Some(event.id), asked(1)).await.err(),
        store.commit(None, asked(2)).await.err(),
        store.changes(all, false, 1).await.err(),
        store.list(query).await.err(),
        store.overdue(at(0), 1).await.err(),
        store.next_expiry().await.err(),
        store.pending().await.err(),
        store.purge(at(0), 1).await.err(),
    ];
    for (n, error) in refused.into_iter().enumerate() {
        assert!(
            matches!(error, Some(StoreError::Unavailable(_))),
            "call {n}: {error:?}"
        );
    }
    assert_eq!(store.history(), history);
}

pub(in crate::store) async fn what_was_accepted_before_closing_is_done(opener: &impl Opener) {
    let spy = Spy::new();
    let store = opener.open(spy.feed()).await;
    let mut writes: Vec<_> = (0..100).map(|n| store.commit(None, asked(n))).collect();
    let mut answers: Vec<_> = writes.iter_mut().map(FutureExt::now_or_never).collect();
    store.close().await;
    for (write, answer) in writes.into_iter().zip(&mut answers) {
        if answer.is_none() {
            *answer = Some(write.await);
        }
    }
    let done = answers
        .into_iter()
        .flatten()
        .map(|answer| done(answer.unwrap()));
    assert_eq!(done.collect::<Vec<_>>(), spy.delivered());
}

pub(in crate::store) async fn what_was_answered_is_there_after_reopening(opener: &impl Opener) {
    if !opener.durable() {
        return;
    }
    let store = opener.open(Spy::new()).await;
    let mut written = Vec::new();
    for n in 0..20 {
        written.push(put(&store, asked(n)).await);
    }
    written[3] = put(&store, settled(asked(3), Status::Approved, at(5))).await;
    let head = store.head().await.unwrap();
    store.close().await;
    drop(store);
    let store = opener.open(Spy::new()).await;
    assert_eq!(store.head().await.unwrap(), head);
    assert_eq!(store.pending().await.unwrap(), 19);
    for event in written {
        assert_eq!(store.get(event.request.id).await.unwrap(), Some(event));
    }
}
