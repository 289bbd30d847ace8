//! The newest events, kept ready for streams.
//!
//! A subscriber is a cursor: it reads what follows its cursor and waits until something that
//! concerns it has come. There is no queue per subscriber, so a slow one costs one number; who has
//! fallen behind the tail is told so and reads the store instead.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use tokio::sync::watch;

use super::Full;
use super::subscribers::{Filter, Subscriber, Subscribers};
use crate::domain::{Event, EventId};
use crate::limits;

/// An event with room for what is made of it once and sent to many.
#[derive(Debug)]
pub struct Entry {
    /// The event.
    pub event: Event,
    frame: OnceLock<Bytes>,
}

impl Entry {
    /// An entry of this event.
    pub fn new(event: Event) -> Self {
        Self {
            event,
            frame: OnceLock::new(),
        }
    }

    /// What `make` makes of the event, made at the first call and shared ever after. All callers
    /// have to bring the same `make`.
    pub fn frame(&self, make: impl FnOnce(&Event) -> Bytes) -> &Bytes {
        self.frame.get_or_init(|| make(&self.event))
    }
}

/// The newest events and the head.
#[derive(Debug)]
pub struct Tail {
    events: RwLock<Events>,
    head: watch::Sender<EventId>,
    subscribers: Subscribers,
    most: usize,
}

#[derive(Debug, Default)]
struct Events {
    // All events after `base`, in order.
    entries: VecDeque<Arc<Entry>>,
    base: EventId,
    bytes: usize,
}

/// What follows a cursor.
#[derive(Debug)]
pub enum TailRead {
    /// The next events; none when the cursor is at the head.
    Events(Vec<Arc<Entry>>),
    /// The tail begins only after this event: read the store up to it first.
    BeginsAfter(EventId),
}

impl TailRead {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Events(entries) if entries.is_empty())
    }
}

impl Tail {
    /// An empty tail, with room for `most` subscribers.
    pub fn new(most: usize) -> Self {
        let (head, _) = watch::channel(EventId::ZERO);
        Self {
            events: RwLock::default(),
            head,
            subscribers: Subscribers::default(),
            most,
        }
    }

    /// Starts after `head`. What other daemons on the store have committed since it was looked up
    /// may have been told already, and stays.
    pub(super) fn begin(&self, head: EventId) {
        let mut events = self.events.write().unwrap_or_else(PoisonError::into_inner);
        events.base = events.base.max(head);
        while let Some(old) = events.entries.pop_front_if(|entry| entry.event.id <= head) {
            events.bytes -= old.event.request.text_bytes();
        }
        drop(events);
        self.head.send_if_modified(|known| {
            let is_newer = *known < head;
            *known = head.max(*known);
            is_newer
        });
    }

    /// Appends the next events and tells the subscribers.
    pub(super) fn extend(&self, new: &[Event]) {
        let Some(last) = new.last() else { return };
        let mut events = self.events.write().unwrap_or_else(PoisonError::into_inner);
        for event in new {
            events.bytes += event.request.text_bytes();
            events
                .entries
                .push_back(Arc::new(Entry::new(event.clone())));
        }
        while events.entries.len() > limits::TAIL_EVENTS || events.bytes > limits::TAIL_BYTES {
            let Some(old) = events.entries.pop_front() else {
                break;
            };
            events.bytes -= old.event.request.text_bytes();
            events.base = old.event.id;
        }
        drop(events);
        // Marked before the head moves, so that nothing up to the head is news to whom it does not
        // mark.
        let woken = self.subscribers.mark(new);
        self.head.send_replace(last.id);
        woken.wake();
    }

    /// Goes on after `head`, whose event is not to be had. Whoever is behind it reads the store, and
    /// finds there that it has missed nothing.
    pub(super) fn reached(&self, head: EventId) {
        let mut events = self.events.write().unwrap_or_else(PoisonError::into_inner);
        let before = self.head();
        if head <= before {
            return;
        }
        events.entries.clear();
        events.bytes = 0;
        events.base = head;
        drop(events);
        let woken = self.subscribers.mark_all(before);
        self.head.send_replace(head);
        woken.wake();
    }

