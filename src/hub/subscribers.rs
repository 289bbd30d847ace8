//! Who listens, and to what: so that an event wakes those whom it concerns, and nobody else.
//!
//! Nobody has a queue. An event leaves a mark at each subscriber whose filter lets it through, and
//! wakes it unless it was marked already; what there is to tell is read from the tail. A subscriber
//! that is not marked has nothing to read up to the head, however far behind it its cursor is.

use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use futures_util::task::AtomicWaker;

use super::Full;
use crate::domain::{Event, EventId, Request, Rights, Topic};

/// What a subscriber hears of.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    // Sorted and without doubles; none for every topic.
    topics: Vec<Topic>,
    seen_by: Option<Arc<Rights>>,
}

impl Filter {
    /// Requests of these topics, or of every one when there are none; of these, what somebody with
    /// such rights may see, or all.
    pub fn new(mut topics: Vec<Topic>, seen_by: Option<Arc<Rights>>) -> Self {
        topics.sort_unstable();
        topics.dedup();
        Self { topics, seen_by }
    }

    /// Whether changes of this request are let through.
    pub fn admits(&self, request: &Request) -> bool {
        let of_topics = self.topics.is_empty() || self.topics.binary_search(&request.topic).is_ok();
        of_topics && self.shows(request)
    }

    fn shows(&self, request: &Request) -> bool {
        let rights = self.seen_by.as_ref();
        rights.is_none_or(|rights| rights.may_see(request))
    }
}

/// The mark of whom nothing new concerns.
const NO_NEWS: u64 = u64::MAX;
/// The mark of who has just come: whatever follows its cursor may concern it.
const ALL_NEWS: u64 = 0;

/// One subscriber, as the hub sees it.
#[derive(Debug)]
struct Place {
    filter: Filter,
    /// One of those that are limited in number, and waited for.
    is_counted: bool,
    /// The last event that it has passed.
    passed: AtomicU64,
    /// Of the events that it has not passed, none before this one concerns it.
    news: AtomicU64,
    waker: AtomicWaker,
}

impl Place {
    /// Notes that an event concerns this one. True when that is news to it: it may be asleep.
    fn mark(&self, event: u64) -> bool {
        let (set, failed) = (Ordering::AcqRel, Ordering::Acquire);
        let known = self.news.compare_exchange(NO_NEWS, event, set, failed);
        known.is_ok()
    }

    /// Marks it when some of these events, which are about its topics, concern it; whom to wake.
    fn hear(&self, events: &[Event]) -> Option<Waker> {
        if self.has_news() {
            return None;
        }
        let mut events = events.iter();
        let first = events.find(|event| self.filter.shows(&event.request))?;
        self.mark(first.id.0).then(|| self.waker.take()).flatten()
    }

    fn has_news(&self) -> bool {
        self.news.load(Ordering::Acquire) != NO_NEWS
    }
}

/// All subscribers.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    // A std mutex: it is held for a walk over those who may hear of an event, or over all for whoever
    // watches the daemon; never over an await.
    here: Arc<Mutex<Here>>,
}

/// The subscribers by the number that each was given, under what they hear of.
#[derive(Debug, Default)]
struct Here {
    of_all: BTreeMap<u64, Arc<Place>>,
    of_topics: HashMap<Topic, BTreeMap<u64, Arc<Place>>>,
    counted: usize,
    next: u64,
}

impl Here {
    /// Every subscriber; one that hears of several topics so many times.
    fn all(&self) -> impl Iterator<Item = &Arc<Place>> {
        let of_topics = self.of_topics.values().flat_map(BTreeMap::values);
        self.of_all.values().chain(of_topics)
    }
}

fn lock(here: &Mutex<Here>) -> MutexGuard<'_, Here> {
    here.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whom to wake, which is nothing to do under a lock.
#[must_use]
pub(super) struct Woken(Vec<Waker>);

impl Woken {
    pub(super) fn wake(self) {
        for waker in self.0 {
            waker.wake();
        }
    }
}

