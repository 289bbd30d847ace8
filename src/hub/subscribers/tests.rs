//! Who is woken, and what a reader on another thread hears.

use std::sync::atomic::AtomicUsize;
use std::task::{Context, Wake};
use std::{pin::pin, thread};

use super::*;
use crate::domain::{Principal, Role, Status, TopicPattern};
use crate::hub::tests::event_about;
use crate::hub::{Tail, TailRead};

fn topic(name: &str) -> Topic {
    Topic::new(name.to_owned()).unwrap()
}

fn only(name: &str) -> Filter {
    Filter::new(vec![topic(name)], None)
}

/// Event `id` about a topic.
fn about(id: u64, name: &str) -> Event {
    event_about(id, 1, Status::Pending, &topic(name))
}

fn rights(principal: &str, role: Role, pattern: &str) -> Arc<Rights> {
    Arc::new(Rights {
        principal: Principal::new(principal),
        is_known: true,
        roles: vec![role],
        topics: vec![TopicPattern::new(pattern).unwrap()],
    })
}

fn ids(read: TailRead) -> Vec<u64> {
    match read {
        TailRead::Events(entries) => entries.iter().map(|entry| entry.event.id.0).collect(),
        TailRead::BeginsAfter(base) => panic!("begins after {base}"),
    }
}

/// How often somebody was woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// How often a subscriber that has read all is woken while `happens`.
fn woken(tail: &Tail, subscriber: &mut Subscriber, happens: impl FnOnce()) -> usize {
    let head = tail.head();
    assert_eq!(ids(tail.read(subscriber, head, 9)), [0_u64; 0]);
    let times = Arc::new(Wakes::default());
    let waker = Arc::clone(&times).into();
    let mut told = pin!(subscriber.told());
    let waits = told.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(waits.is_pending());
    happens();
    times.0.load(Ordering::Relaxed)
}

#[test]
fn an_event_wakes_those_whom_it_concerns_once_and_nobody_else() {
    let tail = Tail::new(9);
    let mut all = tail.subscribe(Filter::default()).unwrap();
    let twice = Filter::new(["a", "b", "a"].map(topic).to_vec(), None);
    let mut ours = tail.subscribe(twice).unwrap();
    let mut others = tail.subscribe(only("c")).unwrap();
    let mut own = tail.follow();
    let mut number = 0;
    for (subscriber, count) in [
        (&mut all, 1),
        (&mut ours, 1),
        (&mut others, 0),
        (&mut own, 1),
    ] {
        let happens = || {
            for topic in ["a", "b", "a"] {
                number += 1;
                tail.extend(&[about(number, topic)]);
            }
        };
        assert_eq!(woken(&tail, subscriber, happens), count, "{subscriber:?}");
    }
}

#[test]
fn what_may_not_be_seen_wakes_nobody() {
    let tail = Tail::new(9);
    // Their own are asked by `ci`.
    let mut cases = [
        (rights("ci", Role::Requester, "*"), 1),
        (rights("eve", Role::Requester, "*"), 0),
        (rights("alice", Role::Approver, "a"), 1),
        (rights("alice", Role::Approver, "b"), 0),
    ];
    for (number, (rights, count)) in (1..).zip(&mut cases) {
        let filter = Filter::new(Vec::new(), Some(Arc::clone(rights)));
        let mut subscriber = tail.subscribe(filter).unwrap();
        let happens = || tail.extend(&[about(number, "a")]);
        assert_eq!(woken(&tail, &mut subscriber, happens), *count, "{rights:?}");
    }
}

#[test]
fn who_is_not_woken_passes_what_there_was_up_to_what_concerns_it() {
    let tail = Tail::new(9);
    let mut subscriber = tail.subscribe(only("ours")).unwrap();
    let happens = || tail.extend(&[about(1, "a"), about(2, "b")]);
    assert_eq!(woken(&tail, &mut subscriber, happens), 0);
    assert_eq!(tail.past_others(&subscriber, EventId::ZERO), EventId(2));
    assert_eq!(tail.behind(), 0, "it has nothing to read");
    tail.extend(&[about(3, "a"), about(4, "ours"), about(5, "a")]);
    assert_eq!(tail.past_others(&subscriber, EventId::ZERO), EventId(3));
    assert_eq!(tail.behind(), 2);
    assert_eq!(ids(tail.read(&subscriber, EventId(3), 1)), [4]);
    assert_eq!(tail.past_others(&subscriber, EventId(4)), EventId(4));
    assert_eq!(ids(tail.read(&subscriber, EventId(4), 9)), [5]);
}

#[test]
fn all_are_woken_when_nobody_knows_what_has_happened() {
    let tail = Tail::new(9);
    tail.extend(&[about(1, "a")]);
    let mut subscriber = tail.subscribe(only("ours")).unwrap();
    assert_eq!(
        woken(&tail, &mut subscriber, || tail.reached(EventId(7))),
        1
    );
    let cursor = tail.past_others(&subscriber, EventId::ZERO);
    assert_eq!(cursor, EventId(1));
    assert!(matches!(
        tail.read(&subscriber, cursor, 9),
        TailRead::BeginsAfter(EventId(7))
    ));
}

#[test]
fn nobody_is_remembered_who_has_left() {
    let tail = Tail::new(9);
    for filter in [Filter::default(), only("a"), only("b")] {
        drop((tail.subscribe(filter).unwrap(), tail.follow()));
    }
    let subscriber = tail.subscribe(only("a")).unwrap();
    let here = Arc::clone(&subscriber.here);
    drop(subscriber);
    let here = lock(&here);
    assert!(here.of_all.is_empty() && here.of_topics.is_empty());
    assert_eq!(here.counted, 0);
}

/// A reader on another thread, in steps that are smaller than what comes, misses nothing of what
/// concerns it. It looks without a pause, so that much comes while it clears its mark.
#[test]
fn nothing_is_missed_while_it_is_delivered() {
    const EVENTS: u64 = 60_000;
    let tail = Tail::new(9);
    let read = AtomicU64::new(0);
    let subscriber = tail.subscribe(only("ours")).unwrap();
    let is_ours = |id: u64| id.wrapping_mul(0x9E37_79B9) % 7 < 2;
    let name = |id| if is_ours(id) { "ours" } else { "others" };
    let events: Vec<_> = (1..=EVENTS).map(|id| about(id, name(id))).collect();
    let heard = thread::scope(|scope| {
        scope.spawn(|| {
            for some in events.chunks(5) {
                tail.extend(some);
                while tail.head().0 > read.load(Ordering::Relaxed) + 1000 {
                    thread::yield_now();
                }
            }
        });
        let (mut cursor, mut heard) = (EventId::ZERO, Vec::new());
        while cursor.0 < EVENTS {
            cursor = tail.past_others(&subscriber, cursor);
            let TailRead::Events(entries) = tail.read(&subscriber, cursor, 2) else {
                panic!("the tail is long enough");
            };
            cursor = entries.last().map_or(cursor, |last| last.event.id);
            read.store(cursor.0, Ordering::Relaxed);
            let told = entries.iter().map(|entry| &entry.event);
            let told = told.filter(|event| subscriber.filter().admits(&event.request));
            heard.extend(told.map(|event| event.id.0));
        }
        heard
    });
    let ours: Vec<_> = (1..=EVENTS).filter(|id| is_ours(*id)).collect();
    assert_eq!(heard, ours);
}
