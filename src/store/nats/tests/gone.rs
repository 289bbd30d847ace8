//! What is gone from the bucket, and a node has not seen go.

use super::nodes::node;
use super::*;
use crate::domain::Status;
use crate::store::contract::{Spy, asked, at, done, id, put, settled};

/// Nobody may write what follows `gone`, or show it.
async fn is_forgotten(store: &NatsStore, gone: &Event) {
    let late = settled((*gone.request).clone(), Status::Expired, at(8));
    let late = store.commit(Some(gone.id), late).await;
    assert_eq!(late, Ok(Commit::Conflict(None)));
    assert_eq!(store.pending().await, Ok(0));
    assert_eq!(store.next_expiry().await, Ok(None));
    assert_eq!(store.get(gone.request.id).await, Ok(None));
}

/// Node B hears nothing while a request is settled and purged at A. Its ask it has seen, so it took
/// the request for pending from then on, and the sweep of B wrote that it had expired, which counted
/// everywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_settled_and_purged_while_a_node_heard_nothing_is_not_pending_there() {
    for nats in [Nats::single(), Nats::three()] {
        let ((a, _), b) = (node(&nats).await, nats.opened(Spy::new()).await);
        let asked = put(&a, asked(1)).await;
        until(async || b.head().await.unwrap().event == asked.id).await;
        let held = b.shared.hold_feed().await;
        let denied = settled((*asked.request).clone(), Status::Denied, at(1));
        done(a.commit(Some(asked.id), denied).await.unwrap());
        assert_eq!(a.purge(at(5), 9).await, Ok(1));
        drop(held);
        b.shared.feed_is_late.notify_one();
        // It is the keeper that forgets it: nobody asks for it.
        until(async || b.pending().await == Ok(0)).await;
        until(async || *b.health().borrow() == Health::Ready).await;
        is_forgotten(&b, &asked).await;
        assert_eq!(a.get(id(1)).await, Ok(None), "nothing brought it back");
    }
}

/// Between the gap and the keeper's look at it there is a second, in which B may write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_follows_what_may_be_gone_before_that_is_known() {
    let nats = Nats::single();
    let ((a, _), b) = (node(&nats).await, nats.opened(Spy::new()).await);
    let asked = put(&a, asked(1)).await;
    let denied = settled((*asked.request).clone(), Status::Denied, at(1));
    let denied = done(a.commit(Some(asked.id), denied).await.unwrap());
    assert_eq!(a.purge(at(5), 9).await, Ok(1));
    until(async || b.head().await.unwrap().purged == denied.id).await;
    {
        // As if the message that settled it had not come.
        let mut seen = b.shared.seen();
        seen.requests.put(asked.clone());
        seen.gap = Some(asked.id);
    }
    is_forgotten(&b, &asked).await;
}

/// What is still pending and older than the gap stays, and goes on to be answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_takes_nothing_that_is_there() {
    let nats = Nats::single();
    let ((a, _), (b, _)) = (node(&nats).await, node(&nats).await);
    let stays = put(&a, asked(1)).await;
    put(&a, settled(asked(2), Status::Denied, at(1))).await;
    let last = put(&a, settled(asked(3), Status::Denied, at(9))).await;
    assert_eq!(a.purge(at(5), 9).await, Ok(1));
    // This one meets the gap when it reads the bucket, the others had seen what was there.
    let (late, _) = node(&nats).await;
    for store in [&a, &b, &late] {
        assert_eq!(store.pending().await, Ok(1));
        assert_eq!(store.get(id(1)).await, Ok(Some(stays.clone())));
        assert_eq!(store.get(id(3)).await, Ok(Some(last.clone())));
    }
    let denied = settled((*stays.request).clone(), Status::Denied, at(1));
    let denied = done(late.commit(Some(stays.id), denied).await.unwrap());
    assert_eq!(b.get(id(1)).await, Ok(Some(denied)));
}

/// `nats stream purge --subject` leaves nothing that the nodes would be told of.
#[tokio::test]
async fn what_an_operator_purges_is_gone_where_it_is_asked_for() {
    let nats = Nats::single();
    let ((a, _), (b, _)) = (node(&nats).await, node(&nats).await);
    let event = put(&a, asked(1)).await;
    let (_, bucket) = nats.raw().await;
    assert!(bucket.purge(&id(1).to_string(), event.id.0).await.is_ok());
    for store in [&a, &b] {
        assert_eq!(store.get(id(1)).await, Ok(None));
        assert_eq!(store.pending().await, Ok(0));
    }
    let again = done(b.commit(None, asked(1)).await.unwrap());
    assert_eq!(a.get(id(1)).await, Ok(Some(again)));
}