impl Subscribers {
    /// Lets one more in, who has passed `head`. It counts towards `most` if there is a limit.
    ///
    /// # Errors
    /// As many are here as may.
    pub(super) fn enter(
        &self,
        filter: Filter,
        head: EventId,
        most: Option<usize>,
    ) -> Result<Subscriber, Full> {
        let mut here = lock(&self.here);
        if let Some(most) = most {
            if here.counted >= most {
                return Err(Full { most });
            }
            here.counted += 1;
        }
        let number = here.next;
        here.next += 1;
        let place = Arc::new(Place {
            filter,
            is_counted: most.is_some(),
            passed: AtomicU64::new(head.0),
            news: AtomicU64::new(ALL_NEWS),
            waker: AtomicWaker::new(),
        });
        if place.filter.topics.is_empty() {
            here.of_all.insert(number, Arc::clone(&place));
        }
        for topic in &place.filter.topics {
            let places = here.of_topics.entry(topic.clone()).or_default();
            places.insert(number, Arc::clone(&place));
        }
        drop(here);
        Ok(Subscriber {
            number,
            place,
            here: Arc::clone(&self.here),
        })
    }

    /// Marks those whom these events concern, which are in the tail already.
    pub(super) fn mark(&self, events: &[Event]) -> Woken {
        let mut woken = Vec::new();
        let here = lock(&self.here);
        // The first event that concerns it is enough for each: whoever reads one reads them all.
        for place in here.of_all.values() {
            woken.extend(place.hear(events));
        }
        for event in events {
            let places = here.of_topics.get(&event.request.topic).into_iter();
            for place in places.flat_map(BTreeMap::values) {
                woken.extend(place.hear(std::slice::from_ref(event)));
            }
        }
        drop(here);
        Woken(woken)
    }

    /// Marks all: whatever follows `event` may concern them.
    pub(super) fn mark_all(&self, event: EventId) -> Woken {
        let here = lock(&self.here);
        let marked = here.all().filter(|place| place.mark(event.0 + 1));
        let woken = marked.filter_map(|place| place.waker.take()).collect();
        drop(here);
        Woken(woken)
    }

    /// How many are counted.
    pub(super) fn count(&self) -> usize {
        lock(&self.here).counted
    }

    /// The place of the last of those who are counted and have something to read.
    pub(super) fn slowest(&self) -> Option<EventId> {
        let here = lock(&self.here);
        let counted = here.all().filter(|place| place.is_counted);
        let behind = counted.filter_map(|place| {
            let news = place.news.load(Ordering::Acquire);
            let passed = place.passed.load(Ordering::Relaxed);
            (news != NO_NEWS).then(|| passed.max(news.saturating_sub(1)))
        });
        let slowest = behind.min();
        drop(here);
        slowest.map(EventId)
    }
}

/// One open stream; dropping it gives its place back.
#[derive(Debug)]
pub struct Subscriber {
    number: u64,
    place: Arc<Place>,
    here: Arc<Mutex<Here>>,
}

impl Subscriber {
    /// What it hears of.
    pub fn filter(&self) -> &Filter {
        &self.place.filter
    }

    /// Waits until an event that concerns this one was delivered, since its last read of the tail
    /// found nothing. Safe to drop at any time.
    pub async fn told(&mut self) {
        let place = &self.place;
        poll_fn(|context| {
            // Registered first: a mark that is set in between wakes, or is seen.
            place.waker.register(context.waker());
            if place.has_news() {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }

    /// Notes how far this subscriber has come; until then it counts as one that has seen all that
    /// was there when it came.
    pub fn passed(&self, cursor: EventId) {
        self.place.passed.store(cursor.0, Ordering::Relaxed);
    }

    /// Where it may go on that stands at `cursor`, when all up to `head` was marked before this
    /// call: it passes what does not concern it.
    pub(super) fn past_others(&self, cursor: EventId, head: EventId) -> EventId {
        let passed = match self.place.news.load(Ordering::Acquire) {
            NO_NEWS => head,
            news => EventId(news.saturating_sub(1)),
        };
        cursor.max(passed)
    }

    /// It has read all that there is. What comes from now on marks it anew.
    pub(super) fn has_read_all(&self) {
        self.place.news.store(NO_NEWS, Ordering::Release);
    }

    /// It has not read all that there is after `cursor`, though its mark was taken away.
    pub(super) fn has_more_after(&self, cursor: EventId) {
        self.place.news.fetch_min(cursor.0 + 1, Ordering::AcqRel);
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let mut here = lock(&self.here);
        if self.place.is_counted {
            here.counted -= 1;
        }
        here.of_all.remove(&self.number);
        for topic in &self.place.filter.topics {
            let Some(places) = here.of_topics.get_mut(topic) else {
                continue;
            };
            places.remove(&self.number);
            if places.is_empty() {
                here.of_topics.remove(topic);
            }
        }
    }
}

#[cfg(test)]
mod tests;