    /// The newest event that was delivered.
    pub fn head(&self) -> EventId {
        *self.head.borrow()
    }

    /// Waits until the event `id`, or one after it, was delivered. Safe to drop at any time.
    pub async fn has_reached(&self, id: EventId) {
        let mut head = self.head.subscribe();
        if head.wait_for(|head| *head >= id).await.is_err() {
            unreachable!("the sender is in `self`");
        }
    }

    /// The cursor from which a subscriber that stands at `cursor` may go on: what it passes by that
    /// does not concern it.
    pub fn past_others(&self, subscriber: &Subscriber, cursor: EventId) -> EventId {
        // In this order: what was marked before the head had moved is seen.
        let head = self.head();
        subscriber.past_others(cursor, head)
    }

    /// At most `most` events after `cursor`, whomever they concern. When there are none, the
    /// subscriber may wait to be [told](Subscriber::told).
    pub fn read(&self, subscriber: &Subscriber, cursor: EventId, most: usize) -> TailRead {
        let mut read = self.after(cursor, most);
        if read.is_empty() {
            subscriber.has_read_all();
            // What came before that is read now, and what comes afterwards marks it anew: the lock
            // of the events orders the two.
            read = self.after(cursor, most);
            if !read.is_empty() {
                subscriber.has_more_after(cursor);
            }
        }
        read
    }

    fn after(&self, cursor: EventId, most: usize) -> TailRead {
        let events = self.events.read().unwrap_or_else(PoisonError::into_inner);
        if cursor < events.base {
            return TailRead::BeginsAfter(events.base);
        }
        let from = events
            .entries
            .partition_point(|entry| entry.event.id <= cursor);
        TailRead::Events(
            events
                .entries
                .range(from..)
                .take(most)
                .map(Arc::clone)
                .collect(),
        )
    }

    /// Registers a subscriber for what `filter` lets through.
    ///
    /// # Errors
    /// As many listen as may.
    pub fn subscribe(&self, filter: Filter) -> Result<Subscriber, Full> {
        self.subscribers.enter(filter, self.head(), Some(self.most))
    }

    /// A reader of the daemon's own, which hears of everything, takes nobody's place and is not
    /// counted.
    pub fn follow(&self) -> Subscriber {
        let entered = self.subscribers.enter(Filter::default(), self.head(), None);
        entered.expect("there is always room for the daemon's own")
    }

    /// How many listen.
    pub fn subscribers(&self) -> usize {
        self.subscribers.count()
    }

