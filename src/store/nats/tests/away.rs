//! Servers that end, stand still and come back.

use super::*;
use crate::domain::Status;
use crate::store::Health;
use crate::store::contract::{Spy, asked, at, done, id, put, settled};

async fn until_health(store: &SharedStore, wanted: impl Fn(&Health) -> bool) {
    let mut health = store.health();
    let reached = tokio::time::timeout(DEADLINE, health.wait_for(wanted)).await;
    assert!(reached.is_ok(), "{:?}", *store.health().borrow());
}

fn is_failing(health: &Health) -> bool {
    matches!(health, Health::Failing(_))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_nats_writes_are_refused_and_what_was_seen_is_read() {
    let servers = Arc::new(NatsServers::start(1));
    let nats = Nats::on(Arc::clone(&servers));
    let spy = Spy::new();
    let store: SharedStore = Arc::new(nats.opened(spy.feed()).await);
    let other: SharedStore = Arc::new(nats.opened(Spy::new()).await);
    let event = put(&store, asked(1)).await;
    servers.kill(0);
    until_health(&store, is_failing).await;
    let refused = store.commit(None, asked(2)).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert_eq!(store.get(id(1)).await.unwrap(), Some(event.clone()));
    let absent = store.get(id(9)).await;
    assert!(
        matches!(absent, Err(StoreError::Unavailable(_))),
        "{absent:?}"
    );
    let refused = store.purge(at(1), 9).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    servers.restart(0);
    until_health(&store, |health| *health == Health::Ready).await;
    until_health(&other, |health| *health == Health::Ready).await;
    assert_eq!(store.get(id(9)).await.unwrap(), None);
    let denied = settled((*event.request).clone(), Status::Denied, at(1));
    let denied = done(other.commit(Some(event.id), denied).await.unwrap());
    assert_eq!(store.get(id(1)).await.unwrap(), Some(denied.clone()));
    store.close().await;
    assert_eq!(spy.delivered(), [event, denied]);
}

/// A server that stands still confirms nothing and loses nothing: the write is made once when it
/// goes on, whoever has given up on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_not_confirmed_in_time_is_unknown_and_made_at_most_once() {
    let servers = Arc::new(NatsServers::start(1));
    let nats = Nats::on(Arc::clone(&servers));
    let spy = Spy::new();
    let store: SharedStore = Arc::new(nats.opened(spy.feed()).await);
    servers.stop(0);
    let written = store.commit(None, asked(1)).await;
    assert!(
        matches!(written, Err(StoreError::OutcomeUnknown(_))),
        "{written:?}"
    );
    assert!(is_failing(&store.health().borrow()));
    servers.resume(0);
    until_health(&store, |health| *health == Health::Ready).await;
    let (Commit::Done(event) | Commit::Conflict(Some(event))) =
        store.commit(None, asked(1)).await.unwrap()
    else {
        panic!("a conflict with nothing");
    };
    assert_eq!(store.get(id(1)).await.unwrap(), Some(event.clone()));
    store.close().await;
    assert_eq!(spy.delivered(), [event]);
}

/// Which of the servers leads the bucket.
async fn leader(nats: &Nats) -> usize {
    let (client, _) = nats.raw().await;
    let context = async_nats::jetstream::new(client);
    let stream = context.get_stream(format!("KV_{}", nats.settings.bucket));
    let stream = stream.await.unwrap();
    let cluster = stream.cached_info().cluster.clone().unwrap();
    let name = cluster.leader.unwrap();
    let (_, number) = name.rsplit_once('-').unwrap();
    number.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_confirmed_write_is_lost_when_the_leader_ends_in_the_middle() {
    let servers = Arc::new(NatsServers::start(3));
    let nats = Nats::on(Arc::clone(&servers));
    let spy = Spy::new();
    let store: SharedStore = Arc::new(nats.opened(spy.feed()).await);
    let leader = leader(&nats).await;
    let writing = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut confirmed = Vec::new();
            for n in 0..200 {
                // Refused while a new leader is found; what is unknown may have been made.
                if let Ok(Commit::Done(event)) = store.commit(None, asked(n)).await {
                    confirmed.push(event);
                } else {
                    tokio::time::sleep(limits::NATS_RETRY).await;
                }
            }
            confirmed
        })
    };
    until(async || spy.delivered().len() > 20).await;
    servers.kill(leader);
    let confirmed = writing.await.unwrap();
    assert!(confirmed.len() > 20, "{}", confirmed.len());
    until_health(&store, |health| *health == Health::Ready).await;
    servers.restart(leader);
    let late: SharedStore = Arc::new(nats.opened(Spy::new()).await);
    for event in &confirmed {
        for store in [&store, &late] {
            let read = store.get(event.request.id).await.unwrap();
            assert_eq!(read.as_ref(), Some(event));
        }
    }
    store.close().await;
    let delivered = spy.delivered();
    assert!(
        delivered.is_sorted_by(|a, b| a.id < b.id),
        "in order, each once"
    );
    for event in confirmed {
        assert!(delivered.contains(&event), "{}", event.id);
    }
}

#[tokio::test]
async fn a_bucket_that_is_nearly_full_takes_answers_and_no_asks() {
    let mut nats = Nats::single();
    nats.settings.max_bytes = limits::NATS_BYTES_MIN;
    let store: SharedStore = Arc::new(nats.opened(Spy::new()).await);
    let mut large = asked(0);
    large.details = crate::domain::Details::new("x".repeat(limits::DETAILS_BYTES)).unwrap();
    let mut last = None;
    let refused = loop {
        let n = last.as_ref().map_or(0, |event: &Event| event.id.0);
        let id = crate::store::contract::id_of_many(usize::try_from(n).unwrap());
        let request = Request {
            id,
            ..large.clone()
        };
        match store.commit(None, request).await {
            Ok(commit) => last = Some(done(commit)),
            Err(error) => break error,
        }
    };
    let text = refused.to_string();
    assert!(
        text.contains("--retain") && text.contains("bytes"),
        "{text}"
    );
    assert!(last.is_some());
    // All that is pending can be answered, and what is answered makes room when it is purged.
    let all = Range {
        after: EventId::ZERO,
        until: EventId(u64::MAX),
    };
    let pending = store.changes(all, true, 10_000).await.unwrap();
    assert!(pending.len() > 20, "{}", pending.len());
    for event in &pending {
        let denied = settled((*event.request).clone(), Status::Denied, at(1));
        done(store.commit(Some(event.id), denied).await.unwrap());
    }
    assert_eq!(store.purge(at(2), 10_000).await.unwrap(), pending.len());
    until(async || store.commit(None, asked(200)).await.is_ok()).await;
}

#[tokio::test]
async fn a_record_that_is_too_large_is_refused_with_both_numbers() {
    let nats = Nats::single();
    let store: SharedStore = Arc::new(nats.opened(Spy::new()).await);
    let mut large = asked(1);
    let text = "\u{1}".repeat(limits::DETAILS_BYTES);
    large.details = crate::domain::Details::new(text.clone()).unwrap();
    large.fields = (0..limits::FIELDS * 3)
        .map(|n| crate::domain::Field::new(format!("{n}"), "\u{1}".repeat(1024)).unwrap())
        .collect();
    let refused = store.commit(None, large).await;
    let Err(StoreError::TooLarge { bytes, most }) = refused else {
        panic!("{refused:?}");
    };
    assert!(bytes > most);
}
