//! What the feed is told, and when.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::{Opener, Spy, asked, at, done, id, put, settled};
use crate::domain::{Event, EventId, Status};
use crate::store::{Commit, Feed};

pub(in crate::store) async fn every_commit_is_delivered_once_and_in_order(opener: &impl Opener) {
    let spy = Spy::new();
    let store = opener.open(spy.feed()).await;
    let writers = (0..50).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let asked = done(store.commit(None, asked(n)).await.unwrap());
            let next = settled((*asked.request).clone(), Status::Denied, at(1));
            [
                asked.clone(),
                done(store.commit(Some(asked.id), next).await.unwrap()),
            ]
        })
    });
    let mut answered = Vec::new();
    for writer in join_all(writers).await {
        answered.extend(writer.unwrap());
    }
    answered.sort_unstable_by_key(|event| event.id);
    store.close().await;
    assert_eq!(spy.delivered(), answered);
}

/// Hands events over to a task, which may call the store.
struct Handover(mpsc::Sender<Event>);

impl Feed for Handover {
    fn deliver(&self, events: &[Event]) {
        for event in events {
            self.0.try_send(event.clone()).unwrap();
        }
    }

    fn reached(&self, _: EventId) {}
}

pub(in crate::store) async fn a_delivered_commit_is_readable(opener: &impl Opener) {
    let (sender, mut delivered) = mpsc::channel(1000);
    let store = opener.open(Arc::new(Handover(sender))).await;
    let reader = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for _ in 0..200 {
                let event = delivered.recv().await.unwrap();
                let read = store.get(event.request.id).await.unwrap();
                assert!(read.is_some_and(|read| read.id >= event.id));
                assert!(store.head().await.unwrap().event >= event.id);
            }
        })
    };
    let writers = (0..10).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for _ in 0..20 {
                put(&store, asked(n)).await;
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    reader.await.unwrap();
}

pub(in crate::store) async fn what_was_refused_is_not_delivered(opener: &impl Opener) {
    let spy = Spy::new();
    let store = opener.open(spy.feed()).await;
    let event = put(&store, asked(1)).await;
    let refused = store.commit(None, asked(1)).await.unwrap();
    assert!(matches!(refused, Commit::Conflict(Some(_))));
    let refused = store.commit(Some(event.id), asked(2)).await.unwrap();
    assert_eq!(refused, Commit::Conflict(None));
    store.close().await;
    assert_eq!(spy.delivered(), [event]);
}

pub(in crate::store) async fn what_was_there_on_opening_is_not_delivered(opener: &impl Opener) {
    if !opener.durable() {
        return;
    }
    let store = opener.open(Spy::new()).await;
    put(&store, asked(1)).await;
    store.close().await;
    drop(store);
    let spy = Spy::new();
    let store = opener.open(spy.feed()).await;
    let event = put(&store, asked(2)).await;
    store.close().await;
    assert_eq!(event.request.id, id(2));
    assert_eq!(spy.delivered(), [event]);
}