    /// How many events behind the head the slowest of those is who have something to be told; zero
    /// when nobody is behind. It looks at every subscriber, and is for whoever watches the daemon.
    pub fn behind(&self) -> u64 {
        let slowest = self.subscribers.slowest();
        // A subscriber may be ahead of the head by what was read from the store.
        slowest.map_or(0, |place| self.head().0.saturating_sub(place.0))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::domain::Status;
    use crate::hub::tests::event;

    fn ids(read: TailRead) -> Vec<u64> {
        match read {
            TailRead::Events(entries) => entries.iter().map(|entry| entry.event.id.0).collect(),
            TailRead::BeginsAfter(base) => panic!("begins after {base}"),
        }
    }

    #[test]
    fn a_cursor_reads_what_follows_it() {
        let tail = Tail::new(1);
        tail.begin(EventId(10));
        tail.extend(&[event(11, 1, Status::Pending), event(14, 2, Status::Pending)]);
        assert_eq!(ids(tail.after(EventId(10), 9)), [11, 14]);
        assert_eq!(ids(tail.after(EventId(10), 1)), [11]);
        assert_eq!(ids(tail.after(EventId(12), 9)), [14]);
        assert_eq!(ids(tail.after(EventId(14), 9)), [0_u64; 0]);
        assert!(matches!(
            tail.after(EventId(9), 9),
            TailRead::BeginsAfter(EventId(10))
        ));
    }

    // The feed of a store that others write to, too, may tell of a commit before the daemon has begun.
    // That was taken for a mistake, and the daemon did not start.
    #[test]
    fn what_is_told_before_the_beginning_is_kept() {
        let tail = Tail::new(1);
        tail.extend(&[event(10, 1, Status::Pending), event(11, 2, Status::Pending)]);
        tail.begin(EventId(10));
        assert_eq!(tail.head(), EventId(11));
        assert_eq!(ids(tail.after(EventId(10), 9)), [11]);
        assert!(matches!(
            tail.after(EventId(9), 9),
            TailRead::BeginsAfter(EventId(10))
        ));
    }

    #[test]
    fn the_tail_is_bounded_and_says_where_it_begins() {
        let tail = Tail::new(1);
        let most = limits::TAIL_EVENTS as u64;
        for id in 1..=most + 5 {
            tail.extend(&[event(id, 1, Status::Pending)]);
        }
        assert!(matches!(
            tail.after(EventId(4), 9),
            TailRead::BeginsAfter(EventId(5))
        ));
        assert_eq!(ids(tail.after(EventId(5), 1)), [6]);
    }

    #[tokio::test]
    async fn a_subscriber_that_comes_after_the_event_does_not_wait_for_it() {
        let tail = Tail::new(1);
        tail.extend(&[event(1, 1, Status::Pending)]);
        let mut subscriber = tail.subscribe(Filter::default()).unwrap();
        subscriber.told().await;
        assert_eq!(tail.past_others(&subscriber, EventId::ZERO), EventId::ZERO);
        assert_eq!(ids(tail.read(&subscriber, EventId::ZERO, 9)), [1]);
    }

    #[tokio::test]
    async fn what_was_delivered_is_waited_for_whomever_it_concerns() {
        let tail = Tail::new(1);
        tail.extend(&[event(3, 1, Status::Pending)]);
        tail.has_reached(EventId(2)).await;
        let mut reaching = pin!(tail.has_reached(EventId(4)));
        assert!(reaching.as_mut().now_or_never().is_none());
        tail.extend(&[event(5, 1, Status::Pending)]);
        reaching.await;
    }

    #[test]
    fn a_subscriber_that_leaves_gives_its_place_back() {
        let tail = Tail::new(1);
        let first = tail.subscribe(Filter::default()).unwrap();
        assert_eq!(
            tail.subscribe(Filter::default()).err(),
            Some(Full { most: 1 })
        );
        assert_eq!(tail.subscribers(), 1);
        drop(first);
        assert_eq!(tail.subscribers(), 0);
        assert!(tail.subscribe(Filter::default()).is_ok());
    }

    #[test]
    fn the_slowest_subscriber_is_told_by_how_many_events_it_is_behind() {
        let tail = Tail::new(3);
        tail.begin(EventId(10));
        assert_eq!(tail.behind(), 0, "nobody listens");
        let (slow, quick) = (
            tail.subscribe(Filter::default()).unwrap(),
            tail.subscribe(Filter::default()).unwrap(),
        );
        assert_eq!(tail.behind(), 0, "both came when that was the head");
        tail.extend(&[event(11, 1, Status::Pending), event(14, 2, Status::Pending)]);
        quick.passed(EventId(14));
        assert_eq!(tail.behind(), 4);
        slow.passed(EventId(11));
        assert_eq!(tail.behind(), 3);
        drop(slow);
        assert_eq!(tail.behind(), 0, "one that has left is not waited for");
        drop(quick);
    }

    #[test]
    fn a_frame_is_made_once() {
        let entry = Entry::new(event(1, 1, Status::Pending));
        let made = entry.frame(|_| Bytes::from_static(b"first")).clone();
        assert_eq!(entry.frame(|_| unreachable!("it was made")), &made);
    }
}
