//! The way from the store's feed to the hub, and what is counted on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::domain::{Event, Status, Timestamp};
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::store::Feed;

/// Hands each commit to the hub, and keeps the number of pending requests.
pub struct Pump {
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
    pending: AtomicUsize,
    latest: AtomicI64,
    /// Asks that are on their way to the store.
    on_the_way: AtomicUsize,
    /// When the sweep looks next; what expires earlier has to wake it.
    next_look: AtomicI64,
    expires_sooner: Notify,
}

/// Room for one pending request, held while the ask is on its way to the store.
pub(super) struct Room<'a>(&'a Pump);

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.0.on_the_way.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Pump {
    /// A pump into `hub`; it is the feed that a store is opened with.
    pub fn new(hub: Arc<Hub>, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            hub,
            metrics,
            pending: AtomicUsize::new(0),
            latest: AtomicI64::new(i64::MIN),
            on_the_way: AtomicUsize::new(0),
            next_look: AtomicI64::new(i64::MAX),
            expires_sooner: Notify::new(),
        })
    }

    /// Where the commits go.
    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Starts counting from what the store has.
    pub(super) fn begin(&self, pending: usize, newest: Option<&Event>) {
        self.pending.store(pending, Ordering::Relaxed);
        if let Some(newest) = newest {
            self.note_time(newest);
        }
    }

    /// The latest time that a commit carries, by the clock of whoever made it.
    pub(super) fn latest(&self) -> Timestamp {
        Timestamp::from_millis(self.latest.load(Ordering::Relaxed))
    }

    fn note_time(&self, event: &Event) {
        if let Some(step) = event.request.history.last() {
            self.latest
                .fetch_max(step.at.as_millis(), Ordering::Relaxed);
        }
    }

    /// How many requests are pending.
    pub(super) fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// Room for one more pending request, if `most` leave any. Asks that run at the same time
    /// cannot take the same room; near the limit one may be refused that would just have fitted.
    pub(super) fn room_for_one(&self, most: usize) -> Option<Room<'_>> {
        let on_the_way = self.on_the_way.fetch_add(1, Ordering::AcqRel);
        // The guard is made first, so that its drop takes a refused one off again.
        let room = Room(self);
        (self.pending() + on_the_way < most).then_some(room)
    }

    /// From now on every ask wakes the sweep, which is about to look what there is.
    pub(super) fn sweep_looks(&self) {
        self.next_look.store(i64::MAX, Ordering::SeqCst);
    }

    /// Waits until something was asked that expires before `next`, since the sweep last looked.
    /// Safe to drop at any time.
    pub(super) async fn expires_before(&self, next: Timestamp) {
        self.next_look.store(next.as_millis(), Ordering::SeqCst);
        self.expires_sooner.notified().await;
    }

    fn count(&self, event: &Event) {
        let request = &event.request;
        // Only a commit that carries a new version changes the status; a vote or a `seen` does not.
        if event.version() != event.id {
            return;
        }
        if request.status == Status::Pending {
            self.pending.fetch_add(1, Ordering::Relaxed);
            self.metrics.asked.inc();
            if request.expires_at.as_millis() < self.next_look.load(Ordering::SeqCst) {
                self.expires_sooner.notify_one();
            }
        } else {
            self.pending.fetch_sub(1, Ordering::Relaxed);
            self.metrics.settled(request.status);
        }
    }
}

impl Feed for Pump {
    fn deliver(&self, events: &[Event]) {
        for event in events {
            self.count(event);
            self.note_time(event);
            self.metrics.committed.inc();
        }
        self.hub.deliver(events);
    }
}
