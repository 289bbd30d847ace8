//! Who waits and who listens: what it takes to wake them.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::FutureExt as _;
use pushd::domain::{Event, EventId};
use pushd::hub::{Filter, Hub, Subscriber, TailRead, Waiters, Wants};
use pushd::limits::{CHANGES_BATCH, Limits};
use tokio::runtime::Runtime;

use crate::case::{Case, Operation};
use crate::samples::{approved, event, id, pending};

pub(crate) fn cases() -> Vec<Case> {
    let publish = |subscribers: u64, times: u64| {
        let name = match subscribers {
            1 => "hub/publish to 1 subscriber".to_owned(),
            many => format!("hub/publish to {many} subscribers"),
        };
        Case::new(name, move |_| published(subscribers))
            .of(subscribers)
            .counted(times)
    };
    let wake = |others: u64| {
        let name = format!("hub/park and wake a waiter, {others} others");
        Case::new(name, move |_| woken(others))
    };
    vec![
        publish(1, 1000),
        publish(1000, 50),
        publish(10_000, 10),
        wake(0),
        wake(10_000),
    ]
}

/// One event to so many tasks that read the tail, each of which takes the frame that was made once.
fn published(subscribers: u64) -> Operation {
    let runtime = runtime();
    let hub = Arc::new(Hub::new(&Limits::for_descriptors(32_768)));
    let told = Arc::new(AtomicU64::new(0));
    for _ in 0..subscribers {
        let subscriber = hub
            .tail
            .subscribe(Filter::default())
            .expect("there is room");
        runtime.spawn(listen(Arc::clone(&hub), subscriber, Arc::clone(&told)));
    }
    let request = Arc::new(pending(1));
    let mut number = 0;
    Box::new(move || {
        number += 1;
        let event = Event {
            id: EventId(number),
            request: Arc::clone(&request),
        };
        runtime.block_on(async {
            hub.deliver(&[event]);
            while told.load(Ordering::Relaxed) < number * subscribers {
                tokio::task::yield_now().await;
            }
        });
    })
}

async fn listen(hub: Arc<Hub>, mut subscriber: Subscriber, told: Arc<AtomicU64>) {
    let mut cursor = EventId::ZERO;
    loop {
        let TailRead::Events(entries) = hub.tail.read(&subscriber, cursor, CHANGES_BATCH) else {
            panic!("the tail is long enough for whoever reads each event");
        };
        if entries.is_empty() {
            subscriber.told().await;
        }
        for entry in entries {
            black_box(entry.frame(|_| Bytes::from_static(b"a frame")).clone());
            cursor = entry.event.id;
            told.fetch_add(1, Ordering::Relaxed);
        }
        subscriber.passed(cursor);
    }
}

/// One waiter that comes, parks and is woken, beside so many that stay.
fn woken(others: u64) -> Operation {
    let waiters = Waiters::new(32_768);
    let park = |n| {
        let waiter = waiters.register(id(n), Wants::Final);
        waiter.expect("there is room")
    };
    let parked: Vec<_> = (0..others).map(|n| park(n + 1)).collect();
    let answer = event(2, approved(&pending(0)));
    Box::new(move || {
        black_box(&parked);
        let mut waiter = waiters
            .register(id(0), Wants::Final)
            .expect("there is room");
        assert!(waiter.woken().now_or_never().is_none(), "it parks");
        waiters.deliver(&answer);
        let woken = waiter.woken().now_or_never();
        black_box(woken.expect("it is woken"));
    })
}

/// One thread for all.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("there is room for a runtime")
}
